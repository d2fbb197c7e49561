"""The worn residual: what shows of worn clothes beside body and garment, by colours and ids."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mirror.types import Picture, cv
from render.gpu.drawing import Drawing
from render.gpu.id_buffer import BEFORE_FACE, BODY, COVER_STEPS, FEET, LEGS

__all__ = ["worn_residual"]


@dataclass(frozen=True)
class ResidualParameters:
    """Where worn clothes are looked for, and what stays. Set by hand.

    reach_m: as far beside body and garment worn clothes are looked for. likely: of 255, that a pixel is worn
    clothes. gap_m: of other colours within the worn clothes. about_mask_m: that the person's mask may be too
    narrow by. rim_m: about them, where the person's mask ends. about_feet_m: that shoes take. about_head: of
    its width, to either side, and as far below the chin: hair, collars. neck_m: below the chin. surer: of
    255, there. beyond: of the body, in the garment's rows. taper_m: above the hem. sleeve_m: about an arm.
    """

    reach_m: float = 0.10
    likely: int = 80
    gap_m: float = 0.025
    about_mask_m: float = 0.02
    rim_m: float = 0.03
    about_feet_m: float = 0.015
    about_head: float = 0.6
    neck_m: float = 0.08
    surer: int = 130
    beyond: float = 0.02
    taper_m: float = 0.2
    sleeve_m: float = 0.06


PARAMETERS = ResidualParameters()
_IDS = np.arange(256)
# Where skin is drawn, by the id.
_DRAWN = np.where((_IDS >= BODY) & (_IDS < BEFORE_FACE) & (_IDS % 32 > COVER_STEPS // 2), 255, 0).astype(
    np.uint8
)


def worn_residual(
    part: Picture,
    drawing: Drawing,
    px_per_m: float,
    covers: tuple[bool, bool],
) -> Picture:
    """How far each pixel (h, w) is to be hidden, 0..255, were all of the background behind it known.

    part: (h, w, 4) of the masks, as in ``messages.Body``, over the ``drawing``, which holds the body's ids;
    px_per_m: pixels of it that a metre of cloth takes; covers: whether a garment is worn on trunk or arms,
    and on the legs.
    """
    person, head, hands, worn = cv.split(part)
    ids = cv.resize(drawing.ids, part.shape[1::-1], interpolation=cv.INTER_NEAREST)
    feet, legs, trunk = (cv.inRange(ids, part, part + COVER_STEPS) for part in (FEET, LEGS, BODY))
    legs = cv.max(legs, feet)
    # Skin that is drawn is as good as a garment.
    skin = cv.LUT(ids, _DRAWN)
    exposed = cv.subtract(cv.max(trunk, legs), skin)
    figure = cv.compare(ids, 0, cv.CMP_GT)
    side = 2 * max(2, round(PARAMETERS.reach_m * px_per_m)) + 1
    zone = cv.compare(cv.blur(figure, (side, side)), 2, cv.CMP_GT)
    if _misfits(person, figure, zone, cv.subtract(figure, exposed)):
        return np.zeros_like(person)
    # Beside a limb that is exposed by itself there are no worn clothes.
    drawn = cv.blur(cv.subtract(figure, exposed), (side, side))
    zone = cv.subtract(zone, cv.compare(cv.blur(exposed, (side, side)), drawn, cv.CMP_GT))
    if not all(covers):
        # Trousers beside the thigh stay when only a top is drawn, sleeves when only trousers are: what
        # is about a pixel tells beside which of them it lies.
        other = legs if covers[0] else trunk
        own = cv.blur(cv.subtract(figure, other), (side, side))
        zone = cv.bitwise_and(zone, cv.compare(own, cv.blur(other, (side, side)), cv.CMP_GT))
    front = cv.max(head, hands)
    fixed = cv.max(front, cv.dilate(feet, _square(PARAMETERS.about_feet_m * px_per_m)))
    table = np.abs(np.arange(256) - 128) * 2
    table[129:] *= covers[0]
    table[:128] *= covers[1]
    likely = cv.min(cv.LUT(worn, table.clip(0, 255).astype(np.uint8)), person)
    # Hair may have much the same colour as the clothes.
    likely = cv.subtract(likely, fixed)
    sure = cv.compare(cv.subtract(likely, _about_head(head, px_per_m)), PARAMETERS.likely, cv.CMP_GT)
    likely = cv.min(cv.compare(likely, PARAMETERS.likely, cv.CMP_GT), cv.dilate(sure, _square(2.0)))
    # Stripes and folds of rarer colours go with what is about them, cloth that is drawn counts as such.
    clothes = cv.morphologyEx(
        cv.max(likely, cv.subtract(figure, exposed)), cv.MORPH_CLOSE, _square(PARAMETERS.gap_m * px_per_m)
    )
    # Where cloth and background mix in a pixel it has the colour of neither.
    rim = cv.dilate(clothes, _square(PARAMETERS.rim_m * px_per_m))
    rim = cv.bitwise_and(rim, cv.compare(person, 240, cv.CMP_LT))
    hide = cv.max(cv.dilate(clothes, _square(1.0)), rim)
    # The exposed body stays, which is drawn a little under its skin; the garment is blended over the rest.
    hide = cv.subtract(cv.bitwise_and(hide, zone), cv.dilate(exposed, _square(1.0)))
    hide = cv.subtract(hide, cv.erode(cv.subtract(figure, exposed), _square(2.0)))
    if not covers[1]:
        hide = cv.subtract(hide, _below_hem(figure, cv.inRange(ids, 1, BODY - 1), skin, px_per_m))
    # What lies clear of the person is the background itself already.
    hide = cv.min(
        hide, cv.compare(cv.dilate(person, _square(PARAMETERS.about_mask_m * px_per_m)), 40, cv.CMP_GT)
    )
    hide = cv.blur(hide, (3, 3))
    return np.asarray(cv.min(hide, cv.bitwise_not(fixed)), np.uint8)


def _misfits(person: Picture, figure: Picture, zone: Picture, cloth: Picture) -> bool:
    """Whether so much of the person lies far from the fitted body that it cannot be theirs."""
    _, y, _, h = cv.boundingRect(cloth)
    if not h:
        return True
    rows = slice(y, y + h)
    beyond = cv.countNonZero(cv.subtract(cv.compare(person[rows], 128, cv.CMP_GT), zone[rows]))
    return bool(beyond > PARAMETERS.beyond * max(cv.countNonZero(figure[rows]), 1))


def _about_head(head: Picture, px_per_m: float) -> Picture:
    """How much surer one must be (h, w) of worn clothes about head and neck, where hair hangs."""
    out = np.zeros_like(head)
    x, y, w, h = cv.boundingRect(cv.compare(head, 60, cv.CMP_GT))
    if w:
        aside, down = round(PARAMETERS.about_head * w), round(PARAMETERS.neck_m * px_per_m)
        out[max(y - h // 4, 0) : y + h + down, max(x - aside, 0) : x + w + aside] = PARAMETERS.surer
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
    taper = max(PARAMETERS.taper_m * px_per_m, 1.0)
    stays = np.clip((rows - (top + height - taper)) / taper, 0.0, 1.0) * np.float32(
        1.5 * PARAMETERS.reach_m * px_per_m
    )
    out[away < stays] = 255
    side = 2 * max(2, round(PARAMETERS.sleeve_m * px_per_m)) + 1
    return np.asarray(cv.subtract(out, cv.compare(cv.blur(skin, (side, side)), 2, cv.CMP_GT)), np.uint8)


def _square(radius: float) -> Picture:
    """Kernel for growing by ``radius``; a disc would take several times as long."""
    side = 2 * max(1, round(radius)) + 1
    return np.ones((side, side), np.uint8)
