"""Options that several commands share, and the configuration that they add up to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from mirror.config import Config, load, parse_setting

ConfigFile = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Configuration file.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Set a configuration key, as table.key."),
]
Runtime = Annotated[Path | None, typer.Option("--runtime", metavar="DIR", help="Runtime directory.")]

Source = Annotated[
    str | None, typer.Option("--source", metavar="SOURCE", help="Camera, clip, folder or image.")
]
Garments = Annotated[
    str | None,
    typer.Option("--garment", metavar="G[,G2]", help="What is worn, from the skin outwards."),
]
NeededGarments = Annotated[
    str, typer.Option("--garment", metavar="G[,G2]", help="What is worn, from the skin outwards.")
]
Fabric = Annotated[
    str | None, typer.Option("--fabric", metavar="F", help="Fabric, instead of each garment's own.")
]
Size = Annotated[str | None, typer.Option("--size", metavar="S", help="Size drawn.")]
Display = Annotated[
    Literal["none", "window"] | None, typer.Option("--display", help="Where the picture goes.")
]
Record = Annotated[Path | None, typer.Option("--out", metavar="OUT.mp4", help="Record what is shown.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Print the processes' logs.")]

JsonObject = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
JsonArray = Annotated[bool, typer.Option("--json", help="Print a JSON array.")]
Figures = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write the figures to this file.")
]
Seed = Annotated[int, typer.Option("--seed", help="The same one gives the same again.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress bar.")]


def load_config(
    config: Path | None,
    settings: Sequence[str] | None,
    extra: Mapping[str, object] | None = None,
    *,
    runtime: Path | None = None,
    source: str | None = None,
    garment: str | None = None,
    fabric: str | None = None,
    size: str | None = None,
    display: str | None = None,
    out: Path | None = None,
) -> Config:
    """The configuration of a command line: file, ``--set``, then the command's own options, then ``extra``.

    Options left out change nothing. Raises MirrorError.
    """
    overrides = dict(parse_setting(text) for text in settings or ())
    own: dict[str, object | None] = {
        "spine.runtime_dir": str(runtime.absolute()) if runtime else None,
        "capture.source": source and absolute(source),
        "wardrobe.garments": None if garment is None else names(garment),
        "wardrobe.fabric": fabric and absolute(fabric),
        "wardrobe.size": size,
        "render.display": display,
        "render.out": str(out.absolute()) if out else None,
    }
    overrides |= {key: value for key, value in own.items() if value is not None}
    return load(config, overrides | dict(extra or {}))


def absolute(name: str) -> str:
    """``name`` as an absolute path if it is a path that exists, else as it is (an index, a name)."""
    return str(Path(name).absolute()) if Path(name).exists() else name


def names(text: str) -> list[str]:
    """The garments that ``"NAME,NAME"`` lists, folders as absolute paths."""
    return [absolute(name.strip()) for name in text.split(",") if name.strip()]
