"""Garments like a garment, and the cloth that its likes ask for.

Each garment whose page names what ``[suits]`` it is an example. A garment is proposed the classes of
the examples near it in the encoder's space, so a new one needs neither a page of its own nor training.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inference.body.model import BodyModel
from mirror.errors import MirrorError
from mirror.types import F32
from mirror.wardrobe import read_page
from render.garments.fabric import list_fabrics, load_fabric
from render.garments.garment import Garment, GarmentPage, Suit, list_garments, load_garment
from workshop.tailor.alike.encoder import GarmentEncoder
from workshop.tailor.alike.features import Tailor
from workshop.tailor.swatch_photos.labels import find_repeats

#: How fast an example's say falls with its distance: that of a cosine 0.1 lower is e times less.
_TEMPERATURE = 0.1
_LEAST_SCORE = 0.15  # classes below are not proposed


@dataclass(frozen=True)
class Likeness:
    """A garment of the wardrobe and its cosine to the one asked for, -1..1."""

    name: str
    kind: str
    path: Path
    similarity: float


@dataclass(frozen=True)
class Proposal:
    """A fabric class for a garment: ``score`` 0..1, and metres (least, most) of a pattern's repeat."""

    fabric_class: str
    score: float
    repeat_m: tuple[float, float] | None


def embed_garment(garment: Garment, encoder: GarmentEncoder, model: BodyModel) -> F32:
    """The garment's place (D,) in the encoder's space, of unit length: base size, mean body, at rest.

    MirrorError naming the garment's file where it has no panels or another body's shapes.
    """
    try:
        return encoder.embed(Tailor(garment, model).features())
    except MirrorError as error:
        raise MirrorError(f"{garment.path / 'garment.glb'}: {error}") from error


def similar_garments(
    garment: Garment,
    folders: Iterable[str | Path] = (),
    encoder: GarmentEncoder | None = None,
) -> tuple[list[Likeness], list[tuple[Path, str]]]:
    """The wardrobe's other garments, the likest first; and those that could not be read, with the reason."""
    encoder, model = encoder or GarmentEncoder(), BodyModel.load()
    own = embed_garment(garment, encoder, model)
    found, broken = [], []
    for facts in list_garments(folders):
        path = Path(facts["path"])
        if path.resolve() == garment.path.resolve():
            continue
        try:
            other = embed_garment(load_garment(path), encoder, model)
        except MirrorError as error:
            broken.append((path, str(error)))
            continue
        found.append(Likeness(facts["name"], facts["kind"], path, float(own @ other)))
    return sorted(found, key=lambda near: (-near.similarity, near.name)), broken


def suits_of(folder: Path) -> dict[str, Suit]:
    """What a garment's page says suits it. MirrorError naming the page and class that is wrong."""
    suits = read_page(folder, "garments", GarmentPage).suits
    for name, suit in suits.items():
        if suit.repeat_m is not None and suit.repeat_m[0] > suit.repeat_m[1]:
            raise MirrorError(f"{folder / 'garment.toml'}: [suits] {name}: repeat_m goes from more to less")
    return suits


def propose(examples: Sequence[tuple[float, Mapping[str, Suit]]]) -> list[Proposal]:
    """Proposals, the best first, from (similarity, suits) of the examples; none without an example.

    A class scores the mean of its weights (0 where an example lacks it), and its repeats are the
    geometric means of theirs, each example counting exp(similarity / 0.1).
    """
    told = [(similarity, suits) for similarity, suits in examples if suits]
    if not told:
        return []
    say = np.exp((np.array([s for s, _ in told]) - max(s for s, _ in told)) / _TEMPERATURE)
    say /= say.sum()
    out = []
    for name in sorted({name for _, suits in told for name in suits}):
        having = [(w, suits[name]) for w, (_, suits) in zip(say.tolist(), told, strict=True) if name in suits]
        score = sum(w * suit.weight for w, suit in having)
        ranges = [(w, suit.repeat_m) for w, suit in having if suit.repeat_m is not None]
        repeat = None
        if ranges:
            logs = np.average(np.log([r for _, r in ranges]), axis=0, weights=[w for w, _ in ranges])
            repeat = (float(np.exp(logs[0])), float(np.exp(logs[1])))
        if score >= _LEAST_SCORE:
            out.append(Proposal(name, score, repeat))
    return sorted(out, key=lambda p: (-p.score, p.fabric_class))


def matching_fabrics(proposal: Proposal, folders: Iterable[str | Path] = ()) -> list[dict[str, Any]]:
    """The wardrobe's fabrics of the class: name, ``pattern_m`` and ``scale``.

    ``pattern_m``: metres of its pattern's repeat, as autocorrelation finds it, for a class with a
    proposed repeat; ``scale``: what to multiply it by to bring it into the proposed range, 1 if it lies
    there. None for both where there is no pattern to measure.
    """
    out: list[dict[str, Any]] = []
    for facts in list_fabrics(folders):
        if facts["class"] != proposal.fabric_class:
            continue
        pattern = _pattern_m(facts["path"]) if proposal.repeat_m is not None else None
        scale = None
        if pattern is not None and proposal.repeat_m is not None:
            scale = float(np.clip(pattern, *proposal.repeat_m)) / pattern
        out.append({"name": facts["name"], "pattern_m": pattern, "scale": scale})
    return out


def _pattern_m(path: str) -> float | None:
    fabric = load_fabric(path)
    repeats = find_repeats(fabric.albedo)
    if repeats is None:
        return None
    # Of stripes and the like the short repeat is the weave's.
    return float(max(r.length for r in repeats) * fabric.repeat_m[0] / fabric.albedo.shape[1])
