"""The training set: probes of lit scenes with their light, made on demand, kept in shards on disk.

Everything comes from the seed: mannequin i from (seed, 2, i), its light j from (seed, 3, i, j). A
shard that exists is read, not made again, so making goes on where it was stopped.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.body.camera import Intrinsics
from inference.body.landmarks import FACE
from inference.body.model import BodyModel
from inference.light.probe import COLOURS, GEOMETRY, Arrays, Probe, ProbeMaker
from mirror.errors import MirrorError
from mirror.types import Picture
from workshop.synthetic.light.mannequins import MannequinMaker
from workshop.synthetic.light.scenes import Surroundings, shot
from workshop.train.light.observer import Observed

VERSION = 3  # of what a shard holds
_SHARD = 20  # figures
_PLAIN = 0.25  # of the scenes have a wall close behind
_CROPS = 24  # pairs of crops of each unlabelled picture


@dataclass(frozen=True)
class DatasetSpec:
    """What a set is made of. ``lights`` of each of ``figures``; ``sources`` names the HDR pictures."""

    figures: int = 800
    lights: int = 12
    seed: int = 0
    sources: tuple[str, ...] = ()


class LightSet:
    """Probes of S scenes of F figures; colours are kept by scene, what depends on the body by mannequin."""

    def __init__(
        self, colours: Arrays, geometry: Arrays, mannequin: NDArray[np.intp], sh: NDArray[np.float32]
    ) -> None:
        self._colours, self._geometry = colours, geometry
        self._mannequin, self.sh = mannequin, sh

    def __len__(self) -> int:
        return len(self._mannequin)

    def take(self, rows: NDArray[np.intp]) -> Arrays:
        """The probes of some scenes, as ``probe.normalised`` takes them."""
        taken = {name: values[rows] for name, values in self._colours.items()}
        return taken | {name: values[self._mannequin[rows]] for name, values in self._geometry.items()}


def cache_folder() -> Path:
    """Where sets are kept: ``$XDG_CACHE_HOME/fitting-mirror/light`` or the same below ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fitting-mirror" / "light"


def build(spec: DatasetSpec, around: Surroundings, folder: Path, model: BodyModel) -> Iterator[int]:
    """Make what is missing of the set in ``folder``; yields the number of figures there are, as they grow.

    MirrorError if the folder holds another set.
    """
    folder.mkdir(parents=True, exist_ok=True)
    page, told = (
        folder / "spec.json",
        {"version": VERSION, **asdict(spec), "sources": list(spec.sources)},
    )
    if page.exists():
        if json.loads(page.read_text()) != told:
            raise MirrorError(f"{folder}: holds the training set of another spec; name another folder")
    else:
        page.write_text(json.dumps(told, indent=1) + "\n")
    maker: MannequinMaker | None = None
    probes = ProbeMaker(model)
    for start in range(0, spec.figures, _SHARD):
        count = min(_SHARD, spec.figures - start)
        path = folder / f"{start:06d}.npz"
        if not path.exists():
            maker = maker or MannequinMaker(model)
            rows = [_mannequin(spec, start + i, maker, around, probes) for i in range(count)]
            arrays = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
            part = path.with_suffix(".part.npz")
            np.savez(part, **arrays)  # type: ignore[arg-type]
            part.replace(path)
        yield start + count


def _mannequin(
    spec: DatasetSpec, number: int, maker: MannequinMaker, around: Surroundings, probes: ProbeMaker
) -> Arrays:
    mannequin = maker.make(np.random.default_rng([spec.seed, 2, number]))
    found, truth = [], []
    for light in range(spec.lights):
        rng = np.random.default_rng([spec.seed, 3, number, light])
        scene = shot(mannequin, around.draw(rng), rng, _PLAIN)
        found.append(probes.make(scene.frame, mannequin.mask, mannequin.fit, mannequin.camera))
        truth.append(scene.sh.astype(np.float32))
    arrays = {name: np.stack([getattr(p, name) for p in found]) for name in COLOURS}
    return arrays | {name: getattr(found[0], name) for name in GEOMETRY} | {"sh": np.stack(truth)}


def load(spec: DatasetSpec, folder: Path) -> LightSet:
    """A set that ``build`` finished. MirrorError names a shard that is damaged."""
    shards = []
    for start in range(0, spec.figures, _SHARD):
        path = folder / f"{start:06d}.npz"
        try:
            with np.load(path) as held:
                shards.append({name: held[name] for name in (*COLOURS, *GEOMETRY, "sh")})
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise MirrorError(f"{path}: missing or damaged; delete it to have it made again") from error
    whole = {name: np.concatenate([s[name] for s in shards]) for name in shards[0]}
    colours = {n: whole[n].reshape(-1, *whole[n].shape[2:]) for n in COLOURS}
    mannequin = np.repeat(np.arange(len(whole["sh"])), spec.lights)
    return LightSet(colours, {n: whole[n] for n in GEOMETRY}, mannequin, whole["sh"].reshape(-1, 9, 3))


def crops(
    frame: Picture, person: Observed, probes: ProbeMaker, rng: np.random.Generator
) -> Iterable[tuple[Probe, Probe]]:
    """Pairs of probes of one unlabelled picture, cropped in two ways: their light is the same.

    A crop keeps the face; the camera's axes stay, its principal point moves.
    """
    head = person.fit.landmark_points[list(FACE)]
    face = person.camera.project(head).mean(0)
    return [
        (_crop(frame, person, probes, face, rng), _crop(frame, person, probes, face, rng))
        for _ in range(_CROPS)
    ]


def _crop(
    frame: Picture, person: Observed, probes: ProbeMaker, face: NDArray[np.float64], rng: np.random.Generator
) -> Probe:
    height, width = frame.shape[:2]
    w, h = (int(n * rng.uniform(0.5, 1.0)) for n in (width, height))
    x = int(np.clip(face[0] - w * rng.uniform(0.25, 0.75), 0, width - w))
    y = int(np.clip(face[1] - h * rng.uniform(0.15, 0.6), 0, height - h))
    fx, fy = person.mask.shape[1] / width, person.mask.shape[0] / height
    mask = person.mask[int(y * fy) : int((y + h) * fy), int(x * fx) : int((x + w) * fx)]
    camera = Intrinsics(person.camera.focal, person.camera.cx - x, person.camera.cy - y)
    return probes.make(np.ascontiguousarray(frame[y : y + h, x : x + w]), mask, person.fit, camera)


def set_folder(spec: DatasetSpec) -> Path:
    """Where the set of a spec is kept unless another folder is named."""
    told = json.dumps({"version": VERSION, **asdict(spec)}, sort_keys=True)
    return cache_folder() / f"set-{hashlib.sha256(told.encode()).hexdigest()[:12]}"
