"""Mesh work of the bake: closing holes, decimating, areas."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from scipy.spatial import cKDTree
from trimesh.triangles import area

from inference.body.surface import vertex_normals
from mirror.types import F64, I64


def boundary_loops(faces: I64) -> list[I64]:
    """Closed loops of edges that have a face on one side only, in the order of those faces."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    twins = {(int(b), int(a)) for a, b in edges}
    following = {int(a): int(b) for a, b in edges if (int(a), int(b)) not in twins}
    loops = []
    while following:
        start = next(iter(following))
        loop = [start]
        while (nxt := following.pop(loop[-1])) != start:
            loop.append(nxt)
        loops.append(np.array(loop))
    return loops


def close(faces: I64, loops: list[I64]) -> I64:
    """Fill each hole with a strip across it (no vertex is added)."""
    fill = []
    for loop in loops:
        low, high = 0, len(loop) - 1
        while high - low >= 2:
            fill.append([loop[low + 1], loop[low], loop[high]])
            low += 1
            if high - low >= 2:
                fill.append([loop[low], loop[high], loop[high - 1]])
                high -= 1
    return np.concatenate([faces, np.array(fill)])


def reduce(points: F64, faces: I64, target: int) -> tuple[I64, I64]:
    """Decimate to about ``target`` of the mesh's own vertices: (their indices, new faces)."""
    simplifier: Any = importlib.import_module("fast_simplification")
    used, compact = np.unique(faces, return_inverse=True)
    compact = compact.reshape(-1, 3)
    share = 1.0 - target / len(used)
    # Decimetres: the quadrics are kept in single precision and like numbers near one.
    out, out_faces = simplifier.simplify(
        np.ascontiguousarray(points[used] * 10, np.float32), compact.astype(np.int32), share, agg=3
    )
    nearest = cKDTree(points[used]).query(out / 10.0)[1]
    kept, index = np.unique(nearest, return_inverse=True)
    new = index[out_faces].astype(np.int64)
    new = new[(new[:, 0] != new[:, 1]) & (new[:, 1] != new[:, 2]) & (new[:, 2] != new[:, 0])]
    return used[kept], _unfold(points[used[kept]], new, vertex_normals(points, faces)[used[kept]])


def _unfold(points: F64, faces: I64, normals: F64) -> I64:
    """Flip edges of faces that decimation left facing away from the original surface's normals."""

    def facing(face: list[int]) -> float:
        a, b, c = points[face]
        across = np.cross(b - a, c - a)
        return float(across @ normals[face].sum(0) / (3 * np.linalg.norm(across) + 1e-15))

    rows = faces.tolist()
    for _ in range(6):
        bad = [f for f, row in enumerate(rows) if facing(row) < 0.25]
        owner = {(row[i], row[(i + 1) % 3]): f for f, row in enumerate(rows) for i in range(3)}
        touched: set[int] = set()
        for f in bad:
            best = None
            for i in range(3):
                a, b, c = rows[f][i], rows[f][(i + 1) % 3], rows[f][(i + 2) % 3]
                g = owner.get((b, a))
                if g is None or touched & {f, g}:
                    continue
                d = next(v for v in rows[g] if v not in (a, b))
                if (c, d) in owner or (d, c) in owner:
                    continue  # that edge exists already: flipping would pinch the surface
                gain = min(facing([a, d, c]), facing([d, b, c])) - min(facing(rows[f]), facing(rows[g]))
                if gain > 0.01 and (best is None or gain > best[0]):
                    best = (gain, g, [a, d, c], [d, b, c])
            if best:
                _, g, rows[f], rows[g] = best
                touched |= {f, g}
        if not touched:
            break
    return np.array(rows, np.int64)


def areas(points: F64, faces: I64) -> F64:
    """(V,) a third of the area of the faces around each vertex."""
    shares: F64 = np.bincount(faces.ravel(), np.repeat(area(points[faces]) / 3, 3), len(points)).astype(
        np.float64
    )
    return shares
