"""Normal equations, whole and with some of the unknowns eliminated."""

from __future__ import annotations

import numpy as np

from inference.fit.normal_equations import NormalEquations


def test_eliminated_unknowns_come_out_as_if_solved_together() -> None:
    """Shape and pose, solved in turns, would creep past each other and the garment with them."""
    rng = np.random.default_rng(3)
    jacobian, residual = rng.normal(size=(40, 9)), rng.normal(size=40)
    together, apart = NormalEquations(9), NormalEquations(9)
    for equations in (together, apart):
        equations.add(jacobian, residual, np.full(40, 2.0))
    normal, gradient, back = apart.eliminate(6)
    last = -np.linalg.solve(normal, gradient)
    step = np.concatenate([-back @ np.append(last, 1.0), last])
    np.testing.assert_allclose(step, together.solve(), rtol=0.02, atol=1e-3)  # but for the damping
