"""One clip through the mirror, every frame held against the truth."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from inference.body.landmarks import TRUNK
from inference.body.model import BodyModel
from workshop.evaluate.fit import masks, steadiness
from workshop.evaluate.fit.baseline import Baseline
from workshop.evaluate.fit.lock_step import LoadedOutfits, LockStepMirror, Observed
from workshop.synthetic.people import mannequins
from workshop.synthetic.people.exposed_skin_truth import BareTruth
from workshop.synthetic.people.motions import FPS
from workshop.synthetic.people.scenes import Scene
from workshop.synthetic.people.truth import BOTTOM_SHOWN, IDEAL, TOP_SHOWN, TOP_WHOLE, TrueClip
from workshop.train import body_errors

# What counts as what in the proof: definitions, not fitted to anything. To change one is to change what the
# published figures mean.
GRACE = round(0.5 * FPS)  # frames in which a person who has come into view may still be without clothes
FRONT_DEG = 60.0  # of turn: up to it a person counts as seen from the front
DRESSED = 0.5  # overlap from which a person counts as dressed again
_SETTLED = FPS  # frames after which trembling is measured
_STEADY_FRAMES = 10  # that must then be left to measure it over
_STILL_PX, _MOVES_PX = 0.1, 1.0  # a frame, of the true garment: second difference, speed
_LEAST_PX = 800  # a garment of which less is in view is not scored
_HIDDEN = 0.5  # of the garment by somebody else: beyond it the person is not in view
_FACE_COVERED, _LEAST_FACE_PX = 0.05, 60  # share of a face, taken to have as many px at least
_ASTRAY = 0.6  # trunk lengths from the person's middle at which, on somebody else, the garment has gone over
_OUTLINE = 0.01  # of the person's height: an outline within it is found, an edge within it in the right order
_BESIDE = 0.02  # of the person's height: so far around what lies in front the layering is looked at
_NEAREST_M = 0.05  # a joint nearer than that to the camera's plane is projected as if it were there
_NAN = float("nan")
_WORST = 3  # frames of a clip kept as pictures


@dataclass
class FrameScore:
    """What was measured in one frame; NaN where there is nothing to measure.

    ``joints`` (2, 12, 2): how far right and down, in lengths of the trunk, each of ``body_errors.JOINTS``
    lies from the truth: the fit's, and the pose network's own landmark; NaN outside the frame.
    """

    index: int
    in_view: bool
    tracked: bool
    turn_deg: float
    iou_top: float = _NAN
    iou_bottom: float = _NAN
    baseline_top: float = _NAN
    baseline_bottom: float = _NAN
    f_top: float = _NAN
    f_bottom: float = _NAN
    joint_px: float = _NAN
    joint_share: float = _NAN
    trunk_cm: float = _NAN
    joints: NDArray[np.float64] | None = None
    layering: tuple[int, int, int] = (0, 0, 0)
    face_covered: bool = False
    worn: tuple[int, int] = (0, 0)
    worn_hidden: tuple[int, int] = (0, 0)
    restored: tuple[float, int, int] = (0.0, 0, 0)
    skin: tuple[float, int, int] = (0.0, 0, 0)
    on_other: bool = False
    counted: bool = False

    @property
    def iou(self) -> float:
        """Mean overlap of top and bottom, of those that are in view."""
        found = [v for v in (self.iou_top, self.iou_bottom) if np.isfinite(v)]
        return float(np.mean(found)) if found else _NAN


@dataclass
class SceneScore:
    """What was measured in one clip. ``worst``: (score, frame, true pixels, ours) of the worst frames."""

    scene: Scene
    frames: list[FrameScore]
    jitter_px: float
    lag_frames: float
    recovery_s: list[float]
    swaps: int
    renewed: int
    measures: dict[str, float]
    fit_ms: float
    worst: list[tuple[FrameScore, NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]] = field(
        default_factory=list
    )


class Judge:
    """Scores clips; keeps renderers and baselines from clip to clip."""

    def __init__(self, field_of_view_deg: float | None = None) -> None:
        """``field_of_view_deg``: what the mirror is told; None for the true one of each camera."""
        self._field_of_view = field_of_view_deg
        self._model = BodyModel.load()
        self._surface = body_errors.TrunkSurface(self._model)
        self._loaded = LoadedOutfits()
        self._baselines: dict[str, Baseline] = {}

    @property
    def loaded(self) -> LoadedOutfits:
        """The frame composers, for others to share."""
        return self._loaded

    def score(self, clip: TrueClip) -> SceneScore:
        """Follow the first actor of a clip through all of its frames."""
        scene = clip.scene
        mirror = LockStepMirror(
            self._field_of_view or scene.field_of_view_deg,
            [(scene.top,), (scene.bottom,)],
            self._loaded,
            hidden=(scene.bottom, scene.top) if scene.bulky else None,
            room=clip.room if scene.bulky else None,
        )
        bare = BareTruth(scene) if scene.bulky else None
        frames: list[FrameScore] = []
        worst: list[tuple[FrameScore, NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]] = []
        anchors: list[dict[str, tuple[float, float]]] = []
        people: list[int] = []
        fit_ms: list[float] = []
        last: Observed | None = None
        waiting = 0
        scale = 1.0
        shape_seen = b""
        for index in range(len(clip)):
            frame = clip.frame(index)
            seen = mirror.see(frame, clip.time_ns(index))
            if seen.shape is not None and seen.shape.tobytes() != shape_seen:
                shape_seen = seen.shape.tobytes()
                scale = scene.body(0).height_m / float(np.ptp(self._model.shaped(seen.shape)[0][:, 1]))
            truth = clip.truth(index)
            score = self._frame(clip, index, frame, truth, seen, scale)
            if bare is not None:
                pair, true_picture = seen.outfits[3], bare.see(clip.bone_transforms[index], clip.room)
                worn = np.isin(truth[..., 0], (mannequins.TOP, mannequins.BOTTOM))
                score.skin = masks.skin_error(
                    worn, true_picture[1], pair.mask, pair.picture, frame, true_picture[0]
                )
            waiting = waiting + 1 if score.in_view else 0
            score.counted = score.in_view and (score.tracked or waiting > GRACE)
            frames.append(score)
            anchors.append(seen.outfits[0].anchors)
            if seen.bone_transforms is not None:
                last = seen
                people.append(seen.person)
                fit_ms.append(seen.stage_ms.get("fit", _NAN))
            if score.counted and np.isfinite(score.iou):
                worst = _keep_worst(worst, (score, frame, truth[..., 2], _ours(seen)))
        mirror.close()
        if bare is not None:
            bare.close()
        return SceneScore(
            scene,
            frames,
            *self._steadiness(clip, anchors),
            recovery_s=[
                n / FPS
                for n in steadiness.recoveries(
                    [f.in_view for f in frames],
                    [f.tracked and not f.iou_top < DRESSED for f in frames],
                )
            ],
            swaps=steadiness.swaps([f.on_other for f in frames]),
            renewed=len(set(people)) - 1 if people else 0,
            measures=self._measures(scene, last),
            fit_ms=float(np.nanmedian(fit_ms)) if fit_ms else _NAN,
            worst=worst,
        )

    def _frame(
        self,
        clip: TrueClip,
        index: int,
        frame: NDArray[np.uint8],
        truth: NDArray[np.uint8],
        seen: Observed,
        scale: float,
    ) -> FrameScore:
        scene = clip.scene
        body, true_transforms = scene.body(0), clip.bone_transforms[index]
        labels, in_top, bits = truth[..., 0], truth[..., 1], truth[..., 2]
        shown = ((bits & TOP_SHOWN) > 0, (bits & BOTTOM_SHOWN) > 0)
        whole = (bits & TOP_WHOLE) > 0
        size = clip.camera.size
        corners = body_errors.joints_of(true_transforms, body.model.joints, body_errors.SHOULDERS_HIPS)
        pixels = corners[:, :2] / corners[:, 2:] * clip.camera.focal + np.array(size) / 2
        inside = bool(((pixels >= 0) & (pixels < size)).all())
        hidden = np.count_nonzero(whole & (in_top == mannequins.OTHER)) / max(int(np.count_nonzero(whole)), 1)
        height_px = body.height_m * clip.camera.focal / float(corners[:, 2].mean())
        score = FrameScore(
            index,
            inside and bool(hidden < _HIDDEN),
            seen.bone_transforms is not None,
            body_errors.facing_deg(true_transforms),
        )
        top, bottom = (outfit.mask for outfit in seen.outfits[:2])
        if np.count_nonzero(shown[0]) >= _LEAST_PX:
            score.iou_top = masks.overlap(top, shown[0])
            score.f_top = masks.boundary_f(top, shown[0], _OUTLINE * height_px)
            score.baseline_top = self._baseline(scene.top, seen, size, shown[0])
        if np.count_nonzero(shown[1]) >= _LEAST_PX:
            score.iou_bottom = masks.overlap(bottom, shown[1])
            score.f_bottom = masks.boundary_f(bottom, shown[1], _OUTLINE * height_px)
            score.baseline_bottom = self._baseline(scene.bottom, seen, size, shown[1])
        front = np.isin(in_top, mannequins.PARTS)
        score.layering = masks.layering(
            top, shown[0], whole, front, round(_BESIDE * height_px), round(_OUTLINE * height_px)
        )
        face = in_top == mannequins.FACE
        score.face_covered = int(np.count_nonzero(face & top)) > _FACE_COVERED * max(
            int(np.count_nonzero(face)), _LEAST_FACE_PX
        )
        if scene.bulky:
            worn = (labels == mannequins.TOP) | (labels == mannequins.BOTTOM)
            as_it_comes, pair = seen.outfits[2:]
            score.worn = masks.worn_left(worn, as_it_comes.mask, as_it_comes.picture, frame, clip.room)
            score.worn_hidden = masks.worn_left(worn, pair.mask, pair.picture, frame, clip.room)
            ideal = (bits & IDEAL) > 0
            score.restored = masks.restored_error(worn, ideal, pair.mask, pair.picture, frame, clip.room)
        if seen.bone_transforms is not None and seen.shape is not None and seen.landmarks is not None:
            self._body(clip, index, seen, score, scale)
            centre = seen.landmarks[list(TRUNK), :2].mean(0)
            trunk = body_errors.trunk_px(true_transforms, body.model.joints, clip.camera.focal)
            row, column = (int(np.clip(c, 0, n - 1)) for c, n in zip(centre[::-1], size[::-1], strict=True))
            away = float(np.linalg.norm(centre - pixels.mean(0)))
            score.on_other = away > _ASTRAY * trunk and labels[row, column] == mannequins.OTHER
        return score

    def _baseline(self, garment: str, seen: Observed, size: tuple[int, int], truth: masks.Mask) -> float:
        if seen.landmarks is None:
            return 0.0
        if garment not in self._baselines:
            self._baselines[garment] = Baseline(garment)
        return masks.overlap(self._baselines[garment].mask(seen.landmarks, size), truth)

    def _body(self, clip: TrueClip, index: int, seen: Observed, score: FrameScore, scale: float) -> None:
        """Joints and trunk."""
        assert seen.bone_transforms is not None  # noqa: S101 - the caller looked
        assert seen.shape is not None  # noqa: S101
        assert seen.landmarks is not None  # noqa: S101
        body, true_transforms = clip.scene.body(0), clip.bone_transforms[index]
        truth = body_errors.joints_of(true_transforms, body.model.joints)
        ours = body_errors.joints_of(seen.bone_transforms, self._model.shaped_joints(seen.shape))
        told = self._field_of_view or clip.scene.field_of_view_deg
        focal = 0.5 * max(clip.camera.size) / float(np.tan(np.radians(told) / 2))
        middle = np.array(clip.camera.size) / 2
        true_px = truth[:, :2] / truth[:, 2:] * clip.camera.focal + middle
        our_px = ours[:, :2] / np.maximum(ours[:, 2:], _NEAREST_M) * focal + middle
        inside = np.asarray(((true_px >= 0) & (true_px < clip.camera.size)).all(axis=1))
        if inside.any():
            score.joint_px = float(np.linalg.norm(our_px - true_px, axis=1)[inside].mean())
            trunk = body_errors.trunk_px(true_transforms, body.model.joints, clip.camera.focal)
            score.joint_share = score.joint_px / trunk
            seen_px = seen.landmarks[list(body_errors.LANDMARKS_OF_JOINTS), :2]
            off = np.stack([our_px - true_px, seen_px - true_px]) / trunk
            score.joints = np.where(inside[None, :, None], off, np.nan)
        score.trunk_cm = 100 * self._surface.error_m(
            seen.bone_transforms, seen.shape, true_transforms, body.model.vertices, scale
        )

    @staticmethod
    def _steadiness(clip: TrueClip, anchors: list[dict[str, tuple[float, float]]]) -> tuple[float, float]:
        """(jitter px, lag frames) of the top's named points over the longest dressed stretch.

        Trembling shows where the truth stands still, trailing where it moves; NaN elsewhere.
        """
        start, stop = _longest([bool(a) for a in anchors])
        names = [n for n in clip.anchors if start < stop and n in anchors[start]]
        if stop - start < _SETTLED + _STEADY_FRAMES or not names:
            return _NAN, _NAN
        ours = np.array([[anchors[t][n] for n in names] for t in range(start, stop)])
        truth = np.stack([clip.anchors[n][start:stop] for n in names], axis=1)
        still = steadiness.jitter(truth) < _STILL_PX
        moves = float(np.sqrt((np.diff(truth, axis=0) ** 2).sum(-1).mean())) > _MOVES_PX
        return (
            steadiness.jitter(ours[_SETTLED:]) if still else _NAN,
            steadiness.lag(ours, truth) if moves else _NAN,
        )

    def _measures(self, scene: Scene, last: Observed | None) -> dict[str, float]:
        if last is None or last.bone_transforms is None or last.shape is None:
            return {}
        body = scene.body(0)
        truth = body_errors.measures_of(self._model, body.model.vertices, body.model.joints)
        ours = body_errors.measures_of(
            self._model, *body_errors.grown_rest(self._model, last.bone_transforms, last.shape)
        )
        return body_errors.measure_errors(ours, truth)

    def close(self) -> None:
        """Free the renderers."""
        self._loaded.close()


def _ours(seen: Observed) -> NDArray[np.uint8]:
    """Garment pixels as the truth's bits."""
    top, bottom = (outfit.mask for outfit in seen.outfits[:2])
    return (TOP_SHOWN * top + BOTTOM_SHOWN * bottom).astype(np.uint8)


def _keep_worst(
    kept: list[tuple[FrameScore, NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]],
    new: tuple[FrameScore, NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]],
) -> list[tuple[FrameScore, NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]]:
    """The worst few, no two within half a second of each other."""
    near = [k for k in kept if abs(k[0].index - new[0].index) < GRACE]
    if near:
        if new[0].iou >= near[0][0].iou:
            return kept
        kept = [k for k in kept if k is not near[0]]
    return sorted([*kept, new], key=lambda k: k[0].iou)[:_WORST]


def _longest(flags: list[bool]) -> tuple[int, int]:
    """Start and end of the longest run."""
    best, start = (0, 0), 0
    for index, flag in enumerate([*flags, False]):
        if not flag:
            if index - start > best[1] - best[0]:
                best = (start, index)
            start = index + 1
    return best
