"""Fabrics: what is read, what is refused, and the two that come with the mirror."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from mirror.errors import MirrorError
from mirror.wardrobe import PACKAGED
from render.garments.fabric import list_fabrics, load_fabric
from workshop.tailor.plain_fabrics import PLAIN_FABRICS, pictures

NAMES = [r.name for r in PLAIN_FABRICS]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    folder = tmp_path / "mine" / "fabrics" / "copy"
    shutil.copytree(PACKAGED / "fabrics" / NAMES[0], folder)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_packaged_fabrics_load(name: str) -> None:
    """A merchandiser's first look: the shipped fabrics must be there and sound."""
    fabric = load_fabric(name)
    assert fabric.albedo.shape == fabric.normal.shape == (512, 512, 3)
    assert fabric.albedo.dtype == fabric.normal.dtype == np.uint8
    assert 0.05 <= fabric.repeat_m[0] <= 0.10
    # Mid-tones: shading shows on neither black nor white cloth.
    assert 60 < fabric.albedo.mean() < 215
    length = np.linalg.norm(fabric.normal / 127.5 - 1, axis=2)
    np.testing.assert_allclose(length, 1, atol=0.04)
    assert (fabric.normal[..., 2] > 128).all()  # blue is out of the cloth


@pytest.mark.parametrize("name", NAMES)
def test_no_seam_where_the_picture_repeats(name: str) -> None:
    """A step at the border would draw a grid of lines over the whole garment."""
    fabric = load_fabric(name)
    for picture in (fabric.albedo, fabric.normal):
        p = picture.astype(float)
        for axis in (0, 1):
            # Line by line: a yarn's edge may lie on the border, but no line may stand out.
            inner = np.abs(np.diff(p, axis=axis)).mean(axis=(1 - axis, 2))
            border = np.abs(np.take(p, 0, axis) - np.take(p, -1, axis)).mean()
            assert border <= 1.05 * np.percentile(inner, 98)


def test_red_is_first() -> None:
    """Swapped channels would turn navy cloth brown."""
    red, _, blue = load_fabric("cotton_jersey_blue").albedo.reshape(-1, 3).mean(0)
    assert blue > red + 20


@pytest.mark.parametrize("spec", PLAIN_FABRICS, ids=NAMES)
def test_committed_pictures_are_what_the_script_makes(spec) -> None:  # type: ignore[no-untyped-def]
    """The committed files must be reproducible from the committed script."""
    fabric = load_fabric(spec.name)
    albedo, normal = pictures(spec)
    for made, kept in ((albedo, fabric.albedo), (normal, fabric.normal)):
        assert np.abs(made.astype(int) - kept).max() <= 2


def test_own_wardrobe_comes_first(copy: Path) -> None:
    """A shop's fabric of the same name replaces ours."""
    page = copy / "fabric.toml"
    page.write_text(page.read_text().replace('"jersey"', '"twill"'))
    copy.rename(copy.with_name(NAMES[0]))
    root = copy.parents[1]
    assert load_fabric(NAMES[0], [root]).fabric_class == "twill"
    listed = {f["name"]: f["class"] for f in list_fabrics([root])}
    packaged = {f["name"]: f["class"] for f in list_fabrics()}
    assert packaged["cotton_jersey_blue"] == "jersey"
    assert listed == packaged | {"cotton_jersey_blue": "twill"}


def test_path_to_a_folder_is_taken(copy: Path) -> None:
    """`--fabric ./my/fabric` needs no wardrobe."""
    assert load_fabric(str(copy)).path == copy


def test_unknown_name_lists_what_there_is() -> None:
    """A typo must be answered with the names to choose from."""
    with pytest.raises(MirrorError, match=r"no fabric 'tweed'.*cotton_jersey_blue"):
        load_fabric("tweed")


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (lambda f: (f / "fabric.toml").unlink(), "fabric.toml: cannot be read"),
        (lambda f: (f / "fabric.toml").write_text("name = "), "not valid TOML"),
        (lambda f: (f / "fabric.toml").open("a").write("colour = 3\n"), "unknown field `colour`"),
        (lambda f: (f / "albedo.png").unlink(), "albedo.png: cannot be read"),
        (lambda f: (f / "albedo.png").write_bytes(b""), "albedo.png: not a picture"),
        (lambda f: (f / "normal.png").write_bytes(b"\x89PNG\r\n"), "normal.png: not a picture"),
        (
            lambda f: (f / "fabric.toml").write_text((f / "fabric.toml").read_text().replace("0.06", "0.0")),
            "repeat_m",
        ),
    ],
)
def test_broken_folders_are_explained(copy: Path, damage, line: str) -> None:  # type: ignore[no-untyped-def]
    """One line that names the file and what is wrong with it."""
    damage(copy)
    with pytest.raises(MirrorError) as caught:
        load_fabric(copy)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)
