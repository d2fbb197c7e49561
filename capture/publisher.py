"""Frames out of the process: pixels into the ring, facts on topic ``frame``."""

from __future__ import annotations

import time
from typing import TypedDict

from capture.sources.protocol import SourceFrame
from mirror.bus import Collector, Streamer
from mirror.messages import Credit, Frame, SlotRef
from mirror.process import Context
from mirror.ring import RingWriter, ring_prefix

RING = "frames"
READERS = 2  # inference and render
IN_FLIGHT = 3  # frames between capture and render in lock-step: enough to keep all three busy
SLICE_S = 0.2  # longest wait without a heartbeat


class Counters(TypedDict):
    """What the heartbeat counts: frames sent, and frames the source gave that were not."""

    published: float
    dropped: float


class Publisher:
    """The writer of topic ``frame`` and its ring.

    In lock-step (``pace`` all) at most ``IN_FLIGHT`` frames are out without their credit.
    """

    def __init__(self, context: Context) -> None:
        config = context.config.capture
        self._context = context
        self._ring = RingWriter(RING, config.ring_slots, ring_prefix(context.runtime))
        self._stream = Streamer(context.runtime, "frame")
        self._credits: Collector[Credit] | None = None
        if config.pace == "all":
            self._credits = Collector(context.runtime, "credit")
        self._window = min(IN_FLIGHT, config.ring_slots - 1)
        self._in_flight: list[int] = []
        self._base = 0  # number of the source's first frame
        self._next = 0  # number of the next frame
        self._published = 0
        self._t_source_ns = 0

    def close(self) -> None:
        """Close the sockets and remove the ring."""
        self._stream.close()
        if self._credits is not None:
            self._credits.close()
        self._ring.close()

    @property
    def counters(self) -> Counters:
        """For the heartbeat."""
        return Counters(published=self._published, dropped=self._next - self._published)

    def wait_for_readers(self) -> None:
        """Until inference and render listen, or the process is told to stop."""
        while not self._context.stopping.is_set() and not self._stream.wait_for_readers(READERS, SLICE_S):
            self._context.beat(detail="waiting for readers")

    def continue_numbers(self) -> None:
        """The source was opened again: its frame 0 has the next free number."""
        self._base = self._next

    def publish(self, frame: SourceFrame, t_capture_ns: int) -> None:
        """Send a frame; in lock-step, wait before that until few enough are in flight."""
        self._wait_for_credits(at_most=self._window - 1)
        if self._context.stopping.is_set():
            return
        image = self._ring.write(frame.image)
        self._next = self._base + frame.index
        self._t_source_ns = frame.t_source_ns
        self._send(image, t_capture_ns)
        self._published += 1

    def finish(self) -> None:
        """Say that the source is over; in lock-step, stay until the readers are done with its frames."""
        self._send(None, time.monotonic_ns())
        self._wait_for_credits(at_most=0)

    def _send(self, image: SlotRef | None, t_capture_ns: int) -> None:
        self._stream.send(
            Frame(
                seq=self._next,
                t_ns=time.monotonic_ns(),
                valid=image is not None,
                t_capture_ns=t_capture_ns,
                t_source_ns=self._t_source_ns,
                image=image,
                last=image is None,
                dropped=self._next - self._published,
            )
        )
        self._in_flight.append(self._next)
        self._next += 1

    def _wait_for_credits(self, at_most: int) -> None:
        if self._credits is None:
            self._in_flight.clear()
            return
        while len(self._in_flight) > at_most and not self._context.stopping.is_set():
            credit = self._credits.receive(SLICE_S * 1e3)
            if credit is not None:
                self._in_flight = [seq for seq in self._in_flight if seq > credit.seq]
            elif self._stream.readers < READERS:
                # Their frames are lost with them. Whoever runs the replay decides; at the end there is
                # nothing left to wait for.
                if at_most == 0 and self._stream.readers == 0:
                    return
                self._context.beat("degraded", "a reader of the frames is gone", **self.counters)
                continue
            self._context.beat(**self.counters)
