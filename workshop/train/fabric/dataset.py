"""Swatch photos and material sets to training tiles at a known scale, with labels and augmentation.

Reads a folder of pictures (a material set is an albedo with a normal or height map beside it, told
by the ends of their names) and the folder's review file, which it writes back with fresh guesses.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inference.fabric.classes import CLASSES, COLOURS, NAMES, PATTERNED, check_class
from inference.fabric.palette import parse_palette, random_palette, write_palette
from mirror.errors import MirrorError
from mirror.shading.colour import to_linear, to_srgb
from mirror.types import F32
from workshop.synthetic.fabric.dyes import redye
from workshop.train.fabric.labels import (
    Repeat,
    find_palette,
    find_repeats,
    find_waves,
    fit_palette,
    guess_class,
    luminance,
    wave_vectors,
)
from workshop.train.fabric.review import Entry, Label, merge, read_review, write_review
from workshop.train.fabric.split import file_digest
from workshop.train.fabric.swatches import TILE, SwatchSet

_PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff"}
_ALBEDO = ("_col", "_color", "_albedo", "_diff", "_diffuse", "_basecolor")
_NORMAL = ("_nrm", "_normal", "_nor_gl", "_nor", "_normalgl")
_HEIGHT = ("_height", "_disp", "_displacement", "_bump")
#: Classes whose cloth may lie either way up or across; the others keep their grain.
_TURNS = {"plain", "gingham", "tartan", "dots", "floral", "satin"}
#: A picture no larger than this many tiles is taken for one repeat; a repeat is found at this correlation.
_WHOLE, _ALIKE = 1.15, 0.85


@dataclass(frozen=True)
class Swatch:
    """One picture with its label: ``albedo`` (H, W, 3) uint8 sRGB, ``height`` (H, W) float32 0..1.

    ``digest``: the SHA-256 of the albedo's file.
    """

    name: str
    albedo: NDArray[np.uint8]
    height: F32
    label: Entry
    digest: str


def read_picture(path: Path) -> NDArray[np.uint8]:
    """An sRGB picture (H, W, 3) uint8. MirrorError if it cannot be read or is under 64 px."""
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise MirrorError(f"{path}: cannot be read ({error.strerror})") from error
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    if picture is None:
        raise MirrorError(f"{path}: not a picture, or damaged; replace it or take it out of the folder")
    if min(picture.shape[:2]) < TILE // 2:
        raise MirrorError(f"{path}: {picture.shape[1]} x {picture.shape[0]} px is too small; 64 px at least")
    return np.ascontiguousarray(picture[:, :, ::-1])


def find_sets(folder: Path) -> dict[str, dict[str, Path]]:
    """The folder's swatches by the name of their albedo: {"albedo": path, "normal"?: path, "height"?: path}.

    MirrorError if there is no such folder or no picture in it.
    """
    if not folder.is_dir():
        raise MirrorError(f"{folder}: no such folder")
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in _PICTURES)
    sets: dict[str, dict[str, Path]] = {}
    maps: list[tuple[str, str, Path]] = []
    stems: dict[str, str] = {}
    for path in files:
        stem = path.stem.lower()
        for kind, ends in (("normal", _NORMAL), ("height", _HEIGHT)):
            if stem.endswith(ends):
                maps.append((kind, _strip(stem, ends), path))
                break
        else:
            sets[path.name] = {"albedo": path}
            stems[_strip(stem, _ALBEDO)] = path.name
    for kind, stem, path in maps:
        if stem in stems:
            sets[stems[stem]][kind] = path
    if not sets:
        raise MirrorError(f"{folder}: no swatches there (PNG, JPEG, WebP or TIFF)")
    return sets


def build(folder: Path) -> list[Swatch]:
    """Every usable swatch of the folder with its label, and the review file brought up to date.

    MirrorError naming the file on a corrupt picture, an empty folder or a broken review file.
    """
    sets = find_sets(folder)
    held = read_review(folder)
    entries: dict[str, Entry] = {}
    swatches = []
    for name, maps in sets.items():
        albedo = read_picture(maps["albedo"])
        entry = merge(guess(albedo, name), held.get(name))
        entries[name] = entry
        if entry.use:
            swatches.append(Swatch(name, albedo, _relief(albedo, maps), entry, file_digest(maps["albedo"])))
    write_review(folder, held | entries)
    return swatches


def guess(albedo: NDArray[np.uint8], name: str) -> Label:
    """The automatic label of a picture."""
    fabric_class = guess_class(albedo, name)
    repeats = find_repeats(albedo)
    # Nothing in a photo tells its scale: as many px a metre as the class is woven with, but a
    # picture is not taken to be wider than half a metre.
    width = min(albedo.shape[1] / CLASSES[fabric_class], 0.5)
    label = Label(
        fabric_class=fabric_class, palette=write_palette(find_palette(albedo)), width_m=round(width, 5)
    )
    if repeats is None:
        return label
    first, second = repeats
    return Label(
        fabric_class=label.fabric_class,
        palette=label.palette,
        width_m=label.width_m,
        repeat_px=(round(first.length, 2), round(second.length, 2)),
        repeat_direction_deg=(round(first.direction, 1), round(second.direction, 1)),
    )


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
    out = SwatchSet(
        np.zeros((n, TILE, TILE, 3), np.uint8),
        np.zeros((n, TILE, TILE), np.uint8),
        np.zeros(n, np.int64),
        np.zeros((n, 4, 3), np.float32),
        np.zeros(n, np.int64),
        np.zeros((n, 3, 2, 2), np.float32),
        np.array(closed, np.bool_),
        np.array(source, np.int64),
    )
    for i, (fabric, name, palette, cycles) in enumerate(rows):
        quantised = np.rint(fabric * 255).astype(np.uint8)
        out.albedo[i], out.height[i] = quantised[..., :3], quantised[..., 3]
        out.classes[i], out.count[i] = NAMES.index(name), len(palette)
        out.palette[i, : len(palette)], out.cycles[i] = palette, cycles
    return out


def height_from_normal(normal: NDArray[np.uint8]) -> F32:
    """Relative height (H, W) 0..1 of an OpenGL normal map, integrated on the torus.

    Frankot and Chellappa, "A method for enforcing integrability in shape from shading",
    IEEE PAMI 10 (1988).
    """
    n = normal.astype(np.float32) / 127.5 - 1
    z = np.maximum(n[..., 2], 0.05)
    slope_x, slope_y = -n[..., 0] / z, n[..., 1] / z
    h, w = z.shape
    fy, fx = np.fft.fftfreq(h)[:, None] * 2 * np.pi, np.fft.fftfreq(w)[None, :] * 2 * np.pi
    spectrum = -1j * (fx * np.fft.fft2(slope_x) + fy * np.fft.fft2(slope_y)) / np.maximum(fx**2 + fy**2, 1e-9)
    spectrum[0, 0] = 0
    return _stretch(np.fft.ifft2(spectrum).real)


def height_from_albedo(albedo: NDArray[np.uint8]) -> F32:
    """A guess of relative height (H, W) 0..1 from a photo alone: the gaps between yarns are dark.

    Only what is finer than 4 px counts, so that a printed pattern is not taken for relief.
    """
    light = luminance(albedo)
    fine = light - ndimage.gaussian_filter(light, 4.0)
    return _stretch(ndimage.gaussian_filter(fine, 0.5))


def _strip(stem: str, ends: tuple[str, ...]) -> str:
    for end in ends:
        if stem.endswith(end):
            return stem[: -len(end)]
    return stem


def _relief(albedo: NDArray[np.uint8], maps: dict[str, Path]) -> F32:
    if "height" in maps:
        return _fit(luminance(read_picture(maps["height"])) / 100, albedo)
    if "normal" in maps:
        return _fit(height_from_normal(read_picture(maps["normal"])), albedo)
    return height_from_albedo(albedo)


def _fit(height: NDArray[np.floating], albedo: NDArray[np.uint8]) -> F32:
    h, w = albedo.shape[:2]
    return np.asarray(cv2.resize(height, (w, h), interpolation=cv2.INTER_AREA), np.float32)


def _stretch(height: NDArray[np.floating]) -> F32:
    low, high = np.percentile(height, (1, 99))
    return np.asarray(np.clip((height - low) / max(high - low, 1e-6), 0, 1), np.float32)


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
