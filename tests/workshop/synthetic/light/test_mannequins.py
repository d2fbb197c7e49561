"""Rendered people: what covers what, where shadows fall, and that light comes from where it does."""

from __future__ import annotations

import numpy as np
import pytest

from workshop.synthetic.light.camera_response import Response
from workshop.synthetic.light.environment import rays
from workshop.synthetic.light.mannequins import Mannequin, MannequinMaker, rasterise, visibility

pytestmark = pytest.mark.slow


def test_the_nearer_triangle_covers_the_other() -> None:
    """A hand before the chest would be drawn behind it."""
    pixels = np.array([[2, 2], [2, 18], [18, 2], [2, 2], [2, 18], [18, 2]], float)
    depth = np.array([3, 3, 3, 2, 2, 2], np.float32)
    faces = np.array([[0, 1, 2], [3, 4, 5]], np.int32)
    where, hit, shares = rasterise(pixels, depth, faces, (20, 20))
    assert set(hit) == {1}
    assert len(where) == pytest.approx(128, abs=17)
    np.testing.assert_allclose(shares.sum(1), 1, atol=1e-5)
    column = where % 20 + 0.5
    np.testing.assert_allclose(shares @ pixels[faces[1], 0], column, atol=1e-3)
    turned, _, _ = rasterise(pixels, depth, faces[:, ::-1], (20, 20))
    assert not len(turned)  # seen from behind


def test_a_plate_shades_what_lies_under_it() -> None:
    """Dark sides would not be dark, nor the neck under a chin."""
    grid = np.stack(np.meshgrid(np.linspace(-0.3, 0.3, 40), [-0.4], np.linspace(-0.3, 0.3, 40)), -1)
    plate = grid.reshape(-1, 3).astype(np.float32)  # above: y points down
    seen = visibility(np.zeros((1, 3), np.float32), np.zeros(1, bool), plate, plate[:0])[0]
    up = rays()[:, 1] < -0.9
    assert seen[up].max() < 0.05
    assert seen[rays()[:, 1] > 0].min() > 0.95


def test_a_mannequin_is_bright_where_the_light_is(mannequin: Mannequin) -> None:
    """The network would learn the light from pictures that are lit otherwise."""
    black = np.zeros((mannequin.size[1], mannequin.size[0], 3), np.float32)
    bright = []
    for side in (-1.0, 1.0):
        weight = np.maximum(rays() @ np.array([side, 0.0, -0.3]) / 1.044, 0) ** 8
        picture = mannequin.lit((weight[:, None] * np.ones(3)).astype(np.float32) * 4, black).mean(2)
        person = mannequin.mask > 200
        middle = np.argwhere(person).mean(0)[1]
        columns = np.arange(mannequin.size[0])[None] + np.zeros_like(picture)
        bright.append(float((picture * (columns - middle))[person].sum() / picture[person].sum()))
    assert bright[0] < -3  # px
    assert bright[1] > 3


def test_even_light_is_darkened_only_in_folds_and_corners(mannequin: Mannequin) -> None:
    """Shadows everywhere would darken every estimate."""
    lit = mannequin.transfer @ np.ones((len(rays()), 1), np.float32)
    assert 0.75 < float(np.median(lit)) <= 1.05
    assert float(lit.min()) < 0.6


def test_figures_come_from_their_seed(maker: MannequinMaker) -> None:
    """A set made again would be another one."""
    first, second = (maker.make(np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first.albedo, second.albedo)
    np.testing.assert_array_equal(first.fit.bone_transforms, second.fit.bone_transforms)


def test_the_camera_gains_are_the_lights(mannequin: Mannequin) -> None:
    """A frame that is brighter than its truth says would teach a wrong exposure."""
    flat = np.full((mannequin.size[1], mannequin.size[0], 3), 0.5, np.float32)
    camera = Response(np.array([0.6, 0.4, 0.2]), 0.0, 0.5, 0.001, 0.001, 95)
    frame = camera.taken(flat, np.random.default_rng(0))
    linear = ((frame.mean((0, 1)) / 255 + 0.055) / 1.055) ** 2.4
    np.testing.assert_allclose(linear[::-1], [0.3, 0.2, 0.1], rtol=0.05)
