"""A garment's own relief and shade, as pictures over its panels: folds, bands, stitches, occlusion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from inference.body.surface import vertex_normals
from mirror.types import F32, F64, I64, cv
from render.garments.kinds import Band, GarmentKind
from workshop.tailor.atlas import Atlas, spread
from workshop.tailor.cut_page import Cut
from workshop.tailor.cut_surface import boundary_edges
from workshop.tailor.drape import Limb, smoothstep
from workshop.tailor.folds import Folds
from workshop.tailor.panels import pieces
from workshop.tailor.shapes import HIP_Y, Place

OPEN = 240  # as in the renderer
_VOXEL_M = 0.015
_RAYS = 64
_REACH_M = 0.30  # what is further away shades nothing
_INSIDE = 0.55  # light left on the strip that is turned in


@dataclass(frozen=True)
class Detail:
    """Pictures over a garment's panels.

    ``uv`` (V, 2): 0..1 across and down them. ``normal`` (H, W, 3) uint8 RGB, as a fabric's;
    ``occlusion`` (H, W) uint8: the share of the light that arrives, ``OPEN`` where all does (ridges
    catch a little more).
    """

    uv: F32
    normal: NDArray[np.uint8]
    occlusion: NDArray[np.uint8]


def _bands(kind: GarmentKind, place: Place) -> list[tuple[NDArray[np.bool_], Band]]:
    """Which vertices (V,) of open edges get which band."""
    y, on_arm, bands = place.points[:, 1], place.armness > 0.6, kind.cutting
    if kind.slot == "bottom":
        top = y > HIP_Y + 0.05
        return [(top, bands.upper_band), (~top, bands.hem_band)]
    if bands.cuff_band is not None:
        neck = (y > 1.15) & ~on_arm
        return [(neck, bands.upper_band), (on_arm, bands.cuff_band), (y < 1.15, bands.hem_band)]
    return [(y > 1.1, bands.upper_band), (y <= 1.1, bands.hem_band)]


def make(
    kind: GarmentKind,
    cut: Cut,
    place: Place,
    surface: I64,
    faces: I64,
    old: I64,
    uv: F64,
    body: tuple[F64, I64],
    axes: dict[str, Limb],
) -> Detail:
    """The detail of a cut garment.

    ``place`` and ``surface`` (F, 3): the outer cloth; ``faces`` and ``uv`` (V, 2): the finished
    garment's, of which the vertices up to ``len(old)`` are the outer cloth cut open, copies of
    its vertices ``old``; ``body``: skin vertices and faces of the mean body.
    """
    cloth = faces[(faces < len(old)).all(1)]
    atlas = Atlas.pack(uv, pieces(faces))
    shade = _open_sky(place.points, surface, *body)
    values = np.concatenate([place.points, place.armness[:, None], shade[:, None]], axis=1)[old]
    drawn, filled = atlas.drawn(cloth, np.concatenate([values, np.zeros((len(uv) - len(old), 5))]))
    strip = atlas.drawn(faces[(faces >= len(old)).any(1)], np.zeros((len(uv), 1)))[1] & ~filled
    shape = filled.shape
    points = drawn[..., :3].reshape(-1, 3).astype(np.float64)
    both = {name: limb.coordinates(points) for name, limb in axes.items()}
    at = Place(
        points,
        drawn[..., 3].ravel().astype(np.float64),
        {n: b[0] for n, b in both.items()},
        {n: b[1] for n, b in both.items()},
    )
    height = cut.folds * Folds(kind, cut.sleeve / 100, cut.leg / 100).heights(at)
    height, line = _worked_edges(height, kind, place, surface, points)
    seam = _seam_distance(place.points, cloth, old, points)
    height = height - 0.0007 * np.exp(-((seam / 0.0022) ** 2)).astype(np.float32)
    line = line * (1 - 0.15 * np.exp(-((seam / 0.0018) ** 2)))
    height, line = height.reshape(shape), line.reshape(shape)

    slope_x = cv.Sobel(height, cv.CV_32F, 1, 0, ksize=3, scale=1 / (8 * atlas.pixel_m))
    slope_y = -cv.Sobel(height, cv.CV_32F, 0, 1, ksize=3, scale=1 / (8 * atlas.pixel_m))
    inner = cv.erode(filled.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    slopes = spread(np.stack([slope_x, slope_y], axis=-1), inner)
    slopes[strip] = 0.0
    normal = np.dstack([-slopes, np.ones(shape)])
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    # Valleys see less of the sky: those the width of a finger more than broad ones.
    valley = np.zeros(shape)
    for radius, share in ((0.006, 40.0), (0.016, 17.0)):
        valley += share * np.clip(gaussian_filter(height, radius / atlas.pixel_m) - height, -0.002, 0.006)
    light = drawn[..., 4] * line * np.clip(1.0 - valley, 0.62, 1.06)
    light = spread(light, filled)
    light[strip] = _INSIDE
    return Detail(
        atlas.uv.astype(np.float32),
        np.clip(np.round(normal * 127.5 + 127.5), 0, 255).astype(np.uint8),
        np.clip(np.round(light * OPEN), 0, 255).astype(np.uint8),
    )


def _worked_edges(
    height: F32, kind: GarmentKind, place: Place, surface: I64, points: F64
) -> tuple[F32, NDArray[Any]]:
    """Heights with folds calmed and ribs raised at the edges (N,), and the light left by stitches (N,)."""
    line = np.ones(len(points))
    edges = boundary_edges(surface)
    for which, band in _bands(kind, place):
        own = edges[which[edges].all(1)]
        if not len(own):
            continue
        steps = np.linspace(0, 1, 12, endpoint=False)
        a, b = place.points[own[:, 0]], place.points[own[:, 1]]
        dense = (a[:, None] + steps[None, :, None] * (b - a)[:, None]).reshape(-1, 3)
        distance, nearest = cKDTree(dense).query(points, distance_upper_bound=band.width + 0.03)
        near = np.isfinite(distance)
        d = np.where(near, distance, 1.0)
        # Open hems flutter on: only what is sewn to a band lies calm.
        calm = 0.75 if band.raised or band.ribs else 0.3
        height = height * (1 - calm * smoothstep(d, band.width + 0.012, band.width - 0.004)).astype(
            np.float32
        )
        inside = smoothstep(d, band.width + 0.0012, band.width - 0.0012)
        height = height + (band.raised * inside).astype(np.float32)
        line *= 1 - 0.2 * np.exp(-(((d - band.width) / 0.0016) ** 2))
        line *= 1 - 0.12 * np.exp(-((d / 0.003) ** 2))
        if band.ribs:
            # Which rib: the way along the edge to the nearest point of it.
            turn = _way_along(own, place.points, len(steps))[np.where(near, nearest, 0)]
            wave = np.cos(2 * np.pi * turn / band.ribs)
            height = height + (0.0005 * inside * wave).astype(np.float32)
            line *= 1 - 0.10 * inside * (0.5 - 0.5 * wave)
    return height, line


def _way_along(edges: I64, points: F64, steps: int) -> F64:
    """Metres along each loop of directed ``edges``, at ``steps`` points to an edge (E * steps,)."""
    following = {int(a): k for k, (a, _) in enumerate(edges)}
    length = np.linalg.norm(points[edges[:, 1]] - points[edges[:, 0]], axis=1)
    start = np.full(len(edges), -1.0)
    for first in range(len(edges)):
        k, way = first, 0.0
        while k is not None and start[k] < 0:
            start[k] = way
            way += float(length[k])
            nxt = following.get(int(edges[k, 1]))
            if nxt is None:
                break
            k = nxt
    share = np.linspace(0, 1, steps, endpoint=False)
    out: F64 = (start[:, None] + share[None] * length[:, None]).ravel()
    return out


def _seam_distance(outer: F64, cloth: I64, old: I64, points: F64) -> NDArray[Any]:
    """Distance (N,) to the nearest seam, metres, 1 where there is none within a centimetre."""
    edges = boundary_edges(cloth)
    ends, counts = np.unique(np.sort(old[edges], axis=1), axis=0, return_counts=True)
    ends = ends[counts > 1]
    if not len(ends):
        return np.ones(len(points))
    steps = np.linspace(0, 1, 12)
    a, b = outer[ends[:, 0]], outer[ends[:, 1]]
    dense = (a[:, None] + steps[None, :, None] * (b - a)[:, None]).reshape(-1, 3)
    distance, _ = cKDTree(dense).query(points, distance_upper_bound=0.01)
    return np.where(np.isfinite(distance), distance, 1.0)


def _open_sky(points: F64, faces: I64, skin: F64, skin_faces: I64) -> F64:
    """Share of the light (V,) that reaches outer cloth past the garment and the body themselves.

    Rays are followed through a grid of cells that either touches.
    """
    solid = np.concatenate([_strewn(points, faces), _strewn(skin, skin_faces)])
    low = solid.min(0) - 2 * _VOXEL_M
    count = np.ceil((solid.max(0) - low) / _VOXEL_M).astype(int) + 3
    grid = np.zeros(count, bool)
    grid[tuple(((solid - low) / _VOXEL_M).astype(int).T)] = True
    # Directions spread evenly over the sphere; those below the cloth count for nothing.
    k = np.arange(2 * _RAYS) + 0.5
    up, turn = 1 - k / _RAYS, np.pi * (1 + 5**0.5) * k
    rays = np.stack([np.sqrt(1 - up**2) * np.cos(turn), up, np.sqrt(1 - up**2) * np.sin(turn)], axis=1)
    normals = vertex_normals(points, faces)
    start = points + 1.8 * _VOXEL_M * normals
    total, free = np.zeros(len(points)), np.zeros(len(points))
    for ray in rays:
        # Rooms are lit from above more than from the floor.
        weight = np.maximum(normals @ ray - 0.1, 0) * (1.0 + 0.6 * ray[1])
        blocked = np.zeros(len(points), bool)
        for reach in np.arange(_VOXEL_M, _REACH_M, _VOXEL_M):
            cell = ((start + reach * ray - low) / _VOXEL_M).astype(int)
            valid = ((cell >= 0) & (cell < count)).all(1)
            blocked |= valid & grid[tuple(np.where(valid[:, None], cell, 0).T)]
        total += weight
        free += weight * ~blocked
    share = free / np.maximum(total, 1e-9)
    out: F64 = 0.45 + 0.55 * share
    return out


def _strewn(points: F64, faces: I64) -> F64:
    """Points all over a surface, closer together than a cell."""
    a, b, c = (points[faces[:, k]] for k in range(3))
    out = [points]
    for p, q in ((1 / 3, 1 / 3), (0.5, 0.5), (0.5, 0.0), (0.0, 0.5), (0.2, 0.6), (0.6, 0.2), (0.2, 0.2)):
        out.append(a + p * (b - a) + q * (c - a))
    return np.concatenate(out)
