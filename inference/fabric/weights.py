"""The shipped weights: one safetensors file with the EMA generator, its priors and what it was trained on.

Beside the network's parameters (``net.*``): ``prior_cycles`` (classes, P, 3, 2, 2), wave vectors seen
in training in cycles a pixel, and ``pixels_per_metre`` (classes,).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from inference.fabric.swatches import TILE, SwatchSet
from inference.fabric.weave import CLASSES, NAMES
from mirror.errors import MirrorError

if TYPE_CHECKING:
    from inference.fabric.network import Generator

FORMAT = "fitting-mirror-fabric-gan"
VERSION = 1
PRIORS = 48  # lattices kept a class


def save_weights(network: Generator, data: SwatchSet, facts: dict[str, str], path: Path) -> None:
    """Write the generator, priors and ``facts`` atomically."""
    arrays = {f"net.{k}": v.detach().cpu().numpy() for k, v in network.state_dict().items()}
    prior = np.zeros((len(NAMES), PRIORS, 3, 2, 2), np.float32)
    for index in range(len(NAMES)):
        found = data.cycles[data.classes == index]
        # A class without swatches is not drawn from; a flat lattice marks it.
        if len(found):
            prior[index] = np.rint(found[np.arange(PRIORS) % len(found)]) / TILE
    arrays["prior_cycles"] = prior
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
