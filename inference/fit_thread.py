"""The second thread of the inference process: fits what the pose thread saw, and publishes it."""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass

from inference.body.model import BodyModel
from inference.body_message import body_message
from inference.parts.parts_tracker import PartsTracker
from inference.person_estimator import PersonEstimator
from inference.pose.tracker import Observation
from mirror.bus import Streamer
from mirror.messages import Frame
from mirror.process import Context
from mirror.ring import RingWriter, ring_prefix
from mirror.timer import StageTimer
from mirror.types import Picture

RING = "masks"


@dataclass(frozen=True)
class ObservedFrame:
    """A frame on its way from the pose thread to the fit thread; ``picture`` is its working copy."""

    message: Frame
    picture: Picture
    observation: Observation | None
    timer: StageTimer


class FitThread(threading.Thread):
    """Takes what the pose thread saw, in order, and publishes a body for each frame."""

    def __init__(self, context: Context) -> None:
        super().__init__(name="fit", daemon=True)
        config = context.config
        self._ring = RingWriter(RING, config.capture.ring_slots, ring_prefix(context.runtime))
        self._log = context.log
        self._parts = None
        if config.inference.parts == "network":
            self._parts = PartsTracker.shipped(lock_step=config.capture.pace == "all")
        self._is_slow = False
        self._estimator = PersonEstimator(
            BodyModel.load(),
            config.inference.field_of_view_deg,
            config.inference.light,
            config.render.hide_worn,
            self._parts,
        )
        self.inbox: queue.Queue[ObservedFrame | None] = queue.Queue(maxsize=2)
        self.failure: Exception | None = None
        self.stream = Streamer(context.runtime, "body")

    def run(self) -> None:
        """Publish frames until None comes; what goes wrong ends in ``failure``."""
        try:
            while (frame := self.inbox.get()) is not None:
                self._publish(frame)
                self._estimator.learn()
                self._say_whether_slow()
        except Exception as error:  # noqa: BLE001 - handed to the main thread, which raises it
            self.failure = error

    def _publish(self, frame: ObservedFrame) -> None:
        message, observation = frame.message, frame.observation
        found, masks = None, None
        if observation is not None:
            state = self._estimator.update(frame.picture, observation, message.t_source_ns, frame.timer)
            if state is not None:
                found, masks = (observation, state), self._ring.write(state.masks)
        image = message.image
        size = (image.width, image.height) if image else (frame.picture.shape[1], frame.picture.shape[0])
        self.stream.send(body_message(message, size, found, masks, frame.timer.stage_ms))

    def _say_whether_slow(self) -> None:
        """Tell the operator once when the parts network is too much for the machine, and when no longer."""
        is_slow = self._parts is not None and self._parts.too_slow
        if is_slow != self._is_slow:
            self._is_slow = is_slow
            if is_slow:
                self._log.warning(
                    "the parts network is too slow on this machine: hands are told by colours; "
                    'inference.parts = "none" spares its time'
                )
            else:
                self._log.info("the parts network keeps up again")

    def close(self) -> None:
        """End the parts network's thread, close the socket and remove the ring."""
        if self._parts is not None:
            self._parts.close()
        self.stream.close()
        self._ring.close()
