"""Made-up surroundings to learn light from: rooms with windows and lamps, studios, streets.

Emitters are rectangles and discs of radiance; walls, floor and furniture are lit by them
(direct light by form factors, the rest as an even bounce), so that what is seen of the room
agrees with what falls on the person. Units are arbitrary; mean levels are set by the caller.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mirror.shading.temperature import blackbody_rgb
from mirror.types import F32, F64, cv
from workshop.synthetic.light.environment import Environment, directions_of

_SIZE = (256, 128)  # px


@dataclass
class _Patch:
    """A rectangle on the wall ``wall`` (0..5: -x, x, floor, ceiling, -z, z) between a and b."""

    wall: int
    low: F64
    high: F64
    radiance: F64


def synthetic(rng: np.random.Generator) -> Environment:
    """One of the kinds below, at random."""
    kinds = {"room": 0.2, "window": 0.25, "shop": 0.15, "studio": 0.15, "street": 0.1, "room_mixed": 0.15}
    kind = str(rng.choice(list(kinds), p=list(kinds.values())))
    if kind == "studio":
        return Environment(kind, _studio(rng))
    if kind == "street":
        return Environment(kind, _street(rng))
    return Environment(kind, _room(rng, kind))


def _colour_of_light(rng: np.random.Generator, kind: str) -> F64:
    if kind == "day":
        return blackbody_rgb(rng.uniform(5000, 10000))
    if kind == "lamp":
        return blackbody_rgb(rng.uniform(2500, 5500))
    hue = rng.uniform(0, 1, 3) ** 1.5 + 0.08  # neon, screens, coloured walls nearby
    return np.asarray(hue / hue.mean())


def _noise(rng: np.random.Generator, size: tuple[int, int], cells: int) -> F32:
    """Smooth noise about 0, standard deviation about 1."""
    small = rng.standard_normal((cells, 2 * cells)).astype(np.float32)
    out: F32 = cv.resize(small, size, interpolation=cv.INTER_CUBIC)
    return out


def _picture(radiance: F64) -> F32:
    return np.asarray(radiance.reshape(_SIZE[1], _SIZE[0], 3), np.float32)


def _room(rng: np.random.Generator, kind: str) -> F32:
    half = np.array([rng.uniform(1.6, 5.0), rng.uniform(1.15, 2.0), rng.uniform(1.6, 5.0)])
    eye = half * rng.uniform(-0.6, 0.6, 3) * (1, 0, 1) + (0, min(1.35, half[1]) - half[1] + 0.1, 0)
    directions, _ = directions_of(_SIZE)
    # Where each ray leaves the box.
    with np.errstate(divide="ignore"):
        reach = np.where(directions > 0, half - eye, -half - eye) / directions
    axis = np.argmin(reach, axis=1)
    points = eye + directions * np.take_along_axis(reach, axis[:, None], 1)
    wall = 2 * axis + (np.take_along_axis(directions, axis[:, None], 1)[:, 0] > 0)
    patches = _lights(rng, kind, half)
    albedo = _surfaces(rng, wall, points, half)
    inward = np.zeros((6, 3))
    inward[np.arange(6), np.arange(6) // 2] = np.where(np.arange(6) % 2, -1.0, 1.0)
    lit = np.zeros_like(points)
    flux = np.zeros(3)
    for patch in patches:
        area = float(np.prod(np.maximum((patch.high - patch.low)[np.arange(3) != patch.wall // 2], 0.01)))
        flux += patch.radiance * area * np.pi
        for _ in range(5):
            towards = patch.low + rng.uniform(0, 1, 3) * (patch.high - patch.low) - points
            square = (towards**2).sum(1) + 0.04
            away = np.maximum(-(towards @ inward[patch.wall]), 0)
            lit += (
                (np.maximum((towards * inward[wall]).sum(1), 0) * away / square**2)[:, None]
                * patch.radiance * (area / 5)
            )  # fmt: skip
    if patches[0].wall != 3 and rng.uniform() < 0.4:
        sun = blackbody_rgb(rng.uniform(4000, 5800)) * 10 ** rng.uniform(1.0, 2.2)
        beam = _sunlit(rng, patches[0], points, wall, inward)
        lit += beam[:, None] * sun
        flux += beam.mean() * 8 * half[0] * half[2] * sun
    surface = 8 * (half[0] * half[1] + half[1] * half[2] + half[0] * half[2])
    mean = albedo.mean(0)
    bounce = flux * mean / (surface * np.pi * (1 - np.minimum(mean, 0.8)))
    radiance = albedo * (lit / np.pi + bounce)
    for patch in patches:
        on = (wall == patch.wall) & np.all(
            (points >= patch.low - 1e-6) & (points <= patch.high + 1e-6), axis=1
        )
        radiance[on] = patch.radiance
    return _picture(radiance)


def _sunlit(
    rng: np.random.Generator, window: _Patch, points: F64, wall: NDArray[np.intp], inward: F64
) -> F64:
    """The sun's cosine (N,) on points that it reaches through a window in a wall, else 0."""
    down, across = rng.uniform(0.3, 1.2), rng.uniform(-0.8, 0.8)
    axis = window.wall // 2
    towards = -inward[window.wall] + (0, np.tan(down), 0)
    towards[2 - axis] += across  # along the wall
    towards /= np.linalg.norm(towards)
    reach = (window.low[axis] - points[:, axis]) / towards[axis]
    through = points + reach[:, None] * towards
    inside = [
        (through[:, k] >= window.low[k]) & (through[:, k] <= window.high[k]) for k in range(3) if k != axis
    ]
    reached = inside[0] & inside[1] & (reach > 1e-6)
    return np.asarray(np.maximum(inward[wall] @ towards, 0) * reached)


def _lights(rng: np.random.Generator, kind: str, half: F64) -> list[_Patch]:
    patches = []

    def add(wall: int, width: float, height: float, radiance: F64) -> None:
        axis = wall // 2
        across = [k for k in range(3) if k != axis]
        centre = half * rng.uniform(-0.85, 0.85, 3)
        extent = np.zeros(3)
        extent[across] = width / 2, height / 2
        if axis != 1:  # walls: the y extent is the height
            extent[1], extent[across[0] if across[0] != 1 else across[1]] = height / 2, width / 2
            centre[1] = rng.uniform(-0.1, 0.6) * half[1]
        centre[axis] = half[axis] * (1 if wall % 2 else -1)
        low, high = np.maximum(centre - extent, -half), np.minimum(centre + extent, half)
        patches.append(_Patch(wall, low, high, radiance))

    mixed = kind == "room_mixed"
    sides = [0, 1, 4, 5]
    if kind == "window":
        # Daylight from one wall alone, or all but alone; lamps are weak beside it.
        day, wall = _colour_of_light(rng, "day"), int(rng.choice(sides))
        for _ in range(int(rng.integers(1, 4))):
            add(wall, rng.uniform(1.0, 4.0), rng.uniform(1.0, 2.4), day * rng.uniform(10, 40))
        lamp = _colour_of_light(rng, "lamp")
        for _ in range(int(rng.integers(0, 4))):
            size = rng.uniform(0.05, 0.3)
            add(int(rng.choice([*sides, 3])), size, size, lamp * rng.uniform(5, 30))
        return patches
    if kind != "shop":
        day = _colour_of_light(rng, "day")
        for _ in range(int(rng.integers(1, 4)) if rng.uniform() < 0.85 else 0):
            wall = int(rng.choice(sides))
            add(wall, rng.uniform(0.7, 3.0), rng.uniform(0.8, 2.0), day * rng.uniform(4, 30))
    lamp = _colour_of_light(rng, "lamp")
    count = int(rng.integers(4, 11)) if kind == "shop" else int(rng.integers(0, 4))
    strength = rng.uniform(10, 60) if kind == "shop" else rng.uniform(5, 60)
    for _ in range(count if patches or count else 1):
        wide, long = rng.uniform(0.1, 0.5), rng.uniform(0.1, 1.5)
        add(3, wide, long, lamp * strength * rng.uniform(0.5, 1.5))
    if mixed or rng.uniform() < 0.25:
        for _ in range(int(rng.integers(1, 3))):
            colour = _colour_of_light(rng, "any" if rng.uniform() < 0.5 else "lamp")
            add(
                int(rng.choice(sides)),
                rng.uniform(0.2, 1.2),
                rng.uniform(0.2, 1.2),
                colour * rng.uniform(8, 60),
            )
    return patches


def _surfaces(rng: np.random.Generator, wall: NDArray[np.intp], points: F64, half: F64) -> F64:
    """Albedo (N, 3) of walls, floor and ceiling with furniture and pictures on them."""
    grey = rng.uniform(0.3, 0.85)
    # Paint and wood are more often warm than cold, and tint all light that they throw back.
    warm = np.array([1.12, 1.0, 0.82]) ** rng.uniform(-0.3, 1.0)
    base = np.clip(grey * warm + 0.05 * rng.standard_normal((6, 3)), 0.03, 0.92)
    if rng.uniform() < 0.4:
        base[int(rng.choice([0, 1, 4, 5]))] = rng.uniform(0.03, 0.8, 3)  # a coloured wall
    base[2] = np.array([1.2, 1.0, 0.75]) ** rng.uniform(0, 1.2) * rng.uniform(0.08, 0.6)
    base[3] = np.minimum(rng.uniform(0.5, 0.9) * warm ** rng.uniform(0, 1), 0.92)
    albedo = base[wall]
    grain = 1 + 0.10 * _noise(rng, _SIZE, 10) + 0.06 * _noise(rng, _SIZE, 40)
    albedo = albedo * np.clip(grain, 0.4, 1.6).reshape(-1, 1)
    for _ in range(int(rng.integers(3, 22))):
        side = int(rng.choice([0, 1, 4, 5]))
        along = 2 if side < 2 else 0
        at = rng.uniform(-1, 1) * half[along]
        wide = rng.uniform(0.1, 1.0)
        low = -half[1] if rng.uniform() < 0.6 else rng.uniform(-half[1], half[1])
        high = low + rng.uniform(0.3, 1.8)
        on = (wall == side) & (np.abs(points[:, along] - at) < wide)
        on &= (points[:, 1] > low) & (points[:, 1] < high)
        colour = rng.uniform(0.02, 0.7) * np.clip(1 + 0.35 * rng.standard_normal(3), 0.1, 2.0)
        albedo[on] = np.clip(colour, 0.01, 0.9)
    return np.asarray(np.clip(albedo, 0.01, 0.92))


def _studio(rng: np.random.Generator) -> F32:
    """Softboxes and lamps before a backdrop, dark or light around."""
    directions, _ = directions_of(_SIZE)
    around = np.clip(1 + 0.1 * rng.standard_normal(3), 0.7, 1.3) * rng.uniform(0.01, 0.6) ** 1.5
    radiance = np.tile(around, (len(directions), 1))
    radiance *= np.clip(1 + 0.35 * _noise(rng, _SIZE, 6).reshape(-1, 1), 0.2, 2.0)
    radiance[directions[:, 1] < -0.35] *= rng.uniform(0.3, 1.5)
    white = blackbody_rgb(rng.uniform(2800, 7500))
    for number in range(int(rng.integers(1, 5))):
        height = rng.uniform(-0.15, 0.95)
        angle = rng.uniform(-np.pi, np.pi)
        flat = np.sqrt(1 - height**2)
        centre = np.array([flat * np.sin(angle), height, flat * np.cos(angle)])
        cosine = directions @ centre
        size = rng.uniform(0.08, 0.7)
        edge = 1 / (1 + np.exp(-(cosine - np.cos(size)) / (0.02 + 0.08 * size**2)))
        colour = white if rng.uniform() < 0.75 else _colour_of_light(rng, "any")
        strength = rng.uniform(0.3, 1.0) * (1.0 if number == 0 else rng.uniform(0.1, 1.0))
        radiance += (edge * strength / (1 - np.cos(size)))[:, None] * colour * 0.5
    return _picture(radiance)


def _street(rng: np.random.Generator) -> F32:
    """Sky, sun or clouds, houses along the skyline, ground."""
    directions, _ = directions_of(_SIZE)
    up = directions[:, 1]
    blue = blackbody_rgb(rng.uniform(7000, 18000))
    overcast = rng.uniform() < 0.4
    horizon = blackbody_rgb(rng.uniform(5000, 7500)) * rng.uniform(0.7, 1.6)
    share = np.clip(up, 0, 1)[:, None] ** 0.5
    sky = horizon * (1 - share) + (blackbody_rgb(6500) * rng.uniform(0.8, 1.4) if overcast else blue) * share
    sky *= np.clip(1 + rng.uniform(0.05, 0.5) * _noise(rng, _SIZE, 5).reshape(-1, 1), 0.2, 3.0)
    angle, height = rng.uniform(-np.pi, np.pi), rng.uniform(0.12, 0.95)
    flat = np.sqrt(1 - height**2)
    sun = np.array([flat * np.sin(angle), height, flat * np.cos(angle)])
    cosine = directions @ sun
    warmth = blackbody_rgb(rng.uniform(3500, 6000))
    disc = rng.uniform(0.06, 0.2)  # rad; hazier than the real one, whose light the sum needs
    strength = 0.0 if overcast else rng.uniform(0.5, 5.0)
    beam = (cosine > np.cos(disc)) * (strength / (2 * (1 - np.cos(disc))))
    sky = sky + beam[:, None] * warmth + (np.maximum(cosine, 0) ** 24 * 0.6)[:, None] * warmth
    ambient = 0.5 * (horizon + blue)
    facing = np.maximum(sun[1], 0) * strength * warmth
    ground = np.array([1.05, 1.0, 0.9]) * rng.uniform(0.06, 0.4) * (ambient + facing)
    ground = ground * np.clip(1 + 0.3 * _noise(rng, _SIZE, 24).reshape(-1, 1), 0.3, 2.0)
    azimuth = np.arctan2(directions[:, 0], directions[:, 2])
    column = ((azimuth / (2 * np.pi) + 0.5) * 24).astype(int) % 24
    tall = rng.uniform(-0.05, 0.75, 24) * rng.uniform(0.2, 1.0)
    colours = np.clip(rng.uniform(0.08, 0.6, (24, 1)) * (1 + 0.2 * rng.standard_normal((24, 3))), 0.02, 0.8)
    outward = np.stack([np.sin(azimuth), np.zeros_like(azimuth), np.cos(azimuth)], 1)
    direct = np.maximum(-(outward @ sun), 0)[:, None] * strength * warmth
    houses = colours[column] * (0.5 * ambient + direct)
    houses = houses * np.clip(1 + 0.35 * _noise(rng, _SIZE, 48).reshape(-1, 1), 0.2, 2.0)
    radiance = np.where((up < tall[column])[:, None], houses, sky)
    radiance = np.where((up < -0.02)[:, None], ground, radiance)
    return _picture(radiance)
