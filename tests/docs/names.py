"""What pages name in code spans and links, and whether the repository has it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import msgspec

from mirror.config import Config

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
PACKAGES = ("mirror", "capture", "inference", "render", "workshop", "tests")
_FOLDERS = (*PACKAGES, "wardrobe", "docs", "systemd", "requirements", ".ci")
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_RECORDED = re.compile(r"^```text\n.*?^```", re.MULTILINE | re.DOTALL)  # what was typed once, and no more
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_PATH = re.compile(rf"(?:{'|'.join(map(re.escape, _FOLDERS))})/[\w./*-]*")
_DOTTED = re.compile(rf"(?:{'|'.join(PACKAGES)}|wardrobe|spine)(?:\.\w+)+")
_MODULE_RUN = re.compile(r"python -m ([\w.]+)")


def prose(page: Path) -> str:
    """The page without its blocks of code."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def blocks(page: Path) -> list[str]:
    """The page's blocks of code that is to be typed."""
    return _FENCE.findall(_RECORDED.sub("", page.read_text(encoding="utf-8")))


def spans(page: Path) -> list[str]:
    """The page's code spans."""
    return _SPAN.findall(prose(page))


def links(page: Path) -> list[str]:
    """Where the page's links lead."""
    return _LINK.findall(prose(page))


def paths(page: Path) -> list[str]:
    """Paths of the repository in the page's code spans, with ``*`` for what a reader is to fill in."""
    return [re.sub(r"\b[A-Z]{2,}\b", "*", span) for span in spans(page) if _PATH.fullmatch(span)]


def dotted(page: Path) -> list[str]:
    """Dotted names in the page's code spans and modules that the page runs."""
    named = [span.removesuffix("()") for span in spans(page)]
    found = [name for name in named if _DOTTED.fullmatch(name) and not name.endswith((".toml", ".py"))]
    run = _MODULE_RUN.findall(_RECORDED.sub("", page.read_text(encoding="utf-8")))
    return [*found, *(name for name in run if name.split(".")[0] in PACKAGES)]


def anchors(page: Path) -> set[str]:
    """What a link's ``#...`` may name in a page, as GitHub makes it of headings."""
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def commands(page: Path) -> list[tuple[list[str], list[str]]]:
    """Of each ``mirror ...`` that the page says to type: its words up to the first value, and its options."""
    found = []
    for line in _typed(page):
        match = re.match(r"(?:\.venv/bin/)?mirror ((?:[a-z][a-z-]*(?: |$))+)", line)
        if match:
            found.append((match[1].split(), re.findall(r"(?<=[ \[])--?[a-z][\w-]*", line)))
    return found


def kiosk_commands(page: Path) -> list[str]:
    """The first word after each ``./kiosk`` that the page says to type."""
    return [match[1] for line in _typed(page) if (match := re.match(r"(?:sudo )?\./kiosk ([a-z]+)", line))]


def _typed(page: Path) -> list[str]:
    """What the page says to type, a command each, without what is said about it."""
    joined = "\n".join(blocks(page)).replace("\\\n", " ")
    return [line.strip().split(" #")[0] for line in [*spans(page), *joined.splitlines()]]


def resolves(name: str) -> bool:
    """Whether a dotted name is a module, something defined in one, or a key of the configuration."""
    parts = name.split(".")
    if _is_setting(parts):
        return True
    for length in range(len(parts), 0, -1):
        stem = ROOT.joinpath(*parts[:length])
        if stem.is_dir() and length == len(parts):
            return True
        module = stem / "__init__.py" if stem.is_dir() else stem.with_suffix(".py")
        if module.is_file():
            return _holds(_tree(module), parts[length:])
    return False


def _is_setting(parts: list[str]) -> bool:
    tables = {field.name: field.type for field in msgspec.structs.fields(Config)}
    if len(parts) != 2 or parts[0] not in tables:
        return False
    return parts[1] in {field.name for field in msgspec.structs.fields(tables[parts[0]])}


@cache
def _tree(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"))


def _holds(node: ast.AST, names: list[str]) -> bool:
    if not names:
        return True
    for child in ast.iter_child_nodes(node):
        if names[0] in _defined(child) and _holds(child, names[1:]):
            return True
    return False


def _defined(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        yield node.name
    elif isinstance(node, ast.Assign):
        yield from (target.id for target in node.targets if isinstance(target, ast.Name))
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        yield node.target.id
    elif isinstance(node, ast.TypeAlias if hasattr(ast, "TypeAlias") else ()):
        yield node.name.id


def defined_anywhere(name: str) -> bool:
    """Whether a class, function, constant or field of this name is defined somewhere in the packages."""
    return name in _all_names()


@cache
def _all_names() -> frozenset[str]:
    found: set[str] = set()
    for package in PACKAGES[:-1]:
        for module in (ROOT / package).rglob("*.py"):
            found.add(module.stem)
            for node in ast.walk(_tree(module)):
                found.update(_defined(node))
                if isinstance(node, ast.arg):
                    found.add(node.arg)
    return frozenset(found)
