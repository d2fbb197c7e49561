"""What the renderer hands to whoever blends it into the frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from render.gpu.id_buffer import Box, ExposedSkin

__all__ = ["Drawing", "Ratio"]

Ratio = tuple[int, int]


@dataclass(frozen=True)
class Drawing:
    """What was drawn for one frame.

    picture: (h, w, 4) uint8; BGR colour (sRGB, straight, not premultiplied) and a garment's id: 0 where
    there is no cloth, else 1 + the garment's place in the renderer's ``garments``, plus ``BEFORE_FACE``
    where a sleeve passes in front of the face. It is a view of a buffer that the next frame
    overwrites. resolution: drawn pixels to frame pixels, as (p, q); q of the frame's are covered by
    p of the drawing's. box: x0, y0, x1, y1 of it, in drawn pixels and multiples of p. px_per_m: frame
    pixels that a metre of cloth takes at the garments' usual distance. ids: (h, w) uint8, where the
    body's are drawn: the garment's id, else ``BODY``, ``LEGS`` or ``FEET`` where that part of the body is
    exposed, and 0 to ``COVER_STEPS`` more by how far worn clothes cover it. skin: what is to be seen of it
    there. garment_ids: (h, w) uint8, where the body's ids are drawn: what is to be taken for the picture's.
    """

    picture: NDArray[np.uint8]
    box: Box
    px_per_m: float = 0.0
    ids: NDArray[np.uint8] | None = None
    resolution: Ratio = (1, 1)
    skin: ExposedSkin | None = None
    garment_ids: NDArray[np.uint8] | None = None

    @property
    def frame_box(self) -> Box:
        """The box in pixels of the frame, beyond which it may reach by less than q pixels."""
        p, q = self.resolution
        x0, y0, x1, y1 = (value // p * q for value in self.box)
        return x0, y0, x1, y1
