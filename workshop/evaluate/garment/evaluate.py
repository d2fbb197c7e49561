"""The proof: how well the encoder finds a garment's kind and the garment itself, on ones it never saw.

Beside it two baselines that learn nothing: ``plain`` (bounding box, area, widths) and ``pattern`` (sizes
of the flat panels), each scaled to unit deviation; nearest neighbours by Euclidean distance. Every
query is a garment in a size, on a body and in a pose of its own; the rest of the held garments are
what it is looked up in.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.body.model import BodyModel
from mirror.errors import MirrorError
from mirror.types import F32, cv
from mirror.wardrobe import PACKAGED
from render.garments.garment import load_garment
from workshop.tailor.alike.encoder import GarmentEncoder
from workshop.tailor.alike.similar import embed_garment
from workshop.train.garment.dataset import Instances
from workshop.train.garment.plain_descriptors import nearest_by
from workshop.train.garment.retrieval import found_first, precision, same_label_first, squared_distances

_BATCH = 32
_SHOWN = 8  # garments found alike, in the picture


def evaluate(
    encoder: GarmentEncoder, unseen: GarmentEncoder, data: Instances, *, out: Path | None = None
) -> dict[str, Any]:
    """The figures over ``data``, garments kept from training: ``summary`` with flat numbers, the rest beside.

    ``kind_top1``: share whose nearest other garment is of their kind; ``kind_precision``: R-precision of
    that; ``variant_top1``: share whose nearest other instance is the same garment; ``unseen_*``: how
    the kind that ``unseen`` never saw finds its own among all, first and by R-precision (``_seen``: by
    the encoder that saw it).
    """
    held_kind = unseen.facts.get("without_kind", "")
    if held_kind not in data.kinds:
        raise MirrorError("the second encoder has seen every kind: it proves nothing about an unseen one")
    tables = {
        "": embed_instances(encoder, data),
        "_plain": nearest_by(data.plain),
        "_pattern": nearest_by(data.pattern),
    }
    summary: dict[str, float] = {}
    for ending, table in tables.items():
        summary[f"kind_top1{ending}"] = same_label_first(table, data.kind, data.variant)
        every = [precision(table, data.kind, k, data.variant)[1] for k in np.unique(data.kind).tolist()]
        summary[f"kind_precision{ending}"] = float(np.mean(every))
        summary[f"variant_top1{ending}"] = same_label_first(table, data.variant)
    label = data.kinds.index(held_kind)
    for ending, table in {**tables, "": embed_instances(unseen, data), "_seen": tables[""]}.items():
        first, share = precision(table, data.kind, label, data.variant)
        summary[f"unseen_top1{ending}"] = first
        summary[f"unseen_precision{ending}"] = share
    wardrobe = _wardrobe(encoder, tables[""], data)
    summary["wardrobe_kind_top1"] = float(np.mean([found == kind for kind, found in wardrobe.values()]))
    right = found_first(tables[""], data.kind, data.variant)
    result: dict[str, Any] = {
        "summary": {k: round(v, 5) for k, v in summary.items()},
        "chance": {
            "kind": round(1 / len(data.kinds), 4),
            "variant": round(1 / len(np.unique(data.variant)), 4),
        },
        "unseen_kind": held_kind,
        "instances": len(data),
        "garments": len(np.unique(data.variant)),
        "kind_top1_by_kind": {
            name: round(float(right[data.kind == k].mean()), 4) for k, name in enumerate(data.kinds)
        },
        "wardrobe_nearest": {name: found for name, (_, found) in wardrobe.items()},
        "weights": [encoder.facts, unseen.facts],
    }
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        cv.imwrite(str(out / "alike.png"), alike_sheet(tables[""], data))
    return result


def embed_instances(encoder: GarmentEncoder, data: Instances) -> F32:
    """Embeddings (N, D) of all instances."""
    parts = [
        encoder.embed_prepared(
            data.geometry[i : i + _BATCH].astype(np.float32), data.views[i : i + _BATCH].astype(np.float32)
        )
        for i in range(0, len(data), _BATCH)
    ]
    out: F32 = np.concatenate(parts)
    return out


def _wardrobe(encoder: GarmentEncoder, table: F32, data: Instances) -> dict[str, tuple[str, str]]:
    """Each packaged garment's kind, and the kind of its nearest instance."""
    model = BodyModel.load()
    out: dict[str, tuple[str, str]] = {}
    for folder in sorted(p.parent for p in PACKAGED.glob("garments/*/garment.toml")):
        garment = load_garment(folder)
        nearest = int((table @ embed_garment(garment, encoder, model)).argmax())
        out[garment.name] = (garment.kind.name, data.kinds[int(data.kind[nearest])])
    return out


def alike_sheet(table: F32, data: Instances) -> NDArray[np.uint8]:
    """A picture (H, W, 3) uint8 BGR: for each kind a worn garment and the likest other garments.

    Green frames are of its kind, red ones are not; the number is the cosine.
    """
    distance = squared_distances(table)
    distance[data.variant[:, None] == data.variant[None]] = np.inf
    rows = []
    for k in range(len(data.kinds)):
        query = int(np.flatnonzero(data.kind == k)[0])
        cells = [_cell(data, query, data.kinds[k], (90, 90, 90))]
        seen: set[int] = set()
        for other in np.argsort(distance[query]).tolist():
            if int(data.variant[other]) not in seen and len(seen) < _SHOWN:
                seen.add(int(data.variant[other]))
                same = data.kind[other] == k
                text = f"{float(table[query] @ table[other]):.2f}"
                cells.append(_cell(data, other, text, (80, 160, 60) if same else (60, 60, 220)))
        rows.append(np.hstack(cells))
    return np.vstack(rows)


def _cell(data: Instances, row: int, text: str, frame: tuple[int, int, int]) -> NDArray[np.uint8]:
    front = data.views[row, 0].astype(np.float32)
    colour = (127.5 + 127.5 * front[6:3:-1].transpose(1, 2, 0)).clip(0, 255).astype(np.uint8)
    colour[front[0] == 0] = (250, 247, 244)
    large = cv.resize(np.ascontiguousarray(colour), (144, 144), interpolation=cv.INTER_NEAREST)
    large = cv.copyMakeBorder(large, 22, 4, 4, 4, cv.BORDER_CONSTANT, value=frame)
    cv.putText(large, text, (6, 16), cv.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1, cv.LINE_AA)
    return np.asarray(large)
