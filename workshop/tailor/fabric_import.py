"""A swatch photo or material set made into a fabric of the wardrobe."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np

from inference.fabric.palette import parse_palette
from inference.fabric.sample import Sample, normal_map, write_fabric
from mirror.shading.colour import to_linear, to_srgb
from mirror.types import F32
from workshop.tailor.swatch_photos.photographs import Swatch

_LARGEST = 1024  # px, a side
_RELIEF_PX = 1.0


def import_fabric(swatch: Swatch, wardrobe: Path) -> Path:
    """Write the swatch as a fabric folder inside ``wardrobe``; returns the folder.

    The picture is made to tile: opposite borders are cross-faded over an eighth of a side, so the
    tile covers seven eighths of the photo. MirrorError if it cannot be written.
    """
    scale = min(1.0, _LARGEST / max(swatch.albedo.shape[:2]))
    size = tuple(round(n * scale) for n in swatch.albedo.shape[1::-1])
    linear = cv2.resize(to_linear(swatch.albedo.astype(np.float32) / 255), size, interpolation=cv2.INTER_AREA)
    height = cv2.resize(swatch.height, size, interpolation=cv2.INTER_AREA)
    stack = make_tileable(np.dstack([linear, height]).astype(np.float32))
    metres = swatch.label.width_m / size[0]
    h, w = stack.shape[:2]
    return write_fabric(
        Sample(
            swatch.label.fabric_class,
            parse_palette(swatch.label.palette),
            np.rint(to_srgb(stack[..., :3]) * 255).astype(np.uint8),
            normal_map(stack[..., 3], _RELIEF_PX),
            stack[..., 3],
            (w * metres, h * metres),
            f"imported from {swatch.name}, borders cross-faded",
        ),
        wardrobe / re.sub(r"[^\w.-]+", "_", Path(swatch.name).stem)[:60],
        licence=swatch.label.licence or "not stated",
    )


def make_tileable(picture: F32, share: float = 0.125) -> F32:
    """The picture (H, W, C) less ``share`` of each side, its borders cross-faded into each other."""
    for axis in (0, 1):
        moved = np.moveaxis(picture, axis, 0)
        band = max(2, int(len(moved) * share))
        kept = moved[: len(moved) - band].copy()
        ramp = ((np.arange(band, dtype=np.float32) + 1) / (band + 1)).reshape(-1, *[1] * (moved.ndim - 1))
        # Fades that keep the variance: a plain cross-fade would leave a pale, smooth band.
        mean = moved.mean((0, 1))
        mixed = (kept[:band] - mean) * np.sqrt(ramp) + (moved[len(moved) - band :] - mean) * np.sqrt(1 - ramp)
        kept[:band] = mixed + mean
        picture = np.moveaxis(kept, 0, axis)
    return np.asarray(np.clip(picture, 0, 1), np.float32)
