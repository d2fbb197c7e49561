"""The report of a replay: one JSON object a line, one line a frame shown, in the frames' order."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from mirror.errors import MirrorError
from mirror.messages import Shown

KEYS = (
    "seq",
    "t_capture_ns",
    "t_display_ns",
    "tracked",
    "landmarks",
    "garments",
    "garment_bbox",
    "anchors",
    "light",
    "size",
    "stage_ms",
)
#: Keys that differ between two replays of one clip; the others do not, with ``--pace all``.
TIMES = ("t_capture_ns", "t_display_ns", "stage_ms")


def report_line(shown: Shown) -> dict[str, Any]:
    """One frame's line: pixels of the unmirrored frame, monotonic times in ns, light in camera space."""
    line: dict[str, Any] = {key: getattr(shown, key) for key in KEYS}
    if shown.light is not None:
        line["light"] = {"sh": shown.light.sh, "direction": shown.light.direction}
    return line


class ReportWriter:
    """Writes the report as the frames come. Raises MirrorError if the file cannot be written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seq = -1
        self._encoder = msgspec.json.Encoder()
        try:
            self._file = path.open("wb")
        except OSError as error:
            raise MirrorError(f"report {path} cannot be written: {error.strerror}") from None

    def write(self, shown: Shown) -> None:
        """Append a frame's line. Raises MirrorError if the frame is not later than the one before."""
        if shown.seq <= self._seq:
            raise MirrorError(f"frame {shown.seq} was shown after frame {self._seq}")
        self._seq = shown.seq
        try:
            self._file.write(self._encoder.encode(report_line(shown)) + b"\n")
        except OSError as error:
            raise MirrorError(f"report {self.path} cannot be written: {error.strerror}") from None

    def close(self) -> None:
        """Write what is still held back."""
        try:
            self._file.close()
        except OSError as error:
            raise MirrorError(f"report {self.path} cannot be written: {error.strerror}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
