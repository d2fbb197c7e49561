"""Sits a drawn garment in its picture: contact shadow, and the camera's own blur and grain.

``ContactShadow`` carries what the compositor needs of one frame: where the light comes from, and how
sharp and noisy the camera is, looked at about once a second.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirror.shading.colour import LUMINANCE_RGB
from mirror.types import Picture, cv
from render.compose.camera_match import CameraMatch, Grain, look_at
from render.gpu.drawing import Ratio
from render.gpu.id_buffer import Box

_SHADOW_M = 0.011  # how wide the shadow at a hem or cuff is
_REACH_M = 0.024  # as far as any of it is drawn
_OFFSET_M = 0.014  # how far a lamp from the side moves it
_HAND_M = 0.03  # about a hand that no shadow falls
_STRENGTH = 0.62  # of the light is lost where cloth is all around
_COARSE = 4  # px of the frame in one of the shadow
_WATCH_FRAMES = 25  # between two looks at the camera
_SETTLE = 0.4  # share of a new look in the running one


class ContactShadow:
    """Of one renderer: ``light`` before each frame, ``watch`` at it, the rest while blending."""

    def __init__(self) -> None:
        self._towards = np.zeros(2)
        self._look: CameraMatch | None = None
        self._grain = Grain()
        self._frames = 0
        self._resolution: Ratio = (1, 1)

    def light(self, sh: NDArray[np.floating[Any]]) -> None:
        """The frame's light (9, 3) as in ``messages.Light``: shadows fall away from it."""
        grey = np.asarray(sh, np.float64) @ LUMINANCE_RGB
        # 1 for a lone lamp: its first band is 2 / 3 sqrt(3) of the even one.
        self._towards = grey[[3, 1]] / max(1.155 * float(grey[0]), 1e-6)

    def watch(self, frame: Picture, box: Box) -> None:
        """Look at the camera's blur and noise from time to time: ``frame`` (H, W, 3) BGR about ``box``."""
        if self._frames % _WATCH_FRAMES == 0:
            fresh = look_at(frame, box)
            if fresh is not None:
                self._look = fresh if self._look is None else self._look.nearer(fresh, _SETTLE)
        self._frames += 1
        if self._look is not None:
            area = (box[2] - box[0]) * (box[3] - box[1])
            self._resolution = self._look.resolution(area, self._resolution)

    @property
    def resolution(self) -> Ratio:
        """How finely to draw the next frame, see ``Drawing``: a close-up no finer than the camera sees."""
        return self._resolution

    def softness(self, resolution: Ratio) -> float:
        """How much of a 3x3 blur a drawing of this resolution takes to be as soft as the frame, 0..1."""
        return 0.0 if self._look is None else self._look.softness(resolution)

    def roughen(self, cloth: Picture) -> None:
        """Give cloth (h, w, 3) BGR the camera's grain, in place."""
        if self._look is not None:
            self._grain.add(cloth, self._look.noise, self._frames)

    def shade(
        self, frame: Picture, alpha: Picture, layers: Picture | None, box: Box, px_per_m: float
    ) -> None:
        """Take from ``frame`` (H, W, 3) BGR, in place, the light that cloth laid over it will take away.

        ``alpha`` (h, w): the cloth's opacity over ``box`` of the frame. ``layers`` as in ``messages.Body``:
        the shadow falls on the person, not on hands before the cloth, not on the room.
        """
        if layers is None or px_per_m <= 0:
            return
        per_m = px_per_m / _COARSE
        room = int(np.ceil(_REACH_M * per_m))
        cover = cv.copyMakeBorder(alpha[1::_COARSE, 1::_COARSE], *[room] * 4, cv.BORDER_CONSTANT)
        size = cover.shape[1::-1]
        left, top = box[0] - room * _COARSE, box[1] - room * _COARSE
        # Two box filters make a round one.
        side = 2 * max(1, round(_SHADOW_M * per_m)) + 1
        cast = cv.blur(cv.blur(cover, (side, side)), (side, side))
        move = -_OFFSET_M * per_m * self._towards
        cast = cv.warpAffine(cast, np.array([[1, 0, move[0]], [0, 1, move[1]]]), size)
        fx, fy = layers.shape[1] / frame.shape[1], layers.shape[0] / frame.shape[0]
        middle = _COARSE / 2
        to_layers = np.array(
            [
                [_COARSE * fx, 0, (left + middle) * fx - 0.5],
                [0, _COARSE * fy, (top + middle) * fy - 0.5],
            ]
        )
        part = cv.warpAffine(layers, to_layers, size, flags=cv.INTER_LINEAR | cv.WARP_INVERSE_MAP)
        ground, _, hands = cv.split(part)[:3]
        # A hand before the cloth has its own shadow, and a rim about it would look like ink.
        hand = 2 * max(1, round(_HAND_M * per_m)) + 1
        ground = cv.subtract(ground, cv.dilate(hands, np.ones((hand, hand), np.uint8)))
        lost = cv.multiply(cast, ground, scale=_STRENGTH / 255)
        # Only where it is to be seen: cloth covers the rest.
        x, y, w, h = cv.boundingRect(cv.bitwise_and(lost, cv.compare(cover, 255, cv.CMP_LT)))
        if not w:
            return
        through = cv.bitwise_not(lost[y : y + h, x : x + w])
        through = cv.resize(through, None, fx=_COARSE, fy=_COARSE, interpolation=cv.INTER_LINEAR)
        left, top = left + x * _COARSE, top + y * _COARSE
        target = frame[max(top, 0) : top + h * _COARSE, max(left, 0) : left + w * _COARSE]
        through = through[max(-top, 0) :, max(-left, 0) :][: target.shape[0], : target.shape[1]]
        cv.multiply(target, cv.cvtColor(through, cv.COLOR_GRAY2BGR), dst=target, scale=1 / 255)
