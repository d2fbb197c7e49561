"""What the renderer hands to whoever blends it into the frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from render.gpu.id_buffer import Box, ExposedSkin

Ratio = tuple[int, int]


@dataclass(frozen=True)
class Drawing:
    """What was drawn for one frame.

    picture: (h, w, 4) uint8; BGR colour (sRGB, straight, not premultiplied) and a tag: 0 where
    there is no cloth, else 1 + the garment's place in the renderer's ``cloths``, plus ``OVER``
    where a sleeve passes in front of the face. It is a view of a buffer that the next frame
    overwrites. resolution: drawn pixels to frame pixels, as (p, q); q of the frame's are covered by
    p of the drawing's. box: x0, y0, x1, y1 of it, in drawn pixels and multiples of p. px_per_m: frame
    pixels that a metre of cloth takes at the garments' usual distance. marks: (h, w) uint8, where the
    body is marked: the tag, else ``BODY``, ``LEGS`` or ``FEET`` where that part of the body lies bare, and
    0 to ``COVER`` more by how far worn clothes cover it. skin: what is to be seen of it there. garment_tags:
    (h, w) uint8, where the body is marked: what is to be taken for the picture's tags.
    """

    picture: NDArray[np.uint8]
    box: Box
    px_per_m: float = 0.0
    marks: NDArray[np.uint8] | None = None
    resolution: Ratio = (1, 1)
    skin: ExposedSkin | None = None
    garment_tags: NDArray[np.uint8] | None = None

    @property
    def frame_box(self) -> Box:
        """The box in pixels of the frame, beyond which it may reach by less than q pixels."""
        p, q = self.resolution
        x0, y0, x1, y1 = (value // p * q for value in self.box)
        return x0, y0, x1, y1
