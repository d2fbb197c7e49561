"""``mirror light estimate`` and ``mirror evaluate light``: the light told, and how far off it is."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from mirror.cli.options import ConfigFile, Figures, JsonObject, Seed, Settings, load_config
from mirror.errors import MirrorError
from workshop.environment import shut_in

Weights = Annotated[Path | None, typer.Option("--weights", help="Other weights than the shipped ones.")]


def estimate(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="Picture of a person.")],
    config: ConfigFile = None,
    settings: Settings = None,
    as_json: JsonObject = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="PNG", help="Draw a lit sphere beside the picture.")
    ] = None,
    weights: Weights = None,
) -> int:
    """Print the light: spherical harmonics, main direction, colour temperature, confidence."""
    from inference.body.model import BodyModel
    from inference.light.network import LightNetwork
    from inference.light.tracker import LightTracker
    from inference.light.weights import SHIPPED, WEIGHTS
    from mirror.shading.spherical_harmonics import main_direction
    from mirror.shading.temperature import colour_temperature
    from workshop.train.light.observer import Observer, read_picture
    from workshop.train.light.sheet import write_beside

    settled = load_config(config, settings)
    frame = read_picture(image)
    shut_in()
    network = LightNetwork(WEIGHTS.load(weights or SHIPPED)[0])
    model = BodyModel.load()
    with Observer(model, settled.inference) as looker:
        look = looker.still(frame)
    if look is None:
        raise MirrorError(f"{image}: nobody is seen, and the light is read off a person")
    found = LightTracker(model, look.camera, network).estimate(frame, look.mask, None, look.fit)
    told: dict[str, Any] = {
        "sh": [[round(float(v), 6) for v in row] for row in found.sh],
        "direction": [round(float(v), 5) for v in main_direction(found.sh)],
        "colour_temperature_k": round(colour_temperature(found.sh)),
        "confidence": round(found.confidence, 3),
        "by": "network" if found.by_network else "analytic",
    }
    if out is not None:
        write_beside(out, frame, found.sh)
    if as_json:
        print(json.dumps(told))
        return 0
    for index, row in enumerate(told["sh"]):
        print(f"sh {index}   " + "  ".join(f"{v:8.4f}" for v in row))
    print("direction x {:.3f}  y {:.3f}  z {:.3f} (right, down, away)".format(*told["direction"]))
    print(f"colour    {told['colour_temperature_k']} K")
    print(f"sure      {told['confidence']:.2f}, by the {told['by']} estimator")
    return 0


def evaluate(
    report: Figures = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the sheets to judge by eye.")] = None,
    footage: Annotated[
        Path | None,
        typer.Option(
            "--footage",
            metavar="DIR",
            help="Folder with hdr/, video/ and stills/ (default: shared/footage).",
        ),
    ] = None,
    figures: Annotated[int, typer.Option("--figures", min=1, help="People rendered for the proof.")] = 60,
    lights: Annotated[int, typer.Option("--lights", min=1, help="Lights on each of them.")] = 5,
    frames: Annotated[int, typer.Option("--frames", min=1, help="Frames read of each clip.")] = 80,
    seed: Seed = 0,
    weights: Weights = None,
) -> int:
    """Measure the error of the estimated light on rendered people and real clips."""
    from inference.light.weights import SHIPPED
    from workshop.evaluate.light.evaluate import evaluate as run

    if footage is not None and not footage.is_dir():
        raise MirrorError(f"{footage}: no such folder")
    shut_in()
    result = run(
        weights or SHIPPED,
        footage or found_footage(),
        figures=figures,
        lights=lights,
        frames=frames,
        seed=seed,
        out=out,
        say=lambda line: print(f"... {line}", file=sys.stderr),
    )
    for name, value in result["summary"].items():
        print(f"{name:<40} {value:.4f}")
    for line in result["notes"]:
        print(line)
    if report is not None:
        report.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    return 0


def found_footage() -> Path | None:
    """``shared/footage`` beside the checkout, where there is one."""
    folder = Path(__file__).resolve().parents[4] / "shared" / "footage"
    return folder if folder.is_dir() else None
