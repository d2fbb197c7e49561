"""The command line ``mirror``: exit 0 on success, 1 on a failure told in one line, 2 on wrong usage.

Each subcommand's module is imported when it is called, so that ``mirror status`` is quick.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NoReturn

from mirror.config import Config, load, parse_setting
from mirror.errors import MirrorError
from workshop.evaluate.fit import commands as fit
from workshop.tailor import commands as tailor
from workshop.train.fabric import commands as fabric
from workshop.train.garment import commands as garment
from workshop.train.light import commands as light

Handler = Callable[[argparse.Namespace], int]


def run() -> NoReturn:
    """Entry point of the console script."""
    sys.exit(main())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; returns the exit code (wrong usage raises SystemExit(2))."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if arguments[:1] == ["bench"]:  # it has its own parser
            return _call("workshop.bench.speed", "main", arguments[1:])
        options = build_parser().parse_args(arguments)
        handler: Handler = options.handler
        return handler(options)
    except MirrorError as error:
        print(f"mirror: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("mirror: interrupted", file=sys.stderr)
    except BrokenPipeError:  # the reader of our output has gone, as in `mirror logs | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return 1


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(prog="mirror", description="A virtual fitting mirror.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {_version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, module: str, function: str, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        sub.set_defaults(handler=partial(_call, module, function))
        return sub

    live = add("run", "mirror.cli.live", "run", "run the live mirror in the foreground")
    live.add_argument("--daemon", action="store_true", help=argparse.SUPPRESS)
    _live_options(live)
    _live_options(add("start", "mirror.cli.live", "start", "start the mirror in the background"))
    restart = add("restart", "mirror.cli.live", "restart", "stop the mirror and start it again")
    _live_options(restart)
    _config_options(add("stop", "mirror.cli.live", "stop", "stop the mirror, leaving nothing behind"))
    status = add("status", "mirror.cli.live", "status", "tell how the mirror is; exit 0 when healthy")
    _config_options(status)
    status.add_argument("--json", action="store_true", help="print one JSON object")
    logs = add("logs", "mirror.cli.live", "logs", "print the mirror's log")
    _config_options(logs)
    logs.add_argument("-f", "--follow", action="store_true", help="go on as the log grows")
    logs.add_argument("-n", "--lines", type=_count, default=50, metavar="N", help="last lines (default 50)")
    logs.add_argument("--json", action="store_true", help="print the lines as they are stored")

    replay = add(
        "replay", "mirror.cli.replay", "replay", "play a clip, a folder of images or one image through"
    )
    replay.add_argument("clip", metavar="CLIP", help="clip, folder of images, or image")
    _config_options(replay)
    _wear_options(replay, needed=True)
    replay.add_argument("--out", type=Path, metavar="OUT.mp4", help="record what is shown")
    replay.add_argument("--report", type=Path, metavar="OUT.jsonl", help="write one JSON object a frame")
    replay.add_argument("--masks", type=Path, metavar="DIR", help="write a garment mask (PNG) a frame")
    replay.add_argument(
        "--pace",
        choices=("all", "realtime"),
        default="all",
        help="all (default): every frame; realtime: the clip's rate, dropping what is late",
    )
    replay.add_argument("--no-mirror", action="store_true", help="do not swap left and right")
    replay.add_argument("--window", action="store_true", help="show it in a window as well")
    replay.add_argument("-v", "--verbose", action="store_true", help="print the processes' logs")

    demo = add("demo", "mirror.cli.replay", "demo", "show the built-in clip in the mirror")
    _config_options(demo)
    _wear_options(demo, needed=False)
    demo.add_argument("--headless", action="store_true", help="write a video, even if there is a display")
    demo.add_argument("--out", type=Path, metavar="OUT.mp4", help="where to (default: in the home folder)")
    demo.add_argument("-v", "--verbose", action="store_true", help="print the processes' logs")

    doctor = add("doctor", "mirror.cli.doctor", "main", "check what the mirror needs, and say how to mend it")
    _config_options(doctor)
    doctor.add_argument("--json", action="store_true", help="print one JSON object")
    commands.add_parser("bench", help="measure speed and latency, beside a naive mirror")

    install = add("install", "mirror.cli.install", "main", "install the systemd units")
    install.add_argument("--user", action="store_true", help="for this user's own service manager")
    install.add_argument("--prefix", type=Path, metavar="DIR", help="write below DIR instead of /")
    install.add_argument("--run-as", metavar="NAME", help="user the processes run as (default: the caller)")
    install.add_argument("--config", type=Path, metavar="FILE", help="configuration the units use")

    for thing in ("garment", "fabric"):
        group = commands.add_parser(thing, help=f"the wardrobe's {thing}s")
        actions = group.add_subparsers(dest="action", required=True, metavar="ACTION")
        listing = actions.add_parser("list", help=f"list the {thing}s")
        listing.set_defaults(handler=partial(_call, "mirror.cli.wardrobe", f"list_{thing}s"))
        _config_options(listing)
        listing.add_argument("--json", action="store_true", help="print a JSON array")
        if thing == "garment":
            show = actions.add_parser("show", help="print one garment's facts and measurements")
            show.set_defaults(handler=partial(_call, "mirror.cli.wardrobe", "show_garment"))
            show.add_argument("name", metavar="NAME", help="name or folder")
            _config_options(show)
            show.add_argument("--json", action="store_true", help="print one JSON object")
            show.add_argument(
                "--similar", action="store_true", help="also garments like it, and cloth for it"
            )
            for name, add_arguments, text in (
                ("import", tailor.add_import_arguments, "put a garment made elsewhere into the wardrobe"),
                ("drape", tailor.add_drape_arguments, "cut a garment from its page, and hang it on the body"),
                ("export", tailor.add_export_arguments, "write a garment for other 3D programs"),
            ):
                action = actions.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
                action.set_defaults(handler=partial(_call, "workshop.tailor.commands", f"{name}_garment"))
                add_arguments(action)
                _config_options(action)
            features = actions.add_parser("features", help="write a garment's channels, and a sheet of them")
            features.set_defaults(handler=partial(_call, "workshop.train.garment.commands", "features"))
            garment.add_features_arguments(features)
            _config_options(features)
            training = actions.add_parser("train", help="train the encoder that finds garments alike")
            training.set_defaults(handler=partial(_call, "workshop.train.garment.commands", "train"))
            garment.add_train_arguments(training)
            wear = _wear_action(actions, "wear", "wear_garment", "show other garments in the running mirror")
            wear.add_argument("name", type=_names, metavar="NAME[,NAME]", help="from the skin outwards")
            wear.add_argument("--fabric", type=absolute, metavar="F", help="and this fabric with them")
        else:
            wear = _wear_action(actions, "wear", "wear_fabric", "show another fabric in the running mirror")
            wear.add_argument("name", type=absolute, metavar="NAME", help="name or folder")
            weave = _wear_action(actions, "weave", "weave", "weave a fabric, show it in the running mirror")
            weave.add_argument("--class", dest="fabric_class", required=True, help="such as tartan or denim")
            weave.add_argument("--palette", required=True, help='one to four colours: "#7a1f1f,#10243f"')
            weave.add_argument("--seed", type=_count, metavar="N", help="the same one weaves the same again")
            weave.add_argument("--keep", metavar="NAME", help="keep it in the wardrobe under this name")
            for name, add_arguments, function, text in (
                ("sample", fabric.add_sample_arguments, "sample", "make a fabric of a class and a palette"),
                ("train", fabric.add_train_arguments, "train", "train the fabric GAN"),
                ("choose", fabric.add_choose_arguments, "choose", "choose the designs of trained weights"),
                ("import", fabric.add_import_arguments, "import_swatches", "make fabrics of swatch photos"),
            ):
                action = actions.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
                action.set_defaults(handler=partial(_call, "workshop.train.fabric.commands", function))
                add_arguments(action)

    group = commands.add_parser("light", help="the light network")
    actions = group.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, add_arguments, text in (
        ("train", light.add_train_arguments, "train the light network on rendered people"),
        ("estimate", light.add_estimate_arguments, "tell the light in a picture of a person"),
    ):
        action = actions.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        action.set_defaults(handler=partial(_call, "workshop.train.light.commands", name))
        add_arguments(action)
        if name == "estimate":
            _config_options(action)

    proof = commands.add_parser("evaluate", help="measure how good the learned parts are")
    proofs = proof.add_subparsers(dest="action", required=True, metavar="WHAT")
    fabrics = proofs.add_parser("fabric", help="tiling, realism, diversity and obedience of sampled fabrics")
    fabrics.set_defaults(handler=partial(_call, "workshop.train.fabric.commands", "evaluate"))
    fabric.add_evaluate_arguments(fabrics)
    garments = proofs.add_parser("garment", help="retrieval of garments of the same kind and the same cut")
    garments.set_defaults(handler=partial(_call, "workshop.train.garment.commands", "evaluate"))
    garment.add_evaluate_arguments(garments)
    fits = proofs.add_parser("fit", help="overlap, layering, steadiness and body measures on known people")
    fits.set_defaults(handler=partial(_call, "workshop.evaluate.fit.commands", "evaluate"))
    fit.add_evaluate_arguments(fits)
    lights = proofs.add_parser("light", help="error of the estimated light, beside simpler estimates")
    lights.set_defaults(handler=partial(_call, "workshop.train.light.commands", "evaluate"))
    light.add_evaluate_arguments(lights)
    return parser


def load_config(options: argparse.Namespace, extra: dict[str, object] | None = None) -> Config:
    """The configuration of a command line: file, ``--set``, then the command's own options.

    Options left out change nothing. Raises MirrorError.
    """
    overrides = dict(parse_setting(text) for text in options.set)
    own = {
        "spine.runtime_dir": getattr(options, "runtime", None),
        "capture.source": getattr(options, "source", None),
        "wardrobe.garments": getattr(options, "garment", None),
        "wardrobe.fabric": getattr(options, "fabric", None),
        "wardrobe.size": getattr(options, "size", None),
        "render.display": getattr(options, "display", None),
        "render.out": getattr(options, "out", None),
    }
    overrides |= {key: _plain(value) for key, value in own.items() if value is not None}
    return load(options.config, overrides | (extra or {}))


def absolute(name: str) -> str:
    """``name`` as an absolute path if it is a path that exists, else as it is (an index, a name)."""
    return str(Path(name).absolute()) if Path(name).exists() else name


def _config_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", help="configuration file")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="set a configuration key, as table.key",
    )
    if parser.prog.split()[1] not in ("replay", "demo", "garment", "fabric", "light"):
        parser.add_argument("--runtime", type=_path, metavar="DIR", help="runtime directory")


def _wear_action(actions: Any, name: str, function: str, text: str) -> argparse.ArgumentParser:
    """A command to the mirror that runs."""
    action: argparse.ArgumentParser = actions.add_parser(
        name, help=text, description=text[0].upper() + text[1:] + "."
    )
    action.set_defaults(handler=partial(_call, "mirror.cli.wear", function))
    _config_options(action)
    action.add_argument("--runtime", type=_path, metavar="DIR", help="runtime directory")
    return action


def _wear_options(parser: argparse.ArgumentParser, needed: bool) -> None:
    parser.add_argument(
        "--garment",
        type=_names,
        required=needed,
        metavar="G[,G2]",
        help="what is worn, from the skin outwards",
    )
    parser.add_argument("--fabric", type=absolute, metavar="F", help="fabric, instead of each garment's own")
    parser.add_argument("--size", metavar="S", help="size drawn")


def _live_options(parser: argparse.ArgumentParser) -> None:
    _config_options(parser)
    parser.add_argument("--source", type=absolute, metavar="SOURCE", help="camera, clip, folder or image")
    _wear_options(parser, needed=False)
    parser.add_argument("--display", choices=("none", "window"), help="where the picture goes")
    parser.add_argument("--out", type=_path, metavar="OUT.mp4", help="record what is shown")


def _names(text: str) -> list[str]:
    return [absolute(name.strip()) for name in text.split(",") if name.strip()]


def _path(text: str) -> Path:
    return Path(text).absolute()


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else value


def _call(module: str, name: str, argument: object) -> int:
    function: Callable[[object], int] = getattr(importlib.import_module(module), name)
    return function(argument)


def _version() -> str:
    try:
        return version("fitting-mirror")
    except PackageNotFoundError:
        return "(not installed)"
