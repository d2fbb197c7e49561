"""What the landmark network is told: landmarks, world landmarks and the mask about each joint, in metres."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from inference.body.camera import Intrinsics
from inference.body.landmarks import (
    ANKLES,
    ARM_BONES,
    ELBOWS,
    HIPS,
    KNEES,
    LEG_BONES,
    MIRRORED,
    SHOULDERS,
    TRUNK,
    WRISTS,
)
from inference.pose.distance_field import DistanceField
from mirror.types import F64

JOINTS = (*SHOULDERS, *ELBOWS, *WRISTS, *HIPS, *KNEES, *ANKLES)  # left and right in turn
# The landmark that a joint's limb comes from; shoulders and hips are seen along the trunk.
_FROM = {far: near for near, far in (*ARM_BONES, *LEG_BONES)}
_FROM |= {far.mirrored: near.mirrored for far, near in _FROM.items()}
# Where the mask is looked at: metres along and across the limb.
_LOOKS: tuple[tuple[float, float], ...] = ((0.0, 0.0), (0.0, 0.06), (0.0, -0.06), (0.0, 0.13), (0.0, -0.13))
_LOOKS += ((0.1, 0.06), (0.1, -0.06), (-0.1, 0.06), (-0.1, -0.06))
_NEAR_M = 0.1  # distances to the mask's edge saturate beyond it
_SHORT_M = 0.06  # a limb that looks shorter has no sure direction
_BORDER_M = 0.4  # distances to the picture's border saturate beyond it
_OTHER_JOINT = np.arange(len(JOINTS)) ^ 1
_EDGES = [2, 1, 0, 3]  # left, top, right, bottom in a mirror
_SHAPES = ((33, 2), (33, 3), (33,), (2,), (1,), (4,), (len(JOINTS), 4), (len(JOINTS), len(_LOOKS)))
COUNT = sum(int(np.prod(shape)) for shape in _SHAPES)


@dataclass(frozen=True)
class CorrectionFeatures:
    """``values`` (COUNT,) for the network; ``scale`` px a metre at the person's distance."""

    values: F64
    scale: float


def scale_of(landmarks: F64, world: F64, weight: F64) -> float:
    """Px a metre: what makes world landmarks (33, 3) as large as landmarks (33, 2 or more) px."""
    share = weight / (weight.sum() + 1e-9)
    seen = landmarks[:, :2] - share @ landmarks[:, :2]
    known = world[:, :2] - share @ world[:, :2]
    return float(share @ (seen * known).sum(1) / (share @ (known * known).sum(1) + 1e-9))


def features(
    landmarks: F64, world: F64, weight: F64, field: DistanceField | None, camera: Intrinsics
) -> CorrectionFeatures | None:
    """Of one frame; None where nothing can be told.

    ``landmarks`` (33, 3) x px, y px, visibility; ``world`` (33, 3) as ``inference.pose.tracker`` has them;
    ``weight`` (33,) 0..1 how far each is believed.
    """
    if field is None or weight[list(TRUNK)].min() <= 0.0:
        return None
    scale = scale_of(landmarks, world, weight)
    if not 10.0 < scale < 5000.0:
        return None
    place = landmarks[:, :2]
    centre = place[list(TRUNK)].mean(0)
    local = (place - centre) / scale
    middle = np.array([camera.cx, camera.cy])
    ray = (centre - middle) / camera.focal
    edges = np.concatenate([centre, 2 * middle - centre]) / scale
    joints = list(JOINTS)
    near = np.concatenate([place[joints], 2 * middle - place[joints]], axis=1) / scale
    values = np.concatenate(
        [
            local.ravel(),
            world.ravel(),
            np.clip(landmarks[:, 2], 0.0, 1.0),
            ray,
            [scale / camera.focal],
            np.tanh(edges / 1.5),
            np.clip(near / _BORDER_M, -1.0, 1.0).ravel(),
            _about(local, centre, scale, field).ravel(),
        ]
    )
    return CorrectionFeatures(values, scale)


def parts(values: Any) -> list[Any]:
    """Views (N, ...) of features (N, COUNT), in the order in which ``features`` joins them."""
    ends = np.cumsum([int(np.prod(shape)) for shape in _SHAPES])
    return [
        values[:, end - int(np.prod(shape)) : end].reshape(-1, *shape)
        for shape, end in zip(_SHAPES, ends, strict=True)
    ]


def mirrored(values: F64) -> F64:
    """Features (N, COUNT) of the same people seen in a looking glass."""
    local, world, visible, ray, scale, edges, near, about = parts(values)
    turned = (
        local[:, MIRRORED] * [-1.0, 1.0],
        world[:, MIRRORED] * [-1.0, 1.0, 1.0],
        visible[:, MIRRORED],
        ray * [-1.0, 1.0],
        scale,
        edges[:, _EDGES],
        near[:, _OTHER_JOINT][:, :, _EDGES],
        about[:, _OTHER_JOINT],
    )
    return np.concatenate([part.reshape(len(values), -1) for part in turned], axis=1)


def mirrored_joints(offsets: F64) -> F64:
    """Offsets (N, 12, 2 or 3) of the joints seen in a looking glass."""
    out = offsets[:, _OTHER_JOINT].copy()
    out[..., 0] *= -1.0
    return out


def _about(local: F64, centre: F64, scale: float, field: DistanceField) -> F64:
    """(12, looks) how far off the mask's edge is about each joint: -1 well within, 1 well outside."""
    left_shoulder, right_shoulder, left_hip, right_hip = local[list(TRUNK)]
    trunk = (left_shoulder + right_shoulder - left_hip - right_hip) / 2
    along = np.empty((len(JOINTS), 2))
    for row, joint in enumerate(JOINTS):
        along[row] = local[joint] - local[_FROM[joint]] if joint in _FROM else -trunk
    along /= np.sqrt((along**2).sum(1, keepdims=True) + _SHORT_M**2)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    across[1::2] *= -1.0  # outwards on the left is outwards on the right
    looks = np.array(_LOOKS)
    offset = looks[:, :1] * along[:, None] + looks[:, 1:] * across[:, None]
    where = (((local[list(JOINTS), None] + offset) * scale + centre) * field.scale).astype(np.float32)
    value = cv2.remap(field.value, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(np.tanh(value / (scale * _NEAR_M)), np.float64)
