"""Lit scenes: a mannequin, its surroundings and a camera, with the light's truth.

Training draws from made-up rooms and the HDR pictures given to it; the proof from HDR pictures that
training refuses by name (``HELD``).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mirror.errors import MirrorError
from mirror.shading.spherical_harmonics import sh_basis
from mirror.types import F32, F64, Picture, cv
from workshop.synthetic.light.camera_response import response
from workshop.synthetic.light.environment import Environment, read_hdr
from workshop.synthetic.light.mannequins import Mannequin
from workshop.synthetic.light.procedural_environments import synthetic

#: Never trained on: the names of HDR pictures begin with one of these.
HELD = ("apartment", "warehouse")
_REAL = 0.6  # of what is drawn are HDR pictures, where there are any
_RECOLOURED = 0.5  # of them get other colours than they have
_ROOMS = 600  # made-up surroundings, each turned, mirrored and mixed over and over


@dataclass(frozen=True)
class Scene:
    """``frame`` (h, w, 3) uint8 BGR and its light E/pi (9, 3) in the frame's own linear colours."""

    frame: Picture
    sh: F64
    surroundings: str


def hdr_pictures(folder: Path | None, held: bool) -> list[Environment]:
    """The HDR pictures of a folder that are held out, or those that are not; none without a folder."""
    if folder is None:
        return []
    if not folder.is_dir():
        raise MirrorError(f"{folder}: no such folder of HDR pictures")
    paths = sorted(folder.glob("*.hdr"))
    return [read_hdr(p).levelled() for p in paths if p.stem.startswith(HELD) == held]


class Surroundings:
    """Draws what is around a person."""

    def __init__(self, pictures: list[Environment], rooms: int, seed: int) -> None:
        self.pictures = pictures
        self._rooms = [synthetic(np.random.default_rng([seed, 1, i])).levelled() for i in range(rooms)]
        if not self._rooms and not pictures:
            raise MirrorError("no surroundings to draw from")

    def draw(self, rng: np.random.Generator) -> Environment:
        """One, turned anyhow; in training mixed, tinted and recoloured as well.

        Rooms are few: without it the network knows by the furniture from where warm light comes.
        """
        chosen = self._one(rng)
        if self._rooms and rng.uniform() < 0.3:
            chosen = chosen.mixed(self._one(rng), rng.uniform(0.1, 0.5))
        if self._rooms and rng.uniform() < 0.5:
            chosen = chosen.tinted(np.exp(rng.normal(0, 0.08, 3)))
        if self._rooms and rng.uniform() < _RECOLOURED:
            towards = rng.standard_normal(3)
            towards, rgb = towards / np.linalg.norm(towards), np.exp(rng.normal(0, [0.16, 0.05, 0.16]))
            chosen = chosen.recoloured(float(np.exp(rng.normal(-0.15, 0.35))), towards, rgb)
        if self._rooms and rng.uniform() < 0.5:
            chosen = chosen.contrasted(float(np.exp(rng.normal(0, 0.15))))
        return chosen.levelled()

    def _one(self, rng: np.random.Generator) -> Environment:
        if self.pictures and (not self._rooms or rng.uniform() < _REAL):
            found = self.pictures[int(rng.integers(len(self.pictures)))]
        else:
            found = self._rooms[int(rng.integers(len(self._rooms)))]
        if self._rooms and rng.uniform() < 0.5:
            found = found.mirrored()
        return found.turned(float(rng.uniform()))


def training_surroundings(folder: Path | None, seed: int, rooms: int = _ROOMS) -> Surroundings:
    """Made-up rooms, and the folder's HDR pictures that are not held out."""
    return Surroundings(hdr_pictures(folder, held=False), rooms, seed)


def shot(mannequin: Mannequin, around: Environment, rng: np.random.Generator, plain: float = 0.0) -> Scene:
    """The mannequin photographed in its surroundings.

    ``plain``: how often a wall close behind, lit as a wall there would be, hides the room.
    """
    sh, radiance = around.light(mannequin.rotation)
    behind = around.seen(mannequin.rotation, mannequin.camera.focal, mannequin.size)
    if rng.uniform() < plain:
        behind = _wall(sh, mannequin.size, rng)
    linear = mannequin.lit(radiance, behind)
    camera = response(linear, mannequin.mask > 127, sh[0], rng)
    return Scene(camera.taken(linear, rng), sh * camera.gains, around.name)


def _wall(sh: F64, size: tuple[int, int], rng: np.random.Generator) -> F32:
    normal = np.array([[rng.normal(0, 0.3), rng.normal(0, 0.1), -1.0]])
    lit = np.maximum(sh_basis(normal / np.linalg.norm(normal)) @ sh, 0.0)[0]
    colour = np.clip(rng.uniform(0.1, 0.85) * np.exp(rng.normal(0, 0.15, 3)), 0.02, 0.92)
    coarse = 1 + rng.uniform(0.02, 0.25) * rng.standard_normal((3, 4, 1))
    fine = 1 + rng.uniform(0.0, 0.12) * rng.standard_normal((24, 32, 1))
    shade = [
        cv.resize(part.astype(np.float32), size, interpolation=cv.INTER_CUBIC) for part in (coarse, fine)
    ]
    wall: F32 = (np.clip(shade[0] * shade[1], 0.1, 2.0)[..., None] * (colour * lit)).astype(np.float32)
    return wall
