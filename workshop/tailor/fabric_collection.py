"""The fabrics that the project ships: their specifications, and the command that weaves them anew.

Seeds are chosen by eye.

``mirror fabric collection WARDROBE/fabrics`` writes a folder for each. The pictures
are kept in coarser steps than a sample's own, so that a folder stays small.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.fabric.generator import FabricGenerator
from inference.fabric.palette import parse_palette
from inference.fabric.sample import sample, write_fabric

SIZE = 512  # px
_STEP = 9  # of the kept pictures, in 256ths


@dataclass(frozen=True)
class CollectionEntry:
    """One shipped fabric: folder name, class, palette and seed."""

    name: str
    fabric_class: str
    palette: str
    seed: int


COLLECTION: tuple[CollectionEntry, ...] = (
    CollectionEntry("linen_natural", "plain", "#c9b99a,#b5a37e", 3),
    CollectionEntry("linen_sage", "plain", "#8a9a7b,#78896a", 3),
    CollectionEntry("poplin_white", "plain", "#eeeeeb,#dcdcd8", 3),
    CollectionEntry("chambray_blue", "plain", "#5f7da3,#c8d2dc", 3),
    CollectionEntry("twill_olive", "twill", "#5a5d3a", 1),
    CollectionEntry("twill_camel", "twill", "#a67c4e,#8d6538", 2),
    CollectionEntry("satin_burgundy", "satin", "#6d1f2f", 1),
    CollectionEntry("satin_champagne", "satin", "#d9c7a6", 2),
    CollectionEntry("rib_ecru", "rib", "#ddd3bf", 2),
    CollectionEntry("rib_forest", "rib", "#23402f", 10),
    CollectionEntry("jersey_navy", "jersey", "#1d2a47", 1),
    CollectionEntry("jersey_coral", "jersey", "#d9705e", 4),
    CollectionEntry("stripe_breton", "stripe", "#ece8de,#22304f", 9),
    CollectionEntry("stripe_shirting", "stripe", "#dfe6ee,#5b7fae", 2),
    CollectionEntry("gingham_red", "gingham", "#f0ece6,#b3262e", 11),
    CollectionEntry("gingham_blue", "gingham", "#eef0f2,#33568c", 11),
    CollectionEntry("gingham_green", "gingham", "#f1eee4,#2f5d46", 10),
    CollectionEntry("tartan_red", "tartan", "#8c1c22,#16243f,#d8c15a,#e3dfd2", 7),
    CollectionEntry("tartan_green", "tartan", "#1f4a34,#16233a,#e3dfd2,#8c1c22", 0),
    CollectionEntry("tartan_grey", "tartan", "#8b8f94,#2b2d33,#e8e4da", 0),
    CollectionEntry("floral_meadow", "floral", "#f1eadc,#c4576b,#3f6b4a", 1),
    CollectionEntry("floral_midnight", "floral", "#1d2440,#d98c9a,#e8d9b0,#5d7a58", 10),
    CollectionEntry("houndstooth_black", "houndstooth", "#e6e2da,#1c1c1f", 1),
    CollectionEntry("houndstooth_brown", "houndstooth", "#d8c6a8,#53382a", 2),
    CollectionEntry("dots_navy", "dots", "#1c2a4a,#eeeae0", 2),
    CollectionEntry("dots_rose", "dots", "#d99aa5,#f5efe8", 12),
    CollectionEntry("dots_forest", "dots", "#27412f,#e9e2cf", 5),
    CollectionEntry("denim_indigo", "denim", "#2c3f63,#b9c2cb", 8),
    CollectionEntry("denim_washed", "denim", "#6787ab,#d9dfe3", 6),
    CollectionEntry("denim_black", "denim", "#24262b,#7d8087", 10),
    CollectionEntry("melange_grey", "melange", "#8b8d90,#55575b", 9),
    CollectionEntry("melange_oatmeal", "melange", "#cdbfa8,#9c8a72", 2),
)


def weave_collection(out: Path, generator: FabricGenerator | None = None) -> list[Path]:
    """Write every fabric of the collection into ``out``; returns their folders."""
    generator = generator or FabricGenerator()
    folders = []
    for spec in COLLECTION:
        made = sample(generator, spec.fabric_class, parse_palette(spec.palette), spec.seed, (SIZE, SIZE))
        # Some 30 steps a channel: unseen in a texture, and half the size as PNG.
        albedo = (made.albedo.astype(np.int16) // _STEP * _STEP + _STEP // 2).clip(0, 255).astype(np.uint8)
        made = replace(made, albedo=albedo, normal=coarser(made.normal, _STEP))
        folders.append(write_fabric(made, out / spec.name))
    return folders


def coarser(normal: NDArray[np.uint8], step: int = 6) -> NDArray[np.uint8]:
    """The normals (H, W, 3) uint8 with x and y in steps of ``step`` and z made to fit: smaller as PNG."""
    xy = np.rint((normal[..., :2].astype(np.float32) - 127.5) / step) * step / 127.5
    z = np.sqrt(np.maximum(1 - (xy**2).sum(-1), 0.01))
    # z in the same coarse steps would tilt nothing; it is what the other two leave.
    out: NDArray[np.uint8] = np.rint(np.dstack([xy, z]) * 127.5 + 127.5).clip(0, 255).astype(np.uint8)
    return out
