"""What a picture says of a person's build before any fit: a learned guess of shape, girths and clothes.

Loose clothes and hanging arms hide the trunk, so its outline alone cannot tell a slim person in a coat from
a stout one in a shirt. How wide limbs, neck and face are, how far the arms hang out, and how all that goes
together among people, tells more. From widths of the person mask and distances of landmarks, in trunk
lengths, a ridge regression (Hoerl & Kennard 1970) gives the likely values of a ``ShapeEstimate`` and the
covariance that is left: its prior for this person. ``workshop/train/shape_prior.py`` trains it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.body.landmarks import (
    ANKLES,
    ARM_BONES,
    EARS,
    ELBOWS,
    EYES,
    HIPS,
    KNEES,
    LEG_BONES,
    MOUTH,
    SHOULDERS,
    WRISTS,
    Landmark,
)
from inference.pose.distance_field import DistanceField
from inference.weights import WeightsKind
from mirror.types import F64, cv

__all__ = ["CLIP", "FEATURES", "SHIPPED", "WEIGHTS", "ShapePrior", "describe", "standardised"]

SHIPPED = Path(__file__).resolve().parent / "data" / "shape_prior.safetensors"
WEIGHTS = WeightsKind(
    some="weights of the shape prior", of="the shape prior", format="fitting-mirror-physique", version=2
)
_TRUNK_SEEN, _LIMB_SEEN = 0.6, 0.5  # visibility
_FACING = 0.75  # depth over width, of the line between the shoulders: about 37 degrees from the front
_UPRIGHT = 0.8  # of the line from hips to shoulders, its share that is upright
_STANDING = 0.6  # of the trunk's length, that knees must lie below the hips to tell a thigh
_LEVELS = np.array([0.15, 0.3, 0.45, 0.6, 0.75, 0.9, 1.05, 1.2])  # down the trunk, from shoulders to hips
_LIMBS = (*ARM_BONES, *LEG_BONES)  # of the left, and of the right
_PLACES = np.array([0.35, 0.6, 0.85])  # along a limb
_LONG = 0.25  # of the trunk, as a limb must be in the picture for its width to tell
_STEPS = 48  # of a search for the mask's edge
_REACH_TRUNK, _REACH_LIMB, _REACH_FACE = 1.6, 0.7, 0.5  # trunk lengths
_LEAST_PX = 20.0  # of the trunk
_BORDER_PX = 4.0  # of the frame, where the mask may be cut
_PAIRS = tuple(((near, far), (near.mirrored, far.mirrored)) for near, far in _LIMBS)
_THIGHS, _SHINS = _PAIRS[2:]
WORLD_BONES: tuple[tuple[tuple[Landmark, Landmark], ...], ...] = ((SHOULDERS,), (HIPS,), (EARS,), *_PAIRS)
FACE_WIDTHS = (EARS, EYES, MOUTH)
_NOSE_TO_MOUTH = tuple((Landmark.NOSE, corner) for corner in MOUTH)
_ARM_ENDS = [*ELBOWS, *WRISTS]
FEATURES = len(_LEVELS) + len(_LIMBS) * len(_PLACES) + 4 + 2 + len(FACE_WIDTHS) + 3 + len(WORLD_BONES) + 1 + 5
CLIP = 3.0  # standard deviations, beyond which a feature tells no more


def describe(landmarks: F64, world: F64, field: DistanceField) -> F64 | None:
    """Features (F,) of one frame, NaN for what is not seen; None unless the trunk is seen from the front.

    ``landmarks`` (33, 3) px and visibility, ``world`` (33, 3) metres, ``field``: of the person mask.
    """
    xy, seen = landmarks[:, :2], landmarks[:, 2]
    across = world[SHOULDERS[0]] - world[SHOULDERS[1]]
    if seen[[*SHOULDERS, *HIPS]].min() < _TRUNK_SEEN or abs(across[2]) > _FACING * across[0]:
        return None
    top, low = xy[list(SHOULDERS)].mean(0), xy[list(HIPS)].mean(0)
    trunk = float(np.linalg.norm(top - low))
    rise = world[list(SHOULDERS)].mean(0) - world[list(HIPS)].mean(0)
    height = float(np.linalg.norm(rise))
    if trunk < _LEAST_PX or -rise[1] < _UPRIGHT * height:
        return None
    up = (top - low) / trunk
    side = np.array([-up[1], up[0]])

    def apart(pairs: tuple[tuple[Landmark, Landmark], ...]) -> float:
        return float(np.mean([np.linalg.norm(xy[i] - xy[j]) for i, j in pairs])) / trunk

    places = top + _LEVELS[:, None] * (low - top)
    levels = _widths(field, places, np.broadcast_to(side, places.shape), _REACH_TRUNK * trunk).sum(0) / trunk
    size = np.array(field.value.shape[::-1]) / field.scale
    levels[((places < _BORDER_PX) | (places > size - _BORDER_PX)).any(1)] = np.nan
    hand = (xy[_ARM_ENDS] - top) / trunk
    hand[seen[_ARM_ENDS] < _LIMB_SEEN] = np.nan
    left_ear, right_ear = (xy[None, ear] for ear in EARS)
    face = _widths(field, left_ear / 2 + right_ear / 2, side[None], _REACH_FACE * trunk).sum(0) / trunk
    down = -(xy[list(KNEES)] - xy[list(HIPS)]) @ up / trunk
    legs = seen[list(KNEES)].min() > _LIMB_SEEN and down.min() > _STANDING
    shins = legs and seen[list(ANKLES)].min() > _LIMB_SEEN
    nose = float(np.linalg.norm(xy[Landmark.NOSE] - top)) / trunk
    values = [
        *levels,
        *_limb_widths(field, xy, seen, trunk).ravel(),
        *np.abs(hand @ side),
        *np.abs(hand[2:] @ up),
        *(apart((pair,)) for pair in FACE_WIDTHS),
        float(face[0]),
        nose,
        apart(_NOSE_TO_MOUTH),
        *(_world_length(world, seen, bones) / height for bones in WORLD_BONES),
        height,
        apart((SHOULDERS,)),
        apart((HIPS,)),
        apart(_THIGHS) if legs else np.nan,
        apart(_SHINS) if shins else np.nan,
        float(rise[2]) / height,
    ]
    return np.array(values)


def _world_length(world: F64, seen: F64, bones: tuple[tuple[Landmark, Landmark], ...]) -> float:
    """Mean length in metres of these bones; NaN unless all their ends are seen: else it is invented."""
    if min(seen[list(bone)].min() for bone in bones) < _LIMB_SEEN:
        return float("nan")
    return float(np.mean([np.linalg.norm(world[i] - world[j]) for i, j in bones]))


def _limb_widths(field: DistanceField, xy: F64, seen: F64, trunk: float) -> F64:
    """Twice the nearer edge's distance, (limb, place) in trunk lengths: mean of left and right, or NaN."""
    ends = np.array([ends for pair in _PAIRS for ends in pair])
    along = xy[ends[:, 1]] - xy[ends[:, 0]]
    length = np.linalg.norm(along, axis=1)
    tells = (seen[ends].min(1) > _LIMB_SEEN) & (length > _LONG * trunk)
    places = (xy[ends[:, 0], None] + _PLACES[:, None] * along[:, None]).reshape(-1, 2)
    across = np.stack([-along[:, 1], along[:, 0]], 1) / np.maximum(length, 1e-6)[:, None]
    found = _widths(field, places, np.repeat(across, len(_PLACES), 0), _REACH_LIMB * trunk)
    width = np.where(np.repeat(tells, len(_PLACES)), 2 * found.min(0) / trunk, np.nan)
    pairs = width.reshape(len(_LIMBS), 2, len(_PLACES))
    known = np.isfinite(pairs)
    return np.asarray(
        np.where(known.any(1), np.nansum(pairs, 1) / np.maximum(known.sum(1), 1), np.nan), np.float64
    )


def _widths(field: DistanceField, places: F64, across: F64, reach: float) -> F64:
    """Px (2, n) from ``places`` (n, 2) to the mask's edge along unit ``across`` (n, 2) and against it."""
    steps = np.linspace(0.0, reach, _STEPS)
    ways = np.stack([across, -across])[:, :, None] * steps[:, None]
    points = ((places[:, None] + ways) * field.scale).astype(np.float32).reshape(-1, len(steps), 2)
    inside = cv.remap(
        field.value, points, None, cv.INTER_LINEAR, borderMode=cv.BORDER_CONSTANT, borderValue=1.0
    )
    out = inside > 0
    first = np.where(out.any(1), out.argmax(1), len(steps) - 1)
    row = np.arange(len(first))
    # Between the last step inside and the first outside the distance falls to nought.
    before, after = inside[row, np.maximum(first - 1, 0)], inside[row, first]
    share = np.clip(before / np.minimum(before - after, -1e-6), 0.0, 1.0)
    place = np.where(first > 0, first - 1 + np.where(out[row, first], share, 1.0), 0.0)
    return np.asarray(place.reshape(2, -1) * steps[1], np.float64)


class ShapePrior:
    """The trained regression.

    ``arrays``: ``mean``, ``scale`` (F,) of the features; ``weights`` (F, n), ``likely`` (n,) ``least``,
    ``most`` (n,) and ``covariance`` (n, n) of the n values of a ``ShapeEstimate``.
    """

    def __init__(self, arrays: Mapping[str, NDArray[np.floating]]) -> None:
        self._arrays = {name: np.asarray(array, np.float64) for name, array in arrays.items()}
        self.precision = np.asarray(np.linalg.inv(self._arrays["covariance"]), np.float64)

    @classmethod
    def shipped(cls) -> ShapePrior:
        """With the shipped weights; MirrorError if they are missing, damaged or of another version."""
        return cls(WEIGHTS.load(SHIPPED)[0])

    def expect(self, features: F64) -> F64:
        """Likely values (n,) of somebody with these features (F,), as from ``describe``."""
        arrays = self._arrays
        known = standardised(features, arrays["mean"], arrays["scale"])
        likely = arrays["likely"] + known @ arrays["weights"]
        return np.asarray(np.clip(likely, arrays["least"], arrays["most"]))


def standardised(features: F64, mean: F64, scale: F64) -> F64:
    """Features (..., F) in standard deviations, clipped; nought for what is not seen."""
    apart = np.clip((features - mean) / scale, -CLIP, CLIP)
    return np.asarray(np.where(np.isfinite(apart), apart, 0.0), np.float64)
