"""The render process: the composed picture, on the display, in the file, in the report.

Reads topics ``body`` and ``frame`` with the rings ``frames`` and ``masks``, ``outfit_request``, and
``woven`` with the ring ``fabrics``; writes topics ``shown``, ``worn``, ``weave`` and, in lock-step,
``credit``. Beside them the video and the masks that the configuration names. Other clothes while it
runs: ``render.changes``.

Frame N is shown with the body of frame N. Where no body comes although frames do (inference
starts, hangs or died), the plain mirror picture is shown instead; never in lock-step, where
every frame gets its body.
"""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path

import cv2
import numpy as np

from inference.body.model import BodyModel
from mirror.bus import Dispatcher, Newest, wait_any
from mirror.errors import MirrorError
from mirror.messages import Body, Credit, Frame, Shown, SlotRef
from mirror.process import Context
from mirror.ring import Overwritten, RingReader
from mirror.types import Picture
from render.changes import Changes
from render.compose.frame_composer import ComposedFrame, FrameComposer
from render.output.display import open_display
from render.output.recorder import Recorder

__all__ = ["MaskWriter", "Mirror", "body"]

_WAIT_MS = 100.0  # longest sleep without looking after window and heartbeat


class MaskWriter:
    """Writes where garments are shown, one PNG a frame: 255 there, else 0. MirrorError if it cannot."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MirrorError(f"masks folder {folder} cannot be made: {error.strerror}") from None

    def write(self, seq: int, composed: ComposedFrame, height: int, width: int) -> None:
        """Write the mask of frame ``seq`` of this size."""
        path = self._folder / f"{seq:06d}.png"
        blend = composed.blend
        mask = np.zeros((height, width), np.uint8) if blend is None else blend.mask(height, width)
        try:
            written = cv2.imwrite(str(path), mask, [cv2.IMWRITE_PNG_COMPRESSION, 1])
        except cv2.error as error:
            raise MirrorError(f"mask {path} cannot be written: {error.err}") from None
        if not written:
            raise MirrorError(f"mask {path} cannot be written; is the disk full?")


class Mirror:
    """Shows frames and reports them; everything between the messages and the eye."""

    def __init__(self, context: Context) -> None:
        config = context.config
        self._config = config.render
        self._size = config.wardrobe.size
        self._context = context
        self._ring = RingReader()
        self._composer = FrameComposer(BodyModel.load(), config.render.hide_worn)
        self._changes = Changes(context, self._composer)
        self._mask_writer = MaskWriter(config.render.masks) if config.render.masks else None
        self._recorder = (
            Recorder(Path(config.render.out), wait=config.capture.pace == "all")
            if config.render.out
            else None
        )
        self._display = open_display(config.render)
        self._shown = Dispatcher(context.runtime, "shown")
        self._credit = Dispatcher(context.runtime, "credit") if config.capture.pace == "all" else None
        self._picture: Picture = np.empty((0, 0, 3), np.uint8)
        self._mirrored: Picture = np.empty((0, 0, 3), np.uint8)
        self._newest_ns = 0  # capture time of the newest frame shown
        self._times: deque[int] = deque(maxlen=60)
        self._latency_ms = 0.0
        self.quit = False
        self.counts = {"shown": 0, "dropped": 0, "overwritten": 0}
        context.log.info("renderer", extra={"device": self._composer.device})

    # One frame ------------------------------------------------------------------------------------

    def show(self, message: Body | Frame) -> None:
        """Show one frame, composed if its body is tracked, and report it; or drop it if it is gone."""
        if message.image is None:
            self._report(message, ComposedFrame(), {}, time.monotonic_ns())
            return
        if message.t_capture_ns <= self._newest_ns:  # a plain picture has overtaken this body
            self.counts["dropped"] += 1
            return
        stage_ms = dict(message.stage_ms) if isinstance(message, Body) else {}
        self._changes.advance(message.t_source_ns)
        try:
            composed = self._compose(message, message.image, stage_ms)
        except Overwritten:
            self.counts["overwritten"] += 1
            if message.last:
                self._report(message, ComposedFrame(), stage_ms, time.monotonic_ns())
            else:
                self._credit_frame(message)
            return
        start = time.perf_counter()
        out = self._picture
        if self._config.mirror:
            if self._mirrored.shape != out.shape:
                self._mirrored = np.empty_like(out)
            out = self._mirrored
            cv2.flip(self._picture, 1, dst=out)
        self._display.show(out)
        t_display_ns = time.monotonic_ns()
        displayed = time.perf_counter()
        stage_ms["display"] = 1e3 * (displayed - start)
        if self._recorder is not None:
            self._recorder.write(out, message.t_source_ns)
            stage_ms["record"] = 1e3 * (time.perf_counter() - displayed)
        self._composer.learn()
        self._newest_ns = message.t_capture_ns
        self._count(message, t_display_ns)
        self._report(message, composed, stage_ms, t_display_ns)

    def _compose(self, message: Body | Frame, image: SlotRef, stage_ms: dict[str, float]) -> ComposedFrame:
        """Fill ``self._picture`` with the frame and what is worn. Raises Overwritten."""
        start = time.perf_counter()
        body = message if isinstance(message, Body) and message.tracked and message.bone_transforms else None
        if body is not None:
            self._composer.begin(body, image.height, image.width)
        submitted = time.perf_counter()
        self._picture = self._ring.read(image, out=self._picture)
        copied = time.perf_counter()
        stage_ms["submit"] = 1e3 * (submitted - start)
        stage_ms["copy"] = 1e3 * (copied - submitted)
        if body is None:
            self._composer.watch(self._picture, message.t_source_ns)
            stage_ms["background"] = 1e3 * (time.perf_counter() - copied)
            return ComposedFrame()
        masks = None if body.masks is None else self._ring.view(body.masks)
        composed = self._composer.finish(self._picture, masks, stage_ms)
        if body.masks is not None and not self._ring.still_valid(body.masks):
            raise Overwritten(f"the masks of frame {message.seq} were reused while blending")
        return composed

    def _report(
        self, message: Body | Frame, composed: ComposedFrame, stage_ms: dict[str, float], t_display_ns: int
    ) -> None:
        body = message if isinstance(message, Body) else None
        if self._mask_writer is not None and message.image is not None:
            self._mask_writer.write(message.seq, composed, message.image.height, message.image.width)
        blend = composed.blend
        self._shown.send(
            Shown(
                seq=message.seq,
                t_ns=time.monotonic_ns(),
                valid=message.valid and message.image is not None,
                t_capture_ns=message.t_capture_ns,
                t_display_ns=t_display_ns,
                tracked=body is not None and body.tracked,
                landmarks=body.landmarks if body is not None else None,
                garments=composed.garments,
                garment_bbox=blend.garment_box if blend is not None else None,
                anchors=composed.anchors,
                light=body.light if body is not None else None,
                size=self._size,
                stage_ms=stage_ms,
                last=message.last,
            )
        )
        self._credit_frame(message)

    def _credit_frame(self, message: Body | Frame) -> None:
        if self._credit is not None:
            self._credit.send(Credit(seq=message.seq, t_ns=time.monotonic_ns()))

    @property
    def outfit(self) -> tuple[str, ...]:
        """Names of the garments worn."""
        return self._changes.garments

    @property
    def fabric(self) -> str:
        """Name of the fabric worn; "" where each garment is of its own."""
        return self._changes.fabric

    # Around the frames ----------------------------------------------------------------------------

    def tend(self) -> None:
        """Follow what is asked for, at the window and by the operator: other clothes, or the end."""
        for event in self._display.poll():
            if event == "quit":
                self.quit = True
            elif event == "weave":
                self._changes.weave()
            elif event in ("next_fabric", "previous_fabric"):
                self._changes.turn_fabric(1 if event == "next_fabric" else -1)
            else:
                self._changes.turn(1 if event == "next" else -1)
        self._changes.tend()

    def _count(self, message: Body | Frame, t_display_ns: int) -> None:
        self.counts["shown"] += 1
        self._times.append(t_display_ns)
        latency_ms = (t_display_ns - message.t_capture_ns) / 1e6
        self._latency_ms += 0.1 * (latency_ms - self._latency_ms)

    def facts(self) -> dict[str, float]:
        """Counters for the heartbeat."""
        span_s = (self._times[-1] - self._times[0]) / 1e9 if len(self._times) > 1 else 0.0
        return {
            "fps": round((len(self._times) - 1) / span_s, 1) if span_s else 0.0,
            "latency_ms": round(self._latency_ms, 1),
            "unsent": self._shown.dropped,
            **self.counts,
        }

    def close(self) -> None:
        """Finish the video, give back window and renderer, flush the report."""
        try:
            if self._recorder is not None:
                self._recorder.close()
        finally:
            self._display.close()
            self._changes.close()
            self._composer.close()
            self._ring.close()
            self._shown.close()
            if self._credit is not None:
                self._credit.close()


def body(context: Context) -> None:
    """Show frames until the source ends, the user quits or the process is told to stop."""
    cv2.setNumThreads(1)  # the other processes need the other cores
    lossless = context.config.capture.pace == "all"
    mirror = Mirror(context)
    try:
        with (
            Newest[Body](context.runtime, "body", lossless=lossless) as bodies,
            Newest[Frame](context.runtime, "frame") as frames,
        ):
            context.ready()
            _loop(
                context,
                mirror,
                bodies,
                frames,
                stale_s=None if lossless else context.config.spine.stale_ms / 1e3,
            )
    finally:
        mirror.close()


def _loop(
    context: Context, mirror: Mirror, bodies: Newest[Body], frames: Newest[Frame], stale_s: float | None
) -> None:
    """``stale_s``: seconds without a body after which plain frames are shown; None for never."""
    heard = time.monotonic()
    while not context.stopping.is_set() and not mirror.quit:
        plain = stale_s is not None and time.monotonic() - heard > stale_s
        state, detail = ("degraded", "no fitted body arrives: plain picture") if plain else ("ready", "")
        rejected = bodies.rejected + frames.rejected
        context.beat(state, detail, rejected=rejected, skipped=bodies.dropped, **mirror.facts())
        mirror.tend()
        wait_any([bodies, frames] if plain else [bodies], _WAIT_MS)
        message: Body | Frame | None = bodies.receive()
        if message is not None:
            heard = time.monotonic()
        elif plain:
            message = frames.receive()
        if message is None:
            continue
        mirror.show(message)
        if message.last:
            return
