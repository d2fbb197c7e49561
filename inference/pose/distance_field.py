"""The person mask as a pull on the body's outline.

Points of the body surface that face sideways to the camera should lie on the mask's edge (less
the thickness of the worn clothes). The mask becomes a signed distance field once a frame; the
fit reads distance and direction from it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.resize import resize
from mirror.types import F64

__all__ = ["DistanceField", "distance_field"]

FIELD_SIDE = 256  # px of the longer side: finer adds cost, not accuracy, to a 256 px network mask


@dataclass(frozen=True)
class DistanceField:
    """Signed distance to the mask's edge in px of the frame, positive outside the person.

    ``value``, ``gradient_x``, ``gradient_y`` (h, w) float32; ``scale`` = field px per frame px.
    """

    value: NDArray[np.float32]
    gradient_x: NDArray[np.float32]
    gradient_y: NDArray[np.float32]
    scale: float

    def sample(self, pixels: F64) -> tuple[F64, F64, NDArray[np.bool_]]:
        """Distance (N,), unit gradient (N, 2) and whether inside the frame (N,), for pixels (N, 2)."""
        height, width = self.value.shape
        position = pixels * self.scale
        column = np.rint(position[:, 0]).astype(int)
        row = np.rint(position[:, 1]).astype(int)
        border = 2  # the mask is cut there: the frame's edge is no outline
        inside = (column >= border) & (column < width - border) & (row >= border) & (row < height - border)
        column, row = np.clip(column, 0, width - 1), np.clip(row, 0, height - 1)
        gradient = np.stack([self.gradient_x[row, column], self.gradient_y[row, column]], -1).astype(
            np.float64
        )
        norm = np.linalg.norm(gradient, axis=1, keepdims=True)
        # Between two px the field is linear: undo the rounding of the position.
        offset = position - np.stack([column, row], -1)
        value = self.value[row, column] + (gradient * offset).sum(1) / self.scale
        return value, gradient / np.maximum(norm, 1e-6), inside & (norm[:, 0] > 0.3)


def distance_field(mask: NDArray[np.uint8], frame_width: int) -> DistanceField | None:
    """Distance field of a person mask (h, w) 0..255 that covers the whole frame; None if empty."""
    scale = FIELD_SIDE / max(mask.shape)
    size = (round(mask.shape[1] * scale), round(mask.shape[0] * scale))
    small = resize(mask, size) if scale < 1 else mask
    binary = (small > 127).astype(np.uint8)
    if int(binary.sum()) < 50:
        return None
    outside = cv2.distanceTransform(1 - binary, cv2.DIST_L2, 3)
    inside = cv2.distanceTransform(binary, cv2.DIST_L2, 3)
    field_scale = small.shape[1] / frame_width
    signed = cv2.GaussianBlur(outside - inside, (0, 0), 1.0)
    return DistanceField(
        value=np.asarray(signed / field_scale, np.float32),
        gradient_x=np.asarray(cv2.Sobel(signed, cv2.CV_32F, 1, 0, ksize=3, scale=0.125)),
        gradient_y=np.asarray(cv2.Sobel(signed, cv2.CV_32F, 0, 1, ksize=3, scale=0.125)),
        scale=field_scale,
    )
