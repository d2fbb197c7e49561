"""How well masks agree: overlap, outline, and what lies in front."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mirror.types import cv

Mask = NDArray[np.bool_]

# Grey levels of the most different channel, set by eye: above the noise of the scenes' JPEG frames, and below
# what cloth and room differ by.
_CHANGED = 12  # shown differently from what the camera saw
_UNLIKE = 24  # worn cloth and the room behind are told apart
_SOFT_EDGE_PX = 4  # of drawn cloth: neither painted nor left


def overlap(ours: Mask, truth: Mask) -> float:
    """Intersection over union; 1 where both are empty."""
    union = int(np.count_nonzero(ours | truth))
    return float(np.count_nonzero(ours & truth)) / union if union else 1.0


def boundary_f(ours: Mask, truth: Mask, tolerance_px: float) -> float:
    """F-score of the outline: a point counts as found if the other outline is within the tolerance.

    (Martin, Fowlkes and Malik 2004, "Learning to detect natural image boundaries", with distance
    instead of matching, as is usual in video segmentation.)
    """
    if not ours.any() or not truth.any():
        return float(not ours.any() and not truth.any())
    x0, y0, w, h = cv.boundingRect((ours | truth).astype(np.uint8))
    cut = (slice(max(y0 - 2, 0), y0 + h + 2), slice(max(x0 - 2, 0), x0 + w + 2))
    a, b = _outline(ours[cut]), _outline(truth[cut])
    near = [cv.distanceTransform(1 - edge, cv.DIST_L2, 5) <= tolerance_px for edge in (a, b)]
    precision = float(near[1][a > 0].mean())
    recall = float(near[0][b > 0].mean())
    return 2 * precision * recall / max(precision + recall, 1e-9)


def _outline(mask: Mask) -> NDArray[np.uint8]:
    """Pixels of the mask that touch what is outside it; the picture's border is no outline."""
    solid = mask.astype(np.uint8)
    inner = cv.erode(solid, np.ones((3, 3), np.uint8), borderType=cv.BORDER_REPLICATE)
    edge: NDArray[np.uint8] = solid - inner
    return edge


def grown(mask: Mask, px: int) -> Mask:
    """The mask grown by a disc."""
    kernel = cv.getStructuringElement(cv.MORPH_ELLIPSE, (2 * px + 1,) * 2)
    return np.asarray(cv.dilate(mask.astype(np.uint8), kernel) > 0)


def eroded(mask: Mask, px: int) -> Mask:
    """The mask worn down by a disc; what lies beyond the frame counts as inside."""
    kernel = cv.getStructuringElement(cv.MORPH_ELLIPSE, (2 * px + 1,) * 2)
    return np.asarray(cv.erode(mask.astype(np.uint8), kernel) > 0)


def layering(
    ours: Mask, shown: Mask, whole: Mask, front: Mask, reach_px: int, tolerance_px: int
) -> tuple[int, int, int]:
    """(in the right order, right to the pixel, all) pixels where the garment goes behind something.

    ``shown``: garment pixels as they should be; ``whole``: all of the garment, before anything hides it;
    ``front``: arm, hand, hair or head of the same person. The region is what of these lies before the
    garment, and the garment within ``reach_px`` of that.

    A wrong pixel is an edge out of place, and in the right order, if both the true edge and ours, facing
    the same way, pass within ``tolerance_px``; an arm or finger of which nothing is shown has no edge of
    ours, and counts in full.
    """
    hidden = whole & front & ~shown
    if not hidden.any():
        return 0, 0, 0
    x0, y0, w, h = cv.boundingRect(hidden.astype(np.uint8))
    margin = reach_px + tolerance_px + 1
    cut = (slice(max(y0 - margin, 0), y0 + h + margin), slice(max(x0 - margin, 0), x0 + w + margin))
    ours, shown, hidden = ours[cut], shown[cut], hidden[cut]
    beside = shown & grown(hidden, reach_px)
    swallowed, eaten = hidden & ours, beside & ~ours
    out_of_place = (swallowed & grown(shown, tolerance_px) & grown(~ours, tolerance_px)) | (
        eaten & grown(~shown, tolerance_px) & grown(ours, tolerance_px)
    )
    total = np.count_nonzero(hidden) + np.count_nonzero(beside)
    exact = total - np.count_nonzero(swallowed) - np.count_nonzero(eaten)
    return int(exact + np.count_nonzero(out_of_place)), int(exact), int(total)


def worn_left(
    worn: Mask, garment: Mask, ours: NDArray[np.uint8], frame: NDArray[np.uint8], room: NDArray[np.uint8]
) -> tuple[int, int]:
    """(still visible, all) pixels of worn clothes.

    Visible is what no virtual garment covers and what the shown picture still has as the camera saw it,
    unless the room behind looks the same there.
    """
    counted = worn & (_apart(frame, room) > _UNLIKE)
    left = counted & ~garment & (_apart(frame, ours) <= _CHANGED)
    return int(np.count_nonzero(left)), int(np.count_nonzero(worn))


def restored_error(
    worn: Mask, ideal: Mask, garment: Mask, ours: NDArray[np.uint8], frame: NDArray[np.uint8],
    room: NDArray[np.uint8],
) -> tuple[float, int, int]:  # fmt: skip
    """(sum of grey levels off, pixels painted, pixels to paint) where the room should replace worn clothes.

    ``ideal``: the person without the worn clothes, who hides the room.
    """
    return _painted_error(worn & ~ideal, garment, ours, frame, room)


def skin_error(
    worn: Mask, bare: Mask, garment: Mask, ours: NDArray[np.uint8], frame: NDArray[np.uint8],
    truth: NDArray[np.uint8],
) -> tuple[float, int, int]:  # fmt: skip
    """(sum of grey levels off, pixels painted, pixels to paint) where skin should replace worn clothes.

    ``bare``: skin of the person without the worn clothes, which ``truth`` (H, W, 3) shows.
    """
    return _painted_error(worn & bare, garment, ours, frame, truth)


def _painted_error(
    region: Mask, garment: Mask, ours: NDArray[np.uint8], frame: NDArray[np.uint8], truth: NDArray[np.uint8]
) -> tuple[float, int, int]:
    """(sum of grey levels off the truth, pixels painted, pixels to paint) of a region without new cloth."""
    wanted = region & ~grown(garment, _SOFT_EDGE_PX)
    painted = wanted & (_apart(frame, ours) > _CHANGED)
    off = np.abs(ours[painted].astype(np.int16) - truth[painted]).mean(axis=1, dtype=np.float64).sum()
    return float(off), int(np.count_nonzero(painted)), int(np.count_nonzero(wanted))


def _apart(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Grey levels (H, W) by which two pictures (H, W, 3) differ in their most different channel."""
    return np.asarray(np.abs(first.astype(np.int16) - second).max(axis=2), np.int16)
