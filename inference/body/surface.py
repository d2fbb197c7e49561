"""Triangle meshes: what of a surface the estimators and the renderer both need."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from mirror.types import F32

__all__ = ["vertex_normals", "welded_normals"]

_Real = TypeVar("_Real", np.float32, np.float64)


def vertex_normals(vertices: NDArray[_Real], faces: NDArray[np.integer]) -> NDArray[_Real]:
    """Unit vertex normals (V, 3), area weighted, of any triangle mesh: (V, 3) metres, (F, 3) indices."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    across = np.cross(b - a, c - a)
    out = np.zeros_like(vertices)
    for i in range(3):
        np.add.at(out, faces[:, i], across)
    normals: NDArray[_Real] = out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)
    return normals


def welded_normals(positions: F32, faces: NDArray[np.integer]) -> F32:
    """``vertex_normals`` that are smooth across vertices which share a position, as at seams."""
    _, welded = np.unique(positions.round(5), axis=0, return_inverse=True)
    welded = welded.reshape(-1)
    corner = positions[faces]
    cross = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    total = np.zeros((int(welded.max()) + 1, 3))
    for k in range(3):
        np.add.at(total, welded[faces[:, k]], cross)
    normals = total[welded]
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    return normals.astype(np.float32)
