"""Poses of a known body: arms by where the hand is, clear of the trunk; legs and trunk by angles.

Directions and places are in body space (metres, y up, z out of the chest, x to the wearer's left).
"""

from __future__ import annotations

import numpy as np

from inference.body.kinematics import align, exp_so3, log_so3
from inference.body.model import BONES, REGIONS, BodyModel
from mirror.types import F64

_REACH = 0.985  # of a straight arm's length, at most
_TWIST_FROM, _TWIST_FULL = 0.2, 0.7  # rad of elbow bend over which the elbow's hinge turns the arm
_MAX_TWIST = 1.7
_TRUNK = [REGIONS.index(name) for name in ("torso", "hips")]
_THIGHS = [REGIONS.index(name) for name in ("left_thigh", "right_thigh")]


class Poser:
    """Makes local rotations (J, 3, 3) of one body; ``identity()`` to begin with."""

    def __init__(self, model: BodyModel) -> None:
        self._joints = np.asarray(model.joints, np.float64)
        vertices = np.asarray(model.vertices, np.float64)
        self._trunk = vertices[np.isin(model.region, _TRUNK)]
        self._wide = vertices[np.isin(model.region, _TRUNK + _THIGHS)]

    @staticmethod
    def identity() -> F64:
        """The rest pose."""
        return np.tile(np.eye(3), (len(BONES), 1, 1))

    def joint(self, name: str) -> F64:
        """Rest place (3,) of a joint."""
        return np.asarray(self._joints[BONES.index(name)])

    def front(self, x: float, y: float) -> float:
        """How far (z) the trunk's front stands out around a place."""
        near = np.hypot(self._trunk[:, 0] - x, self._trunk[:, 1] - y) < 0.05
        return float(self._trunk[near, 2].max()) if near.any() else 0.0

    def side(self, y: float) -> float:
        """How far (x) trunk and thighs reach to a side at a height."""
        near = np.abs(self._wide[:, 1] - y) < 0.05
        return float(self._wide[near, 0].max()) if near.any() else 0.0

    def arm(self, pose: F64, side: str, wrist: F64, pole: F64, hand: F64 | None = None) -> None:
        """Bring a wrist to a place, the elbow towards ``pole``, the hand pointing along ``hand``.

        All are given for the left arm and mirrored for the right one.
        """
        mirror = np.array([1.0 if side == "left" else -1.0, 1.0, 1.0])
        shoulder, elbow0, wrist0 = (self.joint(f"{side}_{b}") for b in ("upper_arm", "forearm", "hand"))
        upper_m, lower_m = (float(np.linalg.norm(v)) for v in (elbow0 - shoulder, wrist0 - elbow0))
        target = wrist * mirror - shoulder
        away = float(np.linalg.norm(target))
        reach = float(np.clip(away, abs(upper_m - lower_m) * 1.05 + 0.02, _REACH * (upper_m + lower_m)))
        along = target / max(away, 1e-6)
        out = pole * mirror - (pole * mirror) @ along * along
        out /= np.linalg.norm(out)
        forth = (upper_m**2 - lower_m**2 + reach**2) / (2 * reach)
        elbow = forth * along + np.sqrt(max(upper_m**2 - forth**2, 0.0)) * out
        self._set_arm(pose, side, elbow, reach * along - elbow)
        if hand is not None:
            bone = BONES.index(f"{side}_hand")
            rest = self.joint(f"{side}_fingers") - wrist0
            world = pose[BONES.index(f"{side}_upper_arm")] @ pose[BONES.index(f"{side}_forearm")]
            pose[bone] = align(rest, world.T @ (hand * mirror))

    def _set_arm(self, pose: F64, side: str, upper: F64, lower: F64) -> None:
        rest = [self.joint(f"{side}_{b}") for b in ("upper_arm", "forearm", "hand")]
        upper0 = (rest[1] - rest[0]) / np.linalg.norm(rest[1] - rest[0])
        lower0 = (rest[2] - rest[1]) / np.linalg.norm(rest[2] - rest[1])
        upper, lower = upper / np.linalg.norm(upper), lower / np.linalg.norm(lower)
        swing = align(upper0, upper)
        hinge0, hinge = np.cross(upper0, lower0), np.cross(upper, lower)
        bend = float(np.arcsin(np.clip(np.linalg.norm(hinge), 0, 1)))
        bend = np.pi - bend if upper @ lower < 0 else bend
        share = float(np.clip((bend - _TWIST_FROM) / (_TWIST_FULL - _TWIST_FROM), 0, 1))
        hinge_now = swing @ (hinge0 / np.linalg.norm(hinge0))
        hinge /= max(float(np.linalg.norm(hinge)), 1e-9)
        angle = float(np.arctan2(np.cross(hinge_now, hinge) @ upper, hinge_now @ hinge))
        twist = exp_so3(upper0 * np.clip(share * angle, -_MAX_TWIST, _MAX_TWIST))
        turned = swing @ twist
        fore = turned @ align(lower0, turned.T @ lower)
        pose[BONES.index(f"{side}_upper_arm")] = swing
        pose[BONES.index(f"{side}_upper_arm_twist")] = twist
        pose[BONES.index(f"{side}_forearm")] = swing.T @ fore

    # Named poses ------------------------------------------------------------------------------------

    def hang(self, pose: F64, side: str, forward: float = 0.0) -> None:
        """An arm hanging beside the body, the hand ``forward`` metres before it."""
        shoulder = self.joint("left_upper_arm")
        length = np.linalg.norm(self.joint("left_hand") - self.joint("left_forearm"))
        length += np.linalg.norm(self.joint("left_forearm") - shoulder)
        low = shoulder[1] - 0.97 * float(length)
        x = max(self.side(low), self.side(low + 0.1)) + 0.065
        # Heavy hips hold the arm off: then the hand is nearer the shoulder's height.
        self.arm(pose, side, np.array([x, low, shoulder[2] + 0.07 + forward]), np.array([0.4, 0.0, -1.0]))

    def standing(self) -> F64:
        """At ease."""
        pose = self.identity()
        for side in ("left", "right"):
            self.hang(pose, side)
        return pose

    def crossed(self) -> F64:
        """Arms folded before the chest, the right one outside."""
        pose = self.identity()
        y = (self.joint("chest")[1] + self.joint("spine2")[1]) / 2 + 0.02
        for side, gap, lift in (("left", 0.075, 0.02), ("right", 0.15, -0.015)):
            x = -0.09
            z = max(self.front(s * 0.1, y + d) for s in (-1, 0, 1) for d in (-0.05, 0.0, 0.05)) + gap
            wrist = np.array([x, y + lift + 0.03, z])
            self.arm(pose, side, wrist, np.array([0.75, -0.75, 0.25]), np.array([-1.0, 0.12, -0.25]))
        return pose

    def hips(self) -> F64:
        """Hands on the hips."""
        pose = self.identity()
        y = self.joint("pelvis")[1] + 0.09
        for side in ("left", "right"):
            wrist = np.array([self.side(y) + 0.06, y + 0.02, 0.01])
            self.arm(pose, side, wrist, np.array([1.0, 0.1, -0.25]), np.array([-0.15, -0.45, 0.9]))
        return pose

    def at_face(self, sides: tuple[str, ...]) -> F64:
        """Hands to the cheeks and the chin."""
        pose = self.standing()
        head = self.joint("head")
        for side in sides:
            wrist = np.array([0.05, head[1] - 0.03, head[2] + 0.21])
            self.arm(pose, side, wrist, np.array([0.5, -1.0, 0.1]), np.array([-0.15, 0.95, -0.12]))
        return pose

    def overhead(self) -> F64:
        """Both arms up."""
        pose = self.identity()
        shoulder = self.joint("left_upper_arm")
        for side in ("left", "right"):
            wrist = np.array([shoulder[0] + 0.06, shoulder[1] + 0.46, 0.06])
            self.arm(pose, side, wrist, np.array([1.0, 0.0, 0.2]))
        return pose

    def waving(self, out: float) -> F64:
        """The left hand up beside the head; ``out`` -1..1 swings it."""
        pose = self.standing()
        shoulder = self.joint("left_upper_arm")
        wrist = shoulder + np.array([0.16 + 0.10 * out, 0.20 - 0.05 * abs(out), 0.16])
        hand = np.array([0.45 * out, 1.0, 0.0])
        self.arm(pose, "left", wrist, np.array([0.6, -1.0, -0.1]), hand)
        return pose

    def reaching(self) -> F64:
        """Both arms to the front and a little out."""
        pose = self.identity()
        shoulder = self.joint("left_upper_arm")
        for side in ("left", "right"):
            self.arm(pose, side, shoulder + np.array([0.14, -0.12, 0.42]), np.array([0.7, -1.0, 0.0]))
        return pose

    def on_chest(self) -> F64:
        """The right hand flat on the chest."""
        pose = self.standing()
        y = self.joint("chest")[1] + 0.05
        wrist = np.array([0.06, y, self.front(0.0, y) + 0.06])
        self.arm(pose, "right", wrist, np.array([0.9, -0.8, 0.1]), np.array([-1.0, 0.15, -0.1]))
        return pose

    def sitting(self) -> F64:
        """On a stool, the hands on the thighs."""
        pose = self.identity()
        for side, sign in (("left", 1.0), ("right", -1.0)):
            pose[BONES.index(f"{side}_thigh")] = exp_so3(np.array([0.0, 0.14 * sign, 0.0])) @ exp_so3(
                np.array([-1.42, 0.0, 0.0])
            )
            pose[BONES.index(f"{side}_shin")] = exp_so3(np.array([1.38, 0.0, 0.0]))
            hip = self.joint("left_thigh")
            wrist = np.array([hip[0] + 0.04, hip[1] + 0.16, hip[2] + 0.27])
            self.arm(pose, side, wrist, np.array([1.0, -0.3, -0.5]), np.array([-0.1, -0.15, 1.0]))
        return pose

    def leaning(self, sideways: float, forward: float) -> F64:
        """The trunk bent by angles in rad, over its three joints."""
        pose = self.standing()
        for bone in ("spine1", "spine2", "chest"):
            pose[BONES.index(bone)] = exp_so3(np.array([forward / 3, 0.0, -sideways / 3]))
        return pose


def between(first: F64, second: F64, share: float) -> F64:
    """Rotations (J, 3, 3) part of the way from one pose to another."""
    turn = log_so3(np.swapaxes(first, 1, 2) @ second)
    return np.asarray(first @ exp_so3(share * turn))
