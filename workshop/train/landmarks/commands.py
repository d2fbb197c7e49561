"""``mirror landmarks dataset|train``: the landmark network, made anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mirror.cli.options import Seed
from workshop.environment import require_anny, require_torch


def dataset(
    out: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the pictures; a run goes on there.")],
    first: Annotated[int, typer.Option("--first", help="Person to begin with.")] = 0,
    last: Annotated[int, typer.Option("--last", help="Person to end before.")] = 320,
    rounds: Annotated[int, typer.Option("--rounds", help="Sets of pictures a person.")] = 1,
    seed: Seed = 4000,
) -> int:
    """Draw people, and keep what the pose network sees of each, and the truth."""
    require_anny()
    from workshop.train.landmarks.dataset import make

    make(out, range(first, last), rounds, seed)
    return 0


def train(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="Folders of mirror landmarks dataset.")
    ],
    folds: Annotated[
        int, typer.Option("--folds", help="Measure first, so many shares of the people left out in turn.")
    ] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Weights (default: the shipped ones).")
    ] = None,
    seed: Seed = 0,
) -> int:
    """Train the network, and write its weights and a log of its figures."""
    require_torch()
    from workshop.train.landmarks.train import train_and_write

    train_and_write(folders, folds, out, seed)
    return 0
