"""Image quilting, the baseline: patches of a real swatch laid with overlaps and cut along the best seam.

Efros and Freeman, "Image Quilting for Texture Synthesis and Transfer", SIGGRAPH 2001.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mirror.types import F32


def quilt(
    source: NDArray[np.uint8],
    size: int,
    rng: np.random.Generator,
    *,
    block: int = 36,
    overlap: int = 12,
    candidates: int = 160,
    tolerance: float = 0.1,
) -> NDArray[np.uint8]:
    """A picture (size, size, 3) uint8 quilted from ``source`` (H, W, 3) uint8, both sides > ``block`` px."""
    texture = source.astype(np.float32)
    step = block - overlap
    count = -(-(size - overlap) // step)
    out = np.zeros((count * step + overlap, count * step + overlap, 3), np.float32)
    for row in range(count):
        for col in range(count):
            y, x = row * step, col * step
            here = out[y : y + block, x : x + block]
            patches = _draw(texture, block, candidates, rng)
            cost = np.zeros(len(patches), np.float32)
            if col:
                cost += ((patches[:, :, :overlap] - here[:, :overlap]) ** 2).sum((1, 2, 3))
            if row:
                cost += ((patches[:, :overlap] - here[:overlap]) ** 2).sum((1, 2, 3))
            good = np.flatnonzero(cost <= cost.min() * (1 + tolerance) + 1e-6)
            patch = patches[rng.choice(good)]
            mask = np.ones((block, block), bool)
            if col:
                mask[:, :overlap] &= _seam(((patch - here) ** 2).sum(2)[:, :overlap])
            if row:
                mask[:overlap] &= _seam(((patch - here) ** 2).sum(2)[:overlap].T).T
            here[mask] = patch[mask]
    return np.rint(out[:size, :size]).clip(0, 255).astype(np.uint8)


def _draw(texture: F32, block: int, count: int, rng: np.random.Generator) -> F32:
    h, w = texture.shape[:2]
    ys, xs = rng.integers(h - block + 1, size=count), rng.integers(w - block + 1, size=count)
    return np.stack([texture[y : y + block, x : x + block] for y, x in zip(ys, xs, strict=True)])


def _seam(cost: F32) -> NDArray[np.bool_]:
    """True to the right of the cheapest path from top to bottom of (H, W), the path included."""
    h, w = cost.shape
    total = cost.astype(np.float64)
    for i in range(1, h):
        above = total[i - 1]
        left = np.concatenate([[np.inf], above[:-1]])
        right = np.concatenate([above[1:], [np.inf]])
        total[i] += np.minimum(above, np.minimum(left, right))
    path = np.zeros(h, np.int64)
    path[-1] = int(total[-1].argmin())
    for i in range(h - 2, -1, -1):
        low = max(path[i + 1] - 1, 0)
        path[i] = low + int(total[i, low : path[i + 1] + 2].argmin())
    return np.arange(w)[None, :] >= path[:, None]
