from __future__ import annotations

import numpy as np
import pytest

from mirror.types import F64
from workshop.evaluate.fit import steadiness
from workshop.evaluate.fit.baseline import similarity

pytestmark = pytest.mark.slow


def way(times: F64) -> F64:
    """Two points that sway, (T, 2, 2) px."""
    x = 40 * np.sin(0.21 * times) + 9 * np.sin(0.6 * times)
    return np.stack([np.stack([x, 100 + 0.3 * x], -1), np.stack([x + 50, 200 - 0.1 * x], -1)], axis=1)


def test_jitter_sees_trembling_and_not_movement() -> None:
    """A garment that trembles would pass, or one that moves with the shopper fail."""
    straight = np.linspace(0, 90, 60)[:, None, None] * np.ones((1, 3, 2))
    assert steadiness.jitter(straight) == pytest.approx(0, abs=1e-9)
    noise = np.random.default_rng(1).normal(0, 1, (4000, 3, 2))
    assert steadiness.jitter(noise) == pytest.approx(np.sqrt(2 * 6), rel=0.03)


def test_lag_is_told_between_frames() -> None:
    """A garment that trails by one and a half frames would count as on time."""
    times = np.arange(90.0)
    for behind in (0.0, 1.0, 1.5, 3.0, -1.0):
        assert steadiness.lag(way(times - behind), way(times)) == pytest.approx(behind, abs=0.12)


def test_recoveries() -> None:
    """The shopper who comes back and waits for clothes would not be noticed."""
    there = [True] * 4 + [False] * 3 + [True] * 5
    dressed = [False, True, True, True] + [False] * 3 + [False, False, True, True, False]
    assert steadiness.recoveries(there, dressed) == [1, 2]
    assert steadiness.recoveries([True] * 5, [False] * 5) == [5]
    assert steadiness.recoveries([False] * 5, [False] * 5) == []


def test_swaps_are_counted_once_each() -> None:
    """The garment could move to a passer-by unseen."""
    assert steadiness.swaps([False, True, True, False, True]) == 2
    assert steadiness.swaps([False] * 4) == 0


def test_the_baseline_is_a_similarity_and_no_mirror() -> None:
    """Our figures would be held against a straw man, or against a cleverer method than said."""
    points = np.array([[0.0, 0.0], [4.0, 0.0], [0.5, 6.0], [3.5, 6.0]])
    turn = 1.7 * np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])
    matrix = similarity(points, points @ turn.T + [5, -2])
    np.testing.assert_allclose(matrix, np.concatenate([turn, [[5], [-2]]], axis=1), atol=1e-9)
    flipped = similarity(points, points * [-1, 1])
    assert np.linalg.det(flipped[:, :2]) >= 0
