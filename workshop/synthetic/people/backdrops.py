"""Rooms behind the people of the proof: a floor, walls and what hangs on them, by casting rays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mirror.types import F32, F64, Picture, cv

_CEILING_M = 2.9


@dataclass(frozen=True)
class BackdropRoom:
    """A box around the person, seeded. Distances of its walls from the person in metres."""

    seed: int
    back_m: float = 1.6
    side_m: float = 3.2


@dataclass(frozen=True)
class Camera:
    """World (metres, y up, floor at 0) to camera space (OpenCV axes), and the lens in px."""

    rotation: F64
    translation: F64
    focal: float
    size: tuple[int, int]

    @classmethod
    def looking(
        cls, centre: F64, target: F64, field_of_view_deg: float, size: tuple[int, int], roll: float = 0.0
    ) -> Camera:
        """At ``centre``, turned to ``target``; the field of view spans the picture's longer side."""
        forward = (target - centre) / np.linalg.norm(target - centre)
        right = np.cross(forward, [0.0, 1.0, 0.0])
        right /= np.linalg.norm(right)
        down = np.cross(forward, right)
        rotation = np.stack([right, down, forward])
        c, s = np.cos(roll), np.sin(roll)
        rotation = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ rotation
        focal = 0.5 * max(size) / float(np.tan(np.radians(field_of_view_deg) / 2))
        return cls(rotation, -rotation @ centre, focal, size)

    @property
    def lens(self) -> tuple[float, float, float, float]:
        """fx, fy, cx, cy in px."""
        return (self.focal, self.focal, self.size[0] / 2, self.size[1] / 2)

    def place(self, bones: F64) -> F32:
        """Skinning matrices (J, 3, 4) into the world, as matrices into camera space."""
        view = np.einsum("ab,jbc->jac", self.rotation, bones)
        view[:, :, 3] += self.translation
        placed: F32 = view.astype(np.float32)
        return placed

    def rays(self, scale: int = 1) -> tuple[F64, F64]:
        """(centre (3,), directions (H, W, 3)) in the world of every pixel, ``scale`` times as fine."""
        width, height = self.size[0] * scale, self.size[1] * scale
        x = (np.arange(width) + 0.5) / scale - self.size[0] / 2
        y = (np.arange(height) + 0.5) / scale - self.size[1] / 2
        local = np.stack([*np.meshgrid(x / self.focal, y / self.focal), np.ones((height, width))], axis=-1)
        return -self.rotation.T @ self.translation, local @ self.rotation


class Backdrop:
    """A room seen by a camera: ``picture`` (H, W, 3) float32 BGR, and the floor's places for shadows."""

    def __init__(self, room: BackdropRoom, camera: Camera, light: float, tint: F64) -> None:
        rng = np.random.default_rng(room.seed)
        centre, rays = camera.rays(2)
        planes = (
            (1, 0.0, _floor(rng)),
            (2, -room.back_m, _wall(rng, decorated=True)),
            (0, -room.side_m, _wall(rng, decorated=False)),
            (0, room.side_m, _wall(rng, decorated=False)),
            (1, _CEILING_M, lambda a, _b: np.full((*a.shape, 3), (232, 232, 230), np.float32)),
        )
        nearest = np.full(rays.shape[:2], np.inf)
        which = np.zeros(rays.shape[:2], int)
        for number, (axis, at, _) in enumerate(planes):
            with np.errstate(divide="ignore", invalid="ignore"):
                away = (at - centre[axis]) / rays[..., axis]
            closer = (away > 1e-3) & (away < nearest)
            nearest[closer], which[closer] = away[closer], number
        points = centre + rays * np.where(np.isfinite(nearest), nearest, 1.0)[..., None]
        picture = np.zeros((*rays.shape[:2], 3), np.float32)
        for number, (axis, _, paint) in enumerate(planes):
            chosen = which == number
            if not chosen.any():
                continue
            a, b = (points[chosen][:, i] for i in {0: (2, 1), 1: (0, 2), 2: (0, 1)}[axis])
            picture[chosen] = paint(a, b)
        # Brighter towards the window at the left, darker in the corners.
        fall = 0.78 + 0.3 * np.exp(
            -(((points[..., 0] + 1.2) / 2.5) ** 2) - ((points[..., 1] - 1.6) / 2.2) ** 2
        )
        picture *= (light * fall)[..., None].astype(np.float32) * tint[::-1].astype(np.float32)
        size = camera.size
        self.picture: F32 = cv.resize(picture, size, interpolation=cv.INTER_AREA)
        self._floor = which[::2, ::2] == 0
        self._places = points[::2, ::2][self._floor][:, [0, 2]].astype(np.float32)

    def shaded(self, feet: list[F64]) -> Picture:
        """The room with soft shadows under ``feet``, world places (3,)."""
        dark = np.ones(len(self._places), np.float32)
        for foot in feet:
            away = ((self._places - (foot[[0, 2]] + [0.02, 0.04]).astype(np.float32)) ** 2).sum(1)
            near = np.flatnonzero(away < 1.0)
            low = 1.0 / (1.0 + 8.0 * max(0.0, float(foot[1]) - 0.08))
            for spread, strength in ((0.10, 0.40), (0.32, 0.28)):
                dark[near] *= 1 - np.float32(strength * low) * np.exp(
                    np.float32(-0.5 / spread**2) * away[near]
                )
        picture = self.picture.copy()
        picture[self._floor] *= dark[:, None]
        return picture.clip(0, 255).astype(np.uint8)


def _noise(rng: np.random.Generator, step_m: float) -> Any:
    """Smooth noise over metres, about 0, repeating after a few metres."""
    grid = rng.standard_normal((64, 64)).astype(np.float32)

    def at(a: F64, b: F64) -> F32:
        # OpenCV remaps pictures of moderate sides only: fold the list of places into one.
        rows = -(-a.size // 1024)
        place = np.zeros((2, rows * 1024), np.float32)
        place[:, : a.size] = np.mod(np.stack([a, b]) / step_m, 63)
        x, y = place.reshape(2, rows, 1024)
        out: F32 = cv.remap(grid, x, y, cv.INTER_LINEAR).reshape(-1)[: a.size]
        return out

    return at


def _floor(rng: np.random.Generator) -> Any:
    kind = int(rng.integers(3))
    colour = np.array([(86, 120, 156), (150, 152, 150), (96, 98, 104)][kind], np.float32)
    colour = colour * rng.uniform(0.8, 1.15)
    fine, wide = _noise(rng, 0.012), _noise(rng, 0.3)
    shades = rng.uniform(0.86, 1.1, 997)

    def paint(x: F64, z: F64) -> F32:
        if kind == 0:  # planks
            row = np.floor(z / 0.16).astype(int)
            along = x + 0.37 * row
            value = shades[(row * 31 + np.floor(along / 1.4).astype(int)) % 997]
            value = value * np.where((np.mod(z, 0.16) < 0.006) | (np.mod(along, 1.4) < 0.006), 0.6, 1.0)
            value = value * (1 + 0.05 * fine(x * 0.1, z))
        elif kind == 1:  # tiles
            value = shades[(np.floor(x / 0.4).astype(int) * 17 + np.floor(z / 0.4).astype(int)) % 997] ** 0.4
            value = value * np.where((np.mod(x, 0.4) < 0.008) | (np.mod(z, 0.4) < 0.008), 0.75, 1.0)
        else:  # carpet
            value = 1 + 0.08 * fine(x, z)
        out: F32 = colour * (value * (1 + 0.04 * wide(x, z)))[:, None].astype(np.float32)
        return out

    return paint


def _wall(rng: np.random.Generator, decorated: bool) -> Any:
    kind = int(rng.integers(4))
    colour = rng.uniform(150, 225) + rng.uniform(-22, 22, 3)
    fine, wide = _noise(rng, 0.01), _noise(rng, 0.5)
    shades = rng.uniform(0.88, 1.08, 997)
    things = _things(rng) if decorated else []

    def paint(x: F64, y: F64) -> F32:
        value = 1 + 0.012 * fine(x, y) + 0.03 * wide(x, y)
        if kind == 0:  # bricks
            row = np.floor(y / 0.075).astype(int)
            along = x + 0.11 * row
            value = value * shades[(row * 13 + np.floor(along / 0.22).astype(int)) % 997]
            value = value * np.where((np.mod(y, 0.075) < 0.01) | (np.mod(along, 0.22) < 0.01), 1.08, 1.0)
        elif kind == 1:  # wallpaper
            value = value * np.where(np.mod(x, 0.16) < 0.08, 1.0, 0.9)
        elif kind == 2:  # a curtain
            value = value * (0.9 + 0.1 * np.sin(2 * np.pi * (x + 0.01 * np.sin(7 * y)) / 0.14))
        out: F32 = (colour * value[:, None]).astype(np.float32)
        out[y < 0.1] = np.asarray(colour, np.float32) * 0.9 + 20
        out[(y >= 0.1) & (y < 0.11)] *= 0.6
        for left, low, width, height, shade, inner in things:
            inside = (x > left) & (x < left + width) & (y > low) & (y < low + height)
            border = 0.035
            core = (
                (x > left + border) & (x < left + width - border)
                & (y > low + border) & (y < low + height - border)
            )  # fmt: skip
            out[inside] = shade
            ramp = ((y[core] - low) / height)[:, None]
            out[core] = inner[0] * ramp + inner[1] * (1 - ramp)
        return out

    return paint


def _things(rng: np.random.Generator) -> list[tuple[Any, ...]]:
    """A door, a shelf or pictures: left, low, width, height in metres, frame and inner colours."""
    out: list[tuple[Any, ...]] = []
    for _ in range(int(rng.integers(1, 4))):
        left = rng.uniform(-2.2, 1.6)
        colours = [rng.uniform(40, 220, 3).astype(np.float32) for _ in range(3)]
        if rng.random() < 0.3:
            out.append((left, 0.0, 0.9, 2.05, colours[0], (colours[1], colours[1] * 0.9)))
        else:
            low, width, height = rng.uniform(0.9, 1.5), rng.uniform(0.35, 0.9), rng.uniform(0.4, 0.9)
            out.append((left, low, width, height, colours[0], (colours[1], colours[2])))
    return out
