"""The lock files: what set-up installs is what pyproject.toml asks for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
LOCKS = ROOT / "requirements"


def listed(name: str) -> dict[str, Requirement]:
    """The requirements of a file in requirements/, by name."""
    text = re.sub(r"#.*", "", (LOCKS / name).read_text("utf-8").replace("\\\n", " "))
    asked = [Requirement(line.split(" --hash=")[0]) for line in text.splitlines() if line.strip()]
    return {canonicalize_name(each.name): each for each in asked}


def version(requirement: Requirement) -> str:
    (pin,) = requirement.specifier
    assert pin.operator == "==", f"{requirement} is not exact"
    return pin.version


def wanted(project: dict[str, Any], group: str) -> list[Requirement]:
    """Everything that pyproject.toml names for a lock, with what the group includes."""
    texts = list(project["project"]["dependencies"])
    if group == "dev":
        texts += project["project"]["optional-dependencies"]["train"]
    pending = [group]
    while pending:
        for entry in project["dependency-groups"][pending.pop()]:
            if isinstance(entry, str):
                texts.append(entry)
            else:
                pending.append(entry["include-group"])
    return [Requirement(text) for text in texts]


@pytest.mark.parametrize(("lock", "group"), [("run.txt", "setup"), ("dev.txt", "dev")])
def test_lock_has_what_the_project_asks_for(lock: str, group: str) -> None:
    """A dependency added without `./kiosk lock` would be missing on every new machine."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    locked, excluded = listed(lock), listed("excludes.txt")
    for requirement in wanted(project, group):
        name = canonicalize_name(requirement.name)
        if name in excluded:
            assert version(requirement), "what is not locked is named exactly"
            continue
        assert name in locked, f"{lock} lacks {requirement}: run ./kiosk lock"
        assert requirement.specifier.contains(version(locked[name])), (
            f"{lock}: {requirement}: run ./kiosk lock"
        )


def test_locks_agree() -> None:
    """The tests would run on other versions than the mirror."""
    run, dev = listed("run.txt"), listed("dev.txt")
    assert {name: version(run[name]) for name in run} == {name: version(dev[name]) for name in run}


@pytest.mark.parametrize("lock", ["run.txt", "dev.txt"])
def test_overrides_hold(lock: str) -> None:
    """The PyOpenGL that a package pins does not run on Python 3.12 and newer."""
    locked = listed(lock)
    for name, override in listed("overrides.txt").items():
        assert override.specifier.contains(version(locked[name]))


@pytest.mark.parametrize("lock", ["run.txt", "dev.txt"])
def test_every_package_is_checked_and_comes_from_any_index(lock: str) -> None:
    """A package without a hash could be exchanged; an index in the lock could be out of a shop's reach."""
    text = (LOCKS / lock).read_text("utf-8")
    blocks = re.split(r"\n(?=[a-z0-9])", text)
    assert len(blocks) == len(listed(lock))
    assert all(" --hash=sha256:" in block for block in blocks)
    assert "://" not in text
    assert not re.search(r"^\s*-", re.sub(r"--hash=\S+", "", text).replace("\\", ""), re.MULTILINE)


@pytest.mark.parametrize("lock", ["run.txt", "dev.txt"])
@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_lock_serves_every_version_of_python(lock: str, python: str, machine: str) -> None:
    """A package locked for one version alone would be missing on the others."""
    there = {"python_version": python, "python_full_version": f"{python}.0", "platform_machine": machine}
    left_out = [
        name for name, each in listed(lock).items() if each.marker and not each.marker.evaluate(there)
    ]
    assert not left_out
