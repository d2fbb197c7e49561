"""``mirror evaluate garment``: whether the encoder finds garments alike."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from mirror.cli.options import Figures, Quiet, Seed
from mirror.errors import MirrorError
from workshop.environment import require_torch
from workshop.train.garment.options import Data, Held, Instances, Variants


def evaluate(
    figures: Figures = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for a picture of the garments found alike.")
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option("--weights", help="Folder with both encoders, instead of the shipped ones."),
    ] = None,
    data: Data = None,
    variants: Variants = 22,
    held: Held = 6,
    instances: Instances = 10,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> int:
    """Measure retrieval of garments of the same kind and the same cut."""
    if held < 2:
        raise MirrorError("--held: 2 at least, for a garment alone of its kind has no like to be found")
    require_torch()  # not for the encoder, but what the proof shares with training comes with it
    from workshop.evaluate.garment.evaluate import evaluate as run
    from workshop.tailor.alike.encoder import SHIPPED, GarmentEncoder
    from workshop.train.garment.dataset import Plan, build
    from workshop.train.garment.pipeline import UNSEEN, WEIGHTS, default_data

    folder = weights or SHIPPED.parent
    encoder, unseen = GarmentEncoder(folder / WEIGHTS), GarmentEncoder(folder / UNSEEN)
    plan = replace(Plan(variants, held, instances, seed), only_held=True)
    try:
        cut = build(data or default_data(), plan, progress=not quiet)
    except OSError as error:
        raise MirrorError(f"{error.filename}: cannot be written ({error.strerror})") from error
    result = run(encoder, unseen, cut, out=out)
    for name, value in result["summary"].items():
        print(f"{name:<32} {value:.4f}")
    print(f"over {result['instances']} worn garments of {result['garments']} variants kept from training")
    if figures is not None:
        figures.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    return 0
