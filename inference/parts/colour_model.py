"""Colours of the person and what is about them, as running histograms.

Learnt from places that the fit knows: face, crown, chest, thighs, room.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mirror.types import Picture, cv

BINS = (8, 64, 64)  # luma is coarse: a hand is lit otherwise than the face
SKIN, HAIR, CLOTH, ROOM, TROUSERS = range(5)
FLOOR = 2e-5  # probability of a colour never seen
UNLIKE = 1e-3  # of one that is not typical
_BLUR = 1.1  # bins
_BRIGHTER = 0.5  # weight of a colour one step of luma away
_WORN_FLOOR = 1e-4  # a colour less frequent than this in the worn clothes is none of theirs


def colour_bins(picture: Picture) -> NDArray[np.uint16]:
    """Histogram bin (h, w) of every pixel of a BGR picture: luma / 32, Cr / 4, Cb / 4."""
    luma, red, blue = cv.split(cv.cvtColor(picture, cv.COLOR_BGR2YCrCb))  # each in one piece is quicker
    bins = (luma >> 5).astype(np.uint16)
    bins <<= 6
    bins |= red >> 2
    bins <<= 6
    bins |= blue >> 2
    return np.asarray(bins)


class ColourModel:
    """Running colour histograms: skin, hair, worn top, room, what the thighs wear."""

    def __init__(self) -> None:
        self._counts = np.zeros((5, 8 * 64 * 64), np.float32)
        self._smooth = np.zeros_like(self._counts)
        self.known = np.zeros(5, bool)
        self._tables: dict[int, NDArray[np.float32]] = {}
        self._worn: Picture | None = None
        self._densities: NDArray[np.float32] | None = None

    def learn(self, kind: int, bins: NDArray[np.uint16], rate: float) -> None:
        """Blend the colours ``bins`` (n,) into a class; ``rate`` 0..1 is the new ones' share."""
        if len(bins) < 30:
            return
        fresh = np.bincount(bins, minlength=self._counts.shape[1]).astype(np.float32)
        fresh /= fresh.sum()
        if not self.known[kind]:
            rate = 1.0
        self._counts[kind] += rate * (fresh - self._counts[kind])
        self.known[kind] = True
        smooth = self._smooth[kind].reshape(BINS)
        blurred = np.stack([cv.GaussianBlur(p, (0, 0), _BLUR) for p in self._counts[kind].reshape(BINS)])
        # A quarter comes from each neighbour in luma, at the ends from the bin itself.
        np.multiply(blurred, 0.5, out=smooth)
        blurred *= 0.25
        smooth[1:] += blurred[:-1]
        smooth[:-1] += blurred[1:]
        smooth[[0, -1]] += blurred[[0, -1]]
        self._tables.clear()
        self._worn = None
        self._densities = None

    def evidence(self, kind: int, against: tuple[tuple[int, float], ...]) -> NDArray[np.float32]:
        """Log likelihood ratio per bin of ``kind`` against a mixture of (class, share).

        Of a class that is not known yet only what speaks against it: the typical colours of the first rival.
        """
        if kind not in self._tables:
            self._tables[kind] = self._ratio(kind, against)
        return self._tables[kind]

    def worn(self) -> Picture:
        """Whether each bin is a colour of the clothes and of no skin or hair: 255 the top's, 0 the legs'.

        128 is neither; what both are of counts as the top's.
        """
        if self._worn is None:
            top, legs = self._smooth[CLOTH], self._smooth[TROUSERS]
            clothes = np.maximum(top, legs)
            other = _WORN_FLOOR + self._smooth[SKIN] + 0.3 * self._smooth[HAIR]
            likely = clothes / (clothes + other)
            self._worn = np.asarray(128 + likely * np.where(top >= 0.5 * legs, 127, -128), np.uint8)
        return self._worn

    def densities(self, bins: NDArray[np.uint16]) -> NDArray[np.float32]:
        """How frequent the colours ``bins`` (n,) are in worn clothes, skin and hair: (3, n).

        Brightness counts little: a limb is lit otherwise than face and chest.
        """
        if self._densities is None:
            clothes = np.maximum(self._smooth[CLOTH], self._smooth[TROUSERS])
            tables = np.stack([clothes, self._smooth[SKIN], self._smooth[HAIR]])
            luma = np.arange(BINS[0])
            near = np.float32(_BRIGHTER) ** np.abs(luma[:, None] - luma).astype(np.float32)
            self._densities = (near @ tables.reshape(3, BINS[0], -1)).reshape(3, -1)
        return np.asarray(self._densities[:, bins])

    def _ratio(self, kind: int, against: tuple[tuple[int, float], ...]) -> NDArray[np.float32]:
        if not self.known[kind]:  # what looks like its first rival is none of it
            return np.asarray(
                np.minimum(np.log(UNLIKE / (self._smooth[against[0][0]] + FLOOR)), 0.0), np.float32
            )
        other = np.zeros(self._counts.shape[1], np.float32)
        for rival, share in against:
            if self.known[rival]:
                other += share * self._smooth[rival]
        return np.asarray(np.log((self._smooth[kind] + FLOOR) / (other + FLOOR)), np.float32)
