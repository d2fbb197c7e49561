"""The ring: pictures come back whole or not at all, and nothing stays behind in /dev/shm."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from mirror import ring
from mirror.errors import MirrorError
from mirror.ring import Overwritten, RingReader, RingWriter, remove_segments, ring_prefix


@pytest.fixture
def prefix(tmp_path: Path) -> Iterator[str]:
    name = ring_prefix(tmp_path)
    yield name
    remove_segments(name)


def segments(prefix: str) -> list[str]:
    return sorted(path.name for path in ring.SHM.glob(f"{prefix}*"))


def picture(value: int, height: int = 6, width: int = 5, channels: int = 3) -> ring.Picture:
    return np.full((height, width, channels), value, np.uint8)


def test_picture_comes_back_as_written(prefix: str) -> None:
    """Otherwise the mirror shows someone else's pixels."""
    noise = np.random.default_rng(1).integers(0, 256, (7, 11, 3), np.uint8)
    writer, reader = RingWriter("frames", 3, prefix), RingReader()
    ref = writer.write(noise)
    assert (ref.height, ref.width, ref.channels) == (7, 11, 3)
    np.testing.assert_array_equal(reader.read(ref), noise)
    out = np.zeros_like(noise)
    assert reader.read(ref, out) is out
    np.testing.assert_array_equal(out, noise)
    assert not reader.view(ref).flags.writeable
    writer.close()


def test_overwritten_slot_is_noticed(prefix: str) -> None:
    """A slow reader would otherwise put the garment of one frame on the picture of another."""
    writer, reader = RingWriter("frames", 3, prefix), RingReader()
    refs = [writer.write(picture(value)) for value in range(4)]
    with pytest.raises(Overwritten):
        reader.read(refs[0])
    assert not reader.still_valid(refs[0])
    for value in (1, 2, 3):
        assert reader.read(refs[value])[0, 0, 0] == value
        assert reader.still_valid(refs[value])
    writer.close()


def test_slot_being_written_is_noticed(prefix: str) -> None:
    """A reader must not take a half-drawn picture, neither the old slot's nor the new one's."""
    writer, reader = RingWriter("frames", 2, prefix), RingReader()
    first, _ = writer.write(picture(1)), writer.write(picture(2))
    view, commit = writer.reserve((6, 5, 3))
    assert not reader.still_valid(first)
    with pytest.raises(Overwritten):
        reader.view(first)
    view[:] = 3
    assert reader.read(commit())[5, 4, 2] == 3
    writer.close()


def test_overtaken_while_reading_is_noticed(prefix: str) -> None:
    """The zero-copy view is only worth having if its reader learns that it changed underneath."""
    writer, reader = RingWriter("frames", 2, prefix), RingReader()
    ref = writer.write(picture(1))
    view = reader.view(ref)
    assert reader.still_valid(ref)
    writer.write(picture(2))
    writer.write(picture(3))
    assert view[0, 0, 0] == 3
    assert not reader.still_valid(ref)
    writer.close()


def test_growing_resolution_keeps_pictures_in_flight(prefix: str) -> None:
    """A clip or camera that changes size in mid-stream loses no frame that is still on its way."""
    writer, reader = RingWriter("frames", 3, prefix), RingReader()
    small = writer.write(picture(1))
    big = writer.write(picture(2, 300, 200))
    smaller = writer.write(picture(3, 4, 4, 2))
    assert small.ring != big.ring == smaller.ring
    for ref, value in ((small, 1), (big, 2), (smaller, 3)):
        assert reader.read(ref).shape == (ref.height, ref.width, ref.channels)
        assert int(reader.read(ref).max()) == value
    writer.write(picture(4, 300, 200))
    assert segments(prefix) == [big.ring], "the outgrown segment must go once its pictures are old"
    with pytest.raises(Overwritten):
        RingReader().read(small)
    writer.close()


def test_reader_lets_go_of_removed_segments(prefix: str) -> None:
    """A capture that restarts every minute must not fill the memory of the render process."""
    reader = RingReader()
    for value in range(5):
        writer = RingWriter("frames", 2, prefix)
        assert reader.read(writer.write(picture(value)))[0, 0, 0] == value
        writer.close()
    assert len(reader._segments) <= 2


def test_nothing_is_left_behind(prefix: str) -> None:
    """Shared memory that outlives the mirror is memory lost until the machine restarts."""
    writer = RingWriter("frames", 4, prefix)
    writer.write(picture(1))
    writer.write(picture(1, 100, 100))
    assert len(segments(prefix)) == 2
    writer.close()
    writer.close()
    assert segments(prefix) == []


@pytest.mark.parametrize(
    "change",
    [
        {"ring": "gone"},
        {"ring": "fitting-mirror-../../etc/passwd"},
        {"slot": 9},
        {"slot": -1},
        {"height": 10**6},
    ],
)
def test_wrong_reference_is_refused(prefix: str, change: dict[str, str | int]) -> None:
    """A damaged message must not crash a reader or make it read outside the ring."""
    writer = RingWriter("frames", 3, prefix)
    good = writer.write(picture(1))
    wrong = msgspec.structs.replace(good, **change)
    with pytest.raises(Overwritten):
        RingReader().read(wrong)
    writer.close()


def test_segments_of_a_killed_writer_are_told_from_living_ones(prefix: str) -> None:
    """After SIGKILL the next capture frees the memory without pulling it from under a living ring."""
    code = (
        "import sys, time, numpy as np; from mirror.ring import RingWriter\n"
        f"w = RingWriter('frames', 2, {prefix!r}); w.write(np.zeros((4, 4, 3), np.uint8))\n"
        "print('ready', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        writer = RingWriter("masks", 2, prefix)
        mine = writer.write(picture(1)).ring
        assert remove_segments(prefix, dead_only=True) == []
        child.send_signal(signal.SIGKILL)
        child.wait()
    (removed,) = remove_segments(prefix, dead_only=True)
    assert f"frames-{child.pid}-" in removed
    assert segments(prefix) == [mine]
    writer.close()


def test_prefix_differs_by_runtime_directory(tmp_path: Path) -> None:
    """Two mirrors on one machine must not remove each other's pictures."""
    assert ring_prefix(tmp_path / "a") != ring_prefix(tmp_path / "b")
    assert ring_prefix(tmp_path / "a") == ring_prefix(tmp_path / "a")


def test_full_shared_memory_is_explained(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without this the process dies by SIGBUS with no word about the cause."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(MirrorError, match="shared memory is full"):
        RingWriter("frames", 2, prefix).write(picture(1))
    assert segments(prefix) == []


def test_torn_pictures_never_get_through(prefix: str) -> None:
    """Writer and reader at full speed: every picture that read() returns is of one piece."""
    writer, reader = RingWriter("frames", 2, prefix), RingReader()
    newest = [writer.write(picture(0, 200, 200))]
    stop = threading.Event()

    def write() -> None:
        value = 0
        while not stop.is_set():
            value = (value + 1) % 256
            newest[0] = writer.write(picture(value, 200, 200))

    thread = threading.Thread(target=write)
    thread.start()
    whole = 0
    try:
        while whole < 300:
            try:
                copy = reader.read(newest[0])
            except Overwritten:
                continue
            assert copy.min() == copy.max()
            whole += 1
    finally:
        stop.set()
        thread.join()
        writer.close()
