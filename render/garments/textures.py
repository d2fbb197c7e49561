"""Pictures of fabrics with their smaller levels, as arrays: made in any thread, without OpenGL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mirror.shading.colour import to_linear, to_srgb

__all__ = ["FabricTextures", "Mipmaps"]


@dataclass(frozen=True)
class Mipmaps:
    """A picture with its smaller levels, made ready for upload.

    ``levels``: (h, w, 4) uint8 RGBA each, as OpenGL keeps them, so that an upload is a copy.
    ``contrast[i]`` is the standard deviation of level i's first two channels, 0..1: what of a
    relief is left from afar.
    """

    levels: tuple[NDArray[np.uint8], ...]
    contrast: tuple[float, ...]

    @classmethod
    def of(cls, picture: NDArray[np.uint8], colour: bool) -> Mipmaps:
        """From an (H, W, 3) uint8 RGB picture.

        ``colour`` pictures hold sRGB values; their smaller levels average linear light.
        """
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
            raise ValueError(f"a texture must be (H, W, 3) uint8, not {picture.shape} {picture.dtype}")
        levels = tuple(_pyramid(picture, colour))
        contrast = tuple(float(level[..., :2].std(axis=(0, 1)).max()) / 127.5 for level in levels)
        return cls(tuple(np.dstack([p, np.full(p.shape[:2], 255, np.uint8)]) for p in levels), contrast)


@dataclass(frozen=True)
class FabricTextures:
    """A fabric ready to be uploaded. ``repeat_m`` as ``WornGarment``'s."""

    albedo: Mipmaps
    relief: Mipmaps
    repeat_m: tuple[float, float]

    @classmethod
    def of(
        cls,
        albedo: NDArray[np.uint8],
        relief: NDArray[np.uint8] | None,
        repeat_m: tuple[float, float],
    ) -> FabricTextures:
        """From pictures as ``WornGarment``'s."""
        flat = np.full((1, 1, 3), 128, np.uint8)
        return cls(Mipmaps.of(albedo, True), Mipmaps.of(flat if relief is None else relief, False), repeat_m)


def _pyramid(picture: NDArray[np.uint8], colour: bool) -> Iterator[NDArray[np.uint8]]:
    """The picture, then each smaller mipmap level, as (h, w, 3) uint8."""
    values: NDArray[Any] = picture.astype(np.float32) / 255.0
    if colour:
        values = to_linear(values)
    yield np.ascontiguousarray(picture)
    while max(values.shape[:2]) > 1:
        height, width = (max(1, side // 2) for side in values.shape[:2])
        values = cv2.resize(values, (width, height), interpolation=cv2.INTER_AREA).reshape(height, width, 3)
        shown: NDArray[Any] = values
        if colour:
            shown = to_srgb(values)
        yield np.ascontiguousarray((shown * 255.0 + 0.5).clip(0, 255).astype(np.uint8))
