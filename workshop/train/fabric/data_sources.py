"""The training set of a run: woven tiles, and a folder's swatches where one is given."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

from mirror.errors import MirrorError
from workshop.tailor.swatch_photos.photographs import file_digest
from workshop.train.fabric.split import LIST, trainable
from workshop.train.fabric.swatches import SwatchSet, load_swatches, procedural_swatches

FILE = "swatches.npz"
_PATIENCE_S = 3600.0


def training_set(
    out: Path,
    *,
    swatches: Path | None,
    crops: int,
    per_class: int,
    seed: int,
    without: Sequence[str] = (),
    dye: float = 0.0,
    rank: int = 0,
) -> tuple[SwatchSet, dict[str, str]]:
    """(the run's tiles, what they are in words). Built once into ``out``; a resumed run reads them again.

    Swatches that the split holds out are left out, and those with a word of ``without`` in their name.
    The first process builds; the others wait for its file. MirrorError on a bad swatch folder.
    """
    held = out / FILE
    wanted = f"{per_class} procedurally woven tiles a class, seed {seed}"
    photos = None
    if swatches is not None:
        from workshop.tailor.swatch_photos.photographs import build

        found = build(swatches)
        photos = [s for s in trainable(found) if not any(word in s.name for word in without)]
        if not photos:
            raise MirrorError(f"{swatches}: every swatch is held out or left out")
        wanted += f"; {crops} tiles of each of {len(photos)} swatches"
        wanted += f", {dye:g} of them dyed in other colours" if dye else ""
    note = held.with_suffix(".txt")
    if rank == 0 and not (held.exists() and note.exists()):
        out.mkdir(parents=True, exist_ok=True)
        data = procedural_swatches(per_class, seed)
        if photos is not None:
            from workshop.train.fabric.dataset import tiles

            data = data.join(tiles(photos, crops, seed, whole=True, dye=dye))
        data.save(held)
        note.write_text(wanted, "utf-8")
    deadline = time.monotonic() + _PATIENCE_S
    while not note.exists():
        if time.monotonic() > deadline:
            raise MirrorError(f"{held}: the first process has not built it in an hour")
        time.sleep(0.2)
    facts = note.read_text("utf-8")
    if facts != wanted:
        raise MirrorError(f"{out}: holds a run on {facts!r}; start with another --out")
    names = [f"{s.name} ({s.label.licence or 'licence not stated'})" for s in photos or []]
    told = {"trained_on": facts + (": " + ", ".join(names) if names else "")}
    return load_swatches(held), told | {
        "trained_on_sha256": json.dumps([s.digest for s in photos or []]),
        "held_out": f"{LIST.name}, sha256 {file_digest(LIST)}",
    }
