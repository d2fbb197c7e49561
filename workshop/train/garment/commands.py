"""``mirror garment train``: the encoder that finds garments alike."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.cli.options import Quiet, Seed
from mirror.errors import MirrorError
from workshop.environment import require_torch
from workshop.train.garment.options import Data, Held, Instances, Variants

if TYPE_CHECKING:
    from workshop.train.garment.dataset import Plan


def train(
    out: Annotated[Path, typer.Option("--out", help="Folder of the run; a run found there goes on.")],
    steps: Annotated[int, typer.Option("--steps", help="Steps of each of the two encoders.")] = 450,
    save_every: Annotated[int, typer.Option("--save-every", help="Steps between checkpoints.")] = 100,
    held_kind: Annotated[
        str, typer.Option("--held-kind", help="The kind that the second encoder never sees.")
    ] = "dress",
    threads: Annotated[int, typer.Option("--threads", help="CPU threads; 0 for all.")] = 1,
    make_default: Annotated[
        bool, typer.Option("--install", help="Make these the weights that the mirror uses.")
    ] = False,
    data: Data = None,
    variants: Variants = 22,
    held: Held = 6,
    instances: Instances = 10,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> int:
    """Train the encoder, then one that never saw a kind, for the proof."""
    torch = require_torch()
    from workshop.train.garment.dataset import Plan
    from workshop.train.garment.pipeline import install, train_both

    plan = Plan(variants, held, instances, seed)
    if steps < 1 or save_every < 1:
        raise MirrorError("--steps and --save-every: 1 at least")
    if threads:
        torch.set_num_threads(threads)
    try:
        written = train_both(
            plan,
            data or out / "data",
            out,
            steps=steps,
            held_kind=held_kind,
            save_every=save_every,
            facts={"command": _command(plan, steps, held_kind), "seed": str(seed)},
            progress=not quiet,
        )
        for path in install(out) if make_default else written:
            print(path)
    except OSError as error:
        raise MirrorError(f"{error.filename or out}: cannot be written ({error.strerror})") from error
    return 0


def _command(plan: Plan, steps: int, held_kind: str) -> str:
    """The command that makes these weights again, without the folders of this machine."""
    words = ["mirror", "garment", "train", "--out", "DIR"]
    for name in ("variants", "held", "instances", "seed"):
        words += [f"--{name}", str(getattr(plan, name))]
    return shlex.join([*words, "--steps", str(steps), "--held-kind", held_kind])
