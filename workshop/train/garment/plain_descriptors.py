"""What one would measure without learning: the plain descriptors that retrieval is compared with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mirror.types import F32
from workshop.tailor.alike.surface import PanelSurface

_HEIGHTS = 8
_PANELS = 6


def plain_descriptor(points: NDArray[np.floating], cloth: PanelSurface) -> F32:
    """Bounding box, lowest and highest point, area, and widths across at eight heights; metres (14,).

    ``points`` (V, 3) as worn, body space.
    """
    low, high = points.min(0), points.max(0)
    levels = np.linspace(low[1], high[1], _HEIGHTS + 1)
    band = np.clip(np.digitize(points[:, 1], levels) - 1, 0, _HEIGHTS - 1)
    widths = []
    for k in range(_HEIGHTS):
        x = points[band == k, 0]
        widths.append(float(np.ptp(x)) if len(x) else 0.0)
    return np.array([*(high - low), low[1], high[1], cloth.area(points), *widths], np.float32)


def pattern_descriptor(cloth: PanelSurface, grade: float) -> F32:
    """Width and height of the flat panels, the largest first, metres (12,); ``grade``: their scale."""
    out = np.zeros((_PANELS, 2), np.float32)
    for k in range(min(cloth.panels, _PANELS)):
        out[k] = np.ptp(cloth.uv[cloth.panel == k], axis=0) * grade
    return out.ravel()


def nearest_by(descriptors: F32) -> F32:
    """Descriptors (N, D) scaled to unit deviation a column, for Euclidean neighbours."""
    out: F32 = (descriptors - descriptors.mean(0)) / np.maximum(descriptors.std(0), 1e-6)
    return out
