"""The id buffer, a drawing's fourth channel, and the shopper's exposed skin that it tells of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mirror.types import Picture, cv

__all__ = [
    "BEFORE_FACE",
    "BODY",
    "COVER_STEPS",
    "FEET",
    "LEGS",
    "Box",
    "ExposedSkin",
    "exposed_skin",
    "garment_ids",
]

Box = tuple[int, int, int, int]

BEFORE_FACE = 128  # added to the id of a sleeve in front of the face
# Parts of the exposed body, beyond all garments' numbers; to each its cover by worn clothes is added.
BODY, LEGS, FEET = 32, 64, 96
COVER_STEPS = 31

_IDS = np.arange(256)
_IS_BODY = (_IDS >= BODY) & (_IDS < BEFORE_FACE)
_GARMENT_IDS = np.where(_IS_BODY, 0, _IDS).astype(np.uint8)
_COVERS = np.where(_IS_BODY, _IDS % 32 * 255 // COVER_STEPS, 0).astype(np.uint8)


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


def garment_ids(ids: Picture) -> Picture:
    """The garments' ids alone (h, w)."""
    of_garments: Picture = cv.LUT(ids, _GARMENT_IDS)
    return of_garments


def exposed_skin(
    picture: Picture, ids: Picture, of_garments: Picture, box: Box, p: int
) -> ExposedSkin | None:
    """The skin in a drawing's picture (h, w, 4) with its ``ids`` and the garments' alone; None for none.

    ``box`` of the picture, in multiples of ``p``.
    """
    share = cv.LUT(ids, _COVERS)
    x, y, w, h = cv.boundingRect(share)
    if not w:
        return None
    x0, y0 = max(x - 2, 0) // p * p, max(y - 2, 0) // p * p
    x1 = min(-(-(x + w + 2) // p) * p, ids.shape[1])
    y1 = min(-(-(y + h + 2) // p) * p, ids.shape[0])
    part = (slice(y0, y1), slice(x0, x1))
    return ExposedSkin(
        cv.cvtColor(picture[part], cv.COLOR_BGRA2BGR),
        share[part],
        cv.compare(of_garments[part], 0, cv.CMP_GT),
        (box[0] + x0, box[1] + y0, box[0] + x1, box[1] + y1),
    )
