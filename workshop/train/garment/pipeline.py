"""From the cutter's kinds to the weights that ship, in one go: data, the encoder, the one for the proof."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np

from mirror.errors import MirrorError
from workshop.tailor.alike.encoder import SHIPPED
from workshop.train.garment.dataset import Plan, build
from workshop.train.garment.variants import cutter_hash

WEIGHTS = SHIPPED.name
LOG_FOLDER = Path(__file__).resolve().parents[1] / "logs"  # of the checkout; no wheel has them
#: Weights of the encoder that never saw one kind, and the logs of both runs.
UNSEEN = "garment_encoder_unseen.safetensors"
LOGS = ("garment_encoder.log.jsonl", "garment_encoder_unseen.log.jsonl")


def default_data() -> Path:
    """Where cut garments are kept if no folder is named: in the user's cache."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "fitting-mirror" / "garments"


def train_both(
    plan: Plan,
    data_folder: Path,
    out: Path,
    *,
    steps: int,
    held_kind: str,
    save_every: int,
    facts: dict[str, str],
    progress: bool = True,
) -> list[Path]:
    """Train on all kinds, then on all but ``held_kind``; returns the files, weights and logs, in ``out``.

    Each run lives in a folder of ``out`` and goes on where it was left. MirrorError for an unknown
    kind, or what is found of another run.
    """
    from workshop.train.garment.train import Schedule, train

    if held_kind not in plan.kinds:
        raise MirrorError(f"no kind {held_kind!r} to hold out; there are {', '.join(plan.kinds)}")
    data = build(data_folder, plan, progress=progress)
    held = data.number >= plan.variants - plan.held
    unseen = data.kind == plan.kinds.index(held_kind)
    schedule = Schedule(steps=steps, seed=plan.seed)
    written = []
    for name, log, without in ((WEIGHTS, LOGS[0], ""), (UNSEEN, LOGS[1], held_kind)):
        use = ~held & ~unseen if without else ~held
        run = out / ("all" if not without else f"without_{without}")
        garments = len(np.unique(data.variant[use]))
        told = {
            "trained_on": f"{garments} garments of the cutter's kinds, cut at random within limits, in"
            f" {plan.instances} sizes, bodies and poses each",
            "without_kind": without,
            "plan": json.dumps(asdict(plan)),
            "cutter": cutter_hash(),
        }
        train(
            data,
            np.flatnonzero(use),
            np.flatnonzero(held),
            schedule,
            run,
            facts=facts | told,
            save_every=save_every,
            progress=progress,
        )
        for made, kept in (("garment_encoder.safetensors", name), ("log.jsonl", log)):
            shutil.copyfile(run / made, out / kept)
            written.append(out / kept)
    return written


def install(out: Path) -> list[Path]:
    """Make the finished weights and logs in ``out`` the shipped ones; returns where they lie."""
    installed = []
    for name in (WEIGHTS, UNSEEN, *LOGS):
        folder = LOG_FOLDER if name in LOGS else SHIPPED.parent
        part = folder / f"{name}.part"
        shutil.copyfile(out / name, part)
        installed.append(part.replace(folder / name))
    return installed
