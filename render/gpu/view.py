"""The camera's view of a frame: the projection, and the box of the drawing that garments fall in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mirror.types import F32
from render.gpu.drawing import Ratio
from render.gpu.garment import PARAMETERS as GARMENT
from render.gpu.id_buffer import Box

__all__ = ["PARAMETERS", "Bounds", "Intrinsics", "View", "ViewParameters", "project"]

Intrinsics = tuple[float, float, float, float]


@dataclass(frozen=True)
class ViewParameters:
    """near_m, far_m: the clipping planes; before a mirror everything lies well between them.

    beside_m: as far beside the garments the body is drawn, as far as worn clothes are looked for there
    (``WornResidualParameters.reach_m``). edge_px: beyond the outermost point, for the soft outline and
    rounding. spread: of the spacing of the points that bound a surface is the most that it reaches beyond
    them, with its triangles, as ``spread_sample`` says.
    """

    near_m: float = 0.1
    far_m: float = 30.0
    beside_m: float = 0.10
    edge_px: float = 2.0
    spread: float = 1.5


PARAMETERS = ViewParameters()


@dataclass(frozen=True)
class Bounds:
    """Where the garments are to be seen.

    box: x0, y0, x1, y1 in drawn pixels, None where none is in view. metres_per_px: of cloth that a drawn
    pixel covers where it is nearest, 0 where it is about the camera. px_per_m: frame pixels that a metre
    of cloth takes at its usual distance.
    """

    box: Box | None
    metres_per_px: float
    px_per_m: float


def project(points: F32, intrinsics: tuple[float, float, float, float]) -> F32:
    """Project camera-space points (N, 3) to pixels (N, 2); points must lie before the camera."""
    lens = np.asarray(intrinsics, np.float32)
    pixels: F32 = points[:, :2] / points[:, 2:3] * lens[:2] + lens[2:]
    return pixels


class View:
    """The camera of one frame.

    size: (width, height) of the drawing; intrinsics: fx, fy, cx, cy in pixels of the frame; resolution:
    p drawn pixels for q of the frame's.
    """

    def __init__(self, size: tuple[int, int], intrinsics: Intrinsics, resolution: Ratio) -> None:
        self.size = size
        self.resolution = resolution
        self._share = resolution[0] / resolution[1]
        fx, fy, cx, cy = (value * self._share for value in intrinsics)
        self._lens: Intrinsics = (fx, fy, cx, cy)

    def projection(self) -> F32:
        """Clip matrix (4, 4): camera-space metres to the target, whose row 0 is the top."""
        fx, fy, cx, cy = self._lens
        width, height = self.size
        near, far = PARAMETERS.near_m, PARAMETERS.far_m
        depth = (far + near) / (far - near)
        return np.array(
            [
                [2 * fx / width, 0, 2 * cx / width - 1, 0],
                [0, 2 * fy / height, 2 * cy / height - 1, 0],
                [0, 0, depth, -2 * far * near / (far - near)],
                [0, 0, 1, 0],
            ],
            np.float32,
        )

    def frame_pixels(self, points: F32) -> F32:
        """Where camera-space points (N, 3) are in the frame (N, 2), px."""
        return project(points, self._lens) / self._share

    def bounds(self, garments: Iterable[F32], exposed: F32 | None, beside: bool) -> Bounds:
        """The box that the garments fall in, from a spread sample (N, 3) of each one's points, camera space.

        exposed: (N, 3) points of the body where its skin is to be drawn, None for none; beside: whether the
        body is drawn beside the garments too.
        """
        low, high = np.full(2, np.inf), np.full(2, -np.inf)
        metres_per_px, px_per_m = np.inf, 0.0
        for points in garments:
            frame_focal = self._lens[0] / self._share
            px_per_m = frame_focal / max(float(np.median(points[:, 2])), PARAMETERS.near_m)
            nearest = float(points[:, 2].min())
            if nearest < 2 * PARAMETERS.near_m:
                return Bounds((0, 0, *self.size), 0.0, px_per_m)
            metres_per_px = min(metres_per_px, nearest / self._lens[0])
            margin = PARAMETERS.edge_px + PARAMETERS.spread * GARMENT.sample_m / metres_per_px
            if beside:
                margin = max(margin, PARAMETERS.beside_m / metres_per_px)
            low, high = self._widened(low, high, points, margin)
        if exposed is not None and np.isfinite(low).all():
            if float(exposed[:, 2].min()) < 2 * PARAMETERS.near_m:
                return Bounds((0, 0, *self.size), metres_per_px, px_per_m)
            low, high = self._widened(low, high, exposed, PARAMETERS.beside_m / metres_per_px)
        return Bounds(self._box(low, high), metres_per_px, px_per_m)

    def _widened(
        self, low: NDArray[np.float64], high: NDArray[np.float64], points: F32, margin: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        pixels = project(points, self._lens)
        return np.minimum(low, pixels.min(axis=0) - margin), np.maximum(high, pixels.max(axis=0) + margin)

    def _box(self, low: NDArray[np.float64], high: NDArray[np.float64]) -> Box | None:
        """The box of the drawing in whole steps of p pixels; None where it lies outside."""
        width, height = self.size
        p = self.resolution[0]
        x0, y0 = (int(max(0.0, value // p * p)) for value in low.clip(-1e6, 1e6))
        x1 = int(min(float(width), -(-high[0].clip(-1e6, 1e6) // p) * p))
        y1 = int(min(float(height), -(-high[1].clip(-1e6, 1e6) // p) * p))
        return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None
