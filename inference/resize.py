"""Shrinking pictures cheaply: OpenCV's area filter is quick at exact halves only."""

from __future__ import annotations

from mirror.types import Picture, cv

WORKING_SIDE = 640  # px of the longer side of what inference looks at: its networks see 256 px at most


def resize(picture: Picture, size: tuple[int, int]) -> Picture:
    """``picture`` (H, W) or (H, W, C) at ``size`` (width, height), not larger: halved, then linear."""
    width, height = size
    while picture.shape[1] >= 2 * width and picture.shape[0] >= 2 * height:
        half = (picture.shape[1] // 2, picture.shape[0] // 2)
        picture = cv.resize(picture, half, interpolation=cv.INTER_AREA)
    if picture.shape[1::-1] != size:
        picture = cv.resize(picture, size, interpolation=cv.INTER_LINEAR)
    return picture


def working_copy(frame: Picture) -> Picture:
    """A copy (h, w, C) of a frame for inference to keep, its longer side at most ``WORKING_SIDE`` px."""
    height, width = frame.shape[:2]
    scale = WORKING_SIDE / max(height, width)
    if scale >= 1.0:
        return frame.copy()
    return resize(frame, (max(1, round(width * scale)), max(1, round(height * scale))))
