"""``mirror evaluate parts``: how well hands, hair, head, skin and worn clothes are told."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from mirror.cli.options import Figures
from mirror.errors import MirrorError

_FOOTAGE = Path(__file__).resolve().parents[4] / "shared" / "footage"


def evaluate(
    figures: Figures = None,
    footage: Annotated[
        Path | None,
        typer.Option("--footage", metavar="DIR", help="Real clips with labels (default: ../shared/footage)."),
    ] = None,
    names: Annotated[
        list[str] | None,
        typer.Option("--scene", metavar="NAME", help="This rendered scene (may be repeated; else three)."),
    ] = None,
    no_scenes: Annotated[bool, typer.Option("--no-scenes", help="Annotated clips only.")] = False,
    no_clips: Annotated[bool, typer.Option("--no-clips", help="Rendered scenes only.")] = False,
) -> int:
    """Measure the parts on annotated clips and on rendered people, beside the network they come from."""
    from workshop.evaluate.parts.evaluate import evaluate as run
    from workshop.synthetic.people.scenes import QUICK, all_scenes

    scenes = {scene.name: scene for scene in all_scenes()}
    wanted = [] if no_scenes else list(names or QUICK)
    if unknown := [name for name in wanted if name not in scenes]:
        raise MirrorError(f"no scene {', '.join(unknown)}; there are {', '.join(sorted(scenes))}")
    if footage is not None and not (footage / "truth").is_dir():
        raise MirrorError(f"{footage} has no folder truth with label images")
    result = run(
        None if no_clips else footage or _FOOTAGE,
        [scenes[name] for name in wanted],
        lambda line: print(f"... {line}", file=sys.stderr, flush=True),
    )
    for kind in ("clips", "scenes"):
        for name, row in result[kind].items():
            print(f"{name:<38}" + "  ".join(f"{key} {value:.3f}" for key, value in row.items()))
    print()
    for name, value in result["summary"].items():
        print(f"{name:<28}" + ("-" if value is None else f"{value:.4f}"))
    if figures is not None:
        figures.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    return 0
