"""Makes the two plain fabrics of the wardrobe: pictures of weaves, computed, tileable.

    mirror fabric plain [WARDROBE]

Writes ``fabrics/NAME/fabric.toml``, ``albedo.png`` and ``normal.png`` under the wardrobe folder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mirror.types import F64

SIZE = 512


@dataclass(frozen=True)
class PlainFabricSpec:
    """``weave`` gives (height, tone), each (SIZE, SIZE): metres / ``depth_m``, and a factor of the colour."""

    name: str
    fabric_class: str
    colour: tuple[int, int, int]
    repeat_m: float
    depth_m: float
    weave: Callable[[np.random.Generator], tuple[F64, F64]]


def noise(rng: np.random.Generator, along_x: float, along_y: float) -> F64:
    """Tileable noise of unit deviation, blurred by so many pixels each way."""
    fy, fx = np.meshgrid(np.fft.fftfreq(SIZE), np.fft.fftfreq(SIZE), indexing="ij")
    keep = np.exp(-2 * (np.pi * np.hypot(fx * along_x, fy * along_y)) ** 2)
    field = np.fft.ifft2(np.fft.fft2(rng.standard_normal((SIZE, SIZE))) * keep).real
    out: F64 = (field - field.mean()) / field.std()
    return out


def jersey(rng: np.random.Generator) -> tuple[F64, F64]:
    """Single jersey: columns of small V stitches."""
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    wales, courses = 40, 56
    u = (x * wales + 0.04 * noise(rng, 12, 12)) % 1
    leg = np.abs(2 * u - 1)  # 0 in the middle of a column of stitches, 1 between columns
    v = (y * courses + 0.8 * leg + 0.05 * noise(rng, 10, 10)) % 1
    height = np.sin(np.pi * leg) ** 0.6 * (0.45 + 0.55 * np.sin(np.pi * v) ** 0.8)
    tone = 0.86 + 0.16 * height + 0.012 * noise(rng, 1.5, 4) + 0.006 * noise(rng, 60, 60)
    return height, tone


def linen(rng: np.random.Generator) -> tuple[F64, F64]:
    """Plain weave of uneven yarns: some thicker, some paler, over and under in turn."""
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    count = 64
    warp_at = x * count + 0.10 * noise(rng, 3, 60)
    weft_at = y * count + 0.10 * noise(rng, 60, 3)
    warp, weft = np.floor(warp_at).astype(int) % count, np.floor(weft_at).astype(int) % count
    thick_warp, thick_weft = 1 + 0.16 * noise(rng, 1, 50), 1 + 0.22 * noise(rng, 50, 1)
    over = np.where((warp + weft) % 2 == 0, 1.0, -1.0)
    along_warp, along_weft = np.sin(np.pi * (weft_at % 1)), np.sin(np.pi * (warp_at % 1))
    warp_height = along_weft**0.7 * np.clip(thick_warp, 0.5, 1.6) + 0.55 * over * along_warp
    weft_height = along_warp**0.7 * np.clip(thick_weft, 0.5, 1.7) - 0.55 * over * along_weft
    height = np.maximum(warp_height, weft_height)
    height = (height - height.min()) / (height.max() - height.min())
    shade_warp, shade_weft = rng.normal(0, 0.02, count)[warp], rng.normal(0, 0.03, count)[weft]
    yarn = np.where(warp_height > weft_height, shade_warp, shade_weft)
    tone = 0.80 + 0.26 * height + yarn + 0.006 * noise(rng, 50, 50)
    return height, tone


PLAIN_FABRICS = (
    PlainFabricSpec("cotton_jersey_blue", "jersey", (98, 130, 176), 0.06, 0.00022, jersey),
    PlainFabricSpec("linen_oatmeal", "linen", (203, 188, 160), 0.06, 0.00022, linen),
)


def pictures(spec: PlainFabricSpec, seed: int = 3) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """(albedo, normal), each (SIZE, SIZE, 3) uint8 RGB; see ``render.garments.fabric.Fabric``."""
    height, tone = spec.weave(np.random.default_rng(seed))
    colour = np.array(spec.colour, float)
    # Steps of 2 of 255 are below what shows under the relief, and halve the files.
    albedo = np.clip(np.round(tone[..., None] * colour / 2) * 2, 0, 255).astype(np.uint8)
    metres = height * spec.depth_m
    pixel = spec.repeat_m / SIZE
    slope_x = (np.roll(metres, -1, 1) - np.roll(metres, 1, 1)) / (2 * pixel)
    # Rows run down the picture, the normal's y up.
    slope_y = (np.roll(metres, 1, 0) - np.roll(metres, -1, 0)) / (2 * pixel)
    normal = np.stack([-slope_x, -slope_y, np.ones_like(metres)], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    return albedo, np.clip(np.round((normal * 127.5 + 127.5) / 2) * 2, 0, 255).astype(np.uint8)


def make(spec: PlainFabricSpec, wardrobe: Path) -> Path:
    """Write one fabric's folder; returns it."""
    folder = wardrobe / "fabrics" / spec.name
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in zip(("albedo", "normal"), pictures(spec), strict=True):
        cv2.imwrite(str(folder / f"{name}.png"), picture[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])
    (folder / "fabric.toml").write_text(
        f'name = "{spec.name}"\nclass = "{spec.fabric_class}"\n'
        f"repeat_m = [{spec.repeat_m}, {spec.repeat_m}]\n"
        'licence = "Apache-2.0"\nmade_by = "computed: mirror fabric plain"\n',
        "utf-8",
    )
    return folder
