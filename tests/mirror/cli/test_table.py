"""The table of commands: what it names is there, and nothing runs beside it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import mirror
from mirror.cli.probe import PROBES
from mirror.cli.table import COMMANDS, GROUPS, Command
from mirror.named import resolve

ROOT = Path(mirror.__file__).resolve().parent.parent


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.path)
def test_function_is_there(command: Command) -> None:
    """A command would be listed, and end in a traceback when it is called."""
    assert callable(resolve(command.function))
    assert command.help.endswith(".")


def test_paths_are_once_and_their_groups_known() -> None:
    """One of two commands of the same name could never be called; one without its group neither."""
    paths = [command.path for command in COMMANDS]
    assert len(set(paths)) == len(paths)
    groups = {group.path for group in GROUPS}
    assert {path.split()[0] for path in paths if " " in path} == groups
    assert not groups & set(paths)


@pytest.mark.parametrize("reference", PROBES.values())
def test_probe_is_there(reference: str) -> None:
    """The doctor would blame the machine for a function that has moved."""
    assert callable(resolve(reference))


def test_no_module_is_run_by_its_tail() -> None:
    """A command that stands in no table is one that no help lists and nobody finds."""
    modules = [
        path
        for package in ("mirror", "capture", "inference", "render", "workshop")
        for path in sorted((ROOT / package).rglob("*.py"))
    ]
    tails = [
        str(path.relative_to(ROOT))
        for path in modules
        if path.name != "__main__.py" and re.search(r"^if __name__ ==", path.read_text("utf-8"), re.MULTILINE)
    ]
    assert modules
    assert not tails
