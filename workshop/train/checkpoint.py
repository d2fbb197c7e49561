"""Checkpoints of the trainers: written atomically, read back or refused in one line. Needs torch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from mirror.errors import MirrorError


def write_checkpoint(state: dict[str, Any], version: int, path: Path) -> None:
    """Write ``state`` so that a kill at any moment leaves the former checkpoint or this one, whole."""
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        torch.save({"format": version, **state}, file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def read_checkpoint(path: Path, version: int, device: torch.device | None = None) -> dict[str, Any]:
    """The state that was written. MirrorError if the file is damaged or of another version."""
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:
        raise MirrorError(f"{path}: not a checkpoint, or damaged; start with another --out") from error
    if state.get("format") != version:
        raise MirrorError(f"{path}: a checkpoint of another version; start with another --out")
    return state


def changed_settings(was: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """Settings of ``now`` that differ from the checkpoint's, but for how many steps are to be made."""
    return {k: v for k, v in now.items() if k != "steps" and was.get(k) != v}
