"""The review file: what was found out about each swatch, for a person to correct before training.

``review.toml`` lies in the swatch folder. Each picture has a table; the person edits its values.
Beside each value the machine keeps what it had guessed: a value that differs from its guess was
corrected, and stays when the labels are rebuilt. ``checked = true`` keeps every value of a table.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import msgspec

from inference.fabric.classes import check_class
from inference.fabric.palette import parse_palette
from mirror.errors import MirrorError

FILE = "review.toml"

_HEAD = """\
# Labels of the swatches in this folder. Correct what is wrong: a corrected value stays when the
# labels are rebuilt. checked = true keeps a whole table; use = false leaves the swatch out.
# class: the weave. palette: 1 to 4 colours, the ground first. width_m: metres that the picture is
# wide. repeat_px, repeat_direction_deg: the pattern's repeat in the picture; 0 for none.
"""


class Label(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is known of one picture. Lengths in px of the picture; directions from its x axis."""

    fabric_class: str = msgspec.field(name="class")
    palette: str
    width_m: float
    repeat_px: tuple[float, float] = (0.0, 0.0)
    repeat_direction_deg: tuple[float, float] = (0.0, 90.0)
    licence: str = ""


class Entry(Label, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One table of the file: the label that counts, and the guess it started from."""

    guessed: Label
    checked: bool = False
    use: bool = True


class _Page(msgspec.Struct, forbid_unknown_fields=True):
    swatches: dict[str, Entry] = {}


def read_review(folder: Path) -> dict[str, Entry]:
    """The folder's entries by picture; none if there is no file yet.

    MirrorError naming the file and what is wrong with it: bad TOML, an unknown class, no colour.
    """
    path = folder / FILE
    if not path.exists():
        return {}
    try:
        page = msgspec.convert(tomllib.loads(path.read_text("utf-8")), _Page)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise MirrorError(f"{path}: {error}") from error
    for name, entry in page.swatches.items():
        try:
            check_class(entry.fabric_class)
            parse_palette(entry.palette)
        except MirrorError as error:
            raise MirrorError(f"{path}: {name}: {error}") from error
        if not 0.001 <= entry.width_m <= 10:
            raise MirrorError(f"{path}: {name}: width_m must lie between 0.001 and 10 metres")
    return page.swatches


def merge(guess: Label, held: Entry | None) -> Entry:
    """The new entry of a picture: the fresh guess, but what a person corrected stays."""
    if held is None:
        return _entry(guess, guess, use=True)
    if held.checked:
        return msgspec.structs.replace(held, guessed=guess)
    fresh, before, current = _values(guess), _values(held.guessed), _values(held)
    corrected = {k for k in fresh if current[k] != before[k]}
    # A corrected value's own guess is kept as it was, or a guess that comes to agree would undo the mark.
    marks = msgspec.structs.replace(guess, **{k: before[k] for k in corrected})
    return _entry(msgspec.structs.replace(guess, **{k: current[k] for k in corrected}), marks, use=held.use)


def write_review(folder: Path, entries: dict[str, Entry]) -> Path:
    """Write the file, whole or not at all; pictures in the order of their names."""
    lines = [_HEAD]
    for name in sorted(entries):
        entry = entries[name]
        lines.append(f"[swatches.{json.dumps(name)}]")
        lines += [f"{key} = {_toml(value)}" for key, value in _page(entry).items()]
        lines += [f"use = {_toml(entry.use)}", f"checked = {_toml(entry.checked)}"]
        inner = ", ".join(f"{key} = {_toml(value)}" for key, value in _page(entry.guessed).items())
        lines += [f"guessed = {{ {inner} }}", ""]
    path = folder / FILE
    part = path.with_suffix(".part")
    part.write_text("\n".join(lines), "utf-8")
    part.replace(path)
    return path


def _entry(label: Label, guessed: Label, *, use: bool) -> Entry:
    return Entry(
        fabric_class=label.fabric_class,
        palette=label.palette,
        width_m=label.width_m,
        repeat_px=label.repeat_px,
        repeat_direction_deg=label.repeat_direction_deg,
        licence=label.licence,
        guessed=guessed,
        use=use,
    )


def _values(label: Label) -> dict[str, object]:
    return {name: getattr(label, name) for name in Label.__struct_fields__}


def _page(label: Label) -> dict[str, object]:
    return {("class" if k == "fabric_class" else k): v for k, v in _values(label).items()}


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    if isinstance(value, float):
        return repr(round(value, 5))
    return json.dumps(value, ensure_ascii=False)
