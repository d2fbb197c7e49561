"""The proof: how well the shipped generator's fabrics tile, look real, differ, and obey.

Reads the weights and, where given, a folder of real swatches; writes charts and a sample sheet.
Without swatches the reference is woven tiles that the generator never saw, and the figures say so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.fabric.classes import NAMES
from inference.fabric.generator import FabricGenerator
from inference.fabric.sample import fill_palette, sample
from mirror.errors import MirrorError
from mirror.shading.colour import delta_e, to_lab
from mirror.types import F32
from workshop.evaluate.fabric import limits
from workshop.evaluate.fabric.charts import write_charts
from workshop.evaluate.fabric.features import Classifier, distances, features, kid, pairwise
from workshop.evaluate.fabric.requests import Request, drawn_request, random_request
from workshop.synthetic.fabric.dyes import dominant_colours
from workshop.synthetic.fabric.quilting import quilt
from workshop.synthetic.fabric.weave import weave
from workshop.tailor.swatch_photos.photographs import build
from workshop.train.fabric.dataset import tiles
from workshop.train.fabric.split import halves, seen_in_training
from workshop.train.fabric.swatches import TILE, SwatchSet, procedural_swatches

Pictures = NDArray[np.uint8]

#: Seeds of the woven tiles: none is a training seed's neighbour by accident.
_HELD_SEED, _JUDGE_SEED, _CHECK_SEED = 910_001, 910_002, 910_003
_LESSONS = 40  # woven tiles a class that the judge is taught on


def evaluate(
    generator: FabricGenerator,
    swatches: Path | None,
    *,
    count: int = 200,
    seed: int = 0,
    out: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """The figures: ``summary`` with the flat numbers, and the rest beside it. See the module's head."""
    say("reference swatches")
    train, held, reference = _reference(swatches, seed, generator.facts)
    rng = np.random.default_rng([seed, 1])
    requests = [drawn_request(train, rng) for _ in range(count)]
    say(f"{count} samples")
    made = _weave_all(generator, requests, seed)
    say("baselines")
    quilts = np.stack([_quilted(train, rng) for _ in range(count)])
    woven = np.stack([_woven(request, rng) for request in requests])
    say("features")
    table = {
        "held": features(held.albedo),
        "floor": features(train.albedo),
        "samples": features(made),
        "quilting": features(quilts),
        "procedural": features(woven),
    }
    kids = {k: kid(table[k], table["held"]) for k in ("samples", "floor", "quilting", "procedural")}
    say("obedience")
    balanced = [random_request(NAMES[i % len(NAMES)], rng) for i in range(count)]
    obeyed = _weave_all(generator, balanced, seed + 1)
    judge, accuracy = _judge(train, table["floor"], held, table["held"], real=swatches is not None)
    asked = np.array([NAMES.index(w.fabric_class) for w in balanced])
    recognised = judge.predict(features(obeyed)) == asked
    worst = np.array([palette_error(p, w.palette) for p, w in zip(obeyed, balanced, strict=True)])
    ratios = np.array([border_ratio(p) for p in obeyed])
    summary = {
        "tile_ok": float(((ratios >= limits.BORDER_RATIO[0]) & (ratios <= limits.BORDER_RATIO[1])).mean()),
        "kid": kids["samples"][0],
        "kid_floor": kids["floor"][0],
        "kid_quilting": kids["quilting"][0],
        "kid_procedural": kids["procedural"][0],
        "diversity_ratio": _diversity(table["samples"], requests, table, train, held),
        "palette_ok": float((worst <= limits.DELTA_E).mean()),
        "class_ok": float(recognised.mean()),
    }
    nearest = {
        "samples_to_training": float(distances(table["samples"], table["floor"]).min(1).mean()),
        "held_to_training": float(distances(table["held"], table["floor"]).min(1).mean()),
    }
    result: dict[str, Any] = {
        "summary": {k: round(v, 5) for k, v in summary.items()},
        "reference": reference,
        "samples": count,
        "kid_standard_error": {k: round(v[1], 5) for k, v in kids.items()},
        "judge_accuracy": accuracy,
        "nearest_neighbour_distance": nearest,
        "palette_delta_e_median": float(np.median(worst)),
        "class_ok_by_class": {
            n: round(float(recognised[asked == i].mean()), 3)
            for i, n in enumerate(NAMES)
            if (asked == i).any()
        },
        "border_ratio_percentiles": [round(float(v), 4) for v in np.percentile(ratios, (2.5, 50, 97.5))],
        "weights": generator.facts,
    }
    if out is not None:
        write_charts(out, result, ratios, worst, balanced, obeyed, {"real": held.albedo, "quilted": quilts})
    return result


def border_ratio(picture: Pictures) -> float:
    """Mean gradient across the tile's border over that inside, in lightness; (H, W, 3) uint8."""
    light = to_lab(picture.astype(np.float32) / 255)[..., 0]
    across = np.concatenate([np.abs(light[:, 0] - light[:, -1]), np.abs(light[0] - light[-1])])
    inside = np.concatenate([np.abs(np.diff(light, axis=1)).ravel(), np.abs(np.diff(light, axis=0)).ravel()])
    return float(across.mean() / max(float(inside.mean()), 1e-6))


def palette_error(picture: Pictures, palette: F32) -> float:
    """The largest ΔE2000 from an asked-for colour to the nearest dominant colour of the picture."""
    centres, share = dominant_colours(picture, 8)
    centres = centres[share >= limits.LEAST_SHARE]
    wanted = to_lab(palette)
    return float(delta_e(wanted[:, None], centres[None]).min(1).max())


def _reference(
    swatches: Path | None, seed: int, facts: Mapping[str, str]
) -> tuple[SwatchSet, SwatchSet, str]:
    """(training half, held-out half, what they are). Pictures are split, not crops.

    MirrorError if the weights with the metadata ``facts`` were trained on a held-out picture.
    """
    if swatches is None:
        return (
            procedural_swatches(20, _CHECK_SEED),
            procedural_swatches(20, _HELD_SEED),
            "woven tiles of other seeds (no swatches given): kid_floor and kid_procedural are the same thing",
        )
    found = sorted(build(swatches), key=lambda s: (s.label.fabric_class, s.name))
    if len(found) < limits.LEAST_SWATCHES:
        raise MirrorError(
            f"{swatches}: {len(found)} swatches; the proof needs {limits.LEAST_SWATCHES} at least"
        )
    ours, others = halves(found)
    if seen := seen_in_training(facts, others):
        raise MirrorError(f"the weights were trained on held-out swatches ({', '.join(seen)}); not measured")
    if "trained_on_sha256" in facts:
        said = "none of which the weights were trained on"
    else:
        said = "and the weights don't say which files they were trained on"
    half = (tiles(ours, 12, seed), tiles(others, 12, seed + 1))
    return *half, f"{len(found)} real swatches; {len(others)} of them held out, {said}"


def _weave_all(generator: FabricGenerator, requests: list[Request], seed: int) -> Pictures:
    return np.stack(
        [
            sample(generator, w.fabric_class, w.palette, seed * 100_000 + i, (TILE, TILE)).albedo
            for i, w in enumerate(requests)
        ]
    )


def _quilted(train: SwatchSet, rng: np.random.Generator) -> Pictures:
    return quilt(train.albedo[int(rng.integers(len(train)))], TILE, rng)


def _woven(request: Request, rng: np.random.Generator) -> Pictures:
    return weave(request.fabric_class, fill_palette(request.palette, request.fabric_class), TILE, rng).albedo


def _diversity(
    samples: F32, requests: list[Request], table: dict[str, F32], train: SwatchSet, held: SwatchSet
) -> float:
    """Mean over classes of the samples' pairwise feature distance over the real ones'."""
    real = np.concatenate([table["floor"], table["held"]])
    real_class = np.concatenate([train.classes, held.classes])
    asked = np.array([NAMES.index(w.fabric_class) for w in requests])
    ratios = []
    for index in range(len(NAMES)):
        ours, theirs = samples[asked == index], real[real_class == index]
        if min(len(ours), len(theirs)) >= limits.LEAST_OF_CLASS:
            ratios.append(pairwise(ours) / pairwise(theirs))
    return float(np.mean(ratios)) if ratios else float("nan")


def _judge(
    train: SwatchSet, train_features: F32, held: SwatchSet, held_features: F32, *, real: bool
) -> tuple[Classifier, dict[str, float]]:
    """The classifier and its accuracy on tiles that it never saw.

    It is taught on woven tiles of its own and, where there are ``real`` swatches, on the training
    half's: never on a sample.
    """
    lessons, check = procedural_swatches(_LESSONS, _JUDGE_SEED), procedural_swatches(10, _CHECK_SEED)
    table, labels = features(lessons.albedo), lessons.classes
    if real:
        table, labels = np.concatenate([table, train_features]), np.concatenate([labels, train.classes])
    judge = Classifier(table, labels, len(NAMES))
    accuracy = {"woven": float((judge.predict(features(check.albedo)) == check.classes).mean())}
    if real:
        accuracy["held_out_swatches"] = float((judge.predict(held_features) == held.classes).mean())
    return judge, {k: round(v, 4) for k, v in accuracy.items()}
