"""Weighted least squares, gathered piece by piece as normal equations."""

from __future__ import annotations

import numpy as np

from mirror.types import F64

DAMPING = 1e-3  # Levenberg-Marquardt, relative to the diagonal


class NormalEquations:
    """Sum over residuals r with Jacobian J and precision w: (J^T w J) x = -J^T w r."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self._normal = np.zeros((columns, columns))
        self._gradient = np.zeros(columns)

    def add(self, jacobian: F64, residual: F64, precision: F64) -> None:
        """Rows: jacobian (n, columns), residual (n,), precision (n,) = 1 / variance."""
        weighted = jacobian * precision[:, None]
        self._normal += weighted.T @ jacobian
        self._gradient += weighted.T @ residual

    def add_blocks(self, first: int, jacobian: F64, residual: F64, precision: F64) -> None:
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

    def add_diagonal(self, first: int, residual: F64, precision: F64) -> None:
        """Residuals (n,) of the unknowns themselves, from column ``first`` on."""
        index = first + np.arange(len(residual))
        self._normal[index, index] += precision
        self._gradient[index] += precision * residual

    def solve(self) -> F64:
        """The damped step (columns,)."""
        return np.asarray(-np.linalg.solve(self._damped(self.columns), self._gradient))

    def eliminate(self, first: int) -> tuple[F64, F64, F64]:
        """What the equations say of the unknowns from ``first`` on, whatever those before it may be.

        Returns their normal matrix (n, n) and gradient (n,), and ``back`` (first, n + 1): the damped step
        of those before is ``-back @ [step of those after, 1]``.
        """
        both = np.column_stack([self._normal[:first, first:], self._gradient[:first]])
        back = np.linalg.solve(self._damped(first), both)
        rest = np.column_stack([self._normal[first:, first:], self._gradient[first:]])
        rest -= self._normal[first:, :first] @ back
        return rest[:, :-1], rest[:, -1], np.asarray(back)

    def _damped(self, count: int) -> F64:
        diagonal = np.arange(count)
        damped = self._normal[:count, :count].copy()
        damped[diagonal, diagonal] *= 1.0 + DAMPING
        damped[diagonal, diagonal] += 1e-6
        return np.asarray(damped)
