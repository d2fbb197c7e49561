"""What the people of the proof do: key poses in time, a way over the floor, a turn about the vertical."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from inference.body.kinematics import exp_so3
from inference.body.model import BONES, BodyModel
from mirror.types import F64
from workshop.synthetic.people.posing import Poser, between

FPS = 30
Key = tuple[float, str]  # seconds, name of a pose
Track = tuple[tuple[float, float], ...]  # (seconds, value), smooth between

_POSES: dict[str, Callable[[Poser], F64]] = {
    "stand": Poser.standing,
    "crossed": Poser.crossed,
    "hips": Poser.hips,
    "cheek": lambda p: p.at_face(("left",)),
    "face": lambda p: p.at_face(("left", "right")),
    "overhead": Poser.overhead,
    "wave_out": lambda p: p.waving(1.0),
    "wave_in": lambda p: p.waving(-1.0),
    "reach": Poser.reaching,
    "chest": Poser.on_chest,
    "sit": Poser.sitting,
    "lean_left": lambda p: p.leaning(0.5, 0.05),
    "lean_right": lambda p: p.leaning(-0.5, 0.05),
    "lean_forward": lambda p: p.leaning(0.0, 0.6),
}
_STRIDE_M = 1.3  # two steps
_BREATH_M = 0.003


@dataclass(frozen=True)
class Motion:
    """``keys`` of poses; ``yaw`` in rad over time, ``z`` in metres; ``seconds`` long.

    ``x`` is in metres, or where ``by_view`` in half widths of what the camera sees at the body's place.
    """

    seconds: float
    keys: tuple[Key, ...]
    yaw: Track = ((0.0, 0.0),)
    x: Track = ((0.0, 0.0),)
    z: Track = ((0.0, 0.0),)
    by_view: bool = False

    @property
    def frames(self) -> int:
        """How many frames it takes."""
        return round(self.seconds * FPS)


def _waves(count: int, start: float, period: float) -> tuple[Key, ...]:
    return tuple((start + 0.5 * period * i, ("wave_out", "wave_in")[i % 2]) for i in range(count))


def _yaw_of(turns: Track) -> Track:
    return tuple((t, float(np.radians(degrees))) for t, degrees in turns)


MOTIONS: dict[str, Motion] = {
    "still": Motion(3.0, ((0.0, "stand"),)),
    "crossed": Motion(2.7, ((0.4, "stand"), (1.1, "crossed"), (2.7, "crossed"))),
    "hips": Motion(2.7, ((0.4, "stand"), (1.1, "hips"), (2.7, "hips")), yaw=_yaw_of(((1.3, 0), (2.6, 25)))),
    "face": Motion(2.7, ((0.4, "stand"), (1.1, "cheek"), (1.5, "cheek"), (2.1, "face"), (2.7, "face"))),
    "overhead": Motion(2.7, ((0.4, "stand"), (1.3, "overhead"), (1.8, "overhead"), (2.6, "stand"))),
    "turn": Motion(5.0, ((0.0, "stand"),), yaw=_yaw_of(((0.5, 0), (4.7, 360)))),
    "walk": Motion(
        5.0,
        ((0.0, "stand"),),
        yaw=_yaw_of(((0.6, 0), (0.9, 80), (2.3, 80), (2.5, -80), (3.6, -80), (4.0, 0))),
        x=((0.8, 0.0), (2.3, 1.35), (2.5, 1.35), (3.9, 0.0)),
        by_view=True,
    ),
    "sit": Motion(2.5, ((0.0, "sit"), (1.2, "sit"), (2.0, "sit_up"), (2.5, "sit"))),
    "lean": Motion(
        3.0, ((0.3, "stand"), (0.9, "lean_left"), (1.6, "lean_right"), (2.4, "lean_forward"), (3.0, "stand"))
    ),
    "passed_before": Motion(3.2, ((0.0, "stand"),)),
    "passed_behind": Motion(3.2, ((0.0, "stand"),)),
    "wave": Motion(2.7, ((0.2, "stand"), *_waves(7, 0.8, 0.55))),
    "sway": Motion(
        3.0, ((0.0, "stand"),), x=((0.5, 0.0), (1.0, 0.22), (1.7, -0.22), (2.4, 0.22), (2.9, 0.0))
    ),
    "bulky_arms": Motion(2.7, ((0.6, "stand"), (1.3, "reach"), (1.7, "reach"), (2.4, "chest"))),
    "bulky_turn": Motion(3.0, ((0.0, "stand"),), yaw=_yaw_of(((0.5, 0), (1.2, 50), (2.2, -50), (2.9, 0)))),
    "cross_by": Motion(
        3.2, ((0.0, "stand"),), x=((0.3, -1.4), (2.9, 1.4)), yaw=_yaw_of(((0.0, 90),)), by_view=True
    ),
}


@dataclass
class Choreography:
    """A motion of one body: skinning matrices of every frame."""

    motion: Motion
    model: BodyModel
    half_view_m: float = 1.0
    _cache: dict[str, F64] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._poser = Poser(self.model)

    def yaw(self, t: float) -> float:
        """Turn of the body in rad, to its left."""
        return smooth_track(self.motion.yaw, t)

    def place(self, t: float) -> F64:
        """Where on the floor (x, 0, z) the body stands."""
        x = smooth_track(self.motion.x, t) * (self.half_view_m if self.motion.by_view else 1.0)
        return np.array([x, 0.0, smooth_track(self.motion.z, t)])

    def matrices(self, t: float) -> F64:
        """Skinning matrices (J, 3, 4) into the world (metres, y up, floor at 0), feet on the floor."""
        pose = self._pose(t)
        step = np.hypot(*(self.place(t + 0.02) - self.place(t - 0.02))[[0, 2]]) / 0.04
        pace = min(1.0, float(step) / 0.5)
        if pace > 0.02:
            walk(pose, self._way(t) / _STRIDE_M * 2 * np.pi, pace)
        chest = BONES.index("chest")
        turn = exp_so3(np.array([0.0, self.yaw(t), 0.0]))
        breath = exp_so3(np.array([0.006 * np.sin(1.5 * t), 0.0, 0.004 * np.sin(1.1 * t)]))
        pose[chest] = breath @ pose[chest]
        sway = _BREATH_M * np.array([np.sin(0.9 * t), 0.0, np.sin(0.7 * t + 1)])
        return on_floor(self.model, pose, turn, self.place(t) + sway)

    def _pose(self, t: float) -> F64:
        keys = self.motion.keys
        after = next((i for i, (at, _) in enumerate(keys) if at > t), len(keys))
        if after in (0, len(keys)):
            return self._named(keys[min(after, len(keys) - 1)][1]).copy()
        (t0, first), (t1, second) = keys[after - 1], keys[after]
        x = (t - t0) / (t1 - t0)
        return between(self._named(first), self._named(second), x * x * (3 - 2 * x))

    def _named(self, name: str) -> F64:
        if name not in self._cache:
            if name == "sit_up":  # still on the stool, bent forward, a hand on the chest
                pose, chest = self._named("sit").copy(), self._named("chest")
                for bone in ("upper_arm", "upper_arm_twist", "forearm", "hand"):
                    pose[BONES.index(f"right_{bone}")] = chest[BONES.index(f"right_{bone}")]
                pose[BONES.index("spine1")] = exp_so3(np.array([0.25, 0.0, 0.0]))
                self._cache[name] = pose
            else:
                self._cache[name] = _POSES[name](self._poser)
        return self._cache[name]

    def _way(self, t: float) -> float:
        """Metres walked since the beginning."""
        times = np.arange(0.0, max(t, 0.0) + 1e-9, 1 / FPS)
        places = np.array([self.place(float(at))[[0, 2]] for at in [*times, t]])
        return float(np.linalg.norm(np.diff(places, axis=0), axis=1).sum())


def walk(pose: F64, phase: float, pace: float) -> None:
    """Give local rotations (J, 3, 3) a step's swing of legs and arms; ``pace`` 0..1, ``phase`` in rad."""
    for side, sign in (("left", 1.0), ("right", -1.0)):
        swing = sign * np.sin(phase)
        lift = max(0.0, sign * np.cos(phase))
        thigh, shin, arm = (BONES.index(f"{side}_{b}") for b in ("thigh", "shin", "upper_arm"))
        pose[thigh] = exp_so3(np.array([-0.42 * pace * swing - 0.15 * pace * lift, 0, 0])) @ pose[thigh]
        pose[shin] = exp_so3(np.array([0.75 * pace * lift + 0.08 * pace, 0, 0])) @ pose[shin]
        pose[arm] = exp_so3(np.array([0.3 * pace * swing, 0, 0])) @ pose[arm]


def on_floor(model: BodyModel, pose: F64, turn: F64, place: F64) -> F64:
    """Skinning matrices (J, 3, 4) into the world of local rotations (J, 3, 3).

    The whole body is turned by ``turn`` (3, 3), its feet are on the floor and its pelvis is over ``place``
    (3,), metres.
    """
    joints = np.asarray(model.joints, np.float64)
    pose, pelvis = pose.copy(), BONES.index("pelvis")
    pose[pelvis] = turn @ pose[pelvis]
    bones = model.pose(pose, joints).astype(np.float64)
    soles = [BONES.index(b) for b in BONES if b.endswith(("_foot", "_toes"))]
    low = min(bones[b, 1] @ [*joints[b], 1] - joints[b, 1] for b in soles)
    # The root turns about the origin's pelvis: bring the pelvis over its place on the floor.
    hip = bones[pelvis] @ [*joints[pelvis], 1]
    bones[:, :, 3] += place - [hip[0] - joints[pelvis, 0], low, hip[2] - joints[pelvis, 2]]
    return bones


def smooth_track(track: Track, t: float) -> float:
    """The value of a track at a time: constant outside, a smooth step between two points."""
    for (t0, v0), (t1, v1) in itertools.pairwise(track):
        if t0 <= t <= t1:
            x = (t - t0) / (t1 - t0)
            return v0 + (v1 - v0) * x * x * (3 - 2 * x)
    return track[0][1] if t < track[0][0] else track[-1][1]
