"""The arguments and the printed table of ``mirror evaluate fit``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from mirror.cli.options import Figures
from mirror.errors import MirrorError

_FOOTAGE = Path(__file__).resolve().parents[4] / "shared" / "footage"
_COLUMNS = (
    ("top", "iou_top"),
    ("bottom", "iou_bottom"),
    ("yard.t", "yardstick_top"),
    ("yard.b", "yardstick_bottom"),
    ("F.t", "boundary_f_top"),
    ("F.b", "boundary_f_bottom"),
    ("layers", "layering"),
    ("joint%", "joint_share"),
    ("trunk cm", "trunk_cm"),
    ("tracked", "tracked"),
    ("worn", "worn_visible"),
    ("jitter", "jitter_px"),
    ("lag", "lag_frames"),
    ("recover", "recovery_s"),
)


def evaluate(
    figures: Figures = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Folder for pictures of the ten worst frames."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Three scenes only, no real clips.")] = False,
    names: Annotated[
        list[str] | None,
        typer.Option("--scene", metavar="NAME", help="This scene only (may be repeated)."),
    ] = None,
    footage: Annotated[
        Path | None,
        typer.Option("--footage", metavar="DIR", help="Real clips with labels (default: ../shared/footage)."),
    ] = None,
    field_of_view: Annotated[
        float | None, typer.Option("--field-of-view", metavar="DEG", help="What the mirror is told.")
    ] = None,
) -> int:
    """Measure the fit on people whose bodies are known, and on labelled clips."""
    from workshop.evaluate.fit.evaluate import evaluate as run
    from workshop.synthetic.people.scenes import QUICK, all_scenes

    if field_of_view is not None and not 20 <= field_of_view <= 140:
        raise MirrorError("--field-of-view: 20 to 140 degrees")
    scenes = all_scenes()
    wanted = names or (QUICK if quick else None)
    if wanted is not None:
        known = {scene.name for scene in scenes}
        if unknown := [name for name in wanted if name not in known]:
            raise MirrorError(f"no scene {', '.join(unknown)}; there are {', '.join(sorted(known))}")
        scenes = [scene for scene in scenes if scene.name in wanted]
    if footage is not None and not (footage / "truth").is_dir():
        raise MirrorError(f"{footage} has no folder truth with label images")
    clips = footage or (None if wanted is not None else _FOOTAGE)
    result = run(
        scenes,
        clips=clips,
        out=out,
        field_of_view_deg=field_of_view,
        say=lambda line: print(f"... {line}", file=sys.stderr, flush=True),
    )
    print(table(result))
    if out is not None:
        print(f"the worst frames are in {out}")
    if figures is not None:
        figures.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    return 0


def table(result: dict[str, Any]) -> str:
    """Scenes, real clips and the summary with its goals, as text."""
    from workshop.evaluate.fit.evaluate import GOALS

    lines = [f"{'scene':<16}" + "".join(f"{head:>9}" for head, _ in _COLUMNS)]
    for name, row in result["scenes"].items():
        cells = (f"{row[key]:9.3f}" if row.get(key) is not None else f"{'-':>9}" for _, key in _COLUMNS)
        lines.append(f"{name:<16}" + "".join(cells))
    for name, row in result["clips"].items():
        lines.append(f"{name:<42}" + "  ".join(f"{key} {value:.3f}" for key, value in row.items()))
    for name, row in result["joints"].items():
        lines.append(f"{name:<16}" + "  ".join(f"{k} {v:+.3f}" for k, v in row.items() if v is not None))
    lines.append("")
    for name, value in result["summary"].items():
        shown = "-" if value is None else f"{value:.4f}"
        if name in GOALS and value is not None:
            goal, floor = GOALS[name]
            reached = value >= goal if floor else value <= goal
            shown += f"   goal {'at least' if floor else 'at most'} {goal:g}" + (
                "" if reached else "   SHORT"
            )
        lines.append(f"{name:<24}{shown}")
    return "\n".join(lines)
