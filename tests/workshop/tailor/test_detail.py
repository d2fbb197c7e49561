"""A garment's own folds and shade: where they lie, that they close, that the file carries them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from inference.body.model import BONES, PARENTS, BodyModel
from mirror.errors import MirrorError
from mirror.wardrobe import PACKAGED
from render.garments import glb
from render.garments.garment import load_garment
from render.garments.kinds import KINDS
from render.garments.worn_garment import OPEN
from workshop.tailor import atlas as cut_atlas
from workshop.tailor import folds as cut_folds
from workshop.tailor import shapes

pytestmark = pytest.mark.slow


NAMES = ["dress", "long_sleeve", "shorts", "skirt", "tank_top", "trousers", "tshirt"]


def _two_squares() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(uv, piece, faces) of two 30 cm squares that lie on one another."""
    square = np.array([[0, 0], [0.3, 0], [0.3, 0.3], [0, 0.3]])
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    return np.concatenate([square, square]), np.repeat([0, 1], 4), np.concatenate([faces, faces + 4])


def test_panels_do_not_share_pixels() -> None:
    """Panels over one another would print the back's folds on the front."""
    uv, piece, faces = _two_squares()
    atlas = cut_atlas.Atlas.pack(uv, piece)
    assert atlas.uv.min() >= 0
    assert atlas.uv.max() <= 1
    first = atlas.drawn(faces[:2], np.ones((8, 1)))[1]
    second = atlas.drawn(faces[2:], np.ones((8, 1)))[1]
    assert not (first & second).any()
    assert (first | second).sum() * atlas.pixel_m**2 == pytest.approx(0.18, rel=0.01)


def test_drawn_values_run_up_the_cloth() -> None:
    """A picture upside down would put the collar's ribs at the hem."""
    uv, piece, faces = _two_squares()
    atlas = cut_atlas.Atlas.pack(uv, piece)
    drawn, filled = atlas.drawn(faces, uv)
    rows, columns = np.nonzero(filled)
    assert np.corrcoef(rows, drawn[rows, columns, 1])[0, 1] < -0.99
    step = np.diff(drawn[rows[0] + 20, columns.min() + 5 : columns.min() + 60, 0])
    np.testing.assert_allclose(step, atlas.pixel_m, rtol=1e-3)


def test_folds_run_on_around_the_body() -> None:
    """A step in height where the angle turns over would draw a line down the back."""
    model = BodyModel.load()
    turn = np.array([np.pi - 1e-4, -np.pi + 1e-4])
    for y in np.linspace(0.85, 1.3, 20):
        points = np.stack([0.16 * np.sin(turn), np.full(2, y), 0.03 + 0.16 * np.cos(turn)], axis=1)
        place = shapes.Place.of(points, np.zeros((2, len(BONES))), shapes.limbs(model))
        heights = cut_folds.Folds(KINDS["tank_top"], 0.0, 0.8).heights(place)
        assert abs(heights[0] - heights[1]) < 2e-4


@pytest.mark.parametrize("name", NAMES)
def test_packaged_garments_have_folds(name: str) -> None:
    """Without them cloth looks like felt; too deep, like crumpled paper."""
    garment = load_garment(name)
    assert garment.detail is not None
    assert garment.detail_uv is not None
    height, width = garment.detail.shape[:2]
    # Points spread evenly over the cloth: vertices crowd at its edges.
    rng = np.random.default_rng(0)
    corners = garment.vertices[garment.faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    faces = garment.faces[rng.choice(len(area), 4000, p=area / area.sum())]
    mix = rng.dirichlet((1.0, 1.0, 1.0), len(faces))
    place = np.einsum("nk,nkc->nc", mix, garment.detail_uv[faces])
    at = np.clip((place * (width, height)).astype(int), 0, (width - 1, height - 1))
    here = garment.detail[at[:, 1], at[:, 0]].astype(float)
    slope = np.hypot(here[:, 0] - 127.5, here[:, 1] - 127.5) / 127.5
    assert 0.03 < np.median(slope) < 0.3
    assert np.percentile(slope, 99) < 0.8
    assert 0.6 * OPEN < np.median(here[:, 2]) <= 1.03 * OPEN


def test_hem_of_a_top_follows_both_legs() -> None:
    """With each side bound to its own thigh the hem splits in a V when the wearer squats."""
    garment = load_garment("long_sleeve")
    thighs = [BONES.index(f"{side}_thigh") for side in ("left", "right")]
    share = np.stack([(garment.weights * (garment.joints == bone)).sum(1) for bone in thighs], axis=1)
    low = (garment.vertices[:, 1] < garment.vertices[:, 1].min() + 0.03) & (garment.vertices[:, 2] > 0.08)
    assert low.sum() > 20
    total = share[low].sum(1)
    assert total.max() < 0.55
    assert np.ptp(total) < 0.2
    middle = low & (np.abs(garment.vertices[:, 0]) < 0.02)
    np.testing.assert_allclose(share[middle, 0], share[middle, 1], atol=0.1)


def _rewritten(tmp_path: Path, **changes: object) -> glb.SkinnedFile:
    kept = glb.read(PACKAGED / "garments" / "skirt" / "garment.glb")
    joints = BodyModel.load().joints
    path = tmp_path / "garment.glb"
    glb.write(path, "skirt", dataclasses.replace(kept, **changes), joints, list(PARENTS))  # type: ignore[arg-type]
    return glb.read(path)


def test_pictures_survive_the_file(tmp_path: Path) -> None:
    """What the cutter computed is what the mirror draws."""
    kept = glb.read(PACKAGED / "garments" / "skirt" / "garment.glb")
    again = _rewritten(tmp_path)
    assert kept.normal_map is not None
    np.testing.assert_array_equal(again.normal_map, kept.normal_map)
    np.testing.assert_array_equal(again.occlusion_map, kept.occlusion_map)
    np.testing.assert_array_equal(again.detail_uv, kept.detail_uv)
    material = glb.describe(tmp_path / "garment.glb")["materials"][0]
    assert material["normalTexture"]["texCoord"] == material["occlusionTexture"]["texCoord"] == 1


def test_garment_without_pictures_is_taken(tmp_path: Path) -> None:
    """Garments from elsewhere may be plain."""
    assert _rewritten(tmp_path, detail_uv=None).normal_map is None


def test_pictures_of_unlike_size_are_refused(tmp_path: Path) -> None:
    """Folds and their shade would part."""
    with pytest.raises(MirrorError, match="differ in size"):
        _rewritten(tmp_path, occlusion_map=np.full((16, 16), 255, np.uint8))
