"""The contact shadow: what cloth takes of the light from the person just beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirror.shading.colour import LUMINANCE_RGB
from mirror.types import Picture, cv
from render.gpu.id_buffer import Box

__all__ = ["ContactShadow"]


@dataclass(frozen=True)
class ShadowParameters:
    """Where the shadow falls, and how dark. Set by hand.

    width_m: how wide the shadow at a hem or cuff is. reach_m: as far as any of it is drawn. offset_m: how
    far a lamp from the side moves it. hand_m: about a hand that no shadow falls. strength: of the light
    that is lost where cloth is all around. coarse_px: px of the frame in one of the shadow.
    """

    width_m: float = 0.011
    reach_m: float = 0.024
    offset_m: float = 0.014
    hand_m: float = 0.03
    strength: float = 0.62
    coarse_px: int = 4


PARAMETERS = ShadowParameters()


class ContactShadow:
    """Of one renderer: ``light`` before each frame, ``shade`` while blending."""

    def __init__(self) -> None:
        self._towards = np.zeros(2)

    def light(self, sh: NDArray[np.floating[Any]]) -> None:
        """The frame's light (9, 3) as in ``messages.Light``: shadows fall away from it."""
        grey = np.asarray(sh, np.float64) @ LUMINANCE_RGB
        # 1 for a lone lamp: its first band is 2 / 3 sqrt(3) of the even one.
        self._towards = grey[[3, 1]] / max(1.155 * float(grey[0]), 1e-6)

    def shade(self, frame: Picture, alpha: Picture, masks: Picture | None, box: Box, px_per_m: float) -> None:
        """Take from ``frame`` (H, W, 3) BGR, in place, the light that cloth laid over it will take away.

        ``alpha`` (h, w): the cloth's opacity over ``box`` of the frame. ``masks`` as in ``messages.Body``:
        the shadow falls on the person, not on hands before the cloth, not on the background.
        """
        if masks is None or px_per_m <= 0:
            return
        coarse = PARAMETERS.coarse_px
        per_m = px_per_m / coarse
        margin = int(np.ceil(PARAMETERS.reach_m * per_m))
        cover = cv.copyMakeBorder(alpha[1::coarse, 1::coarse], *[margin] * 4, cv.BORDER_CONSTANT)
        size = cover.shape[1::-1]
        left, top = box[0] - margin * coarse, box[1] - margin * coarse
        # Two box filters make a round one.
        side = 2 * max(1, round(PARAMETERS.width_m * per_m)) + 1
        cast = cv.blur(cv.blur(cover, (side, side)), (side, side))
        move = -PARAMETERS.offset_m * per_m * self._towards
        cast = cv.warpAffine(cast, np.array([[1, 0, move[0]], [0, 1, move[1]]]), size)
        fx, fy = masks.shape[1] / frame.shape[1], masks.shape[0] / frame.shape[0]
        middle = coarse / 2
        to_masks = np.array(
            [
                [coarse * fx, 0, (left + middle) * fx - 0.5],
                [0, coarse * fy, (top + middle) * fy - 0.5],
            ]
        )
        part = cv.warpAffine(masks, to_masks, size, flags=cv.INTER_LINEAR | cv.WARP_INVERSE_MAP)
        person, _, hands = cv.split(part)[:3]
        # A hand before the cloth has its own shadow, and a rim about it would look like ink.
        hand = 2 * max(1, round(PARAMETERS.hand_m * per_m)) + 1
        person = cv.subtract(person, cv.dilate(hands, np.ones((hand, hand), np.uint8)))
        lost = cv.multiply(cast, person, scale=PARAMETERS.strength / 255)
        # Only where it is to be seen: cloth covers the rest.
        x, y, w, h = cv.boundingRect(cv.bitwise_and(lost, cv.compare(cover, 255, cv.CMP_LT)))
        if not w:
            return
        through = cv.bitwise_not(lost[y : y + h, x : x + w])
        through = cv.resize(through, None, fx=coarse, fy=coarse, interpolation=cv.INTER_LINEAR)
        left, top = left + x * coarse, top + y * coarse
        target = frame[max(top, 0) : top + h * coarse, max(left, 0) : left + w * coarse]
        through = through[max(-top, 0) :, max(-left, 0) :][: target.shape[0], : target.shape[1]]
        cv.multiply(target, cv.cvtColor(through, cv.COLOR_GRAY2BGR), dst=target, scale=1 / 255)
