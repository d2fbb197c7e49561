"""Parts between the network's looks: they follow the picture, and are of the person that is followed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from inference.parts.parts_network import SIDE, Crop, Part
from inference.parts.parts_tracker import LONGEST_S, PERIOD_S, PartsTracker
from inference.pose.tracker import Observation
from mirror.types import Picture, cv

WIDTH, HEIGHT = 320, 240
FRAME_NS = 33_000_000


class Disc:
    """A network that takes what is bright red for skin; it may be made to wait, or to fail."""

    def __init__(self) -> None:
        self.looks = 0
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.fails = False

    def parse(self, picture: Picture, crop: Crop) -> Picture:
        self.looks += 1
        self.may_answer.wait(5.0)
        if self.fails:
            raise RuntimeError("out of memory")
        scale = SIDE / crop.side
        square = cv.warpAffine(
            picture, np.array([[scale, 0, -crop.x * scale], [0, scale, -crop.y * scale]]), (SIDE, SIDE)
        )
        parts = np.zeros((SIDE, SIDE, len(Part)), np.uint8)
        skin = (square[..., 2] > 150) & (square[..., 1] < 100)
        parts[..., Part.BODY_SKIN] = 255 * skin
        parts[..., Part.BACKGROUND] = 255 * ~skin
        return parts


def scene(x: float) -> Picture:
    """A textured wall, before it a red textured disc about (x, 120)."""
    rng = np.random.default_rng(3)
    wall = cv.resize(rng.integers(0, 90, (HEIGHT // 4, WIDTH // 4, 3)).astype(np.uint8), (WIDTH, HEIGHT))
    spots = cv.resize(rng.integers(0, 60, (12, 12)).astype(np.uint8), (60, 60))
    disc = np.dstack([spots, spots, 195 + spots])
    move = np.array([[1, 0, x - 30], [0, 1, 90.0]])
    inside = cv.warpAffine(
        cv.circle(np.zeros((60, 60), np.uint8), (30, 30), 27, 255, -1), move, (WIDTH, HEIGHT)
    )
    drawn = cv.warpAffine(disc, move, (WIDTH, HEIGHT))
    wall[inside > 127] = drawn[inside > 127]
    return np.asarray(wall, np.uint8)


def person() -> Observation:
    landmarks = np.tile([160.0, 120.0, 0.0, 1.0], (33, 1))
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[20:220, 40:280] = 255
    return Observation(landmarks=landmarks, world=np.zeros((33, 3)), mask=mask, person=1)


def place(parts: Picture) -> float:
    """Where the skin is, x px of the frame."""
    skin = parts[..., Part.BODY_SKIN].astype(float)
    return float((skin.sum(0) @ np.arange(skin.shape[1])) / skin.sum() * WIDTH / skin.shape[1])


def until(found: Callable[[], bool]) -> None:
    end = time.monotonic() + 5.0
    while not found() and time.monotonic() < end:
        time.sleep(0.01)


def test_parts_go_with_what_moves_between_looks() -> None:
    """A moving hand must not leave its mask behind, or it is painted over by the sleeve."""
    network = Disc()
    tracker = PartsTracker(network, lock_step=True)  # type: ignore[arg-type]
    for number in range(12):
        x = 100.0 + 4.0 * number
        parts = tracker.update(scene(x), person(), number * FRAME_NS)
        assert parts is not None
        assert place(parts) == pytest.approx(x, abs=3.5)
    assert network.looks == 4  # every third frame


def test_two_replays_see_the_same() -> None:
    """The report of a replay must not depend on the machine's speed."""
    seen = []
    for _ in range(2):
        tracker = PartsTracker(Disc(), lock_step=True)  # type: ignore[arg-type]
        seen.append([tracker.update(scene(90.0 + 5 * n), person(), n * FRAME_NS) for n in range(7)])
    for first, second in zip(*seen, strict=True):
        assert first is not None
        np.testing.assert_array_equal(first, second)


def test_a_late_answer_is_moved_to_where_things_are_now() -> None:
    """Live, the network's answer is some frames old when it comes."""
    network = Disc()
    tracker = PartsTracker(network, lock_step=False)  # type: ignore[arg-type]
    network.may_answer.clear()
    for number in range(5):
        assert tracker.update(scene(100.0 + 3 * number), person(), number * FRAME_NS) is None
    network.may_answer.set()
    until(lambda: tracker._worker is not None and tracker._worker._answer is not None)
    parts = tracker.update(scene(115.0), person(), 5 * FRAME_NS)
    assert parts is not None
    assert place(parts) == pytest.approx(115.0, abs=5.0)
    tracker.close()


def test_what_was_asked_of_somebody_else_is_dropped() -> None:
    """The next shopper must not wear the last one's hands."""
    network = Disc()
    tracker = PartsTracker(network, lock_step=False)  # type: ignore[arg-type]
    network.may_answer.clear()
    tracker.update(scene(100.0), person(), 0)
    tracker.reset()
    network.may_answer.set()
    until(lambda: tracker._worker is not None and tracker._worker._question is None)
    assert tracker.update(scene(200.0), person(), FRAME_NS) is None
    tracker.close()


def test_old_parts_are_not_carried_for_ever() -> None:
    """On a machine too slow for the network the colours decide, not a mask from seconds ago."""
    network = Disc()
    tracker = PartsTracker(network, lock_step=False)  # type: ignore[arg-type]
    tracker.update(scene(100.0), person(), 0)
    until(lambda: tracker._worker is not None and tracker._worker._answer is not None)
    network.may_answer.clear()
    assert tracker.update(scene(100.0), person(), FRAME_NS) is not None
    late = int(1e9 * (LONGEST_S + PERIOD_S))
    assert tracker.update(scene(100.0), person(), FRAME_NS + late) is None
    network.may_answer.set()
    tracker.close()


def test_a_failing_network_is_heard_of() -> None:
    """A network that dies in its thread must not leave a mirror that loses hands and says nothing."""
    network = Disc()
    network.fails = True
    tracker = PartsTracker(network, lock_step=False)  # type: ignore[arg-type]
    tracker.update(scene(100.0), person(), 0)
    until(lambda: tracker._worker is not None and tracker._worker._failure is not None)
    with pytest.raises(RuntimeError, match="out of memory"):
        tracker.update(scene(100.0), person(), FRAME_NS)
    tracker.close()


def test_another_size_of_picture_begins_anew() -> None:
    """A camera that changes its resolution must not end the process."""
    tracker = PartsTracker(Disc(), lock_step=True)  # type: ignore[arg-type]
    tracker.update(scene(100.0), person(), 0)
    turned = np.ascontiguousarray(scene(100.0).transpose(1, 0, 2))
    parts = tracker.update(turned, person(), FRAME_NS)
    assert parts is not None
    assert parts.shape[0] > parts.shape[1]


def test_a_slow_machine_looks_less_often() -> None:
    """The network would take the time of the frames on a machine that cannot afford it."""
    network = Disc()
    tracker = PartsTracker(network, lock_step=False)  # type: ignore[arg-type]
    worker = tracker._worker
    assert worker is not None
    tracker.update(scene(100.0), person(), 0)
    until(lambda: worker._answer is not None)
    worker.look_s = 0.2  # of processor time: half a second between two looks
    for number in range(1, 15):
        tracker.update(scene(100.0), person(), number * FRAME_NS)
    assert network.looks == 1
    keeps_up = not tracker.too_slow
    assert keeps_up
    tracker.update(scene(100.0), person(), 16 * FRAME_NS)
    until(lambda: network.looks == 2)
    assert network.looks == 2
    worker.look_s = 0.5
    is_slow = tracker.too_slow
    assert is_slow
    tracker.close()
