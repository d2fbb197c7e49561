"""Sampling: a class, a palette and a seed become a fabric folder (fabric.toml, albedo.png, normal.png)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.fabric.classes import COLOURS, check_class
from inference.fabric.generator import FabricGenerator, LatentCode, whole_cycles
from inference.fabric.palette import write_palette
from mirror.errors import MirrorError
from mirror.shading.colour import to_lab, to_linear, to_srgb
from mirror.types import F32
from mirror.wardrobe import check_name

#: Relief of the cloth as a share of its yarns' pitch.
_RELIEF = 0.22


@dataclass(frozen=True)
class Sample:
    """A fabric. ``albedo`` (H, W, 3) and ``normal`` (H, W, 3) uint8 RGB as ``render.garments.fabric.Fabric``;
    ``height`` (H, W) 0..1; ``repeat_m`` metres that the picture covers, (u, v).
    """  # noqa: D205

    fabric_class: str
    palette: F32
    albedo: NDArray[np.uint8]
    normal: NDArray[np.uint8]
    height: F32
    repeat_m: tuple[float, float]
    made_by: str


@dataclass(frozen=True)
class Blend:
    """Where an interpolation goes: to another class or seed (or both), ``share`` of the way (0..1)."""

    share: float
    fabric_class: str | None = None
    seed: int | None = None


def sample(
    generator: FabricGenerator,
    fabric_class: str,
    palette: F32,
    seed: int,
    size: tuple[int, int],
    blend: Blend | None = None,
) -> Sample:
    """Weave one fabric of ``size`` (height, width) px.

    A palette with too few colours for the class is filled up with tints of its own. MirrorError on
    an unknown class, too many colours, or a size that is no multiple of 8 between 64 and 4096.
    """
    if any(n % 8 or not 64 <= n <= 4096 for n in size):
        raise MirrorError(f"size {size[1]} x {size[0]} px: give multiples of 8 between 64 and 4096")
    if seed < 0:
        raise MirrorError(f"seed {seed}: give a whole number from 0 up")
    colours = fill_palette(palette, check_class(fabric_class))
    recipe = generator.recipe(fabric_class, colours, seed)
    words = f"class {fabric_class}, palette {write_palette(palette)}, seed {seed}"
    if blend is not None:
        if not 0 <= blend.share <= 1:
            raise MirrorError(f"share {blend.share}: give a number from 0 to 1")
        other_class = check_class(blend.fabric_class or fabric_class)
        other_seed = seed if blend.seed is None else blend.seed
        other = generator.recipe(other_class, colours, other_seed)
        recipe = interpolate(recipe, other, blend.share)
        words += f", {blend.share:g} of the way to class {other_class}, seed {other_seed}"
    albedo, height = generator.fabric(recipe, colours, size)
    cut = choose_cut(albedo)
    albedo, height = (np.roll(part, (-cut[0], -cut[1]), (0, 1)) for part in (albedo, height))
    pitch = yarn_pitch(recipe, size)
    return Sample(
        fabric_class,
        colours,
        np.rint(albedo * 255).astype(np.uint8),
        normal_map(height, _RELIEF * pitch),
        height,
        (size[1] / recipe.pixels_per_metre, size[0] / recipe.pixels_per_metre),
        f"fabric GAN, {words}, {size[1]} x {size[0]} px",
    )


def choose_cut(albedo: F32) -> tuple[int, int]:
    """Where to cut the torus open: the (row, column) that becomes the tile's first.

    A torus has no border of its own. The tile is cut where the step from one line of pixels to the
    next is as large as it is on average, rather than, say, always in the gap between two yarns.
    """
    light = to_lab(albedo)[..., 0]
    rows = np.abs(light - np.roll(light, 1, 0)).mean(1)
    columns = np.abs(light - np.roll(light, 1, 1)).mean(0)
    h, w = light.shape
    inside = (rows.mean() + columns.mean()) / 2
    # The border is w pixels of a row's step and h of a column's.
    pooled = (w * rows[:, None] + h * columns[None, :]) / (h + w)
    row, column = np.unravel_index(int(np.abs(pooled - inside).argmin()), pooled.shape)
    return int(row), int(column)


def interpolate(start: LatentCode, end: LatentCode, share: float) -> LatentCode:
    """The recipe ``share`` of the way: condition, lattice and scale move; the noise stays the start's."""
    mixed = (1 - share) * start.condition + share * end.condition
    # Two conditions far apart have a middle that is too short for either: keep the length.
    length = (1 - share) * np.linalg.norm(start.condition) + share * np.linalg.norm(end.condition)
    return LatentCode(
        np.asarray(mixed * length / max(float(np.linalg.norm(mixed)), 1e-6), np.float32),
        np.asarray((1 - share) * start.lattice + share * end.lattice, np.float32),
        start.pixels_per_metre ** (1 - share) * end.pixels_per_metre**share,
        start.seed,
    )


def fill_palette(palette: F32, fabric_class: str) -> F32:
    """The palette (k, 3) sRGB with tints added until the class can be woven. MirrorError on too many."""
    fewest, most = COLOURS[fabric_class]
    if len(palette) > most:
        raise MirrorError(f"{fabric_class} takes {most} colour{'s' if most > 1 else ''} at most")
    out = [np.asarray(c, np.float32) for c in palette]
    while len(out) < fewest:
        light = float(to_lab(out[0])[0])
        # A light ground gets a darker companion, a dark one a lighter, further each time.
        linear, far = to_linear(out[0]), 0.62 / len(out)
        tint = linear * far * 0.35 if light > 55 else linear * far + (1 - far)
        out.append(to_srgb(tint))
    return np.stack(out)


def yarn_pitch(recipe: LatentCode, size: tuple[int, int]) -> float:
    """The yarns' pitch in px, across or along, whichever is finer."""
    cycles = np.abs(whole_cycles(recipe.lattice, *size)[2]).max(0)
    return float(min(size[1] / max(cycles[0], 1), size[0] / max(cycles[1], 1)))


def normal_map(height: F32, relief_px: float) -> NDArray[np.uint8]:
    """Tangent-space normals (H, W, 3) uint8 of a height map 0..1 on a torus, ``relief_px`` px high.

    +x along u, +y up the picture (OpenGL's way), 0..255 for -1..1.
    """
    z = height * relief_px
    slope_x = (np.roll(z, -1, 1) - np.roll(z, 1, 1)) / 2
    slope_up = (np.roll(z, 1, 0) - np.roll(z, -1, 0)) / 2
    normal = np.dstack([-slope_x, -slope_up, np.ones_like(z)])
    normal /= np.linalg.norm(normal, axis=2, keepdims=True)
    out: NDArray[np.uint8] = np.rint(normal * 127.5 + 127.5).astype(np.uint8)
    return out


def write_fabric(made: Sample, folder: Path, *, name: str | None = None, licence: str = "CC0-1.0") -> Path:
    """Write the fabric folder. MirrorError if it cannot be written or holds something else."""
    page = folder / "fabric.toml"
    name = check_name("fabric", name or folder.name)
    if folder.exists() and not page.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise MirrorError(f"{folder}: there is something else there; name another folder")
    lines = [
        f"name = {json.dumps(name)}",
        f"class = {json.dumps(made.fabric_class)}",
        f"repeat_m = [{made.repeat_m[0]:.5f}, {made.repeat_m[1]:.5f}]",
        f"licence = {json.dumps(licence)}",
        f"made_by = {json.dumps(made.made_by)}",
    ]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, picture in (("albedo.png", made.albedo), ("normal.png", made.normal)):
            done, data = cv2.imencode(".png", picture[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])
            if not done:
                raise MirrorError(f"{folder / file}: the picture could not be encoded")
            (folder / file).write_bytes(data.tobytes())
        page.write_text("\n".join(lines) + "\n", "utf-8")
    except OSError as error:
        raise MirrorError(f"{folder}: cannot be written ({error.strerror})") from error
    return folder
