"""Hides worn clothes that show beside body and garment, by the empty background behind them.

The camera stands still, so the background is learnt over time: what looks the same several times over,
where nobody is, is background. A gap beside what is known, which the person hides, is guessed from it; else
only what is known is ever shown, and a camera that is moved begins anew.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mirror.types import Picture, cv
from render.compose.compositing import lay_over
from render.compose.worn_residual import worn_residual
from render.gpu.drawing import Drawing

__all__ = ["BackgroundModel"]


@dataclass(frozen=True)
class LearningParameters:
    """When the background is looked at, and what is learnt from a look. Set by hand.

    side: px of the longer side of what is compared. first_ns, empty_ns, learn_ns, look_ns: between two looks:
    the first ones, while nobody is followed, while there is something to learn, and else. hasty: looks; what
    cannot be known by then moves. to_learn: share of what is seen of the background that is not known, from
    which on there is something to learn. same: grey levels that noise may change a pixel by. known, sure:
    looks after which a pixel may be shown, and is no longer counted. share: of a new look in the running
    one. about_person: of the longer side; as near to the person nothing is learnt. gain_step: a smaller
    change of the light is noise. gain_limits: of such a change. edge: grey levels between neighbours; detail
    that tells whether the camera has moved. least: px; fewer tell nothing. moved: share of the known
    background that looks otherwise, twice in a row. enough, still_enough: of what the person does not hide,
    for the background to count as known.
    """

    side: int = 320
    first_ns: int = 62_500_000
    empty_ns: int = 125_000_000
    learn_ns: int = 250_000_000
    look_ns: int = 500_000_000
    hasty: int = 8
    to_learn: float = 0.01
    same: int = 14
    known: int = 4
    sure: int = 14
    share: float = 0.25
    about_person: float = 0.012
    gain_step: float = 0.012
    gain_limits: tuple[float, float] = (0.4, 2.5)
    edge: int = 20
    least: int = 150
    moved: float = 0.35
    enough: float = 0.5
    still_enough: float = 0.3


@dataclass(frozen=True)
class GuessParameters:
    """How gaps beside the known background are filled. Set by hand.

    newly: of the background has become known or unknown: what lies beside it is guessed again. reach: of the
    longer side; as near to what is known it is guessed from it. side: px of the longer side of the guess.
    blurs: px of it, wide and high, of which the nearest that are known tell what is between: people stand,
    floors lie.
    """

    newly: float = 0.002
    reach: float = 0.12
    side: int = 160
    blurs: tuple[tuple[int, int], ...] = ((3, 1), (5, 1), (9, 3), (19, 3), (39, 5), (39, 39))


@dataclass(frozen=True)
class ShowingParameters:
    """Where the background is shown. Set by hand.

    little: of the box is known: nothing is shown there. side: px of the longer side of the masks, from which
    on half of it does. whole, still_whole: share of a part to be hidden behind which the background must be
    known.
    """

    little: float = 0.05
    side: int = 360
    whole: float = 0.85
    still_whole: float = 0.65


LEARNING = LearningParameters()
GUESS = GuessParameters()
SHOWING = ShowingParameters()
_STEEPER = ((np.arange(256) - 127.5) * 1.8 + 127.5).clip(0, 255).astype(np.uint8)  # of a blurred edge
_SHOWN = ((np.arange(256) - (LEARNING.known - 1)) * 85).clip(0, 255).astype(np.uint8)  # by the looks


class BackgroundModel:
    """What is known of one camera's background. Bounded: a picture of the frame's size and less."""

    def __init__(self) -> None:
        self._size = (0, 0)
        self._haste = LEARNING.hasty
        self.forget()

    def forget(self) -> None:
        """Know nothing, as before the first look."""
        width, height = self._size
        scale = min(1.0, LEARNING.side / max(width, height, 1))
        small = (round(height * scale), round(width * scale))
        self.picture: Picture = np.zeros((height, width, 3), np.uint8)
        self.looks: Picture = np.zeros(small, np.uint8)
        self._guessed: Picture = np.zeros(small, np.uint8)
        self._mean = np.zeros((*small, 3), np.float32)
        self._known: Picture = np.zeros(small, np.uint8)
        self._told: Picture = np.zeros(small, np.uint8)
        self._to_guess: tuple[Picture, Picture] | None = None
        self._learning = True
        self._hiding: Picture = np.zeros((0, 0), np.uint8)
        self._strange = 0
        self._is_known = False
        self._last_ns: int | None = None

    @property
    def known(self) -> Picture:
        """How far the background may be shown (h, w), 0..255, at the resolution of the comparison."""
        known: Picture = cv.max(cv.LUT(self.looks, _SHOWN), self._guessed)
        return known

    @property
    def is_known(self) -> bool:
        """Whether enough of it is known that worn clothes can give way to it."""
        return self._is_known

    def is_due(self, t_ns: int, *, followed: bool) -> bool:
        """Whether it is time, at source time ``t_ns``, for another look; ``followed``: somebody is."""
        interval_ns = LEARNING.learn_ns if self._learning else LEARNING.look_ns
        if not followed:
            interval_ns = LEARNING.empty_ns
        if not self._is_known and self._haste:
            interval_ns = LEARNING.first_ns
        return self._last_ns is None or not 0 <= t_ns - self._last_ns < interval_ns

    def learn(self, frame: Picture, person: Picture | None, t_ns: int) -> bool:
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
        self._haste = max(self._haste - 1, 0)
        height, width = self.looks.shape
        small = cv.resize(frame, (width, height), interpolation=cv.INTER_AREA)
        if person is None:
            free = np.full((height, width), 255, np.uint8)
        else:
            radius = max(2, round(LEARNING.about_person * max(width, height)))
            near = cv.resize(person, (width, height), interpolation=cv.INTER_LINEAR)
            free = cv.compare(cv.blur(near, (2 * radius + 1, 2 * radius + 1)), 4, cv.CMP_LT)
        before = cv.bitwise_and(free, cv.compare(self.looks, LEARNING.known, cv.CMP_GE))
        self._follow_light(small, before)
        differs = self._differs(small)
        if self._has_moved(differs, before):
            self.forget()
            self._last_ns = t_ns
            return True
        self._take_in(frame, small, free, differs)
        known = cv.bitwise_and(free, cv.compare(self.looks, LEARNING.known, cv.CMP_GE))
        share = cv.countNonZero(known) / max(cv.countNonZero(free), 1)
        self._is_known = share > (LEARNING.still_enough if self._is_known else LEARNING.enough)
        if self._is_known:
            self._haste = LEARNING.hasty
        self._learning = share < 1 - LEARNING.to_learn or self._strange > 0
        self._to_guess = (small, free) if person is not None and not self._strange else None
        self._erode()
        return True

    def guess(self) -> bool:
        """Close narrow gaps beside what the last look left known, unless they are; whether there were any.

        Call it when there is time.
        """
        if self._to_guess is None:
            return False
        (small, free), self._to_guess = self._to_guess, None
        known = cv.compare(self.looks, LEARNING.known, cv.CMP_GE)
        if cv.countNonZero(cv.bitwise_xor(known, self._told)) < GUESS.newly * known.size:
            return False
        self._told = known
        self._guess(small, known, free)
        self._erode()
        return True

    def _erode(self) -> None:
        self._known = cv.erode(self.known, np.ones((3, 3), np.uint8))

    def _differs(self, small: Picture) -> Picture:
        off = cv.absdiff(small, cv.convertScaleAbs(self._mean))
        blue, green, red = cv.split(off)
        differs = cv.compare(cv.max(cv.max(blue, green), red), LEARNING.same, cv.CMP_GT)
        return np.asarray(differs, np.uint8)

    def _follow_light(self, small: Picture, known: Picture) -> None:
        """Brighten or darken the background as its visible part has become."""
        step = (slice(3, None, 8), slice(3, None, 8))
        chosen = known[step] > 0
        if np.count_nonzero(chosen) < LEARNING.least:
            return
        now, was = small[step][chosen].astype(np.float32), self._mean[step][chosen]
        usable = ((was > 16) & (was < 235) & (now < 250)).all(axis=1)
        if np.count_nonzero(usable) < LEARNING.least:
            return
        gain = np.median(now[usable] / was[usable], axis=0).clip(*LEARNING.gain_limits)
        if np.abs(gain - 1).max() < LEARNING.gain_step:
            return
        levels = np.arange(256)[:, None] * gain
        table = levels.round().clip(0, 255).astype(np.uint8)[:, None]
        self.picture = cv.LUT(self.picture, table)
        self._mean = np.minimum(self._mean * gain.astype(np.float32), 255.0)

    def _has_moved(self, differs: Picture, known: Picture) -> bool:
        """Whether the background looks otherwise than it is known to, for the second time in a row.

        What is plain looks the same from everywhere: detail decides where there is enough of it.
        """
        grey = cv.convertScaleAbs(cv.cvtColor(self._mean, cv.COLOR_BGR2GRAY))
        kernel = np.ones((3, 3), np.uint8)
        detail = cv.compare(cv.morphologyEx(grey, cv.MORPH_GRADIENT, kernel), LEARNING.edge, cv.CMP_GT)
        strange = False
        for told in (known, cv.bitwise_and(known, detail)):
            count = cv.countNonZero(told)
            changed = cv.countNonZero(cv.bitwise_and(told, differs))
            strange |= count >= LEARNING.least and changed > LEARNING.moved * count
        self._strange = self._strange + 1 if strange else 0
        return self._strange >= 2

    def _take_in(self, frame: Picture, small: Picture, free: Picture, differs: Picture) -> None:
        if self._strange:  # a hand at the lens or a moved camera: wait for the next look
            return
        moving = cv.dilate(differs, np.ones((3, 3), np.uint8))
        same = cv.bitwise_and(free, cv.bitwise_not(moving))
        other = cv.bitwise_and(free, moving)
        looks = cv.min(cv.add(self.looks, cv.bitwise_and(same, 1)), LEARNING.sure)
        # What disagrees must do so several times before it takes the place of what was known.
        looks = cv.subtract(looks, cv.bitwise_and(other, 2))
        new = cv.bitwise_and(other, cv.compare(looks, 0, cv.CMP_EQ))
        cv.accumulateWeighted(small, self._mean, LEARNING.share, mask=same)
        cv.copyTo(small.astype(np.float32), new, self._mean)
        self.looks = cv.max(looks, cv.bitwise_and(new, 1))
        size = (frame.shape[1], frame.shape[0])
        cv.copyTo(frame, cv.resize(same, size, interpolation=cv.INTER_NEAREST), self.picture)

    def _guess(self, small: Picture, known: Picture, free: Picture) -> None:
        """Close the narrow gap between the person's outline and what is known by what lies beside it."""
        told = cv.max(known, free)
        reach = 2 * round(GUESS.reach * max(known.shape)) + 1
        near = cv.compare(cv.blur(known, (reach, reach)), 12, cv.CMP_GT)
        self._guessed = near  # what is forgotten of it meanwhile leaves no hole
        x, y, w, h = cv.boundingRect(cv.subtract(near, known))
        if not w:
            return
        x0, y0 = max(x - reach, 0) // 2 * 2, max(y - reach, 0) // 2 * 2
        x1, y1 = min(x + w + reach, known.shape[1]), min(y + h + reach, known.shape[0])
        part = (slice(y0, y1), slice(x0, x1))
        scale = min(1.0, GUESS.side / max(known.shape))
        size = (max(1, round((x1 - x0) * scale)), max(1, round((y1 - y0) * scale)))
        weight = told[part].astype(np.float32) / 255
        colour = cv.convertScaleAbs(self._mean[part])
        cv.copyTo(small[part], cv.bitwise_not(known[part]), colour)
        colour = cv.resize(colour * weight[..., None], size, interpolation=cv.INTER_AREA)
        weight = cv.resize(weight, size, interpolation=cv.INTER_AREA)
        guess, done = np.zeros_like(colour), np.zeros_like(weight)
        for wide, high in GUESS.blurs:
            more = cv.blur(weight, (wide, high))
            trust = np.minimum(more * 4, 1.0) * (1.0 - done)
            guess += cv.blur(colour, (wide, high)) * (trust / np.maximum(more, 1e-3))[..., None]
            done += trust
        guess = cv.convertScaleAbs(guess / np.maximum(done, 1e-3)[..., None])
        # Of the whole picture, as what is seen is taken in: a part of it would be rounded otherwise, and
        # pixels between the two would never be written.
        unknown = np.zeros_like(known)
        unknown[part] = cv.bitwise_not(known[part])
        unknown = cv.resize(unknown, self._size, interpolation=cv.INTER_NEAREST)
        across, down = self._size[0] / known.shape[1], self._size[1] / known.shape[0]
        fx0, fx1 = int(x0 * across), min(int(np.ceil(x1 * across)), self._size[0])
        fy0, fy1 = int(y0 * down), min(int(np.ceil(y1 * down)), self._size[1])
        guess = cv.resize(guess, (fx1 - fx0, fy1 - fy0), interpolation=cv.INTER_LINEAR)
        cv.copyTo(guess, unknown[fy0:fy1, fx0:fx1], self.picture[fy0:fy1, fx0:fx1])

    # Showing it -----------------------------------------------------------------------------------

    def restore(self, frame: Picture, drawing: Drawing, masks: Picture, covers: tuple[bool, bool]) -> None:
        """Show the background in ``frame``, in place, where worn clothes show beside body and garment.

        masks: (h, w, 4) as in ``messages.Body``, without the last channel nothing is hidden; covers:
        whether a garment is worn on trunk or arms, and on the legs. Call it before the drawing is blended
        in.
        """
        seen = self._size == (frame.shape[1], frame.shape[0])
        if drawing.ids is None or not seen or not self._is_known or masks.shape[2] < 4 or not any(covers):
            return
        if max(masks.shape[:2]) > SHOWING.side:
            # The garment covers one edge of what is hidden, the background the other.
            masks = masks[::2, ::2]
        sx, sy = masks.shape[1] / frame.shape[1], masks.shape[0] / frame.shape[0]
        x0, y0, x1, y1 = drawing.frame_box
        left, top = int(x0 * sx), int(y0 * sy)
        width, height = round((x1 - x0) * sx), round((y1 - y0) * sy)
        part = np.ascontiguousarray(masks[top : top + height, left : left + width])
        height, width = part.shape[:2]
        if min(height, width) < 8:
            return
        known = self._known_at(
            (left / sx, top / sy, (left + width) / sx, (top + height) / sy), (width, height)
        )
        if cv.countNonZero(known) < SHOWING.little * known.size:
            return
        hide = worn_residual(part, drawing, drawing.px_per_m * sx, covers)
        hide = cv.min(self._whole_parts(hide, known, (left, top), masks.shape[:2]), known)
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
        """Of ``hide`` (h, w) the connected parts behind which the background is known nearly everywhere.

        A sleeve of which pieces are missing looks torn. What is hidden stays so a little longer. ``at``:
        x, y of ``hide`` in the masks of this ``size``.
        """
        last = self._hiding
        self._hiding = np.zeros(size[:2], np.uint8)
        count, labels = cv.connectedComponents(cv.compare(hide, 20, cv.CMP_GT), connectivity=4)
        if count == 1:
            return hide
        box = (slice(at[1], at[1] + hide.shape[0]), slice(at[0], at[0] + hide.shape[1]))
        total = np.maximum(np.bincount(labels.ravel(), minlength=count), 1)
        told = np.bincount(labels[known > 170], minlength=count) / total
        needed = np.full(count, SHOWING.whole)
        if last.shape == self._hiding.shape:
            before = np.bincount(labels[last[box] > 0], minlength=count) / total
            needed[before > 0.5] = SHOWING.still_whole
        passed = ((told >= needed) * 255).astype(np.uint8)
        passed[0] = 0
        shown = passed[labels]
        self._hiding[box] = shown
        return np.asarray(cv.min(hide, shown), np.uint8)

    def _known_at(self, box: tuple[float, float, float, float], size: tuple[int, int]) -> Picture:
        """How far the background is known (h, w) in a box of the frame, at another resolution."""
        scale = self.looks.shape[1] / self._size[0]
        x0, y0, x1, y1 = (round(v * scale) for v in box)
        known = self._known[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]
        if known.shape[1::-1] != size:
            known = cv.resize(known, size, interpolation=cv.INTER_LINEAR)
        return known
