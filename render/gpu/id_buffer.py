"""Marks that a drawing carries in its fourth channel, and the shopper's skin that they tell of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mirror.types import Picture, cv

Box = tuple[int, int, int, int]

OVER = 128  # added to the tag of a sleeve in front of the face
BODY, LEGS, FEET = 32, 64, 96  # marks of the bare body, beyond all garments' numbers, to which its
COVER = 31  # cover by worn clothes is added, 0..31

_TAGS = np.array([0 if BODY <= mark < OVER else mark for mark in range(256)], np.uint8)
_COVERS = np.array([mark % 32 * 255 // COVER if BODY <= mark < OVER else 0 for mark in range(256)], np.uint8)


@dataclass(frozen=True)
class ExposedSkin:
    """Skin that worn clothes cover and no garment does.

    colour: (h, w, 3) uint8 BGR, about the skin of much the same colour. share: (h, w) uint8, how far it
    is covered. cloth: (h, w) uint8, 255 where there is a garment. box: x0, y0, x1, y1 in drawn pixels,
    multiples of p.
    """

    colour: Picture
    share: Picture
    cloth: Picture
    box: Box


def garment_ids(marks: Picture) -> Picture:
    """The garments' tags alone (h, w)."""
    tags: Picture = cv.LUT(marks, _TAGS)
    return tags


def exposed_skin(picture: Picture, marks: Picture, tags: Picture, box: Box, p: int) -> ExposedSkin | None:
    """The skin in a drawing's picture (h, w, 4) with its ``marks`` and garments' ``tags``; None for none.

    ``box`` of the picture, in multiples of ``p``.
    """
    share = cv.LUT(marks, _COVERS)
    x, y, w, h = cv.boundingRect(share)
    if not w:
        return None
    x0, y0 = max(x - 2, 0) // p * p, max(y - 2, 0) // p * p
    x1 = min(-(-(x + w + 2) // p) * p, marks.shape[1])
    y1 = min(-(-(y + h + 2) // p) * p, marks.shape[0])
    part = (slice(y0, y1), slice(x0, x1))
    return ExposedSkin(
        cv.cvtColor(picture[part], cv.COLOR_BGRA2BGR),
        share[part],
        cv.compare(tags[part], 0, cv.CMP_GT),
        (box[0] + x0, box[1] + y0, box[0] + x1, box[1] + y1),
    )
