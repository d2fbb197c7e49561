"""A picture or clip as the live mirror sees it: who is there, their mask and their fitted body."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from capture.sources.stills import load_image
from inference.body.camera import Intrinsics
from inference.body.model import BodyModel
from inference.fit.fitter import BodyFitter, Fit
from inference.pose.distance_field import distance_field
from inference.pose.tracker import PoseTracker
from mirror import models
from mirror.config import InferenceConfig
from mirror.errors import MirrorError
from mirror.types import Picture

# The tracker follows people in time: so much later nobody is taken for the one before.
_BETWEEN_NS = 10_000_000_000
_STILL_STEPS = 8  # of the fit on a picture that stands still


@dataclass(frozen=True)
class Observed:
    """One person in a frame: mask (h, w) uint8, fit, and the camera that it was fitted for."""

    mask: Picture
    fit: Fit
    camera: Intrinsics


class Observer:
    """Pose network and fit; a context manager."""

    def __init__(self, model: BodyModel, config: InferenceConfig) -> None:
        own = config.pose_model
        task = Path(own) if own else models.path("pose_landmarker_full.task")
        faces = models.path("face_detection_full_range_sparse.tflite")
        self._tracker = PoseTracker(task, faces, config.max_people)
        self._model, self._field_of_view = model, config.field_of_view_deg
        self._fitter: BodyFitter | None = None
        self._size = (0, 0)
        self._last_ns = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tracker.close()

    def observe(self, frame: Picture, t_ns: int, steps: int = 1) -> Observed | None:
        """The person in a clip's frame (H, W, 3) BGR at ``t_ns``; None where there is none."""
        seen = self._tracker.observe(frame, t_ns)
        if seen is None:
            return None
        height, width = frame.shape[:2]
        if self._fitter is None or self._size != (width, height):
            self._size = (width, height)
            self._fitter = BodyFitter(
                self._model, Intrinsics.from_field_of_view(self._field_of_view, width, height)
            )
        landmarks = seen.image_landmarks
        dt = float(np.clip((t_ns - self._last_ns) / 1e9, 1e-3, 0.5))
        self._last_ns = t_ns
        for _ in range(steps):
            fit = self._fitter.update(landmarks, seen.world, distance_field(seen.mask, width), dt)
        return Observed(seen.mask, fit, self._fitter.intrinsics)

    def forget(self) -> int:
        """Another clip begins: who is in it is found anew. Returns the time (ns) to add to its own."""
        self._tracker.forget()
        self._fitter = None
        return self._last_ns + _BETWEEN_NS

    def still(self, frame: Picture) -> Observed | None:
        """The person in a picture of its own."""
        return self.observe(frame, self.forget(), _STILL_STEPS)


def read_picture(path: Path) -> Picture:
    """The image (H, W, 3) BGR; MirrorError if it is missing, no image, or cut off before its end."""
    frame = load_image(path)
    # OpenCV fills what a cut-off file lacks with grey and says nothing.
    data = path.read_bytes()
    ends = {b"\xff\xd8": b"\xff\xd9", b"\x89P": b"IEND"}
    end = ends.get(data[:2])
    if end is not None and end not in data[-64:]:
        raise MirrorError(f"{path}: the image is cut off before its end")
    return frame
