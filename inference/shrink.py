"""Shrinking pictures cheaply: OpenCV's area filter is quick at exact halves only."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

cv: Any = cv2  # its stubs forget that what goes in as uint8 comes out as uint8
Picture = NDArray[np.uint8]


def shrink(picture: Picture, size: tuple[int, int]) -> Picture:
    """``picture`` (H, W) or (H, W, C) at ``size`` (width, height), not larger: halved, then linear."""
    width, height = size
    while picture.shape[1] >= 2 * width and picture.shape[0] >= 2 * height:
        half = (picture.shape[1] // 2, picture.shape[0] // 2)
        picture = cv.resize(picture, half, interpolation=cv.INTER_AREA)
    if picture.shape[1::-1] != size:
        picture = cv.resize(picture, size, interpolation=cv.INTER_LINEAR)
    return picture
