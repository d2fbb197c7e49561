"""Skin where a garment bares what worn clothes cover."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from mirror.messages import Rgb
from mirror.types import Picture
from render.compose.exposed_skin import show_exposed_skin
from render.garments.mesh import SkinnedMesh, covered_by
from render.gpu import gl
from render.gpu.drawing import Drawing
from render.gpu.renderer import GarmentRenderer
from tests.render.mannequins import WHITE_LIGHT, cloth, facing_camera, tube

W, H = 320, 240
LENS = (300.0, 300.0, W / 2, H / 2)
SHAPE = np.zeros(1, np.float32)
TONE: Rgb = (0.8, 0.6, 0.5)


def body() -> SkinnedMesh:
    """A trunk, of which the shirt covers the middle; drawn under its skin where that lies on it."""
    plain = tube(0.1, 0.5, 1.5, closed=True)
    inward = np.full(len(plain.positions), 0.02, np.float32)
    return SkinnedMesh(
        plain.positions,
        plain.normals,
        plain.faces,
        plain.joints,
        plain.weights,
        plain.shape_basis,
        inward=inward,
    )


@pytest.fixture
def renderer(gl_context: gl.Context) -> Iterator[GarmentRenderer]:
    made = GarmentRenderer(W, H, body(), body_ids=True)
    made.wear([cloth(tube(0.13, 0.85, 1.15))])
    yield made
    made.delete()


def drawn(renderer: GarmentRenderer, cover: float, tone: Rgb | None = TONE) -> Drawing:
    renderer.expose_skin(np.full(len(body().positions), cover, np.float32), tone)
    drawing = renderer.draw(facing_camera(), LENS, SHAPE, WHITE_LIGHT)
    assert drawing is not None
    return drawing


def masks() -> Picture:
    out = np.zeros((H, W, 4), np.uint8)
    out[..., 0], out[..., 3] = 255, 128
    return out


def test_covered_skin_shows_in_the_persons_tone_and_no_more(renderer: GarmentRenderer) -> None:
    """The worn sleeve below a short virtual one, or a painted rim about the person."""
    drawing = drawn(renderer, 1.0)
    frame = np.full((H, W, 3), 40, np.uint8)
    show_exposed_skin(frame, drawing, masks(), 10.0)
    assert drawing.skin is not None
    x0, y0, x1, y1 = drawing.skin.box
    where = drawing.skin.share > 250
    colour = np.median(frame[y0:y1, x0:x1][where], axis=0)
    ratio = colour[::-1] / np.array(TONE)
    assert ratio.max() / ratio.min() < 1.15
    assert colour.max() > 120
    changed = (frame != 40).any(-1)
    beyond = np.ones((H, W), bool)
    beyond[y0:y1, x0:x1] = False
    assert not (changed & beyond).any()
    assert changed.sum() > 200


@pytest.mark.parametrize(("cover", "tone"), [(0.0, TONE), (1.0, None)], ids=["bare already", "tone unknown"])
def test_no_skin_without_cloth_or_tone(renderer: GarmentRenderer, cover: float, tone: Rgb | None) -> None:
    """Real arms must stay as the camera sees them; of an unknown tone there is nothing to show."""
    drawing = drawn(renderer, cover, tone)
    assert drawing.skin is None
    assert drawing.garment_ids is not None
    assert not drawing.picture[drawing.garment_ids == 0][:, :3].any()
    frame = np.full((H, W, 3), 40, np.uint8)
    show_exposed_skin(frame, drawing, masks(), 10.0)
    assert (frame == 40).all()


def test_hands_and_hair_stay_in_front(renderer: GarmentRenderer) -> None:
    """A hand on the arm would be painted over."""
    front = masks()
    front[:, : W // 2, 2] = 255
    front[:, W // 2 + 20 :, 1] = 255
    frame = np.full((H, W, 3), 40, np.uint8)
    show_exposed_skin(frame, drawn(renderer, 1.0), front, 10.0)
    assert (frame[:, : W // 2 - 2] == 40).all()
    assert (frame[:, W // 2 + 22 :] == 40).all()


def test_the_garment_is_drawn_the_same_with_skin(renderer: GarmentRenderer) -> None:
    """Skin in the drawing's picture would be blended as cloth, and fringe every hem."""
    cloths = []
    for cover in (1.0, 0.0):
        drawing = drawn(renderer, cover)
        assert drawing.garment_ids is not None
        assert not drawing.picture[drawing.garment_ids == 0][:, :3].any()
        cloths.append(drawing.picture[drawing.garment_ids > 0][:, :3].copy())
    assert len(cloths[0])
    assert (cloths[0] == cloths[1]).all()


def test_bare_skin_is_as_wide_as_the_body(renderer: GarmentRenderer) -> None:
    """Arms drawn as thin as they are under cloth end in hands that are too large for them."""
    drawing = drawn(renderer, 1.0)
    assert drawing.skin is not None
    widths = (drawing.skin.share > 127).sum(axis=1)
    assert widths.max() == pytest.approx(0.2 * 300 / 2, rel=0.2)
    shirt = tube(0.13, 0.85, 1.15)
    lies = covered_by(body(), shirt)
    height = body().positions[:, 1]
    assert lies[(height > 0.95) & (height < 1.05)].min(initial=1.0) > 0.9
    assert lies[(height < 0.7) | (height > 1.3)].max() == 0
