"""Panels and their flat patterns: seams, unrolling in metres with little stretch, the fold at the edges."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

from mirror.types import F64, I64
from workshop.tailor.cut_surface import boundary_edges


def wedges(faces: I64, seam: set[tuple[int, int]]) -> tuple[I64, I64]:
    """Cut a surface open along seam edges: (new faces (F, 3), the old vertex of each new one (W,))."""
    owner: dict[tuple[int, int], tuple[int, int]] = {}
    joins: list[tuple[int, int]] = []
    for f, face in enumerate(faces.tolist()):
        for k in range(3):
            a, b = face[k], face[(k + 1) % 3]
            if (b, a) in owner and (min(a, b), max(a, b)) not in seam:
                g, j = owner[(b, a)]
                # The other face runs the edge the other way: its corner j is b, its next is a.
                joins += [(3 * f + k, 3 * g + (j + 1) % 3), (3 * f + (k + 1) % 3, 3 * g + j)]
            owner[(a, b)] = (f, k)
    count = 3 * len(faces)
    ends = np.array(joins, np.int64).reshape(-1, 2)
    graph = sp.coo_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), (count, count))
    _, label = sp.csgraph.connected_components(graph, directed=False)
    old = np.empty(int(label.max()) + 1, np.int64)
    old[label] = faces.ravel()
    return label.reshape(-1, 3).astype(np.int64), old


def pieces(faces: I64) -> I64:
    """The connected piece each vertex belongs to (V,)."""
    count = int(faces.max()) + 1
    ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]]])
    graph = sp.coo_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), (count, count))
    _, label = sp.csgraph.connected_components(graph, directed=False)
    out: I64 = label.astype(np.int64)
    return out


def _flat_corners(points: F64, faces: I64) -> F64:
    """Each face laid in its own plane: (F, 3, 2)."""
    a, b, c = (points[faces[:, i]] for i in range(3))
    x = b - a
    length = np.linalg.norm(x, axis=1)
    x = x / np.maximum(length, 1e-12)[:, None]
    along = ((c - a) * x).sum(1)
    height = np.linalg.norm(c - a - along[:, None] * x, axis=1)
    zero = np.zeros_like(length)
    return np.stack(
        [np.stack([zero, zero], 1), np.stack([length, zero], 1), np.stack([along, height], 1)], axis=1
    )


def unroll(points: F64, faces: I64, start: F64, rounds: int = 40) -> F64:
    """Lay a surface (V, 3) flat, as rigidly as can be, from a first layout (V, 2); metres in, metres out.

    As-rigid-as-possible parametrisation: each face keeps its own shape up to a turn.
    """
    flat = _flat_corners(points, faces)
    count = len(points)
    # Cotangent weights of each corner, for the edge opposite to it.
    weights = []
    for k in range(3):
        u, v = flat[:, (k + 1) % 3] - flat[:, k], flat[:, (k + 2) % 3] - flat[:, k]
        cross = np.maximum(np.abs(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]), 1e-10)
        weights.append(np.clip((u * v).sum(1) / cross, 0.02, 10.0))
    i = np.concatenate([faces[:, (k + 1) % 3] for k in range(3)])
    j = np.concatenate([faces[:, (k + 2) % 3] for k in range(3)])
    w = np.concatenate(weights)
    edge = np.concatenate([flat[:, (k + 1) % 3] - flat[:, (k + 2) % 3] for k in range(3)])
    owner = np.tile(np.arange(len(faces)), 3)
    off = sp.coo_matrix((w, (i, j)), (count, count))
    off = off + off.T
    laplacian = sp.diags(np.asarray(off.sum(1)).ravel() + 1e-9) - off
    solver = splu(laplacian.tocsc())
    uv = start.copy()
    for _ in range(rounds):
        moved = uv[i] - uv[j]
        outer = np.zeros((len(faces), 2, 2))
        np.add.at(outer, owner, w[:, None, None] * moved[:, :, None] * edge[:, None, :])
        # The turn nearest to a 2 x 2 matrix, without reflection.
        cosine, sine = outer[:, 0, 0] + outer[:, 1, 1], outer[:, 1, 0] - outer[:, 0, 1]
        size = np.maximum(np.hypot(cosine, sine), 1e-15)
        c, s = (cosine / size)[owner], (sine / size)[owner]
        turned = np.stack([c * edge[:, 0] - s * edge[:, 1], s * edge[:, 0] + c * edge[:, 1]], axis=1)
        right = np.zeros((count, 2))
        np.add.at(right, i, w[:, None] * turned)
        np.add.at(right, j, -w[:, None] * turned)
        uv = solver.solve(right)
    return uv


def aligned(uv: F64, upward: F64, centre: F64) -> F64:
    """The layout turned so that ``upward`` (V,) grows along +v, and shifted to ``centre`` (2,)."""
    moved = uv - uv.mean(0)
    slope, *_ = np.linalg.lstsq(moved, upward - upward.mean(), rcond=None)
    v = slope / np.linalg.norm(slope)
    turned = np.stack([moved @ np.array([v[1], -v[0]]), moved @ v], axis=1)
    out: F64 = turned + centre
    return out


def matched(uv: F64, faces: I64, join: I64) -> F64:
    """The layout (V, 2) with its stripes meeting at seams: copies of a point get one height v.

    ``faces`` (F, 3) of all panels; ``join`` (V,): vertices of one number are to meet, below 0 none. A
    tailor eases cloth in: the change is none but at seams, and as even over each panel as it can be
    (harmonic).
    """
    count = len(uv)
    held = join >= 0
    total = np.bincount(join[held], uv[held, 1])
    change = np.zeros(count)
    change[held] = (total / np.maximum(np.bincount(join[held]), 1))[join[held]] - uv[held, 1]
    ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    near = sp.coo_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), (count, count))
    near = ((near + near.T) > 0).astype(float)
    # The little weight of itself leaves a panel that is joined to none as it is.
    laplacian = (sp.diags(np.asarray(near.sum(1)).ravel() + 1e-9) - near).tocsr()
    free = np.flatnonzero(~held)
    right = -laplacian[free][:, held] @ change[held]
    change[free] = splu(laplacian[free][:, free].tocsc()).solve(right)
    out = uv.copy()
    out[:, 1] += change
    return out


def stretch(points: F64, faces: I64, uv: F64) -> F64:
    """Largest relative change of length in each face (F,) between surface and layout."""
    flat = _flat_corners(points, faces)
    source = np.stack([flat[:, 1] - flat[:, 0], flat[:, 2] - flat[:, 0]], axis=-1)
    corner = uv[faces]
    target = np.stack([corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]], axis=-1)
    good = np.abs(np.linalg.det(source)) > 1e-9
    values = np.linalg.svd(target[good] @ np.linalg.inv(source[good]), compute_uv=False)
    out: F64 = np.abs(values - 1).max(1)
    return out


class Fold:
    """The strip turned in along every open edge of a surface, three rings deep.

    Rings: the fold's rounding, its inner edge, and the strip's own edge inside the garment.
    ``width``, ``thickness``: metres.
    """

    def __init__(self, faces: I64, width: float, thickness: float) -> None:
        self.faces, self.width, self.thickness = faces, width, thickness
        edges = boundary_edges(faces)
        self.rim = np.unique(edges)
        self.edges = np.searchsorted(self.rim, edges)
        count = len(self.rim)
        both = np.concatenate([self.edges, self.edges[:, ::-1]])
        ring = sp.csr_matrix((np.ones(len(both)), (both[:, 0], both[:, 1])), (count, count))
        self._ring: Any = sp.diags(1 / np.asarray(ring.sum(1)).ravel()) @ ring

    def rings(self, points: F64, normals: F64) -> F64:
        """The three rings (3, R, 3) for the surface's points and normals (V, 3)."""
        at, normal = points[self.rim], normals[self.rim]
        # Into the surface: across the edge, to the left of its direction seen from outside.
        across = np.cross(normal[self.edges], (at[self.edges[:, 1]] - at[self.edges[:, 0]])[:, None])
        inward = np.zeros_like(at)
        for k in range(2):
            np.add.at(inward, self.edges[:, k], across[:, k])
        for _ in range(2):
            inward = 0.5 * inward + 0.5 * (self._ring @ inward)
        inward -= (inward * normal).sum(1, keepdims=True) * normal
        inward /= np.maximum(np.linalg.norm(inward, axis=1, keepdims=True), 1e-9)
        half = self.thickness / 2
        return np.stack(
            [
                at - half * inward * 0.6 - half * normal,
                at - 2 * half * normal,
                at + self.width * inward - 2.5 * half * normal,
            ]
        )


def fold_faces(faces: I64, old: I64, count: int) -> tuple[I64, I64]:
    """Faces of the three-ring strip on a cut-open surface, and the rim vertices it grows from.

    ``faces`` (F, 3) of the cut-open surface with ``count`` vertices, ``old`` (count,) their vertices
    before it was cut open. Returns (faces, rim): ring k's copy of ``rim[i]`` is vertex
    ``count + k * len(rim) + i``.
    """
    sides = np.stack([faces, np.roll(faces, -1, axis=1)], axis=-1).reshape(-1, 2)
    _, inverse, counts = np.unique(np.sort(old[sides], 1), axis=0, return_inverse=True, return_counts=True)
    edges = sides[counts[inverse.reshape(-1)] == 1]
    rim, index = np.unique(edges, return_inverse=True)
    index = index.reshape(-1, 2)
    a, b = edges[:, 0], edges[:, 1]
    out = []
    for ring in range(3):
        a1, b1 = (count + ring * len(rim) + index[:, k] for k in range(2))
        out += [np.stack([b, a, a1], 1), np.stack([b, a1, b1], 1)]
        a, b = a1, b1
    return np.concatenate(out), rim


def fold_uv(uv: F64, faces: I64, old: I64, rim: I64, width: float, thickness: float) -> F64:
    """Layout (3 R, 2) of the strip's rings: the cloth goes on past the edge and round it."""
    sides = np.stack([faces, np.roll(faces, -1, axis=1)], axis=-1).reshape(-1, 2)
    _, inverse, counts = np.unique(np.sort(old[sides], 1), axis=0, return_inverse=True, return_counts=True)
    edges = sides[counts[inverse.reshape(-1)] == 1]
    along = uv[edges[:, 1]] - uv[edges[:, 0]]
    inward = np.zeros_like(uv)
    for k in range(2):
        np.add.at(inward, edges[:, k], np.stack([-along[:, 1], along[:, 0]], axis=1))
    inward = inward[rim] / np.maximum(np.linalg.norm(inward[rim], axis=1, keepdims=True), 1e-9)
    at = uv[rim]
    return np.concatenate([at - way * inward for way in (thickness / 2, thickness, thickness + width)])
