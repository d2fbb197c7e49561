"""Weighted least squares, gathered piece by piece as normal equations."""

from __future__ import annotations

import numpy as np

from inference.kinematics import Array

DAMPING = 1e-3  # Levenberg-Marquardt, relative to the diagonal


class NormalEquations:
    """Sum over residuals r with Jacobian J and precision w: (J^T w J) x = -J^T w r."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self._normal = np.zeros((columns, columns))
        self._gradient = np.zeros(columns)

    def add(self, jacobian: Array, residual: Array, precision: Array) -> None:
        """Rows: jacobian (n, columns), residual (n,), precision (n,) = 1 / variance."""
        weighted = jacobian * precision[:, None]
        self._normal += weighted.T @ jacobian
        self._gradient += weighted.T @ residual

    def add_blocks(self, first: int, jacobian: Array, residual: Array, precision: Array) -> None:
        """Residuals of consecutive triples of unknowns that know nothing of each other.

        jacobian (n, 3, 3), residual (n, 3), precision (n, 3); the first triple starts at column
        ``first``.
        """
        count = len(jacobian)
        weighted = jacobian * precision[:, :, None]
        block = np.swapaxes(weighted, 1, 2) @ jacobian
        index = first + np.arange(3 * count).reshape(count, 3)
        self._normal[index[:, :, None], index[:, None, :]] += block
        self._gradient[index] += np.einsum("nij,ni->nj", weighted, residual)

    def add_diagonal(self, first: int, residual: Array, precision: Array) -> None:
        """Residuals (n,) of the unknowns themselves, from column ``first`` on."""
        index = first + np.arange(len(residual))
        self._normal[index, index] += precision
        self._gradient[index] += precision * residual

    def solve(self) -> Array:
        """The damped step (columns,)."""
        diagonal = np.arange(self.columns)
        self._normal[diagonal, diagonal] *= 1.0 + DAMPING
        self._normal[diagonal, diagonal] += 1e-6
        return np.asarray(-np.linalg.solve(self._normal, self._gradient))
