"""Yarn-level surfaces on a torus: interlaced and knitted yarn, their relief, shading and fuzz.

Pictures are N x N and wrap in both directions. x runs across the warp (columns of warp yarns),
y along it. Heights are relative, 0 the deepest gap and about 1 the top of a yarn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mirror.types import F32

Index = NDArray[np.int64]


@dataclass(frozen=True)
class YarnSurface:
    """A yarn surface. ``height`` and ``shade`` (N, N): relief, and the light that the gaps keep back.

    ``across`` and ``along`` (N, N): the index of the warp yarn (or wale) and of the weft yarn (or
    course) of each pixel. ``warp_up`` (N, N) bool: the warp shows there.
    """

    height: F32
    shade: F32
    across: Index
    along: Index
    warp_up: NDArray[np.bool_]


def smooth_noise(rng: np.random.Generator, size: int, sigma_y: float, sigma_x: float) -> F32:
    """Gaussian noise (size, size) blurred on the torus by the given sigmas in px, unit variance."""
    noise = np.fft.rfft2(rng.standard_normal((size, size), np.float32))
    fy, fx = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :]
    noise *= np.exp(-2 * np.pi**2 * ((sigma_y * fy) ** 2 + (sigma_x * fx) ** 2))
    noise[0, 0] = 0
    out = np.fft.irfft2(noise, (size, size))
    return np.asarray(out / (out.std() + 1e-9), np.float32)


def yarn_noise(rng: np.random.Generator, yarns: int, size: int, correlation: float) -> F32:
    """One smooth random thread of values per yarn, (yarns, size), unit variance, wrapping along it."""
    noise = rng.standard_normal((yarns, size), np.float32)
    out = ndimage.gaussian_filter1d(noise, correlation, axis=1, mode="wrap")
    return np.asarray(out / (out.std() + 1e-9), np.float32)


def interlacing(kind: str, steps: int = 4) -> NDArray[np.bool_]:
    """The weave's plan (R, R): True where the warp lies on top, rows are weft yarns.

    plain 1/1; twill 2/2; denim 3/1 twill; satin of 5 or 8 ends (warp-faced).
    """
    if kind == "plain":
        return np.array([[True, False], [False, True]])
    if kind == "satin":
        ends, move = (8, 3) if steps == 8 else (5, 2)
        plan = np.ones((ends, ends), bool)
        plan[np.arange(ends), np.arange(ends) * move % ends] = False
        return plan
    row = np.array({"twill": [1, 1, 0, 0], "denim": [1, 1, 1, 0]}[kind], bool)
    return np.stack([np.roll(row, j) for j in range(4)])


def woven(
    rng: np.random.Generator,
    size: int,
    warps: int,
    wefts: int,
    plan: NDArray[np.bool_],
    *,
    wander: float = 0.12,
    slub: float = 0.12,
    relief: float = 1.0,
) -> YarnSurface:
    """Two systems of yarns interlaced by ``plan``; ``warps`` and ``wefts`` are yarns on the torus.

    ``wander``: how far yarns stray, in yarn widths; ``slub``: spread of a yarn's thickness along it.
    """
    n_rows, n_cols = plan.shape
    grid = (np.arange(size, dtype=np.float32) + 0.5) / size
    pitch = size / max(warps, wefts)
    u = grid[None, :] * warps + wander * smooth_noise(rng, size, 3.0 * pitch, 1.2 * pitch)
    v = grid[:, None] * wefts + wander * smooth_noise(rng, size, 1.2 * pitch, 3.0 * pitch)
    # Counts that are no multiple of the plan would tear it at the border: callers give multiples.
    i, j = np.floor(u).astype(np.int64) % warps, np.floor(v).astype(np.int64) % wefts
    fu, fv = (u - np.floor(u) - 0.5).astype(np.float32), (v - np.floor(v) - 0.5).astype(np.float32)
    up = plan[j % n_rows, i % n_cols]

    def float_end(f: F32, before: NDArray[np.bool_], after: NDArray[np.bool_]) -> F32:
        # Distance from the nearer end of the float, 0 at its dive under the other system, 1 away from it.
        ends = np.ones_like(f)
        ends = np.where(before != up, np.minimum(ends, (f + 0.5) * 1.6), ends)
        return np.where(after != up, np.minimum(ends, (0.5 - f) * 1.6), ends)

    along_warp = float_end(fv, plan[(j - 1) % n_rows, i % n_cols], plan[(j + 1) % n_rows, i % n_cols])
    along_weft = float_end(fu, plan[j % n_rows, (i - 1) % n_cols], plan[j % n_rows, (i + 1) % n_cols])
    rows, cols = np.arange(size)[:, None], np.arange(size)[None, :]
    thick = np.where(
        up,
        yarn_noise(rng, warps, size, 1.5 * pitch)[i, rows],
        yarn_noise(rng, wefts, size, 1.5 * pitch)[j, cols],
    )
    width = np.clip(0.47 * (1.0 + slub * thick), 0.3, 0.62)
    cross = np.where(up, fu, fv)
    round_ = np.sqrt(np.clip(1.0 - (cross / width) ** 2, 0.0, 1.0))
    dive = np.where(up, along_warp, along_weft)
    height = (0.25 + 0.75 * round_) * (0.55 + 0.45 * np.sin(np.clip(dive, 0, 1) * np.pi / 2))
    # The twist of the plies: fine slanting lines along the yarn.
    run = np.where(up, fv + j, fu + i)
    twist = np.sin(2 * np.pi * (run * 2.0 + cross * 1.3))
    height = height + 0.05 * twist * round_
    shade = 0.5 + 0.55 * np.clip(height, 0, 1.2) ** 0.8 + 0.04 * twist * round_
    return YarnSurface(
        (height * relief).astype(np.float32),
        _level(1.0 + relief * (shade - shade.mean())),
        np.broadcast_to(i, up.shape),
        np.broadcast_to(j, up.shape),
        up,
    )


def knitted(
    rng: np.random.Generator, size: int, wales: int, courses: int, rib: int = 0, *, wander: float = 0.06
) -> YarnSurface:
    """Weft knit: columns of V-shaped loops; with ``rib`` > 0, that many wales face and as many back."""
    grid = (np.arange(size, dtype=np.float32) + 0.5) / size
    pitch = size / max(wales, courses)
    u = grid[None, :] * wales + wander * smooth_noise(rng, size, 3 * pitch, 1.5 * pitch)
    v = grid[:, None] * courses + wander * smooth_noise(rng, size, 1.5 * pitch, 3 * pitch)
    i = np.floor(u).astype(np.int64) % wales
    fu = (u - np.floor(u) - 0.5).astype(np.float32)
    # Each leg of the loop leans outward as it rises, which makes the V.
    lift = v + 0.55 * (1.0 - 2.0 * np.abs(fu))
    j = np.floor(lift).astype(np.int64) % courses
    f = (lift - np.floor(lift) - 0.5).astype(np.float32)
    leg = np.sqrt(np.clip(1.0 - ((np.abs(fu) - 0.25) / 0.27) ** 2, 0, 1))
    loop = np.sqrt(np.clip(1.0 - (f / 0.56) ** 2, 0, 1))
    height = 0.2 + 0.8 * leg * (0.35 + 0.65 * loop)
    # Plies run along the leg.
    height += 0.05 * np.sin(2 * np.pi * (f * 1.5 + np.sign(fu) * (np.abs(fu) - 0.25) * 3)) * leg
    thick = yarn_noise(rng, courses, size, 2 * pitch)[j, np.arange(size)[None, :]]
    height *= 1.0 + 0.06 * thick
    shade = 0.5 + 0.55 * np.clip(height, 0, 1.2)
    if rib > 0:
        # Back wales sink behind the face wales and show the purl side: arcs instead of Vs.
        period = u / (2 * rib)
        across = np.cos(2 * np.pi * (period - np.floor(period)) - np.pi / 2)
        face = 1 / (1 + np.exp(-6 * across))
        purl_f = v + 0.2 * np.cos(2 * np.pi * u)
        purl = np.sqrt(np.clip(1 - ((purl_f - np.floor(purl_f) - 0.5) / 0.55) ** 2, 0, 1))
        back = 0.15 + 0.35 * purl
        height = face * (0.45 + 0.55 * height) + (1 - face) * back * 0.6
        shade = 0.42 + 0.6 * np.clip(height, 0, 1.2)
    return YarnSurface(
        height.astype(np.float32),
        _level(shade),
        np.broadcast_to(i, height.shape),
        np.broadcast_to(j, height.shape),
        np.ones(height.shape, bool),
    )


def fuzz(rng: np.random.Generator, size: int, strength: float) -> F32:
    """A multiplier (size, size) near 1: the nap, loose fibres in both directions and broad unevenness."""
    fibres = smooth_noise(rng, size, 0.6, 2.2) + smooth_noise(rng, size, 2.2, 0.6)
    broad = smooth_noise(rng, size, size / 14, size / 14)
    out = 1.0 + strength * (0.055 * fibres + 0.03 * smooth_noise(rng, size, 0.7, 0.7) + 0.018 * broad)
    return np.asarray(out, np.float32)


def _level(shade: NDArray[np.floating]) -> F32:
    """The shade scaled to mean 1, so that a yarn's colour is the cloth's colour at arm's length."""
    return np.asarray(shade / shade.mean(), np.float32)
