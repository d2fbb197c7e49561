"""What docstrings name in backticks is there: a reader who follows a name must find it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.names import PACKAGES, ROOT, resolves

_FOLDERS = (*PACKAGES, "wardrobe", "docs", "systemd")
_QUOTED = re.compile(r"``?([^`\n]+?)``?")
_DOTTED = re.compile(rf"(?:{'|'.join(PACKAGES)})(?:\.[A-Za-z_]\w*)+")
_PATH = re.compile(rf"(?:{'|'.join(_FOLDERS)})/[\w./-]+")
_TO_FILL_IN = re.compile(r"[A-Z]{2,}|[<>*{}]")  # such as NAME
_CONSTANT = re.compile(rf"{_DOTTED.pattern}\.[A-Z_]+")


def _docstrings(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node, clean=False) or ""


def _named(path: Path) -> set[str]:
    words = {
        word.strip(".,;:()")
        for text in _docstrings(path)
        for quoted in _QUOTED.findall(text)
        for word in quoted.split()
    }
    return {w for w in words if _CONSTANT.fullmatch(w) or not _TO_FILL_IN.search(w)}


def _lost(path: Path) -> list[str]:
    named = _named(path)
    gone = [n for n in named if _PATH.fullmatch(n) and not (ROOT / n).exists()]
    gone += [n for n in named if _DOTTED.fullmatch(n) and not resolves(n)]
    return [f"{path.relative_to(ROOT)}: {name}" for name in sorted(gone)]


@pytest.mark.parametrize("package", PACKAGES)
def test_names_in_docstrings_are_there(package: str) -> None:
    """A module that has moved must not be looked for where it was."""
    assert not [lost for path in sorted((ROOT / package).rglob("*.py")) for lost in _lost(path)]


def test_a_lost_name_is_found(tmp_path: Path) -> None:
    """A check that finds nothing would be believed."""
    assert resolves("render.garments.kinds.KINDS")
    assert not resolves("render.garments.kinds.NONESUCH")
    page = tmp_path / "page.py"
    page.write_text('"""See ``workshop.tailor.shears``, ``inference/fit_eval/`` and ``wardrobe/NAME``."""\n')
    assert _named(page) >= {"workshop.tailor.shears", "inference/fit_eval/"}
    assert "wardrobe/NAME" not in _named(page)
