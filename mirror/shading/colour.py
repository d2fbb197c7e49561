"""Colour: sRGB and linear light, luminance, CIE Lab (D65), CIEDE2000."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mirror.types import F32

__all__ = [
    "LINEAR_OF_BYTE",
    "LUMINANCE_BGR",
    "LUMINANCE_RGB",
    "SRGB_TO_XYZ",
    "delta_e",
    "to_lab",
    "to_linear",
    "to_srgb",
]

#: Linear sRGB (r, g, b) to CIE XYZ under D65 (IEC 61966-2-1).
SRGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])

#: Relative luminance of linear R, G, B (ITU-R BT.709), and of B, G, R.
LUMINANCE_RGB = np.array([0.2126, 0.7152, 0.0722])
LUMINANCE_BGR = LUMINANCE_RGB[::-1].copy()

#: (256,) linear light 0..1 of an 8-bit sRGB value.
LINEAR_OF_BYTE = np.where(
    np.arange(256) / 255 <= 0.04045,
    np.arange(256) / 255 / 12.92,
    ((np.arange(256) / 255 + 0.055) / 1.055) ** 2.4,
).astype(np.float32)


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
    xyz = to_linear(srgb).astype(np.float64) @ SRGB_TO_XYZ.T / _WHITE
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
