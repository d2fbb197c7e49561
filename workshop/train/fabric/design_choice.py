"""Which designs samples start from: those that are told for their class, and that differ.

Each tile is woven anew in its style, a woven one in other colours too, and the recogniser reads the cloth.
Those that it is least sure of are left out; of the others as many are drawn as are kept, in an order in
which each is the farthest in its traits from those before it (Gonzalez, "Clustering to minimize the
maximum intercluster distance", 1985).
Plain cloth must lie level: what is blotchier than the woven tiles is left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d

from inference.fabric.classes import NAMES, PATTERNED
from inference.fabric.palette import random_palette
from mirror.errors import MirrorError
from mirror.shading.colour import to_lab
from mirror.types import F32
from workshop.train.fabric.batches import batch_tensors, draw_noise, pictured_odds
from workshop.train.fabric.losses import standardise
from workshop.train.fabric.network import Encoder, Generator, Recogniser, linear_from_srgb
from workshop.train.fabric.swatches import SwatchSet
from workshop.train.fabric.weights import PRIORS

_BATCH = 16
#: Classes of which blotches would be all that is seen, and how level their cloth must lie: a share of the
#: median unevenness of their woven tiles. A photo's shadow that is fainter than a slub still shows.
_LEVEL, _SHARE_OF_MEDIAN = frozenset({"plain"}), 0.65
_FINEST = 0.42  # cycles a px of a picture's yarns: finer ones, which no loom spaced, beat with the pixels
_UNDYED = 15.0  # CIE Lab to its picture's median palette, up to which a tile has the picture's own colours


@dataclass(frozen=True)
class Choice:
    """How designs are chosen. ``share``: as ``Schedule.real_share``, of the designs that come from pictures;
    ``kept``: of a class's tiles, those that the recogniser is surest of; ``candidates``: tiles looked at a
    class and kind (woven, pictured); ``seed``.
    """  # noqa: D205

    share: float = 0.3
    kept: float = 0.7
    candidates: int = 96
    seed: int = 0


@dataclass(frozen=True)
class Loom:
    """The trained networks that the choice looks through."""

    generator: Generator
    encoder: Encoder
    recogniser: Recogniser
    device: torch.device


def choose(
    data: SwatchSet, loom: Loom, choice: Choice, say: Callable[[str], None] = lambda _: None
) -> NDArray[np.int64]:
    """Rows of ``data`` (classes, PRIORS), as ``batches.choose_designs``, each class's the most unlike first.

    A class that has too few designs has them again.
    """
    out = np.full((len(NAMES), PRIORS), -1, np.int64)
    undyed = _undyed(data)
    for index, name in enumerate(NAMES):
        draw = np.random.default_rng([choice.seed, index])
        mine = data.classes == index
        woven, pictured = np.flatnonzero(mine & (data.source < 0)), np.flatnonzero(mine & undyed)
        if not len(woven) + len(pictured):
            continue
        most = _levelness(data.take(woven)) if name in _LEVEL and len(woven) else np.inf
        told: list[tuple[NDArray[np.int64], F32]] = []
        quota = round(PRIORS * pictured_odds(data, choice.share, index))
        # Pictures first: what they leave, woven tiles fill.
        for found, palettes in ((pictured, 0), (woven, 1)):
            if not len(found) or not quota:
                quota = PRIORS
                continue
            part = draw.permutation(found)[: choice.candidates]
            margin, traits, uneven = _read(data.take(part), loom, draw, palettes)
            level = uneven <= most
            if name not in PATTERNED and not palettes:
                waves = np.linalg.norm(data.cycles[part][:, 2], axis=2).min(1)
                level &= waves <= _FINEST * data.height.shape[1]
            surest = np.argsort(-margin, kind="stable")
            surest = draw.permutation(surest[level[surest]][: math.ceil(choice.kept * len(part))])
            surest = surest[_in_turn(data.count[part[surest]])][:quota]
            if len(surest):
                told.append((part[surest], traits[surest]))
            words = f"{(margin > 0).mean():.2f} told, {level.mean():.2f} level"
            say(f"{name}: {len(part)} {'woven' if palettes else 'pictured'}, {words}")
            quota = PRIORS - sum(len(rows) for rows, _ in told)
        if not told:
            raise MirrorError(f"{name}: no design lies level; train on")
        rows, traits = (np.concatenate(both) for both in zip(*told, strict=True))
        out[index] = np.resize(rows[spread(traits, PRIORS)], PRIORS)
    return out


def spread(points: F32, count: int) -> NDArray[np.int64]:
    """Indices of up to ``count`` of the points (n, d): the first one, then always the farthest from those."""
    picked = [0]
    far = np.linalg.norm(points - points[0], axis=1)
    while len(picked) < min(count, len(points)):
        far[picked] = -1.0
        picked.append(int(far.argmax()))
        far = np.minimum(far, np.linalg.norm(points - points[picked[-1]], axis=1))
    return np.array(picked)


def _in_turn(kinds: NDArray[np.integer]) -> NDArray[np.int64]:
    """The order of ``kinds`` (n,) that takes of each kind in turn: a palette finds its number of colours."""
    place = np.array([(kinds[:i] == kind).sum() for i, kind in enumerate(kinds)], np.int64)
    return np.asarray(np.argsort(place, kind="stable"), np.int64)


def _undyed(data: SwatchSet) -> NDArray[np.bool_]:
    """Which tiles (n,) are a picture's in about the picture's own colours."""
    out = np.zeros(len(data), np.bool_)
    for source in np.unique(data.source[data.source >= 0]):
        rows = np.flatnonzero(data.source == source)
        lab = to_lab(data.palette[rows, : int(data.count[rows[0]])])
        out[rows] = np.linalg.norm(lab - np.median(lab, 0), axis=2).mean(1) < _UNDYED
    return out


def _unevenness(fabric: Tensor) -> Tensor:
    """How far cells of 16 px differ in lightness (B,) in fabrics (B, 4, H, W), as a share of the mean."""
    light = linear_from_srgb(fabric[:, :3]).mean(1, keepdim=True)
    cells = avg_pool2d(light, 16)
    return cells.std((1, 2, 3)) / (light.mean((1, 2, 3)) + 1e-3)


def _levelness(woven: SwatchSet) -> float:
    """The most unevenness that a class's designs may have."""
    light = torch.from_numpy(woven.albedo.astype(np.float32) / 255).permute(0, 3, 1, 2)
    return _SHARE_OF_MEDIAN * float(_unevenness(light).median())


def _read(
    rows: SwatchSet, loom: Loom, draw: np.random.Generator, palettes: int
) -> tuple[NDArray[np.float64], F32, F32]:
    """(the recogniser's margin of the class, its traits, the unevenness) of each tile woven anew.

    The margin is the class's logit over the next one's; all are means over its own and ``palettes`` others.
    """
    chance = torch.Generator().manual_seed(int(draw.integers(2**62)))
    margins, seen, uneven = [], [], []
    for start in range(0, len(rows), _BATCH):
        few = rows.take(np.arange(start, min(start + _BATCH, len(rows))))
        real, classes, palette, count, cycles = batch_tensors(few, loom.device)
        at = torch.arange(len(few), device=loom.device)
        with torch.no_grad():
            mean, log_variance = loom.encoder(real, palette, count, classes)
            margin, traits, rough = [], [], []
            for k in range(1 + palettes):
                if k:
                    palette = _other_palette(few, draw).to(loom.device)
                style = torch.randn(mean.shape, generator=chance).to(loom.device)
                style = mean + (log_variance / 2).exp() * style
                noise = draw_noise(chance, len(few), real.shape[2], real.shape[3], loom.device)
                made = loom.generator(classes, palette, count, style, cycles, noise)
                trait = loom.recogniser.describe(standardise(made))
                logits = loom.recogniser.out(trait)
                mine = logits[at, classes].clone()
                logits[at, classes] = -torch.inf
                margin.append(mine - logits.max(1).values)
                traits.append(trait)
                rough.append(_unevenness(made))
        margins.append(torch.stack(margin).mean(0).cpu().numpy())
        seen.append(torch.stack(traits).mean(0).cpu().numpy())
        uneven.append(torch.stack(rough).mean(0).cpu().numpy())
    return np.concatenate(margins).astype(np.float64), np.concatenate(seen), np.concatenate(uneven)


def _other_palette(rows: SwatchSet, draw: np.random.Generator) -> Tensor:
    """Palettes (B, 4, 3) of as many colours, drawn anew."""
    out = np.zeros_like(rows.palette)
    for i, count in enumerate(rows.count):
        out[i, :count] = random_palette(draw, int(count))
    return torch.from_numpy(out)
