"""A page that names what is no longer there sends its reader astray."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mirror.cli import app
from tests.docs import names

pages = pytest.mark.parametrize("page", names.PAGES, ids=lambda page: page.name)


@pages
def test_links_lead_somewhere(page: Path) -> None:
    """A link of the docs leads to a file of the repository, and to a heading where it names one."""
    for link in names.links(page):
        if "://" in link:
            continue
        target, _, anchor = link.partition("#")
        there = (page.parent / target) if target else page
        assert there.exists(), f"{page.name}: {link}"
        if anchor and there.suffix == ".md":
            assert anchor in names.anchors(there), f"{page.name}: {link}"


@pages
def test_paths_exist(page: Path) -> None:
    """Who looks for a file or folder that a page names finds it."""
    missing = [path for path in names.paths(page) if not any(names.ROOT.glob(path.rstrip("/")))]
    assert not missing


@pages
def test_code_names_exist(page: Path) -> None:
    """Who looks for a function, class, module or setting that a page names finds it."""
    assert not [name for name in names.dotted(page) if not names.resolves(name)]


@pages
def test_commands_exist(
    page: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who types a command that a page shows is not told that there is no such command or option."""
    monkeypatch.setenv("COLUMNS", "200")
    for words, options in names.commands(page):
        assert _exit_code([*words, "--help"]) == 0, f"mirror {' '.join(words)}: {capsys.readouterr().err}"
        told = capsys.readouterr().out
        assert words[0] in told
        missing = [option for option in options if not re.search(rf"(?<![\w-]){option}(?![\w-])", told)]
        assert not missing, f"mirror {' '.join(words)}"


@pages
def test_kiosk_has_the_commands(page: Path) -> None:
    """An operator who types what a page says gets no list of usages in return."""
    usage = (names.ROOT / "kiosk").read_text(encoding="utf-8").split("END")[1]
    listed = set(
        re.findall(
            r"[a-z]+", " ".join(line.split("   ")[0] for line in usage.splitlines() if line[:2] == "  ")
        )
    )
    assert set(names.kiosk_commands(page)) <= listed


def _exit_code(arguments: list[str]) -> int:
    try:
        return app.main(arguments)
    except SystemExit as ended:
        return int(ended.code or 0)


def test_names_are_looked_up_where_they_are_defined() -> None:
    """A test that found every name would find no mistake."""
    assert names.resolves("mirror.messages.Body.masks")
    assert names.resolves("mirror.ring.RingReader.view")
    assert names.resolves("render.hide_worn")
    assert not names.resolves("mirror.messages.Body.skin")
    assert not names.resolves("inference.garment")
    assert not names.resolves("render.no_such_key")


def test_readme_is_short() -> None:
    """A page that greets must be read in a minute: everything else has a page of its own in docs."""
    assert len(names.PAGES[0].read_text(encoding="utf-8").splitlines()) <= 120


def test_pictures_are_small() -> None:
    """A checkout must not carry megabytes of pictures."""
    for picture in (names.ROOT / "docs").iterdir():
        if picture.suffix in {".jpg", ".png", ".gif", ".webp"}:
            assert picture.stat().st_size <= 2.5e6, picture.name


def test_typed_commands_are_found() -> None:
    """A test that read no command would find no mistake in one."""
    operator = names.ROOT / "docs" / "operator.md"
    assert (["replay"], ["--garment", "--set"]) in names.commands(operator)
    assert (["fabric", "weave"], ["--class", "--palette", "--keep"]) in names.commands(operator)
    assert {"start", "doctor", "install"} <= set(names.kiosk_commands(operator))
