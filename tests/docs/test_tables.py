"""Topics and processes: the docs, the tables and the processes' own first lines say the same."""

from __future__ import annotations

import ast
import re
import tomllib

import pytest

from mirror.processes import PROCESSES, Process
from mirror.topics import TOPICS, Guarantee, Topic
from tests.docs import tables


def test_architecture_page_has_the_tables_of_the_code() -> None:
    """Who reads the page must not be told of topics or processes as they were."""
    page = tables.PAGE.read_text(encoding="utf-8")
    assert tables.with_tables(page) == page, (
        "the tables changed: bring the page up to date by: python -m tests.record"
    )


def test_every_topic_has_a_writer_and_a_reader() -> None:
    """A topic that only one side uses is dead, or the table of processes lies."""
    for row in tables.topics().splitlines()[2:]:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert all(cells), row


def test_processes_name_topics_that_exist() -> None:
    """A process that reads or writes a topic of no table waits for ever."""
    for process in PROCESSES:
        assert set(process.reads + process.writes) <= TOPICS.keys(), process.name


@pytest.mark.parametrize("topic", TOPICS.values(), ids=lambda topic: topic.name)
def test_owner_is_who_the_guarantee_says(topic: Topic) -> None:
    """Two ends that both bind never meet: of a NEWEST topic the writer does, else the reader."""
    writes = {p.name for p in PROCESSES if topic.name in p.writes}
    reads = {p.name for p in PROCESSES if topic.name in p.reads}
    if topic.owner == tables.SPINE:
        assert not reads
        assert topic.guarantee is Guarantee.EVERY
    else:
        assert topic.owner in (writes if topic.guarantee is Guarantee.NEWEST else reads)


@pytest.mark.parametrize("process", PROCESSES, ids=lambda process: process.name)
def test_first_lines_of_a_process_name_its_topics(process: Process) -> None:
    """Who opens a process's module reads in its first lines all that goes in and all that comes out."""
    path = tables.ROOT.joinpath(*process.module.split("."), "process.py")
    told = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    match = re.search(r"Reads (.*?); writes (.*?)\.(?:\s|$)", told, re.DOTALL)
    assert match, f"{path.name} says nothing like 'Reads ...; writes ...'"
    for what, topics in zip(match.groups(), (process.reads, process.writes), strict=True):
        named = set(re.findall(r"``(\w+)``", what)) & TOPICS.keys()
        assert named == set(topics), process.name


def test_every_dependency_has_its_reason() -> None:
    """A dependency that nobody can say the use of is carried for ever."""
    project = tomllib.loads((tables.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    asked = [*project["project"]["dependencies"]]
    for group in [
        *project["project"]["optional-dependencies"].values(),
        *project["dependency-groups"].values(),
    ]:
        asked += [entry for entry in group if isinstance(entry, str)]
    wanted = {re.split(r"[^\w-]", entry)[0].lower() for entry in asked} - {project["project"]["name"]}
    section = tables.PAGE.read_text(encoding="utf-8").split("## Why each dependency")[1]
    cells = re.findall(r"^\| ([^|]+) \|", section, re.MULTILINE)[2:]
    told = {name.strip().lower() for cell in cells for name in re.sub(r"\([^)]*\)", "", cell).split(",")}
    assert told == wanted
