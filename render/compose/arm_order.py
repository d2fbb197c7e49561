"""Keeps arms out of the trunk: before it or behind it, by whichever side the fit has them nearer to.

One camera tells how deep an elbow lies to a hand's breadth only, and a forearm that crosses the chest is
fitted half sunk into it: the cloth of the chest would swallow it. Such an arm is moved along the lines of
sight, which changes what it hides and not where it is seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inference.body.model import BONES, REGIONS, BodyModel
from inference.body.skinning import dense_weights, skin_points
from mirror.types import F32
from render.garments.mesh import spread_sample

__all__ = ["ArmOrder"]


@dataclass(frozen=True)
class ArmOrderParameters:
    """What counts as an arm in the trunk, and how far it is moved. Set by hand, on a body of mean shape.

    trunk: regions. spacing_m: of the sample of the trunk's surface. beside_m: trunk as near as this to the
    line of sight of an arm may hide it. clear_m: half a forearm, and the cloth between it and the trunk.
    most_m: a larger error is another pose. front: share of the trunk's half depth; arms are more often
    before one's trunk than behind it. unsure, sure: the same, of what tells no side yet, and of what tells
    it for certain. thin_m, thick_m: half depth of the trunk; at its very edge there is no side. reshaped:
    of a shape coefficient; less moves no point by more than three millimetres.
    """

    trunk: tuple[str, ...] = ("torso", "hips")
    spacing_m: float = 0.05
    beside_m: float = 0.07
    clear_m: float = 0.065
    most_m: float = 0.16
    front: float = 0.25
    unsure: float = 0.05
    sure: float = 0.35
    thin_m: float = 0.03
    thick_m: float = 0.09
    reshaped: float = 0.02


PARAMETERS = ArmOrderParameters()
_CHEST = BONES.index("chest")
# Points of an arm, as share of the way from joint to joint, and the bones that move with each.
_POINTS = (
    ("upper_arm", "forearm", 0.6, ("upper_arm_twist",)),
    ("upper_arm", "forearm", 1.0, ()),
    ("forearm", "hand", 0.3, ("forearm",)),
    ("forearm", "hand", 0.75, ("forearm_twist",)),
    ("forearm", "hand", 1.0, ("hand", "fingers", "thumb")),
)
_SIDED = [(side, *point) for side in ("left", "right") for point in _POINTS]
_NEAR = [BONES.index(f"{side}_{near}") for side, near, *_ in _SIDED]
_FAR = [BONES.index(f"{side}_{far}") for side, _, far, *_ in _SIDED]
_SHARES = np.array([share for *_, share, _ in _SIDED], np.float32)[:, None]
# The bones that are moved, and the points that they are moved with.
_MOVED = [BONES.index(f"{side}_{bone}") for side, *_, bones in _SIDED for bone in bones]
_BY = [number for number, (*_, bones) in enumerate(_SIDED) for _ in bones]


class ArmOrder:
    """Sees arms and trunk of one body model."""

    def __init__(self, model: BodyModel) -> None:
        trunk = np.flatnonzero(np.isin(model.region, [REGIONS.index(name) for name in PARAMETERS.trunk]))
        trunk = trunk[spread_sample(model.vertices[trunk], PARAMETERS.spacing_m)]
        self._model = model
        self._trunk = model.vertices[trunk]
        self._basis = np.asarray(model.shape_basis[:, trunk], np.float32)
        self._shares = dense_weights(model.skin_indices[trunk], model.skin_weights[trunk], len(BONES))
        self._shape: F32 | None = None

    def cleared(self, bone_transforms: F32, shape: F32) -> F32:
        """The bone transforms (J, 3, 4), with arms that cross the trunk before or behind it.

        ``shape`` (K,) coefficients. Pixels stay where they are.
        """
        if self._shape is None or np.abs(shape - self._shape).max() > PARAMETERS.reshaped:
            self._shape = shape.copy()
            self._rest = self._trunk + np.tensordot(shape, self._basis, axes=1)
            self._joints = self._model.shaped_joints(shape)
        joints = np.einsum("jab,jb->ja", bone_transforms[:, :, :3], self._joints) + bone_transforms[:, :, 3]
        points = joints[_NEAR] * (1 - _SHARES) + joints[_FAR] * _SHARES
        facing = -float(bone_transforms[_CHEST, 2, 2] / np.linalg.norm(bone_transforms[_CHEST, :, 2]))
        scale = self._scale(points, skin_points(self._rest, self._shares, bone_transforms), facing)
        out = bone_transforms.copy()
        out[_MOVED] *= scale[_BY][:, None, None]
        return out

    @staticmethod
    def _scale(points: F32, trunk: F32, facing: float) -> F32:
        """Factors (N,) on the distance of arm points (N, 3), camera space, from the camera.

        ``trunk`` (M, 3): its surface; ``facing``: 1 for somebody who faces the camera, -1 for a back view.
        """
        depth = np.maximum(points[:, 2:], 0.1)
        aside = trunk[None, :, :2] * (depth / np.maximum(trunk[:, 2], 0.1))[..., None] - points[:, None, :2]
        beside = aside[..., 0] ** 2 + aside[..., 1] ** 2 < PARAMETERS.beside_m**2
        z = trunk[None, :, 2]
        nearest = np.where(beside, z, np.inf).min(1)
        farthest = np.where(beside, z, -np.inf).max(1)
        met = np.isfinite(nearest)
        nearest, farthest = np.where(met, nearest, 0.0), np.where(met, farthest, 0.0)
        half = 0.5 * (farthest - nearest)
        before = (0.5 * (nearest + farthest) - points[:, 2]) / np.maximum(
            half, 1e-3
        ) + PARAMETERS.front * facing
        wanted = (
            np.where(before > 0, nearest - PARAMETERS.clear_m, farthest + PARAMETERS.clear_m) - points[:, 2]
        )
        wanted = np.where(before > 0, np.minimum(wanted, 0.0), np.maximum(wanted, 0.0))
        sure = np.clip((np.abs(before) - PARAMETERS.unsure) / (PARAMETERS.sure - PARAMETERS.unsure), 0.0, 1.0)
        sure *= np.clip((half - PARAMETERS.thin_m) / (PARAMETERS.thick_m - PARAMETERS.thin_m), 0.0, 1.0) * met
        return np.asarray(
            1.0 + np.clip(wanted * sure, -PARAMETERS.most_m, PARAMETERS.most_m) / depth[:, 0], np.float32
        )
