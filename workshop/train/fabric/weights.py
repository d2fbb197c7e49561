"""What training puts into the generator's file: its running mean, and the designs that samples start from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.fabric.classes import CLASSES, NAMES
from inference.fabric.weights import WEIGHTS
from workshop.train.fabric.network import Generator

PRIORS = 64  # designs kept a class


@dataclass(frozen=True)
class Priors:
    """The designs that a sample may start from, P a class of C.

    ``styles`` (C, P, 2, STYLE): mean and deviation of q(z | x), the encoder's posterior of a training
    tile; ``cycles`` (C, P, 3, 2, 2): its wave vectors in cycles a px; ``counts`` (C, P): its number
    of colours, 0 where a class had no tile; ``palettes`` (C, P, 4, 3) sRGB: them; ``pictured`` (C, P)
    bool: the tile is a picture's. Samples from the posteriors of training tiles, instead of
    N(0, I), come from where the generator was taught (the aggregate posterior as prior: Tomczak and
    Welling, arXiv:1705.07120).
    """

    styles: NDArray[np.floating]
    cycles: NDArray[np.floating]
    counts: NDArray[np.integer]
    palettes: NDArray[np.floating]
    pictured: NDArray[np.bool_]


def save_weights(network: Generator, priors: Priors, facts: dict[str, str], path: Path) -> None:
    """Write the generator, priors and ``facts`` atomically."""
    arrays = {f"net.{k}": v.detach().cpu().numpy() for k, v in network.state_dict().items()}
    arrays["prior_styles"] = np.asarray(priors.styles, np.float32)
    arrays["prior_cycles"] = np.asarray(priors.cycles, np.float32)
    arrays["prior_counts"] = np.asarray(priors.counts, np.float32)
    arrays["prior_palettes"] = np.asarray(priors.palettes, np.float32)
    arrays["prior_pictured"] = np.asarray(priors.pictured, np.float32)
    arrays["pixels_per_metre"] = np.array([CLASSES[n] for n in NAMES], np.float32)
    WEIGHTS.save(arrays, facts, path)
