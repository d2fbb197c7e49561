from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inference.fabric.classes import NAMES
from inference.fabric.palette import parse_palette
from inference.fabric.sample import normal_map
from mirror.errors import MirrorError
from mirror.shading.colour import delta_e, to_lab
from render.garments.fabric import load_fabric
from workshop.synthetic.fabric.weave import weave
from workshop.tailor.fabric_import import import_fabric, make_tileable
from workshop.tailor.swatch_photos.labels import (
    find_palette,
    find_repeats,
    find_waves,
    fit_palette,
    wave_vectors,
)
from workshop.tailor.swatch_photos.photographs import build, height_from_normal
from workshop.tailor.swatch_photos.review import FILE
from workshop.train.fabric.dataset import tiles
from workshop.train.fabric.swatches import TILE

pytestmark = pytest.mark.slow


def _photo(path: Path, fabric_class: str, seed: int) -> None:
    colours = {"gingham": 2, "denim": 2}[fabric_class]
    palette = np.array([[0.75, 0.1, 0.12], [0.92, 0.9, 0.88]], np.float32)[:colours]
    cloth = weave(fabric_class, palette, 160, np.random.default_rng(seed))
    cv2.imwrite(str(path), cloth.albedo[:, :, ::-1])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    _photo(tmp_path / "red_gingham.png", "gingham", 1)
    _photo(tmp_path / "jeans.png", "denim", 2)
    return tmp_path


def test_labels_and_tiles(folder: Path) -> None:
    """A swatch folder becomes training tiles that say what they are."""
    found = build(folder)
    assert {s.name: s.label.fabric_class for s in found} == {
        "red_gingham.png": "gingham",
        "jeans.png": "denim",
    }
    made = tiles(found, 3, seed=0)
    assert len(made) == 6
    assert made.albedo.shape == (6, TILE, TILE, 3)
    assert {NAMES[c] for c in made.classes} == {"gingham", "denim"}
    assert not made.phased.any()
    again = tiles(found, 3, seed=0)
    assert np.array_equal(made.albedo, again.albedo)
    assert np.array_equal(made.cycles, again.cycles)


def test_corrections_persist(folder: Path) -> None:
    """A person's correction must not be lost when the labels are rebuilt."""
    build(folder)
    page = folder / FILE
    head, tail = page.read_text().split('[swatches."red_gingham.png"]')
    tail = tail.replace('class = "gingham"', 'class = "tartan"', 1).replace("use = true", "use = true", 1)
    page.write_text(head.replace("use = true", "use = false", 1) + '[swatches."red_gingham.png"]' + tail)
    for _ in range(2):
        found = build(folder)
        # The jeans were taken out, the class corrected; what was not touched follows the fresh guess.
        assert [(s.name, s.label.fabric_class) for s in found] == [("red_gingham.png", "tartan")]
        assert found[0].label.guessed.fabric_class == "gingham"
    _photo(folder / "red_gingham.png", "gingham", 5)
    assert build(folder)[0].label.fabric_class == "tartan"


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ('class = "denim"', 'class = "tweed"', "jeans.png: no fabric class 'tweed'"),
        ("checked = false", "checked = maybe", "review.toml"),
        ("checked = false", "wrong = 1", "wrong"),
        ("width_m = ", "width_m = -", "width_m"),
    ],
)
def test_broken_review(folder: Path, before: str, after: str, complaint: str) -> None:
    """A slip in the review file is named with its picture."""
    build(folder)
    page = folder / FILE
    page.write_text(page.read_text().replace(before, after, 1))
    with pytest.raises(MirrorError, match=complaint):
        build(folder)


def test_bad_folders(tmp_path: Path) -> None:
    """An empty folder, a missing one and a corrupt swatch each give one line that names them."""
    with pytest.raises(MirrorError, match="no swatches there"):
        build(tmp_path)
    with pytest.raises(MirrorError, match="no such folder"):
        build(tmp_path / "missing")
    (tmp_path / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    with pytest.raises(MirrorError, match=r"torn\.png: not a picture, or damaged") as caught:
        build(tmp_path)
    assert "\n" not in str(caught.value)


def _wave_picture(length: float, degrees: float) -> NDArray[np.uint8]:
    y, x = np.indices((140, 140))
    a = np.radians(degrees)
    u, v = x * np.cos(a) + y * np.sin(a), -x * np.sin(a) + y * np.cos(a)
    value = 128 + 50 * np.cos(2 * np.pi * u / length) + 50 * np.cos(2 * np.pi * v / (1.5 * length))
    return np.repeat(value[..., None], 3, 2).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(("length", "degrees"), [(12.0, 0.0), (16.0, 30.0), (20.0, 60.0)])
def test_repeat_found(length: float, degrees: float) -> None:
    """The found repeat is the cloth's true scale: off by a yarn, the lattice slips across the tile."""
    found = find_repeats(_wave_picture(length, degrees))
    assert found is not None
    first, second = found
    assert first.length == pytest.approx(length, rel=0.06)
    assert min(abs(first.direction - degrees), 180 - abs(first.direction - degrees)) < 5
    assert second.length == pytest.approx(1.5 * length, rel=0.06)
    vectors = wave_vectors(first, second)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1 / length, 1 / (1.5 * length)], rel=0.08)


def test_no_repeat_in_noise() -> None:
    """Felt has no repeat; one made up would be printed over it."""
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3)).astype(np.uint8)
    assert find_repeats(noise) is None


def test_a_picture_of_one_repeat_is_taken_whole(tmp_path: Path) -> None:
    """Cut off-centre, a sett's lines would not meet at the border, and the torus could not show them."""
    palette = np.array([[0.8, 0.1, 0.1], [0.95, 0.95, 0.9]], np.float32)
    cloth = weave("gingham", palette, TILE, np.random.default_rng(3))
    cv2.imwrite(str(tmp_path / "gingham.png"), cloth.albedo[:, :, ::-1])
    large = weave("denim", palette, 256, np.random.default_rng(3))
    cv2.imwrite(str(tmp_path / "denim.png"), large.albedo[:, :, ::-1])
    made = tiles(build(tmp_path), 2, seed=0, whole=True)
    assert made.phased.tolist() == [False, False, True, True]
    assert made.source.tolist() == [0, 0, 1, 1]
    repeats = float(cloth.cycles[0, 0, 0])
    for row in made.cycles[2:]:
        assert np.abs(row[0]).max(1).tolist() == [repeats, repeats]


@pytest.mark.parametrize("torus", [True, False])
def test_waves_of_a_cloth_without_pattern(torus: bool) -> None:
    """The yarns' own waves, not the photo's blotches: a series on those would print them on every cloth."""
    y, x = np.indices((128, 128)) * 2 * np.pi / 128
    weave_ = np.cos(12 * x + 13 * y) + 0.8 * np.cos(-12 * x + 13 * y) + 0.5 * np.cos(24 * x)
    blotch = 3 * np.cos(x + y) + 2 * np.cos(3 * x)
    noise = np.random.default_rng(0).normal(0, 0.3, x.shape)
    light = 0.5 + 0.05 * (weave_ + blotch + noise)
    found = {
        tuple(np.rint(v * np.sign(v[1] or 1)).astype(int)) for v in find_waves(light, light, torus=torus)
    }
    assert found == {(12, 13), (-12, 13)}
    ribs = 0.5 + 0.1 * np.cos(9 * x)
    assert find_waves(ribs, ribs * 0, torus=True).tolist() == [[9, 0], [0, 9]]
    assert np.abs(find_waves(noise * 0, noise * 0, torus=True)).tolist() == [[32, 0], [0, 32]]


def test_dye_changes_the_colours_of_some_tiles(folder: Path) -> None:
    """A denim taught in blue alone is no denim in grey; the proof's tiles are never dyed."""
    found = build(folder)
    plain, dyed = (tiles(found, 6, seed=0, whole=True, dye=dye) for dye in (0.0, 0.5))
    moved = np.abs(plain.palette - dyed.palette).max((1, 2)) > 0.02
    assert 0.2 < moved.mean() < 0.8
    assert np.array_equal(plain.albedo[~moved], dyed.albedo[~moved])
    assert np.array_equal(plain.height, dyed.height)
    assert np.array_equal(plain.cycles, dyed.cycles)
    for i in np.flatnonzero(moved):
        far = delta_e(to_lab(dyed.albedo[i] / 255.0)[..., None, :], to_lab(dyed.palette[i, : dyed.count[i]]))
        near = delta_e(
            to_lab(dyed.albedo[i] / 255.0)[..., None, :], to_lab(plain.palette[i, : plain.count[i]])
        )
        assert np.median(far.min(-1)) < np.median(near.min(-1))


def test_palette_fits_the_class() -> None:
    """A gingham's two yarns are its extremes; the third colour that is seen is their mixture."""
    squares = np.indices((64, 64)) // 16 % 2
    yarns = np.array([[240, 240, 240], [30, 20, 200]], np.float32)
    mixed = (yarns.mean(0)).astype(np.float32)
    picture = np.where((squares.sum(0) == 1)[..., None], mixed, yarns[squares[0]]).astype(np.uint8)
    found = np.stack([mixed, yarns[0], yarns[1]]) / 255
    fitted = fit_palette(picture, found.astype(np.float32), 2, 2)
    assert np.allclose(fitted * 255, yarns, atol=1)
    # A denim needs two: its one colour gets the picture's own darkest or lightest.
    more = fit_palette(picture, found[:1].astype(np.float32), 2, 2)
    assert len(more) == 2
    assert float(delta_e(*to_lab(more))) > 15


def test_palette_found() -> None:
    """Automatic colours must be those of the cloth, not of its shading."""
    palette = np.array([[0.75, 0.1, 0.12], [0.92, 0.9, 0.88]], np.float32)
    cloth = weave("dots", palette, 128, np.random.default_rng(0))
    found = to_lab(find_palette(cloth.albedo))
    far = delta_e(to_lab(palette)[:, None], found[None]).min(1)
    assert (far < 8).all()


def test_height_from_normal() -> None:
    """A material set's relief must come back from its normal map, not its negative."""
    y, x = np.indices((64, 64)) * 2 * np.pi / 64
    height = (0.5 + 0.25 * np.sin(2 * x) + 0.25 * np.cos(3 * y)).astype(np.float32)
    back = height_from_normal(normal_map(height, 4.0))
    assert np.corrcoef(back.ravel(), height.ravel())[0, 1] > 0.98


def test_import_makes_a_tileable_fabric(folder: Path) -> None:
    """A merchandiser's photo hangs in the wardrobe without a seam."""
    swatch = next(s for s in build(folder) if s.name == "jeans.png")
    fabric = load_fabric(import_fabric(swatch, folder / "fabrics"))
    assert fabric.fabric_class == "denim"
    assert fabric.albedo.shape == fabric.normal.shape == (140, 140, 3)
    assert fabric.repeat_m[0] == pytest.approx(swatch.label.width_m * 140 / 160, rel=1e-3)
    light = to_lab(fabric.albedo / 255.0)[..., 0]
    steps = np.abs(np.roll(light, -1, 1) - light).mean(0)
    assert steps[-1] < 1.5 * steps[:-1].max()
    assert len(parse_palette(swatch.label.palette)) >= 1


def test_make_tileable_closes_a_ramp() -> None:
    """A photo lit from one side would otherwise show a step at every repeat."""
    ramp = np.repeat(np.linspace(0, 1, 128, dtype=np.float32)[None, :, None], 128, 0)
    out = make_tileable(ramp)
    assert np.abs(out[:, 0] - out[:, -1]).max() < 0.25
