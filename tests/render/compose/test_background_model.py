"""The learnt room takes the place of worn clothes, and of nothing else."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mirror.types import Picture
from render.compose.background_model import BackgroundModel
from render.gpu.drawing import Drawing
from render.gpu.id_buffer import BODY, LEGS

pytestmark = pytest.mark.slow


H, W = 180, 320
STEP_NS = 500_000_000
WORN = (40, 40, 200)
BOTH = (True, True)
TOP = (True, False)


def furnished(shift: int = 0) -> Picture:
    """A room with detail: boxes before a wall, moved sideways by ``shift`` px."""
    rng = np.random.default_rng(3)
    wide = np.full((H, W + 80, 3), 150, np.uint8)
    for _ in range(60):
        x, y = int(rng.integers(W + 60)), int(rng.integers(H - 20))
        wide[y : y + 20, x : x + 20] = rng.integers(30, 220, 3)
    return np.ascontiguousarray(wide[:, 40 + shift : 40 + shift + W])


def noisy(picture: Picture, seed: int) -> Picture:
    noise = np.random.default_rng(seed).integers(-4, 5, picture.shape)
    return (picture.astype(int) + noise).clip(0, 255).astype(np.uint8)


def watched(
    background: BackgroundModel, picture: Picture, looks: int, start: int = 0, person: Picture | None = None
) -> int:
    """Show the room a picture so many times; the time after that in looks."""
    for i in range(start, start + looks):
        background.learn(noisy(picture, i), person, i * STEP_NS)
        background.guess()
    return start + looks


def shopper() -> tuple[Picture, Picture, Drawing]:
    """Frame, masks and drawing: worn clothes 60 px wide, of which the garment covers 40; a head."""
    frame = furnished()
    masks = np.zeros((H, W, 4), np.uint8)
    masks[..., 3] = 128
    frame[60:140, 130:190] = WORN
    masks[60:140, 130:190, 0] = 255
    masks[60:140, 130:190, 3] = 255
    frame[30:60, 145:175] = (120, 150, 205)
    masks[30:60, 145:175, :2] = 255
    x0, y0, x1, y1 = box = (100, 20, 220, 170)
    ids = np.zeros((H, W), np.uint8)
    ids[60:140, 140:180] = 1
    picture = np.zeros((y1 - y0, x1 - x0, 4), np.uint8)
    return frame, masks, Drawing(picture, box, 200.0, np.ascontiguousarray(ids[y0:y1, x0:x1]))


def off(frame: Picture, where: tuple[slice, slice]) -> float:
    """How far the frame is from the empty room, mean grey levels."""
    return float(np.abs(frame[where].astype(int) - furnished()[where]).mean())


FLANKS = (slice(80, 130), slice(131, 138)), (slice(80, 130), slice(183, 189))


def test_the_room_shows_where_worn_clothes_stick_out() -> None:
    """The shopper's own sleeve beside the virtual one gives the mirror away."""
    background = BackgroundModel()
    watched(background, furnished(), 8)
    frame, masks, drawing = shopper()
    before = frame.copy()
    background.restore(frame, drawing, masks, BOTH)
    for flank in FLANKS:
        assert off(before, flank) > 40
        assert off(frame, flank) < 6
    head = (slice(34, 58), slice(148, 172))
    assert (frame[head] == before[head]).all()
    outside = np.ones((H, W), bool)
    outside[55:145, 125:195] = False
    assert np.abs(frame.astype(int) - before)[outside].max() <= 10  # room over room: its noise


def test_nothing_is_shown_before_the_room_is_known() -> None:
    """A mirror just switched on would paint black, or a guess, over the shopper."""
    frame, masks, drawing = shopper()
    before = frame.copy()
    background = BackgroundModel()
    background.restore(frame, drawing, masks, BOTH)
    assert (frame == before).all()
    watched(background, furnished(), 2)
    background.restore(frame, drawing, masks, BOTH)
    assert (frame == before).all()
    # Somebody wide stood there all the time: far behind them it stays unknown.
    background = BackgroundModel()
    wide = masks[..., 0].copy()
    wide[:, 40:280] = 255
    for i in range(12):
        background.learn(noisy(before, i), wide, i * STEP_NS)
        background.guess()
    background.restore(frame, drawing, masks, BOTH)
    for flank in FLANKS:
        assert (frame[flank] == before[flank]).all()


def test_a_narrow_gap_beside_what_is_known_is_closed() -> None:
    """Who stands there from the start hides a strip of the room along every sleeve for good."""
    background = BackgroundModel()
    wall = np.full((H, W, 3), (150, 160, 170), np.uint8)
    wall[H // 2 :] = (60, 90, 120)
    frame, masks, drawing = shopper()
    shown = np.where(masks[..., :1] > 0, frame, wall)
    for i in range(8):
        background.learn(noisy(shown, i), masks[..., 0], i * STEP_NS)
        background.guess()
    background.restore(shown, drawing, masks, BOTH)
    for flank in FLANKS:
        assert np.abs(shown[flank].astype(int) - wall[flank]).mean() < 14


def test_bare_body_and_other_clothes_stay() -> None:
    """Holes in arms, legs or trousers are worse than any sleeve that sticks out."""
    background = BackgroundModel()
    watched(background, furnished(), 8)
    frame, masks, drawing = shopper()
    before = frame.copy()
    assert drawing.ids is not None
    drawing.ids[40:120, 30:40] = BODY  # an arm in its worn sleeve
    masks[60:140, 183:190, 3] = 128  # a bag, of another colour than the clothes
    frame[60:140, 183:190] = before[60:140, 183:190] = (90, 200, 90)
    masks[110:140, 180:190, 3] = 0  # the trousers' colour
    background.restore(frame, drawing, masks, TOP)
    arm = (slice(62, 138), slice(130, 140))
    assert (frame[arm] == before[arm]).all()
    bag = (slice(62, 138), slice(186, 190))
    assert (frame[bag] == before[bag]).all()
    frame, masks, drawing = shopper()
    assert drawing.ids is not None
    drawing.ids[drawing.ids == 1] = LEGS
    background.restore(frame, drawing, masks, TOP)
    flank = FLANKS[0]
    assert off(frame, flank) > 40, "only a top is worn: what is beside a leg stays"


def test_hair_of_the_clothes_colour_stays() -> None:
    """Long dark hair over a dark coat would be cut off beside the neck."""
    background = BackgroundModel()
    watched(background, furnished(), 8)
    frame, masks, drawing = shopper()
    for picture, value in ((frame, WORN), (masks, (255, 0, 0, 190))):
        picture[40:80, 138:144] = value  # a strand from beside the head down over the shoulder
    before = frame.copy()
    background.restore(frame, drawing, masks, BOTH)
    assert (frame[42:53, 138:144] == before[42:53, 138:144]).all()
    assert off(frame, (slice(90, 130), slice(131, 138))) < 6


def test_a_longer_top_goes_on_below_the_hem_without_a_step() -> None:
    """A cardigan or skirt of which a piece is missing looks torn."""
    background = BackgroundModel()
    watched(background, furnished(), 8)
    frame, masks, drawing = shopper()
    frame[140:165, 130:190] = WORN
    masks[140:165, 130:190] = (255, 0, 0, 255)
    assert drawing.ids is not None
    drawing.ids[120:145, 45:75] = LEGS
    before = frame.copy()
    background.restore(frame, drawing, masks, TOP)
    assert (frame[140:165] == before[140:165]).all()
    hidden = (np.abs(frame.astype(int) - before).max(-1) > 20).sum(axis=1)
    assert hidden[100] > 10
    assert (np.diff(hidden[104:140]) <= 2).all(), "ever less, down to the hem"
    assert hidden[138] <= 3


def test_a_wrong_fit_hides_nothing() -> None:
    """Somebody who turns quickly would lose the arms that the fit has not found."""
    background = BackgroundModel()
    watched(background, furnished(), 8)
    frame, masks, drawing = shopper()
    frame[70:100, 104:130] = WORN
    masks[70:100, 104:130] = (255, 0, 0, 255)
    before = frame.copy()
    background.restore(frame, drawing, masks, BOTH)
    assert (frame == before).all()


def test_who_passes_is_not_learnt() -> None:
    """A bystander would appear as a ghost behind the shopper's arm."""
    background = BackgroundModel()
    now = watched(background, furnished(), 8)
    for i in range(6):
        passing = furnished()
        passing[40:160, 20 + 40 * i : 50 + 40 * i] = (10, 200, 10)
        now = watched(background, passing, 1, now)
        ghost = (np.abs(background.picture.astype(int) - (10, 200, 10)).max(-1) < 12) & (
            np.abs(furnished().astype(int) - (10, 200, 10)).max(-1) > 40
        )
        assert not ghost.any()


def test_changed_light_is_followed_behind_the_shopper() -> None:
    """When the lamps are dimmed, bright patches would stand beside the sleeves."""
    background = BackgroundModel()
    now = watched(background, furnished(), 8)
    frame, masks, drawing = shopper()
    dimmed = cv2.convertScaleAbs(frame, alpha=0.7)
    for i in range(now, now + 3):
        background.learn(noisy(np.asarray(dimmed, np.uint8), i), masks[..., 0], i * STEP_NS)
        background.guess()
    shown = np.asarray(dimmed, np.uint8).copy()
    background.restore(shown, drawing, masks, BOTH)
    for flank in FLANKS:
        assert np.abs(shown[flank].astype(int) - 0.7 * furnished()[flank]).mean() < 8


def test_the_room_counts_as_known_only_while_it_is() -> None:
    """Skin drawn before that stands between what is left of the shopper's own wide sleeves."""
    background, now, known = BackgroundModel(), 0, []
    for picture, looks in ((furnished(), 3), (furnished(), 5), (furnished(-25), 2)):
        now = watched(background, picture, looks, now)
        known.append(background.is_known)
    assert known == [False, True, False], "known after some looks, until the camera is moved"


@pytest.mark.parametrize("shift", [9, -25])
def test_a_moved_camera_begins_anew(shift: int) -> None:
    """The old room would hang beside the shopper like a torn picture."""
    background = BackgroundModel()
    now = watched(background, furnished(), 8)
    assert (background.known > 0).mean() > 0.9
    watched(background, furnished(shift), 2, now)
    assert not background.known.any()
    watched(background, furnished(shift), 8, now + 2)
    assert (background.known > 0).mean() > 0.9
    assert np.abs(background.picture.astype(int) - furnished(shift)).mean() < 6


def test_looks_go_by_the_time_of_the_source() -> None:
    """A replay on a slow machine would show another room than on a fast one."""
    often, seldom = BackgroundModel(), BackgroundModel()
    for i in range(40):
        often.learn(noisy(furnished(), i), None, i * 31_250_000)
        if i % 2 == 0:
            seldom.learn(noisy(furnished(), i), None, i * 31_250_000)
    assert (often.picture == seldom.picture).all()
    assert (often.looks == seldom.looks).all()
    assert often.looks.max() >= 4


def test_a_settled_room_is_looked_at_less_often() -> None:
    """Learning what is known already would take the time of frames."""
    background = BackgroundModel()
    person = np.zeros((H, W), np.uint8)
    person[40:, 140:180] = 255

    def looks(picture: Picture, start_ns: int, seconds: float) -> int:
        steps = range(start_ns, start_ns + round(seconds * 1e9), 31_250_000)
        return sum(background.learn(noisy(picture, ns % 997), person, ns) for ns in steps)

    assert looks(furnished(), 0, 0.3) >= 4, "the first looks follow each other quickly"
    assert background.is_known
    assert looks(furnished(), 10**9, 4.0) <= 9
    changed = furnished()
    changed[:, 200:] = 255 - changed[:, 200:] // 2
    assert looks(changed, 6 * 10**9, 4.0) >= 12, "there is something to learn"
    assert looks(changed, 12 * 10**9, 4.0) <= 9


def test_a_room_that_never_settles_is_not_looked_at_all_the_time() -> None:
    """A mirror carried about would spend its time on a room that it cannot know."""
    background = BackgroundModel()
    steps = range(0, 8 * 10**9, 31_250_000)
    person = np.zeros((H, W), np.uint8)
    taken = sum(background.learn(furnished((3 * i) % 70 - 35), person, ns) for i, ns in enumerate(steps))
    assert not background.is_known
    assert taken <= 8 + 4 * 8 + 1


def test_what_is_guessed_already_is_not_guessed_again() -> None:
    """The guess takes longest of all, and would be the same."""
    background = BackgroundModel()
    frame, masks, _ = shopper()
    guessed = []
    for i in range(8):
        background.learn(noisy(frame, i), masks[..., 0], i * STEP_NS)
        guessed.append(background.guess())
        assert not background.guess(), "once a look"
    assert guessed.count(True) in (1, 2)
    assert not any(guessed[5:])


def test_another_size_of_frame_begins_anew() -> None:
    """A camera that comes back in another mode would crash the mirror."""
    background = BackgroundModel()
    watched(background, furnished(), 8)
    frame, masks, drawing = shopper()
    half = np.ascontiguousarray(furnished()[::2, ::2])
    background.learn(half, None, 10**12)
    before = frame.copy()
    background.restore(frame, drawing, masks, BOTH)
    assert (frame == before).all()
    assert background.picture.shape == half.shape


@pytest.mark.parametrize(
    "size", [(800, 600), (1024, 768), (848, 480), (768, 576), (704, 480), (1366, 768), (640, 480)]
)
def test_no_pixel_that_was_never_written_is_shown(size: tuple[int, int]) -> None:
    """At some frame sizes black dashes stood beside the shopper, where two grids were rounded otherwise."""
    width, height = size
    rng = np.random.default_rng(5)
    room = np.asarray(cv2.resize(rng.integers(90, 200, (12, 16, 3)).astype(np.uint8), size), np.uint8)
    person = np.zeros((height * 320 // width, 320), np.uint8)
    rows, columns = person.shape
    cv2.ellipse(person, (columns // 2, rows * 5 // 8), (columns // 9, rows // 3), 20, 0, 360, 255, -1)
    background = BackgroundModel()
    for number in range(10):
        frame = noisy(room, number)
        frame[cv2.resize(person, size, interpolation=cv2.INTER_LINEAR) > 127] = 0
        background.learn(frame, person, number * STEP_NS)
        background.guess()
    known = cv2.resize(background.known, size, interpolation=cv2.INTER_NEAREST)
    assert (known > 0).mean() > 0.8
    shown = background.picture[known > 0]
    assert shown.any(axis=1).all(), f"{(~shown.any(axis=1)).sum()} black pixels"
