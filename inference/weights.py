"""Trained weights in one safetensors file each: written atomically, refused when they are not what is read.

What the weights were trained on, with the command and seed, goes along as metadata.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike, NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from mirror.errors import MirrorError
from mirror.types import F32


@dataclass(frozen=True)
class WeightsKind:
    """One kind of weights: how messages call it (``some``, and whose: ``of``), format, version.

    ``same``: metadata that must be the program's own, such as the classes that a network knows.
    ``dtype``: what they are stored as; they are read as float32.
    """

    some: str
    of: str
    format: str
    version: int
    same: Mapping[str, str] = field(default_factory=dict)
    dtype: DTypeLike = np.float32

    def save(self, arrays: Mapping[str, NDArray[np.floating]], facts: Mapping[str, str], path: Path) -> None:
        """Write arrays by name with ``facts`` as metadata, atomically."""
        told = {"format": self.format, "version": str(self.version), **self.same, **facts}
        part = path.with_suffix(".part")
        save_file({k: np.ascontiguousarray(v, self.dtype) for k, v in arrays.items()}, str(part), told)
        part.replace(path)

    def load(self, path: Path) -> tuple[dict[str, F32], dict[str, str]]:
        """(arrays by name, metadata). MirrorError if the file is missing, damaged or of another version."""
        try:
            with safe_open(str(path), framework="numpy") as held:
                facts = dict(held.metadata() or {})
                arrays = {name: held.get_tensor(name).astype(np.float32) for name in held.keys()}  # noqa: SIM118
        except FileNotFoundError as error:
            raise MirrorError(f"{path}: no {self.some} there; train them, or name others") from error
        except (SafetensorError, OSError) as error:
            raise MirrorError(f"{path}: not weights of {self.of}, or damaged") from error
        if facts.get("format") != self.format:
            raise MirrorError(f"{path}: not the weights of {self.of}")
        if facts.get("version") != str(self.version):
            raise MirrorError(
                f"{path}: weights of version {facts.get('version')}, but this program reads version"
                f" {self.version}; train them again"
            )
        if other := [key for key, value in self.same.items() if facts.get(key) != value]:
            raise MirrorError(f"{path}: weights for other {', '.join(other)}; train them again")
        return arrays, facts
