"""Parametric variants of the cutter's kinds: the garments that the encoder learns from.

Neckline, sleeve, hem, ease and flare are drawn within limits that a shop would sell. Cutting takes
seconds a garment, so each is kept in a file and made anew when the cutter has changed.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from inference.body import model as body_model
from inference.body.model import BodyModel
from inference.body.surface import welded_normals
from mirror.types import F32
from render.garments import simplify
from render.garments.garment import BASE_SIZE
from render.garments.kinds import KINDS, GarmentKind, kind_of
from workshop.tailor import cut_page, cutter

SIZES = ("XS", "S", "M", "L", "XL")
# What a shop would sell: lengths from shoulder or hip joint, centimetres.
_SLEEVE_CM = {"short": (11, 27), "long": (40, 48.5)}
_LEG_CM = {"short": (18, 42), "long": (62, 78)}
_ARRAYS = ("vertices", "faces", "uv", "joints", "weights", "shape_targets", "size_target")


@dataclass(frozen=True)
class Variant:
    """A cut garment, with arrays as ``render.garments.garment.Garment`` has them; ``number`` is its seed."""

    kind: str
    number: int
    vertices: F32
    faces: NDArray[np.int32]
    uv: F32
    joints: NDArray[np.uint8]
    weights: F32
    shape_targets: F32
    size_target: F32
    sizes: tuple[str, ...] = SIZES

    @property
    def name(self) -> str:
        """Such as ``skirt-03``."""
        return f"{self.kind}-{self.number:02d}"

    def shaped(self, shape: NDArray[np.floating] | None = None, size: str = BASE_SIZE) -> tuple[F32, F32]:
        """Rest (vertices, normals), each (V, 3)."""
        steps = np.float32(self.sizes.index(size) - self.sizes.index(BASE_SIZE))
        vertices = self.vertices + steps * self.size_target
        if shape is not None:
            vertices = vertices + np.tensordot(np.asarray(shape, np.float32), self.shape_targets, 1)
        return vertices, welded_normals(vertices, self.faces)


def draw_cut(kind: GarmentKind, rng: np.random.Generator) -> dict[str, Any]:
    """A ``[cut]`` table for a kind, drawn at random."""

    def between(low: float, high: float) -> float:
        return round(float(rng.uniform(low, high)), 2)

    if kind.legged:
        return {
            "waist": between(11, 18),
            "leg": between(*_LEG_CM[kind.legs]),
            "fall": between(0.2, 0.5),
            "taper": between(0.01, 0.1),
            "ease": {
                "waist": between(0.2, 0.6),
                "hip": between(0.5, 1.4),
                "thigh": between(0.6, 2.4),
                "leg_hem": between(0.6, 3.6),
            },
        }
    if kind.slot == "bottom":
        return {
            "length": between(22, 72),
            "flare": between(0.05, 0.45),
            "ease": {"waist": between(0.15, 0.6), "hip": between(0.3, 1.6)},
        }
    width = between(15, 21)
    # Sleeves of each length are drawn, so that what is drawn after them is the same for every kind.
    sleeves = {length: between(*limits) for length, limits in _SLEEVE_CM.items()}
    table: dict[str, Any] = {
        "sleeve": sleeves.get(kind.sleeves, 0),
        "fall": between(0.08, 0.25),
        "taper": between(0.02, 0.08),
        "neckline": {
            "shape": str(rng.choice(["round", "v", "square", "boat"])),
            "width": width,
            "front": between(6.5, 15),
            "back": between(1.8, 6),
        },
        "ease": {
            "shoulder": between(0.2, 0.4),
            "chest": between(0.5, 1.9),
            "waist": between(0.8, 3.2),
            "hip": between(0.9, 3.2),
            "sleeve": between(0.5, 1.6),
            "cuff": between(0.5, 1.8),
        },
    }
    if not kind.sleeved:
        table |= {"strap": between(max(10.5, width / 2 + 2.5), 14), "armhole": between(0.5, 5)}
    if kind.flared:
        return table | {"length": between(20, 70), "flare": between(0.06, 0.35)}
    return table | {"hem": between(-1, 11)}


def cut_variant(kind: GarmentKind, number: int, table: dict[str, Any], model: BodyModel) -> Variant:
    """Cut a garment from a ``[cut]`` table, without the pictures of its folds."""
    cut = cut_page.parse(table, f"variant {kind.name}-{number:02d}")
    pattern = cutter.make_pattern(kind, cut, model)
    file, _ = cutter.thinned(cutter.make_up(pattern, kind, cut, model, detailed=False), ())
    return Variant(
        kind=kind.name,
        number=number,
        vertices=file.vertices,
        faces=file.faces,
        uv=file.uv,
        joints=file.joints,
        weights=file.weights,
        shape_targets=np.stack([t for name, t in file.targets.items() if name != "size"]),
        size_target=file.targets["size"],
    )


def variant(name: str, number: int, folder: Path, model: BodyModel) -> Variant:
    """Variant ``number`` of a kind, from ``folder`` where this cutter has left it there, else cut now.

    MirrorError for an unknown kind.
    """
    kind = kind_of(name)
    table = draw_cut(kind, np.random.default_rng([2026, list(KINDS).index(name), number]))
    path = folder / f"{name}-{number:02d}.safetensors"
    made_by = {"cutter": cutter_hash(), "cut": json.dumps(table, sort_keys=True)}
    if (held := _held(path, made_by)) is not None:
        return Variant(name, number, **held)
    made = cut_variant(kind, number, table, model)
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    arrays = {name: np.ascontiguousarray(getattr(made, name)) for name in _ARRAYS}
    save_file(arrays, str(part), made_by)
    part.replace(path)
    return made


def _held(path: Path, made_by: dict[str, str]) -> dict[str, Any] | None:
    """Arrays of a kept variant; None if there is none, it is damaged, or was made otherwise."""
    try:
        with safe_open(str(path), framework="numpy") as file:
            if file.metadata() == made_by:
                return {name: file.get_tensor(name) for name in _ARRAYS}
    except (SafetensorError, OSError):
        return None
    return None


def cutter_hash() -> str:
    """Digest of the cutter's sources and blocks, and of the body it cuts on."""
    tailor = Path(cutter.__file__).resolve().parent
    body = Path(body_model.__file__).resolve().parent / "data" / "body.safetensors"
    sources = [
        *sorted(tailor.glob("*.py")),
        Path(simplify.__file__),
        tailor / "data/blocks.safetensors",
        body,
    ]
    digest = hashlib.sha256(msgspec.json.encode(_ARRAYS))
    for path in sources:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
