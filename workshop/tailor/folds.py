"""Folds of worn cloth as relief: heights over a garment's atlas, by where they lie on the body.

Folds are placed in the body's terms (around the trunk, along a limb, about the armpit), so that
they run on across seams. Each is a field of unit height times a length in metres.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirror.types import F32, cv
from render.garments.kinds import GarmentKind
from workshop.tailor.drape import smoothstep
from workshop.tailor.shapes import ARMPIT_Y, CROTCH_Y, Place

Strength = Any  # (N,) or a number

_TILE = 256
_TRUNK_R, _ARM_R, _LEG_R = 0.16, 0.055, 0.09  # radii that turn angles into lengths, metres


@dataclass(frozen=True)
class Noise:
    """A smooth random field (256, 256) over a tile of ``size`` metres, unit deviation."""

    field: F32
    size: tuple[float, float]

    @classmethod
    def make(
        cls, rng: np.random.Generator, size: tuple[float, float], length: tuple[float, float], sharp: float
    ) -> Noise:
        """``length``: metres over which it stays alike, across and down. ``sharp``: 0 rolling, 1 creased."""
        fx = np.fft.fftfreq(_TILE, size[0] / _TILE)[None]
        fy = np.fft.fftfreq(_TILE, size[1] / _TILE)[:, None]
        r2 = (fx * length[0]) ** 2 + (fy * length[1]) ** 2
        # A band, not a low pass: folds come at a distance from one another.
        keep = r2 * np.exp(-2 * np.pi**2 * r2 / 4)
        field = np.fft.ifft2(np.fft.fft2(rng.standard_normal((_TILE, _TILE))) * keep).real
        field /= field.std()
        creased = -np.sqrt(field**2 + 0.12)
        field = (1 - sharp) * field + sharp * (creased - creased.mean()) / creased.std()
        return cls((field / field.std()).astype(np.float32), size)

    def at(self, u: NDArray[Any], v: NDArray[Any]) -> F32:
        """The field at points in metres (N,); it repeats beyond its tile."""
        pixel = [
            np.asarray(x / s * _TILE % _TILE, np.float32)[:, None]
            for x, s in zip((u, v), self.size, strict=True)
        ]
        # In pieces: the library takes no picture of more than 32767 rows.
        parts = [
            cv.remap(
                self.field,
                pixel[0][k : k + 30000],
                pixel[1][k : k + 30000],
                cv.INTER_CUBIC,
                None,
                cv.BORDER_WRAP,
            )
            for k in range(0, len(pixel[0]), 30000)
        ]
        out: F32 = np.concatenate(parts)[:, 0]
        return out


def _bump(x: NDArray[Any], middle: float, width: float) -> NDArray[Any]:
    out: NDArray[Any] = np.exp(-(((x - middle) / width) ** 2))
    return out


class Folds:
    """The folds of one kind of garment. ``heights`` gives metres, of which only slopes matter."""

    def __init__(self, kind: GarmentKind, sleeve_m: float, leg_m: float, seed: int = 11) -> None:
        self._kind, self._sleeve, self._leg = kind, sleeve_m, leg_m
        rng = np.random.default_rng(seed)
        around = 2 * np.pi * _TRUNK_R
        self._crumple = Noise.make(rng, (around, around), (0.045, 0.045), 0.35)
        self._hang = Noise.make(rng, (around, 1.2), (0.075, 0.42), 0.45)
        self._slouch = Noise.make(rng, (around, around), (0.24, 0.062), 0.6)
        self._flute = Noise.make(rng, (around, 2.4), (0.10, 1.1), 0.2)
        self._ring = Noise.make(rng, (2 * np.pi * _ARM_R, 0.6), (0.16, 0.042), 0.6)
        self._twist = Noise.make(rng, (2 * np.pi * _ARM_R, 0.6), (0.06, 0.16), 0.4)
        self._leg_ring = Noise.make(rng, (2 * np.pi * _LEG_R, 0.8), (0.24, 0.06), 0.6)
        self._leg_hang = Noise.make(rng, (2 * np.pi * _LEG_R, 1.2), (0.085, 0.5), 0.4)
        self._ray = Noise.make(rng, (1.0, 2 * np.pi), (10.0, 0.75), 0.5)

    def heights(self, place: Place) -> F32:
        """Height (N,) over smooth cloth, metres, at places of the outer cloth."""
        x, y, z = place.points.T
        turn = np.arctan2(x, z - 0.03) * _TRUNK_R
        out = 0.0007 * self._crumple.at(turn, y)
        if self._kind.legged:
            return np.asarray(out + self._trouser(place), np.float32)
        trunk = smoothstep(place.armness, 0.75, 0.35)
        side = np.sin(turn / _TRUNK_R) ** 2
        if self._kind.flared:
            below = np.clip(0.95 - y, 0, None)
            out += self._flute.at(turn, y) * np.minimum(0.026 * below, 0.011)
        if self._kind.slot == "bottom":
            return np.asarray(out + 0.0012 * self._hang.at(turn, y), np.float32)
        calm = self._kind.cutting.trunk_folds
        out += self._hang.at(turn, y) * trunk * calm * (0.0006 + 0.0038 * smoothstep(y, 1.24, 0.92))
        # Slouching at the waist: lines that sag from the sides towards the middle.
        sag = y + 0.28 * np.abs(np.abs(turn) - 0.25)
        slouch = (_bump(y, 1.05, 0.10) + 0.3 * _bump(y, 0.9, 0.06)) * (0.3 + 0.7 * side)
        out += self._slouch.at(turn, sag) * trunk * calm * 0.0036 * slouch
        out += trunk * self._armpit(place)
        if self._sleeve > 0:
            out += (1 - trunk) * self._sleeves(place)
        return np.asarray(out, np.float32)

    def _armpit(self, place: Place) -> NDArray[Any]:
        """Pulls that run from the armpits down and in, front and back."""
        x, y, z = place.points.T
        dx, dy = np.abs(x) - 0.172, y - ARMPIT_Y - 0.015
        r = np.hypot(dx, dy)
        angle = np.arctan2(dy, dx)  # -pi/2 down, pi towards the middle
        fan = np.maximum(
            _bump(angle, -1.9, 0.5), np.maximum(_bump(angle, -2.6, 0.4), 0.6 * _bump(angle, 2.6, 0.5))
        )
        rays = self._ray.at(r + 0.3 * np.sign(x) + 0.2 * np.sign(z), angle)
        reach = smoothstep(r, 0.01, 0.06) * smoothstep(r, 0.24, 0.07)
        out: NDArray[Any] = 0.0042 * rays * fan * reach
        return out

    def _sleeves(self, place: Place) -> NDArray[Any]:
        left = place.points[:, 0] > 0
        along = place.limb("arm")
        angle = np.where(left, place.angle["left_arm"], place.angle["right_arm"])
        around = angle * _ARM_R
        seed = np.where(left, 0.0, 0.3)
        spiral = along + 0.10 * np.sin(angle) * _ARM_R * 6 * 0.4 + seed
        if self._sleeve < 0.35:
            # Short: it flutes from the shoulder towards the open edge.
            free = smoothstep(along, 0.02, 0.16)
            out = 0.0030 * free * self._twist.at(around, along + seed) + 0.0018 * self._ring.at(
                around, spiral
            )
        else:
            elbow, wrist = _bump(along, 0.265, 0.06), smoothstep(along, 0.33, 0.44)
            strength = 0.0008 + 0.0030 * elbow + 0.0024 * wrist + 0.0010 * _bump(along, 0.12, 0.06)
            out = strength * self._ring.at(around, spiral)
            out = out + 0.0016 * (1 - 0.5 * elbow) * self._twist.at(around, along + seed)
        shown: NDArray[Any] = out
        return shown

    def _trouser(self, place: Place) -> NDArray[Any]:
        x, y, z = place.points.T
        left = x > 0
        along = place.limb("leg")
        angle = np.where(left, place.angle["left_leg"], place.angle["right_leg"])
        around, seed = angle * _LEG_R, np.where(left, 0.0, 0.4)
        on_leg = smoothstep(y, CROTCH_Y + 0.07, CROTCH_Y - 0.03)
        rings = self._leg_ring.at(around, along + 0.25 * np.abs(angle) * _LEG_R + seed)
        hem = smoothstep(along, self._leg - 0.17, self._leg - 0.04) if self._leg > 0.6 else 0.0 * along
        knee = _bump(along, 0.40, 0.07) * (0.7 + 0.3 * np.cos(angle + np.pi))
        out = rings * on_leg * (0.0005 + 0.0030 * knee + 0.0036 * hem)
        out = out + on_leg * (0.0022 - 0.0012 * hem) * self._leg_hang.at(around, along + seed)
        # Whiskers from the crotch out over the thighs.
        dx, dy = np.abs(x) - 0.01, y - CROTCH_Y - 0.01
        r, turn = np.hypot(dx, dy), np.arctan2(dy, dx)
        fan = _bump(turn, 0.45, 0.6) * smoothstep(r, 0.01, 0.05) * smoothstep(r, 0.19, 0.07)
        whiskers = self._ray.at(r + 0.3 * np.sign(x) + 0.2 * np.sign(z), turn * 1.2)
        shown: NDArray[Any] = out + 0.0036 * fan * whiskers
        return shown
