"""The capture process, run as it is in a mirror: ``python -m capture`` and its sockets."""

from __future__ import annotations

import contextlib
import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from capture import process
from capture.sources import camera
from capture.sources.protocol import ReadAhead, SourceFrame
from mirror.bus import Collector, Dispatcher, Newest
from mirror.config import CaptureConfig, Config, dump
from mirror.messages import Credit, Frame, Heartbeat
from mirror.process import Context
from mirror.ring import SHM, RingReader, ring_prefix
from tests.capture.footage import make_clip, make_images, number_of, numbered
from tests.capture.sources.test_camera import FakeDevice

pytestmark = pytest.mark.slow


Capture = Callable[..., "subprocess.Popen[bytes]"]
WAIT_MS = 20_000.0


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    path = tmp_path / "run"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture
def capture(tmp_path: Path, runtime: Path) -> Iterator[Capture]:
    """Starts capture processes, and ends them with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(source: Path | str, **settings: object) -> subprocess.Popen[bytes]:
        config = msgspec.convert({"capture": {"source": str(source), **settings}}, Config)
        (tmp_path / "mirror.toml").write_text(dump(config))
        command = [sys.executable, "-m", "capture", "--config", str(tmp_path / "mirror.toml")]
        started.append(subprocess.Popen([*command, "--runtime", str(runtime)]))
        return started[-1]

    yield start
    for child in started:
        child.kill()
        child.wait()
    for path in segments(runtime):
        path.unlink()


def segments(runtime: Path) -> list[Path]:
    return list(SHM.glob(f"{ring_prefix(runtime)}*"))


@contextlib.contextmanager
def two_readers(runtime: Path) -> Iterator[tuple[Newest[Frame], Newest[Frame]]]:
    first: Newest[Frame] = Newest(runtime, "frame", lossless=True)
    second: Newest[Frame] = Newest(runtime, "frame", lossless=True)
    with first, second:
        yield first, second


def credit(seq: int) -> Credit:
    return Credit(seq=seq, t_ns=time.monotonic_ns())


def test_lock_step_loses_nothing_and_waits_for_its_readers(
    tmp_path: Path, runtime: Path, capture: Capture
) -> None:
    """A replay that drops frames or ends too early gives another report each time."""
    clip = make_clip(tmp_path / "clip.mp4", [numbered(n) for n in range(12)])
    child = capture(clip, pace="all")
    pictures = RingReader()
    with two_readers(runtime) as (reader, _), Dispatcher(runtime, "credit") as creditor:
        flying: list[Frame] = []
        while (frame := reader.receive(WAIT_MS if len(flying) < 3 else 500)) is not None:
            flying.append(frame)
        assert [frame.seq for frame in flying] == [0, 1, 2], "more frames in flight than the ring can keep"
        seen = []
        while not (frame := flying.pop(0)).last:
            assert frame.image is not None
            seen.append((frame.seq, number_of(pictures.read(frame.image)), frame.dropped))
            creditor.send(credit(frame.seq))
            if not (flying and flying[-1].last) and (received := reader.receive(WAIT_MS)):
                flying.append(received)
        assert seen == [(n, n, 0) for n in range(12)]
        assert (frame.valid, frame.image, frame.seq) == (False, None, 12)
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(1.0)  # the last frames may still be in use
        assert segments(runtime)
        creditor.send(credit(frame.seq))
        assert child.wait(20) == 0
    assert segments(runtime) == []


def test_recording_waits_for_both_readers(tmp_path: Path, runtime: Path, capture: Capture) -> None:
    """Inference takes seconds to load; the first seconds of the clip must not be gone by then."""
    child = capture(make_clip(tmp_path / "clip.mp4", [numbered(n) for n in range(4)]), pace="realtime")
    with Newest[Frame](runtime, "frame", lossless=True) as first:
        assert first.receive(1500) is None
        with Newest[Frame](runtime, "frame", lossless=True) as second:
            seqs = [[], []]  # type: list[list[int]]
            for reader, got in zip((first, second), seqs, strict=True):
                while (frame := reader.receive(WAIT_MS)) is not None:
                    got.append(frame.seq)
                    if frame.last:
                        break
            assert seqs[0][0] == seqs[1][0] == 0
            assert child.wait(20) == 0


def test_sizes_may_change_in_mid_stream(tmp_path: Path, runtime: Path, capture: Capture) -> None:
    """A folder of mixed photos must come through whole, small and large."""
    names = {f"{n}.png": numbered(n, 20 + 60 * (n % 3), 30 + 50 * n) for n in range(7)}
    child = capture(make_images(tmp_path / "stills", names), pace="all")
    pictures = RingReader()
    with two_readers(runtime) as (reader, _), Dispatcher(runtime, "credit") as creditor:
        shapes = []
        while (frame := reader.receive(WAIT_MS)) is not None and frame.image is not None:
            picture = pictures.read(frame.image)
            shapes.append((number_of(picture), *picture.shape))
            creditor.send(credit(frame.seq))
        assert shapes == [(n, 20 + 60 * (n % 3), 30 + 50 * n, 3) for n in range(7)]
        assert frame is not None
        creditor.send(credit(frame.seq))
        assert child.wait(20) == 0


def test_bad_source_is_one_line_and_exit_1(tmp_path: Path, runtime: Path, capture: Capture) -> None:
    """The supervisor shows the operator what this line says."""
    (tmp_path / "clip.mp4").write_bytes(b"")
    child = capture(tmp_path / "clip.mp4")
    assert child.wait(20) == 1
    line = (runtime / "capture.error").read_text()
    assert line.endswith("clip.mp4 is empty (0 bytes)\n")
    assert line.count("\n") == 1
    assert segments(runtime) == []


def test_stopping_leaves_nothing_behind(tmp_path: Path, runtime: Path, capture: Capture) -> None:
    """Shared memory that stays after every stop fills the machine over the weeks."""
    child = capture(make_clip(tmp_path / "clip.mp4", [numbered(n) for n in range(5)]), loop=True)
    with Newest[Frame](runtime, "frame") as reader:
        assert reader.receive(WAIT_MS) is not None
        assert segments(runtime)
        child.send_signal(signal.SIGTERM)
        assert child.wait(20) == 143
        frame = reader.receive(100)
        assert frame is None or not frame.last, "being stopped is not the end of the clip"
    assert segments(runtime) == []
    assert sorted(path.name for path in runtime.iterdir()) == []


def test_killed_capture_is_cleaned_up_by_the_next(tmp_path: Path, runtime: Path, capture: Capture) -> None:
    """SIGKILL gives no chance to clean up; the restart must, and the reader must go on."""
    clip = make_clip(tmp_path / "clip.mp4", [numbered(n) for n in range(5)])
    pictures = RingReader()
    with Newest[Frame](runtime, "frame") as reader:
        names = []
        for _ in range(2):
            child = capture(clip, loop=True)
            frame = reader.receive(WAIT_MS)
            while frame is None or frame.image is None or frame.image.ring in names:
                frame = reader.receive(WAIT_MS)
            assert pictures.view(frame.image).shape == (48, 64, 3)
            names.append(frame.image.ring)
            child.kill()
            child.wait()
        child = capture(clip, loop=True)
        while not {path.name for path in segments(runtime)}.isdisjoint(names):
            assert child.poll() is None
            time.sleep(0.05)
        child.terminate()
        assert child.wait(20) == 143


def test_lost_camera_is_opened_again(runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pulled cable that is put back must bring the picture back without anyone at the machine."""
    node = tmp_path / "video0"
    node.write_text("")
    devices: list[FakeDevice] = []

    def plug_in(*_: object) -> FakeDevice:
        camera._check(node)
        devices.append(FakeDevice(node))
        return devices[-1]

    monkeypatch.setattr(camera, "open_device", plug_in)
    monkeypatch.setattr(process, "open_feed", camera.Camera)
    monkeypatch.setattr("fcntl.ioctl", lambda *_: 0)
    monkeypatch.setattr(process, "_BACK_OFF_S", (0.05,))
    settings = CaptureConfig(source=str(node), width=64, height=48, timeout_s=1.0)
    with (
        Collector[Heartbeat](runtime, "heartbeat") as heartbeats,
        Newest[Frame](runtime, "frame") as reader,
    ):
        context = Context("capture", Config(capture=settings), runtime, logging.getLogger("capture"))
        thread = threading.Thread(target=process.body, args=(context,))
        thread.start()
        try:
            before = reader.receive(WAIT_MS)
            assert before is not None
            node.unlink()
            beat = heartbeats.receive(WAIT_MS)
            while beat is not None and beat.state != "degraded":
                beat = heartbeats.receive(WAIT_MS)
            assert beat is not None
            assert "unplugged" in beat.detail or "no camera" in beat.detail
            node.write_text("")
            while (beat := heartbeats.receive(WAIT_MS)) is not None and beat.state != "ready":
                pass
            assert beat is not None
            after = reader.receive(WAIT_MS)
            assert after is not None
            assert after.seq > before.seq, "numbers go on: a reader takes a lower one for an old frame"
            assert after.t_source_ns > before.t_source_ns
            assert after.t_capture_ns == after.t_source_ns
            assert len(devices) == 2
        finally:
            context.stopping.set()
            thread.join(10)
            context.close()
    assert not thread.is_alive()
    assert segments(runtime) == []


class FakeTime:
    """A clock that only the waits move on."""

    def __init__(self) -> None:
        self.now_ns = 1_000_000_000_000

    def monotonic_ns(self) -> int:
        return self.now_ns

    def wait(self, seconds: float) -> bool:
        self.now_ns += round(seconds * 1e9)
        return False


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    fake = FakeTime()
    monkeypatch.setattr(process, "time", fake)
    return fake


def pace(clock: FakeTime) -> process._Pace:
    context = SimpleNamespace(stopping=SimpleNamespace(wait=clock.wait), beat=lambda **_: None)
    return process._Pace(context, SimpleNamespace(counters={}))  # type: ignore[arg-type]


def at(seconds: float) -> SourceFrame:
    return SourceFrame(numbered(1), round(seconds * 1e9), 0)


def feed(fps: float, waiting: bool) -> ReadAhead:
    return SimpleNamespace(fps=fps, waiting=waiting)  # type: ignore[return-value]


def test_recording_plays_at_its_own_rate(clock: FakeTime) -> None:
    """Too fast or too slow, and every movement looks wrong."""
    play = pace(clock)
    start = clock.now_ns
    for t in (0.0, 0.04, 0.08, 1.5, 1.54):
        assert play.keeps(at(t), feed(25.0, waiting=True))
        assert (clock.now_ns - start) / 1e9 == pytest.approx(t, abs=1e-6)


def test_late_frames_are_dropped_for_newer_ones(clock: FakeTime) -> None:
    """After a stall the mirror must catch up instead of lagging for the rest of the clip."""
    play = pace(clock)
    assert play.keeps(at(0.0), feed(25.0, waiting=True))
    clock.wait(0.5)
    kept = [t for t in (n * 0.04 for n in range(1, 20)) if play.keeps(at(t), feed(25.0, waiting=True))]
    assert kept[0] == pytest.approx(0.48)  # the first that is less than a frame late
    assert len(kept) == 8


def test_slow_decoder_slows_the_clip_rather_than_showing_nothing(clock: FakeTime) -> None:
    """If every frame is late, dropping them all would freeze the picture for good."""
    play = pace(clock)
    assert play.keeps(at(0.0), feed(25.0, waiting=False))
    for number in range(1, 10):
        clock.wait(0.2)
        assert play.keeps(at(number * 0.04), feed(25.0, waiting=False))
