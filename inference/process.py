"""The inference process: who is there, how the body stands, how it is lit.

Reads topic ``frame`` and the ring ``frames``; writes topic ``body`` and the ring ``layers``.

Two threads: the main one runs the pose network, which lets the interpreter go meanwhile; the
second fits, makes the layers, estimates light and publishes the frame before.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from inference.body.camera import Intrinsics
from inference.body.model import BodyModel
from inference.fit.fitter import BodyFitter, Fit
from inference.fit.shape_prior import ShapePrior
from inference.light.analytic import AnalyticLight
from inference.light.network import LightNetwork
from inference.light.tracker import LightTracker
from inference.parts.occlusion_masks import OcclusionMasks
from inference.parts.skin_tone import SkinTone
from inference.parts.worn_clothes import WornClothes, is_due
from inference.pose.correction import LandmarkCorrection
from inference.pose.distance_field import distance_field
from inference.pose.tracker import Observation, PoseTracker
from inference.resize import working_copy
from mirror import models
from mirror.bus import Newest, Streamer
from mirror.messages import Body, Frame, Light, Rgb, SlotRef
from mirror.process import Context
from mirror.ring import Overwritten, RingReader, RingWriter, remove_segments, ring_prefix
from mirror.types import Picture

RING = "layers"
WAIT_MS = 200.0
# A frame older than this share of the source's interval is let go for the next one, if that is due in
# at most so many ms: its latency would be the longest, and the pose network loses little time.
STALE_SHARE, LONGEST_WAIT_MS = 0.8, 6.0
FIT_LIMIT = 0.075  # m: a worse fit is not shown, the landmarks make no body or are two people's
DOUBTFUL = 3  # frames after a bad fit that are not shown: their landmarks may lie between two people


@dataclass
class Seen:
    """A frame on its way from the pose thread to the fit thread; ``picture`` is its working copy."""

    message: Frame
    picture: Picture
    observation: Observation | None
    stage_ms: dict[str, float]


class BodyStage:
    """Fit, layers and light of one followed person; not thread-safe.

    ``worn``: whether the layers are to tell the worn clothes too. Then ``cover`` says, as of the frame
    processed last, where on the body they lie, and ``skin_tone`` what is under them (see ``messages.Body``).
    """

    cover: bytes = b""
    skin_tone: Rgb | None = None

    def __init__(
        self, model: BodyModel, field_of_view_deg: float, light: str = "network", worn: bool = False
    ) -> None:
        self._worn = worn
        self._model = model
        self._correction, self._physique = LandmarkCorrection.shipped(), ShapePrior.shipped()
        self._network = LightNetwork.shipped() if light == "network" else None
        self._field_of_view = field_of_view_deg
        self._size = (0, 0)
        self._person = 0
        self._doubts = 0
        self._last_ns = 0
        self._lit: Light | None = None
        self._afterwards: tuple[Picture, Picture, Picture, Fit, int] | None = None
        self._processed = 0

    def _prepare(self, width: int, height: int, person: int) -> None:
        if (width, height) != self._size:
            self._size = (width, height)
            self.intrinsics = Intrinsics.from_field_of_view(self._field_of_view, width, height)
            self._fitter = BodyFitter(self._model, self.intrinsics, self._correction, self._physique)
            self._layers = OcclusionMasks(self._model, self.intrinsics, self._worn)
            self._clothing = WornClothes(self._model, self.intrinsics)
            self._tone = SkinTone(self._model, self.intrinsics)
            self._light: AnalyticLight | LightTracker = (
                AnalyticLight(self._model, self.intrinsics)
                if self._network is None
                else LightTracker(self._model, self.intrinsics, self._network)
            )
            self._lit = None
        elif person != self._person:
            self._fitter.reset()
            self._layers.reset()
            self._clothing.reset()
            self._tone.reset()
            self._processed = 0
            self._light.reset()
            self._lit = None
        self._person = person

    def process(
        self, picture: Picture, seen: Observation, t_source_ns: int, stage_ms: dict[str, float]
    ) -> tuple[bytes, list[float], Light, Picture] | None:
        """Skinning matrices, shape, light and layers of a working copy; None if no body fits.

        Adds the milliseconds of its stages to ``stage_ms``.
        """
        height, width = picture.shape[:2]
        self._prepare(width, height, seen.person)
        since_s = (t_source_ns - self._last_ns) / 1e9
        if since_s > 1.0:  # away, or a clip began again: do not tie this pose to that one
            self._fitter.pose = None
        self._last_ns = t_source_ns
        start = time.perf_counter()
        landmarks = seen.landmarks[:, [0, 1, 3]]
        field = distance_field(seen.mask, width)
        fit = self._fitter.update(landmarks, seen.world, field, min(max(since_s, 1e-3), 0.5))
        fitted = time.perf_counter()
        stage_ms["fit"] = 1e3 * (fitted - start)
        if fit.error > FIT_LIMIT:
            self._fitter.reset()
            self._doubts = DOUBTFUL
            return None
        if self._doubts:
            self._doubts -= 1
            if not self._doubts:  # nor may their shape stay
                self._fitter.reset()
            return None
        layers = self._layers.make(picture, seen.mask, landmarks, fit)
        layered = time.perf_counter()
        stage_ms["layers"] = 1e3 * (layered - fitted)
        if self._lit is None:
            self._lit = self._light.update(picture, seen.mask, layers[..., 2], fit, t_source_ns)
        stage_ms["light"] = 1e3 * (time.perf_counter() - layered)
        self._afterwards = (picture, seen.mask, layers, fit, t_source_ns)
        if self._worn:
            self.cover, self.skin_tone = self._clothing.cover(since_s), self._tone.tone
        return fit.bone_transforms.tobytes(), [float(v) for v in fit.shape], self._lit, layers

    def follow_up(self) -> None:
        """Learn colours and light from the frame just processed, for the next ones.

        Both change slowly, and so need not be waited for: call it when the frame is on its way.
        """
        if self._afterwards is None:
            return
        picture, mask, layers, fit, t_source_ns = self._afterwards
        self._afterwards = None
        self._layers.learn()
        self._lit = self._light.update(picture, mask, layers[..., 2], fit, t_source_ns)
        self._processed += 1
        if self._worn and is_due(self._processed):
            colours = self._layers.colours
            bare = self._clothing.look(picture, layers, fit, colours)
            self._tone.look(picture, layers, fit, self._lit, colours, bare)


class _FitThread(threading.Thread):
    """Takes what the pose thread saw, in order, and publishes a body for each frame."""

    def __init__(self, context: Context) -> None:
        super().__init__(name="fit", daemon=True)
        self._context = context
        self._ring = RingWriter(RING, context.config.capture.ring_slots, ring_prefix(context.runtime))
        self._stream = Streamer(context.runtime, "body")
        config = context.config
        self._stage = BodyStage(
            BodyModel.load(),
            config.inference.field_of_view_deg,
            config.inference.light,
            config.render.hide_worn,
        )
        self.inbox: queue.Queue[Seen | None] = queue.Queue(maxsize=2)
        self.failure: Exception | None = None
        self.stream = self._stream

    def run(self) -> None:
        try:
            while (seen := self.inbox.get()) is not None:
                self._publish(seen)
                self._stage.follow_up()
        except Exception as error:  # noqa: BLE001 - handed to the main thread, which raises it
            self.failure = error

    def _publish(self, seen: Seen) -> None:
        message, observation = seen.message, seen.observation
        result = None
        if observation is not None:
            result = self._stage.process(seen.picture, observation, message.t_source_ns, seen.stage_ms)
        if result is None or observation is None:
            self._stream.send(
                Body(
                    seq=message.seq,
                    t_ns=time.monotonic_ns(),
                    valid=message.valid,
                    t_capture_ns=message.t_capture_ns,
                    t_source_ns=message.t_source_ns,
                    image=message.image,
                    masks=None,
                    tracked=False,
                    last=message.last,
                    stage_ms=seen.stage_ms,
                    dropped=message.dropped,
                )
            )
            return
        skin, shape, light, layers = result
        image = message.image
        width, height = (image.width, image.height) if image else seen.picture.shape[1::-1]
        x, y = width / seen.picture.shape[1], height / seen.picture.shape[0]
        self._stream.send(
            Body(
                seq=message.seq,
                t_ns=time.monotonic_ns(),
                t_capture_ns=message.t_capture_ns,
                t_source_ns=message.t_source_ns,
                image=message.image,
                masks=self._ring.write(layers),
                tracked=True,
                last=message.last,
                person=observation.person,
                landmarks=[(float(u * x), float(w * y), float(v)) for u, w, _, v in observation.landmarks],
                bone_transforms=skin,
                shape=shape,
                intrinsics=self._stage.intrinsics.at_size(width, height),
                light=light,
                cover=self._stage.cover,
                skin_tone=self._stage.skin_tone,
                stage_ms=seen.stage_ms,
                dropped=message.dropped,
            )
        )

    def close(self) -> None:
        """Close the socket and remove the ring."""
        self._stream.close()
        self._ring.close()


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
    thread = _FitThread(context)
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
    context: Context, frames: Newest[Frame], tracker: PoseTracker, thread: _FitThread, lossless: bool
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
        stage_ms = {"wait": (time.monotonic_ns() - message.t_capture_ns) / 1e6}
        if message.image is not None:
            try:
                picture = _working_copy(reader, message.image)
            except Overwritten:
                overwritten += 1
                continue
            start = time.perf_counter()
            observation = tracker.observe(picture, message.t_source_ns)
            stage_ms["pose"] = 1e3 * (time.perf_counter() - start)
        _hand_over(context, thread, Seen(message, picture, observation, stage_ms))
        paces.append(time.monotonic())
        if message.last:
            return


def _working_copy(reader: RingReader, image: SlotRef) -> Picture:
    """``working_copy`` of a picture in a ring. Raises ``Overwritten`` if it went meanwhile."""
    picture = working_copy(reader.view(image))
    if not reader.still_valid(image):
        raise Overwritten(f"slot {image.slot} of {image.ring} was reused while it was shrunk")
    return picture


def _hand_over(context: Context, thread: _FitThread, seen: Seen) -> None:
    while thread.failure is None and not context.stopping.is_set():
        try:
            thread.inbox.put(seen, timeout=WAIT_MS / 1e3)
        except queue.Full:
            context.beat()
        else:
            return


def _linger(context: Context, thread: _FitThread) -> None:
    """The layers ring must outlive its reader: wait until render has let go of the topic."""
    until = time.monotonic() + 5.0
    while thread.stream.readers and not context.stopping.is_set() and time.monotonic() < until:
        time.sleep(0.02)
        context.beat()
