"""The camera: with a device that behaves as real ones do, and as they do on bad days."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from capture.sources.camera import Camera, open_device
from capture.sources.protocol import SourceLostError
from capture.sources.registry import open_source
from mirror.config import CaptureConfig
from mirror.errors import MirrorError
from mirror.types import Picture
from tests.capture.footage import number_of, numbered

pytestmark = pytest.mark.slow


class FakeDevice:
    """A camera on the desk: gives numbered pictures, hangs or loses its plug when told."""

    def __init__(self, node: Path) -> None:
        self.node = node
        self.count = 0
        self.hang = threading.Event()
        self.unhang = threading.Event()
        self.blind = False
        self.released = threading.Event()

    def read(self) -> tuple[bool, Picture | None]:
        if self.hang.is_set():
            self.unhang.wait()
        time.sleep(0.005)
        if self.blind or not self.node.exists():
            return False, None
        self.count += 1
        return True, numbered(self.count % 25)

    def get(self, prop: int, /) -> float:
        return 0.0

    def release(self) -> None:
        self.released.set()


@pytest.fixture
def node(tmp_path: Path) -> Path:
    path = tmp_path / "video0"
    path.write_text("")
    return path


@pytest.fixture
def device(node: Path) -> Iterator[FakeDevice]:
    fake = FakeDevice(node)
    yield fake
    fake.unhang.set()


def config(node: Path) -> CaptureConfig:
    return CaptureConfig(source=str(node), timeout_s=0.3, width=64, height=48)


def read_until_error(camera: Camera) -> None:
    """Read as the process does, until something else than a timeout is raised or 10 s are over."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        with contextlib.suppress(TimeoutError):
            camera.read(0.1)


def test_camera_gives_its_newest_picture(node: Path, device: FakeDevice) -> None:
    """A mirror that shows a queue of old pictures lags behind its shopper."""
    camera = Camera(config(node), lambda *_: device)
    assert camera.size == (64, 48)
    before = time.monotonic_ns()
    frames = [camera.read(1.0)]
    time.sleep(0.1)
    frames += [camera.read(1.0), camera.read(1.0)]
    assert [number_of(frame.image) for frame in frames] == [(frame.index + 1) % 25 for frame in frames]
    assert frames[1].index > frames[0].index + 3, "pictures nobody took in time are counted"
    assert frames[2].index > frames[1].index
    assert before < frames[1].t_source_ns < frames[2].t_source_ns < time.monotonic_ns()
    camera.close()
    assert device.released.is_set()


def test_hung_camera_is_noticed(node: Path, device: FakeDevice) -> None:
    """Some drivers never return from a read; the process must not hang with them."""
    camera = Camera(config(node), lambda *_: device)
    camera.read(1.0)
    device.hang.set()
    with pytest.raises(SourceLostError, match=r"no picture for 0\.3 s"):
        read_until_error(camera)
    camera.close()
    assert not device.released.is_set()
    device.unhang.set()
    assert device.released.wait(5.0), "a thread that comes back gives the device free"


def test_silence_shorter_than_the_limit_is_only_a_timeout(node: Path, device: FakeDevice) -> None:
    """One slow picture must not restart the camera."""
    camera = Camera(CaptureConfig(source=str(node), timeout_s=60.0), lambda *_: device)
    camera.read(1.0)
    device.blind = True
    camera_is_silent = 0
    for _ in range(3):
        try:
            camera.read(0.05)
        except TimeoutError:
            camera_is_silent += 1
    assert camera_is_silent >= 2
    device.blind = False
    camera.read(5.0)
    camera.close()


def test_unplugged_camera_is_noticed_at_once(node: Path, device: FakeDevice) -> None:
    """A pulled cable is named as such."""
    camera = Camera(CaptureConfig(source=str(node), timeout_s=60.0), lambda *_: device)
    node.unlink()
    with pytest.raises(SourceLostError, match="unplugged"):
        read_until_error(camera)
    camera.close()


def test_camera_that_never_gives_a_picture_is_refused(
    node: Path, device: FakeDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waiting for ever at the start would look like a crash without a word."""
    monkeypatch.setattr("capture.sources.camera.OPEN_S", 0.2)
    device.hang.set()
    with pytest.raises(MirrorError, match="gives no picture"):
        Camera(config(node), lambda *_: device)


def test_driver_time_stamps_are_used_where_they_are_on_our_clock(node: Path, device: FakeDevice) -> None:
    """The moment of exposure is what latency and the filters count from, not the moment of reading."""
    taken = time.monotonic() - 0.2
    stamps = iter([taken * 1e3, 12.0, taken * 1e3])
    device.get = lambda *_: next(stamps, 0.0)  # type: ignore[method-assign]
    device.count = 0
    camera = Camera(config(node), lambda *_: device)
    first = camera._frame
    assert first is not None
    if first.index == 0:
        assert first.t_source_ns == pytest.approx(taken * 1e9, abs=1e6)
    time.sleep(0.1)
    later = camera.read(1.0)
    assert later.t_source_ns > (taken + 0.2) * 1e9, "a stamp from another clock is not believed"
    camera.close()


def test_missing_camera_is_one_clear_line(tmp_path: Path) -> None:
    """No camera, or the wrong number, is the commonest fault of all."""
    with pytest.raises(MirrorError, match=r"no camera at /dev/video63"):
        open_source(CaptureConfig(source="63"))
    with pytest.raises(MirrorError, match=r"no camera at /dev/v4l/by-id/usb-none"):
        open_source(CaptureConfig(source="/dev/v4l/by-id/usb-none"))


def test_what_is_no_camera_is_refused() -> None:
    """A device that is something else must not hang or crash OpenCV."""
    with pytest.raises(MirrorError, match="/dev/null is not a camera"):
        open_device(Path("/dev/null"), CaptureConfig())


def test_busy_camera_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, node: Path) -> None:
    """Another program holding the camera is a fault that the operator can mend."""

    def busy(*_: object) -> None:
        raise OSError(16, "Device or resource busy")

    monkeypatch.setattr("capture.sources.camera.fcntl.ioctl", busy)
    with pytest.raises(MirrorError, match="busy"):
        open_device(node, CaptureConfig())


def test_camera_in_lock_step_is_refused() -> None:
    """A camera can't wait; saying so beats a replay that never ends."""
    with pytest.raises(MirrorError, match="pace all is for clips"):
        open_source(CaptureConfig(source="/dev/video0", pace="all"))


def test_camera_sizes_are_taken_from_its_pictures(node: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A camera that can't do what was asked works on with what it gives, and the log says so."""
    device = FakeDevice(node)
    device.read = lambda: (True, np.zeros((30, 40, 3), np.uint8))  # type: ignore[method-assign]
    with caplog.at_level("WARNING", "capture"):
        camera = Camera(config(node), lambda *_: device)
    assert camera.size == (40, 30)
    assert "gives 40x30, not the 64x48" in caplog.text
    camera.close()
