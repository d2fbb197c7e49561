"""``mirror bench`` and ``mirror bench-changes``: what the mirror costs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Report = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write the figures as one JSON object.")
]
Clip = Annotated[
    Path | None, typer.Option("--clip", metavar="CLIP", help="Clip to play (default: the built-in one).")
]
Garment = Annotated[str, typer.Option("--garment", metavar="G", help="What is worn.")]


def bench(
    report: Report = None,
    clip: Clip = None,
    garment: Garment = "long_sleeve",
    seconds: Annotated[float, typer.Option("--seconds", help="Length of each measurement.")] = 15.0,
    sizes: Annotated[
        str, typer.Option("--sizes", metavar="WxH[,WxH]", help="Frame sizes.")
    ] = "640x480,1280x720",
    window: Annotated[bool, typer.Option("--window", help="Show the mirror in a window meanwhile.")] = False,
) -> int:
    """Measure the mirror, the pose network alone and a naive mirror, in one run."""
    parsed = tuple(_size(part) for part in sizes.split(","))
    from workshop.bench.speed import CLIP, SpeedOptions, run

    return run(SpeedOptions(clip or CLIP, garment, seconds, parsed, window), report)


def changes(
    report: Report = None,
    clip: Clip = None,
    garment: Garment = "long_sleeve",
    size: Annotated[str, typer.Option("--size", metavar="WxH", help="Frame size.")] = "1280x720",
    count: Annotated[int, typer.Option("--changes", min=1, metavar="N", help="Changes of a kind.")] = 8,
) -> int:
    """Measure what other clothes cost while the mirror runs."""
    parsed = _size(size)
    from workshop.bench import changes as measured
    from workshop.bench.speed import CLIP

    return measured.run(clip or CLIP, garment, parsed, count, report)


def _size(text: str) -> tuple[int, int]:
    try:
        width, height = (int(side) for side in text.split("x"))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not of the form 640x480") from None
    if min(width, height) < 64:
        raise typer.BadParameter("frames must be at least 64 pixels wide and high")
    return width, height
