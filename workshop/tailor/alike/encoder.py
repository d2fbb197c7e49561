"""The encoder at work: features of a garment in, a point on a sphere out; NumPy alone.

The same arithmetic as ``network.Encoder``, which the tests hold it to. One tower of strided
convolutions looks at the geometry image, another at each view; what they saw is pooled over the cloth
and mixed down to EMBEDDING numbers of unit length, so that a product of two is their cosine.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from inference.weights import WeightsKind
from mirror.types import F32
from workshop.tailor.alike.features import CHANNELS, VIEWS, Features

#: The weights that the project ships.
SHIPPED = Path(__file__).resolve().parent / "data" / "garment_encoder.safetensors"
WEIGHTS = WeightsKind(
    some="garment weights",
    of="a garment encoder",
    format="fitting-mirror-garment-encoder",
    version=1,
    same={"channels": json.dumps(CHANNELS)},
    dtype=np.float16,
)

#: Channels of the layers and their strides.
WIDTHS, STRIDES = (24, 32, 48, 64), (2, 2, 2, 1)
HIDDEN, EMBEDDING = 96, 48
SLOPE = 0.1

# What a channel is taken off and divided by, so that it comes to lie about -1..1.
_CENTRE = {"y": 0.9}
_SCALE = {"x": 0.4, "y": 0.5, "z": 0.2, "panel": 8.0, "seam": 0.15}
_BEND_SCALE = 20.0  # 1/m; hems are folded a hundred times as sharply, hence the tanh


def prepared(channels: F32) -> F32:
    """Channels (..., C, H, W) as the encoder takes them: scaled, and 0 where there is no cloth."""
    out = np.array(channels, np.float32)
    cloth = out[..., 0, :, :]
    for k, name in enumerate(CHANNELS):
        plane = out[..., k, :, :]
        if name.startswith("bend"):
            plane[...] = np.tanh(plane / _BEND_SCALE)
        else:
            plane[...] = (plane - _CENTRE.get(name, 0.0) * cloth) / _SCALE.get(name, 1.0)
        if name == "seam":
            np.minimum(plane, 1.0, out=plane)
    return out


class GarmentEncoder:
    """Weights in memory, ready to look. MirrorError as ``WeightsKind.load`` gives it."""

    def __init__(self, path: Path = SHIPPED) -> None:
        self._net, self.facts = WEIGHTS.load(path)

    def embed(self, found: Features) -> F32:
        """The embedding (EMBEDDING,) of one garment's features, of unit length."""
        out: F32 = self.embed_prepared(prepared(found.geometry)[None], prepared(found.views)[None])[0]
        return out

    def embed_prepared(self, geometry: F32, views: F32) -> F32:
        """Embeddings (B, EMBEDDING) of ``prepared`` features (B, C, N, N) and (B, 3, C, M, M)."""
        seen = self._tower("views", views.reshape(-1, *views.shape[2:])).reshape(len(views), -1)
        mixed = np.concatenate([self._tower("geometry", geometry), seen], axis=1)
        mixed = _leaky(mixed @ self._net["mix.0.weight"].T + self._net["mix.0.bias"])
        out = mixed @ self._net["mix.2.weight"].T + self._net["mix.2.bias"]
        unit: F32 = out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-8)
        return unit

    def _tower(self, name: str, x: F32) -> F32:
        """Mean over the cloth and maximum of the last layer: (B, 2 * WIDTHS[-1])."""
        cloth = x[:, 0]
        for k, stride in enumerate(STRIDES):
            x = _leaky(
                _convolve(x, self._net[f"{name}.{k}.weight"], stride)
                + self._net[f"{name}.{k}.bias"][:, None, None]
            )
        h, w = x.shape[2:]
        block = cloth.shape[1] // h
        share = cloth.reshape(len(cloth), h, block, w, block).mean((2, 4))
        mean = np.einsum("bchw,bhw->bc", x, share) / np.maximum(share.sum((1, 2)), 1e-3)[:, None]
        out: F32 = np.concatenate([mean, x.max((2, 3))], axis=1)
        return out


def features_count() -> int:
    """How many numbers the towers hand to the mixer."""
    return 2 * WIDTHS[-1] * (1 + len(VIEWS))


def _leaky(x: F32) -> F32:
    return np.asarray(np.maximum(x, np.float32(SLOPE) * x))


def _convolve(x: F32, weight: F32, stride: int) -> F32:
    """3 x 3 cross-correlation of (B, C, H, W) with zeros around, every ``stride`` pixels."""
    count, channels, h, w = x.shape
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    rows, columns = (h - 1) // stride + 1, (w - 1) // stride + 1
    out = np.zeros((count, len(weight), rows * columns), np.float32)
    for dy in range(3):
        for dx in range(3):
            part = padded[:, :, dy : dy + stride * rows : stride, dx : dx + stride * columns : stride]
            out += weight[:, :, dy, dx] @ part.reshape(count, channels, -1)
    return out.reshape(count, len(weight), rows, columns)
