"""All that is estimated of one followed person: fitted body, light, what is in front, what is worn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from inference.body.camera import Intrinsics
from inference.body.model import BodyModel
from inference.estimator import Estimator
from inference.fit.fitter import BodyFitter, Fit
from inference.fit.shape_prior import ShapePrior
from inference.light.analytic import AnalyticLight
from inference.light.network import LightNetwork
from inference.light.tracker import LightTracker
from inference.parts.occlusion_masks import OcclusionMasks
from inference.parts.parts_tracker import PartsTracker
from inference.parts.skin_tone import SkinTone
from inference.parts.worn_clothes import WornClothes, is_due
from inference.pose.correction import LandmarkCorrection
from inference.pose.distance_field import distance_field
from inference.pose.tracker import Observation
from mirror.messages import Light, Rgb
from mirror.timer import StageTimer
from mirror.types import F32, F64, Picture

__all__ = ["PersonEstimator", "PersonState"]

# m: a fit whose trunk is farther from its landmarks is not shown, they make no body or are two people's. An
# arm that is not where it is seen is no reason to take the garment off.
FIT_LIMIT = 0.075
DOUBTFUL = 3  # frames after a bad fit that are not shown: their landmarks may lie between two people
LONG_AWAY_S = 1.0  # after which a pose is not tied to the last one: away, or a clip began again
STEP_LIMITS_S = (1e-3, 0.5)  # of the time between two frames, as the fit takes it


@dataclass(frozen=True)
class PersonState:
    """What is believed of the followed person as of one frame.

    ``bone_transforms`` (J, 3, 4) take rest vertices of ``shape`` (K,) to camera space, metres. ``masks``
    (h, w, 3 or 4) as ``messages.Body`` documents them. ``intrinsics``: of the working copy, whose ``size``
    is (width, height) px. ``cover`` (V bytes) and ``skin_tone``: where worn clothes lie on the body, and
    what is under them; empty where they are not asked for.
    """

    bone_transforms: F32
    shape: F64
    masks: Picture
    light: Light
    intrinsics: Intrinsics
    size: tuple[int, int]
    cover: bytes = b""
    skin_tone: Rgb | None = None


@dataclass(frozen=True)
class _Estimators:
    """The estimators, made for one size of picture."""

    fitter: BodyFitter
    masks: OcclusionMasks
    light: AnalyticLight | LightTracker
    worn_clothes: WornClothes
    skin_tone: SkinTone

    def __iter__(self) -> Iterator[Estimator[object]]:
        yield from (self.fitter, self.masks, self.light, self.worn_clothes, self.skin_tone)


@dataclass(frozen=True)
class _Fitted:
    """A frame of which more may be learnt once its body is on its way."""

    picture: Picture
    mask: Picture
    masks: Picture
    fit: Fit
    t_source_ns: int


class PersonEstimator:
    """Fit, occlusion masks and light of one followed person; an ``Estimator`` made of others.

    ``parts`` is asked for the person's parts, if given.

    ``light``: "network" or "analytic". ``worn``: whether the worn clothes are to be told too.
    """

    def __init__(
        self,
        model: BodyModel,
        field_of_view_deg: float,
        light: str = "network",
        worn: bool = False,
        parts: PartsTracker | None = None,
    ) -> None:
        self._parts = parts
        self._worn = worn
        self._model = model
        self._correction, self._shape_prior = LandmarkCorrection.shipped(), ShapePrior.shipped()
        self._network = LightNetwork.shipped() if light == "network" else None
        self._field_of_view = field_of_view_deg
        self._size = (0, 0)
        self._person = 0
        self._doubts = 0
        self._last_ns = 0
        self._light: Light | None = None
        self._to_learn: _Fitted | None = None
        self._processed = 0

    def reset(self) -> None:
        """Forget the person."""
        for estimator in self._estimators:
            estimator.reset()
        if self._parts is not None:
            self._parts.reset()
        self._processed = 0
        self._light = None

    def _prepare(self, size: tuple[int, int], person: int) -> None:
        """Begin anew for pictures of another ``size`` (width, height) or for another person."""
        if size != self._size:
            self._size = size
            self._intrinsics = Intrinsics.from_field_of_view(self._field_of_view, *size)
            self._estimators = self._made_for(self._intrinsics)
            self._light = None
        elif person != self._person:
            self.reset()
        self._person = person

    def _made_for(self, camera: Intrinsics) -> _Estimators:
        model = self._model
        return _Estimators(
            BodyFitter(model, camera, self._correction, self._shape_prior),
            OcclusionMasks(model, camera, self._worn),
            AnalyticLight(model, camera)
            if self._network is None
            else LightTracker(model, camera, self._network),
            WornClothes(model, camera),
            SkinTone(model, camera),
        )

    def update(
        self, picture: Picture, observation: Observation, t_source_ns: int, timer: StageTimer
    ) -> PersonState | None:
        """What is believed as of a working copy (h, w, 3) BGR; None if no body fits."""
        height, width = picture.shape[:2]
        self._prepare((width, height), observation.person)
        estimators = self._estimators
        elapsed_s = (t_source_ns - self._last_ns) / 1e9
        if elapsed_s > LONG_AWAY_S:
            estimators.fitter.pose = None
        self._last_ns = t_source_ns
        landmarks = observation.image_landmarks
        parts = None
        if self._parts is not None:
            with timer("parts"):
                parts = self._parts.update(picture, observation, t_source_ns)
        with timer("fit"):
            field = distance_field(observation.mask, width)
            shortest, longest = STEP_LIMITS_S
            dt = min(max(elapsed_s, shortest), longest)
            fit = estimators.fitter.update(landmarks, observation.world, field, dt)
        if not self._is_believed(fit):
            return None
        with timer("masks"):
            masks = estimators.masks.update(picture, observation.mask, landmarks, fit, parts)
        with timer("light"):
            if self._light is None:
                self._light = estimators.light.update(
                    picture, observation.mask, masks[..., 2], fit, t_source_ns
                )
        self._to_learn = _Fitted(picture, observation.mask, masks, fit, t_source_ns)
        return PersonState(
            bone_transforms=fit.bone_transforms,
            shape=fit.shape,
            masks=masks,
            light=self._light,
            intrinsics=self._intrinsics,
            size=self._size,
            cover=estimators.worn_clothes.cover(elapsed_s) if self._worn else b"",
            skin_tone=estimators.skin_tone.tone if self._worn else None,
        )

    def _is_believed(self, fit: Fit) -> bool:
        """Whether a fit is one person's; the fitter forgets what it learnt of others."""
        if fit.trunk_error > FIT_LIMIT:
            self._estimators.fitter.reset()
            self._doubts = DOUBTFUL
            return False
        if self._doubts:
            self._doubts -= 1
            if not self._doubts:  # nor may their shape stay
                self._estimators.fitter.reset()
            return False
        return True

    def learn(self) -> None:
        """Learn colours and light from the frame taken in last, for the next ones.

        Both change slowly, and so need not be waited for: call it when the frame is on its way.
        """
        frame, self._to_learn = self._to_learn, None
        if frame is None:
            return
        estimators = self._estimators
        estimators.masks.learn()
        self._light = estimators.light.update(
            frame.picture, frame.mask, frame.masks[..., 2], frame.fit, frame.t_source_ns
        )
        self._processed += 1
        if self._worn and is_due(self._processed):
            colours = estimators.masks.colours
            exposed = estimators.worn_clothes.update(frame.picture, frame.masks, frame.fit, colours)
            estimators.skin_tone.update(frame.picture, frame.masks, frame.fit, self._light, colours, exposed)
