"""Pictures in shared memory: one writer, any readers, no copies through sockets.

A ring is a file in ``/dev/shm`` with a fixed number of slots. Messages carry a
``SlotRef`` (which segment, which slot, which generation); the reader maps the segment once
and takes the picture from it. Each slot is a sequence lock: its generation is odd while
the writer is in it and even when the picture is whole, so a reader that was overtaken
notices, before or after its copy, and raises ``Overwritten`` rather than showing a torn
picture. A picture stays readable for at least ``slots - 1`` further writes, also when the
resolution changes and the ring moves to a bigger segment.

``multiprocessing.shared_memory`` isn't used: its resource tracker unlinks segments that
another process still needs. Instead the writer holds a ``flock`` on its segment, which the
kernel drops when the process dies, so what a killed writer left is told from what lives.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import mmap
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mirror.errors import MirrorError
from mirror.messages import SlotRef
from mirror.runtime import runtime_id

SHM = Path("/dev/shm")  # noqa: S108 - shared memory, with names that no two writers share
_NAMES = "fitting-mirror-"
MAGIC = 0x474E4952_314D4D46  # "FMM1RING"
_PAGE = mmap.PAGESIZE
_HEADER_WORDS = 8  # the segment's header and each slot's: one cache line, so that none is shared
_segment_count = itertools.count()

Picture = npt.NDArray[np.uint8]


class Overwritten(Exception):  # noqa: N818 - a thing that happens, not a failure
    """The picture is gone: the writer has reused its slot, or removed the segment."""


def ring_prefix(runtime: Path) -> str:
    """The start of every segment name that belongs to this runtime directory."""
    return f"{_NAMES}{runtime_id(runtime)}-"


def remove_segments(prefix: str, dead_only: bool = False) -> list[str]:
    """Unlink the segments whose names start with ``prefix``; returns the names removed.

    With ``dead_only`` those of living writers stay. Readers keep what they have mapped.
    """
    removed = []
    for path in sorted(SHM.glob(f"{prefix}*")):
        try:
            if dead_only and _has_writer(path):
                continue
            path.unlink()
        except FileNotFoundError:
            continue  # its own writer was quicker
        removed.append(path.name)
    return removed


def _has_writer(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


class _Segment:
    """One mapped file: a header page (segment words, then slot words), then the slots."""

    def __init__(self, name: str, descriptor: int, writable: bool) -> None:
        self.name = name
        self.descriptor = descriptor
        access = mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ
        self._map = mmap.mmap(descriptor, 0, access=access)
        self.words: npt.NDArray[np.uint64] = np.frombuffer(self._map, np.uint64, _HEADER_WORDS)
        if len(self._map) < _PAGE or int(self.words[0]) != MAGIC:
            raise Overwritten(f"{name} is not a ring segment")
        self.slots = int(self.words[1])
        self.slot_bytes = int(self.words[2])
        self._data_start = _data_start(self.slots)
        self.generations: npt.NDArray[np.uint64] = np.ndarray(
            (self.slots,), np.uint64, self._map, offset=_HEADER_WORDS * 8, strides=(_HEADER_WORDS * 8,)
        )

    @classmethod
    def create(cls, name: str, slots: int, slot_bytes: int) -> _Segment:
        path = SHM / name
        size = _data_start(slots) + slots * slot_bytes
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # Reserve the memory now: running out later would be a SIGBUS in the middle of a copy.
            os.posix_fallocate(descriptor, 0, size)
            os.pwrite(descriptor, np.array([MAGIC, slots, slot_bytes], np.uint64).tobytes(), 0)
            return cls(name, descriptor, writable=True)
        except OSError as error:
            os.close(descriptor)
            path.unlink()
            if error.errno == errno.ENOSPC:
                raise MirrorError(
                    f"shared memory is full: {SHM} needs {size / 1e6:.0f} MB more; "
                    f"enlarge it (mount -o remount,size=1G {SHM}) or lower capture.ring_slots"
                ) from error
            raise

    @classmethod
    def attach(cls, name: str) -> _Segment:
        descriptor = os.open(SHM / name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return cls(name, descriptor, writable=False)
        finally:
            os.close(descriptor)  # the mapping has its own hold on the file

    def picture(self, slot: int, shape: tuple[int, int, int]) -> Picture:
        return np.ndarray(shape, np.uint8, self._map, offset=self._data_start + slot * self.slot_bytes)

    def unlink(self) -> None:
        (SHM / self.name).unlink(missing_ok=True)
        os.close(self.descriptor)


def _data_start(slots: int) -> int:
    return _round_up((1 + slots) * _HEADER_WORDS * 8)


def _round_up(size: int) -> int:
    return -(-size // _PAGE) * _PAGE


class RingWriter:
    """The one writer of a ring of ``slots`` pictures, called ``prefix + name + ...`` in ``/dev/shm``.

    The first picture makes the segment; a bigger one moves the ring to a bigger segment,
    and the old one is unlinked once its youngest picture has had ``slots`` successors.
    Raises ``MirrorError`` where shared memory runs out. Not thread-safe.
    """

    def __init__(self, name: str, slots: int, prefix: str) -> None:
        if slots < 2:
            raise ValueError("a ring needs at least 2 slots")
        self._base = f"{prefix}{name}-{os.getpid()}"
        self._slots = slots
        self._segment: _Segment | None = None
        self._retired: list[tuple[int, _Segment]] = []  # (write count at which to unlink, segment)
        self._written = 0

    def write(self, picture: Picture) -> SlotRef:
        """Copy ``picture`` (H, W, C) uint8 into the next slot."""
        view, commit = self.reserve(picture.shape)
        np.copyto(view, picture)
        return commit()

    def reserve(self, shape: tuple[int, ...]) -> tuple[Picture, Callable[[], SlotRef]]:
        """The next slot as a writable (H, W, C) array, and the call that publishes it.

        Until ``commit()`` readers treat the slot as overwritten. One reservation at a time.
        """
        height, width, channels = shape
        segment = self._segment_for(height * width * channels)
        slot = self._written % self._slots
        self._written += 1
        generation = 2 * self._written
        segment.generations[slot] = generation - 1
        ref = SlotRef(segment.name, slot, generation, height, width, channels)

        def commit() -> SlotRef:
            segment.generations[slot] = generation
            return ref

        return segment.picture(slot, (height, width, channels)), commit

    def _segment_for(self, size: int) -> _Segment:
        while self._retired and self._retired[0][0] <= self._written:
            self._retired.pop(0)[1].unlink()
        segment = self._segment
        if segment is None or segment.slot_bytes < size:
            if segment is not None:
                self._retired.append((self._written + self._slots - 1, segment))
            name = f"{self._base}-{next(_segment_count)}"
            segment = self._segment = _Segment.create(name, self._slots, _round_up(size))
        return segment

    def close(self) -> None:
        """Unlink everything; readers keep what they have mapped. Closing twice is fine."""
        for _, segment in self._retired:
            segment.unlink()
        self._retired.clear()
        if self._segment is not None:
            self._segment.unlink()
            self._segment = None


class RingReader:
    """Reads pictures of any ring by ``SlotRef``; keeps the segments mapped between calls."""

    def __init__(self) -> None:
        self._segments: dict[str, _Segment] = {}

    def read(self, ref: SlotRef, out: Picture | None = None) -> Picture:
        """A whole copy (H, W, C) of the picture, into ``out`` if it has that shape.

        Raises ``Overwritten`` if it is gone or went while being copied.
        """
        view = self.view(ref)
        if out is None or out.shape != view.shape:
            out = np.empty_like(view)
        np.copyto(out, view)
        if not self.still_valid(ref):
            raise Overwritten(f"slot {ref.slot} of {ref.ring} was reused during the copy")
        return out

    def view(self, ref: SlotRef) -> Picture:
        """The picture in place, read-only (H, W, C); ask ``still_valid`` after using it."""
        segment = self._segments.get(ref.ring) or self._attach(ref.ring)
        size = ref.height * ref.width * ref.channels
        if not (0 <= ref.slot < segment.slots and 0 < size <= segment.slot_bytes):
            raise Overwritten(f"{ref} does not fit its segment")
        if int(segment.generations[ref.slot]) != ref.generation:
            raise Overwritten(f"slot {ref.slot} of {ref.ring} was reused")
        return segment.picture(ref.slot, (ref.height, ref.width, ref.channels))

    def still_valid(self, ref: SlotRef) -> bool:
        """Whether the slot has held this picture, whole, until now."""
        segment = self._segments.get(ref.ring)
        return segment is not None and int(segment.generations[ref.slot]) == ref.generation

    def _attach(self, name: str) -> _Segment:
        if "/" in name or not name.startswith(_NAMES):
            raise Overwritten(f"{name!r} is not a ring's name")
        # A new segment means that a writer restarted or grew: let go of those that are unlinked,
        # but for the newest, whose last pictures may still be on their way.
        for old in list(self._segments)[:-1]:
            if not (SHM / old).exists():
                del self._segments[old]
        try:
            segment = self._segments[name] = _Segment.attach(name)
        except (FileNotFoundError, ValueError) as error:  # ValueError: an empty file, still being made
            raise Overwritten(f"ring {name} is gone") from error
        return segment

    def close(self) -> None:
        """Forget all mappings; views handed out stay usable until they are dropped."""
        self._segments.clear()
