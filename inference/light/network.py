"""The network in NumPy: the live mirror needs no PyTorch.

``run`` gives what ``network.LightNet`` gives; ``light`` makes coefficients of it. Every probe is seen
twice, as it is and in a mirror, so that mirroring a picture mirrors its light exactly.
"""

from __future__ import annotations

import numpy as np

from inference.light.probe import Arrays, mirrored, normalised
from inference.light.weights import SHIPPED, WEIGHTS
from mirror.shading.spherical_harmonics import MIRROR_SIGNS, SH_CONSTANTS
from mirror.types import F32, F64

__all__ = ["LEVEL_TINT", "SIDE_TINT", "LightNetwork", "coefficients"]

_MEAN_TO_FIRST = 1 / SH_CONSTANTS[0]  # coefficient 0 of light that is 1 on average
#: What the network's outputs for colour are over: tints are small beside light and shade.
LEVEL_TINT, SIDE_TINT = 0.3, 0.2


class LightNetwork:
    """Weights by the names of ``LightNet``'s state, ready to run."""

    def __init__(self, weights: dict[str, F32]) -> None:
        self._weights = {name: np.ascontiguousarray(w, np.float32) for name, w in weights.items()}
        self._convolutions = [
            sorted(
                {
                    int(n.split(".")[2])
                    for n in weights
                    if n.startswith(f"branches.{b}.") and weights[n].ndim == 4
                }
            )
            for b in range(3)
        ]

    @classmethod
    def shipped(cls) -> LightNetwork:
        """With the shipped weights; MirrorError if they are missing, damaged or of another version."""
        return cls(WEIGHTS.load(SHIPPED)[0])

    def run(self, inputs: list[F32], statistics: F32) -> F32:
        """(B, OUTPUTS) of inputs (B, C, h, w) of room, body and face and statistics (B, 36)."""
        parts = [self._branch(number, x) for number, x in enumerate(inputs)]
        hidden = np.concatenate([*parts, statistics], axis=1)
        for name in ("first", "second"):
            hidden = np.maximum(self._linear(name, hidden), 0)
        return self._linear("last", hidden)

    def light(self, arrays: Arrays) -> tuple[F64, F64]:
        """(light E/pi (B, 9, 3) in the frame's linear RGB, expected error of the direction (B,) rad)."""
        inputs, statistics, gains = normalised(arrays)
        count = len(statistics)
        others, turned_statistics = mirrored(inputs, statistics)
        both = [np.concatenate(pair) for pair in zip(inputs, others, strict=True)]
        out = self.run(both, np.concatenate([statistics, turned_statistics])).astype(np.float64)
        plain, turned = out[:count], out[count:]
        turned[:, 3:27] *= np.tile(MIRROR_SIGNS[1:], 3)
        mean = (plain + turned) / 2
        return coefficients(mean) * gains[:, None, None], np.exp(mean[:, 27] / 2)

    def _branch(self, number: int, x: F32) -> F32:
        prefix = f"branches.{number}."
        for layer in self._convolutions[number]:
            x = _convolve(x, self._weights[f"{prefix}{layer}.weight"], self._weights[f"{prefix}{layer}.bias"])
        last = self._convolutions[number][-1] + 3  # past ReLU and flattening
        features: F32 = np.maximum(self._linear(f"{prefix}{last}", x.reshape(len(x), -1)), 0)
        return features

    def _linear(self, name: str, x: F32) -> F32:
        out: F32 = x @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]
        return out


def _convolve(x: F32, weight: F32, bias: F32) -> F32:
    """3x3, stride 2, padding 1, then ReLU; (B, C, h, w) to (B, K, h', w')."""
    batch, channels, height, width = x.shape
    padded = np.zeros((batch, channels, height + 2, width + 2), np.float32)
    padded[:, :, 1:-1, 1:-1] = x
    high, wide = (height + 1) // 2, (width + 1) // 2
    windows = np.empty((batch, channels, 3, 3, high, wide), np.float32)
    for i in range(3):
        for j in range(3):
            windows[:, :, i, j] = padded[:, :, i : i + 2 * high - 1 : 2, j : j + 2 * wide - 1 : 2]
    columns = windows.reshape(batch, channels * 9, high * wide)
    out = weight.reshape(len(weight), -1) @ columns + bias[:, None]
    return np.asarray(np.maximum(out, 0).reshape(batch, len(weight), high, wide))


def coefficients(out: F64) -> F64:
    """Light (B, 9, 3) over the gain, of the network's first 27 numbers (B, 27)."""
    green, red, blue = out[:, 0], out[:, 1] * LEVEL_TINT, out[:, 2] * LEVEL_TINT
    logs = np.stack([green + red, green, green + blue], axis=1)
    first = np.exp(np.clip(logs, -6, 6)) * _MEAN_TO_FIRST
    sides = out[:, 3:27].reshape(-1, 3, 8)
    ratios = np.stack(
        [sides[:, 0] + SIDE_TINT * sides[:, 1], sides[:, 0], sides[:, 0] + SIDE_TINT * sides[:, 2]], axis=2
    )
    return np.concatenate([first[:, None], ratios * first[:, None]], axis=1)
