"""Which triangle lies under each pixel of a small picture: NumPy alone, no GL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirror.types import F32

_EDGE = 1e-5  # a pixel on an edge belongs to both sides: no holes between triangles


@dataclass(frozen=True)
class Raster:
    """``face`` (H, W) int32, -1 where there is none; ``share`` (H, W, 3) of its three corners."""

    face: NDArray[np.int32]
    share: F32

    @property
    def covered(self) -> NDArray[np.bool_]:
        """Pixels (H, W) with a triangle."""
        return self.face >= 0

    def of_vertices(self, values: NDArray[Any], faces: NDArray[np.integer]) -> F32:
        """Vertex ``values`` (V, C) at the covered pixels (N, C), in the order of ``covered``."""
        corners = values[faces[self.face[self.covered]]]
        out: F32 = np.einsum("nkc,nk->nc", corners, self.share[self.covered]).astype(np.float32)
        return out


def rasterise(
    at: NDArray[Any], faces: NDArray[np.integer], shape: tuple[int, int], depth: NDArray[Any] | None = None
) -> Raster:
    """Draw triangles into ``shape`` (height, width) px.

    ``at`` (V, 2): x right and y down in px; the centre of the first pixel is (0.5, 0.5). Of several
    triangles over a pixel the one with the least ``depth`` (V,) wins, or the first without depths.
    Triangles may run either way round; collapsed ones are left out.
    """
    height, width = shape
    corner = np.asarray(at, np.float64)[faces]
    a, ab, ac = corner[:, 0], corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    area = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]
    low = np.maximum(np.ceil(corner.min(1) - 0.5), 0).astype(np.int64)
    high = np.minimum(np.floor(corner.max(1) - 0.5), (width - 1, height - 1)).astype(np.int64)
    extent = np.maximum(high - low + 1, 0)
    extent[np.abs(area) < 1e-12] = 0
    count = extent.prod(1)
    which = np.repeat(np.arange(len(faces)), count)
    place = np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count)
    x = low[which, 0] + place % np.maximum(extent[which, 0], 1)
    y = low[which, 1] + place // np.maximum(extent[which, 0], 1)
    dx, dy = x + 0.5 - a[which, 0], y + 0.5 - a[which, 1]
    b = (dx * ac[which, 1] - dy * ac[which, 0]) / area[which]
    c = (ab[which, 0] * dy - ab[which, 1] * dx) / area[which]
    inside = (b >= -_EDGE) & (c >= -_EDGE) & (b + c <= 1 + _EDGE)
    which, pixel, b, c = which[inside], (y * width + x)[inside], b[inside], c[inside]
    shares = np.stack([1 - b - c, b, c], axis=1)
    order = np.arange(len(pixel))
    if depth is not None:
        order = np.argsort((np.asarray(depth)[faces[which]] * shares).sum(1), kind="stable")
    seen, first = np.unique(pixel[order], return_index=True)
    face = np.full(height * width, -1, np.int32)
    share = np.zeros((height * width, 3), np.float32)
    face[seen], share[seen] = which[order[first]], shares[order[first]]
    return Raster(face.reshape(shape), share.reshape(height, width, 3))
