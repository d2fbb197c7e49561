"""``mirror garment list|show`` and ``mirror fabric list``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mirror.cli.app import load_config

if TYPE_CHECKING:
    from render.garments.garment import Garment

_GUESS = 0.4  # cosine under which an example is not much like a garment: other kinds are further apart


def list_garments(options: argparse.Namespace) -> int:
    """Print the garments of every wardrobe folder."""
    from render.garments.garment import list_garments as found

    rows = found(load_config(options).wardrobe.folders)
    _print_list(rows, ("name", "kind", "sizes", "default_fabric", "path"), as_json=options.json)
    return 0


def list_fabrics(options: argparse.Namespace) -> int:
    """Print the fabrics of every wardrobe folder."""
    from render.garments.fabric import list_fabrics as found

    rows = found(load_config(options).wardrobe.folders)
    _print_list(rows, ("name", "class", "path"), as_json=options.json)
    return 0


def show_garment(options: argparse.Namespace) -> int:
    """Print one garment: its facts, its measurements (cm) by size, and what is like it if asked for."""
    from render.garments.garment import load_garment

    folders = load_config(options).wardrobe.folders
    garment = load_garment(options.name, folders)
    facts: dict[str, Any] = {
        "name": garment.name,
        "kind": garment.kind.name,
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
    alike = _alike(garment, folders) if options.similar else {}
    facts |= alike
    if options.json:
        print(json.dumps(facts))
        return 0
    for key, value in facts.items():
        if key != "measurements" and key not in alike:
            print(f"{key:<15} {_cell(value)}")
    measures = sorted({name for row in garment.measurements.values() for name in row})
    if measures:
        print("\nmeasurements, cm")
        rows = [{"size": size} | garment.measurements.get(size, {}) for size in garment.sizes]
        _print_table(rows, ("size", *measures))
    if alike:
        _print_alike(alike)
    return 0


def _alike(garment: Garment, folders: Sequence[str]) -> dict[str, Any]:
    """``similar``: the other garments, the likest first; ``proposals``: cloth for it, the best first."""
    from workshop.tailor.alike import similar

    found, broken = similar.similar_garments(garment, folders)
    for path, reason in broken:
        print(f"mirror: {path.name} is left out: {reason}", file=sys.stderr)
    examples = [(1.0, similar.suits_of(garment.path))]
    examples += [(near.similarity, similar.suits_of(near.path)) for near in found]
    proposals = [
        {
            "class": proposal.fabric_class,
            "score": round(proposal.score, 3),
            "repeat_m": None if proposal.repeat_m is None else [round(r, 4) for r in proposal.repeat_m],
            "fabrics": similar.matching_fabrics(proposal, folders),
        }
        for proposal in similar.propose(examples)
    ]
    rows = [
        {
            "name": near.name,
            "kind": near.kind,
            "similarity": round(near.similarity, 3),
            "path": str(near.path),
        }
        for near in found
    ]
    # How near the likest garment is that says what suits it: far away, the cloth is a guess.
    nearest = max((round(likeness, 3) for likeness, suits in examples if suits), default=None)
    return {"similar": rows, "proposals": proposals, "nearest_example": nearest}


def _print_alike(alike: Mapping[str, Any]) -> None:
    print("\nsimilar garments (cosine of the embeddings, 1 is the same)")
    _print_table(alike["similar"], ("name", "kind", "similarity"))
    print("\ncloth that suits it")
    if not alike["proposals"]:
        print("no garment says what suits it; add [suits] to a garment.toml")
        return
    if alike["nearest_example"] < _GUESS:
        print("(a guess: no garment that says what suits it is much like this one)")
    rows = []
    for proposal in alike["proposals"]:
        repeat = proposal["repeat_m"]
        names = [
            fabric["name"] + ("" if fabric["scale"] in (None, 1.0) else f" (x{fabric['scale']:.2f})")
            for fabric in proposal["fabrics"]
        ]
        pattern = None if repeat is None else f"{100 * repeat[0]:.1f}-{100 * repeat[1]:.1f}"
        rows.append(proposal | {"pattern_cm": pattern, "fabrics": names})
    _print_table(rows, ("class", "score", "pattern_cm", "fabrics"))


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
