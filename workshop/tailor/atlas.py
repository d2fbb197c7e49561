"""A garment's panels side by side in one picture, and what lies where in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from mirror.types import F32, F64, I64

Mask = NDArray[np.bool_]

WIDTH = 1024
_GAP_M = 0.012  # between panels: keeps coarse mipmap levels from mixing them


@dataclass(frozen=True)
class Atlas:
    """Where the panels lie in a picture of ``height`` x ``width`` pixels of ``pixel_m`` metres.

    ``uv`` (V, 2): 0..1 across and down the picture. Panels are shifted only, never turned, so
    that the picture's axes are the cloth's.
    """

    uv: F64
    height: int
    width: int
    pixel_m: float

    @classmethod
    def pack(cls, uv: F64, piece: I64) -> Atlas:
        """Lay out panels: ``uv`` (V, 2) metres, v up the grain; ``piece`` (V,) each vertex's panel."""
        names = np.unique(piece)
        low = np.stack([uv[piece == p].min(0) for p in names]) - _GAP_M / 2
        size = np.stack([uv[piece == p].max(0) for p in names]) + _GAP_M / 2 - low
        order = np.argsort(-size[:, 1], kind="stable")
        total = float(size[:, 0].sum())
        tries = [_shelves(size, order, total / n + 0.002) for n in (1, 1.34, 2, 2.5, 3)]
        fits = [t for t in tries if t is not None]
        corner, across, down = min(fits, key=lambda t: max(t[1], t[2]) ** 2 + t[1] * t[2])
        pixel = max(across, down) / WIDTH
        width, height = (int(np.ceil(side / pixel / 8)) * 8 for side in (across, down))
        at = np.searchsorted(names, piece)
        place = uv - low[at] + corner[at]
        out = np.stack([place[:, 0] / (width * pixel), 1 - place[:, 1] / (height * pixel)], axis=1)
        return cls(out, height, width, pixel)

    def drawn(self, faces: I64, values: F64) -> tuple[F32, Mask]:
        """Vertex ``values`` (V, C) over the picture (height, width, C), and where there is cloth.

        Pixels between the panels take the nearest cloth's values.
        """
        out = np.zeros((self.height, self.width, values.shape[1]), np.float32)
        filled = np.zeros((self.height, self.width), bool)
        corner = self.uv * (self.width, self.height) - 0.5
        for face in faces.tolist():
            (ax, ay), (bx, by), (cx, cy) = corner[face]
            x0, x1 = int(np.floor(min(ax, bx, cx))), int(np.ceil(max(ax, bx, cx)))
            y0, y1 = int(np.floor(min(ay, by, cy))), int(np.ceil(max(ay, by, cy)))
            area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
            if abs(area) < 1e-9:
                continue
            y, x = np.mgrid[max(y0, 0) : y1 + 1, max(x0, 0) : x1 + 1]
            b = ((x - ax) * (cy - ay) - (y - ay) * (cx - ax)) / area
            c = ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) / area
            inside = (b >= -1e-6) & (c >= -1e-6) & (b + c <= 1 + 1e-6)
            inside &= (y < self.height) & (x < self.width)
            y, x, b, c = y[inside], x[inside], b[inside][:, None], c[inside][:, None]
            out[y, x] = (1 - b - c) * values[face[0]] + b * values[face[1]] + c * values[face[2]]
            filled[y, x] = True
        return spread(out, filled), filled


def _shelves(size: F64, order: I64, width: float) -> tuple[F64, float, float] | None:
    """Lower left corners (P, 2) of panels put on shelves, and the extent; None if one is too wide."""
    if size[:, 0].max() > width:
        return None
    corner = np.zeros_like(size)
    x = y = shelf = across = 0.0
    for p in order.tolist():
        if x + size[p, 0] > width:
            x, y, shelf = 0.0, y + shelf, 0.0
        corner[p] = (x, y)
        x += size[p, 0]
        shelf, across = max(shelf, size[p, 1]), max(across, x)
    return corner, across, y + shelf


def spread(values: NDArray[Any], filled: Mask) -> NDArray[Any]:
    """``values`` (H, W, ...) with those of the nearest filled pixel in all others."""
    if filled.all():
        return values
    rows, columns = distance_transform_edt(~filled, return_distances=False, return_indices=True)
    out: NDArray[Any] = values[rows, columns]
    return out
