"""The parts of the followed person in every frame, from a network that is too slow for every frame.

The network looks some times a second. What it saw is carried to the frames between by dense optical
flow of a small copy of the picture (Kroeger et al. 2016, "Fast Optical Flow using Dense Inverse
Search"): flows are chained from frame to frame back to the one that was looked at, so that each frame's
parts are resampled once only.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from inference.parts.parts_network import SIDE, Crop, Part, PartsNetwork, crop_of
from inference.pose.tracker import Observation
from inference.resize import resize
from mirror import models
from mirror.types import F32, Picture, cv

__all__ = ["PartsTracker", "placed"]

#: px of the longer side that flow is computed at: a hand is some ten px there. Of 192, 256 and 320 the last
#: followed a textured disc best (1.1 px of a frame of 320 px off in the mean over four frames), at 0.7 ms.
FLOW_SIDE = 320
PERIOD_S = 0.095  # of source time between two looks: at 30 frames a second every third frame
LONGEST_S = 0.6  # for which parts are carried without a new look
DUTY = 0.4  # of one core that the network may take live: a slower machine looks less often
_CHANNELS = len(Part)


@dataclass
class _Look:
    """What the network was shown and how the present frame's pixels lie in that frame.

    ``map`` (h, w, 2): place of each px of the small copy in the small copy of the frame looked at.
    """

    crop: Crop
    t_source_ns: int
    map: F32
    parts: Picture | None = None  # (h, w, 6) of the small copy


class PartsTracker:
    """Parts of one person, frame by frame; ``reset`` when another one comes.

    ``lock_step``: the network is waited for, so that two replays see the same; else it works in a thread
    of its own, and its answer counts from the frame on in which it has come.
    """

    def __init__(self, network: PartsNetwork, lock_step: bool) -> None:
        self._network = network
        self._flow = cv.DISOpticalFlow_create(cv.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._worker = None if lock_step else _Worker(network)
        self.reset()

    @classmethod
    def shipped(cls, *, lock_step: bool) -> PartsTracker:
        """With the network that set-up fetched. MirrorError if it is missing or damaged."""
        return cls(PartsNetwork(models.path(models.PARTS_MODEL)), lock_step)

    def reset(self) -> None:
        """Forget the person."""
        self._grey: Picture | None = None
        self._shown: _Look | None = None
        self._asked: _Look | None = None
        if self._worker is not None:
            self._worker.forget()

    def update(self, picture: Picture, observation: Observation, t_source_ns: int) -> Picture | None:
        """Probabilities (h, w, 6) uint8 of each ``Part`` in a working copy (H, W, 3) BGR; None while unknown.

        They cover the picture at a resolution of their own.
        """
        height, width = picture.shape[:2]
        scale = min(1.0, FLOW_SIDE / max(height, width))
        size = (max(16, round(width * scale)), max(16, round(height * scale)))
        grey = cv.cvtColor(resize(picture, size), cv.COLOR_BGR2GRAY)
        if self._grey is not None and self._grey.shape != grey.shape:
            self.reset()
        self._carry(grey)
        self._grey = grey
        self._take_answer((width, height))
        newest = self._asked or self._shown
        since_s = np.inf if newest is None else (t_source_ns - newest.t_source_ns) / 1e9
        period_s = PERIOD_S if self._worker is None else max(PERIOD_S, self._worker.look_s / DUTY)
        if self._asked is None and not 0.0 <= since_s < period_s:
            self._ask(picture, observation, t_source_ns)
        shown = self._shown
        if shown is None or shown.parts is None:
            return None
        if not 0.0 <= (t_source_ns - shown.t_source_ns) / 1e9 <= LONGEST_S:
            return None
        return np.asarray(
            cv.remap(shown.parts, shown.map, None, cv.INTER_LINEAR, borderMode=cv.BORDER_REPLICATE), np.uint8
        )

    @property
    def too_slow(self) -> bool:
        """Whether the network's answers come too late to be of use on this machine."""
        return self._worker is not None and self._worker.look_s / DUTY > LONGEST_S

    def close(self) -> None:
        """End the worker."""
        if self._worker is not None:
            self._worker.close()

    def _carry(self, grey: Picture) -> None:
        looks = [look for look in (self._shown, self._asked) if look is not None]
        if self._grey is None or not looks:
            return
        back = self._flow.calc(grey, self._grey, None)
        here = _identity(grey.shape) + back
        for look in looks:
            look.map = cv.remap(look.map, here, None, cv.INTER_LINEAR, borderMode=cv.BORDER_REPLICATE)

    def _ask(self, picture: Picture, observation: Observation, t_source_ns: int) -> None:
        height, width = picture.shape[:2]
        crop = crop_of(observation.mask, observation.landmarks, (width, height))
        if crop is None or self._grey is None:
            return
        look = _Look(crop, t_source_ns, _identity(self._grey.shape))
        if self._worker is None:
            look.parts = placed(self._network.parse(picture, crop), crop, (width, height), self._grey.shape)
            self._shown = look
        elif self._worker.ask(picture, crop):
            self._asked = look

    def _take_answer(self, size: tuple[int, int]) -> None:
        if self._worker is None or self._asked is None or self._grey is None:
            return
        parsed = self._worker.answer()
        if parsed is not None:
            self._asked.parts = placed(parsed, self._asked.crop, size, self._grey.shape)
            self._shown, self._asked = self._asked, None


@lru_cache(maxsize=4)
def _identity(shape: tuple[int, ...]) -> F32:
    """Each px's own place (h, w, 2), x and y; shared, not to be written to."""
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    places = np.dstack([columns, rows])
    places.setflags(write=False)
    return np.asarray(places)


def placed(parsed: Picture, crop: Crop, size: tuple[int, int], shape: tuple[int, ...]) -> Picture:
    """A network's answer (SIDE, SIDE, 6) over the whole picture it was cut from, background beyond the crop.

    ``size``: width, height px of the picture that ``crop`` is of; ``shape``: (h, w) of what is returned.
    """
    scale = shape[1] / size[0]
    to_square = np.array(
        [
            [SIDE / crop.side / scale, 0, -crop.x * SIDE / crop.side],
            [0, SIDE / crop.side / scale, -crop.y * SIDE / crop.side],
        ]
    )
    flags = cv.INTER_LINEAR | cv.WARP_INVERSE_MAP
    outside = [255 if part == Part.BACKGROUND else 0 for part in range(_CHANNELS)]
    planes = [
        cv.warpAffine(
            cv.extractChannel(parsed, part),
            to_square,
            (shape[1], shape[0]),
            flags=flags,
            borderValue=outside[part],
        )
        for part in range(_CHANNELS)
    ]
    return np.asarray(cv.merge(planes), np.uint8)


class _Worker(threading.Thread):
    """Runs the network beside the frames: one question at a time, the last one asked."""

    def __init__(self, network: PartsNetwork) -> None:
        super().__init__(name="parts", daemon=True)
        self._network = network
        self._wake = threading.Condition()
        self._question: tuple[int, Picture, Crop] | None = None
        self._answer: tuple[int, Picture] | None = None
        self._number = 0
        self._ended = False
        self._failure: Exception | None = None
        self.look_s = 0.0  # of processor time that the last look took
        self.start()

    def ask(self, picture: Picture, crop: Crop) -> bool:
        """Have a picture parsed; False while the one before is being parsed. Raises what ended the worker."""
        with self._wake:
            self._raise_failure()
            if self._question is not None:
                return False
            self._number += 1
            self._question = (self._number, picture.copy(), crop)
            self._wake.notify()
        return True

    def answer(self) -> Picture | None:
        """What came of the question asked last, once. Raises what ended the worker."""
        with self._wake:
            self._raise_failure()
            found, self._answer = self._answer, None
            return found[1] if found is not None and found[0] == self._number else None

    def forget(self) -> None:
        """What is being parsed is of nobody that is followed any more."""
        with self._wake:
            self._number += 1
            self._answer = None

    def close(self) -> None:
        """End the thread."""
        with self._wake:
            self._ended = True
            self._wake.notify()
        self.join(timeout=2.0)

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def run(self) -> None:
        """Parse what is asked for until closed."""
        # What the frames leave over is the network's; who may not step back works all the same.
        with contextlib.suppress(OSError):
            os.sched_setscheduler(threading.get_native_id(), os.SCHED_IDLE, os.sched_param(0))
        while True:
            with self._wake:
                while self._question is None and not self._ended:
                    self._wake.wait()
                if self._ended or self._question is None:
                    return
                number, picture, crop = self._question
            start = time.thread_time()
            try:
                parsed = self._network.parse(picture, crop)
            except Exception as error:  # noqa: BLE001 - raised where the answer is waited for
                with self._wake:
                    self._failure = error
                return
            with self._wake:
                self.look_s = time.thread_time() - start
                self._answer = (number, parsed)
                self._question = None
