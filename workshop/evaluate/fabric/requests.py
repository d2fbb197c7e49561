"""What the proof asks of the generator: classes and palettes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inference.fabric.classes import COLOURS, NAMES
from inference.fabric.palette import random_palette
from mirror.types import F32
from workshop.train.fabric.swatches import SwatchSet


@dataclass(frozen=True)
class Request:
    """What a sample was asked for: class and palette (k, 3) sRGB 0..1."""

    fabric_class: str
    palette: F32


def drawn_request(train: SwatchSet, rng: np.random.Generator) -> Request:
    """A class and palette as the training half has them."""
    i = int(rng.integers(len(train)))
    name = NAMES[train.classes[i]]
    palette = train.palette[i, : min(train.count[i], COLOURS[name][1])]
    return Request(name, palette)


def random_request(name: str, rng: np.random.Generator) -> Request:
    """A class in colours at random, as many as it may have."""
    fewest, most = COLOURS[name]
    return Request(name, random_palette(rng, int(rng.integers(fewest, most + 1))))
