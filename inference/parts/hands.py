"""Where the hands are, which lie before every garment.

The parts network knows skin from cloth, the skeleton knows which skin is a hand's; where there is no word of
the network, or it sees no skin (hands before orange or patterned cloth), colour and skeleton decide alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.body.camera import Intrinsics
from inference.body.landmarks import ELBOWS, MOUTH, SHOULDERS, TRUNK, WRISTS, Landmark
from inference.body.model import BONES
from inference.fit.fitter import Fit
from inference.parts.colour_model import CLOTH, HAIR, ROOM, SKIN, ColourModel, colour_bins
from mirror.types import F32, F64, Picture, cv

_LENGTH_M = 0.19  # wrist to fingertips of an adult
_ARM_M, _NECK_M = 0.055, 0.075  # half widths, with a margin
_LEARN_EVERY = 6  # frames
_BEHIND_M = (0.0, 0.03)  # a forearm so much deeper than the other, where they cross, passes behind it
_STEADY = 0.25  # of a new frame in what is believed of that
_SEEN = 0.25  # visibility from which a hand is drawn
_BEYOND_M, _SEEN_BEYOND = 0.04, 0.7  # the same of one that is so much deeper than the trunk: it may hide it
# How much the network's skin counts (of its log odds), and how fast less so away from the hand's bones: a
# hand length off, and as much more on the other forearm, which may be bare. Of slopes 4, 6 and 8 with and
# without more on other limbs, found on 31 annotated frames of seven clips; of four others, kept out of sight,
# the share of hands that is found rose from 0.83 to 0.91.
_NETWORK, _AWAY, _AWAY_ON_ARM = 1.5, 8.0, 6.0
_SOFT_ODDS = 0.03  # of the network's probabilities: log odds of 3.5 at most
# Of the left and the right arm.
_PINKIES, _INDICES, _THUMBS = (
    (Landmark.of("left", part), Landmark.of("right", part)) for part in ("pinky", "index", "thumb")
)


@dataclass(frozen=True)
class View:
    """One frame as the occlusion masks see it, at their resolution, which is ``scale`` of the frame's.

    ``small`` (h, w, 3) BGR; ``points`` (33, 2) px and ``visibility`` (33,) of the landmarks; ``skin``: the
    parts network's probability of body skin (h, w) uint8, None where it is not known.
    """

    small: Picture
    points: F64
    visibility: F64
    fit: Fit
    scale: float
    skin: Picture | None = None


class HandMasks:
    """Draws the hands of one person; another one needs another."""

    def __init__(self, intrinsics: Intrinsics) -> None:
        self._intrinsics = intrinsics
        self._frames = 0
        self._behind = [0.0, 0.0]

    def draw(self, masks: Picture, view: View, colours: ColourModel) -> None:
        """Fill the third channel of ``masks`` (h, w, 3 or more), whose first one is the person.

        Learns the skin of the hands, too.
        """
        self._frames += 1
        for side in (0, 1):
            self._draw_hand(masks, view, colours, side)

    def _draw_hand(self, masks: Picture, view: View, colours: ColourModel, side: int) -> None:
        points, visibility, fit = view.points, view.visibility, view.fit
        elbow, wrist, pinky, index, thumb = (
            points[pair[side]] for pair in (ELBOWS, WRISTS, _PINKIES, _INDICES, _THUMBS)
        )
        deeper = float(fit.landmark_points[WRISTS[side], 2] - fit.landmark_points[list(TRUNK), 2].mean())
        if visibility[WRISTS[side]] < (_SEEN if deeper < _BEYOND_M else _SEEN_BEYOND):
            return
        depth = max(float(fit.landmark_points[WRISTS[side], 2]), 0.3)
        stature = _stature(fit)
        length = _LENGTH_M * stature * self._intrinsics.focal * view.scale / depth
        knuckles = (pinky + index) / 2
        reach = knuckles - wrist
        extent = float(np.linalg.norm(reach))
        direction = reach / max(extent, 1e-6)
        tip = wrist + direction * np.clip(extent * 1.9, 0.45 * length, 1.05 * length)
        x0, y0, x1, y1 = box_of(np.stack([wrist, knuckles, tip, thumb]), 0.55 * length, masks.shape)
        if x1 - x0 < 4 or y1 - y0 < 4:
            return
        box = (slice(y0, y1), slice(x0, x1))
        offset = np.array([x0, y0])
        bones = np.full((y1 - y0, x1 - x0), 255, np.uint8)
        thin = max(1, round(0.1 * length))
        cv.line(bones, pixel(wrist - offset), pixel(tip - offset), 0, thin)
        for end in (pinky, index, thumb):
            cv.line(bones, pixel(wrist - offset), pixel(end - offset), 0, thin)
        cv.line(bones, pixel(pinky - offset), pixel(index - offset), 0, thin)
        away = cv.distanceTransform(bones, cv.DIST_L2, 3) / np.float32(length)
        forearm = wrist - elbow
        if np.linalg.norm(forearm) > 0.5 * length:  # the cuff ends at the wrist
            forearm /= np.linalg.norm(forearm)
            past = _ramp(box, forearm / length, float(wrist @ forearm) / length)
            on_forearm = 25.0 * np.maximum(-past - 0.04, 0.0)
        else:
            on_forearm = np.float32(0.0)
        prior = 2.6 - 12.0 * away - on_forearm
        evidence = colours.evidence(SKIN, ((CLOTH, 0.6), (ROOM, 0.25), (HAIR, 0.15)))
        bins = colour_bins(view.small[box])
        colour = np.take(np.clip(evidence, -2.5, 2.5), bins)
        score = np.float32(1.1) * colour + prior
        limbs, other = self._skin_beside(points - offset, bones.shape, length / _LENGTH_M / stature, side)
        # There skin may be another limb's, and its colour speaks for no hand.
        np.minimum(score, prior, out=score, where=limbs.view(bool))
        if view.skin is not None:
            slope = np.float32(_AWAY) + np.float32(_AWAY_ON_ARM) * other
            np.maximum(score, _network_odds(view.skin[box]) + 2.6 - slope * away - on_forearm, out=score)
        behind = self._passes_behind(points, fit, length / _LENGTH_M, side)
        if behind > 0.0:
            score -= np.float32(6.0 * behind) * other
        score = cv.blur(score, (3, 3))
        mask = np.clip(0.5 + 0.7 * score, 0.0, 1.0)
        person = masks[box][..., 0]
        drawn = np.minimum(np.rint(mask * 255.0).astype(np.uint8), person)
        masks[box][..., 2] = np.maximum(masks[box][..., 2], drawn)
        core = (away < 0.06) & (colour > -0.5) & (person > 200)
        if self._frames % _LEARN_EVERY == 1 and visibility[WRISTS[side]] > 0.7:
            colours.learn(SKIN, bins[core], 0.08)

    @staticmethod
    def _skin_beside(
        points: F64, shape: tuple[int, int], px_per_m: float, side: int
    ) -> tuple[Picture, Picture]:
        """Where other skin may be (h, w): arms but this forearm, and neck. And the other forearm alone.

        0 or 1.
        """
        limbs, other = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
        wide = max(1, round(2 * _ARM_M * px_per_m))
        for arm in (0, 1):
            shoulder, elbow, wrist = (pixel(points[pair[arm]]) for pair in (SHOULDERS, ELBOWS, WRISTS))
            cv.line(limbs, shoulder, elbow, 1, wide)
            if arm != side:
                cv.line(limbs, elbow, wrist, 1, wide)
                cv.line(other, elbow, wrist, 1, wide)
        chin = points[list(MOUTH)].mean(0)
        pit = points[list(SHOULDERS)].mean(0)
        cv.line(limbs, pixel(chin), pixel(pit), 1, max(1, round(2 * _NECK_M * px_per_m)))
        return limbs, other

    def _passes_behind(self, points: F64, fit: Fit, px_per_m: float, side: int) -> float:
        """How sure it is, 0..1, that this forearm passes behind the other one."""
        ours, theirs = (np.linspace(points[ELBOWS[arm]], points[WRISTS[arm]], 7) for arm in (side, 1 - side))
        gap = np.linalg.norm(ours[:, None] - theirs[None], axis=-1)
        met = gap.min(axis=1) < _ARM_M * px_per_m
        now = 0.0
        if met.any():
            z = fit.landmark_points[:, 2]
            depth, other = (np.linspace(z[ELBOWS[arm]], z[WRISTS[arm]], 7) for arm in (side, 1 - side))
            deeper = float((depth - other[gap.argmin(axis=1)])[met].mean())
            now = float(np.clip((deeper - _BEHIND_M[0]) / (_BEHIND_M[1] - _BEHIND_M[0]), 0.0, 1.0))
        self._behind[side] += _STEADY * (now - self._behind[side])
        return self._behind[side]


def _network_odds(skin: Picture) -> F32:
    """What the network's word of skin (h, w) uint8 is worth, in the units of the score."""
    likely = skin.astype(np.float32) / np.float32(255)
    soft = np.float32(_SOFT_ODDS)
    return np.asarray(np.float32(_NETWORK) * np.log((likely + soft) / (1 + soft - likely)), np.float32)


def _stature(fit: Fit) -> float:
    """Size of this body against the mean one, from the length of its trunk."""
    origin = fit.pose.origin
    span = float(np.linalg.norm(origin[BONES.index("neck")] - origin[0]))
    return float(np.clip(span / 0.5, 0.6, 1.3))


def pixel(point: F64) -> tuple[int, int]:
    """The pixel that a point (2,) falls on."""
    return round(float(point[0])), round(float(point[1]))


def _ramp(box: tuple[slice, slice], slope: F64, offset: float) -> NDArray[np.float32]:
    """Ramp x * slope[0] + y * slope[1] - offset for the pixels of ``box``."""
    rows = np.arange(box[0].start, box[0].stop, dtype=np.float32)[:, None] * np.float32(slope[1])
    columns = np.arange(box[1].start, box[1].stop, dtype=np.float32)[None] * np.float32(slope[0])
    return np.asarray(rows + (columns - np.float32(offset)), np.float32)


def box_of(points: F64, margin: float, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Bounding box x0, y0, x1, y1 of points (n, 2) grown by ``margin`` and cut to the picture."""
    low = np.floor(points.min(0) - margin).astype(int)
    high = np.ceil(points.max(0) + margin).astype(int) + 1
    x0, y0 = np.maximum(low, 0)
    return int(x0), int(y0), int(min(high[0], shape[1])), int(min(high[1], shape[0]))
