"""Sources of frames: what a name opens, what comes out, and what is said when nothing does."""

from __future__ import annotations

import itertools
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
import pytest

from capture.sources.camera import Camera
from capture.sources.clip import Clip
from capture.sources.protocol import ReadAhead, Recording, SourceFrame, SourceType
from capture.sources.registry import SOURCES, open_feed, open_source
from capture.sources.stills import Stills
from mirror.config import CaptureConfig
from mirror.errors import MirrorError
from tests.capture.footage import make_clip, make_images, number_of, numbered, rotate_in_header


def opened(source: Path | str, **settings: Any) -> Recording:
    recording = open_source(msgspec.structs.replace(CaptureConfig(), source=str(source), **settings))
    assert not isinstance(recording, Camera)
    return cast("Recording", recording)


@contextmanager
def without_privileges() -> Iterator[None]:
    """Root may read everything: be nobody for a while."""
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if was_root:
            os.seteuid(0)


def read_all(recording: Recording) -> list[SourceFrame]:
    frames = list(iter(recording.read, None))
    recording.close()
    return [frame for frame in frames if frame is not None]


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("a.mp4", "libx264", "yuv420p"),
        ("b.mkv", "mpeg4", "yuv420p"),
        ("c.avi", "mjpeg", "yuvj420p"),
        ("d.gif", "gif", "rgb8"),
        ("e", "libx264", "yuv420p"),
    ],
)
def test_clip_of_any_format_gives_every_frame_in_order(
    tmp_path: Path, name: str, codec: str, pix_fmt: str
) -> None:
    """A shop's clip comes in whatever format the camera or the editor wrote."""
    made = make_clip(
        tmp_path / (name if "." in name else "e.mp4"),
        [numbered(n) for n in range(9)],
        25,
        None,
        codec,
        pix_fmt,
    )
    frames = read_all(opened(made.rename(tmp_path / name)))
    assert [number_of(frame.image) for frame in frames] == list(range(9))
    assert [frame.index for frame in frames] == list(range(9))
    assert all(frame.image.shape == (48, 64, 3) and frame.image.dtype == np.uint8 for frame in frames)
    assert [frame.t_source_ns for frame in frames] == pytest.approx([n * 40e6 for n in range(9)], abs=1e6)


def test_clip_keeps_the_colours_and_their_order(tmp_path: Path) -> None:
    """Red and blue swapped, or limited range taken for full, would colour every shopper wrong."""
    picture = np.zeros((48, 96, 3), np.uint8)
    picture[:, :32], picture[:, 32:64], picture[:, 64:] = (200, 30, 30), (30, 200, 30), (30, 30, 200)
    frame = opened(make_clip(tmp_path / "c.mp4", [picture] * 2)).read()
    assert frame is not None
    for column in (16, 48, 80):
        np.testing.assert_allclose(frame.image[24, column], picture[24, column], atol=12)


def test_clip_of_varying_rate_keeps_its_times(tmp_path: Path) -> None:
    """Filters and the recording follow these times; an average rate would shake them."""
    times = [0.0, 0.040, 0.200, 0.233, 0.500]
    frames = read_all(opened(make_clip(tmp_path / "v.mkv", [numbered(n) for n in range(5)], 25, times)))
    assert [frame.t_source_ns / 1e9 for frame in frames] == pytest.approx(times, abs=1e-3)


def test_clip_times_start_at_zero(tmp_path: Path) -> None:
    """A clip cut out of a longer one must not wait for minutes before its first frame."""
    clip = make_clip(tmp_path / "late.mkv", [numbered(n) for n in range(3)], 25, [60.0, 60.1, 60.2])
    frames = read_all(opened(clip))
    assert [frame.t_source_ns / 1e9 for frame in frames] == pytest.approx([0, 0.1, 0.2], abs=1e-3)


def test_looping_clip_goes_on_with_times_and_numbers(tmp_path: Path) -> None:
    """Times that jump back would reset every filter at each loop of the demo."""
    recording = opened(make_clip(tmp_path / "l.mp4", [numbered(n) for n in range(4)]), loop=True)
    frames = [recording.read() for _ in range(10)]
    recording.close()
    assert [number_of(frame.image) for frame in frames if frame] == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]
    assert [frame.index for frame in frames if frame] == list(range(10))
    steps = np.diff([frame.t_source_ns for frame in frames if frame])
    np.testing.assert_allclose(steps, 40e6, atol=1e6)


@pytest.mark.parametrize("matrix", [(0, 1, -1, 0), (0, -1, 1, 0), (-1, 0, 0, -1)], ids=["cw", "ccw", "half"])
def test_clip_from_a_phone_is_turned_upright(tmp_path: Path, matrix: tuple[int, int, int, int]) -> None:
    """A person lying on their side is not found by the pose model."""
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:24, :32] = 250  # top left
    clip = make_clip(tmp_path / "phone.mp4", [picture] * 3)
    rotate_in_header(clip, *matrix)
    recording = opened(clip)
    frame = recording.read()
    assert frame is not None
    turned = {(0, 1, -1, 0): -1, (0, -1, 1, 0): 1, (-1, 0, 0, -1): 2}[matrix]
    np.testing.assert_allclose(frame.image.astype(int), np.rot90(picture, turned).astype(int), atol=30)
    assert recording.size == (frame.image.shape[1], frame.image.shape[0])


def test_clip_damaged_in_the_middle_plays_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A scratched file must not end the show: what decodes is shown, and the log says what did not."""
    noise = np.random.default_rng(0).integers(0, 9, (48, 64, 3)).astype(np.uint8)
    pictures = [numbered(n) + noise for n in range(24)]
    path = make_clip(tmp_path / "d.mp4", pictures, keyframe_every=1)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 6000] = b"\xa5" * 6000
    path.write_bytes(bytes(data))
    with caplog.at_level("WARNING", "capture"):
        frames = read_all(opened(path))
    assert 15 <= len(frames) < 24
    for frames_in, pictures_in in ((frames[:5], pictures[:5]), (frames[-5:], pictures[-5:])):
        for frame, picture in zip(frames_in, pictures_in, strict=True):
            assert abs(frame.image.mean() - picture.mean()) < 3
    assert re.search(r"d\.mp4: [1-9] frames skipped", caplog.text)


def test_clip_cut_short_plays_as_far_as_it_goes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A download that broke off still shows its first half, and the log says that it is half."""
    path = make_clip(tmp_path / "t.mkv", [numbered(n % 25) for n in range(50)])
    with caplog.at_level("WARNING", "capture"):
        assert len(read_all(opened(path))) == 50
        assert caplog.text == ""
        os.truncate(path, path.stat().st_size // 2)
        frames = read_all(opened(path))
    assert 3 < len(frames) < 40
    assert [number_of(frame.image) for frame in frames[:3]] == [0, 1, 2]
    assert "t.mkv ends after" in caplog.text
    assert "of its 2.0 s" in caplog.text


def test_folder_plays_in_the_order_of_its_numbers_with_mixed_sizes(tmp_path: Path) -> None:
    """frame10 before frame2 would make nonsense of a sequence; sizes change when stills are mixed."""
    pictures = {f"frame{n}.png": numbered(n, 20 + n, 30) for n in (1, 2, 10, 11)}
    folder = make_images(tmp_path / "stills", pictures)
    (folder / "notes.txt").write_text("not an image")
    frames = read_all(opened(folder, fps=10.0))
    assert [number_of(frame.image) for frame in frames] == [1, 2, 10, 11]
    assert [frame.image.shape[0] for frame in frames] == [21, 22, 30, 31]
    assert [frame.t_source_ns for frame in frames] == [0, 100_000_000, 200_000_000, 300_000_000]


def test_folder_skips_a_broken_image(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One bad file in a folder of a thousand must not stop the replay."""
    folder = make_images(tmp_path / "s", {f"{n}.png": numbered(n) for n in range(3)})
    (folder / "1.png").write_bytes(b"broken")
    with caplog.at_level("WARNING", "capture"):
        frames = read_all(opened(folder))
    assert [number_of(frame.image) for frame in frames] == [0, 2]
    assert "1.png" in caplog.text


def test_folder_loops(tmp_path: Path) -> None:
    """A slide show in the shop window goes on for the day."""
    folder = make_images(tmp_path / "s", {f"{n}.png": numbered(n) for n in range(3)})
    recording = opened(folder, loop=True)
    frames = [recording.read() for _ in range(7)]
    assert [number_of(frame.image) for frame in frames if frame] == [0, 1, 2, 0, 1, 2, 0]
    assert [frame.index for frame in frames if frame] == list(range(7))


def test_single_image_is_one_frame_in_lock_step_and_goes_on_live(tmp_path: Path) -> None:
    """A replay of a photo must end; a live mirror fed a photo must not."""
    image = make_images(tmp_path, {"one.png": numbered(7)}) / "one.png"
    assert [number_of(frame.image) for frame in read_all(opened(image, pace="all"))] == [7]
    live = opened(image, pace="realtime", fps=20.0)
    frames = [live.read() for _ in range(5)]
    assert [frame.t_source_ns for frame in frames if frame] == [n * 50_000_000 for n in range(5)]


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda p: None, "does not exist"),
        (lambda p: p.write_bytes(b""), r"is empty \(0 bytes\)"),
        (lambda p: p.write_bytes(np.random.default_rng(0).bytes(4000)), "is not a video"),
        (lambda p: p.write_text("a letter, not a video\n" * 50), "is not a video"),
        (lambda p: p.mkdir(), "holds no images"),
        (os.mkfifo, "neither a file nor a folder"),
    ],
    ids=["missing", "zero bytes", "noise", "text", "empty folder", "pipe"],
)
def test_bad_recording_is_one_clear_line(tmp_path: Path, make: Any, reason: str) -> None:
    """The operator reads which file and what is wrong with it, not a stack trace."""
    path = tmp_path / "clip.mp4"
    make(path)
    with pytest.raises(MirrorError, match=reason) as caught:
        opened(path)
    assert "clip.mp4" in str(caught.value)


def test_clip_without_pictures_is_refused(tmp_path: Path) -> None:
    """A sound file, or a clip cut off within its header, has nothing to show."""
    import av

    sound = tmp_path / "song.wav"
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(MirrorError, match=r"song\.wav has no video in it"):
        opened(sound)
    cut = make_clip(tmp_path / "cut.mp4", [numbered(1)] * 5)
    os.truncate(cut, cut.stat().st_size // 3)
    with pytest.raises(MirrorError, match=r"cut\.mp4 is not a video"):
        opened(cut)


def test_unreadable_files_are_one_clear_line() -> None:
    """Wrong permissions, of the file or of a folder on the way, are named as such."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = make_clip(folder / "clip.mp4", [numbered(1)] * 2)
        stills = make_images(folder / "stills", {"1.png": numbered(1)})
        stills.chmod(0)
        clip.chmod(0)
        folder.chmod(0o755)
        with without_privileges():
            for path in (clip, stills, stills / "1.png"):
                with pytest.raises(MirrorError, match=rf"{path.name} cannot be read: no permission"):
                    opened(path)


def test_bad_images_are_one_clear_line(tmp_path: Path) -> None:
    """The same for a single image and for a folder in which none is sound."""
    (tmp_path / "x.png").write_bytes(b"no image")
    with pytest.raises(MirrorError, match=r"x\.png is not an image"):
        opened(tmp_path / "x.png")
    (tmp_path / "y.png").write_bytes(b"")
    with pytest.raises(MirrorError, match=r"none of the 2 images"):
        opened(tmp_path)


def test_network_address_is_refused() -> None:
    """The mirror's processes can't reach the network; saying so beats a failing connection."""
    with pytest.raises(MirrorError, match="reads no network"):
        opened("rtsp://camera/stream")


def test_playlist_opens_no_other_file(tmp_path: Path) -> None:
    """A playlist handed in as a clip must not make the mirror fetch what it names."""
    playlist = tmp_path / "list.m3u8"
    playlist.write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://localhost/x.ts\n#EXT-X-ENDLIST\n"
    )
    with pytest.raises(MirrorError, match=r"list\.m3u8"):
        opened(playlist)


class Slow:
    """A recording of ``count`` frames that counts how far it has been read."""

    fps = 100.0
    size = (64, 48)

    def __init__(self, count: int, error: Exception | None = None) -> None:
        self.count, self.error = count, error
        self.read_count = 0
        self.closed = False

    def read(self) -> SourceFrame | None:
        if self.read_count == self.count:
            if self.error:
                raise self.error
            return None
        self.read_count += 1
        return SourceFrame(numbered(self.read_count % 25), self.read_count, self.read_count - 1)

    def close(self) -> None:
        self.closed = True


def test_read_ahead_decodes_before_it_is_asked_but_not_without_bound() -> None:
    """Decoding overlaps the rest of the work; an unbounded queue would take all memory."""
    slow = Slow(20)
    feed = ReadAhead(slow, depth=3)
    first = feed.read(5.0)
    deadline = time.monotonic() + 5
    while slow.read_count < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    assert 4 <= slow.read_count <= 5  # 1 taken, 3 waiting, 1 in hand
    rest = list(iter(lambda: feed.read(5.0), None))
    assert [frame.index for frame in [first, *rest] if frame] == list(range(20))
    assert feed.read(5.0) is None
    feed.close()
    assert slow.closed


def test_read_ahead_hands_on_errors_and_waits_no_longer_than_asked() -> None:
    """An error in the thread must reach the operator, and silence must not block the heartbeat."""
    feed = ReadAhead(Slow(1, MirrorError("the file went away")))
    assert feed.read(5.0) is not None
    with pytest.raises(MirrorError, match="the file went away"):
        feed.read(5.0)
    feed.close()

    class Stuck(Slow):
        def read(self) -> SourceFrame | None:
            time.sleep(0.3)
            return None

    stuck = ReadAhead(Stuck(1))
    with pytest.raises(TimeoutError):
        stuck.read(0.01)
    assert stuck.read(5.0) is None
    stuck.close()


def test_read_ahead_can_be_closed_at_any_time(tmp_path: Path) -> None:
    """Stopping in mid-clip must not hang on a full queue."""
    for count in itertools.islice(itertools.count(), 0, 6, 2):
        feed = open_feed(
            CaptureConfig(source=str(make_clip(tmp_path / f"{count}.mp4", [numbered(1)] * 8)), loop=True)
        )
        assert isinstance(feed, ReadAhead)
        for _ in range(count):
            assert feed.read(5.0) is not None
        feed.close()


def test_right_kinds_are_opened(tmp_path: Path) -> None:
    """Nothing should be opened as something else because of its name's case."""
    image = make_images(tmp_path, {"A.PNG": numbered(1)}) / "A.PNG"
    assert isinstance(opened(image), Stills)
    assert isinstance(opened(make_clip(tmp_path / "b.mp4", [numbered(1)] * 2)), Clip)


class _Countdown:
    """A recording of a source that nobody has heard of: three pictures and out."""

    fps, size = 25.0, (64, 48)

    def __init__(self, config: CaptureConfig) -> None:
        self._left = int(config.source.removeprefix("countdown:"))
        self._made = 0

    def read(self) -> SourceFrame | None:
        if self._made == self._left:
            return None
        frame = SourceFrame(numbered(self._made), self._made * 40_000_000, self._made)
        self._made += 1
        return frame

    def close(self) -> None:
        """Nothing is held open."""


def test_a_new_source_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shop's own source, such as a depth camera, must need one file and one row, and no other change."""
    row = SourceType("countdown", lambda name, _: name.startswith("countdown:"), _Countdown)
    config = msgspec.structs.replace(CaptureConfig(), source="countdown:3")
    with pytest.raises(MirrorError, match="countdown:3 does not exist"):
        open_feed(config)
    monkeypatch.setattr("capture.sources.registry.SOURCES", [*SOURCES, row])
    feed = open_feed(config)
    assert isinstance(feed, ReadAhead)  # what is recorded is read ahead
    frames = [frame for frame in iter(lambda: feed.read(5.0), None) if frame is not None]
    feed.close()
    assert [number_of(frame.image) for frame in frames] == [0, 1, 2]


def test_a_new_live_source_is_not_read_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames of a live source are shown as they come: read ahead, the mirror would lag behind."""

    class Live(_Countdown):
        def read(self, timeout_s: float) -> SourceFrame | None:  # type: ignore[override]
            assert timeout_s > 0
            return super().read()

    row = SourceType("live", lambda name, _: name.startswith("countdown:"), Live, live=True)
    monkeypatch.setattr("capture.sources.registry.SOURCES", [row])
    feed = open_feed(msgspec.structs.replace(CaptureConfig(), source="countdown:1"))
    assert isinstance(feed, Live)
    assert feed.read(0.1) is not None
    assert feed.read(0.1) is None
