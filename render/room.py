"""Hides worn clothes that stick out from under a garment, by the empty room behind them.

The camera stands still, so the room is learnt over time: what looks the same several times over,
where nobody is, is room. A gap beside what is known, which the person hides, is guessed from it; else only
what is known is ever shown, and a camera that is moved begins anew.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from render.compositing import lay_over
from render.drawing import Drawing
from render.marks import BODY, COVER, FEET, LEGS, OVER

cv: Any = cv2  # its stubs forget that what goes in as uint8 comes out as uint8
Picture = NDArray[np.uint8]

_SIDE = 320  # px of the longer side of what is compared
_LOOK_NS = 250_000_000  # between two looks at the room
_EMPTY_LOOK_NS = 125_000_000  # the same while nobody is followed
_SAME = 14  # grey levels that noise may change a pixel by
_KNOWN, _SURE = 4, 14  # looks after which a pixel may be shown, and is no longer counted
_SHARE = 0.25  # of a new look in the running one
_GUESSED = 0.12  # of the longer side: as near to what is known the room is guessed from it
_GUESS_SIDE = 160  # px of the longer side of the guess
# px of it, wide and high, of which the nearest that are known tell what is between: people stand, floors lie.
_BLURS = ((3, 1), (5, 1), (9, 3), (19, 3), (39, 5), (39, 39))
_ABOUT_PERSON = 0.012  # of the longer side: as near to the person nothing is learnt
_GAIN_STEP = 0.012  # a smaller change of the light is noise
_GAIN_LIMITS = (0.4, 2.5)
_EDGE = 20  # grey levels between neighbours: detail that tells whether the camera has moved
_LEAST = 150  # px: fewer tell nothing
_MOVED = 0.35  # share of the known room that looks otherwise, twice in a row
_REACH_M = 0.10  # as far beside body and garment worn clothes are looked for
_ENOUGH, _STILL_ENOUGH = 0.5, 0.3  # of what the person does not hide, for the room to count as known
_LITTLE = 0.05  # of the box is known: nothing is shown there
_HIDE_SIDE = 360  # px of the longer side of the layers, from which on half of it does
_LIKELY = 80  # of 255, that a pixel is worn clothes
_GAP_M = 0.025  # of other colours within the worn clothes
_ABOUT_MASK_M = 0.02  # that the person's mask may be too narrow by
_RIM_M = 0.03  # about them, where the person's mask ends
_STEEPER = ((np.arange(256) - 127.5) * 1.8 + 127.5).clip(0, 255).astype(np.uint8)  # of a blurred edge
_DRAWN = np.array([255 * (BODY <= m < OVER and m % 32 > COVER // 2) for m in range(256)], np.uint8)  # skin
_WHOLE, _STILL_WHOLE = 0.85, 0.65  # share of a part to be hidden behind which the room must be known
_ABOUT_FEET_M = 0.015  # that shoes take
_ABOUT_HEAD = 0.6  # of its width, to either side, and as far below the chin: hair, collars
_NECK_M = 0.08
_SURER = 130  # of 255, there
_BEYOND = 0.02  # of the body, in the garment's rows
_TAPER_M = 0.2  # above the hem
_SLEEVE_M = 0.06  # about an arm


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
        self._guessed: Picture = np.zeros(small, np.uint8)
        self._mean = np.zeros((*small, 3), np.float32)
        self._hiding: Picture = np.zeros((0, 0), np.uint8)
        self._strange = 0
        self._is_known = False
        self._last_ns: int | None = None

    @property
    def known(self) -> Picture:
        """How far the room may be shown (h, w), 0..255, at the resolution of the comparison."""
        table = ((np.arange(256) - (_KNOWN - 1)) * 85).clip(0, 255).astype(np.uint8)
        known: Picture = cv.max(cv.LUT(self.looks, table), self._guessed)
        return known

    @property
    def is_known(self) -> bool:
        """Whether enough of it is known that worn clothes can give way to it."""
        return self._is_known

    def is_due(self, t_ns: int, *, followed: bool) -> bool:
        """Whether it is time, at source time ``t_ns``, for another look; ``followed``: somebody is."""
        interval_ns = _LOOK_NS if followed else _EMPTY_LOOK_NS
        return self._last_ns is None or not 0 <= t_ns - self._last_ns < interval_ns

    def look(self, frame: Picture, person: Picture | None, t_ns: int) -> bool:
        """Learn from ``frame`` (H, W, 3) BGR of source time ``t_ns``, if it is time; whether it was.

        person: (h, w) uint8 mask of the frame's aspect, None where nobody is followed.
        """
        size = (frame.shape[1], frame.shape[0])
        if size != self._size:
            self._size = size
            self.forget()
        if not self.is_due(t_ns, followed=person is not None):
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
        known = cv.bitwise_and(free, cv.compare(self.looks, _KNOWN, cv.CMP_GE))
        share = cv.countNonZero(known) / max(cv.countNonZero(free), 1)
        self._is_known = share > (_STILL_ENOUGH if self._is_known else _ENOUGH)
        if person is not None:
            self._guess(small, free)
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

    def _guess(self, small: Picture, free: Picture) -> None:
        """Close the narrow gap between the person's outline and what is known by what lies beside it."""
        known = cv.compare(self.looks, _KNOWN, cv.CMP_GE)
        told = cv.max(known, free)
        reach = 2 * round(_GUESSED * max(known.shape)) + 1
        near = cv.compare(cv.blur(known, (reach, reach)), 12, cv.CMP_GT)
        self._guessed = cv.subtract(near, known)
        x, y, w, h = cv.boundingRect(self._guessed)
        if not w:
            return
        x0, y0 = max(x - reach, 0) // 2 * 2, max(y - reach, 0) // 2 * 2
        x1, y1 = min(x + w + reach, known.shape[1]), min(y + h + reach, known.shape[0])
        part = (slice(y0, y1), slice(x0, x1))
        scale = min(1.0, _GUESS_SIDE / max(known.shape))
        size = (max(1, round((x1 - x0) * scale)), max(1, round((y1 - y0) * scale)))
        weight = told[part].astype(np.float32) / 255
        colour = cv.convertScaleAbs(self._mean[part])
        cv.copyTo(small[part], cv.bitwise_not(known[part]), colour)
        colour = cv.resize(colour * weight[..., None], size, interpolation=cv.INTER_AREA)
        weight = cv.resize(weight, size, interpolation=cv.INTER_AREA)
        guess, done = np.zeros_like(colour), np.zeros_like(weight)
        for wide, high in _BLURS:
            more = cv.blur(weight, (wide, high))
            trust = np.minimum(more * 4, 1.0) * (1.0 - done)
            guess += cv.blur(colour, (wide, high)) * (trust / np.maximum(more, 1e-3))[..., None]
            done += trust
        guess = cv.convertScaleAbs(guess / np.maximum(done, 1e-3)[..., None])
        grow = self._size[0] / known.shape[1]
        fx0, fy0 = round(x0 * grow), round(y0 * grow)
        fx1, fy1 = min(round(x1 * grow), self._size[0]), min(round(y1 * grow), self._size[1])
        target = self.picture[fy0:fy1, fx0:fx1]
        full = (fx1 - fx0, fy1 - fy0)
        unknown = cv.resize(cv.bitwise_not(known[part]), full, interpolation=cv.INTER_NEAREST)
        cv.copyTo(cv.resize(guess, full, interpolation=cv.INTER_LINEAR), unknown, target)

    # Showing it -----------------------------------------------------------------------------------

    def restore(self, frame: Picture, drawing: Drawing, layers: Picture, covers: tuple[bool, bool]) -> None:
        """Show the room in ``frame``, in place, where worn clothes stick out beside body and garment.

        layers: (h, w, 4) as in ``messages.Body``, without the last channel nothing is hidden; covers:
        whether a garment is worn on trunk or arms, and on the legs. Call it before the drawing is blended
        in.
        """
        seen = self._size == (frame.shape[1], frame.shape[0])
        if drawing.marks is None or not seen or not self._is_known or layers.shape[2] < 4 or not any(covers):
            return
        if max(layers.shape[:2]) > _HIDE_SIDE:
            # The garment covers one edge of what is hidden, the room the other.
            layers = layers[::2, ::2]
        sx, sy = layers.shape[1] / frame.shape[1], layers.shape[0] / frame.shape[0]
        x0, y0, x1, y1 = drawing.frame_box
        left, top = int(x0 * sx), int(y0 * sy)
        width, height = round((x1 - x0) * sx), round((y1 - y0) * sy)
        part = np.ascontiguousarray(layers[top : top + height, left : left + width])
        height, width = part.shape[:2]
        if min(height, width) < 8:
            return
        known = self._known_at(
            (left / sx, top / sy, (left + width) / sx, (top + height) / sy), (width, height)
        )
        if cv.countNonZero(known) < _LITTLE * known.size:
            return
        hide = self._hidden(part, drawing, (width, height), drawing.px_per_m * sx, covers)
        hide = cv.min(self._whole_parts(hide, known, (left, top), layers.shape[:2]), known)
        x, y, w, h = cv.boundingRect(cv.compare(hide, 8, cv.CMP_GT))
        if not w:
            return
        fx0, fy0 = round((left + x) / sx), round((top + y) / sy)
        fx1 = min(round((left + x + w) / sx), frame.shape[1])
        fy1 = min(round((top + y + h) / sy), frame.shape[0])
        share = cv.resize(hide[y : y + h, x : x + w], (fx1 - fx0, fy1 - fy0), interpolation=cv.INTER_LINEAR)
        share = cv.LUT(share, _STEEPER)
        lay_over(frame[fy0:fy1, fx0:fx1], self.picture[fy0:fy1, fx0:fx1], share)

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
        feet, legs, trunk = (cv.inRange(marks, part, part + COVER) for part in (FEET, LEGS, BODY))
        legs = cv.max(legs, feet)
        # Skin that is drawn is as good as a garment.
        skin = cv.LUT(marks, _DRAWN)
        bare = cv.subtract(cv.max(trunk, legs), skin)
        figure = cv.compare(marks, 0, cv.CMP_GT)
        side = 2 * max(2, round(_REACH_M * px_per_m)) + 1
        zone = cv.compare(cv.blur(figure, (side, side)), 2, cv.CMP_GT)
        if self._misfits(person, figure, zone, cv.subtract(figure, bare)):
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
