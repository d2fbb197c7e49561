"""The inference process: who is there, how the body stands, how it is lit.

Reads topic ``frame`` and the ring ``frames``; writes topic ``body`` and the ring ``masks``.

Three threads: the main one runs the pose network, which lets the interpreter go meanwhile; the
second (``inference.fit_thread``) fits, makes the occlusion masks, estimates light and publishes the
frame before; the third (``inference.parts.parts_tracker``) runs the parts network some times a second, in
what time the others leave over. In lock-step the second waits for it instead.
"""

from __future__ import annotations

import queue
import time
from collections import deque
from pathlib import Path

import cv2
import numpy as np

from inference.fit_thread import RING, FitThread, ObservedFrame
from inference.pose.tracker import PoseTracker
from inference.resize import working_copy
from mirror import models
from mirror.bus import Newest
from mirror.messages import Frame, SlotRef
from mirror.process import Context
from mirror.ring import Overwritten, RingReader, remove_segments, ring_prefix
from mirror.timer import StageTimer
from mirror.types import Picture

WAIT_MS = 200.0
# A frame older than this share of the source's interval is let go for the next one, if that is due in
# at most so many ms: its latency would be the longest, and the pose network loses little time.
STALE_SHARE, LONGEST_WAIT_MS = 0.8, 6.0


def body(context: Context) -> None:
    """Follow a person until the source ends or the process is told to stop."""
    cv2.setNumThreads(1)  # the other processes need the other cores
    own_model = context.config.inference.pose_model
    model = Path(own_model) if own_model else models.path("pose_landmarker_full.task")
    remove_segments(f"{ring_prefix(context.runtime)}{RING}-")
    faces = models.path("face_detection_full_range_sparse.tflite")
    tracker = PoseTracker(model, faces, context.config.inference.max_people)
    # The first call builds the graph; better now than on a shopper.
    tracker.warm_up()
    lossless = context.config.capture.pace == "all"
    thread = FitThread(context)
    try:
        thread.start()
        while (
            lossless
            and not context.stopping.is_set()
            and not thread.stream.wait_for_readers(1, WAIT_MS / 1e3)
        ):
            context.beat("starting", "waiting for render")
        frames: Newest[Frame] = Newest(context.runtime, "frame", lossless=lossless)
        with frames:
            context.ready()
            _follow(context, frames, tracker, thread, lossless)
    finally:
        thread.inbox.put(None)
        thread.join(timeout=5.0)
        _linger(context, thread)
        tracker.close()
        thread.close()
    if thread.failure is not None:
        raise thread.failure


class SourceInterval:
    """Tells whether a frame is so old that the next one is worth waiting for."""

    def __init__(self) -> None:
        self._last: Frame | None = None
        self._interval_ns = 0.0

    def until_next_ms(self, message: Frame) -> float:
        """Milliseconds in which the frame after ``message`` is due; 0 when it is not due soon."""
        last, self._last = self._last, message
        if last is not None and message.seq > last.seq:
            interval_ns = (message.t_capture_ns - last.t_capture_ns) / (message.seq - last.seq)
            self._interval_ns += 0.2 * (interval_ns - self._interval_ns) if self._interval_ns else interval_ns
        age_ns = time.monotonic_ns() - message.t_capture_ns
        if not STALE_SHARE * self._interval_ns < age_ns < self._interval_ns:
            return 0.0
        return min((self._interval_ns - age_ns) / 1e6 + 1.0, LONGEST_WAIT_MS)


def _follow(
    context: Context, frames: Newest[Frame], tracker: PoseTracker, thread: FitThread, lossless: bool
) -> None:
    reader = RingReader()
    overwritten = 0
    paces: deque[float] = deque(maxlen=60)
    source = SourceInterval()
    while not context.stopping.is_set() and thread.failure is None:
        message = frames.receive(WAIT_MS)
        rate = (len(paces) - 1) / (paces[-1] - paces[0]) if len(paces) > 1 else 0.0
        context.beat(
            "ready",
            fps=round(rate, 1),
            dropped=frames.dropped,
            overwritten=overwritten,
            rejected=frames.rejected,
        )
        if message is None:
            continue
        if not lossless:
            message = frames.receive(source.until_next_ms(message)) or message
        picture, observation = np.zeros((0, 0, 3), np.uint8), None
        timer = StageTimer()
        timer.add("wait", (time.monotonic_ns() - message.t_capture_ns) / 1e6)
        if message.image is not None:
            try:
                picture = _working_copy(reader, message.image)
            except Overwritten:
                overwritten += 1
                continue
            with timer("pose"):
                observation = tracker.observe(picture, message.t_source_ns)
        _hand_over(context, thread, ObservedFrame(message, picture, observation, timer))
        paces.append(time.monotonic())
        if message.last:
            return


def _working_copy(reader: RingReader, image: SlotRef) -> Picture:
    """``working_copy`` of a picture in a ring. Raises ``Overwritten`` if it went meanwhile."""
    picture = working_copy(reader.view(image))
    if not reader.still_valid(image):
        raise Overwritten(f"slot {image.slot} of {image.ring} was reused while it was shrunk")
    return picture


def _hand_over(context: Context, thread: FitThread, frame: ObservedFrame) -> None:
    while thread.failure is None and not context.stopping.is_set():
        try:
            thread.inbox.put(frame, timeout=WAIT_MS / 1e3)
        except queue.Full:
            context.beat()
        else:
            return


def _linger(context: Context, thread: FitThread) -> None:
    """The masks ring must outlive its reader: wait until render has let go of the topic."""
    until = time.monotonic() + 5.0
    while thread.stream.readers and not context.stopping.is_set() and time.monotonic() < until:
        time.sleep(0.02)
        context.beat()
