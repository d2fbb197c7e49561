"""Garments that are easy to check: a tube of cloth, and a few real ones that training never saw."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from inference.body.model import BodyModel
from render.garments.kinds import KINDS
from workshop.train.garment.dataset import Instances, Plan, build

RADIUS, HEIGHT = 0.2, 0.8


@dataclass(frozen=True)
class Tube:
    """An upright tube of cloth, its middle at y = 1: cut open along ``cuts`` lines, even panels between."""

    around: int = 72
    up: int = 24
    cuts: int = 1
    sizes: tuple[str, ...] = ("S", "M", "L")
    components: int = 10
    vertices: np.ndarray = field(init=False)
    faces: np.ndarray = field(init=False)
    uv: np.ndarray = field(init=False)
    joints: np.ndarray = field(init=False)
    weights: np.ndarray = field(init=False)
    shape_targets: np.ndarray = field(init=False)
    size_target: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        steps = self.around // self.cuts
        points, flat, faces = [], [], []
        for panel in range(self.cuts):
            first = panel * (steps + 1) * (self.up + 1)
            for j in range(self.up + 1):
                for i in range(steps + 1):
                    turn = 2 * np.pi * ((panel * steps + i) % self.around) / self.around
                    y = 1 - HEIGHT / 2 + HEIGHT * j / self.up
                    points.append((RADIUS * np.sin(turn), y, RADIUS * np.cos(turn)))
                    flat.append((2 * np.pi * RADIUS * i / self.around, HEIGHT * j / self.up))
            for j in range(self.up):
                for i in range(steps):
                    a = first + j * (steps + 1) + i
                    b, c, d = a + 1, a + steps + 2, a + steps + 1
                    faces += [(a, b, c), (a, c, d)]
        count = len(points)
        put = object.__setattr__
        put(self, "vertices", np.array(points, np.float32))
        put(self, "uv", np.array(flat, np.float32))
        put(self, "faces", np.array(faces, np.int32))
        put(self, "joints", np.zeros((count, 4), np.uint8))
        put(self, "weights", np.tile(np.array([1, 0, 0, 0], np.float32), (count, 1)))
        put(self, "shape_targets", np.zeros((self.components, count, 3), np.float32))
        put(self, "size_target", self.vertices * np.array([0.1, 0, 0.1], np.float32))

    def shaped(self, shape: np.ndarray | None = None, size: str = "M") -> tuple[np.ndarray, np.ndarray]:
        steps = self.sizes.index(size) - 1
        return self.vertices + np.float32(steps) * self.size_target, self.vertices


@pytest.fixture(scope="session")
def body() -> BodyModel:
    return BodyModel.load()


@pytest.fixture(scope="session")
def cut_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cut")


@pytest.fixture(scope="session")
def held(cut_folder: Path) -> Instances:
    """Two skirts and two shorts that training never saw, each worn three times."""
    plan = Plan(variants=18, held=2, instances=3, kinds=("skirt", "shorts"), only_held=True)
    return build(cut_folder, plan, progress=False)


@pytest.fixture(scope="session")
def noise() -> Instances:
    """Small features of no garment: each variant a field of its own, each instance with noise over it."""
    rng = np.random.default_rng(4)
    kind, number = np.repeat(np.arange(7), 6), np.tile(np.repeat(np.arange(2), 3), 7)
    base = rng.normal(size=(14, 4, 11, 1, 1))
    views = np.broadcast_to(base[kind * 2 + number, :3], (42, 3, 11, 16, 16)) + 0.1 * rng.normal(
        size=(42, 3, 11, 1, 1)
    )
    geometry = np.broadcast_to(base[kind * 2 + number, 3], (42, 11, 16, 16)) + 0.1
    geometry, views = geometry.copy(), views.copy()
    geometry[:, 0], views[:, :, 0] = 1, 1
    return Instances(
        geometry.astype(np.float16),
        views.astype(np.float16),
        kind,
        number,
        rng.normal(size=(42, 14)).astype(np.float32),
        rng.normal(size=(42, 12)).astype(np.float32),
        tuple(KINDS),
    )
