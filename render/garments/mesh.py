"""Skinned surfaces as plain arrays, and what the CPU needs to know of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from inference.body.model import BONES, BodyModel
from inference.body.surface import welded_normals
from mirror.types import F32

__all__ = [
    "INWARD_M",
    "SkinnedMesh",
    "arm_share",
    "body_surface",
    "coarsened",
    "covered_by",
    "leg_share",
    "near_openings",
    "spread_sample",
    "vertex_tangents",
]

# Edge of the cells (metres) within which the depth-only body is reduced to one vertex: the
# model spends over half its triangles on face, fingers and toes. Limbs, whose outline cuts
# cloth, stay as they are.
_CELL_M = {1: 0.025, 12: 0.03, 15: 0.03}

# Pull of the depth-only body surface inwards, metres, by body region (see the body model):
# little where the body must win over cloth, more where cloth lies on it.
INWARD_M = {
    0: 0.025, 1: 0.0, 2: 0.004, 3: 0.012, 4: 0.006, 6: 0.012, 7: 0.006, 9: 0.030,
    10: 0.025, 11: 0.012, 12: 0.0, 13: 0.025, 14: 0.012, 15: 0.0,
}  # fmt: skip
_ASIDE_M = (0.018, 0.04)  # skin so far beside cloth lies certainly under it, and not at all
_STANDS_OFF_M = 0.08
# Hands hide nothing here: the fitted fingers are a guess, and where the guess is wrong the worn
# sleeve would show. Their mask comes from the picture.
_HANDS = (5, 8)


@dataclass(frozen=True)
class SkinnedMesh:
    """A surface bound to the body's skeleton, at the mean shape in the rest pose.

    positions, normals: (V, 3) float32, body space, metres. faces: (F, 3) int, counter-clockwise
    seen from outside. joints, weights: (V, 4) bone indices and weights (sum 1).
    shape_basis: (K, V, 3) metres per unit of each shape coefficient. size_step: (V, 3) metres
    for one size up. texcoords: (V, 2) in metres of fabric. tangents: (V, 4) towards +u, with the
    sign of the bitangent (towards +v). detail_uv: (V, 2) into the garment's own pictures, 0..1
    across and down. inward: (V,) metres by which the depth-only body surface
    lies under the skin. source: (V,) the body model's vertices that a reduced surface has kept.
    """

    positions: F32
    normals: F32
    faces: NDArray[np.int32]
    joints: NDArray[np.uint8]
    weights: F32
    shape_basis: NDArray[np.floating]
    size_step: F32 | None = None
    texcoords: F32 | None = None
    tangents: F32 | None = None
    inward: F32 | None = None
    detail_uv: F32 | None = None
    source: NDArray[np.intp] | None = None
    # The most that one unit of each coefficient moves any vertex; bounds a change cheaply.
    reach: F32 = field(init=False)

    def __post_init__(self) -> None:
        count = len(self.positions)
        for name in (
            "normals",
            "joints",
            "weights",
            "texcoords",
            "tangents",
            "inward",
            "detail_uv",
            "size_step",
        ):
            value = getattr(self, name)
            if value is not None and len(value) != count:
                raise ValueError(f"{name} has {len(value)} rows for {count} vertices")
        if self.shape_basis.ndim != 3 or self.shape_basis.shape[1:] != (count, 3):
            raise ValueError(f"shape_basis is {self.shape_basis.shape}, not (K, {count}, 3)")
        if len(self.faces) and not 0 <= int(self.faces.min()) <= int(self.faces.max()) < count:
            raise ValueError("faces name vertices that do not exist")
        reach = np.linalg.norm(self.shape_basis.astype(np.float32), axis=2)
        object.__setattr__(self, "reach", reach.max(axis=1) if count else reach.sum(axis=1))

    def rest(self, shape: F32, size_steps: float = 0.0) -> F32:
        """Rest vertices (V, 3) of the given shape (K,) and number of sizes above the base size."""
        moved = np.tensordot(shape.astype(np.float32), self.shape_basis.astype(np.float32), axes=1)
        vertices: F32 = self.positions + moved
        if self.size_step is not None and size_steps:
            vertices = vertices + np.float32(size_steps) * self.size_step
        return vertices

    def change_bound(self, before: F32, after: F32) -> float:
        """The most (metres) that any rest vertex can move between two shapes (K,)."""
        return float(np.abs(after - before) @ self.reach)


def arm_share(joints: NDArray[np.uint8], weights: F32) -> F32:
    """How much of each vertex (V,) hangs on the bones of an arm, 0..1."""
    return _share(joints, weights, ("upper_arm", "forearm", "hand", "fingers", "thumb"))


def leg_share(joints: NDArray[np.uint8], weights: F32) -> F32:
    """How much of each vertex (V,) hangs on the bones of a leg, 0..1."""
    return _share(joints, weights, ("thigh", "shin", "foot", "toes"))


def _share(joints: NDArray[np.uint8], weights: F32, parts: tuple[str, ...]) -> F32:
    of_part = np.array([any(part in bone for part in parts) for bone in BONES] + [False] * 226)
    share: F32 = np.sum(weights * of_part[joints], axis=1).astype(np.float32)
    return share


def near_openings(positions: F32, faces: NDArray[np.integer], reach: float) -> NDArray[np.bool_]:
    """Which faces (F,) lie within ``reach`` metres of an open edge of the surface.

    Only there can one look into a garment. Vertices that share a position count as joined; a
    closed surface has no openings.
    """
    _, welded = np.unique(positions.round(5), axis=0, return_inverse=True)
    corners = welded.reshape(-1)[faces]
    edges = np.sort(np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]]), axis=1)
    _, first, count = np.unique(edges, axis=0, return_index=True, return_counts=True)
    ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])[first[count == 1]]
    if not len(ends):
        return np.zeros(len(faces), bool)
    distance, _ = cKDTree(positions[np.unique(ends)]).query(positions, distance_upper_bound=reach)
    near: NDArray[np.bool_] = (distance[faces] <= reach).any(axis=1)
    return near


def spread_sample(positions: F32, spacing: float) -> NDArray[np.intp]:
    """Indices of one vertex in each occupied cell of a grid of ``spacing`` metres.

    Every vertex lies within sqrt(3) * spacing of a chosen one, so that the sample and a margin
    bound the whole surface.
    """
    cells = np.floor(positions / spacing).astype(np.int64)
    _, chosen = np.unique(cells, axis=0, return_index=True)
    return chosen


def vertex_tangents(positions: F32, normals: F32, texcoords: F32, faces: NDArray[np.integer]) -> F32:
    """Tangents (V, 4) of texture coordinates (V, 2): unit xyz towards +u, w the bitangent's sign."""
    corner, uv = positions[faces].astype(np.float64), texcoords[faces].astype(np.float64)
    e1, e2 = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    d1, d2 = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
    area = d1[:, 0] * d2[:, 1] - d2[:, 0] * d1[:, 1]
    sign = np.where(area < 0, -1.0, 1.0)[:, None]
    along_u = (e1 * d2[:, 1:] - e2 * d1[:, 1:]) * sign
    along_v = (e2 * d1[:, :1] - e1 * d2[:, :1]) * sign
    total = np.zeros((2, len(positions), 3))
    for k in range(3):
        np.add.at(total[0], faces[:, k], along_u)
        np.add.at(total[1], faces[:, k], along_v)
    t = total[0] - normals * np.sum(normals * total[0], axis=1, keepdims=True)
    length = np.linalg.norm(t, axis=1, keepdims=True)
    # Where the texture is collapsed any direction in the surface will do.
    fallback = np.cross(normals, np.where(np.abs(normals[:, 1:2]) < 0.9, (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)))
    t = np.where(length > 1e-12, t / np.maximum(length, 1e-12), fallback)
    handed = np.where(np.sum(np.cross(normals, t) * total[1], axis=1) < 0, -1.0, 1.0)
    return np.concatenate([t, handed[:, None]], axis=1).astype(np.float32)


def body_surface(model: BodyModel, hand_m: float = 0.0) -> SkinnedMesh:
    """The body as the depth-only surface that hides cloth behind it.

    Hands are left out but for what lies within ``hand_m`` metres of the wrist.
    """
    hands = np.isin(model.region, _HANDS)
    for side in ("left", "right"):
        wrist = model.joints[BONES.index(f"{side}_hand")]
        hands &= np.linalg.norm(model.vertices - wrist, axis=1) > hand_m
    full = SkinnedMesh(
        positions=model.vertices,
        normals=welded_normals(model.vertices, model.faces),
        faces=model.faces[~hands[model.faces].all(axis=1)],
        joints=model.skin_indices,
        weights=model.skin_weights,
        shape_basis=model.shape_basis,
        inward=_by_region(model.region, INWARD_M),
    )
    return coarsened(full, _by_region(model.region, _CELL_M))


def covered_by(body: SkinnedMesh, garment: SkinnedMesh) -> F32:
    """How surely (V,), 0..1, each vertex of the body lies under the garment, both at rest."""
    found = cKDTree(garment.positions).query(body.positions)[1]
    gap = garment.positions[found] - body.positions
    outward = np.einsum("ni,ni->n", gap, body.normals)
    aside = np.linalg.norm(gap - outward[:, None] * body.normals, axis=1)
    near = np.clip((_ASIDE_M[1] - aside) / (_ASIDE_M[1] - _ASIDE_M[0]), 0.0, 1.0)
    lies: F32 = (near * (np.abs(outward) < _STANDS_OFF_M)).astype(np.float32)
    return lies


def _by_region(region: NDArray[np.uint8], values: dict[int, float]) -> F32:
    table = np.zeros(256, np.float32)
    table[list(values)] = list(values.values())
    return table[region]


def coarsened(mesh: SkinnedMesh, cell: F32) -> SkinnedMesh:
    """The mesh with all vertices in one cell of a grid merged into the one nearest their mean.

    cell: (V,) edge of the vertex's grid in metres, 0 to keep the vertex. Texture coordinates
    and tangents are dropped.
    """
    size = np.where(cell > 0, cell, 1.0)[:, None]
    keys = np.concatenate([np.floor(mesh.positions / size), cell[:, None], np.zeros_like(size)], axis=1)
    kept = cell <= 0
    keys[kept, 4] = 1 + np.flatnonzero(kept)
    _, group = np.unique(keys, axis=0, return_inverse=True)
    group = group.reshape(-1)
    count = np.bincount(group).astype(np.float64)[:, None]
    mean = np.stack([np.bincount(group, mesh.positions[:, k]) for k in range(3)], axis=1) / count
    distance = np.linalg.norm(mesh.positions - mean[group], axis=1)
    order = np.lexsort((distance, group))
    chosen = order[np.unique(group[order], return_index=True)[1]]
    faces = group[mesh.faces]
    a, b, c = faces.T
    faces = faces[(a != b) & (b != c) & (c != a)]
    return SkinnedMesh(
        positions=mesh.positions[chosen],
        normals=mesh.normals[chosen],
        faces=faces.astype(np.int32),
        joints=mesh.joints[chosen],
        weights=mesh.weights[chosen],
        shape_basis=mesh.shape_basis[:, chosen],
        size_step=None if mesh.size_step is None else mesh.size_step[chosen],
        inward=None if mesh.inward is None else mesh.inward[chosen],
        source=chosen,
    )
