"""How blurred and how noisy a camera's frames are, and grain to match.

Blur: the ratio of gradients before and after blurring once more, at strong edges (Zhuo and Sim 2011,
"Defocus map estimation from a single image"). Noise: the Laplacian difference of Immerkaer (1996,
"Fast noise variance estimation"), over the calmest blocks, so that texture does not count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirror.types import Picture, cv

Box = tuple[int, int, int, int]
Ratio = tuple[int, int]

_WINDOW = (384, 288)  # px looked at, about the garment
_BLOCK = 16  # px
_CALM = 0.25  # of the blocks that are neither black nor white tell the noise
_EDGES = 0.015  # of the pixels are edges strong enough to tell the blur
_STRONG = 24.0  # least gradient, grey levels a pixel, of such an edge
_MOST_NOISE = 12.0  # grey levels; more is no camera's
_AGAIN = 1.0  # px, deviation of the second blur
_CRISP, _SOFT = 0.45, 0.95  # px: an edge of ours before and after a 3x3 blur
# A drawing at a share r of the frame's resolution, enlarged linearly, has a blur of 0.5 / r frame px: the
# deviations of its own pixel, r^-1 / sqrt(12), and of the tent, r^-1 / sqrt(6).
_ENLARGED = 0.5
_RESOLUTIONS = ((1, 1), (3, 4), (2, 3), (3, 5), (1, 2))
_SAME_BLUR = 1.06  # a drawing may be this much more blurred than the camera
_ENOUGH_PX = 110_000  # a drawing of fewer pixels takes too little time to be made coarser
_KEPT = (0.7, 1.5)  # of that: a drawing within these is left at the resolution that it has
_TILE = 256
_STEP = 0.25  # grey levels between the grains that are kept


@dataclass(frozen=True)
class CameraMatch:
    """``blur``: deviation of the camera's edges, px; ``noise``: deviation of luma, grey levels of 255."""

    blur: float
    noise: float

    def nearer(self, other: CameraMatch, share: float) -> CameraMatch:
        """``share`` 0..1 of the way to another look."""
        return CameraMatch(
            self.blur + share * (other.blur - self.blur), self.noise + share * (other.noise - self.noise)
        )

    def softness(self, resolution: Ratio = (1, 1)) -> float:
        """How much of a 3x3 blur brings the edges of a drawing (p, q) to the camera's, 0..1."""
        blur = self.blur * resolution[0] / resolution[1]
        return float(np.clip((blur - _CRISP) / (_SOFT - _CRISP), 0.0, 1.0))

    def resolution(self, area: int, before: Ratio) -> Ratio:
        """How finely to draw, (p, q) as ``Drawing`` says, what covers ``area`` px of the frame.

        A large drawing may be as coarse as the camera is blurred: nobody sees the difference, and the
        time goes with its pixels. ``before``: of the last drawing; what is nearly right is kept.
        """
        fitting = [(p, q) for p, q in _RESOLUTIONS if _ENLARGED * q / p <= _SAME_BLUR * self.blur]
        fitting = fitting or [_RESOLUTIONS[0]]
        pixels = {(p, q): area * p * p / (q * q) for p, q in fitting}
        if before in pixels and _KEPT[0] * _ENOUGH_PX < pixels[before] < _KEPT[1] * _ENOUGH_PX:
            return before
        return min(fitting, key=lambda ratio: (pixels[ratio] < _ENOUGH_PX, abs(pixels[ratio] - _ENOUGH_PX)))


def look_at(frame: Picture, box: Box) -> CameraMatch | None:
    """The look of ``frame`` (H, W, 3) BGR about the middle of ``box``; None where it has nothing to go by."""
    height, width = frame.shape[:2]
    w, h = min(_WINDOW[0], width), min(_WINDOW[1], height)
    # The head's end of the garment: edges of chin, hair and shoulders.
    x = int(np.clip((box[0] + box[2]) / 2 - w / 2, 0, width - w))
    y = int(np.clip(box[1] - h / 2, 0, height - h))
    grey = cv.cvtColor(frame[y : y + h, x : x + w], cv.COLOR_BGR2GRAY)
    noise = _noise(grey)
    if noise is None:
        return None
    blur = _blur(grey, noise)
    return CameraMatch(_CRISP if blur is None else blur, noise)


def _noise(grey: Picture) -> float | None:
    rows, columns = grey.shape[0] // _BLOCK * _BLOCK, grey.shape[1] // _BLOCK * _BLOCK
    if rows < _BLOCK or columns < _BLOCK:
        return None
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    edges = np.abs(cv.filter2D(grey, cv.CV_16S, kernel))[:rows, :columns]

    def means(picture: NDArray[Any]) -> NDArray[np.float64]:
        blocks = picture[:rows, :columns].reshape(rows // _BLOCK, _BLOCK, columns // _BLOCK, _BLOCK)
        return np.asarray(blocks.mean((1, 3), dtype=np.float64)).reshape(-1)

    level = means(grey)
    fair = means(edges)[(level > 12) & (level < 243)]
    if len(fair) < 8:
        return None
    deviation = np.sqrt(np.pi / 2) / 6 * float(np.quantile(fair, _CALM))
    return float(min(deviation, _MOST_NOISE))


def _blur(grey: Picture, noise: float) -> float | None:
    sharp = grey.astype(np.float32)
    soft = cv.GaussianBlur(sharp, (0, 0), _AGAIN)
    before, after = (
        cv.magnitude(cv.Sobel(p, cv.CV_32F, 1, 0, scale=0.25), cv.Sobel(p, cv.CV_32F, 0, 1, scale=0.25))
        for p in (sharp, soft)
    )
    least = max(_STRONG, 6 * noise, float(np.quantile(before[::2, ::2], 1 - _EDGES)))
    # The crest of an edge alone tells how wide it is.
    crest = (before >= least) & (before >= cv.dilate(before, np.ones((3, 3), np.uint8)))
    if np.count_nonzero(crest) < 20:
        return None
    ratio = np.maximum(before[crest] / np.maximum(after[crest], 1e-3), 1.001)
    return float(np.clip(np.median(_AGAIN / np.sqrt(ratio**2 - 1)), 0.2, 3.0))


class Grain:
    """A tile of camera noise, laid over cloth at another place in every frame."""

    def __init__(self) -> None:
        rng = np.random.default_rng(17)
        fine = rng.standard_normal((_TILE, _TILE)).astype(np.float32)
        # Demosaicking and compression leave neighbours alike.
        tile = cv.GaussianBlur(np.pad(fine, 1, mode="wrap"), (3, 3), 0.5)[1:-1, 1:-1]
        self._tile = tile / tile.std()
        self._step = 0
        self._brighter = self._darker = np.zeros((0, 0, 3), np.uint8)

    def add(self, cloth: Picture, deviation: float, frame: int) -> None:
        """Grain of ``deviation`` grey levels on cloth (h, w, 3) BGR, in place.

        ``frame`` picks the place on the tile, so that a clip is given the same grain every time.
        """
        step = round(deviation / _STEP)
        if step == 0 or not cloth.size:
            return
        height, width = cloth.shape[:2]
        room = self._brighter.shape
        if step != self._step or room[0] < height + _TILE or room[1] < width + _TILE:
            self._lay(step, height, width)
        x, y = (frame * 97) % _TILE, (frame * 57) % _TILE
        here = (slice(y, y + height), slice(x, x + width))
        cv.add(cloth, self._brighter[here], dst=cloth)
        cv.subtract(cloth, self._darker[here], dst=cloth)

    def _lay(self, step: int, height: int, width: int) -> None:
        self._step = step
        levels = np.rint(self._tile * (step * _STEP))
        # A bit beyond, so that a garment that grows is not laid anew at every frame.
        times = (-(-height // _TILE) + 2, -(-width // _TILE) + 2, 1)
        laid = []
        for signed in (levels, -levels):
            grey = np.clip(signed, 0, 255).astype(np.uint8)
            laid.append(np.ascontiguousarray(np.tile(cv.merge([grey] * 3), times)))
        self._brighter, self._darker = laid
