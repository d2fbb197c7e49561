"""A garment as pictures for learning: its flat panels, and views of it, with one set of channels.

A geometry image has the garment's panels laid out side by side (X. Gu, S. Gortler, H. Hoppe,
"Geometry Images", SIGGRAPH 2002, but one chart a panel); a view is orthographic. Both hold, per pixel,

===========  ==========================================================================
cloth        1 where there is cloth, else 0; all other channels are 0 there
x, y, z      position in body space, metres
nx, ny, nz   unit normal in body space
bend_most    larger principal curvature, 1/metre, positive where the cloth bulges out
bend_least   smaller principal curvature
panel        number of the panel, from 1, the largest first
seam         metres along the flat cloth to the panel's nearest seam, at most 0.5
===========  ==========================================================================
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from inference.body.model import BodyModel
from mirror.errors import MirrorError
from mirror.types import F32, cv
from workshop.tailor.alike.augment import Setting, Worn, at_rest, dress, rest
from workshop.tailor.alike.raster import rasterise
from workshop.tailor.alike.surface import PanelSurface
from workshop.tailor.atlas import Atlas

CHANNELS = ("cloth", "x", "y", "z", "nx", "ny", "nz", "bend_most", "bend_least", "panel", "seam")
UNITS = ("", "m", "m", "m", "", "", "", "1/m", "1/m", "", "m")
#: Views to (right, up, towards the viewer) in body space; "left" sees the wearer's left side.
VIEWS: dict[str, tuple[tuple[int, int, int], ...]] = {
    "front": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "left": ((0, 0, -1), (0, 1, 0), (1, 0, 0)),
    "back": ((-1, 0, 0), (0, 1, 0), (0, 0, -1)),
}
SIDE, VIEW_SIDE = 64, 48  # px, as the encoder takes them
_MARGIN = 1.04


class Mesh(Worn, Protocol):
    """What is dressed, with its cloth: ``faces`` (F, 3), ``uv`` (V, 2) metres."""

    @property
    def vertices(self) -> F32:
        """Rest vertices (V, 3) at base size on the mean body, metres."""

    @property
    def faces(self) -> NDArray[np.int32]:
        """Triangles."""

    @property
    def uv(self) -> F32:
        """Texture coordinates in metres of cloth."""

    @property
    def sizes(self) -> tuple[str, ...]:
        """Sizes by name, the smallest first."""


@dataclass(frozen=True)
class Features:
    """``geometry`` (C, N, N) and ``views`` (3, C, M, M) float32 over CHANNELS and VIEWS, row 0 on top.

    ``geometry_m`` and ``view_m``: metres that a pixel is wide.
    """

    geometry: F32
    views: F32
    geometry_m: float
    view_m: float


@dataclass(frozen=True)
class Placement:
    """Where the panels lie in their picture: ``fill`` of its side, ``shift`` 0..1 of what is left over."""

    fill: float = 1.0
    shift: tuple[float, float] = (0.5, 0.5)

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Placement:
        """At random, so that nothing is learnt from which pixel a panel happens to lie on."""
        return cls(float(rng.uniform(0.8, 1.0)), (float(rng.uniform()), float(rng.uniform())))


class Tailor:
    """Makes features of one garment in any setting. ``base_size``: the size that its file is in.

    MirrorError where its texture coordinates cover no area: there is no flat cloth to draw.
    """

    def __init__(self, garment: Mesh, model: BodyModel) -> None:
        self._garment, self._model = garment, model
        self.cloth = PanelSurface.of(garment.vertices, garment.faces, garment.uv)
        self._area = self.cloth.area(garment.vertices)
        used = np.unique(self.cloth.faces)
        flat = self.cloth.uv[used]
        if not np.ptp(flat, axis=0).min() > 1e-6:
            raise MirrorError("its texture coordinates cover no area, so it has no panels to look at")
        atlas = Atlas.pack(flat, self.cloth.panel[used])
        self._laid = np.zeros_like(self.cloth.uv)
        self._laid[used] = atlas.uv * (atlas.width, atlas.height)
        self._extent = max(atlas.width, atlas.height)
        self._free = np.array([atlas.width, atlas.height]) / self._extent
        self._atlas_m = self._extent * atlas.pixel_m

    def grade(self, vertices: F32) -> float:
        """How much larger than its file's the flat cloth is, by length, for rest ``vertices`` (V, 3)."""
        return float(np.sqrt(self.cloth.area(vertices) / self._area))

    def features(
        self,
        setting: Setting | None = None,
        *,
        side: int = SIDE,
        view_side: int = VIEW_SIDE,
        placement: Placement | None = None,
    ) -> Features:
        """Features in a setting (None: base size, mean body, at rest).

        The flat cloth is graded: a size or body with more cloth has larger panels.
        """
        garment, model = self._garment, self._model
        setting = setting or at_rest(base_size(garment), model)
        grade = self.grade(rest(garment, setting))
        points = dress(garment, setting, model)
        normals = self.cloth.normals(points)
        bends = self.cloth.curvatures(points, normals)
        values = np.concatenate([points, normals, bends, self.cloth.uv * grade], axis=1).astype(np.float32)
        placement = placement or Placement()
        scale = placement.fill * side
        corner = (side - scale * self._free) * placement.shift
        geometry = self._draw(self._laid / self._extent * scale + corner, side, None, values, grade)
        centre, reach = (points.max(0) + points.min(0)) / 2, float(np.ptp(points, axis=0).max()) * _MARGIN
        views = []
        for axes in VIEWS.values():
            right, up, near = ((points - centre) @ np.array(axes, np.float32).T).T
            at = np.stack([right, -up], axis=1) / reach * view_side + view_side / 2
            views.append(self._draw(at, view_side, -near, values, grade))
        return Features(geometry, np.stack(views), self._atlas_m * grade / scale, reach / view_side)

    def _draw(self, at: Any, side: int, depth: Any, values: F32, grade: float) -> F32:
        cloth = self.cloth
        raster = rasterise(at, cloth.faces, (side, side), depth)
        covered = raster.covered
        pixel = raster.of_vertices(values, cloth.faces)
        panel = cloth.panel[cloth.faces[raster.face[covered], 0]]
        normal = pixel[:, 3:6] / np.maximum(np.linalg.norm(pixel[:, 3:6], axis=1, keepdims=True), 1e-9)
        seam = np.minimum(cloth.seam_distance(pixel[:, 8:] / grade, panel) * grade, 0.5)
        out = np.zeros((len(CHANNELS), side, side), np.float32)
        out[:, covered] = np.column_stack(
            [np.ones(len(pixel)), pixel[:, :3], normal, pixel[:, 6:8], panel + 1, seam]
        ).T
        return out


def base_size(garment: Mesh) -> str:
    """The size that the garment's file is in, as ``render.garments.garment`` has it."""
    sizes = garment.sizes
    return "M" if "M" in sizes else sizes[len(sizes) // 2]


def write_features(found: Features, path: Path, facts: dict[str, str]) -> None:
    """Write ``geometry`` and ``views`` as safetensors, with channels, units and ``facts`` as metadata."""
    told = {
        "channels": json.dumps(CHANNELS),
        "units": json.dumps(UNITS),
        "views": json.dumps(list(VIEWS)),
        "frame": "body space: y up, z out of the chest, x to the wearer's left; row 0 on top",
        "metres_per_pixel": json.dumps({"geometry": found.geometry_m, "views": found.view_m}),
    }
    save_file({"geometry": found.geometry, "views": found.views}, str(path), told | facts)


# Least and most of each channel as the sheet shows it.
_SHOWN = ((0, 1), (-0.6, 0.6), (0, 1.6), (-0.3, 0.3), *((-1, 1),) * 3, (-40, 40), (-40, 40), (0, 6), (0, 0.3))
_NONE = (250, 247, 244)  # BGR where there is no cloth


def sheet(found: Features, side: int = 256) -> NDArray[np.uint8]:
    """A picture (H, W, 3) uint8 BGR: a row of channels for the geometry image and for each view.

    Position and normal are shown as colours, the rest by colour maps.
    """
    columns = ("position", "normal", "bend_most", "bend_least", "panel", "seam")
    rows = [_row("panels, flat", found.geometry, side)]
    rows += [_row(f"view: {name}", view, side) for name, view in zip(VIEWS, found.views, strict=True)]
    head = np.full((36, rows[0].shape[1], 3), 255, np.uint8)
    for k, name in enumerate(columns):
        _write(head, name, (k * (side + 8) + 10, 25), 0.6)
    return np.vstack([head, *rows])


def _row(name: str, channels: F32, side: int) -> NDArray[np.uint8]:
    low, high = np.array(_SHOWN, np.float32).T[..., None, None]
    shown = ((channels - low) / (high - low)).clip(0, 1)
    cells = [_rgb(shown[1:4]), _rgb(shown[4:7])]
    cells += [_map(shown[k], cv.COLORMAP_TWILIGHT_SHIFTED) for k in (7, 8)]
    cells += [_map(shown[9], cv.COLORMAP_TURBO), _map(shown[10], cv.COLORMAP_VIRIDIS)]
    out = []
    for cell in cells:
        cell[channels[0] == 0] = _NONE
        large = cv.resize(cell, (side, side), interpolation=cv.INTER_NEAREST)
        out.append(cv.copyMakeBorder(large, 4, 4, 4, 4, cv.BORDER_CONSTANT, value=(255, 255, 255)))
    _write(out[0], name, (10, 20), 0.45)
    return np.hstack(out)


def _write(picture: NDArray[np.uint8], text: str, at: tuple[int, int], size: float) -> None:
    cv.putText(picture, text, at, cv.FONT_HERSHEY_SIMPLEX, size, (40, 40, 40), 1, cv.LINE_AA)


def _rgb(values: F32) -> NDArray[np.uint8]:
    return np.ascontiguousarray((values.transpose(1, 2, 0)[..., ::-1] * 255).astype(np.uint8))


def _map(values: F32, colours: int) -> NDArray[np.uint8]:
    return np.asarray(cv.applyColorMap((values * 255).astype(np.uint8), colours))
