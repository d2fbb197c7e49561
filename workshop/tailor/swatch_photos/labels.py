"""Automatic labels of a swatch photo: dominant colours, repeat by autocorrelation, a guess of the class."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inference.fabric.classes import COLOURS, NAMES
from inference.fabric.palette import random_palette
from mirror.shading.colour import delta_e, to_lab, to_linear
from mirror.types import F32
from workshop.synthetic.fabric.dyes import dominant_colours
from workshop.synthetic.fabric.weave import weave

#: Words in a file's name that tell the class better than its pixels do.
_WORDS = {
    "denim": "denim",
    "jean": "denim",
    "tartan": "tartan",
    "plaid": "tartan",
    "gingham": "gingham",
    "houndstooth": "houndstooth",
    "stripe": "stripe",
    "dot": "dots",
    "floral": "floral",
    "flower": "floral",
    "melange": "melange",
    "heather": "melange",
    "rib": "rib",
    "jersey": "jersey",
    "knit": "jersey",
    "satin": "satin",
    "twill": "twill",
    "linen": "plain",
    "canvas": "plain",
    "weave": "plain",
    "check": "gingham",
    "basket": "plain",
    "ripstop": "plain",
    "felt": "melange",
}
_PARAMETERS = {"tile": 128, "examples": 10}


@dataclass(frozen=True)
class Repeat:
    """One repeat: ``length`` in px, ``direction`` in degrees from the x axis (0..180), ``strength`` 0..1."""

    length: float
    direction: float
    strength: float


def luminance(picture: NDArray[np.uint8]) -> F32:
    """CIE lightness 0..100, (H, W), of an sRGB picture (H, W, 3) uint8."""
    return np.ascontiguousarray(to_lab(picture.astype(np.float32) / 255)[..., 0])


def autocorrelation(signal: NDArray[np.floating]) -> F32:
    """Autocorrelation (H, W) of a picture that need not tile, 1 at zero lag, lag (0, 0) in the middle.

    Zero-padded and divided by the overlap, so long lags are not played down.
    """
    h, w = signal.shape
    centred = signal - signal.mean()
    spectrum = np.fft.rfft2(centred, (2 * h, 2 * w))
    raw = np.fft.irfft2(np.abs(spectrum) ** 2, (2 * h, 2 * w))
    raw = np.fft.fftshift(raw)[h // 2 : h // 2 + h, w // 2 : w // 2 + w]
    overlap_y = h - np.abs(np.arange(h) - (h - h // 2))
    overlap_x = w - np.abs(np.arange(w) - (w - w // 2))
    out = raw / np.maximum(overlap_y[:, None] * overlap_x[None, :], 1)
    return np.asarray(out / max(float(centred.var()), 1e-9), np.float32)


def find_repeats(picture: NDArray[np.uint8], detrend_px: float = 0.0) -> tuple[Repeat, Repeat] | None:
    """The two shortest independent repeats of the strongest periodicity, or None where there is none.

    ``detrend_px`` > 0 takes out everything slower than that many px first: the yarns rather than the
    pattern. A peak counts when it is a local maximum, at least 0.15 high and within 15 % of the best.
    """
    signal = luminance(picture)
    if detrend_px:
        signal = signal - ndimage.gaussian_filter(signal, detrend_px)
    h, w = signal.shape
    correlation = ndimage.gaussian_filter(autocorrelation(signal), 0.7)
    cy, cx = h - h // 2, w - w // 2
    peaks = correlation == ndimage.maximum_filter(correlation, 3)
    y, x = np.nonzero(peaks)
    dy, dx = y - cy, x - cx
    far = np.hypot(dy, dx)
    # Half the plane is the other half's mirror image; lags past 45 % have too little overlap.
    keep = (
        (far >= 2) & (np.abs(dy) < 0.45 * h) & (np.abs(dx) < 0.45 * w) & ((dy > 0) | ((dy == 0) & (dx > 0)))
    )
    y, x, dy, dx, far = y[keep], x[keep], dy[keep], dx[keep], far[keep]
    height = correlation[y, x]
    if not len(height) or height.max() < 0.15:
        return None
    strong = height >= max(0.15, 0.85 * float(height.max()))
    order = np.argsort(far[strong], kind="stable")
    dy, dx, far, height = (a[strong][order] for a in (dy, dx, far, height))
    angle = np.degrees(np.arctan2(dy, dx)) % 180
    first = Repeat(float(far[0]), float(angle[0]), float(min(height[0], 1)))
    turn = np.abs((angle - angle[0] + 90) % 180 - 90)
    other = np.flatnonzero(turn > 30)
    if not len(other):
        return first, Repeat(first.length, (first.direction + 90) % 180, 0.0)
    k = int(other[0])
    return first, Repeat(float(far[k]), float(angle[k]), float(min(height[k], 1)))


def wave_vectors(first: Repeat, second: Repeat) -> F32:
    """The lattice's two wave vectors (2, 2) in cycles a px, (x, y): the dual of the two repeats."""
    basis = np.array(
        [
            [r.length * np.cos(np.radians(r.direction)), r.length * np.sin(np.radians(r.direction))]
            for r in (first, second)
        ]
    )
    return np.asarray(np.linalg.inv(basis).T, np.float32)


def find_waves(light: NDArray[np.floating], height: NDArray[np.floating], *, torus: bool) -> F32:
    """The wave vectors (2, 2) of a cloth with no pattern, in cycles a picture, (x, y), shortest first.

    ``light`` and ``height`` (N, N) 0..1; ``torus``: they wrap. Of the spectrum's strong peaks the two
    coarsest that point apart. What repeats less often than seven times is unevenness, no weave. Where
    there is one peak, the second lies square to it; where there is none, yarns of 4 px.
    """
    n = len(light)
    window = np.ones((n, n)) if torus else np.hanning(n)[:, None] * np.hanning(n)
    power = np.zeros((n, n))
    for part in (light, height):
        seen = np.abs(np.fft.fft2((part - part.mean()) * window)) ** 2
        power += seen / max(float(seen.sum()), 1e-9)
    y, x = (np.rint(f * n) for f in np.meshgrid(np.fft.fftfreq(n), np.fft.fftfreq(n), indexing="ij"))
    far = np.hypot(x, y)
    power = ndimage.gaussian_filter(power, 0.7, mode="wrap") * ((far >= 7) & ((y > 0) | ((y == 0) & (x > 0))))
    # A peak must stand out of its ring, or the fall of the spectrum alone would pass for a weave.
    ring = np.rint(far).astype(int)
    inside = np.bincount(ring.ravel(), far.ravel() >= 7)
    level = (np.bincount(ring.ravel(), power.ravel()) / np.maximum(inside, 1))[ring]
    peaks = (power == ndimage.maximum_filter(power, 5, mode="wrap")) & (power > 6 * level)
    if not peaks.any():
        return np.diag([n / 4, n / 4]).astype(np.float32)
    peaks &= power >= 0.2 * power[peaks].max()
    order = np.argsort(far[peaks], kind="stable")
    found = np.stack([x[peaks], y[peaks]], -1)[order]
    first = found[0]
    apart = np.abs(found @ np.array([-first[1], first[0]])) > 0.35 * np.hypot(*first) * np.hypot(*found.T)
    second = found[apart][0] if apart.any() else np.array([-first[1], first[0]])
    if abs(first[1]) > abs(first[0]) and abs(second[0]) >= abs(second[1]):
        first, second = second, first
    return np.stack([first, second]).astype(np.float32)


def find_palette(picture: NDArray[np.uint8]) -> F32:
    """1 to 4 dominant colours, sRGB 0..1 (k, 3), the commonest first; alike ones (ΔE2000 < 14) are merged."""
    small = cv2.GaussianBlur(picture, (0, 0), 1.0)
    centres, share = dominant_colours(np.asarray(small, np.uint8), 6)
    pixels = small.reshape(-1, 3).astype(np.float32) / 255
    lab = to_lab(pixels)
    kept: list[int] = []
    for k in range(len(centres)):
        if share[k] < 0.04 and kept:
            continue
        if all(float(delta_e(centres[k], centres[j])) > 14 for j in kept):
            kept.append(k)
    kept = kept[:4]
    owner = ((lab[:, None] - centres[None, kept]) ** 2).sum(2).argmin(1)
    return np.stack([np.median(pixels[owner == i], 0) for i in range(len(kept))]).astype(np.float32)


def fit_palette(picture: NDArray[np.uint8], palette: F32, fewest: int, most: int) -> F32:
    """The palette (k, 3) sRGB with ``fewest`` to ``most`` colours: yarns that mix to the picture.

    Of too many, those are kept whose mixtures of any two come nearest to the pixels, in linear light:
    the light red of a red and white gingham is no yarn. To too few, the picture's darkest or lightest
    tenth is added, whichever lies farther.
    """
    pixels = (
        cv2.resize(picture, (48, 48), interpolation=cv2.INTER_AREA).reshape(-1, 3).astype(np.float32) / 255
    )
    if len(palette) > most:
        linear = to_linear(pixels)
        choices = [np.asarray(palette[list(c)]) for c in itertools.combinations(range(len(palette)), most)]
        return min(choices, key=lambda c: _mixing_error(linear, to_linear(c)))
    order = np.argsort(pixels.mean(1), kind="stable")
    tenth = max(1, len(order) // 10)
    ends = [np.median(pixels[part], 0) for part in (order[:tenth], order[-tenth:])]
    out = [np.asarray(c, np.float32) for c in palette]
    while len(out) < fewest and ends:
        far = [min(float(delta_e(to_lab(e), to_lab(c))) for c in out) for e in ends]
        out.append(np.asarray(ends.pop(int(np.argmax(far))), np.float32))
    return np.stack(out)


def _mixing_error(pixels: F32, colours: F32) -> float:
    """Mean distance of pixels (n, 3) to the nearest mixture of two (or of the one) of the colours (k, 3)."""
    best = np.full(len(pixels), np.inf)
    for a, b in itertools.combinations_with_replacement(range(len(colours)), 2):
        along = colours[b] - colours[a]
        share = np.clip((pixels - colours[a]) @ along / max(float(along @ along), 1e-9), 0, 1)
        best = np.minimum(best, np.linalg.norm(pixels - colours[a] - share[:, None] * along, axis=1))
    return float(best.mean())


def describe(picture: NDArray[np.uint8]) -> F32:
    """A descriptor of the texture: the power spectrum in rings and sectors, contrast and colours."""
    side = min(picture.shape[:2])
    light = luminance(picture[:side, :side])
    window = np.hanning(side)
    power = np.abs(np.fft.fftshift(np.fft.fft2((light - light.mean()) * window[:, None] * window))) ** 2
    y, x = np.indices(power.shape) - side // 2
    ring = np.clip(np.log2(np.maximum(np.hypot(y, x), 1)) * 2, 0, 2 * np.log2(side / 2)).astype(int)
    sector = ((np.degrees(np.arctan2(y, x)) + 11.25) % 180 // 22.5).astype(int)
    cells = np.bincount((ring * 8 + sector).ravel(), power.ravel(), minlength=(ring.max() + 1) * 8)
    share = np.log(cells / power.sum() + 1e-5)
    chroma = to_lab(picture.astype(np.float32) / 255)[..., 1:].reshape(-1, 2).std(0)
    return np.concatenate([share, [2 * np.log(light.std() + 0.5), *(np.log(chroma + 0.5))]]).astype(
        np.float32
    )


@lru_cache(maxsize=1)
def _bank() -> tuple[F32, F32, F32]:
    rows = []
    for index, name in enumerate(NAMES):
        for k in range(_PARAMETERS["examples"]):
            rng = np.random.default_rng([977, index, k])
            count = int(rng.integers(COLOURS[name][0], COLOURS[name][1] + 1))
            rows.append(describe(weave(name, random_palette(rng, count), _PARAMETERS["tile"], rng).albedo))
    table = np.array(rows)
    mean, spread = table.mean(0), table.std(0) + 1e-3
    return (table - mean) / spread, mean, spread


def guess_class(picture: NDArray[np.uint8], name: str = "") -> str:
    """The likeliest class: by a telling word in the file's name, else by its nearest woven textures."""
    for word, known in _WORDS.items():
        if word in name.lower():
            return known
    tile = _PARAMETERS["tile"]
    h, w = picture.shape[:2]
    scale = tile / min(h, w)
    seen = (
        cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else picture
    )
    seen = np.ascontiguousarray(seen[:tile, :tile])
    if min(seen.shape[:2]) < tile:
        seen = cv2.resize(seen, (tile, tile), interpolation=cv2.INTER_CUBIC)
    table, mean, spread = _bank()
    far = ((table - (describe(np.asarray(seen, np.uint8)) - mean) / spread) ** 2).sum(1)
    near = np.argsort(far, kind="stable")[:5]
    votes = np.bincount(near // _PARAMETERS["examples"], 1 / (1 + far[near]), minlength=len(NAMES))
    return NAMES[int(votes.argmax())]
