"""Small pictures of mannequins in cloth, drawn by the renderer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from render.gpu.drawing import Drawing
from render.gpu.renderer import GarmentRenderer
from tests.render.mannequins import WHITE_LIGHT, facing_camera, tube

W, H = 320, 240
LENS = (300.0, 300.0, W / 2, H / 2)
SHAPE = np.zeros(1, np.float32)
FAR_BODY = tube(0.05, 0.0, 0.1, 8, 4, closed=True)  # a body too low to be in the picture
Make = Callable[..., GarmentRenderer]


def shot(
    renderer: GarmentRenderer,
    skin: NDArray[np.float32] | None = None,
    light: NDArray[np.float32] = WHITE_LIGHT,
    shape: NDArray[np.float32] = SHAPE,
) -> NDArray[np.uint8]:
    """The whole frame (H, W, 4) with tags, from one drawing."""
    drawing = renderer.draw(facing_camera() if skin is None else skin, LENS, shape, light)
    return whole(drawing)


def whole(drawing: Drawing | None) -> NDArray[np.uint8]:
    frame = np.zeros((H, W, 4), np.uint8)
    if drawing is not None:
        x0, y0, x1, y1 = drawing.box
        frame[y0:y1, x0:x1] = drawing.picture
    return frame
