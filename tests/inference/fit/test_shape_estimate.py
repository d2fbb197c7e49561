"""What is learnt of a person's shape, and from what."""

from __future__ import annotations

import numpy as np
import pytest

from inference.fit.anatomy import GIRTH_GROUPS
from inference.fit.shape_estimate import CLOTHES, SETTLE_FRAMES, ShapeEstimate

pytestmark = pytest.mark.slow


COMPONENTS = 4
GROUPS = len(GIRTH_GROUPS)
SIZE = COMPONENTS + 2 * GROUPS
CHEST = list(GIRTH_GROUPS).index("chest")


def seen(
    estimate: ShapeEstimate, row: np.ndarray, measured: float, sigma: float, view: int, frames: int
) -> None:
    """Tell ``estimate`` that ``row @ values`` was measured, in so many frames of a view."""
    for _ in range(frames):
        values = np.concatenate([estimate.shape, estimate.girth, estimate.clothes])
        normal = np.outer(row, row) / sigma**2
        gradient = row * (row @ values - measured) / sigma**2
        estimate.update(view, normal, gradient, keep=True)


def test_another_view_tells_what_the_first_one_hid() -> None:
    """The depth of a shopper who turned round once would stay a guess: garments too deep from the side."""
    estimate = ShapeEstimate(COMPONENTS)
    front, side = np.eye(SIZE)[:2]
    seen(estimate, front, 1.5, 0.2, 0, SETTLE_FRAMES)
    assert abs(estimate.shape[1]) < 1e-9
    seen(estimate, side, -1.2, 0.2, 2, 5)
    assert estimate.shape[1] == pytest.approx(-1.2, abs=0.1)
    assert estimate.shape[0] == pytest.approx(1.5, abs=0.1)  # what the front told is kept


def test_frames_of_one_view_are_one_witness() -> None:
    """Somebody in a wide coat who stands still would slowly be taken for a stout person."""
    once, often = ShapeEstimate(COMPONENTS), ShapeEstimate(COMPONENTS)
    row = np.zeros(SIZE)
    row[0] = 1.0
    seen(once, row, 2.0, 1.0, 0, 1)
    seen(often, row, 2.0, 1.0, 0, 80)
    np.testing.assert_allclose(often.shape, once.shape, atol=1e-9)
    assert 0.3 < once.shape[0] < 1.7  # between what people are like and what was seen


def test_a_wide_outline_is_shared_between_flesh_and_cloth() -> None:
    """The worn jumper's width would go into the body, and the virtual shirt would be a tent."""
    estimate = ShapeEstimate(COMPONENTS)
    row = np.zeros(SIZE)
    row[COMPONENTS + CHEST], row[COMPONENTS + GROUPS + CHEST] = 0.15, 1.0  # an outline 15 cm off the axis
    seen(estimate, row, CLOTHES[CHEST] + 0.04, 0.002, 0, 1)
    thicker = estimate.clothes[CHEST] - CLOTHES[CHEST]
    assert 0.01 < thicker < 0.035
    assert 0.15 * estimate.girth[CHEST] + thicker == pytest.approx(0.04, abs=0.002)


def test_a_frame_that_is_not_kept_leaves_no_trace() -> None:
    """The first guesses of a pose, limbs still astray, would stay in the shape."""
    estimate = ShapeEstimate(COMPONENTS)
    row = np.eye(SIZE)[0]
    estimate.update(0, np.outer(row, row) * 100, -row * 100, keep=False)
    assert estimate.shape[0] > 0.5
    assert estimate.frames(0) == 0
    estimate.update(0, np.zeros((SIZE, SIZE)), np.zeros(SIZE), keep=True)
    np.testing.assert_allclose(estimate.shape, 0.0, atol=1e-9)


def test_nobody_is_thinner_than_bone() -> None:
    """A wild mask would turn the garment inside out."""
    estimate = ShapeEstimate(COMPONENTS)
    for index, wild in ((0, 50.0), (COMPONENTS + CHEST, -9.0), (COMPONENTS + GROUPS + CHEST, -5.0)):
        seen(estimate, np.eye(SIZE)[index], wild, 1e-4, 0, 1)
    assert estimate.shape.max() <= 3.0
    assert estimate.girth.min() >= -0.25
    assert estimate.clothes.min() >= 0.0


def test_thick_sleeves_tell_of_a_coat() -> None:
    """Under a coat that hides the waist, the shopper would be taken for stout and the shirt be a tent."""
    estimate = ShapeEstimate(COMPONENTS)
    sleeve = list(GIRTH_GROUPS).index("forearm")
    row = np.zeros(SIZE)
    row[COMPONENTS + GROUPS + sleeve] = 1.0
    seen(estimate, row, CLOTHES[sleeve] + 0.04, 0.002, 0, 1)
    thicker = estimate.clothes - CLOTHES
    assert thicker[sleeve] == pytest.approx(0.04, abs=0.003)
    assert 0.006 < thicker[CHEST] < 0.03
    np.testing.assert_allclose(estimate.girth, 0.0, atol=1e-6)  # nothing was said of flesh
