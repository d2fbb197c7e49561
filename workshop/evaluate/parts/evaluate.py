"""``mirror evaluate parts``: how well hands, hair, head, skin and worn clothes are told.

On annotated frames of real clips and on rendered people, whose parts are known. *Ours* are the occlusion
masks and the parts as they are carried to each frame; the *teacher* is the parts network, run on each frame
by itself. Both see the frames before, in lock-step, as the mirror does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from capture.sources.clip import Clip
from inference.body.model import BodyModel
from inference.parts.parts_network import Part, PartsNetwork, crop_of
from inference.parts.parts_tracker import PartsTracker, placed
from inference.person_estimator import PersonEstimator
from inference.pose.tracker import Observation, PoseTracker
from inference.resize import working_copy
from mirror import models
from mirror.errors import MirrorError
from mirror.timer import StageTimer
from mirror.types import Picture, cv
from workshop.evaluate.fit.footage import annotated_clips
from workshop.evaluate.fit.masks import Mask, eroded, grown
from workshop.synthetic.people import mannequins
from workshop.synthetic.people.scenes import Scene
from workshop.synthetic.people.truth import TrueClip, clip_of

__all__ = ["FIGURES", "PartScores", "evaluate", "flicker"]

FIGURES = (
    "hands_recall",
    "hands_precision",
    "hair_recall",
    "head_recall",
    "top_recall",
    "top_precision",
    "skin_precision",
    "flicker",
    "cost_over_pose",
)
_FIELD_OF_VIEW_DEG = 60.0  # of the clips, whose cameras are unknown: the mirror's default
_MARGIN = 0.02  # of the square root of the person's area: labels and edges are no sharper
_SURE_CLOTH = 64  # of 127, in the worn clothes' channel
# Label images of real clips.
_TOP, _HEAD, _HANDS = 2, 3, 4


@dataclass
class PartScores:
    """Pixel counts by figure: (hit, of); a figure is their ratio over all frames."""

    counts: dict[str, tuple[int, int]] = field(default_factory=dict)

    def add(self, name: str, part: Mask, whole: Mask) -> None:
        """Count how much of ``whole`` (h, w) is ``part``."""
        hit, of = self.counts.get(name, (0, 0))
        self.counts[name] = (
            hit + int(np.count_nonzero(part & whole)),
            of + int(np.count_nonzero(whole)),
        )

    def add_all(self, other: PartScores) -> None:
        """Count what another one has counted."""
        for name, (hit, of) in other.counts.items():
            mine = self.counts.get(name, (0, 0))
            self.counts[name] = (mine[0] + hit, mine[1] + of)

    def ratios(self) -> dict[str, float]:
        """Each figure that anything was counted for."""
        return {name: hit / of for name, (hit, of) in self.counts.items() if of}


@dataclass(frozen=True)
class Told:
    """One frame as ours and the teacher tell it, at the working copy's size."""

    masks: Picture | None
    carried: Picture | None
    teacher: Picture | None


class _Recorder(PartsTracker):
    """Keeps what the estimator was told last, and what it cost."""

    seen: Picture | None = None
    cost_s = 0.0

    def update(self, picture: Picture, observation: Observation, t_source_ns: int) -> Picture | None:
        start = time.process_time()
        self.seen = super().update(picture, observation, t_source_ns)
        self.cost_s += time.process_time() - start
        return self.seen


class _Watch:
    """The inference path over one clip, and the teacher on each frame."""

    def __init__(self, network: PartsNetwork, field_of_view_deg: float) -> None:
        self._tracker = PoseTracker(
            models.path("pose_landmarker_full.task"), models.path("face_detection_full_range_sparse.tflite")
        )
        self._tracker.warm_up()
        self._network = network
        self._parts = _Recorder(network, lock_step=True)
        self._estimator = PersonEstimator(BodyModel.load(), field_of_view_deg, worn=True, parts=self._parts)
        self.pose_s: list[float] = []
        self.teacher_s: list[float] = []
        self.frames = 0

    @property
    def ours_s(self) -> float:
        """CPU seconds a frame of the network and of carrying it."""
        return self._parts.cost_s / max(self.frames, 1)

    def see(self, frame: Picture, t_ns: int) -> Told:
        picture = working_copy(frame)
        start = time.process_time()
        observation = self._tracker.observe(picture, t_ns)
        self.pose_s.append(time.process_time() - start)
        self.frames += 1
        if observation is None:
            return Told(None, None, None)
        size = (picture.shape[1], picture.shape[0])
        crop = crop_of(observation.mask, observation.landmarks, size)
        teacher = None
        if crop is not None:
            start = time.process_time()
            parsed = self._network.parse(picture, crop)
            self.teacher_s.append(time.process_time() - start)
            teacher = placed(parsed, crop, size, (size[1], size[0]))
        state = self._estimator.update(picture, observation, t_ns, StageTimer())
        if state is None:
            return Told(None, None, teacher)
        self._estimator.learn()
        carried = self._parts.seen
        return Told(
            cv.resize(state.masks, size, interpolation=cv.INTER_LINEAR),
            None if carried is None else cv.resize(carried, size, interpolation=cv.INTER_LINEAR),
            teacher,
        )

    def close(self) -> None:
        self._tracker.close()


def evaluate(footage: Path | None, scenes: list[Scene], say: Callable[[str], None]) -> dict[str, Any]:
    """Figures over the annotated clips in ``footage`` and over rendered ``scenes``.

    ``summary`` holds ``FIGURES``, and each with the ending ``_teacher``; None where nothing was there to
    count. ``clips`` and ``scenes``: the ratios of each. MirrorError if a clip or its labels cannot be read,
    or if there is neither.
    """
    clips = annotated_clips(footage) if footage is not None else {}
    if not clips and not scenes:
        raise MirrorError("there are no annotated clips and no scenes to evaluate the parts on")
    network = PartsNetwork(models.path(models.PARTS_MODEL))
    whole = PartScores()
    by_clip: dict[str, dict[str, float]] = {}
    by_scene: dict[str, dict[str, float]] = {}
    pose_s: list[float] = []
    teacher_s: list[float] = []
    ours_s: list[float] = []
    for name, source in _sources(clips, scenes, say):
        watch = _Watch(network, source.field_of_view_deg)
        try:
            scores = source.score(watch)
        finally:
            watch.close()
        whole.add_all(scores)
        (by_clip if isinstance(source, _Annotated) else by_scene)[name] = scores.ratios()
        pose_s += watch.pose_s
        teacher_s += watch.teacher_s
        ours_s.append(watch.ours_s)
    ratios = whole.ratios()
    pose = float(np.median(pose_s))
    ratios["cost_over_pose"] = float(np.mean(ours_s)) / pose
    if teacher_s:
        ratios["cost_over_pose_teacher"] = float(np.median(teacher_s)) / pose
    names = [name + ending for name in FIGURES for ending in ("", "_teacher")]
    return {
        "summary": {name: ratios.get(name) for name in names},
        "clips": by_clip,
        "scenes": by_scene,
    }


def flicker(before: Mask, now: Mask, after: Mask) -> Mask:
    """Pixels (h, w) in ``now`` but in neither neighbour, or in both neighbours but not in ``now``."""
    return np.asarray((before == after) & (now != before))


@dataclass(frozen=True)
class _Annotated:
    """A real clip with label images."""

    path: Path
    labels: Mapping[int, Path]
    field_of_view_deg: float = _FIELD_OF_VIEW_DEG

    def score(self, watch: _Watch) -> PartScores:
        scores, steady = PartScores(), _Steadiness()
        clip = Clip(self.path)
        try:
            for number in range(max(self.labels) + 1):
                frame = clip.read()
                if frame is None:
                    raise MirrorError(f"{self.path} ends before its annotated frame {max(self.labels)}")
                told = watch.see(frame.image, frame.t_source_ns + 1)
                steady.take(told, scores)
                if number in self.labels:
                    self._score(frame.image.shape[:2], number, told, scores)
        finally:
            clip.close()
        return scores

    def _score(self, shape: tuple[int, ...], number: int, told: Told, scores: PartScores) -> None:
        truth = cv.imread(str(self.labels[number]), cv.IMREAD_GRAYSCALE)
        if truth is None or truth.shape != shape:
            raise MirrorError(f"{self.labels[number]} is no label image of {self.path.name}")
        size = _size(told)
        if size is None:
            return
        truth = cv.resize(truth, size, interpolation=cv.INTER_NEAREST)
        margin = max(1, round(_MARGIN * float(np.sqrt(np.count_nonzero(truth)))))
        hands, head, top = (truth == label for label in (_HANDS, _HEAD, _TOP))
        around_hands, around_top = grown(hands, margin), grown(top, margin)
        head, top = eroded(head, margin), eroded(top, margin)
        if told.masks is not None:
            hand = told.masks[..., 2] > 127
            cloth = told.masks[..., 3].astype(int) - 128 > _SURE_CLOTH
            scores.add("hands_recall", hand, hands)
            scores.add("hands_precision", around_hands, hand)
            scores.add("head_recall", told.masks[..., 1] > 127, head)
            scores.add("top_recall", cloth, top)
            scores.add("top_precision", around_top, cloth & eroded(truth > 0, margin))
        if told.teacher is not None:
            kind = told.teacher.argmax(-1)
            scores.add("hands_recall_teacher", kind == Part.BODY_SKIN, hands)
            scores.add("hands_precision_teacher", around_hands, kind == Part.BODY_SKIN)
            scores.add(
                "head_recall_teacher", np.isin(kind, (Part.HAIR, Part.FACE_SKIN, Part.BODY_SKIN)), head
            )
            scores.add("top_recall_teacher", kind == Part.CLOTHES, top)
            scores.add(
                "top_precision_teacher", around_top, (kind == Part.CLOTHES) & eroded(truth > 0, margin)
            )


@dataclass(frozen=True)
class _Rendered:
    """A rendered scene, of which every pixel is known."""

    clip: TrueClip

    @property
    def field_of_view_deg(self) -> float:
        return self.clip.scene.field_of_view_deg

    def score(self, watch: _Watch) -> PartScores:
        scores, steady = PartScores(), _Steadiness()
        for index in range(len(self.clip)):
            told = watch.see(self.clip.frame(index), self.clip.time_ns(index))
            steady.take(told, scores)
            size = _size(told)
            if size is None:
                continue
            truth = cv.resize(self.clip.truth(index)[..., 0], size, interpolation=cv.INTER_NEAREST)
            hands, hair = truth == mannequins.HAND, truth == mannequins.HEAD
            flesh = np.isin(truth, (mannequins.HAND, mannequins.FACE, mannequins.HEAD, mannequins.SKIN))
            around_hands, flesh = grown(hands, 2), grown(flesh, 2)
            if told.masks is not None:
                hand = told.masks[..., 2] > 127
                scores.add("hands_recall", hand, hands)
                scores.add("hands_precision", around_hands, hand)
                scores.add("hair_recall", told.masks[..., 1] > 127, eroded(hair, 1))
            for parts, ending in ((told.carried, ""), (told.teacher, "_teacher")):
                if parts is not None:
                    kind = parts.argmax(-1)
                    skin = np.isin(kind, (Part.BODY_SKIN, Part.FACE_SKIN))
                    scores.add(f"skin_precision{ending}", flesh, skin)
            if told.teacher is not None:
                kind = told.teacher.argmax(-1)
                scores.add("hands_recall_teacher", kind == Part.BODY_SKIN, hands)
                scores.add("hands_precision_teacher", around_hands, kind == Part.BODY_SKIN)
                scores.add("hair_recall_teacher", kind == Part.HAIR, eroded(hair, 1))
        return scores


class _Steadiness:
    """Counts flicker of the hands of three frames in a row."""

    def __init__(self) -> None:
        self._last: list[tuple[Mask | None, Mask | None]] = []

    def take(self, told: Told, scores: PartScores) -> None:
        ours = None if told.masks is None else told.masks[..., 2] > 127
        theirs = None if told.teacher is None else told.teacher.argmax(-1) == Part.BODY_SKIN
        self._last = [*self._last[-2:], (ours, theirs)]
        if len(self._last) < 3:
            return
        for channel, name in ((0, "flicker"), (1, "flicker_teacher")):
            before, now, after = (frame[channel] for frame in self._last)
            if before is not None and now is not None and after is not None:
                lit = before | now | after
                scores.add(name, flicker(before, now, after), lit)


def _sources(
    clips: Mapping[Path, Mapping[int, Path]], scenes: list[Scene], say: Callable[[str], None]
) -> Iterator[tuple[str, _Annotated | _Rendered]]:
    for path, labels in clips.items():
        say(path.stem)
        yield path.stem, _Annotated(path, labels)
    for scene in scenes:
        say(scene.name)
        yield scene.name, _Rendered(clip_of(scene, say))


def _size(told: Told) -> tuple[int, int] | None:
    """Width and height of what was told; None where nothing was."""
    for picture in (told.masks, told.teacher):
        if picture is not None:
            return picture.shape[1], picture.shape[0]
    return None
