"""The shipped weights: one safetensors file, half precision, with what they were trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from mirror.errors import MirrorError

SHIPPED = Path(__file__).resolve().parents[1] / "data" / "light_net.safetensors"
FORMAT = "fitting-mirror-light-net"
VERSION = 1


def save_weights(arrays: dict[str, NDArray[np.float32]], facts: dict[str, str], path: Path) -> None:
    """Write weights by name and ``facts`` atomically."""
    part = path.with_suffix(".part")
    halves = {name: np.ascontiguousarray(values, np.float16) for name, values in arrays.items()}
    save_file(halves, str(part), {"format": FORMAT, "version": str(VERSION), **facts})
    part.replace(path)


def load_weights(path: Path = SHIPPED) -> tuple[dict[str, NDArray[np.float32]], dict[str, str]]:
    """(weights by name, metadata). MirrorError if the file is missing, damaged or of another version."""
    try:
        with safe_open(str(path), framework="numpy") as held:
            metadata = dict(held.metadata() or {})
            arrays = {name: held.get_tensor(name).astype(np.float32) for name in held.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise MirrorError(
            f"{path}: no weights of the light network there; train them, or name others"
        ) from error
    except (SafetensorError, OSError) as error:
        raise MirrorError(f"{path}: not weights of a light network, or damaged") from error
    if metadata.get("format") != FORMAT:
        raise MirrorError(f"{path}: not the weights of a light network")
    if metadata.get("version") != str(VERSION):
        raise MirrorError(
            f"{path}: weights of version {metadata.get('version')}, but this program reads version {VERSION};"
            " train them again"
        )
    return arrays, metadata
