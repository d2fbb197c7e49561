"""Stances of made-up people: what they stand, sit and do before the mirror; where the camera is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inference.body.kinematics import exp_so3
from inference.body.model import BONES, BodyModel
from mirror.types import F64
from workshop.synthetic.people.motions import on_floor, walk
from workshop.synthetic.people.posing import Poser, between

_WHOLE = ("stand", "hips", "crossed", "cheek", "face", "overhead", "wave", "reach", "chest")
_SIDES = ("left", "right")
_ARM = ("upper_arm", "upper_arm_twist", "forearm", "hand")
# Shares, set by hand: what people do before a mirror is common, and the rest is not rare.
_NAMED_ARMS, _ARMS_BETWEEN = (
    0.45,
    0.2,
)  # arms of a named pose, arms on the way between two; else each anywhere
_HANGING_ARMS = 0.3  # of the arms that are anywhere
SEAT_SHARE, SQUAT_SHARE, WALK_SHARE, LEAN_SHARE = 0.17, 0.07, 0.2, 0.3
FACING_SHARE, FACING_RAD = 0.7, 0.4  # of the people look at the mirror, and how closely
CAMERA_M, FIELD_DEG = (0.65, 2.1), (45.0, 90.0)
NEAR_SHARE, NEAR, FAR = 0.25, (0.95, 1.4), (0.6, 0.95)  # of the picture's height that a person takes


@dataclass(frozen=True)
class Stance:
    """Local rotations (J, 3, 3), the turn to the camera in rad, and the place (x, z) on the floor."""

    name: str
    pose: F64
    yaw: float
    place: tuple[float, float]

    def world(self, model: BodyModel) -> F64:
        """Skinning matrices (J, 3, 4) into the world."""
        turn = exp_so3(np.array([0.0, self.yaw, 0.0]))
        return on_floor(model, self.pose, turn, np.array([self.place[0], 0.0, self.place[1]]))


class Stances:
    """Draws what one body does."""

    def __init__(self, model: BodyModel) -> None:
        self._poser = Poser(model)

    def draw(self, rng: np.random.Generator) -> Stance:
        """The next one."""
        name, pose = self._arms(rng)
        legs = rng.random()
        if legs < SEAT_SHARE:
            name = f"sit {name}"
            self._seat(pose, rng)
        elif legs < SEAT_SHARE + SQUAT_SHARE:
            name = f"squat {name}"
            self._squat(pose, rng)
        elif legs < SEAT_SHARE + SQUAT_SHARE + WALK_SHARE:
            name = f"walk {name}"
            walk(pose, float(rng.uniform(0, 2 * np.pi)), float(rng.uniform(0.4, 1.1)))
        else:
            self._stand(pose, rng)
        if rng.random() < LEAN_SHARE:
            name = f"lean {name}"
            self._lean(
                pose, float(rng.normal(0, 0.3)), float(rng.normal(0.15, 0.3)), float(rng.normal(0, 0.2))
            )
        else:
            self._lean(pose, *(float(v) for v in rng.normal(0, 0.04, 3)))
        nod = exp_so3(rng.normal(0.0, (0.15, 0.3, 0.08)))
        pose[BONES.index("neck")] = exp_so3(rng.normal(0.0, 0.06, 3)) @ pose[BONES.index("neck")]
        pose[BONES.index("head")] = nod @ pose[BONES.index("head")]
        facing = rng.random() < FACING_SHARE
        yaw = float(rng.normal(0.0, FACING_RAD) if facing else rng.uniform(-np.pi, np.pi))
        x, z = rng.uniform((-0.35, -0.2), (0.35, 0.2))
        return Stance(name, pose, yaw, (float(x), float(z)))

    def _named(self, name: str, rng: np.random.Generator) -> F64:
        poser = self._poser
        match name:
            case "hips":
                return poser.hips()
            case "crossed":
                return poser.crossed()
            case "cheek":
                return poser.at_face((_SIDES[rng.integers(2)],))
            case "face":
                return poser.at_face(_SIDES)
            case "overhead":
                return poser.overhead()
            case "wave":
                return poser.waving(float(rng.uniform(-1, 1)))
            case "reach":
                return poser.reaching()
            case "chest":
                return poser.on_chest()
            case "sit":
                return poser.sitting()
        return poser.standing()

    def _arms(self, rng: np.random.Generator) -> tuple[str, F64]:
        """Arms of a named pose, on the way between two, or each anywhere."""
        kind = rng.random()
        first = str(rng.choice(_WHOLE, p=_odds(len(_WHOLE))))
        if kind < _NAMED_ARMS:
            return first, self._named(first, rng)
        if kind < _NAMED_ARMS + _ARMS_BETWEEN:
            second = str(rng.choice(_WHOLE))
            share = float(rng.uniform(0.1, 0.9))
            return f"{first}-{second}", between(self._named(first, rng), self._named(second, rng), share)
        pose = self._poser.standing()
        for side in _SIDES:
            if rng.random() < _HANGING_ARMS:
                self._poser.hang(pose, side, float(rng.uniform(-0.05, 0.25)))
            else:
                self._poser.arm(pose, side, self._hand(rng), rng.uniform((0.1, -1.0, -0.8), (1.0, 0.1, 0.1)))
        return "free", pose

    def _hand(self, rng: np.random.Generator) -> F64:
        """Somewhere that a left wrist reaches without passing through the trunk."""
        shoulder = self._poser.joint("left_upper_arm")
        x, y = shoulder[0] + rng.uniform(-0.3, 0.5), shoulder[1] + rng.uniform(-0.5, 0.5)
        beside = x > self._poser.side(y) + 0.08
        front = self._poser.front(float(np.clip(x, -0.1, 0.1)), y) + 0.08
        return np.array([x, y, rng.uniform(-0.1 if beside else front, front + 0.35)])

    @staticmethod
    def _lean(pose: F64, sideways: float, forward: float, twist: float) -> None:
        for bone in ("spine1", "spine2", "chest"):
            bend = exp_so3(np.array([forward, twist, -sideways]) / 3)
            pose[BONES.index(bone)] = bend @ pose[BONES.index(bone)]

    @staticmethod
    def _stand(pose: F64, rng: np.random.Generator) -> None:
        """Not quite straight: a foot out or before, a knee loose."""
        for side, sign in (("left", 1.0), ("right", -1.0)):
            out, forth = rng.normal((0.03, 0.0), (0.05, 0.06))
            thigh, shin = (BONES.index(f"{side}_{bone}") for bone in ("thigh", "shin"))
            loose = abs(float(rng.normal(0, 0.08)))
            pose[thigh] = exp_so3(np.array([-forth - 0.5 * loose, 0.1 * rng.normal(), sign * out]))
            pose[shin] = exp_so3(np.array([loose, 0.0, 0.0]))

    @staticmethod
    def _squat(pose: F64, rng: np.random.Generator) -> None:
        bend = float(rng.uniform(0.4, 1.5))
        apart = float(rng.uniform(0.0, 0.35))
        for side, sign in (("left", 1.0), ("right", -1.0)):
            thigh, shin = (BONES.index(f"{side}_{bone}") for bone in ("thigh", "shin"))
            pose[thigh] = exp_so3(np.array([0.0, sign * apart, 0.0])) @ exp_so3(np.array([-bend, 0.0, 0.0]))
            pose[shin] = exp_so3(np.array([float(rng.uniform(1.3, 1.6)) * bend, 0.0, 0.0]))
            pose[BONES.index(f"{side}_foot")] = exp_so3(np.array([-0.4 * bend, 0.0, 0.0]))
        pose[BONES.index("pelvis")] = exp_so3(np.array([0.35 * bend, 0.0, 0.0]))

    def _seat(self, pose: F64, rng: np.random.Generator) -> None:
        """On a stool or a chair; the hands on the thighs or as they were."""
        sitting = self._named("sit", rng)
        hands = rng.random() < 0.6
        for side, sign in (("left", 1.0), ("right", -1.0)):
            for bone in _ARM if hands else ():
                index = BONES.index(f"{side}_{bone}")
                pose[index] = sitting[index]
            thigh, shin = (BONES.index(f"{side}_{bone}") for bone in ("thigh", "shin"))
            apart, up, knee = rng.normal((0.14, 1.4, 1.35), (0.12, 0.12, 0.15))
            pose[thigh] = exp_so3(np.array([0.0, sign * apart, 0.0])) @ exp_so3(np.array([-up, 0.0, 0.0]))
            pose[shin] = exp_so3(np.array([knee, 0.0, 0.0]))


def camera(rng: np.random.Generator) -> tuple[float, float, float]:
    """Height in metres, field of view in degrees, share of the picture's height that a person takes."""
    share = rng.uniform(*(NEAR if rng.random() < NEAR_SHARE else FAR))
    return float(rng.uniform(*CAMERA_M)), float(rng.uniform(*FIELD_DEG)), float(share)


def _odds(count: int) -> F64:
    """Standing at ease is as likely as everything else."""
    return np.array([0.5] + [0.5 / (count - 1)] * (count - 1))
