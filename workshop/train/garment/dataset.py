"""The garments that the encoder learns from, each worn in many sizes, on many bodies, in many poses.

Writes to a folder: ``variants/`` (cut garments) and ``instances/`` or ``held/`` (their features as
arrays). Both are found again as long as cutter, counts and seed are the same.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm  # type: ignore[import-untyped]

from inference.body.model import BodyModel
from mirror.errors import MirrorError
from mirror.types import F32
from render.garments.kinds import KINDS
from workshop.tailor.alike.augment import draw_setting, dress, rest
from workshop.tailor.alike.encoder import prepared
from workshop.tailor.alike.features import CHANNELS, SIDE, VIEW_SIDE, VIEWS, Mesh, Placement, Tailor
from workshop.train.garment.plain_descriptors import pattern_descriptor, plain_descriptor
from workshop.train.garment.variants import cutter_hash, variant

F16 = NDArray[np.float16]

_FORMAT = 1  # of the arrays: another number makes kept ones anew


@dataclass(frozen=True)
class Plan:
    """``variants`` a kind, the last ``held`` of them kept from training; ``instances`` of each.

    ``only_held``: just those kept from training, which are all that the proof needs.
    """

    variants: int = 22
    held: int = 6
    instances: int = 10
    seed: int = 0
    kinds: tuple[str, ...] = field(default_factory=lambda: tuple(KINDS))
    only_held: bool = False

    @property
    def numbers(self) -> range:
        """The variants that are made of each kind."""
        return range(self.variants - self.held if self.only_held else 0, self.variants)

    def __post_init__(self) -> None:
        if not (0 < self.held < self.variants and self.instances > 1):
            raise MirrorError("needs variants to train on, some held out, and two instances of each")


@dataclass(frozen=True)
class Instances:
    """N worn garments. ``geometry`` (N, C, 64, 64) and ``views`` (N, 3, C, 48, 48) float16, ``prepared``.

    ``kind`` (N,) into ``kinds``; ``number`` (N,) of the variant; ``plain`` and ``pattern`` (N, D): the
    descriptors of ``plain_descriptors``.
    """

    geometry: F16
    views: F16
    kind: NDArray[np.int64]
    number: NDArray[np.int64]
    plain: F32
    pattern: F32
    kinds: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def variant(self) -> NDArray[np.int64]:
        """A number for each garment (N,), the same for all its instances."""
        return self.kind * 1000 + self.number


_ARRAYS = ("geometry", "views", "kind", "number", "plain", "pattern")


def build(folder: Path, plan: Plan, *, progress: bool = True) -> Instances:
    """The plan's instances, kind by kind and variant by variant; made where ``folder`` lacks them."""
    name = "held" if plan.only_held else "instances"
    done = folder / name
    facts = asdict(plan) | {"kinds": list(plan.kinds), "cutter": cutter_hash(), "format": _FORMAT}
    if not (done / "facts.json").exists() or json.loads((done / "facts.json").read_text()) != facts:
        part = folder / f"{name}.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        _write(part, folder / "variants", plan, progress)
        (part / "facts.json").write_text(json.dumps(facts))
        shutil.rmtree(done, ignore_errors=True)
        part.rename(done)
    return Instances(
        **{name: np.load(done / f"{name}.npy", mmap_mode="r") for name in _ARRAYS}, kinds=plan.kinds
    )


def _write(out: Path, cut: Path, plan: Plan, progress: bool) -> None:
    model = BodyModel.load()
    worn = [(k, n, i) for k in range(len(plan.kinds)) for n in plan.numbers for i in range(plan.instances)]
    count = len(worn)
    shapes = {
        "geometry": (count, len(CHANNELS), SIDE, SIDE),
        "views": (count, len(VIEWS), len(CHANNELS), VIEW_SIDE, VIEW_SIDE),
    }
    arrays = {
        name: np.lib.format.open_memmap(out / f"{name}.npy", "w+", np.float16, shape)
        for name, shape in shapes.items()
    }
    rows: dict[str, list[F32]] = {"plain": [], "pattern": []}
    np.save(out / "kind.npy", np.array(worn)[:, 0])
    np.save(out / "number.npy", np.array(worn)[:, 1])
    bar = tqdm(total=count, disable=not progress, desc="garments", mininterval=2.0)
    for first in range(0, count, plan.instances):
        k, n, _ = worn[first]
        made = worn_instances(variant(plan.kinds[k], n, cut, model), model, plan.instances, (plan.seed, k, n))
        for i, (geometry, views, plain, pattern) in enumerate(made):
            arrays["geometry"][first + i], arrays["views"][first + i] = geometry, views
            rows["plain"].append(plain)
            rows["pattern"].append(pattern)
            bar.update()
    bar.close()
    for name, values in rows.items():
        np.save(out / f"{name}.npy", np.stack(values))
    for array in arrays.values():
        array.flush()


def worn_instances(
    garment: Mesh, model: BodyModel, count: int, seed: Sequence[int]
) -> list[tuple[F32, F32, F32, F32]]:
    """``count`` random settings of a garment: prepared geometry and views, plain and pattern descriptors."""
    tailor = Tailor(garment, model)
    out = []
    for i in range(count):
        rng = np.random.default_rng([*seed, i])
        setting = draw_setting(garment.sizes, model, rng)
        found = tailor.features(setting, placement=Placement.draw(rng))
        plain = plain_descriptor(dress(garment, setting, model), tailor.cloth)
        pattern = pattern_descriptor(tailor.cloth, tailor.grade(rest(garment, setting)))
        out.append((prepared(found.geometry), prepared(found.views), plain, pattern))
    return out
