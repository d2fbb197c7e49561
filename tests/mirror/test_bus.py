"""Sockets: what each guarantee promises, and what happens when an end misbehaves or goes away."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
import zmq

from mirror.bus import Collector, Dispatcher, Newest, StaleError, Streamer, endpoint, wait_any
from mirror.errors import MirrorError
from mirror.messages import SCHEMA_VERSION, Credit, Frame, Heartbeat, Shown
from tests.mirror.fakes import until

WAIT_MS = 20_000  # long after any machine should have delivered


def frame(seq: int, version: int = SCHEMA_VERSION, t_ns: int | None = None) -> Frame:
    t_ns = time.monotonic_ns() if t_ns is None else t_ns
    return Frame(seq=seq, t_ns=t_ns, version=version, t_capture_ns=0, t_source_ns=0, image=None)


def beat(seq: int) -> Heartbeat:
    return Heartbeat(seq=seq, t_ns=0, process="capture", pid=1, state="ready")


def drain(reader: Newest[Frame] | Collector[Heartbeat], count: int) -> list[int]:
    """The numbers of the next ``count`` messages."""
    seen: list[int] = []
    for _ in range(count):
        message = reader.receive(WAIT_MS)
        assert message is not None, f"only {seen} came"
        seen.append(message.seq)
    return seen


def test_slow_reader_gets_the_newest_only(runtime_dir: Path) -> None:
    """A slow renderer would show ever older frames."""
    with Newest[Frame](runtime_dir, "frame") as newest, Streamer(runtime_dir, "frame") as writer:
        assert writer.wait_for_readers(1, WAIT_MS / 1000)
        writer.send(frame(0))
        assert drain(newest, 1) == [0]
        for seq in range(1, 100):
            writer.send(frame(seq))
        until(lambda: newest.read_latest(WAIT_MS).seq == 99)
        assert newest.receive() is None
        assert newest.dropped > 0


def test_lossless_reader_gets_everything_in_order(runtime_dir: Path) -> None:
    """A replay would skip frames and differ from run to run."""
    with (
        Newest[Frame](runtime_dir, "frame", lossless=True) as reader,
        Streamer(runtime_dir, "frame") as writer,
    ):
        assert writer.wait_for_readers(1, WAIT_MS / 1000)
        for seq in range(500):
            writer.send(frame(seq))
        assert drain(reader, 500) == list(range(500))
        assert reader.dropped == 0


def test_gaps_in_the_numbers_are_counted(runtime_dir: Path) -> None:
    """Dropped frames would go unseen in the status."""
    with (
        Newest[Frame](runtime_dir, "frame", lossless=True) as reader,
        Streamer(runtime_dir, "frame") as writer,
    ):
        assert writer.wait_for_readers(1, WAIT_MS / 1000)
        for seq in (0, 1, 5, 6, 0, 1):  # the writer starts again at 0: no gap
            writer.send(frame(seq))
        drain(reader, 6)
        assert reader.dropped == 3


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xc1 not msgpack",
        msgspec.msgpack.encode(beat(0)),  # another topic's type
        msgspec.msgpack.encode({"type": "frame", "seq": "one"}),
        msgspec.msgpack.encode({"type": "frame", "seq": 1}),
        msgspec.msgpack.encode({"type": "\ud800"[:0] + "unknown", "seq": 1, "t_ns": 1}),
        msgspec.msgpack.encode(frame(0, version=SCHEMA_VERSION + 1)),
        b"\x84\xa4type\xa5\xff\xff\xff\xff\xff",  # bad UTF-8
    ],
)
def test_bad_messages_are_rejected_and_counted(runtime_dir: Path, payload: bytes) -> None:
    """A stray or older program on the socket would crash the mirror or show nonsense."""
    context: zmq.Context[zmq.Socket[bytes]]
    with zmq.Context() as context, context.socket(zmq.XPUB) as stranger:
        stranger.linger = 0
        stranger.bind(endpoint(runtime_dir, "frame"))
        with Newest[Frame](runtime_dir, "frame", lossless=True) as reader:
            assert stranger.poll(WAIT_MS)
            stranger.send(payload)
            stranger.send(msgspec.msgpack.encode(frame(7)))
            assert drain(reader, 1) == [7]
            assert reader.rejected == 1


def test_message_of_another_topic_cannot_be_sent(runtime_dir: Path) -> None:
    """A mix-up in a process would only be seen by its readers."""
    with Streamer(runtime_dir, "frame") as writer, pytest.raises(TypeError, match="Credit"):
        writer.send(Credit(seq=0, t_ns=0))


def test_wrong_guarantee_is_refused(runtime_dir: Path) -> None:
    """A reader would wait for ever on a socket of another kind."""
    with pytest.raises(ValueError, match="every"):
        Newest[Heartbeat](runtime_dir, "heartbeat")


def test_second_writer_is_refused_and_the_first_keeps_its_readers(runtime_dir: Path) -> None:
    """A second writer would take the address over silently: readers would follow a stranger."""
    with Newest[Frame](runtime_dir, "frame") as reader, Streamer(runtime_dir, "frame") as writer:
        assert writer.wait_for_readers(1, WAIT_MS / 1000)
        with pytest.raises(MirrorError, match="topic 'frame' is already served by another process"):
            Streamer(runtime_dir, "frame")
        writer.send(frame(3))
        assert drain(reader, 1) == [3]


def test_second_collector_is_refused(runtime_dir: Path) -> None:
    """Half of the heartbeats would go to somebody else."""
    with Collector[Heartbeat](runtime_dir, "heartbeat"), pytest.raises(MirrorError, match="already served"):
        Collector[Heartbeat](runtime_dir, "heartbeat")


def test_readers_follow_a_writer_that_comes_back(runtime_dir: Path) -> None:
    """After a crash of capture, inference and render would have to be restarted too."""
    with Newest[Frame](runtime_dir, "frame") as reader:
        script = (
            "import os, sys, time; from pathlib import Path; from mirror.bus import Streamer\n"
            "from tests.mirror.test_bus import frame\n"
            "writer = Streamer(Path(sys.argv[1]), 'frame')\n"
            "while True: writer.send(frame(int(sys.argv[2]))); time.sleep(0.02)\n"
        )
        for seq in (10, 20):
            command = [sys.executable, "-c", script, str(runtime_dir), str(seq)]
            writer = subprocess.Popen(command, env={"PYTHONPATH": ":".join(sys.path)})
            try:
                until(lambda seq=seq: (got := reader.receive(100)) is not None and got.seq == seq)  # type: ignore[misc]
            finally:
                writer.kill()  # no goodbye
                writer.wait()


def test_every_message_of_many_writers_arrives(runtime_dir: Path) -> None:
    """Lines of the report would be missing."""
    with (
        Dispatcher(runtime_dir, "heartbeat") as early,
        Collector[Heartbeat](runtime_dir, "heartbeat") as collector,
    ):
        with Dispatcher(runtime_dir, "heartbeat") as other:
            for seq in range(300):
                early.send(beat(seq))
                other.send(beat(1000 + seq))
        seen = drain(collector, 600)
        assert [seq for seq in seen if seq < 1000] == list(range(300))
        assert [seq for seq in seen if seq >= 1000] == list(range(1000, 1300))


def test_sending_without_a_reader_drops_and_never_blocks(runtime_dir: Path) -> None:
    """Under systemd nobody collects heartbeats: the processes would freeze."""
    with Dispatcher(runtime_dir, "heartbeat", depth=8) as writer:
        sent = [writer.send(beat(seq)) for seq in range(50)]
        writer.socket.linger = 0
    assert sum(sent) == 8
    assert writer.dropped == 42


def test_stale_message_is_told_from_a_fresh_one(runtime_dir: Path) -> None:
    """The mirror would dress people with a fit from before."""
    with Newest[Frame](runtime_dir, "frame") as reader, Streamer(runtime_dir, "frame") as writer:
        with pytest.raises(StaleError, match="no frame message yet"):
            reader.read_latest(1000.0)
        assert writer.wait_for_readers(1, WAIT_MS / 1000)
        writer.send(frame(0, t_ns=time.monotonic_ns() - 5_000_000_000))
        until(lambda: reader.socket.poll(100) != 0)
        with pytest.raises(StaleError, match=r"5\d\d\d ms old"):
            reader.read_latest(1000.0)
        assert reader.read_latest(600_000.0).seq == 0


def test_readers_are_counted_as_they_come_and_go(runtime_dir: Path) -> None:
    """A replay would start before everybody listens, or wait for readers that have gone."""
    with Streamer(runtime_dir, "frame") as writer:
        assert not writer.wait_for_readers(1, 0.05)
        with Newest[Frame](runtime_dir, "frame"), Newest[Frame](runtime_dir, "frame"):
            assert writer.wait_for_readers(2, WAIT_MS / 1000)
            assert not writer.wait_for_readers(3, 0.05)
        until(lambda: writer.readers == 0)


def test_waiting_wakes_for_any_reader(runtime_dir: Path) -> None:
    """The supervisor would notice a heartbeat only when a frame comes."""
    with (
        Collector[Heartbeat](runtime_dir, "heartbeat") as heartbeats,
        Collector[Shown](runtime_dir, "shown") as shown,
    ):
        assert not wait_any([heartbeats, shown], 20)
        with Dispatcher(runtime_dir, "heartbeat") as writer:
            writer.send(beat(1))
            assert wait_any([heartbeats, shown], WAIT_MS)
        assert drain(heartbeats, 1) == [1]


def test_closing_removes_socket_and_lock(runtime_dir: Path) -> None:
    """Files would pile up in the runtime directory."""
    with Streamer(runtime_dir, "frame"), Collector[Credit](runtime_dir, "credit"):
        assert len(list(runtime_dir.iterdir())) == 4
    assert list(runtime_dir.iterdir()) == []
