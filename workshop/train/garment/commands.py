"""Command lines of garment features: ``mirror garment features|train`` and ``mirror evaluate garment``.

Each has a function that adds its arguments to a parser and one that runs on the parsed options and
returns the exit status; a MirrorError is the caller's to print.
"""

from __future__ import annotations

import argparse
import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mirror.errors import MirrorError
from workshop.train.fabric.commands import require_torch

if TYPE_CHECKING:
    from workshop.train.garment.dataset import Plan


def add_features_arguments(parser: argparse.ArgumentParser) -> None:
    """``mirror garment features``'s arguments."""
    parser.add_argument("name", metavar="NAME", help="name or folder")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write")
    parser.add_argument("--size", help="the garment's size (default: its base size)")
    parser.add_argument("--seed", type=int, help="draw size, body and pose at random (default: as it rests)")
    parser.add_argument("--side", type=int, default=256, help="px of a picture (default 256)")


def features(options: argparse.Namespace) -> int:
    """Run ``mirror garment features``: write NAME.safetensors and NAME.png, a sheet of the channels."""
    import cv2
    import numpy as np

    from inference.body.model import BodyModel
    from mirror.cli.app import load_config
    from render.garments.garment import load_garment
    from workshop.tailor.alike.augment import at_rest, draw_setting
    from workshop.tailor.alike.features import Tailor, base_size, sheet, write_features

    if not 16 <= options.side <= 2048:
        raise MirrorError("--side: 16 to 2048 px")
    garment, model = load_garment(options.name, load_config(options).wardrobe.folders), BodyModel.load()
    setting = at_rest(base_size(garment), model)
    if options.seed is not None:
        setting = draw_setting(garment.sizes, model, np.random.default_rng(options.seed))
    if options.size is not None:
        garment.size_steps(options.size)
        setting = replace(setting, size=options.size)
    try:
        tailor = Tailor(garment, model)
        found = tailor.features(setting, side=options.side, view_side=options.side)
    except MirrorError as error:
        raise MirrorError(f"{garment.path / 'garment.glb'}: {error}") from error
    facts = {"garment": garment.name, "size": setting.size, "seed": str(options.seed)}
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        write_features(found, options.out / f"{garment.name}.safetensors", facts)
        picture = options.out / f"{garment.name}.png"
        if not cv2.imwrite(str(picture), sheet(found)):
            raise MirrorError(f"{picture}: cannot be written")
    except OSError as error:
        raise MirrorError(f"{options.out}: cannot be written ({error.strerror})") from error
    print(options.out / f"{garment.name}.safetensors")
    print(picture)
    return 0


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that say which garments are cut, for training and proof alike."""
    parser.add_argument("--data", type=Path, help="folder of the cut garments, kept from run to run")
    parser.add_argument("--variants", type=int, default=22, help="garments a kind")
    parser.add_argument("--held", type=int, default=6, help="of them kept from training")
    parser.add_argument("--instances", type=int, default=10, help="sizes, bodies and poses of each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def add_train_arguments(parser: argparse.ArgumentParser) -> None:
    """``mirror garment train``'s arguments."""
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of the run; a run found there goes on"
    )
    parser.add_argument("--steps", type=int, default=450, help="steps of each of the two encoders")
    parser.add_argument("--save-every", type=int, default=100, help="steps between checkpoints")
    parser.add_argument("--held-kind", default="dress", help="the kind that the second encoder never sees")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads; 0 for all")
    parser.add_argument("--install", action="store_true", help="make these the weights that the mirror uses")
    add_data_arguments(parser)


def train(options: argparse.Namespace) -> int:
    """Run ``mirror garment train``: the encoder, then one that never saw a kind, for the proof."""
    torch = require_torch()
    from workshop.train.garment.pipeline import install, train_both

    plan = _plan(options)
    if options.steps < 1 or options.save_every < 1:
        raise MirrorError("--steps and --save-every: 1 at least")
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        written = train_both(
            plan,
            options.data or options.out / "data",
            options.out,
            steps=options.steps,
            held_kind=options.held_kind,
            save_every=options.save_every,
            facts={"command": _command(options), "seed": str(options.seed)},
            progress=not options.quiet,
        )
        for path in install(options.out) if options.install else written:
            print(path)
    except OSError as error:
        raise MirrorError(f"{error.filename or options.out}: cannot be written ({error.strerror})") from error
    return 0


def _command(options: argparse.Namespace) -> str:
    """The command that makes these weights again, without the folders of this machine."""
    words = ["mirror", "garment", "train", "--out", "DIR"]
    for name in ("variants", "held", "instances", "seed", "steps", "held_kind"):
        words += [f"--{name.replace('_', '-')}", str(getattr(options, name))]
    return shlex.join(words)


def add_evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    """``mirror evaluate garment``'s arguments."""
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--out", type=Path, help="folder for a picture of the garments found alike")
    parser.add_argument("--weights", type=Path, help="folder with both encoders, instead of the shipped ones")
    add_data_arguments(parser)


def evaluate(options: argparse.Namespace) -> int:
    """Run ``mirror evaluate garment``."""
    require_torch()  # not for the encoder, but what the proof shares with training comes with it
    from workshop.evaluate.garment.evaluate import evaluate as run
    from workshop.tailor.alike.encoder import SHIPPED, GarmentEncoder
    from workshop.train.garment.dataset import build
    from workshop.train.garment.pipeline import UNSEEN, WEIGHTS, default_data

    folder = options.weights or SHIPPED.parent
    encoder, unseen = GarmentEncoder(folder / WEIGHTS), GarmentEncoder(folder / UNSEEN)
    plan = replace(_plan(options), only_held=True)
    try:
        data = build(options.data or default_data(), plan, progress=not options.quiet)
    except OSError as error:
        raise MirrorError(f"{error.filename}: cannot be written ({error.strerror})") from error
    result = run(encoder, unseen, data, out=options.out)
    for name, value in result["summary"].items():
        print(f"{name:<32} {value:.4f}")
    print(f"over {result['instances']} worn garments of {result['garments']} variants kept from training")
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    return 0


def _plan(options: argparse.Namespace) -> Plan:
    from workshop.train.garment.dataset import Plan

    return Plan(options.variants, options.held, options.instances, options.seed)
