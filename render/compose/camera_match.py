"""Gives what is drawn the camera's own blur and grain, and a resolution no finer than the camera sees.

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
from render.gpu.drawing import Ratio
from render.gpu.id_buffer import Box

__all__ = ["CameraMatch", "Grain", "ImageQuality", "measure"]


@dataclass(frozen=True)
class QualityParameters:
    """How blur and noise are measured. Set by hand, within the papers' methods.

    window: px looked at, about the garment. block: px, of which the ``calm`` share tells the noise, of
    those that are neither black nor white. edges: share of the pixels that are edges strong enough to
    tell the blur. strong: least gradient of one, grey levels a pixel. most_noise: grey levels; more is no
    camera's. again: px, deviation of the second blur.
    """

    window: tuple[int, int] = (384, 288)
    block: int = 16
    calm: float = 0.25
    edges: float = 0.015
    strong: float = 24.0
    most_noise: float = 12.0
    again: float = 1.0


@dataclass(frozen=True)
class MatchParameters:
    """How a drawing is matched to the measured quality.

    Set by hand but for enlarged: a drawing at a share r of the frame's resolution, enlarged linearly, has a
    blur of 0.5 / r frame px: the deviations of its own pixel, r^-1 / sqrt(12), and of the tent,
    r^-1 / sqrt(6). crisp, soft: px, an edge of ours before and after a 3x3 blur. resolutions: to choose
    from. same_blur: a drawing may be this much more blurred than the camera. enough_px: a drawing of fewer
    pixels takes too little time to be made coarser. kept: of that; a drawing within these is left at the
    resolution that it has. every_frames: between two looks at the camera. settle: share of a new look in the
    running one.
    """

    crisp: float = 0.45
    soft: float = 0.95
    enlarged: float = 0.5
    resolutions: tuple[Ratio, ...] = ((1, 1), (3, 4), (2, 3), (3, 5), (1, 2))
    same_blur: float = 1.06
    enough_px: int = 110_000
    kept: tuple[float, float] = (0.7, 1.5)
    every_frames: int = 25
    settle: float = 0.4


QUALITY = QualityParameters()
MATCH = MatchParameters()
_TILE = 256  # px of a side of the grain
_STEP = 0.25  # grey levels between the grains that are kept


@dataclass(frozen=True)
class ImageQuality:
    """``blur``: deviation of the camera's edges, px; ``noise``: deviation of luma, grey levels of 255."""

    blur: float
    noise: float

    def nearer(self, other: ImageQuality, share: float) -> ImageQuality:
        """``share`` 0..1 of the way to another measurement."""
        return ImageQuality(
            self.blur + share * (other.blur - self.blur), self.noise + share * (other.noise - self.noise)
        )

    def softness(self, resolution: Ratio = (1, 1)) -> float:
        """How much of a 3x3 blur brings the edges of a drawing (p, q) to the camera's, 0..1."""
        blur = self.blur * resolution[0] / resolution[1]
        return float(np.clip((blur - MATCH.crisp) / (MATCH.soft - MATCH.crisp), 0.0, 1.0))

    def resolution(self, area: int, before: Ratio) -> Ratio:
        """How finely to draw, (p, q) as ``Drawing`` says, what covers ``area`` px of the frame.

        A large drawing may be as coarse as the camera is blurred: nobody sees the difference, and the
        time goes with its pixels. ``before``: of the last drawing; what is nearly right is kept.
        """
        most_blur, enough = MATCH.same_blur * self.blur, MATCH.enough_px
        fitting = [(p, q) for p, q in MATCH.resolutions if MATCH.enlarged * q / p <= most_blur]
        fitting = fitting or [MATCH.resolutions[0]]
        pixels = {(p, q): area * p * p / (q * q) for p, q in fitting}
        if before in pixels and MATCH.kept[0] * enough < pixels[before] < MATCH.kept[1] * enough:
            return before
        return min(fitting, key=lambda ratio: (pixels[ratio] < enough, abs(pixels[ratio] - enough)))


def measure(frame: Picture, box: Box) -> ImageQuality | None:
    """Blur and noise of ``frame`` (H, W, 3) BGR about ``box``; None where nothing tells them."""
    height, width = frame.shape[:2]
    w, h = min(QUALITY.window[0], width), min(QUALITY.window[1], height)
    # The head's end of the garment: edges of chin, hair and shoulders.
    x = int(np.clip((box[0] + box[2]) / 2 - w / 2, 0, width - w))
    y = int(np.clip(box[1] - h / 2, 0, height - h))
    grey = cv.cvtColor(frame[y : y + h, x : x + w], cv.COLOR_BGR2GRAY)
    noise = _noise(grey)
    if noise is None:
        return None
    blur = _blur(grey, noise)
    return ImageQuality(MATCH.crisp if blur is None else blur, noise)


def _noise(grey: Picture) -> float | None:
    block = QUALITY.block
    rows, columns = grey.shape[0] // block * block, grey.shape[1] // block * block
    if rows < block or columns < block:
        return None
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    edges = np.abs(cv.filter2D(grey, cv.CV_16S, kernel))[:rows, :columns]

    def means(picture: NDArray[Any]) -> NDArray[np.float64]:
        blocks = picture[:rows, :columns].reshape(rows // block, block, columns // block, block)
        return np.asarray(blocks.mean((1, 3), dtype=np.float64)).reshape(-1)

    level = means(grey)
    fair = means(edges)[(level > 12) & (level < 243)]
    if len(fair) < 8:
        return None
    deviation = np.sqrt(np.pi / 2) / 6 * float(np.quantile(fair, QUALITY.calm))
    return float(min(deviation, QUALITY.most_noise))


def _blur(grey: Picture, noise: float) -> float | None:
    sharp = grey.astype(np.float32)
    soft = cv.GaussianBlur(sharp, (0, 0), QUALITY.again)
    before, after = (
        cv.magnitude(cv.Sobel(p, cv.CV_32F, 1, 0, scale=0.25), cv.Sobel(p, cv.CV_32F, 0, 1, scale=0.25))
        for p in (sharp, soft)
    )
    least = max(QUALITY.strong, 6 * noise, float(np.quantile(before[::2, ::2], 1 - QUALITY.edges)))
    # The crest of an edge alone tells how wide it is.
    crest = (before >= least) & (before >= cv.dilate(before, np.ones((3, 3), np.uint8)))
    if np.count_nonzero(crest) < 20:
        return None
    ratio = np.maximum(before[crest] / np.maximum(after[crest], 1e-3), 1.001)
    return float(np.clip(np.median(QUALITY.again / np.sqrt(ratio**2 - 1)), 0.2, 3.0))


class CameraMatch:
    """Of one renderer: ``watch`` each frame, before anything is drawn into it; the rest while blending."""

    def __init__(self) -> None:
        self._quality: ImageQuality | None = None
        self._grain = Grain()
        self._frames = 0
        self._resolution: Ratio = (1, 1)

    def watch(self, frame: Picture, box: Box) -> None:
        """Measure the camera's blur and noise from time to time: ``frame`` (H, W, 3) BGR about ``box``."""
        if self._frames % MATCH.every_frames == 0:
            fresh = measure(frame, box)
            if fresh is not None:
                known = self._quality
                self._quality = fresh if known is None else known.nearer(fresh, MATCH.settle)
        self._frames += 1
        if self._quality is not None:
            area = (box[2] - box[0]) * (box[3] - box[1])
            self._resolution = self._quality.resolution(area, self._resolution)

    @property
    def resolution(self) -> Ratio:
        """How finely to draw the next frame, see ``Drawing``: a close-up no finer than the camera sees."""
        return self._resolution

    def softness(self, resolution: Ratio) -> float:
        """How much of a 3x3 blur a drawing of this resolution takes to be as soft as the frame, 0..1."""
        return 0.0 if self._quality is None else self._quality.softness(resolution)

    def add_grain(self, cloth: Picture) -> None:
        """Give cloth (h, w, 3) BGR the camera's grain, in place."""
        if self._quality is not None:
            self._grain.add(cloth, self._quality.noise, self._frames)


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
        laid = self._brighter.shape
        if step != self._step or laid[0] < height + _TILE or laid[1] < width + _TILE:
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
