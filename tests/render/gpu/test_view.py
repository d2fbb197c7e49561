"""The camera's view: what is projected where, and the box that is drawn."""

from __future__ import annotations

import numpy as np
import pytest

from render.gpu.view import PARAMETERS, View

LENS = (300.0, 300.0, 160.0, 120.0)
POINTS = np.array([[-0.2, -0.1, 2.0], [0.2, 0.3, 2.0]], np.float32)


def test_the_projection_agrees_with_the_pixels() -> None:
    """Anchors in the report would lie beside the cloth that is drawn."""
    view = View((320, 240), LENS, (1, 1))
    clip = np.concatenate([POINTS, np.ones((2, 1), np.float32)], axis=1) @ view.projection().T
    drawn = (clip[:, :2] / clip[:, 3:] + 1) / 2 * [320, 240]
    np.testing.assert_allclose(drawn, view.frame_pixels(POINTS), atol=1e-3)


@pytest.mark.parametrize("resolution", [(1, 1), (3, 4), (1, 2)])
def test_the_box_holds_the_points_in_whole_steps(resolution: tuple[int, int]) -> None:
    """A box that is no multiple of the step would shift the garment when it is enlarged."""
    p, q = resolution
    view = View((320 * p // q, 240 * p // q), LENS, resolution)
    bounds = view.bounds([POINTS], None, beside=False)
    assert bounds.box is not None
    assert all(value % p == 0 for value in bounds.box)
    pixels = view.frame_pixels(POINTS) * p / q
    assert (pixels.min(0) > bounds.box[:2]).all()
    assert (pixels.max(0) < bounds.box[2:]).all()
    assert bounds.px_per_m == pytest.approx(150.0)


def test_what_is_about_the_camera_takes_the_whole_frame() -> None:
    """Points beside the camera project anywhere: a sleeve at the lens would be cut off."""
    near = POINTS.copy()
    near[0, 2] = PARAMETERS.near_m
    assert View((320, 240), LENS, (1, 1)).bounds([near], None, beside=False).box == (0, 0, 320, 240)


def test_no_garments_have_no_box() -> None:
    """A mirror with nothing to wear must not draw."""
    assert View((320, 240), LENS, (1, 1)).bounds([], POINTS, beside=True).box is None
