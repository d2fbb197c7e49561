"""The render process, run as it is in a mirror: ``python -m render`` and its sockets."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import render.process
from inference.body.model import BodyModel
from mirror.bus import Collector, Streamer
from mirror.config import dump, load
from mirror.messages import Body, Credit, Frame, Shown, SlotRef
from mirror.process import EXIT_STOPPED, Context
from mirror.ring import RingWriter, ring_prefix
from render.output.display import Event
from render.process import Mirror

pytestmark = pytest.mark.slow


W, H = 320, 240
FRAME_NS = 40_000_000
WAIT_MS = 60_000.0


def standing(distance: float = 2.2) -> bytes:
    """Skinning matrices of the mean body in its rest pose, facing the camera, chest in the middle."""
    view = np.array([[1, 0, 0, 0], [0, -1, 0, 1.1], [0, 0, -1, distance]], np.float32)
    return np.repeat(view[None], 30, axis=0).astype("<f4").tobytes()


def read_mask(path: Path) -> NDArray[np.uint8]:
    mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert mask is not None
    assert mask.shape == (H, W)
    return np.asarray(mask, np.uint8)


class Feeder:
    """Plays capture and inference: writes frames, layers and bodies, reads what was shown."""

    def __init__(self, runtime: Path, **settings: object) -> None:
        self.runtime = runtime
        self.frames = RingWriter("frames", 4, ring_prefix(runtime))
        self.layers = RingWriter("masks", 4, ring_prefix(runtime))
        self.frame_stream = Streamer(runtime, "frame")
        self.body_stream = Streamer(runtime, "body")
        self.shown: Collector[Shown] = Collector(runtime, "shown")
        self.credits: Collector[Credit] = Collector(runtime, "credit")
        self.components = BodyModel.load().components
        overrides = {
            "render.display": "none",
            "capture.pace": "all",
            "wardrobe.garments": ["tshirt"],
            **settings,
        }
        path = runtime / "mirror.toml"
        path.write_text(dump(load(None, overrides)))
        command = [sys.executable, "-m", "render", "--config", str(path), "--runtime", str(runtime)]
        self.process = subprocess.Popen(command)

    def wait_ready(self) -> None:
        assert self.body_stream.wait_for_readers(1, WAIT_MS / 1e3)
        assert self.frame_stream.wait_for_readers(1, WAIT_MS / 1e3)

    def frame(self, seq: int, image: SlotRef | None = None, last: bool = False) -> None:
        """A frame without a body."""
        if image is None and not last:
            image = self.frames.write(np.full((H, W, 3), 200, np.uint8))
        self.frame_stream.send(
            Frame(
                seq=seq,
                t_ns=time.monotonic_ns(),
                t_capture_ns=time.monotonic_ns(),
                t_source_ns=seq * FRAME_NS,
                valid=image is not None,
                image=image,
                last=last,
            )
        )

    def body(
        self,
        seq: int,
        tracked: bool = True,
        last: bool = False,
        image: SlotRef | None = None,
        t_capture_ns: int | None = None,
        front: NDArray[np.bool_] | None = None,
    ) -> None:
        if image is None and not last:
            image = self.frames.write(np.full((H, W, 3), 200, np.uint8))
        layers = np.zeros((H // 4, W // 4, 3), np.uint8)
        layers[..., 0] = 255
        if front is not None:
            layers[front, 2] = 255
        self.body_stream.send(
            Body(
                seq=seq,
                t_ns=time.monotonic_ns(),
                t_capture_ns=time.monotonic_ns() if t_capture_ns is None else t_capture_ns,
                t_source_ns=seq * FRAME_NS,
                valid=image is not None,
                image=image,
                masks=self.layers.write(layers) if tracked else None,
                tracked=tracked,
                last=last,
                bone_transforms=standing() if tracked else b"",
                shape=[0.0] * self.components if tracked else [],
                intrinsics=(300.0, 300.0, W / 2, H / 2),
                stage_ms={"pose": 20.0},
            )
        )

    def next_shown(self) -> Shown:
        shown = self.shown.receive(WAIT_MS)
        assert shown is not None
        return shown

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for port in (self.frame_stream, self.body_stream, self.shown, self.credits):
            port.close()
        self.frames.close()
        self.layers.close()


@pytest.fixture
def feeders(runtime_dir: Path) -> Iterator[list[Feeder]]:
    made: list[Feeder] = []
    yield made
    for feeder in made:
        feeder.close()


def test_lock_step_shows_reports_and_credits_every_frame(
    feeders: list[Feeder], runtime_dir: Path, tmp_path: Path
) -> None:
    """A replay's report, masks and video are what the mirror is judged by."""
    out, masks = tmp_path / "out.mp4", tmp_path / "masks"
    feeder = Feeder(runtime_dir, **{"render.out": str(out), "render.masks": str(masks)})
    feeders.append(feeder)
    feeder.wait_ready()
    front = np.zeros((H // 4, W // 4), bool)
    front[:, : W // 8] = True  # the left half of the picture
    feeder.body(0, tracked=False)
    feeder.body(1)
    feeder.body(2, front=front)
    feeder.body(3, tracked=False, last=True)

    empty, whole, half, end = (feeder.next_shown() for _ in range(4))
    assert feeder.shown.receive(300) is None
    assert [s.seq for s in (empty, whole, half, end)] == [0, 1, 2, 3]
    assert [s.tracked for s in (empty, whole, half)] == [False, True, True]
    assert empty.garments == []
    assert empty.garment_bbox is None
    assert empty.anchors == {}
    assert whole.garments == ["tshirt"]
    assert whole.size == "M"
    assert whole.stage_ms["pose"] == 20.0
    assert {"draw_wait", "blend", "display"} <= set(whole.stage_ms)
    assert whole.t_display_ns > whole.t_capture_ns
    assert (end.last, end.valid, half.last) == (True, False, False)
    assert whole.anchors["left_shoulder"][0] > W / 2 > whole.anchors["right_shoulder"][0]  # unmirrored

    pictures = [read_mask(masks / f"{n:06d}.png") for n in range(3)]
    assert not pictures[0].any()
    assert set(np.unique(pictures[1])) == {0, 255}
    rows, columns = np.nonzero(pictures[1])
    assert whole.garment_bbox == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert not pictures[2][:, : W // 2 - 4].any()  # the mask isn't mirrored either
    assert pictures[2][:, W // 2 + 4 :].any()

    assert [feeder.credits.receive(WAIT_MS).seq for _ in range(4)] == [0, 1, 2, 3]  # type: ignore[union-attr]
    assert feeder.process.wait(20) == 0
    video = cv2.VideoCapture(str(out))
    shots = [video.read()[1] for _ in range(3)]
    assert not video.read()[0]
    # The recording is mirrored: what covers the left half of the picture shows on the right.
    cloth = np.abs(shots[2].astype(int) - 200).max(axis=2) > 40
    assert cloth[:, : W // 2 - 4].any()
    assert not cloth[:, W // 2 + 4 :].any()


def test_a_frame_that_was_overwritten_is_dropped_not_torn(feeders: list[Feeder], runtime_dir: Path) -> None:
    """A late picture must neither show another frame nor stall a replay."""
    feeder = Feeder(runtime_dir)
    feeders.append(feeder)
    feeder.wait_ready()
    old = feeder.frames.write(np.zeros((H, W, 3), np.uint8))
    for _ in range(5):
        feeder.frames.write(np.zeros((H, W, 3), np.uint8))
    feeder.body(0, image=old)
    feeder.body(1)
    assert feeder.next_shown().seq == 1
    assert [feeder.credits.receive(WAIT_MS).seq for _ in range(2)] == [0, 1]  # type: ignore[union-attr]
    feeder.body(2, tracked=False, last=True)
    assert feeder.next_shown().last
    assert feeder.process.wait(20) == 0


def test_plain_picture_while_no_body_comes(feeders: list[Feeder], runtime_dir: Path) -> None:
    """With inference dead the shopper must still see a mirror, and the clothes come back with it."""
    feeder = Feeder(runtime_dir, **{"capture.pace": "realtime", "spine.stale_ms": 300.0})
    feeders.append(feeder)
    feeder.wait_ready()
    before = time.monotonic_ns()
    plain: Shown | None = None
    seq = 0
    until = time.monotonic() + WAIT_MS / 1e3
    while plain is None and time.monotonic() < until:
        feeder.frame(seq)
        seq += 1
        plain = feeder.shown.receive(40)
    assert plain is not None
    assert (plain.tracked, plain.garments, plain.landmarks) == (False, [], None)
    assert plain.valid
    while (more := feeder.shown.receive(500)) is not None:
        plain = more
    feeder.body(seq, t_capture_ns=before)  # older than what has been shown: must not jump back
    feeder.body(plain.seq, t_capture_ns=plain.t_capture_ns)  # shown already: a report would have it twice
    feeder.body(seq + 1)
    dressed = feeder.next_shown()
    assert (dressed.seq, dressed.garments) == (seq + 1, ["tshirt"])
    feeder.process.send_signal(signal.SIGTERM)
    assert feeder.process.wait(20) == EXIT_STOPPED


def test_the_end_of_the_source_is_seen_without_inference(feeders: list[Feeder], runtime_dir: Path) -> None:
    """A clip that ends while inference is down must not leave the process waiting for ever."""
    feeder = Feeder(runtime_dir, **{"capture.pace": "realtime", "spine.stale_ms": 200.0})
    feeders.append(feeder)
    feeder.wait_ready()
    feeder.frame(0, last=True)
    end = feeder.next_shown()
    assert (end.last, end.valid) == (True, False)
    assert feeder.process.wait(20) == 0


def test_an_unknown_garment_is_explained(feeders: list[Feeder], runtime_dir: Path) -> None:
    """A slip in the configuration must name itself, not show an undressed person."""
    feeder = Feeder(runtime_dir, **{"wardrobe.garments": ["toga"]})
    feeders.append(feeder)
    assert feeder.process.wait(30) == 1
    assert "no garment 'toga'" in (runtime_dir / "render.error").read_text()


class Keys:
    """A display on which somebody presses keys."""

    def __init__(self) -> None:
        self.pressed: list[Event] = []

    def show(self, frame: NDArray[np.uint8]) -> None:
        return

    def poll(self) -> list[Event]:
        pressed, self.pressed = self.pressed, []
        return pressed

    def close(self) -> None:
        return


def _tend_until(mirror: Mirror, done: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_MS / 1e3
    while not done():
        assert time.monotonic() < end, "it never came on"
        mirror.tend()
        time.sleep(0.005)


def test_keys_change_clothes_and_end(runtime_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clicker's keys: next and previous outfit, and the end."""
    keys = Keys()
    monkeypatch.setattr(render.process, "open_display", lambda _config: keys)
    config = load(None, {"wardrobe.garments": ["tshirt", "shorts"]})
    context = Context("render", config, runtime_dir, logging.getLogger("test"))
    mirror = Mirror(context)
    try:
        first = mirror.outfit
        seen: list[tuple[str, ...]] = []
        for _ in range(4):
            keys.pressed = ["next"]
            _tend_until(mirror, lambda: mirror.outfit not in (first, *seen))
            seen.append(mirror.outfit)
        assert first == ("tshirt", "shorts")
        assert len({first, *seen}) == 5
        assert all(len({"trousers", "shorts", "skirt"} & set(outfit)) <= 1 for outfit in seen)
        keys.pressed = ["previous"] * 4
        _tend_until(mirror, lambda: mirror.outfit == first)
        keys.pressed = ["next_fabric"]
        _tend_until(mirror, lambda: mirror.fabric == "chambray_blue")
        keys.pressed = ["weave"]
        mirror.tend()  # there is no weaver here: nothing happens
        assert not mirror.quit
        keys.pressed = ["quit"]
        mirror.tend()
        assert mirror.quit
    finally:
        mirror.close()
        context.close()
