"""Colour: sRGB and linear light, CIE Lab (D65), CIEDE2000, palettes written as hex, dominant colours."""

from __future__ import annotations

import itertools
import re

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mirror.errors import MirrorError
from mirror.types import F32

_HEX = re.compile(r"#?([0-9a-fA-F]{6}|[0-9a-fA-F]{3})")
_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])


def to_linear(srgb: ArrayLike) -> F32:
    """Linear light 0..1 of sRGB values 0..1, any shape."""
    s = np.asarray(srgb, np.float32)
    return np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4).astype(np.float32)


def to_srgb(linear: ArrayLike) -> F32:
    """The sRGB values 0..1 of linear light, clipped to 0..1, any shape."""
    x = np.clip(np.asarray(linear, np.float32), 0.0, 1.0)
    return np.where(x <= 0.0031308, x * 12.92, 1.055 * x ** (1 / 2.4) - 0.055).astype(np.float32)


def to_lab(srgb: ArrayLike) -> F32:
    """CIE Lab under D65 of sRGB values 0..1, (..., 3)."""
    xyz = to_linear(srgb).astype(np.float64) @ _TO_XYZ.T / _WHITE
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1).astype(np.float32)


def delta_e(lab_a: ArrayLike, lab_b: ArrayLike) -> F32:
    """CIEDE2000 between Lab colours (..., 3), broadcast; kL = kC = kH = 1.

    Sharma, Wu and Dalal, "The CIEDE2000 color-difference formula", Color Research and
    Application 30 (2005); the tests hold it to that paper's table.
    """
    a, b = np.asarray(lab_a, np.float64), np.asarray(lab_b, np.float64)
    a, b = np.broadcast_arrays(a, b)
    c_mean7 = ((np.hypot(a[..., 1], a[..., 2]) + np.hypot(b[..., 1], b[..., 2])) / 2) ** 7
    g = 1.5 - 0.5 * np.sqrt(c_mean7 / (c_mean7 + 25.0**7))
    a1, a2 = a[..., 1] * g, b[..., 1] * g
    c1, c2 = np.hypot(a1, a[..., 2]), np.hypot(a2, b[..., 2])
    h1, h2 = np.arctan2(a[..., 2], a1) % (2 * np.pi), np.arctan2(b[..., 2], a2) % (2 * np.pi)
    grey = c1 * c2 == 0
    dh = (h2 - h1 + np.pi) % (2 * np.pi) - np.pi
    # A half turn has no sign of its own: the formula takes h2 - h1 as it stands there.
    dh = np.where(grey, 0.0, np.where(np.isclose(np.abs(h2 - h1), np.pi), h2 - h1, dh))
    d_light, d_chroma = b[..., 0] - a[..., 0], c2 - c1
    d_hue = 2 * np.sqrt(c1 * c2) * np.sin(dh / 2)
    light, chroma = (a[..., 0] + b[..., 0]) / 2, (c1 + c2) / 2
    far = np.abs(h1 - h2) > np.pi
    hue = np.where(
        grey, h1 + h2, (h1 + h2 + np.where(far, np.where(h1 + h2 < 2 * np.pi, 1, -1), 0) * 2 * np.pi) / 2
    )
    t = (
        1
        - 0.17 * np.cos(hue - np.pi / 6)
        + 0.24 * np.cos(2 * hue)
        + 0.32 * np.cos(3 * hue + np.pi / 30)
        - 0.20 * np.cos(4 * hue - np.radians(63))
    )
    s_light = 1 + 0.015 * (light - 50) ** 2 / np.sqrt(20 + (light - 50) ** 2)
    s_chroma, s_hue = 1 + 0.045 * chroma, 1 + 0.015 * chroma * t
    turn = np.radians(60) * np.exp(-(((np.degrees(hue) - 275) / 25) ** 2))
    r = -2 * np.sqrt(chroma**7 / (chroma**7 + 25.0**7)) * np.sin(turn)
    l_, c_, h_ = d_light / s_light, d_chroma / s_chroma, d_hue / s_hue
    return np.asarray(np.sqrt(np.maximum(l_**2 + c_**2 + h_**2 + r * c_ * h_, 0.0)), np.float32)


def redye(picture: F32, palette: F32, other: F32) -> F32:
    """The cloth (H, W, 3) sRGB 0..1 with its yarns of ``palette`` (k, 3) dyed in ``other`` (k, 3).

    Each pixel is taken for a mixture of two of the yarns in linear light, times the light on it.
    """
    pixels, was, will = to_linear(picture).reshape(-1, 3), to_linear(palette), to_linear(other)
    best = np.full(len(pixels), np.inf, np.float32)
    before, after = np.empty_like(pixels), np.empty_like(pixels)
    for a, b in itertools.combinations_with_replacement(range(len(was)), 2):
        along = was[b] - was[a]
        share = np.clip((pixels - was[a]) @ along / max(float(along @ along), 1e-9), 0, 1)[:, None]
        mixed = was[a] + share * along
        far = np.linalg.norm(pixels - mixed, axis=1)
        nearer = far < best
        best = np.where(nearer, far, best)
        before[nearer], after[nearer] = mixed[nearer], (will[a] + share * (will[b] - will[a]))[nearer]
    light = (pixels.mean(1) + 0.004) / (before.mean(1) + 0.004)
    return to_srgb(after * light[:, None]).reshape(picture.shape)


def parse_palette(text: str) -> F32:
    """The colours of "#7a1f1f,#10243f" as sRGB 0..1, (n, 3), 1 to 4 of them.

    MirrorError if one is no colour or there are none or too many.
    """
    words = [w.strip() for w in text.split(",") if w.strip()]
    if not 1 <= len(words) <= 4:
        raise MirrorError(f"palette {text!r}: give one to four colours, such as #7a1f1f,#10243f")
    out = []
    for word in words:
        if not _HEX.fullmatch(word):
            raise MirrorError(f"palette: {word!r} is no colour; write it as #rrggbb, such as #7a1f1f")
        digits = word.lstrip("#")
        digits = digits if len(digits) == 6 else "".join(d + d for d in digits)
        out.append([int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)])
    return np.array(out, np.float32)


def write_palette(palette: ArrayLike) -> str:
    """The palette (n, 3) sRGB 0..1 as "#rrggbb,#rrggbb"."""
    rows = np.clip(np.rint(np.asarray(palette, np.float32) * 255), 0, 255).astype(int)
    return ",".join("#{:02x}{:02x}{:02x}".format(*row) for row in rows)


def dominant_colours(
    picture: NDArray[np.uint8], count: int, *, seed: int = 0, samples: int = 4096
) -> tuple[F32, F32]:
    """k-means in Lab over the pixels of an sRGB picture (H, W, 3) uint8.

    Returns the ``count`` centres in Lab (count, 3) and each one's share of the pixels (count,),
    the largest share first. Fixed seed: the same picture gives the same colours.
    """
    rng = np.random.default_rng(seed)
    pixels = picture.reshape(-1, 3)
    if len(pixels) > samples:
        pixels = pixels[rng.choice(len(pixels), samples, replace=False)]
    lab = to_lab(pixels.astype(np.float32) / 255)
    # k-means++ seeding, then Lloyd's iteration.
    centres = [lab[rng.integers(len(lab))]]
    while len(centres) < count:
        nearest = np.min([((lab - c) ** 2).sum(1) for c in centres], axis=0) + 1e-6
        centres.append(lab[rng.choice(len(lab), p=nearest / nearest.sum())])
    middle = np.array(centres)
    for _ in range(12):
        owner = ((lab[:, None] - middle[None]) ** 2).sum(2).argmin(1)
        for k in range(count):
            if (owner == k).any():
                middle[k] = lab[owner == k].mean(0)
    owner = ((lab[:, None] - middle[None]) ** 2).sum(2).argmin(1)
    share = np.asarray(np.bincount(owner, minlength=count) / len(lab), np.float32)
    order = np.argsort(-share, kind="stable")
    return middle[order].astype(np.float32), share[order]
