"""Hides worn clothes that stick out from under a garment, by the empty room behind them.

The camera stands still, so the room is learnt over time: what looks the same several times over,
where nobody is, is room. Only what is known is ever shown; a camera that is moved begins anew.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from render.renderer import BODY, FEET, LEGS, Drawing

cv: Any = cv2  # its stubs forget that what goes in as uint8 comes out as uint8
Picture = NDArray[np.uint8]

_SIDE = 640  # px of the longer side of what is compared
_LOOK_NS = 250_000_000  # between two looks at the room
_EMPTY_LOOK_NS = 125_000_000  # the same while nobody is followed
_SAME = 14  # grey levels that noise may change a pixel by
_KNOWN, _SURE = 4, 14  # looks after which a pixel may be shown, and is no longer counted
_SHARE = 0.25  # of a new look in the running one
_ABOUT_PERSON = 0.012  # of the longer side: as near to the person nothing is learnt
_GAIN_STEP = 0.012  # a smaller change of the light is noise
_GAIN_LIMITS = (0.4, 2.5)
_EDGE = 20  # grey levels between neighbours: detail that tells whether the camera has moved
_LEAST = 150  # px: fewer tell nothing
_MOVED = 0.35  # share of the known room that looks otherwise, twice in a row
_REACH_M = 0.10  # as far beside body and garment worn clothes are looked for
_HIDE_SIDE = 360  # px of the longer side of the layers, from which on half of it does
_LIKELY = 80  # of 255, that a pixel is worn clothes
_GAP_M = 0.025  # of other colours within the worn clothes
_RIM_M = 0.03  # about them, where the person's mask ends
_STEEPER = ((np.arange(256) - 127.5) * 1.6 + 127.5).clip(0, 255).astype(np.uint8)  # of a blurred edge
_WHOLE, _STILL_WHOLE = 0.9, 0.7  # share of a part to be hidden behind which the room must be known
_ABOUT_FEET_M = 0.04  # that shoes take
_ABOUT_HEAD = 0.6  # of its width, to either side, and as far below the chin: hair, collars
_NECK_M = 0.08
_BEYOND = 0.02  # of the body, in the garment's rows
_TAPER_M = 0.2  # above the hem


class Room:
    """What is known of the room that one camera sees. Bounded: a picture of the frame's size and less."""

    def __init__(self) -> None:
        self._size = (0, 0)
        self.forget()

    def forget(self) -> None:
        """Know nothing, as before the first look."""
        width, height = self._size
        scale = min(1.0, _SIDE / max(width, height, 1))
        small = (round(height * scale), round(width * scale))
        self.picture: Picture = np.zeros((height, width, 3), np.uint8)
        self.looks: Picture = np.zeros(small, np.uint8)
        self._mean = np.zeros((*small, 3), np.float32)
        self._hiding: Picture = np.zeros((0, 0), np.uint8)
        self._strange = 0
        self._last_ns: int | None = None

    @property
    def known(self) -> Picture:
        """How far the room may be shown (h, w), 0..255, at the resolution of the comparison."""
        table = ((np.arange(256) - (_KNOWN - 1)) * 85).clip(0, 255).astype(np.uint8)
        known: Picture = cv.LUT(self.looks, table)
        return known

    def look(self, frame: Picture, person: Picture | None, t_ns: int) -> bool:
        """Learn from ``frame`` (H, W, 3) BGR of source time ``t_ns``, if it is time; whether it was.

        person: (h, w) uint8 mask of the frame's aspect, None where nobody is followed.
        """
        size = (frame.shape[1], frame.shape[0])
        if size != self._size:
            self._size = size
            self.forget()
        interval_ns = _EMPTY_LOOK_NS if person is None else _LOOK_NS
        if self._last_ns is not None and 0 <= t_ns - self._last_ns < interval_ns:
            return False
        self._last_ns = t_ns
        height, width = self.looks.shape
        small = cv.resize(frame, (width, height), interpolation=cv.INTER_AREA)
        if person is None:
            free = np.full((height, width), 255, np.uint8)
        else:
            radius = max(2, round(_ABOUT_PERSON * max(width, height)))
            near = cv.resize(person, (width, height), interpolation=cv.INTER_LINEAR)
            free = cv.compare(cv.blur(near, (2 * radius + 1, 2 * radius + 1)), 4, cv.CMP_LT)
        before = cv.bitwise_and(free, cv.compare(self.looks, _KNOWN, cv.CMP_GE))
        self._follow_light(small, before)
        differs = self._differs(small)
        if self._has_moved(differs, before):
            self.forget()
            self._last_ns = t_ns
            return True
        self._learn(frame, small, free, differs)
        return True

    def _differs(self, small: Picture) -> Picture:
        off = cv.absdiff(small, cv.convertScaleAbs(self._mean))
        blue, green, red = cv.split(off)
        differs = cv.compare(cv.max(cv.max(blue, green), red), _SAME, cv.CMP_GT)
        return np.asarray(differs, np.uint8)

    def _follow_light(self, small: Picture, known: Picture) -> None:
        """Brighten or darken the room as its visible part has become."""
        step = (slice(3, None, 8), slice(3, None, 8))
        chosen = known[step] > 0
        if np.count_nonzero(chosen) < _LEAST:
            return
        now, was = small[step][chosen].astype(np.float32), self._mean[step][chosen]
        usable = ((was > 16) & (was < 235) & (now < 250)).all(axis=1)
        if np.count_nonzero(usable) < _LEAST:
            return
        gain = np.median(now[usable] / was[usable], axis=0).clip(*_GAIN_LIMITS)
        if np.abs(gain - 1).max() < _GAIN_STEP:
            return
        levels = np.arange(256)[:, None] * gain
        table = levels.round().clip(0, 255).astype(np.uint8)[:, None]
        self.picture = cv.LUT(self.picture, table)
        self._mean = np.minimum(self._mean * gain.astype(np.float32), 255.0)

    def _has_moved(self, differs: Picture, known: Picture) -> bool:
        """Whether the room looks otherwise than it is known to, for the second time in a row.

        What is plain looks the same from everywhere: detail decides where there is enough of it.
        """
        grey = cv.convertScaleAbs(cv.cvtColor(self._mean, cv.COLOR_BGR2GRAY))
        kernel = np.ones((3, 3), np.uint8)
        detail = cv.compare(cv.morphologyEx(grey, cv.MORPH_GRADIENT, kernel), _EDGE, cv.CMP_GT)
        strange = False
        for told in (known, cv.bitwise_and(known, detail)):
            count = cv.countNonZero(told)
            changed = cv.countNonZero(cv.bitwise_and(told, differs))
            strange |= count >= _LEAST and changed > _MOVED * count
        self._strange = self._strange + 1 if strange else 0
        return self._strange >= 2

    def _learn(self, frame: Picture, small: Picture, free: Picture, differs: Picture) -> None:
        if self._strange:  # a hand at the lens or a moved camera: wait for the next look
            return
        moving = cv.dilate(differs, np.ones((3, 3), np.uint8))
        same = cv.bitwise_and(free, cv.bitwise_not(moving))
        other = cv.bitwise_and(free, moving)
        looks = cv.min(cv.add(self.looks, cv.bitwise_and(same, 1)), _SURE)
        # What disagrees must do so several times before it takes the place of what was known.
        looks = cv.subtract(looks, cv.bitwise_and(other, 2))
        new = cv.bitwise_and(other, cv.compare(looks, 0, cv.CMP_EQ))
        cv.accumulateWeighted(small, self._mean, _SHARE, mask=same)
        cv.copyTo(small.astype(np.float32), new, self._mean)
        self.looks = cv.max(looks, cv.bitwise_and(new, 1))
        size = (frame.shape[1], frame.shape[0])
        cv.copyTo(frame, cv.resize(same, size, interpolation=cv.INTER_NEAREST), self.picture)

    # Showing it -----------------------------------------------------------------------------------

    def restore(self, frame: Picture, drawing: Drawing, layers: Picture, covers: tuple[bool, bool]) -> None:
        """Show the room in ``frame``, in place, where worn clothes stick out beside body and garment.

        layers: (h, w, 4) as in ``messages.Body``, without the last channel nothing is hidden; covers:
        whether a garment is worn on trunk or arms, and on the legs. Call it before the drawing is blended
        in.
        """
        seen = self._size == (frame.shape[1], frame.shape[0])
        if drawing.marks is None or not seen or layers.shape[2] < 4 or not any(covers):
            return
        if (
            max(layers.shape[:2]) > _HIDE_SIDE
        ):  # the garment covers one edge of what is hidden, the room the other
            layers = layers[::2, ::2]
        sx, sy = layers.shape[1] / frame.shape[1], layers.shape[0] / frame.shape[0]
        x0, y0, x1, y1 = drawing.box
        left, top = int(x0 * sx), int(y0 * sy)
        width, height = round((x1 - x0) * sx), round((y1 - y0) * sy)
        part = np.ascontiguousarray(layers[top : top + height, left : left + width])
        height, width = part.shape[:2]
        if min(height, width) < 8:
            return
        hide = self._hidden(part, drawing, (width, height), drawing.px_per_m * sx, covers)
        known = self._known_at(
            (left / sx, top / sy, (left + width) / sx, (top + height) / sy), (width, height)
        )
        hide = cv.min(self._whole_parts(hide, known, (left, top), layers.shape[:2]), known)
        x, y, w, h = cv.boundingRect(cv.compare(hide, 8, cv.CMP_GT))
        if not w:
            return
        fx0, fy0 = round((left + x) / sx), round((top + y) / sy)
        fx1 = min(round((left + x + w) / sx), frame.shape[1])
        fy1 = min(round((top + y + h) / sy), frame.shape[0])
        share = cv.resize(hide[y : y + h, x : x + w], (fx1 - fx0, fy1 - fy0), interpolation=cv.INTER_LINEAR)
        _mix(frame[fy0:fy1, fx0:fx1], self.picture[fy0:fy1, fx0:fx1], share)

    def _whole_parts(
        self, hide: Picture, known: Picture, at: tuple[int, int], size: tuple[int, ...]
    ) -> Picture:
        """Of ``hide`` (h, w) the connected parts behind which the room is known nearly everywhere.

        A sleeve of which pieces are missing looks torn. What is hidden stays so a little longer. ``at``:
        x, y of ``hide`` in the layers of this ``size``.
        """
        last = self._hiding
        self._hiding = np.zeros(size[:2], np.uint8)
        count, labels = cv.connectedComponents(cv.compare(hide, 20, cv.CMP_GT), connectivity=4)
        if count == 1:
            return hide
        box = (slice(at[1], at[1] + hide.shape[0]), slice(at[0], at[0] + hide.shape[1]))
        total = np.maximum(np.bincount(labels.ravel(), minlength=count), 1)
        told = np.bincount(labels[known > 170], minlength=count) / total
        needed = np.full(count, _WHOLE)
        if last.shape == self._hiding.shape:
            before = np.bincount(labels[last[box] > 0], minlength=count) / total
            needed[before > 0.5] = _STILL_WHOLE
        passed = ((told >= needed) * 255).astype(np.uint8)
        passed[0] = 0
        shown = passed[labels]
        self._hiding[box] = shown
        return np.asarray(cv.min(hide, shown), np.uint8)

    @staticmethod
    def _misfits(person: Picture, figure: Picture, zone: Picture, cloth: Picture) -> bool:
        """Whether so much of the person lies far from the fitted body that it cannot be theirs."""
        _, y, _, h = cv.boundingRect(cloth)
        if not h:
            return True
        rows = slice(y, y + h)
        beyond = cv.countNonZero(cv.subtract(cv.compare(person[rows], 128, cv.CMP_GT), zone[rows]))
        return bool(beyond > _BEYOND * max(cv.countNonZero(figure[rows]), 1))

    def _known_at(self, box: tuple[float, float, float, float], size: tuple[int, int]) -> Picture:
        """How far the room is known (h, w) in a box of the frame, at another resolution."""
        scale = self.looks.shape[1] / self._size[0]
        x0, y0, x1, y1 = (round(v * scale) for v in box)
        part = np.ascontiguousarray(self.known[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)])
        known: Picture = cv.erode(part, np.ones((3, 3), np.uint8))
        if known.shape[1::-1] != size:
            known = cv.resize(known, size, interpolation=cv.INTER_LINEAR)
        return known

    def _hidden(
        self,
        part: Picture,
        drawing: Drawing,
        size: tuple[int, int],
        px_per_m: float,
        covers: tuple[bool, bool],
    ) -> Picture:
        """How far each pixel (h, w) is to be hidden, 0..255, were all of the room known."""
        person, head, hands, worn = cv.split(part)
        marks = cv.resize(drawing.marks, size, interpolation=cv.INTER_NEAREST)
        feet = cv.compare(marks, FEET, cv.CMP_EQ)
        legs = cv.max(cv.compare(marks, LEGS, cv.CMP_EQ), feet)
        trunk = cv.compare(marks, BODY, cv.CMP_EQ)
        bare = cv.max(trunk, legs)
        figure = cv.compare(marks, 0, cv.CMP_GT)
        side = 2 * max(2, round(_REACH_M * px_per_m)) + 1
        zone = cv.compare(cv.blur(figure, (side, side)), 2, cv.CMP_GT)
        if self._misfits(person, figure, zone, cv.subtract(figure, bare)):
            return np.zeros_like(person)
        if not all(covers):
            # Trousers beside the thigh stay when only a top is drawn, sleeves when only trousers are: what
            # is about a pixel tells beside which of them it lies.
            other = legs if covers[0] else trunk
            own = cv.blur(cv.subtract(figure, other), (side, side))
            zone = cv.bitwise_and(zone, cv.compare(own, cv.blur(other, (side, side)), cv.CMP_GT))
        front = cv.max(head, hands)
        fixed = cv.max(front, cv.dilate(feet, _disc(_ABOUT_FEET_M * px_per_m)))
        table = np.abs(np.arange(256) - 128) * 2
        table[129:] *= covers[0]
        table[:128] *= covers[1]
        likely = cv.min(cv.LUT(worn, table.clip(0, 255).astype(np.uint8)), person)
        likely = cv.compare(cv.subtract(likely, fixed), _LIKELY, cv.CMP_GT)
        # Stripes and folds of rarer colours go with what is about them, cloth that is drawn counts as such.
        clothes = cv.morphologyEx(
            cv.max(likely, cv.subtract(figure, bare)), cv.MORPH_CLOSE, _disc(_GAP_M * px_per_m)
        )
        # Where cloth and room mix in a pixel it has the colour of neither.
        rim = cv.dilate(clothes, _disc(_RIM_M * px_per_m))
        rim = cv.bitwise_and(rim, cv.compare(person, 240, cv.CMP_LT))
        hide = cv.max(cv.dilate(clothes, _disc(1.0)), rim)
        # The bare body stays, which is drawn a little under its skin; the garment is blended over the rest.
        hide = cv.subtract(cv.bitwise_and(hide, zone), cv.dilate(bare, _disc(1.0)))
        hide = cv.subtract(hide, cv.erode(cv.subtract(figure, bare), _disc(2.0)))
        hide = cv.subtract(hide, _left_alone(head, figure, cv.subtract(figure, bare), px_per_m, covers))
        hide = cv.LUT(cv.blur(hide, (3, 3)), _STEEPER)
        return np.asarray(cv.min(hide, cv.bitwise_not(fixed)), np.uint8)


def _left_alone(
    head: Picture, figure: Picture, cloth: Picture, px_per_m: float, covers: tuple[bool, bool]
) -> Picture:
    """Where (h, w) nothing is to be hidden, 255.

    About head and neck, where hair may have the clothes' colours; and below the hem of a top that is worn
    alone: a longer worn one, or a skirt, goes on there. So that it has no step, ever more of it stays the
    nearer it is to the hem.
    """
    out = np.zeros_like(head)
    x, y, w, h = cv.boundingRect(cv.compare(head, 60, cv.CMP_GT))
    if w:
        aside, down = round(_ABOUT_HEAD * w), round(_NECK_M * px_per_m)
        out[max(y - h // 4, 0) : y + h + down, max(x - aside, 0) : x + w + aside] = 255
    _, top, w, height = cv.boundingRect(cloth)
    if covers[1] or not w:
        return out
    away = cv.distanceTransform(cv.bitwise_not(figure), cv.DIST_L2, 3)
    rows = np.arange(len(out), dtype=np.float32)[:, None]
    taper = max(_TAPER_M * px_per_m, 1.0)
    stays = np.clip((rows - (top + height - taper)) / taper, 0.0, 1.0) * np.float32(1.5 * _REACH_M * px_per_m)
    out[away < stays] = 255
    return out


def _disc(radius: float) -> Picture:
    side = 2 * max(1, round(radius)) + 1
    return np.asarray(cv.getStructuringElement(cv.MORPH_ELLIPSE, (side, side)), np.uint8)


def _mix(target: Picture, picture: Picture, share: Picture) -> None:
    """Lay ``share`` (h, w) of 255 of ``picture`` (h, w, 3) over ``target`` in place."""
    over = cv.cvtColor(share, cv.COLOR_GRAY2BGR)
    shown = cv.multiply(picture, over, scale=1 / 255)
    cv.multiply(target, cv.bitwise_not(over), dst=target, scale=1 / 255)
    cv.add(target, shown, dst=target)
