"""Where worn clothes stick out beside body and garment, by their colours and the drawing's marks."""

from __future__ import annotations

import numpy as np

from mirror.types import Picture, cv
from render.gpu.drawing import Drawing
from render.gpu.id_buffer import BODY, COVER, FEET, LEGS, OVER

_REACH_M = 0.10  # as far beside body and garment worn clothes are looked for
_LIKELY = 80  # of 255, that a pixel is worn clothes
_GAP_M = 0.025  # of other colours within the worn clothes
_ABOUT_MASK_M = 0.02  # that the person's mask may be too narrow by
_RIM_M = 0.03  # about them, where the person's mask ends
_DRAWN = np.array([255 * (BODY <= m < OVER and m % 32 > COVER // 2) for m in range(256)], np.uint8)  # skin
_ABOUT_FEET_M = 0.015  # that shoes take
_ABOUT_HEAD = 0.6  # of its width, to either side, and as far below the chin: hair, collars
_NECK_M = 0.08
_SURER = 130  # of 255, there
_BEYOND = 0.02  # of the body, in the garment's rows
_TAPER_M = 0.2  # above the hem
_SLEEVE_M = 0.06  # about an arm


def worn_residual(
    part: Picture,
    drawing: Drawing,
    px_per_m: float,
    covers: tuple[bool, bool],
) -> Picture:
    """How far each pixel (h, w) is to be hidden, 0..255, were all of the room behind it known.

    part: (h, w, 4) of the layers, as in ``messages.Body``, over the ``drawing``, which holds marks; px_per_m:
    pixels of it that a metre of cloth takes; covers: whether a garment is worn on trunk or arms, and on the
    legs.
    """
    person, head, hands, worn = cv.split(part)
    marks = cv.resize(drawing.marks, part.shape[1::-1], interpolation=cv.INTER_NEAREST)
    feet, legs, trunk = (cv.inRange(marks, part, part + COVER) for part in (FEET, LEGS, BODY))
    legs = cv.max(legs, feet)
    # Skin that is drawn is as good as a garment.
    skin = cv.LUT(marks, _DRAWN)
    bare = cv.subtract(cv.max(trunk, legs), skin)
    figure = cv.compare(marks, 0, cv.CMP_GT)
    side = 2 * max(2, round(_REACH_M * px_per_m)) + 1
    zone = cv.compare(cv.blur(figure, (side, side)), 2, cv.CMP_GT)
    if _misfits(person, figure, zone, cv.subtract(figure, bare)):
        return np.zeros_like(person)
    # Beside a limb that is bare by itself there are no worn clothes.
    drawn = cv.blur(cv.subtract(figure, bare), (side, side))
    zone = cv.subtract(zone, cv.compare(cv.blur(bare, (side, side)), drawn, cv.CMP_GT))
    if not all(covers):
        # Trousers beside the thigh stay when only a top is drawn, sleeves when only trousers are: what
        # is about a pixel tells beside which of them it lies.
        other = legs if covers[0] else trunk
        own = cv.blur(cv.subtract(figure, other), (side, side))
        zone = cv.bitwise_and(zone, cv.compare(own, cv.blur(other, (side, side)), cv.CMP_GT))
    front = cv.max(head, hands)
    fixed = cv.max(front, cv.dilate(feet, _square(_ABOUT_FEET_M * px_per_m)))
    table = np.abs(np.arange(256) - 128) * 2
    table[129:] *= covers[0]
    table[:128] *= covers[1]
    likely = cv.min(cv.LUT(worn, table.clip(0, 255).astype(np.uint8)), person)
    # Hair may have much the same colour as the clothes.
    likely = cv.subtract(likely, fixed)
    sure = cv.compare(cv.subtract(likely, _about_head(head, px_per_m)), _LIKELY, cv.CMP_GT)
    likely = cv.min(cv.compare(likely, _LIKELY, cv.CMP_GT), cv.dilate(sure, _square(2.0)))
    # Stripes and folds of rarer colours go with what is about them, cloth that is drawn counts as such.
    clothes = cv.morphologyEx(
        cv.max(likely, cv.subtract(figure, bare)), cv.MORPH_CLOSE, _square(_GAP_M * px_per_m)
    )
    # Where cloth and room mix in a pixel it has the colour of neither.
    rim = cv.dilate(clothes, _square(_RIM_M * px_per_m))
    rim = cv.bitwise_and(rim, cv.compare(person, 240, cv.CMP_LT))
    hide = cv.max(cv.dilate(clothes, _square(1.0)), rim)
    # The bare body stays, which is drawn a little under its skin; the garment is blended over the rest.
    hide = cv.subtract(cv.bitwise_and(hide, zone), cv.dilate(bare, _square(1.0)))
    hide = cv.subtract(hide, cv.erode(cv.subtract(figure, bare), _square(2.0)))
    if not covers[1]:
        hide = cv.subtract(hide, _below_hem(figure, cv.inRange(marks, 1, BODY - 1), skin, px_per_m))
    # What lies clear of the person is the room itself already.
    hide = cv.min(hide, cv.compare(cv.dilate(person, _square(_ABOUT_MASK_M * px_per_m)), 40, cv.CMP_GT))
    hide = cv.blur(hide, (3, 3))
    return np.asarray(cv.min(hide, cv.bitwise_not(fixed)), np.uint8)


def _misfits(person: Picture, figure: Picture, zone: Picture, cloth: Picture) -> bool:
    """Whether so much of the person lies far from the fitted body that it cannot be theirs."""
    _, y, _, h = cv.boundingRect(cloth)
    if not h:
        return True
    rows = slice(y, y + h)
    beyond = cv.countNonZero(cv.subtract(cv.compare(person[rows], 128, cv.CMP_GT), zone[rows]))
    return bool(beyond > _BEYOND * max(cv.countNonZero(figure[rows]), 1))


def _about_head(head: Picture, px_per_m: float) -> Picture:
    """How much surer one must be (h, w) of worn clothes about head and neck, where hair hangs."""
    out = np.zeros_like(head)
    x, y, w, h = cv.boundingRect(cv.compare(head, 60, cv.CMP_GT))
    if w:
        aside, down = round(_ABOUT_HEAD * w), round(_NECK_M * px_per_m)
        out[max(y - h // 4, 0) : y + h + down, max(x - aside, 0) : x + w + aside] = _SURER
    return out


def _below_hem(figure: Picture, cloth: Picture, skin: Picture, px_per_m: float) -> Picture:
    """Where (h, w) nothing is to be hidden, 255: below the hem of a top that is worn alone.

    A longer worn one, or a skirt, goes on there. So that it has no step, ever more of it stays the
    nearer it is to the hem. Sleeves that hang there about an arm's ``skin`` are another matter.
    """
    out = np.zeros_like(figure)
    _, top, w, height = cv.boundingRect(cloth)
    if not w:
        return out
    away = cv.distanceTransform(cv.bitwise_not(figure), cv.DIST_L2, 3)
    rows = np.arange(len(out), dtype=np.float32)[:, None]
    taper = max(_TAPER_M * px_per_m, 1.0)
    stays = np.clip((rows - (top + height - taper)) / taper, 0.0, 1.0) * np.float32(1.5 * _REACH_M * px_per_m)
    out[away < stays] = 255
    side = 2 * max(2, round(_SLEEVE_M * px_per_m)) + 1
    return np.asarray(cv.subtract(out, cv.compare(cv.blur(skin, (side, side)), 2, cv.CMP_GT)), np.uint8)


def _square(radius: float) -> Picture:
    """Kernel for growing by ``radius``; a disc would take several times as long."""
    side = 2 * max(1, round(radius)) + 1
    return np.ones((side, side), np.uint8)
