"""What a source of frames is: protocols of the two sorts, the row that registers one, and reading ahead."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mirror.config import CaptureConfig
from mirror.errors import MirrorError
from mirror.types import Picture


class SourceLostError(MirrorError):
    """A live source has gone silent; it may come back."""


@dataclass(frozen=True)
class SourceFrame:
    """One frame: ``image`` (H, W, 3) BGR, unmirrored.

    ``index`` counts the source's frames from 0, those it had to drop included.
    ``t_source_ns``, never falling: presentation time from 0 of a recording (going on over
    loops), ``time.monotonic_ns()`` of the capture for a camera.
    """

    image: Picture
    t_source_ns: int
    index: int


class Recording(Protocol):
    """A clip or images, open from construction to ``close``; frames come as fast as they are read.

    Construction raises ``MirrorError``, in one line, if there is no frame to be had.
    ``size`` is (width, height) px of the first frame.
    """

    fps: float
    size: tuple[int, int]

    def read(self) -> SourceFrame | None:
        """The next frame, or None after the last."""

    def close(self) -> None:
        """Let the file go. Closing twice is fine."""


class Feed(Protocol):
    """What the capture process reads: a camera, or a recording read ahead."""

    fps: float
    size: tuple[int, int]

    def read(self, timeout_s: float) -> SourceFrame | None:
        """The next frame, or None after the last.

        Raises ``TimeoutError`` if there is none yet after ``timeout_s``, and a camera
        ``SourceLostError`` once it has been silent for too long.
        """

    def close(self) -> None:
        """Let the device or file go. Closing twice is fine."""


@dataclass(frozen=True)
class SourceType:
    """One way to get frames.

    ``accepts``: whether it takes ``config.source``, given as it is written and as a path. ``open`` raises
    ``MirrorError``, in one line, if there is no frame to be had: it gives a ``Recording``, which is read
    ahead and played at its own rate, or a ``Feed`` of a live source, whose frames are shown as they come.
    """

    name: str
    accepts: Callable[[str, Path], bool]
    open: Callable[[CaptureConfig], Feed | Recording]
    live: bool = False


class ReadAhead:
    """Reads a recording in a thread, ``depth`` frames ahead, so that decoding overlaps their use."""

    def __init__(self, recording: Recording, depth: int = 3) -> None:
        self.fps = recording.fps
        self.size = recording.size
        self._recording = recording
        self._queue: queue.Queue[SourceFrame | Exception | None] = queue.Queue(depth)
        self._over = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._fill, name="read-ahead", daemon=True)
        self._thread.start()

    def _fill(self) -> None:
        item: SourceFrame | Exception | None
        while not self._closing.is_set():
            try:
                item = self._recording.read()
            except Exception as error:  # noqa: BLE001 - raised where the frame would have been read
                item = error
            while not self._closing.is_set():
                try:
                    self._queue.put(item, timeout=0.1)
                    break
                except queue.Full:
                    continue
            if not isinstance(item, SourceFrame):
                return

    def read(self, timeout_s: float) -> SourceFrame | None:
        """The next frame, None after the last; raises ``TimeoutError`` and the recording's errors."""
        if self._over:
            return None
        try:
            item = self._queue.get(timeout=timeout_s)
        except queue.Empty:
            raise TimeoutError from None
        if isinstance(item, Exception):
            self._over = True
            raise item
        self._over = item is None
        return item

    @property
    def waiting(self) -> bool:
        """Whether a frame can be read at once."""
        return not self._queue.empty()

    def close(self) -> None:
        """Stop reading and close the recording."""
        self._closing.set()
        self._thread.join()
        self._recording.close()
