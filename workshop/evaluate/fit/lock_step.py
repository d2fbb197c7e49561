"""The mirror's real path over one clip, in lock-step in this process: pose, fit, masks, light, drawing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from inference.body.model import BodyModel
from inference.body_message import body_message
from inference.parts.parts_tracker import PartsTracker
from inference.person_estimator import PersonEstimator
from inference.pose.tracker import PoseTracker
from inference.resize import working_copy
from mirror import models
from mirror.config import Config
from mirror.messages import Frame
from mirror.timer import StageTimer
from mirror.types import F64, Picture
from render.compose.frame_composer import FrameComposer
from render.garments.fabric import load_fabric
from render.garments.garment import load_garment
from render.garments.outfit import cloth_of

Mask = NDArray[np.bool_]


_EMPTY_FRAMES, _EMPTY_NS = 16, 125_000_000  # at the empty room before anybody comes


@dataclass(frozen=True)
class Wearing:
    """What one outfit looks like in a frame: the frame as shown, garment pixels, named points."""

    picture: Picture
    mask: Mask
    anchors: dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Observed:
    """What the mirror makes of one frame; without a person ``outfits`` show the frame as it is.

    ``landmarks`` (33, 3) px and visibility, ``bone_transforms`` (J, 3, 4) and ``shape`` (K,) are None
    where nobody is followed.
    """

    person: int = 0
    landmarks: F64 | None = None
    bone_transforms: NDArray[np.float32] | None = None
    shape: NDArray[np.float32] | None = None
    outfits: tuple[Wearing, ...] = ()
    stage_ms: dict[str, float] = field(default_factory=dict)


class LoadedOutfits:
    """Frame composers by outfit, kept from clip to clip."""

    def __init__(self) -> None:
        self._model = BodyModel.load()
        self._composers: dict[tuple[tuple[str, ...], bool, int], FrameComposer] = {}

    def composer(self, outfit: tuple[str, ...], hide_worn: bool = False, number: int = 0) -> FrameComposer:
        """What draws this outfit, in the garments' own fabrics; ``hide_worn`` as ``FrameComposer`` has it.

        Each ``number`` is another one; none knows its background.
        """
        if (outfit, hide_worn, number) not in self._composers:
            composer = FrameComposer(self._model, hide_worn)
            pages = [load_garment(name) for name in outfit]
            cloths = [cloth_of(p, load_fabric(p.default_fabric), "M") for p in pages]
            composer.wear(composer.prepare(cloths))
            self._composers[outfit, hide_worn, number] = composer
        self._composers[outfit, hide_worn, number].forget()
        return self._composers[outfit, hide_worn, number]

    def close(self) -> None:
        """Free all renderers."""
        for composer in self._composers.values():
            composer.close()


class LockStepMirror:
    """Follows one person through one clip, as the inference process does.

    ``hidden``: another outfit, drawn twice at last: as the mirror comes, which has seen nothing before, and
    with worn clothes hidden by the ``room`` (H, W, 3) BGR, seen for two seconds before, without anybody.
    """

    def __init__(
        self,
        field_of_view_deg: float,
        outfits: Sequence[tuple[str, ...]],
        loaded: LoadedOutfits,
        hidden: tuple[str, ...] | None = None,
        room: Picture | None = None,
    ) -> None:
        self._tracker = PoseTracker(
            models.path("pose_landmarker_full.task"), models.path("face_detection_full_range_sparse.tflite")
        )
        self._tracker.warm_up()
        as_it_comes = Config().render.hide_worn
        self._estimator = PersonEstimator(
            BodyModel.load(),
            field_of_view_deg,
            worn=as_it_comes or hidden is not None,
            parts=PartsTracker.shipped(lock_step=True),
        )
        self._composers = [loaded.composer(outfit) for outfit in outfits]
        if hidden is not None:
            self._composers.append(loaded.composer(hidden, as_it_comes))
            self._composers.append(loaded.composer(hidden, hide_worn=True, number=1))
            if room is not None:
                for number in range(_EMPTY_FRAMES):
                    self._composers[-1].watch(room, (number - _EMPTY_FRAMES) * _EMPTY_NS)
        self._seq = 0

    def see(self, frame: Picture, t_ns: int) -> Observed:
        """One frame (H, W, 3) BGR at a growing time of its source."""
        height, width = frame.shape[:2]
        undressed = Wearing(frame, np.zeros((height, width), bool), {})
        small = working_copy(frame)
        observation = self._tracker.observe(small, t_ns)
        if observation is None:
            return Observed(outfits=(undressed,) * len(self._composers))
        timer = StageTimer()
        enlarged = np.array([width / small.shape[1], height / small.shape[0], 1.0])
        landmarks = observation.image_landmarks * enlarged
        state = self._estimator.update(small, observation, t_ns, timer)
        if state is None:
            return Observed(observation.person, landmarks, outfits=(undressed,) * len(self._composers))
        self._seq += 1
        self._estimator.learn()
        message = Frame(seq=self._seq, t_ns=t_ns, t_capture_ns=t_ns, t_source_ns=t_ns, image=None)
        body = body_message(message, (width, height), (observation, state))
        stage_ms = timer.stage_ms
        outfits = []
        for composer in self._composers:
            picture = frame.copy()
            composer.begin(body, height, width)
            composed = composer.finish(picture, state.masks, stage_ms)
            composer.learn()
            mask = undressed.mask if composed.blend is None else composed.blend.mask(height, width) > 0
            outfits.append(Wearing(picture, mask, composed.anchors))
        return Observed(
            observation.person,
            landmarks,
            state.bone_transforms,
            np.asarray(state.shape, np.float32),
            tuple(outfits),
            stage_ms,
        )

    def close(self) -> None:
        """Free the networks."""
        self._tracker.close()
