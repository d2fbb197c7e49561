"""Command lines of the fabric GAN: ``mirror fabric train|sample|import`` and ``mirror evaluate fabric``.

Each ``main_*`` takes its arguments and returns the exit status; a MirrorError is the caller's to print.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

from mirror.errors import MirrorError


def add_train_arguments(parser: argparse.ArgumentParser) -> None:
    """``mirror fabric train``'s arguments."""
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of the run; a run found there goes on"
    )
    parser.add_argument("--swatches", type=Path, help="folder of swatch photos to join the woven tiles")
    parser.add_argument("--crops", type=int, default=24, help="tiles cut from each swatch")
    parser.add_argument("--procedural", type=int, default=200, help="woven tiles a class")
    parser.add_argument("--steps", type=int, default=6000, help="steps to reach in all")
    parser.add_argument("--batch", type=int, default=8, help="fabrics a step and process")
    parser.add_argument(
        "--warm-steps", type=int, help="steps of reconstruction before the discriminator joins"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads a process; 0 for all")
    parser.add_argument("--save-every", type=int, default=200, help="steps between checkpoints")
    parser.add_argument("--sheet-every", type=int, default=200, help="steps between sample sheets")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def train(options: argparse.Namespace) -> int:
    """Run ``mirror fabric train``."""
    torch = require_torch()
    from torch import distributed

    from inference.fabric.data_sources import training_set
    from inference.fabric.train import Schedule, join_processes
    from inference.fabric.train import train as run

    if options.procedural < 1 and options.swatches is None:
        raise MirrorError("nothing to train on: give --swatches FOLDER, or --procedural above 0")
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        raise MirrorError("no CUDA device here; train with --device cpu")
    if options.threads:
        torch.set_num_threads(options.threads)
    rank, processes = join_processes(options.device)
    data, facts = training_set(
        options.out,
        swatches=options.swatches,
        crops=options.crops,
        per_class=options.procedural,
        seed=options.seed,
        rank=rank,
    )
    changes = {} if options.warm_steps is None else {"warm_steps": options.warm_steps}
    schedule = Schedule(steps=options.steps, batch=options.batch, seed=options.seed, **changes)
    facts |= {"command": _command(options), "processes": str(processes), "seed": str(options.seed)}
    run(
        data,
        schedule,
        options.out,
        facts=facts,
        device=options.device,
        save_every=options.save_every,
        sheet_every=options.sheet_every,
        progress=not options.quiet,
    )
    if processes > 1:
        distributed.destroy_process_group()
    if rank == 0:
        print(f"{options.out / 'fabric_gan.safetensors'}")
    return 0


def _command(options: argparse.Namespace) -> str:
    """The command that makes these weights again, without the folders of this machine."""
    words = ["mirror", "fabric", "train", "--out", "DIR"]
    for name in ("procedural", "steps", "batch", "seed"):
        words += [f"--{name}", str(getattr(options, name))]
    if options.swatches is not None:
        words += ["--swatches", "SWATCHES", "--crops", str(options.crops)]
    if options.warm_steps is not None:
        words += ["--warm-steps", str(options.warm_steps)]
    return shlex.join(words)


def require_torch() -> ModuleType:
    """The torch module. MirrorError with the mend where it is not installed."""
    try:
        import torch
    except ImportError as error:
        raise MirrorError("training needs PyTorch: pip install 'fitting-mirror[train]'") from error
    return torch


_COMMANDS: dict[
    str, tuple[Callable[[argparse.ArgumentParser], None], Callable[[argparse.Namespace], int]]
] = {
    "train": (add_train_arguments, train),
}


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m inference.fabric.cli train|sample|import|evaluate``: the same commands by themselves."""
    parser = argparse.ArgumentParser(prog="inference.fabric")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (add, _) in _COMMANDS.items():
        add(commands.add_parser(name))
    options = parser.parse_args(argv)
    try:
        return _COMMANDS[options.command][1](options)
    except MirrorError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
