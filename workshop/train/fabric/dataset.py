"""Swatch photos to training tiles at a known scale, with augmentation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.fabric.classes import CLASSES, COLOURS, NAMES, PATTERNED, check_class
from inference.fabric.palette import parse_palette, random_palette
from mirror.shading.colour import to_linear, to_srgb
from mirror.types import F32
from workshop.synthetic.fabric.dyes import redye
from workshop.tailor.swatch_photos.labels import (
    Repeat,
    find_repeats,
    find_waves,
    fit_palette,
    wave_vectors,
)
from workshop.tailor.swatch_photos.photographs import Swatch
from workshop.tailor.swatch_photos.review import Entry
from workshop.train.fabric.swatches import TILE, SwatchSet

#: Classes whose cloth may lie either way up or across; the others keep their grain.
_TURNS = {"plain", "gingham", "tartan", "dots", "floral", "satin"}
#: A picture no larger than this many tiles is taken for one repeat; a repeat is found at this correlation.
_WHOLE, _ALIKE = 1.15, 0.85


def tiles(
    swatches: Iterable[Swatch], per_swatch: int, seed: int, *, whole: bool = False, dye: float = 0.0
) -> SwatchSet:
    """``per_swatch`` augmented crops of each swatch, TILE px at the class's scale.

    ``whole``: a picture about as large as a tile is taken whole, as one repeat of its cloth. ``dye``: the
    share of the tiles that are dyed in another palette.
    """
    rows: list[tuple[F32, str, F32, F32]] = []
    source, closed = [], []
    for index, swatch in enumerate(swatches):
        one = whole and _scale(swatch) * min(swatch.albedo.shape[:2]) < _WHOLE * TILE
        cut = _whole if one else _crop
        for k in range(per_swatch):
            row = cut(swatch, np.random.default_rng([seed, index, k]))
            again = np.random.default_rng([seed, index, k, 1])
            rows.append(_dyed(row, again) if again.random() < dye else row)
        source += [index] * per_swatch
        closed += [one] * per_swatch
    n = len(rows)
    out = SwatchSet.blank(n)
    out.phased[:], out.source[:] = closed, source
    for i, (fabric, name, palette, cycles) in enumerate(rows):
        quantised = np.rint(fabric * 255).astype(np.uint8)
        out.albedo[i], out.height[i] = quantised[..., :3], quantised[..., 3]
        out.classes[i], out.count[i] = NAMES.index(name), len(palette)
        out.palette[i, : len(palette)], out.cycles[i] = palette, cycles
    return out


def _scale(swatch: Swatch) -> float:
    """Tile px a px of the picture."""
    return float(CLASSES[swatch.label.fabric_class] * swatch.label.width_m / swatch.albedo.shape[1])


def _whole(swatch: Swatch, rng: np.random.Generator) -> tuple[F32, str, F32, F32]:
    """The picture as one tile, augmented; as ``_crop``."""
    fabric: NDArray[Any] = np.dstack([swatch.albedo.astype(np.float32) / 255, swatch.height])
    fabric = cv2.resize(fabric, (TILE, TILE), interpolation=cv2.INTER_AREA)
    cycles = _cycles(swatch.label, fabric, TILE / swatch.albedo.shape[1], torus=True)
    if swatch.label.fabric_class in PATTERNED:
        cycles[0] = np.diag([_turns(fabric[..., :3].mean(2), axis) for axis in (1, 0)])
    return _augmented(swatch, fabric, cycles, rng)


def _turns(light: NDArray[np.floating], axis: int) -> int:
    """How often a torus repeats itself along an axis: the most of 2 to 16 times that it is alike, or once."""
    centred = light - light.mean()
    spectrum = np.abs(np.fft.fft(centred, axis=axis)) ** 2
    alike = np.fft.ifft(spectrum, axis=axis).real.sum(1 - axis)
    alike = alike / max(float(alike[0]), 1e-9)
    fits = [n for n in range(2, 17) if alike[round(len(alike) / n)] > _ALIKE]
    # What is alike at every lag runs along this axis, and has no repeat there.
    return max(fits, default=1) if alike.min() < _ALIKE else 1


def _crop(swatch: Swatch, rng: np.random.Generator) -> tuple[F32, str, F32, F32]:
    """An augmented crop: (fabric (TILE, TILE, 4) 0..1, class, palette, cycles a tile)."""
    label = swatch.label
    fabric: NDArray[Any] = np.dstack([swatch.albedo.astype(np.float32) / 255, swatch.height])
    h, w = fabric.shape[:2]
    scale = _scale(swatch) * rng.uniform(0.9, 1.1)
    # A crop never reaches past the picture: a small picture is enlarged until a tile fits.
    scale = max(scale, TILE / min(h, w))
    size = (max(TILE, round(w * scale)), max(TILE, round(h * scale)))
    fabric = cv2.resize(fabric, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    y, x = (int(rng.integers(n - TILE + 1)) for n in fabric.shape[:2])
    fabric = fabric[y : y + TILE, x : x + TILE]
    return _augmented(swatch, fabric, _cycles(label, fabric, scale), rng)


def _augmented(
    swatch: Swatch, fabric: NDArray[Any], cycles: NDArray[np.floating], rng: np.random.Generator
) -> tuple[F32, str, F32, F32]:
    """Mirrored, turned where the class allows, and dyed."""
    label, name = swatch.label, check_class(swatch.label.fabric_class)
    if rng.random() < 0.5:
        fabric, cycles = fabric[:, ::-1], cycles * np.array([-1, 1])
    if name in _TURNS and rng.random() < 0.5:
        fabric, cycles = np.rot90(fabric), np.stack([cycles[..., 1], -cycles[..., 0]], -1)
    # Dye and lamp: one gain a channel, on the cloth and on its palette alike.
    gain = np.exp(rng.normal(0, 0.12)) * np.exp(rng.normal(0, 0.06, 3))
    colours = fit_palette(swatch.albedo, parse_palette(label.palette), *COLOURS[name])
    palette = to_srgb(to_linear(colours) * gain)
    albedo = to_srgb(to_linear(np.clip(fabric[..., :3], 0, 1)) * gain)
    out = np.concatenate([albedo, np.clip(fabric[..., 3:], 0, 1)], -1)
    return np.ascontiguousarray(out), name, palette, cycles.astype(np.float32)


def _dyed(row: tuple[F32, str, F32, F32], rng: np.random.Generator) -> tuple[F32, str, F32, F32]:
    """A tile as ``_crop`` gives it, in other colours, as many.

    Yarns of a class with no pattern get one dye in common: their contrast is the weave's.
    """
    fabric, name, palette, cycles = row
    other = random_palette(rng, len(palette))
    if name not in PATTERNED:
        gain = to_linear(other[0]) / np.maximum(to_linear(palette[0]), 0.004)
        other = to_srgb(to_linear(palette) * gain)
    albedo = redye(fabric[..., :3], palette, other)
    return np.concatenate([albedo, fabric[..., 3:]], -1), name, other, cycles


def _cycles(label: Entry, fabric: NDArray[Any], scale: float, *, torus: bool = False) -> NDArray[np.floating]:
    """Wave vectors (3, 2, 2) in cycles a tile: the label's pattern, and the yarns found in this crop.

    A class with no pattern has the yarns there too: a series on the picture's own blotches would draw
    them again in every cloth.
    """
    if label.fabric_class not in PATTERNED:
        return np.stack([find_waves(fabric[..., :3].mean(2), fabric[..., 3], torus=torus)] * 3)
    seen = np.rint(np.clip(fabric[..., :3], 0, 1) * 255).astype(np.uint8)
    fine = find_repeats(seen, 3.0)
    yarn = wave_vectors(*fine) * TILE if fine else np.diag([TILE / 4, TILE / 4])
    pattern = yarn
    if label.repeat_px[0] > 0 and label.repeat_px[1] > 0:
        first, second = (
            Repeat(max(length * scale, 2.0), direction, 1.0)
            for length, direction in zip(label.repeat_px, label.repeat_direction_deg, strict=True)
        )
        if abs(np.sin(np.radians(first.direction - second.direction))) > 0.1:
            pattern = wave_vectors(first, second) * TILE
    return np.stack([pattern, yarn, yarn])
