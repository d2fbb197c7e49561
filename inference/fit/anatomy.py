"""What the fit knows of bodies beyond the model: joints' freedom, natural rest, where flesh grows."""

from __future__ import annotations

import numpy as np

from inference.body.kinematics import align, log_so3
from inference.body.model import BONES, BodyModel
from mirror.types import F64

__all__ = ["GIRTH_GROUPS", "GIRTH_NEIGHBOURS", "OPTIMISED", "SIGMA_GIRTH", "Anatomy"]

OPTIMISED = ["pelvis", "spine1", "spine2", "chest", "neck", "head"] + [
    f"{side}_{part}"
    for side in ("left", "right")
    for part in ("clavicle", "upper_arm", "forearm", "hand", "thigh", "shin", "foot")
]

# Standard deviations in rad of local rotation about (x, y, z) body axes, or for hinges
# about (hinge, bone axis, third axis).
FREEDOM: dict[str, tuple[float, float, float]] = {
    "spine1": (0.22, 0.15, 0.12),
    "spine2": (0.22, 0.15, 0.12),
    "chest": (0.18, 0.18, 0.12),
    "neck": (0.35, 0.35, 0.25),
    "head": (0.35, 0.45, 0.30),
    "clavicle": (0.10, 0.18, 0.22),
    "upper_arm": (1.2, 1.2, 1.2),
    "forearm": (1.6, 0.5, 0.08),
    "hand": (0.5, 0.3, 0.5),
    "thigh": (1.2, 0.5, 0.5),
    "shin": (1.6, 0.12, 0.06),
    "foot": (0.4, 0.25, 0.25),
}

SIGMA_GIRTH = 0.08  # relative growth of a group
GIRTH_GROUPS: dict[str, tuple[str, ...]] = {
    "hips": ("pelvis", "spine1"),
    "waist": ("spine2",),
    "chest": ("chest",),
    "upper_arm": ("left_upper_arm", "left_upper_arm_twist", "right_upper_arm", "right_upper_arm_twist"),
    "forearm": ("left_forearm", "left_forearm_twist", "right_forearm", "right_forearm_twist"),
    "thigh": ("left_thigh", "right_thigh"),
    "shin": ("left_shin", "right_shin"),
}
# Flesh grows alike in neighbouring parts: groups and the standard deviation of their difference. Else one
# part balloons and the next one shrinks where the outline is that of loose clothes.
GIRTH_NEIGHBOURS = (
    ("upper_arm", "forearm", 0.05),
    ("thigh", "shin", 0.06),
    ("hips", "waist", 0.08),
    ("waist", "chest", 0.08),
)


class Anatomy:
    """Constants per bone (J) and per optimised joint (n, the order of ``OPTIMISED``).

    ``axis`` (J, 3) unit direction along each bone at rest; ``across`` (J, 3, 3) projects onto the
    plane across it. ``girth_group`` (J,) index into ``GIRTH_GROUPS`` or -1; ``girth_centre`` (J, 3) a
    point on the axis about which flesh grows. ``prior_frame`` (n, 3, 3): rows are the axes of the
    joint's prior; ``prior_sigma``, ``prior_mean`` (n, 3) rad in that frame; ``hinge`` (n,) joints that
    bend one way only, from ``straight`` (n,) rad on.
    """

    def __init__(self, model: BodyModel) -> None:
        self._model = model
        self._joints = np.asarray(model.joints, np.float64)
        self.axis = self._axes()
        self.across = np.eye(3) - self.axis[:, :, None] * self.axis[:, None, :]
        self.girth_group = np.full(len(BONES), -1)
        for index, bones in enumerate(GIRTH_GROUPS.values()):
            for bone in bones:
                self.girth_group[BONES.index(bone)] = index
        self.girth_centre = self._girth_centres()
        self._set_priors()

    def bone(self, name: str) -> int:
        """Number of a bone."""
        return BONES.index(name)

    def _axes(self) -> F64:
        """Unit direction (J, 3) along each bone at rest: towards the next joint down the limb."""
        joints = self._joints
        follow = {
            "upper_arm": "forearm",
            "forearm": "hand",
            "upper_arm_twist": "forearm",
            "forearm_twist": "hand",
        }
        follow |= {
            "thigh": "shin",
            "shin": "foot",
            "hand": "fingers",
            "foot": "toes",
            "clavicle": "upper_arm",
        }
        axes = np.tile(np.array([0.0, 1.0, 0.0]), (len(joints), 1))
        for bone, name in enumerate(BONES):
            side, _, part = name.partition("_")
            if part in follow:
                direction = joints[self.bone(f"{side}_{follow[part]}")] - joints[bone]
                axes[bone] = direction / np.linalg.norm(direction)
        return axes

    def _set_priors(self) -> None:
        count = len(OPTIMISED)
        frame = np.tile(np.eye(3), (count, 1, 1))
        sigma = np.full((count, 3), 1e3)  # the root is free
        mean = np.zeros((count, 3))
        hinge = np.zeros(count, bool)
        straight = np.zeros(count)
        forward = np.array([0.0, 0.0, 1.0])
        for index, name in enumerate(OPTIMISED):
            part = name.split("_", 1)[1] if "_" in name else name
            if part not in FREEDOM:
                continue
            sigma[index] = FREEDOM[part]
            axis = self.axis[self.bone(name)]
            if part in ("forearm", "shin", "hand", "foot"):
                upper = self.axis[
                    self.bone(name.replace("forearm", "upper_arm").replace("hand", "upper_arm"))
                ]
                bend = np.cross(upper, axis) if part in ("forearm", "hand") else np.cross(forward, axis)
                bend /= np.linalg.norm(bend)
                frame[index] = np.stack([bend, axis, np.cross(bend, axis)])
                hinge[index] = part in ("forearm", "shin")
                if part == "forearm":  # bent at rest already; a hanging arm is nearly straight
                    straight[index] = -np.arccos(np.clip(upper @ axis, -1, 1))
                    mean[index, 0] = straight[index] + 0.3
            if part == "upper_arm":  # arms hang, where nothing shows them
                hang = align(axis, np.array([0.22 * np.sign(axis[0]), -1.0, 0.02]))
                mean[index] = log_so3(hang)
        self.prior_frame, self.prior_sigma, self.prior_mean = frame, sigma, mean
        self.hinge, self.straight = hinge, straight

    def _girth_centres(self) -> F64:
        """A point (J, 3) on the axis about which each bone's flesh grows."""
        dominant = np.asarray(self._model.skin_indices)[
            np.arange(len(self._model.vertices)), np.argmax(self._model.skin_weights, axis=1)
        ]
        centre = self._joints.copy()
        for bone in range(len(centre)):
            near = self._model.vertices[dominant == bone]
            if self.girth_group[bone] >= 0 and len(near):
                centre[bone] = (near.min(0) + near.max(0)) / 2
                if "_" not in BONES[bone]:
                    centre[bone, 0] = 0.0
        return centre
