"""The glossary's terms are those of the code."""

from __future__ import annotations

import re

from tests.docs import names

_PAGE = names.ROOT / "docs" / "glossary.md"


def _rows() -> list[tuple[str, str]]:
    """Term and where it is found in the code, of each row of the glossary's tables."""
    lines = re.findall(r"^\| \*\*(.+?)\*\* \|.*\| (.*?) \|$", _PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return [(term, where) for term, where in lines]


def test_terms_exist_in_the_code() -> None:
    """Who looks a term of the glossary up in the code finds it: by a dotted name, or one used somewhere."""
    rows = _rows()
    assert len(rows) > 40
    for term, where in rows:
        named = re.findall(r"`([^`]+)`", where)
        assert named, f"{term}: the last column names nothing in the code"
        for name in named:
            if "/" in name:
                assert (names.ROOT / name).exists(), f"{term}: {name}"
            elif "." in name:
                assert names.resolves(name), f"{term}: {name}"
            else:
                assert names.defined_anywhere(name), f"{term}: {name}"


def test_a_term_has_one_meaning() -> None:
    """A term that stands twice would have two."""
    terms = [term.lower() for term, _ in _rows()]
    assert len(set(terms)) == len(terms)
