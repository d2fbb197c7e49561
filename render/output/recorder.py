"""The recording: what the display shows, as an H.264 mp4 that browsers play.

PyAV's own H.264 encoder is used. In the wheels on PyPI that is libx264 (GPL-2.0-or-later),
the only one in them; it comes with PyAV and is only loaded for a recording. A PyAV built
against OpenH264 (BSD) works as well.
"""

from __future__ import annotations

import queue
import threading
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.video.reformatter import Colorspace, VideoReformatter

from mirror.errors import MirrorError
from mirror.types import Picture
from render.output.display import letterbox

__all__ = ["Recorder"]


_CLOCK = 90_000  # ticks a second, the usual one for video
_BT709, _LIMITED = 1, 1  # as numbered in H.264: what browsers expect of HD video
_OPTIONS = {"preset": "veryfast", "crf": "20"}  # libx264's; other encoders pass over them


class Recorder:
    """Writes frames to ``path`` at the times they carry, encoding in a thread.

    The first frame decides the size (an odd row or column is cut off, H.264 can't have
    one); later frames of another size are fitted into it. With ``wait`` (replays) ``write``
    waits for the encoder when it is behind, otherwise (live) the frame is left out and
    counted in ``dropped``. Raises ``MirrorError`` if the file can't be written, from the
    constructor or from the first call after the failure.
    """

    def __init__(self, path: Path, wait: bool = True) -> None:
        self._path = path
        self._wait = wait
        self.dropped = 0
        self._queue: queue.Queue[tuple[Picture, int] | None] = queue.Queue(maxsize=4)
        self._error: Exception | None = None
        self._closed = False
        try:
            path.open("wb").close()
        except OSError as error:
            raise MirrorError(f"cannot record to {path}: {error.strerror}") from error
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def write(self, frame: Picture, t_ns: int) -> None:
        """Record ``frame`` (H, W, 3) BGR, shown from ``t_ns`` on. The array may be reused after the call."""
        self._raise_error()
        if not self._wait and self._queue.full():
            self.dropped += 1
            return
        self._queue.put((frame.copy(), t_ns))

    def close(self) -> None:
        """Finish the file; without a frame there is none. Closing twice is fine."""
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        self._thread.join()
        self._raise_error()

    def _raise_error(self) -> None:
        if self._error is None:
            return
        reason = getattr(self._error, "strerror", None) or self._error
        raise MirrorError(f"cannot record to {self._path}: {reason}") from self._error

    def _run(self) -> None:
        try:
            first = self._queue.get()
            if first is None:
                if self._path.is_file():
                    self._path.unlink()
                return
            # faststart moves the index to the front, so that a browser can begin at once.
            with av.open(str(self._path), "w", format="mp4", options={"movflags": "+faststart"}) as file:
                encoder = _Encoder(file, first[0])
                item: tuple[Picture, int] | None = first
                while item is not None:
                    encoder.encode(*item)
                    item = self._queue.get()
                encoder.finish()
        except (av.error.FFmpegError, OSError, ValueError) as error:
            self._error = error
            while not self._closed or not self._queue.empty():  # let no writer wait for this thread
                self._queue.get()


class _Encoder:
    def __init__(self, file: av.container.OutputContainer, first: Picture) -> None:
        height, width = first.shape[:2]
        self._size = (width // 2 * 2, height // 2 * 2)
        stream: Any = file.add_stream("h264", rate=30)  # the rate is a hint; the times count
        stream.width, stream.height = self._size
        stream.pix_fmt = "yuv420p"
        stream.time_base = Fraction(1, _CLOCK)
        context = stream.codec_context
        context.time_base = Fraction(1, _CLOCK)
        context.options = _OPTIONS
        context.max_b_frames = 0  # frames come out in the order of their times, from 0
        context.gop_size = 60
        context.color_primaries = context.color_trc = context.colorspace = _BT709
        context.color_range = _LIMITED
        self._file = file
        self._stream = stream
        self._reformatter = VideoReformatter()
        self._origin_ns: int | None = None
        self._last, self._step = 0, _CLOCK // 30

    def encode(self, picture: Picture, t_ns: int) -> None:
        frame = av.VideoFrame.from_ndarray(self._fit(picture), format="bgr24")
        frame = self._reformatter.reformat(frame, format="yuv420p", dst_colorspace=Colorspace.ITU709)
        frame.time_base = Fraction(1, _CLOCK)
        frame.pts = self._tick(t_ns)
        frame.duration = self._step  # of the last frame, all others end with the next
        self._file.mux(self._stream.encode(frame))

    def finish(self) -> None:
        self._file.mux(self._stream.encode())

    def _tick(self, t_ns: int) -> int:
        """The frame's time from the start of the recording; it goes on where the source starts again."""
        if self._origin_ns is None:
            self._origin_ns = t_ns
            return 0
        tick = round((t_ns - self._origin_ns) * _CLOCK / 1e9)
        if tick <= self._last:
            tick = self._last + self._step
            self._origin_ns = t_ns - round(tick * 1e9 / _CLOCK)
        self._step = tick - self._last
        self._last = tick
        return tick

    def _fit(self, picture: Picture) -> Picture:
        width, height = self._size
        if picture.shape[0] - height in {0, 1} and picture.shape[1] - width in {0, 1}:
            return np.ascontiguousarray(picture[:height, :width])
        x, y, inner_width, inner_height = letterbox(picture.shape, self._size)
        fitted = np.zeros((height, width, 3), np.uint8)
        inner = fitted[y : y + inner_height, x : x + inner_width]
        cv2.resize(picture, (inner_width, inner_height), dst=inner, interpolation=cv2.INTER_AREA)
        return fitted
