"""How colours change with the normal, on surfaces painted with one colour and with several."""

from __future__ import annotations

import numpy as np
import pytest

from inference.light.surface_shading import shading, shading_of_parts
from mirror.types import F32

SIDE = 32
SLOPES = np.array([[0.25, -0.1, 0.1], [0.1, 0.04, -0.06], [-0.08, -0.05, 0.04]], np.float32)  # of x, y, z


@pytest.fixture
def normals() -> F32:
    """A sphere's, towards the camera; none in the corners."""
    across = (np.arange(SIDE) + 0.5) / SIDE * 2 - 1
    x, y = np.meshgrid(across, across)
    z = -np.sqrt(np.clip(1 - x**2 - y**2, 0, 1))
    inside = (x**2 + y**2 < 0.95)[..., None]
    return np.where(inside, np.stack([x, y, z], -1), 0).astype(np.float32)[None]


def picture(normals: F32, paint: F32) -> F32:
    return np.asarray(paint + normals @ SLOPES, np.float32)


def told(fitted: F32) -> F32:
    """Slopes (3, 3) of x, y, z."""
    return np.asarray(fitted.reshape(3, 4)[:, 1:].T)


def test_one_colour_is_read_by_both(normals: F32) -> None:
    """The side that the light comes from would be lost on plain clothes."""
    paint = np.full((1, SIDE, SIDE, 3), (0.9, 0.3, -0.4), np.float32)
    mask = np.ones((1, SIDE, SIDE), np.float32)
    for way in (shading, shading_of_parts):
        found = way(picture(normals, paint), mask, normals)
        assert found.shape == (1, 12)
        np.testing.assert_allclose(told(found), SLOPES, atol=0.04)
        np.testing.assert_allclose(found.reshape(3, 4)[:, 0], (0.9, 0.3, -0.4), atol=0.05)


def test_clothes_of_two_colours_are_no_light_of_two_colours(normals: F32) -> None:
    """A red sleeve beside a blue shirt would be taken for a red lamp on that side."""
    paint = np.full((1, SIDE, SIDE, 3), (0.9, 0.3, -0.4), np.float32)
    paint[:, :, 20:] = (0.5, 1.6, -1.2)
    paint[:, 24:] = (1.3, -0.8, 0.9)
    mask = np.ones((1, SIDE, SIDE), np.float32)
    mask[:, :, :3] = 0  # behind it is a wall
    paint[:, :, :3] = (2.0, 3.0, 3.0)
    seen = picture(normals, paint)
    wrong, right = (
        np.abs(told(way(seen, mask, normals)) - SLOPES).max() for way in (shading, shading_of_parts)
    )
    assert right < 0.1
    assert wrong > 3 * right


def test_probes_are_judged_each_by_itself(normals: F32) -> None:
    """Training sees probes by the batch: the live mirror, with one at a time, would see others."""
    rng = np.random.default_rng(3)
    paint = rng.normal(0, 0.5, (3, SIDE, SIDE, 3)).astype(np.float32)
    masks = (rng.uniform(size=(3, SIDE, SIDE)) < 0.7).astype(np.float32)
    masks[2] = 0  # nobody
    many = np.repeat(normals, 3, 0)
    whole = shading_of_parts(picture(many, paint), masks, many)
    for i in range(3):
        one = shading_of_parts(picture(many, paint)[i : i + 1], masks[i : i + 1], many[i : i + 1])
        np.testing.assert_allclose(one[0], whole[i], atol=2e-3)
    assert np.isfinite(whole).all()
