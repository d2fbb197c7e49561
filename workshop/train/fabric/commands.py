"""Command lines of the fabric GAN: ``mirror fabric train|sample|import`` and ``mirror evaluate fabric``.

Each has a function that adds its arguments to a parser and one that runs on the parsed options and
returns the exit status; a MirrorError is the caller's to print.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from mirror.errors import MirrorError


def add_train_arguments(parser: argparse.ArgumentParser) -> None:
    """``mirror fabric train``'s arguments."""
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of the run; a run found there goes on"
    )
    parser.add_argument("--swatches", type=Path, help="folder of swatch photos to join the woven tiles")
    parser.add_argument(
        "--without",
        action="append",
        default=[],
        metavar="WORD",
        help="leave out swatches with it in their name",
    )
    parser.add_argument("--crops", type=int, default=24, help="tiles cut from each swatch")
    parser.add_argument(
        "--dye", type=float, default=0.0, help="share of these that are dyed in other colours, 0 to 1"
    )
    parser.add_argument("--procedural", type=int, default=200, help="woven tiles a class")
    parser.add_argument("--steps", type=int, default=6000, help="steps to reach in all")
    parser.add_argument("--batch", type=int, default=8, help="fabrics a step and process")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="another field of the schedule, such as r1=0.1; may change when a run goes on",
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

    from workshop.train.fabric.data_sources import training_set
    from workshop.train.fabric.train import Schedule, join_processes
    from workshop.train.fabric.train import train as run

    if options.procedural < 1 and options.swatches is None:
        raise MirrorError("nothing to train on: give --swatches FOLDER, or --procedural above 0")
    if not 0 <= options.dye <= 1:
        raise MirrorError(f"--dye {options.dye:g}: give a share from 0 to 1")
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
        without=options.without,
        dye=options.dye,
        rank=rank,
    )
    schedule = Schedule(steps=options.steps, batch=options.batch, seed=options.seed)
    schedule = replace(schedule, **_settings(options.set, schedule))
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


def _command(options: argparse.Namespace) -> str:
    """The command that makes these weights again, without the folders of this machine."""
    words = ["mirror", "fabric", "train", "--out", "DIR"]
    for name in ("procedural", "steps", "batch", "seed"):
        words += [f"--{name}", str(getattr(options, name))]
    if options.swatches is not None:
        words += ["--swatches", "SWATCHES", "--crops", str(options.crops)]
        for word in options.without:
            words += ["--without", word]
        if options.dye:
            words += ["--dye", f"{options.dye:g}"]
    for word in options.set:
        words += ["--set", word]
    return shlex.join(words)


def add_choose_arguments(parser: argparse.ArgumentParser) -> None:
    """``mirror fabric choose``'s arguments."""
    parser.add_argument("run", type=Path, help="folder of a run of mirror fabric train")
    parser.add_argument("--out", type=Path, help="file to write; the run's own weights by default")
    parser.add_argument(
        "--share", type=float, default=0.3, help="of the designs that come from pictures, 0 to 1"
    )
    parser.add_argument("--seed", type=int, default=0)


def choose(options: argparse.Namespace) -> int:
    """Run ``mirror fabric choose``."""
    require_torch()
    from inference.fabric.weights import WEIGHTS, save_weights
    from workshop.train.fabric.design_choice import Choice, Loom
    from workshop.train.fabric.design_choice import choose as run
    from workshop.train.fabric.train import keep_memory, load_run

    if not 0 <= options.share <= 1:
        raise MirrorError(f"--share {options.share:g}: give a share from 0 to 1")
    weights = options.run / "fabric_gan.safetensors"
    keep_memory()
    trainer = load_run(options.run)
    _, facts = WEIGHTS.load(weights)
    if facts["steps"] != str(trainer.step):
        raise MirrorError(f"{weights}: of step {facts['steps']}, the checkpoint of {trainer.step}; train on")
    loom = Loom(trainer.ema, trainer.ema_encoder, trainer.recogniser, trainer.device)
    picked = run(trainer.data, loom, Choice(options.share, seed=options.seed), say=print)
    told = f"mirror fabric choose DIR --share {options.share:g} --seed {options.seed}"
    out = options.out or weights
    save_weights(trainer.ema, trainer.priors(picked), facts | {"designs": told}, out)
    print(out)
    return 0


def add_sample_arguments(parser: argparse.ArgumentParser) -> None:
    """``mirror fabric sample``'s arguments."""
    parser.add_argument(
        "--class", dest="fabric_class", required=True, help="such as tartan; a wrong one lists them all"
    )
    parser.add_argument("--palette", required=True, help='one to four colours, such as "#7a1f1f,#10243f"')
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", default="512", help="px, one number or WIDTHxHEIGHT; multiples of 8")
    parser.add_argument("--out", type=Path, required=True, help="the fabric folder to write")
    parser.add_argument("--name", help="the fabric's name; the folder's by default")
    parser.add_argument("--to-class", help="interpolate to this class")
    parser.add_argument("--to-seed", type=int, help="interpolate to this seed")
    parser.add_argument("--share", type=float, default=0.5, help="how far of the way, 0 to 1")
    parser.add_argument("--weights", type=Path, help="other weights than the shipped ones")


def sample(options: argparse.Namespace) -> int:
    """Run ``mirror fabric sample``."""
    from inference.fabric.classes import check_class
    from inference.fabric.generator import SHIPPED, FabricGenerator
    from inference.fabric.palette import parse_palette
    from inference.fabric.sample import Blend, write_fabric
    from inference.fabric.sample import sample as run

    check_class(options.fabric_class)
    palette, size = parse_palette(options.palette), _size(options.size)
    blend = None
    if options.to_class is not None or options.to_seed is not None:
        blend = Blend(options.share, options.to_class, options.to_seed)
    generator = FabricGenerator(options.weights or SHIPPED)
    made = run(generator, options.fabric_class, palette, options.seed, size, blend)
    print(write_fabric(made, options.out, name=options.name))
    return 0


def _size(text: str) -> tuple[int, int]:
    """(height, width) px of "1024" or "640x480" (width first)."""
    words = text.lower().split("x")
    if len(words) > 2 or not all(w.isdigit() for w in words):
        raise MirrorError(f"size {text!r}: give px, such as 512 or 640x480")
    return int(words[-1]), int(words[0])


def add_import_arguments(parser: argparse.ArgumentParser) -> None:
    """``mirror fabric import``'s arguments."""
    parser.add_argument("swatches", type=Path, help="folder of swatch photos and material sets")
    parser.add_argument("--out", type=Path, help="also write each swatch as a fabric folder in here")


def import_swatches(options: argparse.Namespace) -> int:
    """Run ``mirror fabric import``: label the swatches, and make fabrics of them where asked."""
    from workshop.tailor.fabric_import import import_fabric
    from workshop.tailor.swatch_photos.photographs import build
    from workshop.tailor.swatch_photos.review import FILE

    for swatch in build(options.swatches):
        label = swatch.label
        print(f"{swatch.name}  {label.fabric_class}  {label.palette}  {label.width_m:.3f} m wide")
        if options.out is not None:
            print(f"  {import_fabric(swatch, options.out)}")
    print(f"labels to correct: {options.swatches / FILE}")
    return 0


def add_evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    """``mirror evaluate fabric``'s arguments."""
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--swatches", type=Path, help="folder of real swatches to measure against")
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="folder for charts and sample sheets")
    parser.add_argument("--weights", type=Path, help="other weights than the shipped ones")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 for all")


def evaluate(options: argparse.Namespace) -> int:
    """Run ``mirror evaluate fabric``."""
    torch = require_torch()
    from inference.fabric.generator import SHIPPED, FabricGenerator
    from workshop.evaluate.fabric.evaluate import evaluate as run

    if options.samples < 20:
        raise MirrorError("--samples: 20 at least")
    if options.threads:
        torch.set_num_threads(options.threads)
    result = run(
        FabricGenerator(options.weights or SHIPPED),
        options.swatches,
        count=options.samples,
        seed=options.seed,
        out=options.out,
        say=lambda line: print(f"... {line}", file=sys.stderr),
    )
    for name, value in result["summary"].items():
        print(f"{name:<16} {value:.4f}")
    print(f"reference: {result['reference']}")
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    return 0


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
    "choose": (add_choose_arguments, choose),
    "sample": (add_sample_arguments, sample),
    "import": (add_import_arguments, import_swatches),
    "evaluate": (add_evaluate_arguments, evaluate),
}


def main(argv: Sequence[str] | None = None) -> int:
    """The same commands by themselves: train, sample, import, evaluate."""
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
