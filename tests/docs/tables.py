"""The tables of topics and processes in docs/architecture.md, as the code has them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from mirror.processes import PROCESSES
from mirror.topics import TOPICS, Guarantee

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "architecture.md"
SPINE = "mirror"  # the supervisor, in the tables of topics


@cache
def of_commands() -> frozenset[str]:
    """Topics that a command of the running mirror uses: named in a module of mirror/cli that has a socket."""
    modules = [path.read_text(encoding="utf-8") for path in (ROOT / "mirror" / "cli").rglob("*.py")]
    named = {name for text in modules if "mirror.bus" in text for name in re.findall(r'"(\w+)"', text)}
    return frozenset(named & TOPICS.keys())


def topics() -> str:
    """A row a topic: what it carries, from whom to whom, how often, what it promises."""
    rows = []
    for topic in TOPICS.values():
        newest = topic.guarantee is Guarantee.NEWEST
        writers = [p.name for p in PROCESSES if topic.name in p.writes]
        readers = [p.name for p in PROCESSES if topic.name in p.reads]
        if topic.name == "heartbeat":
            writers.append("every process")
        if topic.owner == SPINE:
            readers.append("supervisor")
        if topic.name in of_commands():
            (readers if newest else writers).append("commands")
        promise = "only the newest" if newest else "every one"
        rate = f"{topic.rate_hz:g} Hz" if topic.rate_hz else "as it comes"
        rows.append(
            [
                f"`{topic.name}`",
                f"`{topic.schema.__name__}`",
                ", ".join(writers),
                ", ".join(readers),
                "supervisor" if topic.owner == SPINE else topic.owner,
                rate,
                promise,
            ]
        )
    return _table(["topic", "message", "written by", "read by", "bound by", "rate", "readers get"], rows)


def processes() -> str:
    """A row a process: its module, what it reads and writes."""
    rows = [
        [
            process.name + (" (aside)" if process.aside else ""),
            f"`python -m {process.module}`",
            ", ".join(f"`{name}`" for name in process.reads),
            ", ".join(f"`{name}`" for name in process.writes),
            process.does,
        ]
        for process in PROCESSES
    ]
    return _table(["process", "runs as", "reads", "writes (and `heartbeat`)", "does"], rows)


TABLES: dict[str, Callable[[], str]] = {"topics": topics, "processes": processes}


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def with_tables(page: str) -> str:
    """The page with each table between ``<!-- NAME: generated -->`` and ``<!-- end -->`` made anew."""
    for name, make in TABLES.items():
        pattern = rf"(?<=<!-- {name}: generated)([^>]*-->\n).*?(<!-- end -->)"
        parts = re.split(pattern, page, flags=re.DOTALL)
        if len(parts) != 4:
            raise ValueError(f"the page has {len(parts) // 3} places for the table of {name}, not one")
        page = f"{parts[0]}{parts[1]}{make()}\n{parts[2]}{parts[3]}"
    return page


def write() -> None:
    """Bring the page up to date."""
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
