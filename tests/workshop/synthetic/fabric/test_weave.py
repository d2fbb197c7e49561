from __future__ import annotations

import numpy as np
import pytest

from inference.fabric.classes import COLOURS, NAMES
from inference.fabric.palette import random_palette
from mirror.errors import MirrorError
from mirror.shading.colour import delta_e, to_lab, to_linear, to_srgb
from workshop.synthetic.fabric.weave import floral_print, weave
from workshop.tailor.swatch_photos.labels import find_repeats

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", NAMES)
def test_every_class_tiles(name: str) -> None:
    """A seam in the source would teach seams: the border is as smooth as the worst line inside."""
    rng = np.random.default_rng(4)
    cloth = weave(name, random_palette(rng, COLOURS[name][1]), 128, rng)
    for picture in (to_lab(cloth.albedo / 255.0)[..., 0], cloth.height):
        for axis in (0, 1):
            lines = np.moveaxis(picture, axis, 0)
            steps = np.abs(np.roll(lines, -1, 0) - lines).mean(1)
            assert steps[-1] <= 1.3 * steps[:-1].max()


@pytest.mark.parametrize("name", ["plain", "twill", "jersey", "rib", "satin"])
def test_palette_is_mean_colour(name: str) -> None:
    """Cloth woven of one colour is that colour at arm's length."""
    colour = np.array([[0.55, 0.2, 0.25]], np.float32)
    cloth = weave(name, colour, 128, np.random.default_rng(1))
    mean = to_srgb(to_linear(cloth.albedo / 255.0).mean((0, 1)))
    assert float(delta_e(to_lab(mean), to_lab(colour[0]))) < 2


def test_same_seed_same_cloth() -> None:
    """A run could not be repeated if its data changed under it."""
    palette = random_palette(np.random.default_rng(0), 3)
    first, second = (weave("tartan", palette, 128, np.random.default_rng(9)) for _ in range(2))
    assert np.array_equal(first.albedo, second.albedo)
    assert np.array_equal(first.height, second.height)


def test_labelled_repeat_is_the_pictures_repeat() -> None:
    """A wrong lattice label would teach waves that don't fit the cloth."""
    rng = np.random.default_rng(2)
    for name in ("gingham", "houndstooth"):
        cloth = weave(name, np.array([[0.9, 0.9, 0.9], [0.1, 0.1, 0.3]]), 128, rng)
        found = find_repeats(cloth.albedo)
        assert found is not None
        period = 128 / cloth.cycles[0, 0, 0]
        assert any(
            abs(r.length / period - whole) < 0.08 or abs(r.length / period / np.sqrt(2) - whole) < 0.08
            for r in found
            for whole in (0.5, 1, 2)
        )


def test_a_print_repeats() -> None:
    """A screen prints the same flowers again: what differed from repeat to repeat could not be learnt."""
    for repeats in (2, 3):
        printed = floral_print(np.random.default_rng(3), 192, repeats, 4)
        again = np.roll(printed, 192 // repeats, 0)
        assert (printed != again).mean() < 0.01
        assert set(np.unique(printed).tolist()) == {0, 1, 2, 3}


def test_unknown_class_and_wrong_colours() -> None:
    """The line must say what there is to choose from."""
    rng = np.random.default_rng(0)
    with pytest.raises(MirrorError, match=r"no fabric class 'tweed'.*tartan"):
        weave("tweed", random_palette(rng, 2), 128, rng)
    with pytest.raises(MirrorError, match="2 to 4 colours"):
        weave("tartan", random_palette(rng, 1), 128, rng)
