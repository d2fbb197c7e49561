"""Command lines of the light network: ``mirror light train|estimate`` and ``mirror evaluate light``.

Each has a function that adds its arguments to a parser and one that runs on the parsed options and
returns the exit status; a MirrorError is the caller's to print.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np

from inference.body.model import BodyModel
from mirror.config import Config
from mirror.errors import MirrorError
from mirror.seccomp import deny_network

_RATE = 3e-3


def add_train_arguments(parser: argparse.ArgumentParser) -> None:
    """``mirror light train``'s arguments."""
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of the run; a run found there goes on"
    )
    parser.add_argument(
        "--hdr", type=Path, metavar="DIR", help="folder of HDR environments to join made-up rooms"
    )
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="where the training set is kept (default: cache)"
    )
    parser.add_argument("--figures", type=_positive, default=1600, help="people rendered")
    parser.add_argument("--lights", type=_positive, default=14, help="lights on each of them")
    parser.add_argument(
        "--photo",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="unlabelled picture of a person, whose crops must agree; may be given again",
    )
    parser.add_argument("--steps", type=_positive, default=5000, help="steps to reach in all")
    parser.add_argument(
        "--planned", type=_positive, metavar="STEPS", help="steps the rate falls over (as --steps)"
    )
    parser.add_argument("--batch", type=_positive, default=64)
    parser.add_argument("--rate", type=float, default=_RATE, help="learning rate at its highest")
    parser.add_argument(
        "--start", type=Path, metavar="FILE", help="weights to go on from, such as those of a smaller set"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 for all")
    parser.add_argument("--save-every", type=_positive, default=250, help="steps between checkpoints")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")


def train(options: argparse.Namespace) -> int:
    """Run ``mirror light train``."""
    require_torch(options.threads)
    if options.photo:
        shut_in()
    from tqdm import tqdm  # type: ignore[import-untyped]

    from inference.light.weights import WEIGHTS
    from workshop.synthetic.light.scenes import HELD, training_surroundings
    from workshop.train.light.dataset import DatasetSpec, build, load, set_folder
    from workshop.train.light.photographs import photo_pairs
    from workshop.train.light.train import Schedule
    from workshop.train.light.train import train as run

    model = BodyModel.load()
    around = training_surroundings(options.hdr, options.seed)
    sources = tuple(e.name for e in around.pictures)
    recipe = DatasetSpec(options.figures, options.lights, options.seed, sources)
    folder = options.data or set_folder(recipe)
    with tqdm(total=recipe.figures, desc="people", disable=options.quiet, mininterval=2.0) as bar:
        for count in build(recipe, around, folder, model):
            bar.update(count - bar.n)
    data = load(recipe, folder)
    pairs = photo_pairs(options.photo, model, options.seed)
    facts = {
        "command": _command(options),
        "seed": str(options.seed),
        "figures": str(recipe.figures),
        "scenes": str(len(data)),
        "surroundings": f"made-up rooms, studios, streets; HDR pictures: {', '.join(sources) or 'none'}",
        "held_out": ", ".join(HELD),
        "photographs": ", ".join(p.name for p in options.photo) or "none",
        "mean_light": json.dumps(np.round(data.sh.mean(0), 5).tolist()),
    }
    begun = WEIGHTS.load(options.start) if options.start is not None else None
    if begun is not None:
        facts["started_from"] = _history(begun[1])
    schedule = Schedule(
        steps=options.steps,
        steps_planned=options.planned or options.steps,
        batch=options.batch,
        seed=options.seed,
        rate=options.rate,
    )
    run(
        data,
        pairs,
        schedule,
        options.out,
        facts=facts,
        start=begun[0] if begun is not None else None,
        save_every=options.save_every,
        progress=not options.quiet,
    )
    print(options.out / "light_net.safetensors")
    return 0


def _history(facts: dict[str, str]) -> str:
    """What made weights: their command, the steps it had reached, and the same of what it started from."""
    if "command" not in facts:
        return "weights of unknown origin"
    told = f"{facts['command']} ({facts.get('steps', 'some')} steps)"
    return f"{told}; from {facts['started_from']}" if "started_from" in facts else told


def _command(options: argparse.Namespace) -> str:
    """The command that makes these weights again, without the folders of this machine."""
    words = ["mirror", "light", "train", "--out", "DIR"]
    for name in ("figures", "lights", "steps", "batch", "seed"):
        words += [f"--{name}", str(getattr(options, name))]
    if options.planned:
        words += ["--planned", str(options.planned)]
    if options.rate != _RATE:
        words += ["--rate", str(options.rate)]
    if options.start is not None:
        words += ["--start", options.start.name]
    if options.hdr is not None:
        words += ["--hdr", "HDR"]
    for photo in options.photo:
        words += ["--photo", photo.name]
    return shlex.join(words)


def add_estimate_arguments(parser: argparse.ArgumentParser) -> None:
    """``mirror light estimate``'s arguments, but for the configuration's."""
    parser.add_argument("image", type=Path, metavar="IMAGE", help="picture of a person")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--out", type=Path, metavar="PNG", help="draw a lit sphere beside the picture")
    parser.add_argument("--weights", type=Path, help="other weights than the shipped ones")


def estimate(options: argparse.Namespace) -> int:
    """Run ``mirror light estimate``."""
    from inference.light.network import LightNetwork
    from inference.light.tracker import LightTracker
    from inference.light.weights import SHIPPED, WEIGHTS
    from mirror.cli.app import load_config
    from mirror.shading.spherical_harmonics import main_direction
    from mirror.shading.temperature import colour_temperature
    from workshop.train.light.observer import Observer, read_picture
    from workshop.train.light.sheet import write_beside

    config: Config = load_config(options)
    frame = read_picture(options.image)
    shut_in()
    network = LightNetwork(WEIGHTS.load(options.weights or SHIPPED)[0])
    model = BodyModel.load()
    with Observer(model, config.inference) as looker:
        look = looker.still(frame)
    if look is None:
        raise MirrorError(f"{options.image}: nobody is seen, and the light is read off a person")
    found = LightTracker(model, look.camera, network).estimate(frame, look.mask, None, look.fit)
    told: dict[str, Any] = {
        "sh": [[round(float(v), 6) for v in row] for row in found.sh],
        "direction": [round(float(v), 5) for v in main_direction(found.sh)],
        "colour_temperature_k": round(colour_temperature(found.sh)),
        "confidence": round(found.confidence, 3),
        "by": "network" if found.by_network else "analytic",
    }
    if options.out is not None:
        write_beside(options.out, frame, found.sh)
    if options.json:
        print(json.dumps(told))
        return 0
    for index, row in enumerate(told["sh"]):
        print(f"sh {index}   " + "  ".join(f"{v:8.4f}" for v in row))
    print("direction x {:.3f}  y {:.3f}  z {:.3f} (right, down, away)".format(*told["direction"]))
    print(f"colour    {told['colour_temperature_k']} K")
    print(f"sure      {told['confidence']:.2f}, by the {told['by']} estimator")
    return 0


def add_evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    """``mirror evaluate light``'s arguments."""
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--out", type=Path, help="folder for the sheets to judge by eye")
    parser.add_argument(
        "--footage",
        type=Path,
        metavar="DIR",
        help="folder with hdr/, video/ and stills/ (default: shared/footage)",
    )
    parser.add_argument("--figures", type=_positive, default=60, help="people rendered for the proof")
    parser.add_argument("--lights", type=_positive, default=5, help="lights on each of them")
    parser.add_argument("--frames", type=_positive, default=80, help="frames read of each clip")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--weights", type=Path, help="other weights than the shipped ones")


def evaluate(options: argparse.Namespace) -> int:
    """Run ``mirror evaluate light``."""
    from inference.light.weights import SHIPPED
    from workshop.evaluate.light.evaluate import evaluate as run

    if options.footage is not None and not options.footage.is_dir():
        raise MirrorError(f"{options.footage}: no such folder")
    shut_in()
    result = run(
        options.weights or SHIPPED,
        options.footage or found_footage(),
        figures=options.figures,
        lights=options.lights,
        frames=options.frames,
        seed=options.seed,
        out=options.out,
        say=lambda line: print(f"... {line}", file=sys.stderr),
    )
    for name, value in result["summary"].items():
        print(f"{name:<40} {value:.4f}")
    for line in result["notes"]:
        print(line)
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    return 0


def found_footage() -> Path | None:
    """``shared/footage`` beside the checkout, where there is one."""
    folder = Path(__file__).resolve().parents[4] / "shared" / "footage"
    return folder if folder.is_dir() else None


def require_torch(threads: int) -> None:
    """Raise MirrorError with the mend unless PyTorch is installed; set its number of threads."""
    try:
        import torch
    except ImportError as error:
        raise MirrorError("training needs PyTorch: pip install 'fitting-mirror[train]'") from error
    if threads:
        torch.set_num_threads(threads)


def shut_in() -> None:
    """No network for a command that loads the pose network, nor its log on the terminal; for good.

    MirrorError if the kernel cannot refuse sockets.
    """
    deny_network()  # mediapipe would report its use
    sys.stderr.flush()
    kept = os.dup(sys.stderr.fileno())
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 2)
    os.close(quiet)
    sys.stderr = os.fdopen(kept, "w", buffering=1)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number
