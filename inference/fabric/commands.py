"""``mirror fabric sample``: a fabric of a class and a palette, woven by the generator."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mirror.cli.options import Seed
from mirror.errors import MirrorError


def sample(
    fabric_class: Annotated[str, typer.Option("--class", help="Such as tartan; a wrong one lists them all.")],
    palette: Annotated[
        str, typer.Option("--palette", help='One to four colours, such as "#7a1f1f,#10243f".')
    ],
    out: Annotated[Path, typer.Option("--out", help="The fabric folder to write.")],
    seed: Seed = 0,
    size: Annotated[
        str, typer.Option("--size", help="Px, one number or WIDTHxHEIGHT; multiples of 8.")
    ] = "512",
    name: Annotated[
        str | None, typer.Option("--name", help="The fabric's name; the folder's by default.")
    ] = None,
    to_class: Annotated[str | None, typer.Option("--to-class", help="Interpolate to this class.")] = None,
    to_seed: Annotated[int | None, typer.Option("--to-seed", help="Interpolate to this seed.")] = None,
    share: Annotated[float, typer.Option("--share", help="How far of the way, 0 to 1.")] = 0.5,
    weights: Annotated[
        Path | None, typer.Option("--weights", help="Other weights than the shipped ones.")
    ] = None,
) -> int:
    """Weave a fabric and write its folder."""
    from inference.fabric.classes import check_class
    from inference.fabric.generator import SHIPPED, FabricGenerator
    from inference.fabric.palette import parse_palette
    from inference.fabric.sample import Blend, write_fabric
    from inference.fabric.sample import sample as run

    check_class(fabric_class)
    colours, side = parse_palette(palette), _size(size)
    blend = None
    if to_class is not None or to_seed is not None:
        blend = Blend(share, to_class, to_seed)
    generator = FabricGenerator(weights or SHIPPED)
    made = run(generator, fabric_class, colours, seed, side, blend)
    print(write_fabric(made, out, name=name))
    return 0


def _size(text: str) -> tuple[int, int]:
    """(height, width) px of "1024" or "640x480" (width first)."""
    words = text.lower().split("x")
    if len(words) > 2 or not all(w.isdigit() for w in words):
        raise MirrorError(f"size {text!r}: give px, such as 512 or 640x480")
    return int(words[-1]), int(words[0])
