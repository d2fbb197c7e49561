"""The light of the followed person in the live mirror: the network some times a second, smoothed in time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inference.body.camera import Intrinsics
from inference.body.model import BodyModel
from inference.fit.fitter import Fit
from inference.light.analytic import AnalyticLight, light_message
from inference.light.network import LightNetwork
from inference.light.probe import ProbeMaker
from mirror.messages import Light
from mirror.shading.colour import LUMINANCE_RGB
from mirror.shading.spherical_harmonics import angle_deg, main_direction
from mirror.types import F32, F64, Picture

__all__ = ["PERIOD_S", "Estimate", "LightTracker"]

PERIOD_S = 0.2  # how often the network looks
_SLOW_S, _FAST_S = 0.8, 0.10  # time constants in still light, and when a lamp is turned
_TURN_DEG, _LEVEL = 30.0, 0.35  # changes (degrees; of the level's logarithm) that are a lamp for sure
_UNSURE_RAD = 1.5  # an expected error of the direction above this is no estimate
_STIR = 0.12  # change of the room's luminance (logarithm) that a person who moves does not make
_FACE_STIR, _FACE_TURN = 0.25, 0.4  # of the face's own level, and of its left against its right
_LEAST_FACE = 4  # of its nine cells must be seen
_STIRRED_S = 0.5  # so long after it the light may change at once
_LEAST_ROOM = 0.05  # of the picture must be room to tell
_LIGHTEST = 0.45  # reflectance, in luminance, of the lightest skin
_SURE_RAD = 0.6  # confidence falls to 1/e at this expected error


@dataclass(frozen=True)
class Estimate:
    """Light E/pi (9, 3) of one frame; ``confidence`` 0..1; whether the network gave it.

    ``room``: the frame's linear luminance, coarse, NaN on the person. ``face``: the probe's ``face_shading``.
    """

    sh: F64
    confidence: float
    by_network: bool
    room: F32
    face: F32


class LightTracker:
    """Running estimate of the light; the interface of the analytic ``AnalyticLight``.

    The analytic estimate stands in where the network has nothing to judge by: no face seen, a
    picture that is black or burnt out, or an answer that itself expects to be wrong.

    A lamp that is turned lights the room anew, or at least what of the face turns the same way as before:
    only then, or where neither is seen, is a sudden change believed. Else it is the person who moved,
    and the estimate with them.
    """

    def __init__(self, model: BodyModel, intrinsics: Intrinsics, network: LightNetwork) -> None:
        self.intrinsics = intrinsics
        self._network = network
        self._probes = ProbeMaker(model)
        self._analytic = AnalyticLight(model, intrinsics)
        self.reset()

    def reset(self) -> None:
        """Forget the light."""
        self._target: Estimate | None = None
        self._sh: F64 | None = None
        self._confidence = self._hurry = 0.0
        self._constant_s = _SLOW_S
        self._looked_ns = self._last_ns = self._stirred_ns = -(10**18)

    def update(
        self, frame: Picture, mask: Picture, hands: Picture | None, fit: Fit, t_source_ns: int
    ) -> Light:
        """Light of the frame (H, W, 3) BGR: looked for every PERIOD_S of source time, moved to in between.

        ``mask`` is the person, ``hands`` marks hands before the body: (h, w), of any resolution.
        """
        since = (t_source_ns - self._looked_ns) / 1e9
        if self._target is None or self._sh is None or not 0.0 <= since < PERIOD_S:
            before, self._target = self._target, self.estimate(frame, mask, hands, fit)
            if before is not None and _stirred(before, self._target):
                self._stirred_ns = t_source_ns
            if self._sh is None or since < 0.0 or since > 2.0:  # begun, begun again, or long away
                self._sh, self._confidence = self._target.sh, self._target.confidence
            sudden = 0.0 <= (t_source_ns - self._stirred_ns) / 1e9 <= _STIRRED_S
            # Once hurried, it stays so until it is there.
            self._hurry = max(self._hurry, _urgency(self._sh, self._target.sh)) if sudden else 0.0
            self._constant_s = _SLOW_S * (_FAST_S / _SLOW_S) ** self._hurry
            self._looked_ns = t_source_ns
        step = float(np.clip((t_source_ns - self._last_ns) / 1e9, 0.0, 0.5))
        self._last_ns = t_source_ns
        blend = 1.0 - float(np.exp(-step / self._constant_s))
        self._sh = self._sh + blend * (self._target.sh - self._sh)
        self._confidence += blend * (self._target.confidence - self._confidence)
        return light_message(self._sh, self._confidence)

    def estimate(self, frame: Picture, mask: Picture, hands: Picture | None, fit: Fit) -> Estimate:
        """Light of one frame by itself; arguments as for ``update``."""
        probe = self._probes.make(frame, mask, fit, self.intrinsics)
        room, face = probe.background(), probe.face_shading()
        if probe.has_face and probe.is_exposed:
            sh, error = self._network.light(probe.arrays())
            if error[0] < _UNSURE_RAD:
                # No head throws back more light than the lightest skin: there must be more light.
                more = max((probe.reflectance(sh[0]) or 0.0) / _LIGHTEST, 1.0)
                return Estimate(more * sh[0], float(np.exp(-error[0] / _SURE_RAD)), True, room, face)
        sh_, confidence = self._analytic.estimate(frame, mask, hands, fit)
        return Estimate(sh_, min(confidence, 0.3) if probe.is_exposed else 0.05, False, room, face)


def _stirred(before: Estimate, after: Estimate) -> bool:
    """Whether room or face are lit otherwise; True as well where too little of both is seen to tell."""
    both = ~np.isnan(before.room) & ~np.isnan(after.room)
    room_seen = bool(both.mean() >= _LEAST_ROOM)
    if room_seen:
        change = np.log((after.room[both] + 0.01) / (before.room[both] + 0.01))
        if np.median(np.abs(change)) > _STIR:
            return True
    change = after.face - before.face
    seen = ~np.isnan(change)
    if np.count_nonzero(seen) < _LEAST_FACE:
        return not room_seen
    level = float(np.median(change[seen]))
    sides = [change[:, k][seen[:, k]] for k in (0, 2)]
    turned = abs(float(sides[0].mean() - sides[1].mean())) if len(sides[0]) and len(sides[1]) else 0.0
    return abs(level) > _FACE_STIR or turned > _FACE_TURN


def _urgency(now: F64, target: F64) -> float:
    """0 where two lights are alike, 1 where a lamp has been turned."""
    angle = angle_deg(main_direction(now), main_direction(target))
    levels = [max(float(sh[0] @ LUMINANCE_RGB), 1e-6) for sh in (now, target)]
    ratio = abs(float(np.log(levels[1] / levels[0])))
    urgency = max(angle / _TURN_DEG, ratio / _LEVEL)
    # Below a third it is the estimate's own noise.
    return float(np.clip((urgency - 0.33) / 0.67, 0.0, 1.0))
