"""Landmarks and mask of one chosen person, kept by identity.

MediaPipe's Pose Landmarker in video mode follows one person. When nobody is followed a second
landmarker in image mode sees everybody and the nearest and most central is chosen. A face detector
looks round now and then, and whoever else is there is painted over in what that landmarker sees, so
that it cannot slide to a neighbour. Should it do so all the same, a jump of the skeleton or other
colours in another place give it away: its answer is dropped and the person looked for again.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.body.landmarks import HIPS, SHOULDERS, TRUNK, Landmark
from inference.resize import WORKING_SIDE, resize
from mirror.errors import MirrorError
from mirror.types import F64, Picture, cv

__all__ = [
    "Observation",
    "OtherPerson",
    "PoseTracker",
    "most_central_and_near",
    "other_people",
    "plausible",
    "torso",
    "torso_colours",
]

_TORSO = (*SHOULDERS, *reversed(HIPS))  # once around
FORGET_S = 1.2  # a person who was away for longer is a new person
SUSPECT_LOOKS = (2, 8, 20, 40)  # odd frames in a row at which everybody is looked at: a look is dear
BELIEVE_FRAMES = SUSPECT_LOOKS[-1]  # nobody else there so far: the new colours are believed
MIN_TORSO = 0.09  # of the frame's shorter side: smaller "people" are table legs and posters
MAX_MASK_TORSOS = 9.0  # mask area over torso length squared; a standing person has 1.5 to 3
JUMP = 0.75  # torso lengths between two frames at 30 per second
COLOUR_LIMIT = 0.55  # Bhattacharyya distance of the torso's colours to the remembered ones
COLOUR_SURE = 0.42  # below it the colours count as the person's own, and are learnt
LOOK_ROUND = (15, 5)  # frames between two looks for other faces: alone, and with others in view
HALF_WIDTH, DOWN, UP = 1.7, 8.0, 0.8  # a neighbour's extent around the middle of the face, in faces
SETTLE_PASSES = 4  # at most
SETTLED = 0.01  # torso lengths that the landmarks move at the median in a pass that changes no more
HIDDEN = 114  # grey level of what is painted over
ALONG = np.linspace(0.0, 1.0, 8)[:, None]  # where each side of the torso is looked at
DRIFT = 0.3  # torso lengths from where the colours last were right: beyond it doubt is in place


@dataclass(frozen=True)
class Observation:
    """One person in one frame.

    ``landmarks`` (33, 4): x px, y px, z (px scale, relative to the hips), visibility 0..1;
    ``world`` (33, 3) metres, hip-centred, x right, y down, z away from the camera;
    ``mask`` (h, w) uint8 person mask of the frame's aspect, its longer side at most
    ``WORKING_SIDE``; ``person`` counts identities.
    """

    landmarks: F64
    world: F64
    mask: Picture
    person: int

    @property
    def image_landmarks(self) -> F64:
        """(33, 3) x px, y px, visibility."""
        return self.landmarks[:, [0, 1, 3]]


@dataclass(frozen=True)
class OtherPerson:
    """Where somebody else is, px: middle of the face, and the box that the body is in."""

    x: float
    left: float
    top: float
    right: float
    bottom: float


def torso(landmarks: F64) -> tuple[F64, float]:
    """Centre (2,) px and length px of the torso (the longer of its height and shoulder width)."""
    left_shoulder, right_shoulder, left_hip, right_hip = landmarks[list(TRUNK), :2]
    shoulders = (left_shoulder + right_shoulder) / 2
    hips = (left_hip + right_hip) / 2
    width = np.linalg.norm(left_shoulder - right_shoulder)
    length = max(float(np.linalg.norm(shoulders - hips)), 1.2 * float(width))
    return (shoulders + hips) / 2, length


def plausible(landmarks: F64, mask: Picture | None, size: tuple[int, int]) -> bool:
    """Whether this is a person a shopper would call one, not a table the network likes.

    ``landmarks`` (33, 4) px of a frame of ``size`` (height, width), ``mask`` of any resolution.
    """
    if mask is None:
        return False
    height, width = mask.shape
    landmarks = landmarks * [width / size[1], height / size[0], 1.0, 1.0]
    _, length = torso(landmarks)
    if length < MIN_TORSO * min(height, width):
        return False
    if landmarks[[Landmark.NOSE, *SHOULDERS], 3].max() < 0.3:
        return False
    corners = landmarks[[*_TORSO, _TORSO[0]], :2]
    line = (corners[:-1, None] + ALONG * (corners[1:] - corners[:-1])[:, None]).reshape(-1, 2)
    column, row = line.astype(int).T
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    if not inside.any() or (mask[row[inside], column[inside]] > 127).mean() < 0.5:
        return False
    return int(cv.countNonZero(cv.compare(mask, 127, cv.CMP_GT))) < MAX_MASK_TORSOS * length**2


def torso_colours(frame: Picture, landmarks: F64) -> NDArray[np.float32] | None:
    """Normalised hue-saturation-value histogram of the torso; None where too little shows."""
    corners = landmarks[list(_TORSO), :2]
    centre = corners.mean(0)
    corners = centre + 0.8 * (corners - centre)
    low = np.floor(corners.min(0)).astype(int).clip(0)
    high = np.ceil(corners.max(0)).astype(int) + 1
    patch = frame[low[1] : high[1], low[0] : high[0]]
    if patch.size == 0:
        return None
    step = max(1, max(patch.shape[:2]) // 48)  # colours need no filtering: taking every n-th px is free
    small = np.ascontiguousarray(patch[::step, ::step])
    region = np.zeros(small.shape[:2], np.uint8)
    cv.fillConvexPoly(region, np.rint((corners - low) / step).astype(np.int32), 255)
    if np.count_nonzero(region) < 40:
        return None
    hsv = cv.cvtColor(small, cv.COLOR_BGR2HSV)
    histogram = cv.calcHist([hsv], [0, 1, 2], region, [12, 6, 6], [0, 180, 0, 256, 0, 256]).astype(np.float32)
    histogram += 1e-3
    return np.asarray(histogram / histogram.sum(), np.float32)


def most_central_and_near(people: list[F64], width: int, height: int) -> int:
    """Index of the person who stands before the mirror: large and in the middle."""

    def score(landmarks: F64) -> float:
        centre, length = torso(landmarks)
        return length / height * (1.0 - 0.7 * abs(float(centre[0]) / width - 0.5) * 2.0)

    return max(range(len(people)), key=lambda index: score(people[index]))


class PoseTracker:
    """Follows one person through a video.

    ``model``: path of a Pose Landmarker ``.task``; ``face_model``: of a face detector;
    ``max_people``: how many the chooser looks at. Raises MirrorError when the model cannot be loaded.
    """

    def __init__(self, model: Path, face_model: Path, max_people: int = 3) -> None:
        # The graph runtime logs a page of internals on stderr otherwise.
        os.environ.setdefault("GLOG_minloglevel", "2")
        import mediapipe as mp
        from mediapipe.tasks.python import BaseOptions, vision

        self._image: Callable[[Picture], object] = lambda rgb: mp.Image(
            image_format=mp.ImageFormat.SRGB, data=rgb
        )
        try:
            follow = vision.PoseLandmarkerOptions(
                base_options=BaseOptions(model_asset_path=str(model)),
                running_mode=vision.RunningMode.VIDEO,
                output_segmentation_masks=True,
            )
            self._tracked = vision.PoseLandmarker.create_from_options(follow)
            everybody = vision.PoseLandmarkerOptions(
                base_options=BaseOptions(model_asset_path=str(model)),
                running_mode=vision.RunningMode.IMAGE,
                num_poses=max(1, max_people),
            )
            self._chooser = vision.PoseLandmarker.create_from_options(everybody)
            faces = vision.FaceDetectorOptions(base_options=BaseOptions(model_asset_path=str(face_model)))
            self._faces = vision.FaceDetector.create_from_options(faces)
        except (RuntimeError, ValueError, OSError, FileNotFoundError) as error:
            raise MirrorError(
                f"pose model {model} or {face_model.name} cannot be loaded ({error}); run ./kiosk setup"
            ) from error
        self._max_people = max_people
        self._clock_ms = 0
        self._person = 0
        self._last: F64 | None = None
        self._last_ns = 0
        self._moved = 0.0  # px between the last two frames
        self._lost = 0  # frames in a row without the person
        self._colours: NDArray[np.float32] | None = None
        self._suspect = 0
        self._trusted = np.zeros(2)
        self._others: list[OtherPerson] = []
        self._look_in = 0

    def warm_up(self) -> None:
        """Run both networks once on nothing, so that the first frame is not slow."""
        nothing = np.zeros((256, 256, 3), np.uint8)
        self._follow(nothing, 1)
        self._everybody(nothing)

    def forget(self) -> None:
        """Look for somebody anew: the next frame has nothing to do with the one before."""
        self._last = self._colours = None
        self._suspect = self._lost = 0
        self._others = []

    def close(self) -> None:
        """Free the networks."""
        self._tracked.close()
        self._chooser.close()
        self._faces.close()

    def _follow(self, frame: Picture, step_ms: int) -> tuple[F64, F64, Picture] | None:
        self._clock_ms += max(1, step_ms)
        scale = min(1.0, WORKING_SIDE / max(frame.shape[:2]))
        seen = resize(frame, (round(frame.shape[1] * scale), round(frame.shape[0] * scale)))
        rgb = cv.cvtColor(seen, cv.COLOR_BGR2RGB)
        found = self._tracked.detect_for_video(self._image(rgb), self._clock_ms)
        if not found.pose_landmarks or not found.segmentation_masks:
            return None
        height, width = frame.shape[:2]
        landmarks = np.array(
            [[p.x * width, p.y * height, p.z * width, p.visibility] for p in found.pose_landmarks[0]]
        )
        world = np.array([[p.x, p.y, p.z] for p in found.pose_world_landmarks[0]])
        mask = np.squeeze(found.segmentation_masks[0].numpy_view())
        return landmarks, world, cv.convertScaleAbs(mask, alpha=255.0)

    def _everybody(self, frame: Picture) -> list[F64]:
        rgb = cv.cvtColor(frame, cv.COLOR_BGR2RGB)
        found = self._chooser.detect(self._image(rgb))
        height, width = frame.shape[:2]
        people = [
            np.array([[p.x * width, p.y * height, p.z * width, p.visibility] for p in person])
            for person in found.pose_landmarks
        ]
        distinct: list[F64] = []
        for person in people:  # the detector sometimes reports one person twice
            centre, length = torso(person)
            if length >= MIN_TORSO * min(height, width) and all(
                np.linalg.norm(centre - torso(other)[0]) > 0.35 * length for other in distinct
            ):
                distinct.append(person)
        return distinct

    def observe(self, frame: Picture, t_source_ns: int) -> Observation | None:
        """Landmarks of the followed person in ``frame`` (H, W, 3) BGR uint8, or None.

        ``t_source_ns`` must grow from frame to frame.
        """
        step_ms = int((t_source_ns - self._last_ns) / 1e6) if self._clock_ms else 33
        dt = max(1e-3, step_ms / 1e3)
        away_s = (t_source_ns - self._last_ns) / 1e9
        if self._last is not None:
            found = None
            if self._lost % 2 == 0:  # lost: tracking and choosing take turns, both in a frame are dear
                self._look_round(frame, self._last)
                found = self._follow(_without(frame, self._last, self._others), min(step_ms, 1000))
            if found is not None and plausible(found[0], found[2], frame.shape[:2]):
                colours = torso_colours(frame, found[0])
                if self._same(frame, found[0], colours, dt):
                    return self._keep(found, colours, t_source_ns)
            if away_s > FORGET_S:
                self._last = self._colours = None
            self._lost += 1
            if self._lost > 1 and self._lost % 2 == 1:
                return None
        chosen = self._choose(frame)
        if chosen is None:
            return None
        found = self._lock(frame, chosen)
        if found is None or not plausible(found[0], found[2], frame.shape[:2]):
            return None
        self._suspect = 0
        if self._last is None:
            self._person += 1
            self._colours = None
        return self._keep(found, torso_colours(frame, found[0]), t_source_ns)

    def _keep(
        self, found: tuple[F64, F64, Picture], colours: NDArray[np.float32] | None, t_ns: int
    ) -> Observation:
        landmarks, world, mask = found
        centre, length = torso(landmarks)
        before = centre if self._last is None else torso(self._last)[0]
        self._moved = float(np.linalg.norm(centre - before))
        self._last, self._last_ns, self._lost = landmarks, t_ns, 0
        in_place = np.linalg.norm(centre - self._trusted) < DRIFT * length  # who turns round, say
        if colours is not None and (in_place or self._unlike(colours) < COLOUR_SURE):
            # Slowly: the light may change, the clothes do not.
            self._colours = colours if self._colours is None else 0.95 * self._colours + 0.05 * colours
            self._trusted = centre
        return Observation(landmarks, world, mask, self._person)

    def _same(self, frame: Picture, landmarks: F64, colours: NDArray[np.float32] | None, dt: float) -> bool:
        """Whether the landmarker's answer is still the person it was told to follow."""
        if self._last is None:
            return False
        centre, length = torso(landmarks)
        before, before_length = torso(self._last)
        reach = JUMP * max(length, before_length) * max(1.0, dt * 30.0) ** 0.5
        if np.linalg.norm(centre - before) > reach:
            return False
        if not 0.55 < length / max(before_length, 1e-6) < 1.8:
            return False
        # Who bends or walks out of the light looks otherwise too: the doubt counts only where there
        # is somebody to be mistaken for, and ends when there has been nobody for a while.
        elsewhere = np.linalg.norm(centre - self._trusted) > DRIFT * length
        self._suspect = self._suspect + 1 if self._unlike(colours) > COLOUR_LIMIT and elsewhere else 0
        if self._suspect in SUSPECT_LOOKS:
            if self._others or len(self._everybody(frame)) > 1:
                return False
            if self._suspect == BELIEVE_FRAMES:
                self._colours, self._trusted, self._suspect = colours, centre, 0
        return True

    def _unlike(self, colours: NDArray[np.float32] | None) -> float:
        """Distance 0..1 of a torso's colours to the remembered ones; 0 where either is unknown."""
        if colours is None or self._colours is None:
            return 0.0
        return float(cv.compareHist(colours, self._colours, cv.HISTCMP_BHATTACHARYYA))

    def _look_round(self, frame: Picture, person: F64) -> None:
        """Remember whose face else is in view; now and then, since faces do not run."""
        self._look_in -= 1
        if self._look_in > 0:
            return
        found = self._faces.detect(self._image(cv.cvtColor(frame, cv.COLOR_BGR2RGB)))
        faces = [
            (
                d.bounding_box.origin_x + d.bounding_box.width / 2,
                d.bounding_box.origin_y,
                d.bounding_box.width,
            )
            for d in found.detections
        ]
        self._others = other_people(faces, person, self._moved)
        self._look_in = LOOK_ROUND[1 if self._others else 0]

    def _choose(self, frame: Picture) -> F64 | None:
        people = self._everybody(frame)
        if not people:
            return None
        height, width = frame.shape[:2]
        if self._last is None:
            return people[most_central_and_near(people, width, height)]
        # Where the person last was beyond doubt, and how they are dressed. Somebody alone in the
        # right place is the person, whatever the colours: they may have turned or the light changed.
        length = torso(self._last)[1]
        scores = []
        for person in people:
            unlike = self._unlike(torso_colours(frame, person))
            away = float(np.linalg.norm(torso(person)[0] - self._trusted)) / length
            fits = away < 2.0 and (unlike < COLOUR_LIMIT or (len(people) == 1 and away < 0.5))
            scores.append(away * 0.3 + unlike if fits else np.inf)
        index = int(np.argmin(scores))
        if not np.isfinite(scores[index]):
            return None
        return people[index]

    def _lock(self, frame: Picture, person: F64) -> tuple[F64, F64, Picture] | None:
        """Start tracking ``person``: forget the old track, hide the others."""
        self._look_in, self._moved = 0, 0.0
        self._look_round(frame, person)
        self._follow(np.zeros_like(frame), 1)
        alone = _without(frame, person, self._others)
        found = self._follow(alone, 1)
        if found is None:
            return None
        for _ in range(SETTLE_PASSES):
            # The region of interest settles over some passes: here, not before the shopper's eyes.
            again = self._follow(alone, 1)
            if again is None:
                continue
            moved = np.linalg.norm(again[0][:, :2] - found[0][:, :2], axis=1)
            found = again
            if float(np.median(moved)) < SETTLED * torso(found[0])[1]:
                break
        centre, length = torso(found[0])
        if np.linalg.norm(centre - torso(person)[0]) > 0.8 * length:
            return None
        return found


def other_people(
    faces: list[tuple[float, float, float]], person: F64, moved: float = 0.0
) -> list[OtherPerson]:
    """Who else is there, from faces (middle x, top y, width) px: all but ``person``'s own.

    ``moved``: px that the person may have gone since these landmarks.

    A face over the person's own head or trunk is no neighbour's: it is their own, a print on
    their shirt, or somebody before them, whom nothing could be painted over without the person.
    """
    height = torso(person)[1]
    own_x = person[[*SHOULDERS, Landmark.NOSE], 0]
    others = []
    for x, y, width in faces:
        apart = max(own_x.min() - x, x - own_x.max(), 0.0)
        if apart > max(0.35 * width, 0.08 * height) + moved:
            others.append(
                OtherPerson(
                    x, x - HALF_WIDTH * width, y - UP * width, x + HALF_WIDTH * width, y + DOWN * width
                )
            )
    return others


def _without(frame: Picture, person: F64, others: list[OtherPerson]) -> Picture:
    """The frame with the ``others`` painted over, up to half-way to ``person``."""
    if not others:
        return frame
    frame = frame.copy()
    centre, length = torso(person)
    shoulders = person[list(SHOULDERS), 0]
    for other in others:
        left, right = other.left, other.right
        middle = (centre[0] + other.x) / 2
        if other.x > centre[0]:
            left = max(left, middle, float(shoulders.max()) + 0.05 * length)
        else:
            right = min(right, middle, float(shoulders.min()) - 0.05 * length)
        if right > left:
            rows = slice(max(0, int(other.top)), max(0, int(other.bottom)))
            frame[rows, max(0, int(left)) : max(0, int(right))] = HIDDEN
    return frame
