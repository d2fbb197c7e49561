"""What docstrings and pages name in backticks is there: a reader who follows a name must find it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mirror.config import Config

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("mirror", "capture", "inference", "render", "workshop", "tests")
_FOLDERS = (*PACKAGES, "wardrobe", "docs", "systemd")
_QUOTED = re.compile(r"``?([^`\n]+?)``?")
_DOTTED = re.compile(rf"(?:{'|'.join(PACKAGES)})(?:\.[A-Za-z_]\w*)+")
_PATH = re.compile(rf"(?:{'|'.join(_FOLDERS)})/[\w./-]+")
_MADE = re.compile(r"[A-Z]{2,}|[<>*{}]")  # a place holder, such as NAME


def _names(text: str) -> Iterator[str]:
    for quoted in _QUOTED.findall(text):
        for word in quoted.split():
            if not _MADE.search(word):
                yield word.strip(".,;:()")


def _docstrings(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node, clean=False) or ""


def _exists(name: str) -> bool:
    """Whether a path is there, a dotted name leads to a module or into one that has it, or is a setting."""
    if _PATH.fullmatch(name):
        return (ROOT / name).exists()
    parts = name.split(".")
    section = getattr(Config(), parts[0], None)
    if len(parts) == 2 and hasattr(section, parts[1]):
        return True
    for count in range(len(parts), 0, -1):
        place = ROOT.joinpath(*parts[:count])
        if place.is_dir():
            return count == len(parts)
        if place.with_suffix(".py").is_file():
            text = place.with_suffix(".py").read_text("utf-8")
            return all(re.search(rf"\b{part}\b", text) for part in parts[count : count + 1])
    return False


def _lost(path: Path) -> list[str]:
    texts = _docstrings(path) if path.suffix == ".py" else [path.read_text("utf-8")]
    named = {n for text in texts for n in _names(text) if _DOTTED.fullmatch(n) or _PATH.fullmatch(n)}
    return [f"{path.relative_to(ROOT)}: {name}" for name in sorted(named) if not _exists(name)]


@pytest.mark.parametrize("package", PACKAGES)
def test_names_in_docstrings_are_there(package: str) -> None:
    """A module that has moved must not be looked for where it was."""
    assert not [lost for path in sorted((ROOT / package).rglob("*.py")) for lost in _lost(path)]


def test_names_in_pages_are_there() -> None:
    """An operator who types a path from a page must find it."""
    assert not [lost for path in sorted((ROOT / "docs").glob("*.md")) for lost in _lost(path)]
