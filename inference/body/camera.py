"""The pinhole camera of the live frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mirror.types import F64

__all__ = ["Intrinsics", "projection_jacobian"]


@dataclass
class Intrinsics:
    """Pinhole camera: focal length and principal point, px."""

    focal: float
    cx: float
    cy: float

    @classmethod
    def from_field_of_view(cls, degrees: float, width: int, height: int) -> Intrinsics:
        """``degrees`` is the angle across the longer side of the picture."""
        focal = 0.5 * max(width, height) / float(np.tan(np.radians(degrees) / 2))
        return cls(focal, width / 2, height / 2)

    def at_size(self, width: int, height: int) -> tuple[float, float, float, float]:
        """fx, fy, cx, cy of the same camera with a picture of another size, px; cx, cy are its middle."""
        x, y = width / (2 * self.cx), height / (2 * self.cy)
        return self.focal * x, self.focal * y, self.cx * x, self.cy * y

    def project(self, points: F64) -> F64:
        """Camera space (N, 3) metres to px (N, 2)."""
        depth = np.maximum(points[:, 2:3], 0.05)
        return np.asarray(points[:, :2] / depth * self.focal + np.array([self.cx, self.cy]))


def projection_jacobian(points: F64, depth: float) -> F64:
    """(N, 2, 3) derivative of pixel * depth / focal by the point (N, 3): metres at ``depth`` a metre."""
    z = np.maximum(points[:, 2], 0.1)
    projection = np.zeros((len(points), 2, 3))
    projection[:, 0, 0] = projection[:, 1, 1] = depth / z
    projection[:, 0, 2] = -depth * points[:, 0] / z**2
    projection[:, 1, 2] = -depth * points[:, 1] / z**2
    return projection
