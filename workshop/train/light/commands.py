"""``mirror light train``: the light network, made anew."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.cli.options import Quiet, Seed
from workshop.environment import require_torch, shut_in

if TYPE_CHECKING:
    from workshop.train.light.dataset import DatasetSpec
    from workshop.train.light.train import Schedule

_RATE = 3e-3


def train(
    out: Annotated[Path, typer.Option("--out", help="Folder of the run; a run found there goes on.")],
    hdr: Annotated[
        Path | None,
        typer.Option("--hdr", metavar="DIR", help="Folder of HDR environments to join made-up rooms."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR", help="Where the training set is kept (default: cache)."),
    ] = None,
    figures: Annotated[int, typer.Option("--figures", min=1, help="People rendered.")] = 1600,
    lights: Annotated[int, typer.Option("--lights", min=1, help="Lights on each of them.")] = 14,
    photos: Annotated[
        list[Path] | None,
        typer.Option(
            "--photo",
            metavar="FILE",
            help="Unlabelled picture of a person, whose crops must agree; may be given again.",
        ),
    ] = None,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Steps to reach in all.")] = 5000,
    planned: Annotated[
        int | None,
        typer.Option("--planned", min=1, metavar="STEPS", help="Steps the rate falls over (as --steps)."),
    ] = None,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Scenes a step.")] = 64,
    rate: Annotated[float, typer.Option("--rate", help="Learning rate at its highest.")] = _RATE,
    start: Annotated[
        Path | None,
        typer.Option(
            "--start", metavar="FILE", help="Weights to go on from, such as those of a smaller set."
        ),
    ] = None,
    seed: Seed = 0,
    threads: Annotated[int, typer.Option("--threads", help="CPU threads; 0 for all.")] = 0,
    save_every: Annotated[int, typer.Option("--save-every", min=1, help="Steps between checkpoints.")] = 250,
    quiet: Quiet = False,
) -> int:
    """Render people in known lights and train the network on them."""
    torch = require_torch()
    if threads:
        torch.set_num_threads(threads)
    photos = photos or []
    if photos:
        shut_in()
    import numpy as np
    from tqdm import tqdm  # type: ignore[import-untyped]

    from inference.body.model import BodyModel
    from inference.light.weights import WEIGHTS
    from workshop.synthetic.light.scenes import HELD, training_surroundings
    from workshop.train.light.dataset import DatasetSpec, build, load, set_folder
    from workshop.train.light.photographs import photo_pairs
    from workshop.train.light.train import Schedule
    from workshop.train.light.train import train as run

    model = BodyModel.load()
    around = training_surroundings(hdr, seed)
    sources = tuple(e.name for e in around.pictures)
    recipe = DatasetSpec(figures, lights, seed, sources)
    folder = data or set_folder(recipe)
    with tqdm(total=recipe.figures, desc="people", disable=quiet, mininterval=2.0) as bar:
        for count in build(recipe, around, folder, model):
            bar.update(count - bar.n)
    examples = load(recipe, folder)
    pairs = photo_pairs(photos, model, seed)
    schedule = Schedule(steps=steps, steps_planned=planned or steps, batch=batch, seed=seed, rate=rate)
    facts = {
        "command": _command(recipe, schedule, planned, start, hdr, photos),
        "seed": str(seed),
        "figures": str(recipe.figures),
        "scenes": str(len(examples)),
        "surroundings": f"made-up rooms, studios, streets; HDR pictures: {', '.join(sources) or 'none'}",
        "held_out": ", ".join(HELD),
        "photographs": ", ".join(p.name for p in photos) or "none",
        "mean_light": json.dumps(np.round(examples.sh.mean(0), 5).tolist()),
    }
    begun = WEIGHTS.load(start) if start is not None else None
    if begun is not None:
        facts["started_from"] = _history(begun[1])
    run(
        examples,
        pairs,
        schedule,
        out,
        facts=facts,
        start=begun[0] if begun is not None else None,
        save_every=save_every,
        progress=not quiet,
    )
    print(out / "light_net.safetensors")
    return 0


def _history(facts: dict[str, str]) -> str:
    """What made weights: their command, the steps it had reached, and the same of what it started from."""
    if "command" not in facts:
        return "weights of unknown origin"
    told = f"{facts['command']} ({facts.get('steps', 'some')} steps)"
    return f"{told}; from {facts['started_from']}" if "started_from" in facts else told


def _command(
    recipe: DatasetSpec,
    schedule: Schedule,
    planned: int | None,
    start: Path | None,
    hdr: Path | None,
    photos: Sequence[Path],
) -> str:
    """The command that makes these weights again, without the folders of this machine."""
    words = ["mirror", "light", "train", "--out", "DIR"]
    words += ["--figures", str(recipe.figures), "--lights", str(recipe.lights)]
    for name in ("steps", "batch", "seed"):
        words += [f"--{name}", str(getattr(schedule, name))]
    if planned:
        words += ["--planned", str(planned)]
    if schedule.rate != _RATE:
        words += ["--rate", str(schedule.rate)]
    if start is not None:
        words += ["--start", start.name]
    if hdr is not None:
        words += ["--hdr", "HDR"]
    for photo in photos:
        words += ["--photo", photo.name]
    return shlex.join(words)
