"""Surfaces that remember how they came from a block, so that they can be made again on any body.

Every vertex is a fixed mixture (a sparse row) of the block's vertices: subdividing, splitting along
a line and clipping only make new mixtures, and the garment's shape targets follow from the block's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from mirror.types import F64, I64

# A vertex this near to a line (share of an edge) is slid onto it, so that no slivers arise.
_SLIDE = 0.3


@dataclass(frozen=True)
class CutSurface:
    """``rows`` (V, B) sparse mixtures of B block vertices; ``faces`` (F, 3); ``lines`` (V,) bit set.

    A bit of ``lines`` marks the vertices that lie on the line a split was made along.
    """

    rows: Any
    faces: I64
    lines: I64

    def at(self, values: F64) -> F64:
        """Block values (B, ...) carried to the vertices (V, ...)."""
        out: F64 = (self.rows @ values.reshape(len(values), -1)).reshape(-1, *values.shape[1:])
        return out


def edges_of(faces: I64) -> I64:
    """Unique undirected edges (E, 2) of polygons (F, 3 or 4)."""
    sides = np.stack([faces, np.roll(faces, -1, axis=1)], axis=-1).reshape(-1, 2)
    return np.unique(np.sort(sides, axis=1), axis=0)


def subdivided(quads: I64, count: int) -> tuple[Any, I64]:
    """One step of Catmull-Clark: (rows (V', count) sparse, quads (4Q, 4)); open edges stay curves."""
    edges = edges_of(quads)
    key = {(int(a), int(b)): i for i, (a, b) in enumerate(edges)}
    sides = np.array(
        [[key[min(a, b), max(a, b)] for a, b in zip(q, np.roll(q, -1), strict=True)] for q in quads.tolist()]
    )
    nq, ne = len(quads), len(edges)
    face_rows = sp.csr_matrix(
        (np.full(4 * nq, 0.25), (np.repeat(np.arange(nq), 4), quads.ravel())), (nq, count)
    )
    ends = sp.csr_matrix((np.full(2 * ne, 0.5), (np.repeat(np.arange(ne), 2), edges.ravel())), (ne, count))
    of_edge = sp.csr_matrix((np.ones(4 * nq), (sides.ravel(), np.repeat(np.arange(nq), 4))), (ne, nq))
    faces_at = np.asarray(of_edge.sum(1)).ravel()
    inner = sp.diags((faces_at == 2).astype(float))
    edge_rows = (
        inner @ (ends * 0.5 + of_edge @ face_rows * 0.25) + sp.diags((faces_at == 1).astype(float)) @ ends
    )
    touch = sp.csr_matrix((np.ones(4 * nq), (quads.ravel(), np.repeat(np.arange(nq), 4))), (count, nq))
    meet = sp.csr_matrix((np.ones(2 * ne), (edges.ravel(), np.repeat(np.arange(ne), 2))), (count, ne))
    n = np.asarray(meet.sum(1)).ravel()
    open_vertex = np.zeros(count, bool)
    open_vertex[edges[faces_at == 1].ravel()] = True
    inverse = 1.0 / np.maximum(n, 1)
    faces_n = np.asarray(touch.sum(1)).ravel()
    average_f = sp.diags(1.0 / np.maximum(faces_n, 1)) @ touch @ face_rows
    average_e = sp.diags(inverse) @ meet @ ends
    eye = sp.identity(count)
    smooth = sp.diags(inverse) @ (average_f + 2 * average_e + sp.diags(n - 3.0) @ eye)
    rim = sp.csr_matrix((faces_at == 1).astype(float))
    on_rim = (meet.multiply(rim) @ ends) * 0.25 + eye * 0.75 - eye * 0.25
    vertex_rows = (
        sp.diags((~open_vertex).astype(float)) @ smooth + sp.diags(open_vertex.astype(float)) @ on_rim
    )
    corner, middle = quads, count + sides
    centre = np.broadcast_to((count + ne + np.arange(nq))[:, None], (nq, 4))
    new = np.stack([corner, middle, centre, np.roll(middle, 1, axis=1)], axis=-1).reshape(-1, 4)
    return sp.vstack([vertex_rows, edge_rows, face_rows]).tocsr(), new


def surface(rows: Any, quads: I64) -> CutSurface:
    """A surface of triangles from quads; each quad is halved the same way round."""
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    return CutSurface(rows.tocsr(), faces, np.zeros(rows.shape[0], np.int64))


def split(mesh: CutSurface, field: F64, line: int) -> tuple[CutSurface, F64, F64]:
    """Split faces along ``field == 0`` and mark that line with bit ``line``.

    Returns the surface, the field at its vertices (exactly 0 on the line) and which side each
    face lies on (its field before vertices were slid to the line, (F,)).
    """
    f = field.copy()
    edges = edges_of(mesh.faces)
    a, b = edges[:, 0], edges[:, 1]
    crossing = f[a] * f[b] < 0
    a, b = a[crossing], b[crossing]
    t = f[a] / (f[a] - f[b])
    # Slide near vertices along the edge that meets the line first; a vertex that lies on an
    # earlier line moves only along that line.
    start, end, share = np.concatenate([a, b]), np.concatenate([b, a]), np.concatenate([t, 1 - t])
    free = (mesh.lines[start] & ~mesh.lines[end]) == 0
    # So does one on an open edge.
    rim = {(min(p, q), max(p, q)) for p, q in boundary_edges(mesh.faces).tolist()}
    on_rim = np.zeros(len(f), bool)
    on_rim[[v for edge in rim for v in edge]] = True
    along = [
        not r or (min(p, q), max(p, q)) in rim for r, p, q in zip(on_rim[start], start, end, strict=True)
    ]
    free &= np.array(along, bool)
    near = free & (share < _SLIDE)
    start, end, share = start[near], end[near], share[near]
    order = np.argsort(share, kind="stable")
    first = order[np.unique(start[order], return_index=True)[1]]
    move = sp.identity(len(f), format="lil")
    lines = mesh.lines.copy()
    side_field = f.copy()
    moved: set[int] = set()
    for i in sorted(first.tolist(), key=lambda i: float(share[i])):
        s, e = int(start[i]), int(end[i])
        if e in moved:
            continue
        moved.add(s)
        move[s, s], move[s, e] = 1 - share[i], share[i]
        f[s] = 0.0
        lines[s] |= line
    lines[f == 0.0] |= line
    rows = move.tocsr() @ mesh.rows

    new_of: dict[tuple[int, int], int] = {}
    extra: list[tuple[int, int, float]] = []

    def between(p: int, q: int) -> int:
        pair = (min(p, q), max(p, q))
        if pair not in new_of:
            new_of[pair] = len(f) + len(extra)
            extra.append((pair[0], pair[1], float(f[pair[0]] / (f[pair[0]] - f[pair[1]]))))
        return new_of[pair]

    faces: list[list[int]] = []
    sides: list[float] = []
    for face in mesh.faces.tolist():
        values = [float(f[v]) for v in face]
        if min(values) >= 0 or max(values) <= 0:
            faces.append(face)
            sides.append(sum(values) or float(side_field[face].sum()))
            continue
        k = next(
            i
            for i in range(3)
            if values[i] * values[(i + 1) % 3] <= 0 and values[i] * values[i - 1] <= 0 and values[i]
        )
        p, q, r = face[k], face[(k + 1) % 3], face[(k + 2) % 3]
        if f[q] == 0 or f[r] == 0:
            # The line leaves through a corner: two triangles.
            m = between(p, r) if f[q] == 0 else between(p, q)
            pieces = [[p, q, m], [m, q, r]] if f[q] == 0 else [[p, m, r], [m, q, r]]
            signs = [f[p], -f[p]]
        else:
            m, n = between(p, q), between(p, r)
            pieces, signs = [[p, m, n], [m, q, r], [m, r, n]], [f[p], -f[p], -f[p]]
        faces += pieces
        sides += [float(s) for s in signs]
    if extra:
        pairs = np.array([(p, q) for p, q, _ in extra])
        shares = np.array([s for _, _, s in extra])
        mix = sp.csr_matrix(
            (
                np.concatenate([1 - shares, shares]),
                (np.tile(np.arange(len(extra)), 2), pairs.T.ravel()),
            ),
            (len(extra), len(f)),
        )
        rows = sp.vstack([rows, mix @ rows]).tocsr()
        lines = np.concatenate([lines, (lines[pairs[:, 0]] & lines[pairs[:, 1]]) | line])
        f = np.concatenate([f, np.zeros(len(extra))])
    return CutSurface(rows, np.array(faces, np.int64), lines), f, np.array(sides)


def kept(mesh: CutSurface, keep: NDArray[np.bool_]) -> tuple[CutSurface, I64]:
    """The surface of the faces in ``keep``, unused vertices dropped; and which vertices stayed."""
    faces = mesh.faces[keep]
    used, index = np.unique(faces, return_inverse=True)
    return replace(mesh, rows=mesh.rows[used], faces=index.reshape(-1, 3), lines=mesh.lines[used]), used


def largest_piece(faces: I64) -> NDArray[np.bool_]:
    """Which faces belong to the largest connected piece."""
    count = int(faces.max()) + 1
    edges = edges_of(faces)
    graph = sp.coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), (count, count))
    _, label = sp.csgraph.connected_components(graph, directed=False)
    of_face = label[faces[:, 0]]
    keep: NDArray[np.bool_] = of_face == np.bincount(of_face).argmax()
    return keep


def clipped(mesh: CutSurface, field: F64, line: int) -> CutSurface:
    """The largest connected piece of the surface where ``field > 0``, with a clean edge."""
    cut, _, side = split(mesh, field, line)
    cut, _ = kept(cut, side > 0)
    return kept(cut, largest_piece(cut.faces))[0]


def boundary_edges(faces: I64) -> I64:
    """Directed edges (E, 2) that only one face has, in the direction of that face."""
    sides = np.stack([faces, np.roll(faces, -1, axis=1)], axis=-1).reshape(-1, 2)
    _, inverse, counts = np.unique(np.sort(sides, axis=1), axis=0, return_inverse=True, return_counts=True)
    out: I64 = sides[counts[inverse.reshape(-1)] == 1]
    return out


def umbrella(faces: I64, count: int) -> Any:
    """Sparse (V, V) matrix that replaces each vertex's value by its neighbours' mean."""
    edges = edges_of(faces)
    both = np.concatenate([edges, edges[:, ::-1]])
    matrix = sp.csr_matrix((np.ones(len(both)), (both[:, 0], both[:, 1])), (count, count))
    degree = np.asarray(matrix.sum(1)).ravel()
    return sp.diags(1.0 / np.maximum(degree, 1)) @ matrix
