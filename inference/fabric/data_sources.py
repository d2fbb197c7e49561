"""The training set of a run: woven tiles, and a folder's swatches where one is given."""

from __future__ import annotations

import time
from pathlib import Path

from inference.fabric.swatches import SwatchSet, load_swatches, procedural_swatches
from mirror.errors import MirrorError

FILE = "swatches.npz"
_PATIENCE_S = 3600.0


def training_set(
    out: Path, *, swatches: Path | None, crops: int, per_class: int, seed: int, rank: int = 0
) -> tuple[SwatchSet, dict[str, str]]:
    """(the run's tiles, what they are in words). Built once into ``out``; a resumed run reads them again.

    The first process builds; the others wait for its file. MirrorError on a bad swatch folder.
    """
    held = out / FILE
    wanted = f"{per_class} procedurally woven tiles a class, seed {seed}"
    photos = None
    if swatches is not None:
        from inference.fabric.dataset import build

        photos = build(swatches) if rank == 0 or not held.exists() else None
        wanted += f"; {crops} crops of each swatch in a folder"
    note = held.with_suffix(".txt")
    if rank == 0 and not (held.exists() and note.exists()):
        out.mkdir(parents=True, exist_ok=True)
        data = procedural_swatches(per_class, seed)
        if photos is not None:
            from inference.fabric.dataset import tiles

            licences = sorted({s.label.licence or "no licence stated" for s in photos})
            wanted += f" ({len(photos)} pictures; {', '.join(licences)})"
            data = data.join(tiles(photos, crops, seed))
        data.save(held)
        note.write_text(wanted, "utf-8")
    deadline = time.monotonic() + _PATIENCE_S
    while not note.exists():
        if time.monotonic() > deadline:
            raise MirrorError(f"{held}: the first process has not built it in an hour")
        time.sleep(0.2)
    facts = note.read_text("utf-8")
    if not facts.startswith(wanted.split(" (")[0]):
        raise MirrorError(f"{out}: holds a run on {facts!r}; start with another --out")
    return load_swatches(held), {"trained_on": facts}
