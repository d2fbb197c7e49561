"""A garment's cloth as a surface: its panels, its seams, how it bends."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from mirror.types import F32, F64, I64

SEAM_REACH_M = 0.5  # what is further from a seam, or has none, counts as this far
_SEAM_STEP_M = 0.001
_APART_M = 1e4  # lays panels so far from one another that no seam of another one is nearest


@dataclass(frozen=True)
class PanelSurface:
    """Triangles cut open along their seams, as a garment's file has them.

    ``faces`` (F, 3); ``uv`` (V, 2) metres of cloth; ``weld`` (V,): vertices that meet at a seam share
    a number. ``panel`` (V,): connected pieces from 0, the largest first (by flat area).
    """

    faces: I64
    uv: F64
    weld: I64
    panel: I64

    @classmethod
    def of(cls, rest: F32, faces: NDArray[np.integer], uv: F32) -> PanelSurface:
        """From rest vertices (V, 3), faces (F, 3) and texture coordinates (V, 2), all in metres."""
        triangles = faces.astype(np.int64)
        _, weld = np.unique(rest.round(5), axis=0, return_inverse=True)
        ends = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]]])
        graph = coo_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), (len(rest), len(rest)))
        _, piece = connected_components(graph, directed=False)
        flat = uv.astype(np.float64)
        size = np.bincount(piece[triangles[:, 0]], _areas(flat, triangles), minlength=int(piece.max()) + 1)
        rank = np.argsort(np.argsort(-size, kind="stable"), kind="stable")
        return cls(triangles, flat, weld.reshape(-1).astype(np.int64), rank[piece].astype(np.int64))

    @property
    def panels(self) -> int:
        """How many panels have cloth."""
        return len(np.unique(self.panel[self.faces[:, 0]]))

    @cached_property
    def seam_edges(self) -> I64:
        """Vertex pairs (E, 2) along which a panel is sewn to another, or to itself."""
        sides = np.stack([self.faces, np.roll(self.faces, -1, axis=1)], axis=-1).reshape(-1, 2)
        _, first, count = np.unique(np.sort(sides, 1), axis=0, return_index=True, return_counts=True)
        rim = sides[first[count == 1]]
        _, inverse, meeting = np.unique(
            np.sort(self.weld[rim], 1), axis=0, return_inverse=True, return_counts=True
        )
        out: I64 = rim[meeting[inverse.reshape(-1)] > 1]
        return out

    def seam_distance(self, uv: NDArray[np.floating], panel: NDArray[np.integer]) -> F32:
        """Metres of flat cloth (N,) from places ``uv`` (N, 2) of panels (N,) to that panel's nearest seam.

        At most SEAM_REACH_M, which is also what a garment without seams has everywhere.
        """
        edges = self.seam_edges
        if not len(edges) or not len(uv):
            return np.full(len(uv), SEAM_REACH_M, np.float32)
        a, b = self.uv[edges[:, 0]], self.uv[edges[:, 1]]
        steps = np.maximum(np.ceil(np.linalg.norm(b - a, axis=1) / _SEAM_STEP_M), 1).astype(int) + 1
        which = np.repeat(np.arange(len(edges)), steps)
        way = (np.arange(len(which)) - np.repeat(np.cumsum(steps) - steps, steps)) / (steps[which] - 1)
        along = a[which] + way[:, None] * (b - a)[which]
        tree = cKDTree(np.column_stack([along, _APART_M * self.panel[edges[which, 0]]]))
        distance, _ = tree.query(np.column_stack([uv, _APART_M * panel]), distance_upper_bound=SEAM_REACH_M)
        out: F32 = np.minimum(distance, SEAM_REACH_M).astype(np.float32)
        return out

    def normals(self, vertices: NDArray[np.floating]) -> F64:
        """Unit normals (V, 3) of any pose (V, 3), area weighted, smooth across seams."""
        total = self._gather(np.repeat(_crosses(vertices, self.faces), 3, axis=0))
        out: F64 = total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)
        return out[self.weld]

    def curvatures(self, vertices: NDArray[np.floating], normals: F64) -> F32:
        """Principal curvatures (V, 2) in 1/metre, the larger first; positive where the cloth bulges out.

        Each face's second fundamental form is fitted to how the normals turn along its edges, and
        averaged over the faces of a vertex: S. Rusinkiewicz, "Estimating Curvatures and Their
        Derivatives on Triangle Meshes", 3DPVT 2004.
        """
        points = np.asarray(vertices, np.float64)
        corner, normal = points[self.faces], normals[self.faces]
        edge = np.roll(corner, 1, axis=1) - np.roll(corner, -1, axis=1)
        turn = np.roll(normal, 1, axis=1) - np.roll(normal, -1, axis=1)
        across = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
        area = np.linalg.norm(across, axis=1)
        out = across / np.maximum(area, 1e-12)[:, None]
        u = edge[:, 0] / np.maximum(np.linalg.norm(edge[:, 0], axis=1, keepdims=True), 1e-12)
        v = np.cross(out, u)
        eu, ev = np.einsum("fki,fi->fk", edge, u), np.einsum("fki,fi->fk", edge, v)
        tu, tv = np.einsum("fki,fi->fk", turn, u), np.einsum("fki,fi->fk", turn, v)
        # Least squares of  [eu ev 0; 0 eu ev] (e, f, g) = (tu, tv)  over the three edges.
        zero = np.zeros_like(eu)
        left = np.concatenate([np.stack([eu, ev, zero], -1), np.stack([zero, eu, ev], -1)], axis=1)
        right = np.concatenate([tu, tv], axis=1)[..., None]
        square = np.swapaxes(left, 1, 2) @ left + 1e-14 * np.eye(3)
        e, f, g = np.linalg.solve(square, np.swapaxes(left, 1, 2) @ right)[..., 0].T
        tensor = (
            e[:, None, None] * u[:, :, None] * u[:, None]
            + f[:, None, None] * (u[:, :, None] * v[:, None] + v[:, :, None] * u[:, None])
            + g[:, None, None] * v[:, :, None] * v[:, None]
        )
        weight = np.maximum(area, 1e-12)
        total = self._gather(np.repeat(tensor.reshape(-1, 9) * weight[:, None], 3, axis=0))
        mean = total / np.maximum(self._gather(np.repeat(weight, 3)[:, None]), 1e-15)
        matrix = mean.reshape(-1, 3, 3)
        # Of the three eigenvalues the one along the normal is the smallest in size on smooth cloth,
        # not always: so the tensor is turned into the tangent plane first.
        at = np.zeros((len(matrix), 3))
        at[self.weld] = normals
        first = np.cross(at, np.where(np.abs(at[:, 1:2]) < 0.9, (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)))
        first /= np.maximum(np.linalg.norm(first, axis=1, keepdims=True), 1e-12)
        plane = np.stack([first, np.cross(at, first)], axis=1)
        (p, q), (_, r) = np.moveaxis(plane @ matrix @ np.swapaxes(plane, 1, 2), 0, -1)
        mid, spread = (p + r) / 2, np.hypot((p - r) / 2, q)
        return np.stack([mid + spread, mid - spread], axis=1).astype(np.float32)[self.weld]

    def _gather(self, corner_values: F64) -> F64:
        """Sums (W, C) at welded vertices of values (3 F, C) at faces' corners."""
        index = self.weld[self.faces].ravel()
        count = int(self.weld.max()) + 1
        return np.stack([np.bincount(index, column, minlength=count) for column in corner_values.T], axis=1)

    def area(self, vertices: NDArray[np.floating]) -> float:
        """Square metres of the surface at any pose (V, 3)."""
        return float(np.linalg.norm(_crosses(vertices, self.faces), axis=1).sum() / 2)


def _crosses(vertices: NDArray[np.floating], faces: I64) -> F64:
    corner = np.asarray(vertices, np.float64)[faces]
    out: F64 = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    return out


def _areas(flat: F64, faces: I64) -> F64:
    a, b, c = (flat[faces[:, k]] for k in range(3))
    out: F64 = (
        np.abs((b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])) / 2
    )
    return out
