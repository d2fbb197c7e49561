"""``mirror evaluate fabric``: whether sampled fabrics tile, look real, differ and obey."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from mirror.cli.options import Figures, Seed
from mirror.errors import MirrorError
from workshop.environment import require_torch


def evaluate(
    figures: Figures = None,
    swatches: Annotated[
        Path | None, typer.Option("--swatches", help="Folder of real swatches to measure against.")
    ] = None,
    samples: Annotated[int, typer.Option("--samples", help="Fabrics sampled.")] = 200,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for charts and sample sheets.")] = None,
    weights: Annotated[
        Path | None, typer.Option("--weights", help="Other weights than the shipped ones.")
    ] = None,
    threads: Annotated[int, typer.Option("--threads", help="CPU threads; 0 for all.")] = 0,
) -> int:
    """Measure tiling, realism, diversity and obedience of sampled fabrics."""
    torch = require_torch()
    from inference.fabric.generator import SHIPPED, FabricGenerator
    from workshop.evaluate.fabric.evaluate import evaluate as run

    if samples < 20:
        raise MirrorError("--samples: 20 at least")
    if threads:
        torch.set_num_threads(threads)
    result = run(
        FabricGenerator(weights or SHIPPED),
        swatches,
        count=samples,
        seed=seed,
        out=out,
        say=lambda line: print(f"... {line}", file=sys.stderr),
    )
    for name, value in result["summary"].items():
        print(f"{name:<16} {value:.4f}")
    print(f"reference: {result['reference']}")
    if figures is not None:
        figures.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    return 0
