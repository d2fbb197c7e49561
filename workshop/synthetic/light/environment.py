"""Light from everywhere: an equirectangular picture of radiance, read, turned, mixed and looked at.

World axes are the body's: x to the wearer's left, y up, z out of the chest, towards the camera.
Row 0 of a picture is straight up; columns go around the y axis.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from mirror.errors import MirrorError
from mirror.shading.colour import LUMINANCE_RGB
from mirror.shading.spherical_harmonics import irradiance
from mirror.types import F32, F64, cv

RAYS = 96  # directions in which shadows are known
_COARSE = (64, 32)  # px of what is summed over: smaller than any lamp's penumbra matters here
_WIDE = 512  # px around that a picture keeps for the background


@dataclass(frozen=True)
class Environment:
    """``radiance`` (H, 2H, 3) float32 linear RGB, any scale; ``name`` says where it comes from."""

    name: str
    radiance: F32

    def turned(self, share: float) -> Environment:
        """Turned about the vertical by ``share`` 0..1 of a full turn."""
        columns = round(share * self.radiance.shape[1])
        return Environment(self.name, np.roll(self.radiance, columns, axis=1))

    def mirrored(self) -> Environment:
        """As a mirror would show it."""
        return Environment(self.name, np.ascontiguousarray(self.radiance[:, ::-1]))

    def mixed(self, other: Environment, share: float) -> Environment:
        """``share`` 0..1 of the other's light laid over the rest of this one's, at equal mean."""
        size = self.radiance.shape[1::-1]
        second = cv.resize(other.levelled().radiance, size, interpolation=cv.INTER_LINEAR)
        both = (1 - share) * self.levelled().radiance + share * second
        return Environment(f"{self.name}+{other.name}", both.astype(np.float32))

    def levelled(self) -> Environment:
        """The same at mean luminance 1 over the sphere."""
        _, colour, solid = self._coarse()
        mean = float((colour @ LUMINANCE_RGB) @ solid / solid.sum())
        return Environment(self.name, (self.radiance / max(mean, 1e-9)).astype(np.float32))

    def tinted(self, rgb: F64) -> Environment:
        """Times a colour (3,)."""
        return Environment(self.name, (self.radiance * rgb).astype(np.float32))

    def contrasted(self, power: float) -> Environment:
        """Its lamps brighter (``power`` above 1) or dimmer beside the rest; colours keep their ratios."""
        luminance = np.maximum(self.radiance @ LUMINANCE_RGB.astype(np.float32), 1e-6)
        scaled = self.radiance * (luminance ** (power - 1.0))[..., None]
        return Environment(self.name, scaled.astype(np.float32))

    def recoloured(self, power: float, towards: F64, rgb: F64) -> Environment:
        """Colours stronger (``power`` above 1) or paler, and times ``rgb`` (3,) ``towards`` (3,) a side.

        The colour goes smoothly to none on the other side; luminances stay.
        """
        grey = LUMINANCE_RGB.astype(np.float32)
        luminance = np.maximum(self.radiance @ grey, 1e-6)[..., None]
        around = _around(self.radiance.shape[1], self.radiance.shape[0])
        share = (0.5 + 0.5 * around @ towards.astype(np.float32)).reshape(luminance.shape)
        logs = np.float32(power) * np.log(np.maximum(self.radiance / luminance, np.float32(0.02)))
        coloured = np.exp(logs + share * np.log(rgb).astype(np.float32))
        return Environment(self.name, coloured * (luminance / (coloured @ grey)[..., None]))

    def _coarse(self) -> tuple[F64, F64, F64]:
        """Directions (N, 3) world, radiance (N, 3), solid angle (N,)."""
        small = cv.resize(self.radiance, _COARSE, interpolation=cv.INTER_AREA).astype(np.float64)
        return _DIRECTIONS, small.reshape(-1, 3), _SOLID

    def light(self, rotation: F64) -> tuple[F64, F32]:
        """Truth E/pi (9, 3) in camera axes, and the radiance (RAYS, 3) about each of ``rays()``.

        ``rotation`` (3, 3) takes world to camera axes.
        """
        directions, colour, solid = self._coarse()
        camera = directions @ rotation.T
        sh = irradiance(camera, colour, solid)
        nearest = np.argmax(camera @ rays().T, axis=1)
        energy = np.stack([np.bincount(nearest, colour[:, c] * solid, RAYS) for c in range(3)], axis=1)
        return sh, (energy / (4 * np.pi / RAYS)).astype(np.float32)

    def seen(self, rotation: F64, focal: float, size: tuple[int, int]) -> F32:
        """The picture (h, w, 3) that a camera at the person takes, ``size`` (w, h), ``focal`` px."""
        width, height = size
        x, y = np.meshgrid(np.arange(width) + 0.5 - width / 2, np.arange(height) + 0.5 - height / 2)
        view = np.stack([x, y, np.full_like(x, focal)], -1)
        view /= np.linalg.norm(view, axis=2, keepdims=True)
        world = view @ rotation  # the transpose of camera to world
        h, w = self.radiance.shape[:2]
        column = (np.arctan2(world[..., 0], world[..., 2]) / (2 * np.pi) + 0.5) * w - 0.5
        row = np.arccos(np.clip(world[..., 1], -1, 1)) / np.pi * h - 0.5
        picture: F32 = cv.remap(
            self.radiance,
            (column % w).astype(np.float32),
            row.astype(np.float32),
            cv.INTER_LINEAR,
            borderMode=cv.BORDER_REPLICATE,
        )
        return picture


def directions_of(size: tuple[int, int]) -> tuple[F64, F64]:
    """World directions (h * w, 3) of an equirectangular picture's pixels, and their solid angles."""
    width, height = size
    polar = (np.arange(height) + 0.5) / height * np.pi
    around = ((np.arange(width) + 0.5) / width - 0.5) * 2 * np.pi
    a, p = np.meshgrid(around, polar)
    directions = np.stack([np.sin(p) * np.sin(a), np.cos(p), np.sin(p) * np.cos(a)], -1).reshape(-1, 3)
    solid = (np.sin(p) * (np.pi / height) * (2 * np.pi / width)).reshape(-1)
    return directions, solid * (4 * np.pi / solid.sum())


_DIRECTIONS, _SOLID = directions_of(_COARSE)


@lru_cache(maxsize=4)
def _around(width: int, height: int) -> F32:
    """World directions (h * w, 3) of a fine picture's pixels."""
    return directions_of((width, height))[0].astype(np.float32)


def rays() -> F64:
    """RAYS unit directions (RAYS, 3) spread evenly over the sphere (Fibonacci lattice), camera axes."""
    i = np.arange(RAYS) + 0.5
    y = 1 - 2 * i / RAYS
    around = np.pi * (1 + np.sqrt(5)) * i
    r = np.sqrt(1 - y * y)
    return np.stack([r * np.cos(around), y, r * np.sin(around)], axis=1)


def read_hdr(path: Path) -> Environment:
    """An equirectangular Radiance (.hdr) file. MirrorError if it is missing or damaged."""
    picture = cv.imread(str(path), cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH) if path.is_file() else None
    if picture is None or picture.ndim != 3 or picture.dtype != np.float32:
        raise MirrorError(f"{path}: not a readable HDR environment")
    if abs(picture.shape[1] - 2 * picture.shape[0]) > 1 or picture.shape[0] < _COARSE[1]:
        raise MirrorError(
            f"{path}: {picture.shape[1]}x{picture.shape[0]} px is not an equirectangular picture"
        )
    if not np.isfinite(picture).all():
        raise MirrorError(f"{path}: holds numbers that are none")
    small = cv.resize(picture, (_WIDE, _WIDE // 2), interpolation=cv.INTER_AREA)
    return Environment(path.stem, np.ascontiguousarray(np.maximum(small[..., ::-1], 0.0)))
