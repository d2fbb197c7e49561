"""Cloth meets picture without halo, hole or jagged edge, and leaves what is in front visible."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mirror.types import Picture
from render.compose.compositing import composite, lay_over
from render.gpu.drawing import Drawing
from render.gpu.id_buffer import BEFORE_FACE

H, W = 180, 320


def picture(value: int = 200) -> Picture:
    return np.full((H, W, 3), value, np.uint8)


def drawn(
    ids: NDArray[np.integer], colours: tuple[int, ...] = (40, 90), at: tuple[int, int] = (0, 0)
) -> Drawing:
    """A drawing whose garment i + 1 has the grey value colours[i]; its box starts at x, y."""
    pixels = np.zeros((*ids.shape, 4), np.uint8)
    for i, colour in enumerate(colours):
        pixels[ids == i + 1, :3] = colour
    pixels[..., 3] = ids
    x, y = at
    return Drawing(pixels, (x, y, x + ids.shape[1], y + ids.shape[0]))


def disc(radius: float = 30.0) -> NDArray[np.integer]:
    y, x = np.mgrid[:100, :120]
    ids: NDArray[np.integer] = ((x - 60) ** 2 + (y - 50) ** 2 < radius**2).astype(int)
    return ids


def masks(
    person: NDArray[np.bool_] | bool,
    front: NDArray[np.bool_] | bool,
    size: tuple[int, int] = (H, W),
    channel: int = 2,
) -> Picture:
    """Layers with ``front`` in the hands' channel, or the head's."""
    three = np.zeros((*size, 3), np.uint8)
    three[..., 0] = np.where(person, 255, 0)
    three[..., channel] = np.where(front, 255, 0)
    return three


@pytest.mark.parametrize(("cloth", "behind"), [(20, 230), (230, 20)])
def test_no_halo_and_no_hole(cloth: int, behind: int) -> None:
    """A dark or bright rim gives every sticker away; a hole shows the old shirt."""
    frame = picture(behind)
    blend = composite(frame, drawn(disc(), (cloth,), at=(70, 40)))
    assert blend is not None
    inside = np.zeros((H, W), bool)
    inside[40:140, 70:190] = disc() > 0
    value = frame[..., 0].astype(int)
    assert value.min() >= min(cloth, behind) - 1
    assert value.max() <= max(cloth, behind) + 1
    shrunk = (
        inside
        & np.roll(inside, 1, 0)
        & np.roll(inside, -1, 0)
        & np.roll(inside, 1, 1)
        & np.roll(inside, -1, 1)
    )
    for shift in (1, -1):
        shrunk &= np.roll(np.roll(inside, shift, 0), shift, 1) & np.roll(np.roll(inside, shift, 0), -shift, 1)
    assert (value[shrunk] == cloth).all()
    grown = inside.copy()
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            grown |= np.roll(np.roll(inside, dy, 0), dx, 1)
    assert (value[~grown] == behind).all()


def test_the_outline_is_soft() -> None:
    """Without antialiasing the edge of a sleeve crawls in steps as the arm moves."""
    frame = picture(200)
    composite(frame, drawn(disc(), (0,), at=(70, 40)))
    values = frame[40:140, 130:190, 0].astype(int)
    for row in values[30:70]:  # leaving the disc to the right
        assert (np.diff(row) >= 0).all()
        assert ((row > 20) & (row < 180)).sum() >= 1


def test_weave_inside_stays_sharp() -> None:
    """Softening the whole garment would wash out its fabric."""
    drawing = drawn(disc(), at=(70, 40))
    checks = (np.indices(disc().shape).sum(axis=0) % 2 * 255)[..., None] * (disc() > 0)[..., None]
    drawing.picture[..., :3] = checks
    frame = picture()
    composite(frame, drawing)
    assert np.array_equal(frame[80:100, 120:140], checks[40:60, 50:70].repeat(3, axis=2))


def test_the_picture_does_not_shine_through_between_garments() -> None:
    """A bright seam between shirt and trousers is the old clothes showing."""
    ids = np.zeros((100, 120), int)
    ids[20:50, 20:100], ids[50:80, 20:100] = 2, 1
    frame = picture(255)
    blend = composite(frame, drawn(ids, (40, 40)))
    assert blend is not None
    assert (frame[25:75, 25:95] == 40).all()
    assert blend.garment_ids == (1, 2)


def test_a_garment_at_the_edge_of_the_picture_reaches_it() -> None:
    """A pale line along the bottom of the mirror."""
    frame = picture(255)
    composite(frame, drawn(np.ones((H, W), int), (40,)))
    assert (frame == 40).all()


@pytest.mark.parametrize("size", [(H, W), (36, 64), (45, 45), (256, 256)])
def test_front_stays_visible_at_any_mask_resolution(size: tuple[int, int]) -> None:
    """Hands and hair in front of the garment; a shifted mask would cut a strip off them."""
    columns = (np.arange(size[1]) + 0.5) / size[1]
    rows = (np.arange(size[0]) + 0.5)[:, None] / size[0]
    front = (columns > 0.4) & (columns < 0.6) & (rows > 0.4) & (rows < 0.6)
    frame = picture(200)
    blend = composite(frame, drawn(np.ones((100, 200), int), (40,), at=(60, 40)), masks(True, front, size))
    assert blend is not None
    kept = blend.mask(H, W) == 0
    columns_kept = np.flatnonzero(kept[H // 2, 70:250]) + 70
    rows_kept = np.flatnonzero(kept[50:130, W // 2]) + 50
    pixel = (W / size[1], H / size[0])
    # The step lies between the centres of the mask pixels on either side of it.
    assert columns_kept[0] == pytest.approx(0.4 * W, abs=0.6 * pixel[0] + 1.5)
    assert columns_kept[-1] == pytest.approx(0.6 * W, abs=0.6 * pixel[0] + 1.5)
    assert rows_kept[0] == pytest.approx(0.4 * H, abs=0.6 * pixel[1] + 1.5)
    assert rows_kept[-1] == pytest.approx(0.6 * H, abs=0.6 * pixel[1] + 1.5)
    assert (frame[H // 2, W // 2] == 200).all()
    assert (frame[50, 70] == 40).all()


def test_tops_are_cut_where_they_leave_the_person_but_skirts_flare() -> None:
    """A sleeve hanging in the air beside the arm; a skirt trimmed to trousers."""
    ids = np.zeros((100, 200), int)
    ids[10:50, 10:190], ids[50:90, 10:190] = 1, 2
    person = np.zeros((H, W), bool)
    person[:, 120:200] = True
    frame = picture(200)
    blend = composite(
        frame, drawn(ids, at=(60, 40)), masks(person, False), trimmed=(True, False), margin_px=10.0
    )
    assert blend is not None
    shown = blend.mask(H, W) > 0
    top = np.flatnonzero(shown[60])
    assert (top[0], top[-1]) == (pytest.approx(110, abs=2), pytest.approx(209, abs=2))
    skirt = np.flatnonzero(shown[110])
    assert (skirt[0], skirt[-1]) == (pytest.approx(70, abs=1), pytest.approx(249, abs=1))


def test_report_matches_what_is_shown() -> None:
    """The report's box must be that of the visible garment, after occlusion."""
    front = np.zeros((H, W), bool)
    front[:, :130] = True
    blend = composite(picture(), drawn(disc(), at=(70, 40)), masks(True, front))
    assert blend is not None
    rows, columns = np.nonzero(blend.mask(H, W))
    assert blend.garment_box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert blend.garment_box[0] == pytest.approx(130, abs=2)
    assert blend.garment_ids == (1,)


def test_nothing_drawn_and_nothing_seen() -> None:
    """A hidden garment must not be reported as worn, nor touch the picture."""
    frame = picture()
    assert composite(frame, drawn(np.zeros((10, 10), int))) is None
    blend = composite(frame, drawn(disc(), at=(70, 40)), masks(True, True))
    assert blend is not None
    assert blend.garment_box is None
    assert blend.garment_ids == ()
    assert (frame == 200).all()


def test_a_sleeve_may_pass_before_the_face_but_not_before_a_hand() -> None:
    """An arm raised before the face must not vanish behind it; hair over the shirt must show."""
    ids = np.ones((100, 200), int)
    ids[:, 100:] += BEFORE_FACE
    region = np.zeros((H, W), bool)
    region[80:100, 100:220] = True
    for channel, sleeve_shows in ((1, True), (2, False)):
        frame = picture(200)
        drawing = drawn(np.ones((100, 200), int), (40,), at=(60, 40))
        drawing.picture[..., 3] = ids
        blend = composite(frame, drawing, masks(True, region, channel=channel))
        assert blend is not None
        shown = blend.mask(H, W) > 0
        assert not shown[90, 110:150].any()
        assert shown[90, 170:210].all() == sleeve_shows
        assert blend.garment_ids == (1,)
        assert (frame[60, 70:250] == 40).all()  # no seam where the mark begins


def test_a_single_pixel_to_be_laid_over_stops_nothing() -> None:
    """The mirror would die when one pixel of a worn sleeve is all that sticks out."""
    target = np.zeros((8, 8, 3), np.uint8)
    picture = np.full_like(target, 200)
    for height, width in ((1, 1), (1, 3), (3, 1), (2, 2)):
        share = np.full((height, width), 255, np.uint8)
        lay_over(target[2 : 2 + height, 4 : 4 + width], picture[:height, :width], share)
    assert target[2:5, 4].min() == 200
    assert not target[6:].any()
