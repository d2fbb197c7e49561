"""Garments as the mirror wears them: a folder's ``garment.toml`` and ``garment.glb``, checked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import ArrayLike, NDArray

from inference.body.model import BONES
from inference.body.surface import welded_normals
from mirror.errors import MirrorError
from mirror.types import F32
from mirror.wardrobe import find_folder, list_folders, read_page
from render.garments import glb
from render.garments.kinds import GarmentKind, Slot, anchors_of, kind_of
from render.garments.mesh import vertex_tangents

__all__ = ["BASE_SIZE", "Garment", "GarmentPage", "Suit", "list_garments", "load_garment"]

Metres = Annotated[float, Meta(gt=0.0, le=10.0)]
BASE_SIZE = "M"


class Suit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How well a fabric class suits a garment, and metres (least, most) of one repeat of its pattern."""

    weight: Annotated[float, Meta(gt=0.0, le=1.0)] = 1.0
    repeat_m: tuple[Metres, Metres] | None = None


class GarmentPage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``garment.toml``.

    ``kind``: a name in ``render.garments.kinds``. ``layer``: outerness, larger is worn over smaller.
    ``measurements``: size to name to centimetres, of the garment itself. ``suits``: fabric classes that
    suit it, for proposals to it and to garments like it. ``anchors``: name to vertex of the glb's
    primitive. ``cut``: the cutter's parameters, if it was cut here (``workshop.tailor.cut_page`` documents
    them).
    """

    name: str
    kind: str
    slot: Slot
    layer: int
    sizes: list[str]
    default_fabric: str
    author: str
    licence: str
    measurements: dict[str, dict[str, float]] = {}
    suits: dict[str, Suit] = {}
    anchors: dict[str, int] = {}
    cut: dict[str, Any] = {}

    def __post_init__(self) -> None:
        try:
            kind_of(self.kind)
        except MirrorError as error:  # msgspec names the file's place for a ValueError
            raise ValueError(str(error)) from None


@dataclass(frozen=True)
class Garment:
    """A garment at base size on the mean body in the rest pose.

    Body space, metres: ``vertices``, ``normals`` (V, 3); ``uv`` (V, 2) in metres of fabric, v up
    along the grain; ``tangents`` (V, 4) towards +u with the sign of the bitangent; ``joints`` (V, 4)
    into ``inference.body.model.BONES`` with ``weights`` (V, 4) that sum to 1; ``faces`` (F, 3)
    counter-clockwise from outside; ``shape_targets`` (K, V, 3) metres per shape coefficient;
    ``size_target`` (V, 3) metres per size step. ``anchors``: names to vertices; left is the wearer's.
    ``detail`` (H, W, 3) uint8: the garment's own folds and shade, x and y of tangent-space normals
    (+y up the picture) and the share of the light that arrives; ``detail_uv`` (V, 2) into it, 0..1
    across and down. None for a garment without.
    """

    name: str
    kind: GarmentKind
    slot: Slot
    layer: int
    sizes: tuple[str, ...]
    measurements: dict[str, dict[str, float]]
    default_fabric: str
    author: str
    licence: str
    path: Path
    vertices: F32
    normals: F32
    uv: F32
    tangents: F32
    joints: NDArray[np.uint8]
    weights: F32
    faces: NDArray[np.int32]
    shape_targets: F32
    size_target: F32
    anchors: dict[str, int]
    detail_uv: F32 | None = None
    detail: NDArray[np.uint8] | None = None

    def size_steps(self, size: str) -> float:
        """Steps from the base size to ``size``. MirrorError if the garment is not made in it."""
        if size not in self.sizes:
            raise MirrorError(f"{self.name} has no size {size!r}; it comes in {', '.join(self.sizes)}")
        base = self.sizes.index(BASE_SIZE) if BASE_SIZE in self.sizes else len(self.sizes) // 2
        return float(self.sizes.index(size) - base)

    def shaped(self, shape: ArrayLike | None = None, size: str = BASE_SIZE) -> tuple[F32, F32]:
        """Rest (vertices, normals), each (V, 3), for K shape coefficients and a size."""
        vertices = self.vertices + np.float32(self.size_steps(size)) * self.size_target
        if shape is not None:
            coefficients = np.asarray(shape, np.float32)
            if coefficients.shape != (len(self.shape_targets),):
                raise ValueError(
                    f"shape has {coefficients.shape}, {self.name} takes {len(self.shape_targets)}"
                )
            vertices = vertices + np.tensordot(coefficients, self.shape_targets, 1)
        return vertices, welded_normals(vertices, self.faces)


def list_garments(folders: Iterable[str | Path] = ()) -> list[dict[str, Any]]:
    """Every garment of the wardrobes: name, kind, slot, layer, sizes, default_fabric, path.

    Reads the pages only. A broken page raises MirrorError naming the file.
    """
    out = []
    for name, folder in list_folders("garments", folders).items():
        page = read_page(folder, "garments", GarmentPage)
        out.append(
            {
                "name": name,
                "kind": page.kind,
                "slot": page.slot,
                "layer": page.layer,
                "sizes": page.sizes,
                "default_fabric": page.default_fabric,
                "path": str(folder),
            }
        )
    return out


def load_garment(name: str | Path, folders: Iterable[str | Path] = ()) -> Garment:
    """A garment by name or by path to its folder. MirrorError naming the file and what is wrong."""
    folder = find_folder("garments", name, folders)
    page = read_page(folder, "garments", GarmentPage)
    page_path, file_path = folder / "garment.toml", folder / "garment.glb"
    file = glb.read(file_path)
    _check_arrays(file_path, file)
    count = len(file.vertices)
    if not page.sizes or len(set(page.sizes)) != len(page.sizes):
        raise MirrorError(f"{page_path}: sizes must be named, each once")
    kind = kind_of(page.kind)
    if missing := [a for a in anchors_of(kind, page.slot) if a not in page.anchors]:
        raise MirrorError(f"{page_path}: [anchors] lacks {', '.join(missing)}")
    for anchor, vertex in page.anchors.items():
        if not 0 <= vertex < count:
            raise MirrorError(f"{page_path}: anchor {anchor} = {vertex}, but the glb has {count} vertices")
    shape_names = [f"shape{k}" for k in range(len(file.targets) - 1)]
    if list(file.targets) != [*shape_names, "size"]:
        raise MirrorError(f"{file_path}: morph targets must be shape0, shape1 .. and size")
    bone_of = np.array([BONES.index(b) for b in file.bones], np.uint8)
    return Garment(
        name=page.name,
        kind=kind,
        slot=page.slot,
        layer=page.layer,
        sizes=tuple(page.sizes),
        measurements=page.measurements,
        default_fabric=page.default_fabric,
        author=page.author,
        licence=page.licence,
        path=folder,
        vertices=file.vertices,
        normals=file.normals,
        uv=file.uv,
        tangents=vertex_tangents(file.vertices, file.normals, file.uv, file.faces),
        joints=bone_of[file.joints],
        weights=file.weights,
        faces=file.faces,
        shape_targets=np.stack([file.targets[n] for n in shape_names]),
        size_target=file.targets["size"],
        anchors=dict(page.anchors),
        detail_uv=file.detail_uv,
        detail=_detail(file),
    )


def _detail(file: glb.SkinnedFile) -> NDArray[np.uint8] | None:
    if file.normal_map is None or file.occlusion_map is None:
        return None
    return np.dstack([file.normal_map[..., :2], file.occlusion_map])


def _check_arrays(path: Path, file: glb.SkinnedFile) -> None:
    """Everything the renderer would trip over, each with its line."""
    if unknown := [b for b in file.bones if b not in BONES]:
        raise MirrorError(f"{path}: skin names bones that the body lacks: {', '.join(unknown[:4])}")
    if missing := [b for b in BONES if b not in file.bones]:
        raise MirrorError(f"{path}: skin lacks the bones {', '.join(missing[:4])}")
    count = len(file.vertices)
    arrays: dict[str, tuple[NDArray[Any], int]] = {
        "POSITION": (file.vertices, 3),
        "NORMAL": (file.normals, 3),
        "TEXCOORD_0": (file.uv, 2),
        "JOINTS_0": (file.joints, 4),
        "WEIGHTS_0": (file.weights, 4),
        **({} if file.detail_uv is None else {"TEXCOORD_1": (file.detail_uv, 2)}),
        **{f"target {n}": (t, 3) for n, t in file.targets.items()},
    }
    for name, (array, width) in arrays.items():
        if array.shape != (count, width):
            raise MirrorError(f"{path}: {name} is {array.shape}, not ({count}, {width})")
        if not np.isfinite(array).all():
            raise MirrorError(f"{path}: {name} holds values that are not numbers")
    if not len(file.faces) or int(file.faces.max()) >= count:
        raise MirrorError(f"{path}: has no faces, or faces of vertices that it lacks")
    if int(file.joints.max()) >= len(file.bones):
        raise MirrorError(f"{path}: JOINTS_0 names joint {int(file.joints.max())} of {len(file.bones)}")
    if np.abs(file.weights.sum(1) - 1).max() > 0.01:
        raise MirrorError(f"{path}: WEIGHTS_0 do not sum to 1")
