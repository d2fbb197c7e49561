"""The landmark network in NumPy: where the joints are, given where the pose network says they are.

The pose network learnt from other people's clicks, on photographs; it errs in ways that what it says itself,
the person mask and the camera give away. A small perceptron, trained on rendered people (``train``), adds
what is missing. It says less the farther a frame is from what it knows.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from inference.body.camera import Intrinsics
from inference.pose.correction_features import COUNT, JOINTS, features
from inference.pose.distance_field import DistanceField
from inference.weights import WeightsKind
from mirror.errors import MirrorError
from mirror.types import F32, F64

SHIPPED = Path(__file__).resolve().parent / "data" / "landmark_net.safetensors"
WEIGHTS = WeightsKind(
    some="weights of the landmark network",
    of="a landmark network",
    format="fitting-mirror-landmark-net",
    version=1,
    dtype=np.float16,
)
LAYERS = ("first", "second", "last")
UNIT_M = 0.1  # of the network's outputs
FARTHEST_M, FARTHEST_DEEP_M = 0.06, 0.15  # a joint is moved by less, in the picture and in the world
CLIP = 4.0  # standard deviations of a feature
STEADY_S = 0.12  # over which offsets follow
SEEN = 0.5  # weight of a landmark from which it is moved in full
_PICTURE = 2 * len(JOINTS)


class LandmarkCorrection:
    """Weights, ready to run: ``mean`` and ``deviation`` of the features, ``odd`` and a layer's each."""

    def __init__(self, weights: dict[str, F32]) -> None:
        self._weights = weights
        if weights["mean"].shape != (COUNT,):
            raise MirrorError(f"weights of the landmark network for {len(weights['mean'])} features")

    @classmethod
    def shipped(cls) -> LandmarkCorrection:
        """With the shipped weights; MirrorError if they are missing, damaged or of another version."""
        return cls(WEIGHTS.load(SHIPPED)[0])

    def offsets(self, values: F64) -> tuple[F64, F64]:
        """Metres (N, 12, 2) in the picture, and (N, 12, 3) in the world, by features (N, COUNT)."""
        weights = self._weights
        apart: F32 = ((values - weights["mean"]) / weights["deviation"]).astype(np.float32)
        hidden = np.clip(apart, -CLIP, CLIP)
        for layer in LAYERS:
            hidden = hidden @ weights[f"{layer}.weight"].T + weights[f"{layer}.bias"]
            if layer != LAYERS[-1]:
                hidden = np.asarray(hidden / (1.0 + np.exp(-np.maximum(hidden, -60.0))), np.float32)
        # Beyond what all but a few of the pictures that it learnt from are like, it is believed less.
        odd = (np.minimum(apart, 10.0) ** 2).mean(1) / weights["odd"]
        out = hidden.astype(np.float64) * (UNIT_M * np.clip(2.0 - odd, 0.0, 1.0)[:, None])
        picture = out[:, :_PICTURE].reshape(-1, len(JOINTS), 2)
        return _within(picture, FARTHEST_M), _within(
            out[:, _PICTURE:].reshape(-1, len(JOINTS), 3), FARTHEST_DEEP_M
        )

    def corrected(
        self, landmarks: F64, world: F64, weight: F64, field: DistanceField | None, camera: Intrinsics,
        before: F64 | None = None, dt: float = 0.0,
    ) -> tuple[F64, F64, F64 | None]:  # fmt: skip
        """Better landmarks (33, 3) px and world landmarks (33, 3), of those of a frame; and the offsets.

        ``weight`` (33,) 0..1 says how far each is believed: what is hardly seen stays where it is. The
        offsets, metres (12, 5) in the picture and in the world, follow those of ``dt`` seconds ``before``
        slowly, so that they tremble less than the landmarks. They are None where nothing can be told.
        """
        told = features(landmarks, world, weight, field, camera)
        if told is None:
            return landmarks, world, None
        offsets = np.concatenate(self.offsets(told.values[None]), axis=2)[0]
        if before is not None:
            offsets = offsets + np.exp(-dt / STEADY_S) * (before - offsets)
        joints = list(JOINTS)
        landmarks, world = landmarks.copy(), world.copy()
        share = np.minimum(weight[joints] / SEEN, 1.0)[:, None]
        landmarks[joints, :2] += share * offsets[:, :2] * told.scale
        world[joints] += offsets[:, 2:]
        return landmarks, world, offsets


def _within(offsets: F64, farthest: float) -> F64:
    """Offsets (N, 12, 2 or 3) shortened so that none is as long as ``farthest``."""
    length = np.linalg.norm(offsets, axis=-1, keepdims=True) / farthest
    return np.asarray(offsets * (np.tanh(length) / np.maximum(length, 1e-6)), np.float64)
