"""The shipped weights: one safetensors file with the EMA generator, its priors and what it was trained on.

Beside the network's parameters (``net.*``): the designs that samples start from (``Priors``, as
``prior_*``) and ``pixels_per_metre`` (classes,).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from inference.fabric.weave import CLASSES, NAMES
from mirror.errors import MirrorError

if TYPE_CHECKING:
    from inference.fabric.network import Generator

FORMAT = "fitting-mirror-fabric-gan"
VERSION = 2
PRIORS = 64  # designs kept a class


@dataclass(frozen=True)
class Priors:
    """The designs that a sample may start from, P a class of C.

    ``styles`` (C, P, 2, STYLE): mean and deviation of q(z | x), the encoder's posterior of a training
    tile; ``cycles`` (C, P, 3, 2, 2): its wave vectors in cycles a px; ``counts`` (C, P): its number
    of colours, 0 where a class had no tile. Samples from the posteriors of training tiles, instead of
    N(0, I), come from where the generator was taught (the aggregate posterior as prior: Tomczak and
    Welling, arXiv:1705.07120).
    """

    styles: NDArray[np.floating]
    cycles: NDArray[np.floating]
    counts: NDArray[np.integer]


def save_weights(network: Generator, priors: Priors, facts: dict[str, str], path: Path) -> None:
    """Write the generator, priors and ``facts`` atomically."""
    arrays = {f"net.{k}": v.detach().cpu().numpy() for k, v in network.state_dict().items()}
    arrays["prior_styles"] = np.asarray(priors.styles, np.float32)
    arrays["prior_cycles"] = np.asarray(priors.cycles, np.float32)
    arrays["prior_counts"] = np.asarray(priors.counts, np.float32)
    arrays["pixels_per_metre"] = np.array([CLASSES[n] for n in NAMES], np.float32)
    metadata = {"format": FORMAT, "version": str(VERSION), "classes": json.dumps(NAMES), **facts}
    part = path.with_suffix(".part")
    save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, str(part), metadata)
    part.replace(path)


def load_weights(path: Path) -> tuple[dict[str, NDArray[np.float32]], dict[str, str]]:
    """(arrays by name, metadata). MirrorError if the file is missing, damaged or of another version."""
    try:
        with safe_open(str(path), framework="numpy") as held:
            metadata = dict(held.metadata() or {})
            arrays = {name: held.get_tensor(name) for name in held.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise MirrorError(f"{path}: no fabric weights there; train them, or name others") from error
    except (SafetensorError, OSError) as error:
        raise MirrorError(f"{path}: not fabric weights, or damaged") from error
    if metadata.get("format") != FORMAT:
        raise MirrorError(f"{path}: not the weights of a fabric generator")
    if metadata.get("version") != str(VERSION) or metadata.get("classes") != json.dumps(NAMES):
        raise MirrorError(
            f"{path}: weights of version {metadata.get('version')}, but this program weaves with version"
            f" {VERSION} and its own classes; train them again"
        )
    return arrays, metadata
