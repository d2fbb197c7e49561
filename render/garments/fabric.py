"""Fabrics: a folder's ``fabric.toml``, ``albedo.png`` and ``normal.png``, both tileable."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from mirror.errors import MirrorError
from mirror.wardrobe import find_folder, list_folders, read_page

__all__ = ["Fabric", "FabricPage", "list_fabrics", "load_fabric", "read_rgb"]


class FabricPage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``fabric.toml``.

    ``fabric_class`` (``class`` in the file): what it is, e.g. jersey or linen.
    ``repeat_m``: metres of fabric that one picture covers, across and along the grain.
    """

    name: str
    fabric_class: str = msgspec.field(name="class")
    repeat_m: tuple[float, float]
    licence: str
    made_by: str


@dataclass(frozen=True)
class Fabric:
    """A fabric in memory.

    ``albedo`` (H, W, 3) uint8 RGB in sRGB; ``normal`` (H, W, 3) uint8 RGB tangent-space normals,
    0..255 for -1..1, +x along u, +y up the picture (OpenGL's way), +z out of the cloth.
    ``repeat_m``: (u, v) metres of one repeat.
    """

    name: str
    fabric_class: str
    repeat_m: tuple[float, float]
    licence: str
    made_by: str
    path: Path
    albedo: NDArray[np.uint8]
    normal: NDArray[np.uint8]


def list_fabrics(folders: Iterable[str | Path] = ()) -> list[dict[str, Any]]:
    """Every fabric of the wardrobes: name, class, repeat_m, path. MirrorError on a broken page."""
    out = []
    for name, folder in list_folders("fabrics", folders).items():
        page = read_page(folder, "fabrics", FabricPage)
        out.append(
            {
                "name": name,
                "class": page.fabric_class,
                "repeat_m": list(page.repeat_m),
                "path": str(folder),
            }
        )
    return out


def load_fabric(name: str | Path, folders: Iterable[str | Path] = ()) -> Fabric:
    """A fabric by name or by path to its folder. MirrorError naming the file and what is wrong."""
    folder = find_folder("fabrics", name, folders)
    page = read_page(folder, "fabrics", FabricPage)
    if not all(0.001 <= r <= 10.0 for r in page.repeat_m):
        raise MirrorError(f"{folder / 'fabric.toml'}: repeat_m must lie between 0.001 and 10 metres")
    albedo, normal = read_rgb(folder / "albedo.png"), read_rgb(folder / "normal.png")
    return Fabric(
        name=page.name,
        fabric_class=page.fabric_class,
        repeat_m=page.repeat_m,
        licence=page.licence,
        made_by=page.made_by,
        path=folder,
        albedo=albedo,
        normal=normal,
    )


def read_rgb(path: Path, advice: str = "") -> NDArray[np.uint8]:
    """An RGB picture (H, W, 3) uint8. MirrorError if it cannot be read, with advice where it is damaged."""
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise MirrorError(f"{path}: cannot be read ({error.strerror})") from error
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    if picture is None:
        raise MirrorError(f"{path}: not a picture, or damaged{advice}")
    out: NDArray[np.uint8] = np.ascontiguousarray(picture[:, :, ::-1])
    return out
