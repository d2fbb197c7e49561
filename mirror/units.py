"""The systemd units: one a process, and their target; their templates, and how they are."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from mirror.errors import MirrorError
from mirror.processes import PROCESSES

PREFIX = "fitting-mirror-"
TARGET = "fitting-mirror.target"
SERVICES = tuple(f"{PREFIX}{process.name}.service" for process in PROCESSES)
#: Settings that only the system's service manager can apply: they need privileges or mount namespaces.
SYSTEM_ONLY = re.compile(
    r"(User|SupplementaryGroups|IPAddressDeny|DevicePolicy|DeviceAllow|Private(Devices|Tmp)|CapabilityBoundingSet"
    r"|Protect(System|Home|Clock|ControlGroups|Hostname|Kernel(Logs|Modules|Tunables)))="
)


class UnitState(msgspec.Struct):
    """A service as systemd sees it. ``text`` is what the process last said of itself."""

    name: str
    active: bool
    state: str
    pid: int
    restarts: int
    text: str


def templates() -> Path:
    """The folder of the unit templates, in a checkout or as installed."""
    places = (
        Path(__file__).resolve().parent.parent / "systemd",
        Path(sys.prefix) / "share/fitting-mirror/systemd",
    )
    for place in places:
        if (place / TARGET).is_file():
            return place
    raise MirrorError("the unit templates are missing: install the project again")


def fill(template: str, values: Mapping[str, str], *, user: bool) -> str:
    """A template with its ``@NAME@`` replaced; for a user's manager, without what only the system's can do.

    Raises MirrorError if a value is missing, or could not stand in a unit.
    """
    lines = []
    for line in template.splitlines():
        if line.startswith("# Template:"):
            continue
        if user and SYSTEM_ONLY.match(line):
            continue
        for name in re.findall(r"@([A-Z_]+)@", line):
            value = values.get(name, "")
            if not value or re.search(r"[\s\"'\\%$]", value):
                raise MirrorError(f"{value!r} cannot be used in a unit (as {name.lower()})")
            line = line.replace(f"@{name}@", value)  # noqa: PLW2901
        lines.append(line)
    return "\n".join(lines) + "\n"


def states() -> list[UnitState]:
    """The mirror's services known to the user's or, failing that, the system's service manager."""
    if shutil.which("systemctl") is None:
        return []
    for scope in (["--user"], []):
        properties = "Id,LoadState,ActiveState,SubState,MainPID,NRestarts,StatusText"
        command = ["systemctl", *scope, "show", f"--property={properties}", *SERVICES]
        try:
            answer = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
        except subprocess.TimeoutExpired:
            continue
        if answer.returncode == 0 and (found := parse(answer.stdout)):
            return found
    return []


def parse(text: str) -> list[UnitState]:
    """The services that are loaded, from ``systemctl show``'s blocks of KEY=VALUE lines."""
    found = []
    for block in text.strip().split("\n\n"):
        facts = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if facts.get("LoadState") != "loaded":
            continue
        found.append(
            UnitState(
                name=facts.get("Id", "?"),
                active=facts.get("ActiveState") == "active",
                state=facts.get("SubState", "?"),
                pid=int(facts.get("MainPID") or 0),
                restarts=int(facts.get("NRestarts") or 0),
                text=facts.get("StatusText", ""),
            )
        )
    return found
