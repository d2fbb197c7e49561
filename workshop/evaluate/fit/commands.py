"""The arguments and the printed table of ``mirror evaluate fit``."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

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


def add_evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    """``mirror evaluate fit``'s arguments."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for pictures of the ten worst frames")
    parser.add_argument("--quick", action="store_true", help="three scenes only, no real clips")
    parser.add_argument("--scene", action="append", metavar="NAME", help="this scene only (may be repeated)")
    parser.add_argument(
        "--footage", type=Path, metavar="DIR", help="real clips with labels (default: ../shared/footage)"
    )
    parser.add_argument("--field-of-view", type=float, metavar="DEG", help="what the mirror is told")


def evaluate(options: argparse.Namespace) -> int:
    """Run ``mirror evaluate fit``."""
    from workshop.evaluate.fit.evaluate import evaluate as run
    from workshop.synthetic.people.scenes import QUICK, all_scenes

    if options.field_of_view is not None and not 20 <= options.field_of_view <= 140:
        raise MirrorError("--field-of-view: 20 to 140 degrees")
    scenes = all_scenes()
    wanted = options.scene or (QUICK if options.quick else None)
    if wanted is not None:
        names = {scene.name for scene in scenes}
        if unknown := [name for name in wanted if name not in names]:
            raise MirrorError(f"no scene {', '.join(unknown)}; there are {', '.join(sorted(names))}")
        scenes = [scene for scene in scenes if scene.name in wanted]
    if options.footage is not None and not (options.footage / "truth").is_dir():
        raise MirrorError(f"{options.footage} has no folder truth with label images")
    clips = options.footage or (None if wanted is not None else _FOOTAGE)
    result = run(
        scenes,
        clips=clips,
        out=options.out,
        field_of_view_deg=options.field_of_view,
        say=lambda line: print(f"... {line}", file=sys.stderr, flush=True),
    )
    print(table(result))
    if options.out is not None:
        print(f"the worst frames are in {options.out}")
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
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
