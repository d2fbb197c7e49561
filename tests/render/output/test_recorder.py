"""The recording, read back: right pictures at the right times, in a file that browsers play."""

from __future__ import annotations

import threading
from pathlib import Path

import av
import numpy as np
import pytest

from mirror.errors import MirrorError
from mirror.types import Picture
from render.output.recorder import Recorder

pytestmark = pytest.mark.slow


MS = 1_000_000


def gradient(height: int = 48, width: int = 64, level: int = 0) -> Picture:
    """A smooth coloured picture, so that coding loses little of it."""
    rows = np.linspace(0, 120, height)[:, None] + np.linspace(0, 60, width)[None]
    return np.stack([rows, 180 - rows, rows + level], axis=-1).clip(0, 255).astype(np.uint8)


def read_back(path: Path) -> list[tuple[float, Picture]]:
    with av.open(str(path)) as file:
        return [
            (float(frame.time or 0), frame.to_ndarray(format="bgr24").astype(np.uint8))
            for frame in file.decode(video=0)
        ]


def test_pictures_and_times_come_back(tmp_path: Path) -> None:
    """A recording with wrong colours or an even beat laid over uneven times misleads whoever judges it."""
    path = tmp_path / "out.mp4"
    times_ms = [5000, 5033, 5067, 5200, 5233, 5500]
    recorder = Recorder(path)
    buffer = np.empty((48, 64, 3), np.uint8)
    for number, t_ms in enumerate(times_ms):
        buffer[:] = gradient(level=20 * number)
        recorder.write(buffer, t_ms * MS)  # the caller uses one array for all its frames
    recorder.close()
    recorder.close()
    frames = read_back(path)
    assert [t for t, _ in frames] == pytest.approx([(t - 5000) / 1e3 for t in times_ms], abs=1e-3)
    for number, (_, picture) in enumerate(frames):
        error = np.abs(picture.astype(int) - gradient(level=20 * number).astype(int))
        assert error.mean() < 4, f"frame {number} has other colours"


def test_browsers_can_play_it(tmp_path: Path) -> None:
    """Browsers want 8-bit 4:2:0 H.264 with the index at the front."""
    path = tmp_path / "out.mp4"
    recorder = Recorder(path)
    for number in range(20):
        recorder.write(gradient(), number * 33 * MS)
    recorder.close()
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        assert "mp4" in file.format.name
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert (stream.codec_context.colorspace, stream.codec_context.color_range) == (1, 1)
        assert stream.start_time == 0
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize(("height", "width"), [(47, 64), (48, 63), (47, 63)])
def test_odd_sizes_lose_one_row_or_column(tmp_path: Path, height: int, width: int) -> None:
    """H.264 refuses odd sizes; a clip of 853 x 480 must still be recorded, unscaled."""
    path = tmp_path / "out.mp4"
    recorder = Recorder(path)
    for number in range(3):
        recorder.write(gradient(height, width), number * 40 * MS)
    recorder.close()
    frames = read_back(path)
    assert len(frames) == 3
    even = gradient(height, width)[: height // 2 * 2, : width // 2 * 2]
    assert frames[0][1].shape == even.shape
    assert np.abs(frames[0][1].astype(int) - even.astype(int)).mean() < 4


def test_change_of_size_is_fitted_in(tmp_path: Path) -> None:
    """A folder of mixed images is one recording, with no picture squeezed."""
    path = tmp_path / "out.mp4"
    recorder = Recorder(path)
    recorder.write(gradient(48, 64), 0)
    recorder.write(np.full((96, 64, 3), 200, np.uint8), 40 * MS)
    recorder.write(gradient(48, 64), 80 * MS)
    recorder.close()
    frames = read_back(path)
    assert [picture.shape for _, picture in frames] == [(48, 64, 3)] * 3
    tall = frames[1][1]
    assert tall[:, :12].max() < 30
    assert tall[:, -12:].max() < 30
    assert abs(float(tall[:, 20:44].mean()) - 200) < 5


def test_source_that_starts_again_is_recorded_on(tmp_path: Path) -> None:
    """A capture that was restarted counts its time from zero; the recording must not break off."""
    path = tmp_path / "out.mp4"
    recorder = Recorder(path)
    for t_ms in (0, 40, 80, 0, 40, 80):
        recorder.write(gradient(), t_ms * MS)
    recorder.close()
    assert [t for t, _ in read_back(path)] == pytest.approx([0, 0.04, 0.08, 0.12, 0.16, 0.2], abs=1e-3)


def test_nothing_recorded_leaves_no_file(tmp_path: Path) -> None:
    """An empty mp4 would look like a recording."""
    path = tmp_path / "out.mp4"
    Recorder(path).close()
    assert not path.exists()


def test_replay_waits_for_the_encoder_and_live_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replay must lose no frame; a live mirror must not stand still for the recording."""
    go = threading.Event()
    real_open = av.open

    def slow_open(*arguments: object, **options: object) -> object:
        go.wait(20)
        return real_open(*arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(av, "open", slow_open)
    live = Recorder(tmp_path / "live.mp4", wait=False)
    for number in range(20):
        live.write(gradient(), number * 40 * MS)
    assert live.dropped >= 20 - 4 - 1
    replay = Recorder(tmp_path / "replay.mp4")

    def write_all() -> None:
        for number in range(20):
            replay.write(gradient(), number * 40 * MS)

    writer = threading.Thread(target=write_all)
    writer.start()
    writer.join(0.3)
    assert writer.is_alive(), "20 frames were taken with no encoder running"
    go.set()
    writer.join(20)
    live.close()
    replay.close()
    monkeypatch.undo()
    assert len(read_back(tmp_path / "replay.mp4")) == 20
    assert len(read_back(tmp_path / "live.mp4")) == 20 - live.dropped


def test_unwritable_file_is_one_clear_line(tmp_path: Path) -> None:
    """A wrong folder is named before the clip has played for ten minutes."""
    with pytest.raises(MirrorError, match=r"cannot record to .*/none/out\.mp4: No such file"):
        Recorder(tmp_path / "none" / "out.mp4")
    with pytest.raises(MirrorError, match="Is a directory"):
        Recorder(tmp_path)


def test_full_disk_is_reported_and_blocks_nobody() -> None:
    """When the disk fills up in mid-recording the operator hears of it, and nothing hangs."""
    recorder = Recorder(Path("/dev/full"))
    noise = np.random.default_rng(0)

    def write_on() -> None:
        for number in range(200):
            recorder.write(noise.integers(0, 255, (240, 320, 3), np.uint8), number * 40 * MS)
        recorder.close()

    with pytest.raises(MirrorError, match="cannot record to /dev/full: No space left"):
        write_on()
