"""A set of training tiles in memory and on disk, and the procedural part of it."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.fabric.classes import COLOURS, NAMES
from inference.fabric.palette import random_palette
from mirror.errors import MirrorError
from workshop.synthetic.fabric.weave import weave

TILE = 128  # px, the side of a training tile
FORMAT = 2


@dataclass
class SwatchSet:
    """n tiles. ``albedo`` (n, TILE, TILE, 3) uint8 sRGB; ``height`` (n, TILE, TILE) uint8, 0..255 for 0..1;
    ``classes`` (n,) index into NAMES; ``palette`` (n, 4, 3) sRGB 0..1 with ``count`` (n,) colours;
    ``cycles`` (n, 3, 2, 2) cycles a tile of pattern, repeat and yarn, (x, y); ``phased`` (n,) bool:
    the tile is a whole torus with its pattern starting at the origin, so it can be reconstructed from
    its label; ``source`` (n,): the picture that it was cut from, -1 for a woven tile.
    """  # noqa: D205

    albedo: NDArray[np.uint8]
    height: NDArray[np.uint8]
    classes: NDArray[np.int64]
    palette: NDArray[np.float32]
    count: NDArray[np.int64]
    cycles: NDArray[np.float32]
    phased: NDArray[np.bool_]
    source: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.classes)

    @classmethod
    def blank(cls, count: int) -> SwatchSet:
        """``count`` woven tiles to be filled in."""
        return cls(
            np.zeros((count, TILE, TILE, 3), np.uint8),
            np.zeros((count, TILE, TILE), np.uint8),
            np.zeros(count, np.int64),
            np.zeros((count, 4, 3), np.float32),
            np.zeros(count, np.int64),
            np.zeros((count, 3, 2, 2), np.float32),
            np.ones(count, np.bool_),
            np.full(count, -1, np.int64),
        )

    def take(self, index: NDArray[np.integer]) -> SwatchSet:
        """The tiles of these indices."""
        return SwatchSet(*(getattr(self, f.name)[index] for f in fields(self)))

    def join(self, other: SwatchSet) -> SwatchSet:
        """Both sets' tiles, this one's first; its pictures keep their numbers in ``source``."""
        move = self.source.max(initial=-1) + 1
        other = replace(other, source=np.where(other.source < 0, -1, other.source + move))
        return SwatchSet(
            *(np.concatenate([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self))
        )

    def save(self, path: Path) -> None:
        """Write the set to one compressed file, whole or not at all."""
        part = path.with_suffix(".part.npz")
        np.savez_compressed(part, format=FORMAT, **{f.name: getattr(self, f.name) for f in fields(self)})
        part.replace(path)


def load_swatches(path: Path) -> SwatchSet:
    """A set written by ``save``. MirrorError if the file is damaged or of another format."""
    try:
        with np.load(path, allow_pickle=False) as held:
            if int(held["format"]) != FORMAT:
                raise MirrorError(f"{path}: swatches of another version; delete the file to rebuild them")
            return SwatchSet(*(held[f.name] for f in fields(SwatchSet)))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise MirrorError(f"{path}: not a set of swatches, or damaged; delete it to rebuild it") from error


def procedural_swatches(per_class: int, seed: int) -> SwatchSet:
    """``per_class`` woven tiles of every class, in a fixed order for a fixed seed, classes in turn."""
    n = per_class * len(NAMES)
    out = SwatchSet.blank(n)
    for i in range(n):
        rng = np.random.default_rng([seed, i])
        name = NAMES[i % len(NAMES)]
        fewest, most = COLOURS[name]
        count = int(rng.integers(fewest, most + 1))
        cloth = weave(name, random_palette(rng, count), TILE, rng)
        out.albedo[i], out.height[i] = cloth.albedo, np.rint(cloth.height * 255)
        out.classes[i], out.count[i] = i % len(NAMES), count
        out.palette[i, :count], out.cycles[i] = cloth.palette, cloth.cycles
    return out
