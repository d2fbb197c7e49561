"""Where garments and fabrics are kept: wardrobe folders, each with ``garments/`` and ``fabrics/``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import msgspec

from mirror.errors import MirrorError

#: The wardrobe that the mirror ships with: a package of data beside this one, in a checkout and in a wheel.
PACKAGED = Path(__file__).resolve().parent.parent / "wardrobe"

T = TypeVar("T")


def roots(folders: Iterable[str | Path] = ()) -> list[Path]:
    """The wardrobe folders in the order of search: the configured ones, then the packaged one."""
    return [*(Path(f).expanduser() for f in folders), PACKAGED]


def list_folders(sort: str, folders: Iterable[str | Path] = ()) -> dict[str, Path]:
    """Name to folder of everything of one sort (``garments`` or ``fabrics``), sorted by name.

    A name in an earlier wardrobe hides the same name in a later one.
    """
    page = _page(sort)
    found: dict[str, Path] = {}
    for root in roots(folders):
        for folder in sorted((root / sort).glob(f"*/{page}")):
            found.setdefault(folder.parent.name, folder.parent)
    return dict(sorted(found.items()))


def find_folder(sort: str, name: str | Path, folders: Iterable[str | Path] = ()) -> Path:
    """The folder of a garment or fabric by name, or by a path to it.

    MirrorError if there is none; the line lists what there is.
    """
    known = list_folders(sort, folders)
    if str(name) in known:
        return known[str(name)]
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    one = sort.removesuffix("s")
    raise MirrorError(f"no {one} {str(name)!r}; there are: {', '.join(known) or 'none'}")


def check_name(one: str, name: str) -> str:
    """The name itself. MirrorError if no garment or fabric (``one``) can be called that."""
    if not re.fullmatch(r"[\w .-]{1,64}", name) or not name.strip(". "):
        raise MirrorError(f"{one} name {name!r}: use letters, digits, spaces, - and _")
    return name


def read_page(folder: Path, sort: str, kind: type[T]) -> T:
    """The folder's TOML page, checked against the struct ``kind``.

    MirrorError naming file and reason if it is missing, not TOML, or has wrong or unknown keys.
    """
    path = folder / _page(sort)
    try:
        return msgspec.convert(tomllib.loads(path.read_text("utf-8")), kind)
    except OSError as error:
        raise MirrorError(f"{path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MirrorError(f"{path}: not valid TOML ({error})") from error
    except msgspec.ValidationError as error:
        raise MirrorError(f"{path}: {error}") from error


def _page(sort: str) -> str:
    return f"{sort.removesuffix('s')}.toml"
