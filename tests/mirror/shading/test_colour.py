from __future__ import annotations

import numpy as np
import pytest

from inference.fabric.palette import parse_palette
from mirror.errors import MirrorError
from mirror.shading.colour import delta_e, to_lab, to_linear, to_srgb
from workshop.synthetic.fabric.dyes import dominant_colours, redye


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        # From the table of Sharma, Wu and Dalal (2005).
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0),
        ((50, 2.49, -0.001), (50, -2.49, 0.0009), 7.1792),
        ((50, 2.49, -0.001), (50, -2.49, 0.0011), 7.2195),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((2.0776, 0.0795, -1.135), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_delta_e_table(a: tuple[float, float, float], b: tuple[float, float, float], expected: float) -> None:
    """A wrong colour difference would call a fabric obedient that visibly isn't."""
    assert float(delta_e(a, b)) == pytest.approx(expected, abs=2e-4)
    assert float(delta_e(b, a)) == pytest.approx(expected, abs=2e-4)


def test_srgb_round_trip() -> None:
    """Colours would drift each time a fabric is made from its own palette."""
    ramp = np.linspace(0, 1, 256, dtype=np.float32)
    assert np.abs(to_srgb(to_linear(ramp)) - ramp).max() < 1e-5
    assert to_lab([1.0, 1.0, 1.0]) == pytest.approx([100, 0, 0], abs=0.02)


def test_palette_is_read() -> None:
    """A palette typed at the till must be the palette woven."""
    assert np.rint(parse_palette("#7a1f1f, 10243f,#fff") * 255).tolist() == [
        [122, 31, 31],
        [16, 36, 63],
        [255, 255, 255],
    ]


@pytest.mark.parametrize("text", ["", "red", "#12345", "#fff,#ggg", "#000,#111,#222,#333,#444"])
def test_palette_is_no_colour(text: str) -> None:
    """A typing slip must be named, not woven in some colour nobody asked for."""
    with pytest.raises(MirrorError, match="colour"):
        parse_palette(text)


def test_redyed_cloth_keeps_its_weave() -> None:
    """Dye moves the colours and nothing else: mixtures stay mixtures, shade stays shade."""
    rng = np.random.default_rng(0)
    yarns = parse_palette("#7a1f1f,#10243f,#d8d0c0")
    other = parse_palette("#345a3c,#b0b8c0,#d0a030")
    share = rng.dirichlet([1, 1], (8, 8))
    pair = np.eye(3)[rng.integers(0, 2, (8, 8))[..., None] + np.arange(2)]
    light = rng.uniform(0.97, 1.03, (8, 8, 1))
    mix = np.einsum("hwp,hwpk->hwk", share, pair)
    cloth, wanted = (to_srgb(mix @ to_linear(colours) * light) for colours in (yarns, other))
    assert np.abs(redye(cloth, yarns, other) - wanted).mean() < 0.02
    assert np.abs(redye(cloth, yarns, yarns) - cloth).mean() < 0.01
    one = redye(to_srgb(0.3 * light * np.ones(3)), to_srgb(np.full((1, 3), 0.3)), other[:1])
    assert one == pytest.approx(to_srgb(to_linear(other[0]) * light), abs=0.01)


def test_dominant_colours() -> None:
    """The proof of obedience rests on finding the colours of a picture, and their shares."""
    picture = np.zeros((40, 40, 3), np.uint8)
    picture[:, :30] = (200, 30, 40)
    picture[:, 30:] = (20, 40, 120)
    centres, share = dominant_colours(picture, 2)
    assert share == pytest.approx([0.75, 0.25])
    wanted = to_lab(np.array([[200, 30, 40], [20, 40, 120]]) / 255)
    assert delta_e(centres, wanted).max() < 1.0
