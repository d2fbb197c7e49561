"""Palettes: the one to four colours of a fabric, written as hex, read, drawn at random."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import ArrayLike

from mirror.errors import MirrorError
from mirror.types import F32

_HEX = re.compile(r"#?([0-9a-fA-F]{6}|[0-9a-fA-F]{3})")


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


def random_palette(rng: np.random.Generator, count: int) -> F32:
    """``count`` sRGB colours (count, 3) that lie apart: cloth colours, from near black to near white."""
    while True:
        hue, chroma = rng.uniform(0, 2 * np.pi, count), rng.uniform(0, 1, count) ** 1.3 * 0.62
        light = rng.uniform(0.08, 0.93, count)
        axes = np.stack([np.cos(hue - k * 2 * np.pi / 3) for k in range(3)], -1)
        room = np.minimum(light, 1 - light)[:, None]
        out = np.clip(light[:, None] + axes * chroma[:, None] * (0.25 + 0.9 * room), 0.02, 0.97)
        apart = np.linalg.norm(out[:, None] - out[None], axis=-1) + np.eye(count) * 9
        if count == 1 or apart.min() > 0.22:
            return np.asarray(out, np.float32)
