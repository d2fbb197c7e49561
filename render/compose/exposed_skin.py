"""Shows the shopper's own skin where a garment exposes what worn clothes cover: arms, legs, the neckline."""

from __future__ import annotations

import numpy as np

from mirror.types import Picture, cv
from render.compose.camera_match import CameraMatch
from render.compose.compositing import at_frame_size, lay_over, visible
from render.gpu.drawing import Drawing

__all__ = ["show_exposed_skin"]

_SQUARE = np.ones((3, 3), np.uint8)


def show_exposed_skin(
    frame: Picture, drawing: Drawing, masks: Picture, margin_px: float, camera: CameraMatch | None = None
) -> None:
    """Lay the drawing's skin over ``frame`` (H, W, 3) BGR, in place; the garments come after it.

    masks: as in ``messages.Body``: head and hands stay in front. Skin is cut off where it lies more than
    ``margin_px`` frame pixels outside the person.
    """
    skin = drawing.skin
    if skin is None:
        return
    # One pixel on under the edge of a garment, for there it is soft.
    share = cv.max(skin.share, cv.bitwise_and(cv.dilate(skin.share, _SQUARE), skin.cloth))
    box, (colour, share) = at_frame_size(
        skin.box,
        drawing.resolution,
        frame.shape,
        (skin.colour, cv.INTER_LINEAR),
        (cv.blur(share, (3, 3)), cv.INTER_LINEAR),
    )
    keep = visible(masks, frame.shape, box, np.ones_like(share), (True,), margin_px)
    if camera is not None:
        camera.add_grain(colour)
    x0, y0, x1, y1 = box
    lay_over(frame[y0:y1, x0:x1], colour, cv.multiply(share, keep, scale=1 / 255))
