"""Swatch photos and material sets read from a folder, each with its label.

A material set is an albedo with a normal or height map beside it, told by the ends of their names. The
folder's review file is written back with fresh guesses.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inference.fabric.classes import CLASSES
from inference.fabric.palette import write_palette
from mirror.errors import MirrorError
from mirror.types import F32
from render.garments.fabric import read_rgb
from workshop.tailor.swatch_photos.labels import find_palette, find_repeats, guess_class, luminance
from workshop.tailor.swatch_photos.review import Entry, Label, merge, read_review, write_review

_PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff"}
_ALBEDO = ("_col", "_color", "_albedo", "_diff", "_diffuse", "_basecolor")
_NORMAL = ("_nrm", "_normal", "_nor_gl", "_nor", "_normalgl")
_HEIGHT = ("_height", "_disp", "_displacement", "_bump")
_LEAST_PX = 64  # a side: half a tile of the generator


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
    picture = read_rgb(path, "; replace it or take it out of the folder")
    if min(picture.shape[:2]) < _LEAST_PX:
        raise MirrorError(
            f"{path}: {picture.shape[1]} x {picture.shape[0]} px is too small; {_LEAST_PX} px at least"
        )
    return picture


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


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
