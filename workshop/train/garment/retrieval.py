"""How often the nearest garment is one of the same: the figures of retrieval."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mirror.types import F32, I64


def squared_distances(table: F32) -> F32:
    """Squared Euclidean distances (N, N) of rows, infinite from a row to itself.

    Of unit vectors: 2 - 2 times the cosine, so neighbours by either are the same.
    """
    square = (table**2).sum(1)
    out = square[:, None] + square[None] - 2 * table @ table.T
    np.fill_diagonal(out, np.inf)
    return np.asarray(out, np.float32)


def same_label_first(table: F32, labels: I64, apart: I64 | None = None) -> float:
    """Share of rows (N, D) whose nearest other row has their label.

    ``apart`` (N,): rows of one number do not count for each other (other instances of one garment,
    where its kind is to be found by other garments).
    """
    return float(found_first(table, labels, apart).mean())


def found_first(table: F32, labels: I64, apart: I64 | None = None) -> NDArray[np.bool_]:
    """For each row whether its nearest other row has its label (N,)."""
    distance = squared_distances(table)
    if apart is not None:
        distance[apart[:, None] == apart[None]] = np.inf
    found: NDArray[np.bool_] = labels[distance.argmin(1)] == labels
    return found


def precision(table: F32, labels: I64, label: int, apart: I64) -> tuple[float, float]:
    """How the rows of ``label`` find their own among all rows of other garments (other ``apart``).

    Returns (share of the nearest that have the label, R-precision: the share among the R nearest, R
    being how many there are to find).
    """
    distance = squared_distances(table)
    distance[apart[:, None] == apart[None]] = np.inf
    first, shares = [], []
    for row in np.flatnonzero(labels == label):
        there = int(((labels == label) & (apart != apart[row])).sum())
        nearest = labels[np.argsort(distance[row])[:there]]
        first.append(nearest[0] == label)
        shares.append((nearest == label).mean())
    return float(np.mean(first)), float(np.mean(shares))
