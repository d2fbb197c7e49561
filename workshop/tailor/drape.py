"""How cloth hangs: tubes around torso, arms and legs that bridge hollows and fall from what bulges.

A tube samples a surface on a grid of rings around an axis. The grid's points and the way back are
fixed mixtures of vertices, so one tube serves every body shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d
from scipy.spatial import ConvexHull, cKDTree

from mirror.types import F64

_AROUND = 96


def smoothstep(x: F64, low: float, high: float) -> F64:
    """0 below ``low``, 1 above ``high``, smooth between (also with low > high, then falling)."""
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    out: F64 = t * t * (3 - 2 * t)
    return out


@dataclass(frozen=True)
class Limb:
    """A bent axis: joint, middle joint, end; gives points along it and around it.

    ``along`` is the way from the joint in metres (negative before it), ``angle`` the turn about
    the axis from ``front`` (a direction) towards its left side.
    """

    start: F64
    middle: F64
    end: F64
    front: F64

    def coordinates(self, points: F64) -> tuple[F64, F64]:
        """(along, angle) of points (N, 3)."""
        upper, lower = self.middle - self.start, self.end - self.middle
        reach = float(np.linalg.norm(upper))
        upper, lower = upper / reach, lower / np.linalg.norm(lower)
        bend = upper + lower
        bend = bend / np.linalg.norm(bend)
        share = smoothstep((points - self.middle) @ bend, -0.06, 0.06)
        along = (1 - share) * ((points - self.start) @ upper) + share * (
            reach + (points - self.middle) @ lower
        )
        axis = (1 - share)[:, None] * upper + share[:, None] * lower
        axis /= np.linalg.norm(axis, axis=1, keepdims=True)
        centre = np.where(
            (along < reach)[:, None],
            self.start + along[:, None] * upper,
            self.middle + (along - reach)[:, None] * lower,
        )
        ahead = self.front - (axis @ self.front)[:, None] * axis
        ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
        aside = np.cross(axis, ahead)
        away = points - centre
        return along, np.arctan2((away * aside).sum(1), (away * ahead).sum(1))


@dataclass(frozen=True)
class Hang:
    """What a tube does to its rings.

    ``hull``: bridge hollows around the ring. ``fall``: how fast cloth may narrow on its way down
    (metres a metre); ``rise``: the same looking up from below. ``round_start``, ``round_end``:
    how much a ring is evened to its mean radius at either end. ``ease``: metres added, at either
    end.
    """

    hull: bool = True
    fall: float = 0.2
    rise: float = 0.5
    round_start: float = 0.0
    round_end: float = 0.0
    ease: tuple[float, float] = (0.0, 0.0)


class Tube:
    """Rings around an axis over some vertices of a surface.

    Made from the mean surface's coordinates: ``along`` and ``angle`` (V,) of its vertices, ``use``
    (V,) the vertices that belong to the tube, ``low`` and ``high`` its ends.
    """

    def __init__(self, along: F64, angle: F64, use: NDArray[np.bool_], low: float, high: float) -> None:
        self.count = len(along)
        self.s = np.arange(low, high, 0.015)
        self.low, self.high = low, high
        theta = (np.arange(_AROUND) + 0.5) / _AROUND * 2 * np.pi - np.pi
        ring, turn = np.meshgrid(self.s, theta, indexing="ij")
        # Each grid point is a mixture of the nearest vertices, weighted by nearness: smooth, and
        # free of the holes that a triangulation of the coordinates has at the ends.
        radius = 0.12
        place = np.stack([along, radius * np.cos(angle), radius * np.sin(angle)], axis=1)
        which = np.flatnonzero(use & (along > low - 0.05) & (along < high + 0.05))
        spots = np.stack([ring.ravel(), radius * np.cos(turn).ravel(), radius * np.sin(turn).ravel()], axis=1)
        distance, index = cKDTree(place[which]).query(spots, k=6)
        weight = np.exp(-((distance / (distance[:, :1] + 0.008)) ** 2))
        weight /= weight.sum(1, keepdims=True)
        rows = np.repeat(np.arange(len(spots)), 6)
        self.to_grid = sp.csr_matrix((weight.ravel(), (rows, which[index].ravel())), (len(spots), self.count))
        self.from_grid = self._back(along, angle)

    def _back(self, along: F64, angle: F64) -> Any:
        """Bilinear weights from the grid to every vertex (V, grid)."""
        i = np.clip((along - self.low) / 0.015, 0, len(self.s) - 1.001)
        j = (angle + np.pi) / (2 * np.pi) * _AROUND - 0.5
        i0, j0 = np.floor(i).astype(int), np.floor(j).astype(int)
        fi, fj = i - i0, j - j0
        rows, columns, values = [], [], []
        for di, wi in ((0, 1 - fi), (1, fi)):
            for dj, wj in ((0, 1 - fj), (1, fj)):
                rows.append(np.arange(self.count))
                columns.append((i0 + di) * _AROUND + (j0 + dj) % _AROUND)
                values.append(wi * wj)
        shape = (self.count, len(self.s) * _AROUND)
        return sp.csr_matrix((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape)

    def push(self, points: F64, hang: Hang, upright: bool) -> F64:
        """How far (V, 3) ``points`` (V, 3) move to hang in this tube."""
        grid = (self.to_grid @ points).reshape(len(self.s), _AROUND, 3)
        centre = gaussian_filter1d(grid.mean(1), 1.0, axis=0, mode="nearest")
        axis = np.gradient(centre, axis=0)
        axis /= np.linalg.norm(axis, axis=1, keepdims=True)
        if upright:
            axis[:] = (0.0, -1.0, 0.0)
        away = grid - centre[:, None]
        away -= (away * axis[:, None]).sum(-1, keepdims=True) * axis[:, None]
        r = np.linalg.norm(away, axis=-1)
        outward = away / np.maximum(r, 1e-9)[..., None]
        step = np.linalg.norm(np.diff(centre, axis=0), axis=1)
        # Ring angles as they are on this body, for hulls.
        side = np.cross(axis, outward[:, 0])
        turn = np.arctan2((outward * side[:, None]).sum(-1), (outward * outward[:, :1]).sum(-1))
        wide = np.stack([_hull_radius(t, q) for t, q in zip(turn, r, strict=True)]) if hang.hull else r.copy()
        for k in range(1, len(wide)):
            wide[k] = np.maximum(wide[k], wide[k - 1] - hang.fall * step[k - 1])
        for k in range(len(wide) - 2, -1, -1):
            wide[k] = np.maximum(wide[k], wide[k + 1] - hang.rise * step[k])
        share = np.linspace(0, 1, len(wide))[:, None]
        even = hang.round_start + (hang.round_end - hang.round_start) * share
        mean = np.sqrt((wide**2).mean(1, keepdims=True))
        wide = np.maximum(wide, wide * (1 - even) + mean * even)
        wide += hang.ease[0] + (hang.ease[1] - hang.ease[0]) * share
        wide = gaussian_filter(wide, (1.5, 2.0), mode=("nearest", "wrap"))
        # Each vertex goes to the cloth's radius from wherever it is, so that nothing of the
        # body's relief is left in it.
        spread = np.repeat(np.stack([centre, axis]), _AROUND, axis=1)
        middle, along = self.from_grid @ spread[0], self.from_grid @ spread[1]
        along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
        own = points - middle
        own -= (own * along).sum(1, keepdims=True) * along
        reach = np.maximum(np.linalg.norm(own, axis=1, keepdims=True), 1e-6)
        moved: F64 = (self.from_grid @ wide.reshape(-1, 1) - reach) * own / reach
        return moved


def _hull_radius(turn: F64, r: F64) -> F64:
    """Radius of the convex hull of a ring, at the ring's own angles."""
    flat = np.stack([r * np.cos(turn), r * np.sin(turn)], axis=1)
    hull = ConvexHull(flat)
    normals, offsets = hull.equations[:, :2], hull.equations[:, 2]
    ray = np.stack([np.cos(turn), np.sin(turn)], axis=1) @ normals.T
    reach = np.where(ray > 1e-9, -offsets / np.maximum(ray, 1e-9), np.inf).min(1)
    out: F64 = np.maximum(reach, r)
    return out


def smoothed(values: F64, neighbours: Any, times: int) -> F64:
    """Values (V, ...) evened out over a surface's neighbours."""
    for _ in range(times):
        values = 0.5 * values + 0.5 * (neighbours @ values)
    return values


def clear_of(points: F64, body: F64, normals: F64, gap: F64) -> F64:
    """``points`` (V, 3) pushed out of a body's vertices and normals (N, 3) to at least ``gap`` (V,)."""
    distance, index = cKDTree(body).query(points, k=4)
    weight = 1.0 / (distance + 1e-3)
    weight /= weight.sum(1, keepdims=True)
    near = (body[index] * weight[..., None]).sum(1)
    out = (normals[index] * weight[..., None]).sum(1)
    out /= np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9)
    height = ((points - near) * out).sum(1)
    short = np.where(distance[:, 0] < 0.06, np.maximum(gap - height, 0.0), 0.0)
    moved: F64 = points + short[:, None] * out
    return moved
