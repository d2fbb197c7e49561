"""Synthetic skinned mannequins for the render tests: tubes bound to two bones of thirty."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inference.body.surface import welded_normals
from mirror.shading.spherical_harmonics import SH_CONSTANTS
from render.garments.mesh import SkinnedMesh
from render.garments.worn_garment import WornGarment

BONES = 30
WHITE_LIGHT = np.zeros((9, 3), np.float32)
WHITE_LIGHT[0] = 1.0 / SH_CONSTANTS[0]


def tube(
    radius: float,
    bottom: float,
    top: float,
    around: int = 64,
    rows: int = 40,
    closed: bool = False,
    inward: float | None = None,
) -> SkinnedMesh:
    """An upright open tube about the y axis; its upper half follows bone 1, the rest bone 0.

    One shape coefficient, which widens it by 1 cm a unit; one size step widens it by 1 cm.
    Texture coordinates are metres along and down the cloth. ``closed`` adds end caps.
    """
    angle = np.linspace(0.0, 2 * np.pi, around + 1)
    height = np.linspace(bottom, top, rows + 1)
    a, y = np.meshgrid(angle, height)
    outward = np.stack([np.sin(a), np.zeros_like(a), np.cos(a)], axis=-1).reshape(-1, 3)
    positions = outward * radius
    positions[:, 1] = y.reshape(-1)
    texcoords = np.stack([a * radius, top - y], axis=-1).reshape(-1, 2)
    index = np.arange((rows + 1) * (around + 1)).reshape(rows + 1, around + 1)
    p, q, r, s = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    faces = np.concatenate([np.stack([p, q, r], -1).reshape(-1, 3), np.stack([p, r, s], -1).reshape(-1, 3)])
    if closed:
        centre = len(positions)
        positions = np.concatenate([positions, [[0, bottom, 0], [0, top, 0]]])
        outward = np.concatenate([outward, np.zeros((2, 3))])
        texcoords = np.concatenate([texcoords, np.zeros((2, 2))])
        low, high = index[0], index[-1]
        caps = [(centre, int(low[i + 1]), int(low[i])) for i in range(around)]
        caps += [(centre + 1, int(high[i]), int(high[i + 1])) for i in range(around)]
        faces = np.concatenate([faces, np.array(caps)])
    rest = positions.astype(np.float32)
    weight = np.clip((rest[:, 1] - (bottom + top) / 2) / (0.2 * (top - bottom)) + 0.5, 0, 1)
    joints = np.zeros((len(rest), 4), np.uint8)
    joints[:, 1] = 1
    weights = np.zeros((len(rest), 4), np.float32)
    weights[:, 0], weights[:, 1] = 1 - weight, weight
    return SkinnedMesh(
        positions=rest,
        normals=welded_normals(rest, faces),
        faces=faces.astype(np.int32),
        joints=joints,
        weights=weights,
        shape_basis=0.01 * outward[None].astype(np.float32),
        size_step=0.01 * outward.astype(np.float32),
        texcoords=texcoords.astype(np.float32),
        inward=None if inward is None else np.full(len(rest), inward, np.float32),
    )


def facing_camera(distance: float = 2.0, height: float = 1.0) -> NDArray[np.float32]:
    """Skinning matrices (30, 3, 4) that stand the mannequin before the camera, facing it.

    Body axes (x to the wearer's left, y up, z out of the chest) become camera axes (x right,
    y down, z forward); body height ``height`` falls on the optical axis.
    """
    matrix = np.array([[1, 0, 0, 0], [0, -1, 0, height], [0, 0, -1, distance]], np.float32)
    return np.repeat(matrix[None], BONES, axis=0)


def cloth(mesh: SkinnedMesh, colour: tuple[int, int, int] = (255, 255, 255), **more: object) -> WornGarment:
    """A garment of one RGB colour."""
    albedo = np.empty((8, 8, 3), np.uint8)
    albedo[:] = colour
    options: dict[str, object] = {"name": "tube", "relief": None, "repeat_m": (0.1, 0.1), **more}
    return WornGarment(mesh=mesh, albedo=albedo, **options)  # type: ignore[arg-type]
