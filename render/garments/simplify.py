"""Fewer triangles for the same garment: drawing costs by the triangle where there is no GPU.

Edges are collapsed onto one of their ends, many at a time: in each round a set of collapses
whose neighbourhoods do not touch, cheapest first.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mirror.types import F64
from render.garments.mesh import SkinnedMesh

__all__ = ["LONGEST_M", "TOLERANCE_M", "simplified"]

Ints = NDArray[np.int64]

# What garments are thinned out by: what moves by less lies below a pixel.
TOLERANCE_M, LONGEST_M = 0.0015, 0.045
_ROUNDS = 12
_WORTH_IT = 0.01  # share of the faces that a round must save for another to follow
_FOLD = 0.8  # cosine between a vertex's normal and a face's under which the surface counts as folded
_FLIP = 0.5  # cosine of the most that a collapse may turn a face


def simplified(
    mesh: SkinnedMesh, tolerance: float, longest: float, keep: Collection[int] = ()
) -> tuple[SkinnedMesh, Ints]:
    """The mesh with edges collapsed where that moves its surface by less than ``tolerance`` metres.

    No new edge is longer than ``longest`` metres. Vertices are dropped, never moved, so that
    their attributes stay exact; those of open edges, of texture seams and of ``keep`` all
    stay. Also returns where each old vertex is now (V,), -1 for those dropped.
    """
    faces = mesh.faces.astype(np.int64)
    positions = mesh.positions.astype(np.float64)
    locked = _locked(positions, faces, keep) | _folded(mesh, faces)
    for _ in range(_ROUNDS):
        before = len(faces)
        faces = _round(positions, faces, locked, tolerance, longest)
        if before - len(faces) < _WORTH_IT * before:
            break
    kept = np.unique(np.concatenate([faces.reshape(-1), np.array(list(keep), np.int64)]))
    place = np.full(len(positions), -1, np.int64)
    place[kept] = np.arange(len(kept))

    def chosen(values: NDArray[Any] | None) -> Any:
        return None if values is None else values[kept]

    small = SkinnedMesh(
        positions=chosen(mesh.positions),
        normals=chosen(mesh.normals),
        faces=place[faces].astype(np.int32),
        joints=chosen(mesh.joints),
        weights=chosen(mesh.weights),
        shape_basis=mesh.shape_basis[:, kept],
        size_step=chosen(mesh.size_step),
        texcoords=chosen(mesh.texcoords),
        tangents=chosen(mesh.tangents),
        inward=chosen(mesh.inward),
        detail_uv=chosen(mesh.detail_uv),
    )
    return small, place


def _locked(positions: F64, faces: Ints, keep: Collection[int]) -> NDArray[np.bool_]:
    """Vertices (V,) that must stay: at open edges, at seams (where vertices are doubled), and ``keep``."""
    _, welded, count = np.unique(positions.round(5), axis=0, return_inverse=True, return_counts=True)
    locked: NDArray[np.bool_] = count[welded.reshape(-1)] > 1
    edges, uses = np.unique(np.sort(_sides(faces), axis=1), axis=0, return_counts=True)
    locked[edges[uses != 2]] = True
    locked[list(keep)] = True
    return locked


def _folded(mesh: SkinnedMesh, faces: Ints) -> NDArray[np.bool_]:
    """Vertices (V,) at folds and beside them: longer faces there would smear the fold's shade."""
    flat = _unit_normals(mesh.positions[faces].astype(np.float64))[0]
    agree = np.einsum("fkj,fj->fk", mesh.normals[faces], flat)
    fold = np.zeros(len(mesh.positions), bool)
    fold[faces[agree < _FOLD]] = True
    beside = np.zeros_like(fold)
    beside[faces[fold[faces].any(axis=1)].reshape(-1)] = True
    return beside


def _sides(faces: Ints) -> Ints:
    return np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])


def _round(positions: F64, faces: Ints, locked: NDArray[np.bool_], tolerance: float, longest: float) -> Ints:
    """Faces after one set of independent collapses."""
    sides = _sides(faces)
    pairs = np.unique(np.concatenate([sides, sides[:, ::-1]]), axis=0)  # (gone, stays), both ways
    candidates = pairs[~locked[pairs[:, 0]]]
    neighbours = sparse.csr_matrix(
        (np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(positions),) * 2
    )
    # Two vertices with more than two neighbours in common would fold the surface onto itself.
    common = (neighbours @ neighbours)[candidates[:, 0], candidates[:, 1]]
    candidates = candidates[np.asarray(common).reshape(-1) == 2]
    allowed, cost = _judge(positions, faces, candidates, tolerance, longest)
    candidates = candidates[allowed][np.argsort(cost[allowed], kind="stable")]

    touched = bytearray(len(positions))
    starts, ends = neighbours.indptr.tolist(), neighbours.indices.tolist()
    goes_to = np.arange(len(positions))
    for gone, stays in candidates.tolist():
        if touched[gone] or touched[stays]:
            continue
        ring = ends[starts[gone] : starts[gone + 1]]
        for vertex in ring:
            touched[vertex] = 1
        touched[gone] = 1
        goes_to[gone] = stays
    moved = goes_to[faces]
    a, b, c = moved.T
    return np.asarray(moved[(a != b) & (b != c) & (c != a)], np.int64)


def _judge(
    positions: F64, faces: Ints, candidates: Ints, tolerance: float, longest: float
) -> tuple[NDArray[np.bool_], F64]:
    """Which collapses are allowed (N,), and what each costs (metres)."""
    # For every candidate its faces around the vertex that goes: rows (candidate, face).
    order = np.argsort(faces.reshape(-1), kind="stable")
    starts = np.searchsorted(faces.reshape(-1)[order], np.arange(len(positions) + 1))
    gone, stays = candidates.T
    count = starts[gone + 1] - starts[gone]
    row = np.repeat(np.arange(len(candidates)), count)
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    face = order[starts[gone][row] + within] // 3

    corners = faces[face]
    old_normal = _unit_normals(positions[corners])[0]
    off_plane = np.abs(np.einsum("ij,ij->i", old_normal, positions[stays[row]] - positions[gone[row]]))
    survives = ~(corners == stays[row][:, None]).any(axis=1)
    replaced = np.where(corners == gone[row][:, None], stays[row][:, None], corners)
    new_normal, new_area = _unit_normals(positions[replaced])
    turned = np.einsum("ij,ij->i", old_normal, new_normal)
    left = np.abs(np.einsum("ij,ij->i", new_normal, positions[gone[row]] - positions[stays[row]]))
    reach = np.linalg.norm(positions[replaced] - positions[stays[row]][:, None], axis=2).max(axis=1)

    wrong = survives & ((turned < _FLIP) | (new_area < 1e-9) | (reach > longest))
    worst = np.zeros(len(candidates))
    np.maximum.at(worst, row, off_plane)
    nearest = np.full(len(candidates), np.inf)  # of the new faces to the vertex that went
    np.minimum.at(nearest, row[survives], left[survives])
    bad = np.zeros(len(candidates), bool)
    bad[row[wrong]] = True
    length = np.linalg.norm(positions[gone] - positions[stays], axis=1)
    return ~bad & (worst < tolerance) & (nearest < tolerance), worst + 0.02 * length


def _unit_normals(corners: F64) -> tuple[F64, F64]:
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(across, axis=1)
    return across / np.maximum(length, 1e-15)[:, None], length
