"""``mirror garment list|show`` and ``mirror fabric list``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mirror.cli import load_config


def list_garments(options: argparse.Namespace) -> int:
    """Print the garments of every wardrobe folder."""
    from render.garments import list_garments as found

    rows = found(load_config(options).wardrobe.folders)
    _print_list(rows, ("name", "kind", "sizes", "default_fabric", "path"), as_json=options.json)
    return 0


def list_fabrics(options: argparse.Namespace) -> int:
    """Print the fabrics of every wardrobe folder."""
    from render.fabrics import list_fabrics as found

    rows = found(load_config(options).wardrobe.folders)
    _print_list(rows, ("name", "class", "path"), as_json=options.json)
    return 0


def show_garment(options: argparse.Namespace) -> int:
    """Print one garment: its facts, and its measurements (cm) by size."""
    from render.garments import load_garment

    garment = load_garment(options.name, load_config(options).wardrobe.folders)
    facts: dict[str, Any] = {
        "name": garment.name,
        "kind": garment.kind,
        "slot": garment.slot,
        "layer": garment.layer,
        "sizes": list(garment.sizes),
        "default_fabric": garment.default_fabric,
        "author": garment.author,
        "licence": garment.licence,
        "path": str(garment.path),
        "vertices": len(garment.vertices),
        "measurements": garment.measurements,
    }
    if options.json:
        print(json.dumps(facts))
        return 0
    for key, value in facts.items():
        if key != "measurements":
            print(f"{key:<15} {_cell(value)}")
    measures = sorted({name for row in garment.measurements.values() for name in row})
    if measures:
        print("\nmeasurements, cm")
        rows = [{"size": size} | garment.measurements.get(size, {}) for size in garment.sizes]
        _print_table(rows, ("size", *measures))
    return 0


def _print_list(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([dict(row) for row in rows]))
    else:
        _print_table(rows, columns)


def _print_table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    cells = [list(columns), *([_cell(row.get(column)) for column in columns] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    for line in cells:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return " ".join(str(part) for part in value)
    return "-" if value is None else str(value)
