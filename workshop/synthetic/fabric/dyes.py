"""The dyes of a picture of cloth: which colours it has, and the same cloth dyed in others."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from mirror.shading.colour import to_lab, to_linear, to_srgb
from mirror.types import F32


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
