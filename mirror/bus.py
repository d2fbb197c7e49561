"""Sockets named by what they guarantee, one topic each, over ``ipc://RUNTIME/TOPIC.sock``.

``Streamer`` -> ``Newest``: one writer, any readers, each of which sees the newest message
(or, ``lossless``, every message: lock-step replay). ``Dispatcher`` -> ``Collector``: any
writers, one reader, every message; a writer never blocks, it drops and counts.

Messages are single-part MessagePack; whatever does not decode to the topic's type and schema
version is rejected and counted. No socket blocks longer than the time it is given, and each
end may come, die and come back without the other being restarted.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, cast

import msgspec
import zmq

from mirror.errors import MirrorError
from mirror.messages import SCHEMA_VERSION, Message
from mirror.runtime import FileLock
from mirror.topics import TOPICS, Guarantee, Topic

LINGER_MS = 1000  # how long closing waits for messages still on their way
M = TypeVar("M", bound=Message)


class StaleError(MirrorError):
    """There is no message as young as asked for."""


def endpoint(runtime: Path, topic: str) -> str:
    """The address of a topic's socket."""
    return f"ipc://{runtime}/{topic}.sock"


class _Port:
    """One socket in a ZeroMQ context of its own, so that closing it is complete on return."""

    def __init__(self, runtime: Path, topic: str, guarantee: Guarantee, kind: int) -> None:
        self.topic: Topic = TOPICS[topic]
        if self.topic.guarantee is not guarantee:
            raise ValueError(f"topic {topic!r} promises {self.topic.guarantee.value}")
        self._runtime = runtime
        self._lock: FileLock | None = None
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.socket: zmq.Socket[bytes] = self._context.socket(kind)
        self.socket.linger = LINGER_MS

    def _bind(self) -> None:
        # libzmq lets a second ipc bind silently take the address over: hence the lock.
        busy = f"topic {self.topic.name!r} is already served by another process in {self._runtime}"
        try:
            self._lock = FileLock(self._runtime / f"{self.topic.name}.lock", busy)
            self.socket.bind(endpoint(self._runtime, self.topic.name))
        except (OSError, zmq.ZMQError) as error:
            self.close()
            raise MirrorError(
                f"topic {self.topic.name!r} cannot be served in {self._runtime}: {error}"
            ) from None
        except MirrorError:
            self.close()
            raise

    def _connect(self) -> None:
        self.socket.reconnect_ivl = 50
        self.socket.reconnect_ivl_max = 500
        self.socket.connect(endpoint(self._runtime, self.topic.name))

    def close(self) -> None:
        """Flush what can be flushed within a second, close the socket, let the topic go."""
        self.socket.close()
        self._context.term()
        if self._lock is not None:
            (self._runtime / f"{self.topic.name}.sock").unlink(missing_ok=True)
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Reader(_Port, Generic[M]):
    """What both readers share: receiving, decoding, rejecting.

    ``rejected`` counts messages that were malformed, of an unknown type or another version;
    ``dropped`` counts gaps in the sequence numbers.
    """

    def __init__(self, runtime: Path, topic: str, guarantee: Guarantee, kind: int) -> None:
        super().__init__(runtime, topic, guarantee, kind)
        self._decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(self.topic.schema)
        self.rejected = 0
        self.dropped = 0
        self._seq: int | None = None

    def receive(self, timeout_ms: float = 0.0) -> M | None:
        """The next message, or None if none arrives within ``timeout_ms``."""
        until = time.monotonic() + timeout_ms / 1000.0
        while True:
            try:
                payload = self.socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                wait_ms = math.ceil((until - time.monotonic()) * 1000.0)
                if wait_ms <= 0 or not self.socket.poll(wait_ms):
                    return None
                continue
            try:
                message = cast("M", self._decoder.decode(payload))
            except (msgspec.DecodeError, UnicodeDecodeError):  # ValidationError is a DecodeError
                self.rejected += 1
                continue
            if message.version != SCHEMA_VERSION:
                self.rejected += 1
                continue
            return message


class Newest(_Reader[M]):
    """Reader of a NEWEST topic: ``Newest[Frame](runtime, "frame")``.

    ``lossless`` keeps every message instead (lock-step replay, where credits bound them).
    """

    def __init__(self, runtime: Path, topic: str, lossless: bool = False) -> None:
        super().__init__(runtime, topic, Guarantee.NEWEST, zmq.SUB)
        if lossless:
            self.socket.rcvhwm = 0
        else:
            # Must precede connect; one subscription only, single-part messages only.
            self.socket.conflate = True
        self.socket.subscribe(b"")
        self._latest: M | None = None
        self._connect()

    def receive(self, timeout_ms: float = 0.0) -> M | None:
        """The newest unread message (lossless: the next), or None after ``timeout_ms``."""
        message = super().receive(timeout_ms)
        if message is not None:
            if self._seq is not None and message.seq > self._seq + 1:
                self.dropped += message.seq - self._seq - 1
            self._seq = message.seq
            self._latest = message
        return message

    def read_latest(self, max_age_ms: float) -> M:
        """The newest message, read before or not; does not wait.

        Raises StaleError if there is none or it was sent more than ``max_age_ms`` ago.
        """
        while self.receive(0) is not None:
            continue
        if self._latest is None:
            raise StaleError(f"no {self.topic.name} message yet")
        age_ms = (time.monotonic_ns() - self._latest.t_ns) / 1e6
        if age_ms > max_age_ms:
            raise StaleError(f"the newest {self.topic.name} message is {age_ms:.0f} ms old")
        return self._latest


class Collector(_Reader[M]):
    """Reader, and owner, of an EVERY topic."""

    def __init__(self, runtime: Path, topic: str) -> None:
        super().__init__(runtime, topic, Guarantee.EVERY, zmq.PULL)
        self.socket.rcvhwm = 0
        self._bind()


class _Writer(_Port):
    def __init__(self, runtime: Path, topic: str, guarantee: Guarantee, kind: int) -> None:
        super().__init__(runtime, topic, guarantee, kind)
        self._encoder = msgspec.msgpack.Encoder()

    def _encode(self, message: Message) -> bytes:
        if not isinstance(message, self.topic.schema):
            raise TypeError(f"{type(message).__name__} does not belong on topic {self.topic.name!r}")
        return self._encoder.encode(message)


class Streamer(_Writer):
    """Writer, and owner, of a NEWEST topic. Sending never blocks."""

    def __init__(self, runtime: Path, topic: str) -> None:
        super().__init__(runtime, topic, Guarantee.NEWEST, zmq.XPUB)
        self.socket.setsockopt(zmq.XPUB_VERBOSER, 1)  # tell of every reader that comes or goes
        self.socket.sndhwm = 1000
        self._readers = 0
        self._bind()

    def send(self, message: Message) -> None:
        """Hand the message to every reader now connected."""
        self._count_readers()  # else a never-read subscription queue would build up
        self.socket.send(self._encode(message))

    def wait_for_readers(self, count: int, timeout_s: float) -> bool:
        """Whether at least ``count`` readers are subscribed within ``timeout_s``.

        After a writer's restart a reader subscribes again when it next receives.
        """
        until = time.monotonic() + timeout_s
        self._count_readers()
        while self._readers < count:
            wait_ms = math.ceil((until - time.monotonic()) * 1000.0)
            if wait_ms <= 0:
                return False
            self.socket.poll(wait_ms, zmq.POLLIN)
            self._count_readers()
        return True

    @property
    def readers(self) -> int:
        """Readers subscribed now."""
        self._count_readers()
        return self._readers

    def _count_readers(self) -> None:
        while int(self.socket.events) & zmq.POLLIN:
            self._readers += 1 if self.socket.recv()[:1] == b"\x01" else -1


class Dispatcher(_Writer):
    """Writer of an EVERY topic. Never blocks: with ``depth`` messages unsent it drops, and counts.

    Without a reader it keeps the first ``depth`` messages for one that may yet come.
    """

    def __init__(self, runtime: Path, topic: str, depth: int = 1000) -> None:
        super().__init__(runtime, topic, Guarantee.EVERY, zmq.PUSH)
        self.socket.sndhwm = depth
        self.dropped = 0
        self._connect()

    def send(self, message: Message) -> bool:
        """Send, or drop and count; whether it was sent."""
        try:
            self.socket.send(self._encode(message), zmq.NOBLOCK)
        except zmq.Again:
            self.dropped += 1
            return False
        return True


def wait_any(readers: list[_Reader[Any]], timeout_ms: float) -> bool:
    """Sleep until one of the readers has something to receive; False after ``timeout_ms``."""
    poller = zmq.Poller()
    for reader in readers:
        poller.register(reader.socket, zmq.POLLIN)
    return bool(poller.poll(math.ceil(timeout_ms)))
