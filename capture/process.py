"""The capture process: frames from a camera or recording into shared memory.

Reads topic ``credit`` (lock-step only); writes topic ``frame`` and the ring ``frames``.
"""

from __future__ import annotations

import time

import cv2

from capture.publisher import RING, SLICE_S, Publisher
from capture.sources.protocol import Feed, ReadAhead, SourceFrame, SourceLostError
from capture.sources.registry import open_feed
from mirror.errors import MirrorError
from mirror.process import Context
from mirror.ring import remove_segments, ring_prefix

_BACK_OFF_S = (0.5, 1.0, 2.0, 5.0)


def body(context: Context) -> None:
    """Publish the source's frames until it ends or the process is told to stop."""
    cv2.setNumThreads(1)  # the other processes need the other cores
    config = context.config.capture
    # This process holds the lock of its name, so these are of one that was killed.
    remove_segments(f"{ring_prefix(context.runtime)}{RING}-")
    source = open_feed(config)
    feed: Feed | None = source
    publisher = Publisher(context)
    try:
        context.log.info(
            "source open", extra={"source": config.source, "size": source.size, "fps": source.fps}
        )
        context.ready()
        if isinstance(source, ReadAhead) and not config.loop:
            publisher.wait_for_readers()  # a recording plays once: nobody may miss its start
        while feed is not None:
            try:
                _play(context, feed, publisher)
                if not context.stopping.is_set():
                    publisher.finish()
                break
            except SourceLostError as lost:
                context.log.warning("%s", lost)
                feed.close()
                feed = _reopen(context, publisher, str(lost))
    finally:
        if feed is not None:
            feed.close()
        publisher.close()


def _reopen(context: Context, publisher: Publisher, reason: str) -> Feed | None:
    """Try until the source is back; None once the process is told to stop."""
    attempt = 0
    while True:
        until = time.monotonic() + _BACK_OFF_S[min(attempt, len(_BACK_OFF_S) - 1)]
        while time.monotonic() < until:
            context.beat("degraded", reason, **publisher.counters)
            if context.stopping.wait(SLICE_S):
                return None
        attempt += 1
        try:
            source = open_feed(context.config.capture)
        except MirrorError as error:
            reason = str(error)
            continue
        context.log.info("the source is back", extra={"attempts": attempt})
        publisher.continue_numbers()
        return source


def _play(context: Context, feed: Feed, publisher: Publisher) -> None:
    """Publish until the source ends or the process is told to stop; raises ``SourceLostError``."""
    pace = _Pace(context, publisher) if context.config.capture.pace == "realtime" else None
    while not context.stopping.is_set():
        context.beat(**publisher.counters)
        try:
            frame = feed.read(SLICE_S)
        except TimeoutError:
            continue
        if frame is None:
            return
        if not isinstance(feed, ReadAhead):
            publisher.publish(frame, frame.t_source_ns)
        elif pace is None or pace.keeps(frame, feed):
            publisher.publish(frame, time.monotonic_ns())


class _Pace:
    """Plays a recording at its own rate."""

    def __init__(self, context: Context, publisher: Publisher) -> None:
        self._context = context
        self._publisher = publisher
        self._start_ns: int | None = None

    def keeps(self, frame: SourceFrame, feed: ReadAhead) -> bool:
        """Wait until the frame is due; False if it is so late that the next one should be shown instead."""
        if self._start_ns is None:
            self._start_ns = time.monotonic_ns() - frame.t_source_ns
        due_ns = self._start_ns + frame.t_source_ns
        while (early_s := (due_ns - time.monotonic_ns()) / 1e9) > 0:
            if self._context.stopping.wait(min(early_s, SLICE_S)):
                return False
            self._context.beat(**self._publisher.counters)
        if -early_s < 1.0 / feed.fps:
            return True
        if feed.waiting:
            return False
        # Decoding is what is slow. Dropping would never catch up: let the clip run slower instead.
        self._start_ns = time.monotonic_ns() - frame.t_source_ns
        return True
