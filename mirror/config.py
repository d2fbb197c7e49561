"""The configuration: one validated TOML file, one frozen struct a table.

The structs below are the only source: ``dump`` writes the commented TOML from them, and the
shipped ``mirror/mirror.toml`` is that text for the defaults. An unknown key or a value of
the wrong type is refused with one line that names it.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import textwrap
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, field

from mirror.errors import MirrorError

SHIPPED = Path(__file__).with_name("mirror.toml")
#: The machine's own file, used where the user has none.
MACHINE = Path("/etc/fitting-mirror/mirror.toml")


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the configuration file."""


class CaptureConfig(Table, frozen=True):
    """Where the pictures come from."""

    source: Annotated[
        str,
        Meta(
            description="Camera (stable path such as /dev/v4l/by-id/..., or an index), clip, folder of "
            "images, or one image."
        ),
    ] = "/dev/video0"
    width: Annotated[int, Meta(ge=16, le=8192, description="Camera picture width asked for, px.")] = 1280
    height: Annotated[int, Meta(ge=16, le=8192, description="Camera picture height asked for, px.")] = 720
    fps: Annotated[
        float, Meta(gt=0, le=1000, description="Camera rate asked for; rate of folders and images. Hz.")
    ] = 30.0
    fourcc: Annotated[str, Meta(pattern="^.{4}$", description="Camera pixel format, four characters.")] = (
        "MJPG"
    )
    exposure: Annotated[
        str,
        Meta(
            pattern=r"^(auto|-?[0-9]+(\.[0-9]+)?)$",
            description='"auto", or the camera\'s own exposure number as a string.',
        ),
    ] = "auto"
    loop: Annotated[bool, Meta(description="Start a clip or folder again at its end.")] = False
    pace: Annotated[
        Literal["realtime", "all", "asap"],
        Meta(
            description='"realtime": at the source\'s rate, dropping what is late; "all": lock-step, every '
            'frame processed; "asap": as fast as it decodes (benchmarks).'
        ),
    ] = "realtime"
    ring_slots: Annotated[int, Meta(ge=2, le=256, description="Frames held in shared memory at a time.")] = 8
    timeout_s: Annotated[
        float, Meta(gt=0, le=600, description="A camera silent for this long counts as lost. Seconds.")
    ] = 3.0


class InferenceConfig(Table, frozen=True):
    """How the person is found and fitted."""

    pose_model: Annotated[
        str, Meta(description='A pose landmarker .task file of your own; "" takes the built-in one.')
    ] = ""
    field_of_view_deg: Annotated[
        float,
        Meta(gt=1, lt=179, description="Camera's field of view along the longer image side, degrees."),
    ] = 60.0
    max_people: Annotated[
        int, Meta(ge=1, le=10, description="People looked for in a frame; one of them is dressed.")
    ] = 3
    parts: Annotated[
        Literal["network", "none"],
        Meta(
            description='How hands are told: by a "network" that knows skin from cloth and looks some eight '
            'times a second, or "none": by colours alone, for a machine that cannot afford it.'
        ),
    ] = "network"
    light: Annotated[
        Literal["network", "analytic"],
        Meta(
            description='How the light is estimated: "network", or "analytic", which needs no weights and is '
            "less exact."
        ),
    ] = "network"


class RenderConfig(Table, frozen=True):
    """How the mirror is shown."""

    display: Annotated[Literal["window", "none"], Meta(description='"window", or "none" for no display.')] = (
        "window"
    )
    fullscreen: Annotated[bool, Meta(description="Borderless over the whole monitor.")] = True
    monitor: Annotated[int, Meta(ge=0, le=63, description="Which monitor, from 0.")] = 0
    mirror: Annotated[bool, Meta(description="Swap left and right, as a mirror does.")] = True
    hide_worn: Annotated[
        bool,
        Meta(
            description="Hide worn clothes: the room shows where they stick out from under the garment, once "
            "it is known, and the shopper's own skin on what the garment bares."
        ),
    ] = True
    out: Annotated[str, Meta(description='Record what is shown to this .mp4 file; "" records nothing.')] = ""
    masks: Annotated[str, Meta(description='Write garment masks (PNG) into this folder; "" writes none.')] = (
        ""
    )


class WardrobeConfig(Table, frozen=True):
    """What is worn."""

    garments: Annotated[
        list[str], Meta(description="Garments worn, by name or folder, from the skin outwards.")
    ] = field(default_factory=lambda: ["tshirt"])
    fabric: Annotated[str, Meta(description='Fabric by name or folder; "" takes each garment\'s own.')] = ""
    changes: Annotated[
        list[Annotated[str, Meta(pattern=r"^[0-9]+(\.[0-9]+)? \S.*$")]],
        Meta(description='Fabrics put on as a clip plays, each as "SECONDS FABRIC": "2.5 tartan_red".'),
    ] = field(default_factory=list)
    size: Annotated[str, Meta(min_length=1, description="Size drawn, such as S, M or L.")] = "M"
    folders: Annotated[
        list[str],
        Meta(description="More wardrobe folders, each holding garments/ and fabrics/, searched first."),
    ] = field(default_factory=list)


class SpineConfig(Table, frozen=True):
    """What holds the processes together."""

    runtime_dir: Annotated[
        str,
        Meta(
            description="Folder of sockets and status, private to the user; "
            '"" takes $XDG_RUNTIME_DIR/fitting-mirror, else /tmp/fitting-mirror-UID.'
        ),
    ] = ""
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="Least level that is logged.")
    ] = "info"
    stale_ms: Annotated[
        float,
        Meta(
            gt=0,
            le=60_000,
            description="With no fitted body for this long, the plain mirror picture is shown. Milliseconds.",
        ),
    ] = 700.0
    start_s: Annotated[
        float,
        Meta(gt=0, le=3600, description="A process not ready after this long is started again. Seconds."),
    ] = 90.0
    hang_s: Annotated[
        float,
        Meta(gt=0.5, le=3600, description="A ready process silent for this long is started again. Seconds."),
    ] = 10.0


class Config(Table, frozen=True):
    """The whole configuration."""

    capture: CaptureConfig = field(default_factory=CaptureConfig)
    inference: InferenceConfig = field(default_factory=InferenceConfig)
    render: RenderConfig = field(default_factory=RenderConfig)
    wardrobe: WardrobeConfig = field(default_factory=WardrobeConfig)
    spine: SpineConfig = field(default_factory=SpineConfig)


def default_path() -> Path | None:
    """The configuration file used when none is named, or None where there is none.

    ``$FITTING_MIRROR_CONFIG`` counts even if the file is missing (``load`` then refuses it);
    the user's and the machine's file count if they exist.
    """
    if named := os.environ.get("FITTING_MIRROR_CONFIG"):
        return Path(named)
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    for path in (home / "fitting-mirror" / "mirror.toml", MACHINE):
        if path.is_file():
            return path
    return None


def load(path: Path | None = None, overrides: Mapping[str, object] | None = None) -> Config:
    """Read ``path`` (None: the default file, else built-in defaults) and lay ``overrides`` over it.

    ``overrides`` maps dotted keys to values, e.g. ``{"capture.width": 640}``.
    Raises MirrorError, in one line, for a missing or unreadable file, an unknown key, or a
    value of the wrong type or out of range.
    """
    path = path or default_path()
    values: dict[str, Any] = {}
    if path is not None:
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise MirrorError(f"config file {path} does not exist") from None
        except (OSError, UnicodeDecodeError) as error:
            raise MirrorError(f"config file {path} cannot be read: {error}") from None
        except tomllib.TOMLDecodeError as error:
            raise MirrorError(f"config file {path} is not valid TOML: {error}") from None
    config = _convert(values, f"config file {path}")
    if not overrides:
        return config
    tree: dict[str, Any] = msgspec.to_builtins(config)
    for key, value in overrides.items():
        table, _, name = key.rpartition(".")
        if table in tree and isinstance(tree[table], dict):
            tree[table][name] = value
        else:
            tree[key] = value  # refused below, with the nearest known key
    return _convert(tree, "setting")


def parse_setting(text: str) -> tuple[str, object]:
    """``"capture.width=640"`` as (dotted key, value of the key's type).

    A string key takes the text as it is; a list takes ``a,b`` or a TOML array; the rest is
    read as a TOML value. Raises MirrorError for an unknown key or an unreadable value.
    """
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals:
        raise MirrorError(f"setting {text!r} is not of the form table.key=value")
    default = keys().get(key)
    if default is None:
        raise MirrorError(f"setting {key!r}: unknown key{_nearest(key)}")
    if isinstance(default, str):
        return key, value
    if isinstance(default, list) and not value.lstrip().startswith("["):
        return key, [part.strip() for part in value.split(",") if part.strip()]
    try:
        return key, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        raise MirrorError(f"setting {key}: {value!r} is not a {type(default).__name__}") from None


def keys() -> dict[str, Any]:
    """Every dotted key with its default value."""
    return {
        f"{table}.{name}": value
        for table, body in msgspec.to_builtins(Config()).items()
        for name, value in body.items()
    }


def dump(config: Config) -> str:
    """The configuration as TOML text, each key under its description."""
    lines = ["# Fitting Mirror configuration. Every key is optional; unknown keys are refused."]
    for table in msgspec.structs.fields(config):
        body = getattr(config, table.name)
        lines += ["", f"# {type(body).__doc__}", f"[{table.name}]"]
        for entry in msgspec.inspect.type_info(type(body)).fields:  # type: ignore[attr-defined]
            description = entry.type.extra_json_schema["description"]
            lines += textwrap.wrap(description, 100, initial_indent="# ", subsequent_indent="# ")
            lines.append(f"{entry.name} = {_toml_value(getattr(body, entry.name))}")
    return "\n".join(lines) + "\n"


def _toml_value(value: str | float | bool | list[str]) -> str:
    # JSON's strings, numbers, booleans and arrays are TOML's, but for a bare DEL character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _convert(values: dict[str, Any], where: str) -> Config:
    try:
        return msgspec.convert(values, Config)
    except msgspec.ValidationError as error:
        text = str(error)
    reason, _, place = text.partition(" - at ")
    place = re.sub(r"^`\$\.?|`$", "", place)
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", reason):
        key = f"{place}.{unknown[1]}".lstrip(".")
        raise MirrorError(f"{where}: unknown key {key!r}{_nearest(key)}") from None
    raise MirrorError(f"{where}: {place or 'the file'}: {reason[:1].lower()}{reason[1:]}") from None


def _nearest(key: str) -> str:
    names = list(keys())
    found = difflib.get_close_matches(key, names, 1) or [n for n in names if n.endswith("." + key)][:1]
    return f" (did you mean {found[0]!r}?)" if found else ""
