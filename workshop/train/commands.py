"""``mirror shape-prior train``: the prior of body shapes, made anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workshop.environment import require_anny


def shape_prior(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="Folders of mirror landmarks dataset.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Weights (default: the shipped ones).")
    ] = None,
) -> int:
    """Learn what pictures of a person tell of the shape, and write the weights."""
    require_anny()
    from workshop.train.shape_prior import train_and_write

    train_and_write(folders, out)
    return 0
