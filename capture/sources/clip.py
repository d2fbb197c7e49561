"""Clips: any video file FFmpeg can decode."""

from __future__ import annotations

import logging
from collections.abc import Generator
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter

from capture.sources.protocol import SourceFrame, SourceType
from mirror.config import CaptureConfig
from mirror.errors import MirrorError
from mirror.types import Picture

log = logging.getLogger("capture")

# What FFmpeg calls a rotation turns the picture counter-clockwise to show it upright.
_UPRIGHT = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}


class Clip:
    """A video file, upright, its frames in order with their presentation times.

    With ``loop`` it starts again at its end, its times going on. What is damaged in the
    middle is skipped and logged. Raises ``MirrorError`` when opened on something that has no
    frame to show.
    """

    def __init__(self, path: Path, loop: bool = False) -> None:
        self._path = path
        self._loop = loop
        self._index = 0
        self._offset_ns = 0
        self.fps = 30.0
        self._frames = self._play()
        try:
            self._first = next(self._frames, None)
        except av.error.FFmpegError as error:
            raise MirrorError(_explain(path, error)) from error
        if self._first is None:
            raise MirrorError(f"{path} has no video frame that can be decoded")
        height, width = self._first.image.shape[:2]
        self.size = (width, height)

    def read(self) -> SourceFrame | None:
        """The next frame, or None after the last."""
        if self._first is not None:
            first, self._first = self._first, None
            return first
        return next(self._frames, None)

    def close(self) -> None:
        """Close the file."""
        self._first = None
        self._frames.close()

    def _play(self) -> Generator[SourceFrame]:
        while True:
            started_at = self._index
            yield from self._play_once()
            if not self._loop or self._index == started_at:
                return

    def _play_once(self) -> Generator[SourceFrame]:
        # Files only: a playlist must not make FFmpeg open other things.
        options = {"protocol_whitelist": "file"}
        reformatter = VideoReformatter()
        with av.open(f"file:{self._path}", options=options) as container:
            if not container.streams.video:
                raise MirrorError(f"{self._path} has no video in it")
            stream = container.streams.video[0]
            rate = stream.average_rate or stream.guessed_rate
            self.fps = float(rate) if rate else 30.0
            interval_ns = round(1e9 / self.fps)
            start_ns, last_ns = None, self._offset_ns - interval_ns
            for frame in self._decode(container, stream):
                stamp = frame.time
                t_ns = last_ns + interval_ns if stamp is None else round(stamp * 1e9)
                if stamp is not None:
                    start_ns = t_ns if start_ns is None else start_ns
                    t_ns += self._offset_ns - start_ns
                last_ns = max(t_ns, last_ns + 1)  # broken files have times that fall
                image = reformatter.reformat(frame, format="bgr24").to_ndarray().astype(np.uint8, copy=False)
                yield SourceFrame(_upright(image, frame.rotation), last_ns, self._index)
                self._index += 1
            end_ns = last_ns + interval_ns
            self._report_missing_end(container, stream, (end_ns - self._offset_ns) / 1e9)
            self._offset_ns = end_ns

    def _report_missing_end(
        self, container: av.container.InputContainer, stream: av.video.stream.VideoStream, played_s: float
    ) -> None:
        if stream.duration and stream.time_base:
            promised_s = float(stream.duration * stream.time_base)
        else:
            promised_s = (container.duration or 0) / av.time_base
        if played_s < 0.95 * promised_s - 0.5:
            log.warning("%s ends after %.1f s of its %.1f s", self._path, played_s, promised_s)

    def _decode(
        self, container: av.container.InputContainer, stream: av.video.stream.VideoStream
    ) -> Generator[av.VideoFrame]:
        """What can be decoded; the rest is counted and logged."""
        skipped = damaged = 0
        try:
            for packet in container.demux(stream):
                try:
                    for frame in packet.decode():
                        damaged += frame.is_corrupt
                        yield frame
                except av.error.FFmpegError:
                    skipped += 1
        except av.error.FFmpegError as error:  # the container itself is broken from here on
            log.warning("%s breaks off: %s", self._path, error.strerror)
        if skipped or damaged:
            log.warning("%s: %d frames skipped, %d damaged ones shown", self._path, skipped, damaged)


def _open(config: CaptureConfig) -> Clip:
    path = Path(config.source).expanduser()
    if path.stat().st_size == 0:
        raise MirrorError(f"{config.source} is empty (0 bytes)")
    return Clip(path, config.loop)


CLIP = SourceType("clip", lambda _, path: path.is_file(), _open)


def _upright(image: Picture, rotation: float) -> Picture:
    turn = _UPRIGHT.get(round(rotation / 90) * 90 % 360)
    return image if turn is None else np.asarray(cv2.rotate(image, turn), np.uint8)


def _explain(path: Path, error: av.error.FFmpegError) -> str:
    if isinstance(error, PermissionError):
        return f"{path} cannot be read: no permission"
    return f"{path} is not a video that can be read ({error.strerror})"
