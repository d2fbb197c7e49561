"""A garment worn: in a size, on a body's shape, in a pose; each may be drawn at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from inference.body.kinematics import exp_so3
from inference.body.model import BONES, BodyModel
from mirror.errors import MirrorError
from mirror.types import F32

# How far bones turn from the rest pose, degrees, about body axes (x to the wearer's left, y up, z out
# of the chest): least and most of each. Left limbs; the right ones mirror y and z.
_RANGE: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "spine1": ((-6, 10), (-12, 12), (-6, 6)),
    "chest": ((-4, 8), (-12, 12), (-5, 5)),
    "clavicle": ((-3, 3), (-3, 3), (-3, 10)),
    "upper_arm": ((-45, 20), (-20, 20), (-35, 55)),
    "forearm": ((-70, 0), (-30, 0), (-10, 10)),
    "thigh": ((-40, 15), (-12, 12), (-8, 16)),
    "shin": ((0, 45), (0, 0), (0, 0)),
}


class Worn(Protocol):
    """What a garment must offer to be dressed: ``render.garments.garment.Garment`` does.

    ``shaped`` gives rest (vertices, normals) (V, 3) for a shape and a size by name.
    """

    @property
    def joints(self) -> NDArray[np.uint8]:
        """Four bones a vertex (V, 4)."""

    @property
    def weights(self) -> F32:
        """Their shares (V, 4)."""

    @property
    def shape_targets(self) -> F32:
        """Change by each shape coefficient (K, V, 3) metres."""

    def shaped(self, shape: NDArray[np.floating] | None = None, size: str = "M") -> tuple[F32, F32]:
        """Rest (vertices, normals)."""


@dataclass(frozen=True)
class Setting:
    """How a garment is worn: ``size`` by name, ``shape`` (K,) coefficients, ``turns`` (J, 3) radians.

    ``turns`` are rotation vectors of the bones relative to their parents, in body axes.
    """

    size: str
    shape: F32
    turns: NDArray[np.float64]


def at_rest(size: str, model: BodyModel) -> Setting:
    """A size on the mean body in the rest pose."""
    return Setting(size, np.zeros(model.components, np.float32), np.zeros((len(BONES), 3)))


def draw_setting(sizes: tuple[str, ...], model: BodyModel, rng: np.random.Generator) -> Setting:
    """A size, a body (coefficients within two standard deviations) and a pose, drawn at random."""
    shape = np.clip(rng.normal(0, 0.8, model.components), -2, 2).astype(np.float32)
    turns = np.zeros((len(BONES), 3))
    strength = float(rng.uniform(0.2, 1.0))
    for index, bone in enumerate(BONES):
        side, _, limb = bone.partition("_")
        ranges = _RANGE.get(limb if side in ("left", "right") else bone)
        if ranges is not None:
            low, high = np.array(ranges).T
            turn = strength * np.deg2rad(rng.uniform(low, high))
            turns[index] = turn * ((1, -1, -1) if side == "right" else (1, 1, 1))
    return Setting(sizes[int(rng.integers(len(sizes)))], shape, turns)


def rest(garment: Worn, setting: Setting) -> F32:
    """Rest vertices (V, 3) of the setting's size and shape.

    MirrorError for a garment of another body model, which fits the mean body alone.
    """
    if not setting.shape.any():
        return garment.shaped(None, setting.size)[0]
    if len(setting.shape) != len(garment.shape_targets):
        raise MirrorError(
            f"the garment has {len(garment.shape_targets)} shape targets, the body {len(setting.shape)}"
        )
    return garment.shaped(setting.shape, setting.size)[0]


def dress(garment: Worn, setting: Setting, model: BodyModel) -> F32:
    """Vertices (V, 3) in body space, metres, by linear blend skinning."""
    matrices = model.pose(exp_so3(setting.turns), model.shaped_joints(setting.shape))
    points = rest(garment, setting)
    blended = np.einsum("vk,vkab->vab", garment.weights, matrices[garment.joints])
    out: F32 = np.einsum("vab,vb->va", blended[:, :, :3], points) + blended[:, :, 3]
    return out.astype(np.float32)
