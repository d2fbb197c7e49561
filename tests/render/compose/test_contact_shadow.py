"""The contact shadow at the edges of cloth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mirror.shading.spherical_harmonics import lamp_sh, uniform_sh
from render.compose.compositing import composite
from render.compose.contact_shadow import ContactShadow
from render.gpu.drawing import Drawing

HEIGHT, WIDTH = 240, 320
PX_PER_M = 400.0


def scene() -> tuple[NDArray[np.uint8], Drawing, NDArray[np.uint8]]:
    """A grey frame, a red square of cloth in its middle, and masks: a person as wide as the frame."""
    frame = np.full((HEIGHT, WIDTH, 3), 150, np.uint8)
    picture = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    picture[80:160, 120:200] = (40, 40, 200, 1)
    masks = np.zeros((HEIGHT // 2, WIDTH // 2, 3), np.uint8)
    masks[:, :, 0] = 255
    return frame, Drawing(picture, (0, 0, WIDTH, HEIGHT), PX_PER_M), masks


def blended(towards: tuple[float, float, float] | None, masks_of: str = "person") -> NDArray[np.int64]:
    frame, drawing, masks = scene()
    if masks_of == "nobody":
        masks[:] = 0
    if masks_of == "hand":
        masks[:, 102:, 2] = 255
    shadow = ContactShadow()
    light = uniform_sh() if towards is None else 0.3 * uniform_sh() + 0.7 * lamp_sh(np.array(towards))
    shadow.light(light[:, None] * np.ones(3))
    composite(frame, drawing, masks, [False], 0.0, shadow)
    return frame[:, :, 1].astype(np.int64)


def test_cloth_darkens_the_skin_at_its_edge_and_no_further() -> None:
    """A collar would float before the neck; or the whole person would be in its shade."""
    green = blended(None)
    assert green[76, 160] < 138
    assert green[76, 160] < green[72, 160] < green[66, 160]
    np.testing.assert_array_equal(green[:60], 150)
    np.testing.assert_array_equal(green[100:140, 220:], 150)


def test_the_shadow_falls_away_from_the_lamp() -> None:
    """A sleeve lit from above would shade the air over it."""
    from_above, from_left = blended((0.0, -1.0, 0.0)), blended((-1.0, 0.0, 0.0))
    assert from_above[164, 160] < from_above[75, 160] - 10
    assert from_left[120, 204] < from_left[120, 115] - 10


def test_neither_room_nor_hands_are_shaded() -> None:
    """A dark rim would be drawn on the wall behind, or like ink about a hand before the chest."""
    np.testing.assert_array_equal(blended(None, "nobody")[90:150, 203:], 150)
    np.testing.assert_array_equal(blended(None, "hand")[90:150, 206:], 150)
