"""``mirror fabric train|choose``: the fabric GAN, made anew."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mirror.cli.options import Quiet, Seed
from mirror.errors import MirrorError
from workshop.environment import require_torch

if TYPE_CHECKING:
    from workshop.train.fabric.train import Schedule


def train(
    out: Annotated[Path, typer.Option("--out", help="Folder of the run; a run found there goes on.")],
    swatches: Annotated[
        Path | None, typer.Option("--swatches", help="Folder of swatch photos to join the woven tiles.")
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option("--without", metavar="WORD", help="Leave out swatches with it in their name."),
    ] = None,
    crops: Annotated[int, typer.Option("--crops", help="Tiles cut from each swatch.")] = 24,
    dye: Annotated[
        float, typer.Option("--dye", help="Share of these that are dyed in other colours, 0 to 1.")
    ] = 0.0,
    procedural: Annotated[int, typer.Option("--procedural", help="Woven tiles a class.")] = 200,
    steps: Annotated[int, typer.Option("--steps", help="Steps to reach in all.")] = 6000,
    batch: Annotated[int, typer.Option("--batch", help="Fabrics a step and process.")] = 8,
    fields: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Another field of the schedule, such as r1=0.1; may change when a run goes on.",
        ),
    ] = None,
    seed: Seed = 0,
    device: Annotated[str, typer.Option("--device", help="Cpu or cuda.")] = "cpu",
    threads: Annotated[int, typer.Option("--threads", help="CPU threads a process; 0 for all.")] = 0,
    save_every: Annotated[int, typer.Option("--save-every", help="Steps between checkpoints.")] = 200,
    sheet_every: Annotated[int, typer.Option("--sheet-every", help="Steps between sample sheets.")] = 200,
    quiet: Quiet = False,
) -> int:
    """Train the GAN on woven tiles and swatches."""
    torch = require_torch()
    from torch import distributed

    from workshop.train.fabric.data_sources import training_set
    from workshop.train.fabric.train import Schedule, join_processes
    from workshop.train.fabric.train import train as run

    if procedural < 1 and swatches is None:
        raise MirrorError("nothing to train on: give --swatches FOLDER, or --procedural above 0")
    if not 0 <= dye <= 1:
        raise MirrorError(f"--dye {dye:g}: give a share from 0 to 1")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise MirrorError("no CUDA device here; train with --device cpu")
    if threads:
        torch.set_num_threads(threads)
    rank, processes = join_processes(device)
    data, facts = training_set(
        out,
        swatches=swatches,
        crops=crops,
        per_class=procedural,
        seed=seed,
        without=without or [],
        dye=dye,
        rank=rank,
    )
    schedule = Schedule(steps=steps, batch=batch, seed=seed)
    schedule = replace(schedule, **_settings(fields or [], schedule))
    command = _command(schedule, fields or (), swatches, crops, without or (), dye, procedural)
    facts |= {"command": command, "processes": str(processes), "seed": str(seed)}
    run(
        data,
        schedule,
        out,
        facts=facts,
        device=device,
        save_every=save_every,
        sheet_every=sheet_every,
        progress=not quiet,
    )
    if processes > 1:
        distributed.destroy_process_group()
    if rank == 0:
        print(f"{out / 'fabric_gan.safetensors'}")
    return 0


def _settings(words: Sequence[str], schedule: object) -> dict[str, Any]:
    """The fields that NAME=VALUE words set, each as the schedule's own type."""
    held, out = vars(schedule), {}
    for word in words:
        name, _, value = word.partition("=")
        if name not in held or name in {"steps", "batch", "seed"}:
            raise MirrorError(f"--set {word}: no such field of the schedule")
        kind = type(held[name])
        if kind is bool and value not in {"true", "false"}:
            raise MirrorError(f"--set {word}: give true or false")
        try:
            out[name] = value == "true" if kind is bool else kind(value)
        except ValueError as error:
            raise MirrorError(f"--set {word}: {value!r} is no {kind.__name__}") from error
    return out


def _command(
    schedule: Schedule,
    fields: Sequence[str],
    swatches: Path | None,
    crops: int,
    without: Sequence[str],
    dye: float,
    procedural: int,
) -> str:
    """The command that makes these weights again, without the folders of this machine."""
    words = ["mirror", "fabric", "train", "--out", "DIR", "--procedural", str(procedural)]
    for name in ("steps", "batch", "seed"):
        words += [f"--{name}", str(getattr(schedule, name))]
    if swatches is not None:
        words += ["--swatches", "SWATCHES", "--crops", str(crops)]
        for word in without:
            words += ["--without", word]
        if dye:
            words += ["--dye", f"{dye:g}"]
    for word in fields:
        words += ["--set", word]
    return shlex.join(words)


def choose(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run of mirror fabric train.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write; the run's own weights by default.")
    ] = None,
    share: Annotated[
        float, typer.Option("--share", help="Of the designs that come from pictures, 0 to 1.")
    ] = 0.3,
    seed: Seed = 0,
) -> int:
    """Choose the designs that samples start from."""
    require_torch()
    from inference.fabric.weights import WEIGHTS
    from workshop.train.fabric.design_choice import Choice, Loom
    from workshop.train.fabric.design_choice import choose as run
    from workshop.train.fabric.train import keep_memory, load_run
    from workshop.train.fabric.weights import save_weights

    if not 0 <= share <= 1:
        raise MirrorError(f"--share {share:g}: give a share from 0 to 1")
    weights = folder / "fabric_gan.safetensors"
    keep_memory()
    trainer = load_run(folder)
    _, facts = WEIGHTS.load(weights)
    if facts["steps"] != str(trainer.step):
        raise MirrorError(f"{weights}: of step {facts['steps']}, the checkpoint of {trainer.step}; train on")
    loom = Loom(trainer.ema, trainer.ema_encoder, trainer.recogniser, trainer.device)
    picked = run(trainer.data, loom, Choice(share, seed=seed), say=print)
    told = f"mirror fabric choose DIR --share {share:g} --seed {seed}"
    save_weights(trainer.ema, trainer.priors(picked), facts | {"designs": told}, out or weights)
    print(out or weights)
    return 0
