"""Tables on the terminal: drawn and folded there, plain lines for whatever else reads them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def print_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool) -> None:
    """Print rows as a JSON array with all that they hold, or as a table of some columns."""
    if as_json:
        print(json.dumps([dict(row) for row in rows]))
    else:
        print_table(rows, columns)


def print_table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Print some columns of rows. Off a terminal a row is one line, its cells two blanks or more apart."""
    cells = [[cell(row.get(column)) for column in columns] for row in rows]
    if sys.stdout.isatty():
        _draw(cells, columns)
        return
    lines = [list(columns), *cells]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    for line in lines:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def cell(value: object) -> str:
    """A value as a table or a line of facts has it."""
    if isinstance(value, (list, tuple)):
        return " ".join(str(part) for part in value)
    return "-" if value is None else str(value)


def _draw(cells: Iterable[Sequence[str]], columns: Sequence[str]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in cells:
        table.add_row(*map(Text, row))  # as text: a name may hold what Rich takes for markup
    Console().print(table)
