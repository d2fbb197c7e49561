"""Training of the garment encoder.

Reads the instances (``dataset``) and, on resume, DIR/checkpoint.pt; writes to DIR checkpoint.pt
(everything, replaced atomically), garment_encoder.safetensors (the weights) and log.jsonl.

Every random draw of a step comes from (seed, step), so a run that was killed and resumed makes the
same weights as one that was not.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm  # type: ignore[import-untyped]

from mirror.errors import MirrorError
from mirror.types import F32
from workshop.tailor.alike.encoder import WEIGHTS
from workshop.train.checkpoint import read_checkpoint, write_checkpoint
from workshop.train.garment.dataset import Instances
from workshop.train.garment.network import Encoder, contrastive_loss
from workshop.train.garment.retrieval import same_label_first

_FORMAT = 1


@dataclass(frozen=True)
class Schedule:
    """What decides the weights, beside the data.

    A step sees ``garments`` variants, ``wearings`` instances of each. The loss is the contrastive
    loss with variants for labels plus ``kind_weight`` times that with kinds for labels. The rate
    rises over ``warm_steps`` and falls to nothing as a cosine.
    """

    steps: int = 450
    garments: int = 24
    wearings: int = 2
    seed: int = 0
    rate: float = 1.5e-3
    warm_steps: int = 40
    temperature: float = 0.1
    kind_weight: float = 2.0
    decay: float = 0.01


class Trainer:
    """The network, its optimiser and the step counter of a run over the rows ``use`` of the data."""

    def __init__(self, data: Instances, use: NDArray[np.int64], schedule: Schedule) -> None:
        self.data, self.schedule, self.step = data, schedule, 0
        labels = data.variant[use]
        self._rows = [use[labels == v] for v in np.unique(labels)]
        if len(self._rows) < 2:
            raise MirrorError("no two garments to tell apart: nothing to train on")
        torch.manual_seed(schedule.seed)
        self.network = Encoder()
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), schedule.rate, weight_decay=schedule.decay
        )

    def advance(self) -> dict[str, float]:
        """One step. Returns its losses."""
        s = self.schedule
        draw = np.random.default_rng([s.seed, self.step])
        chosen = draw.choice(len(self._rows), min(s.garments, len(self._rows)), replace=False)
        rows = np.concatenate([draw.choice(self._rows[g], s.wearings, replace=False) for g in chosen])
        found = self.network(*batch_tensors(self.data, rows))
        variants = contrastive_loss(found, torch.from_numpy(self.data.variant[rows]), s.temperature)
        kinds = contrastive_loss(found, torch.from_numpy(np.array(self.data.kind[rows])), s.temperature)
        for group in self.optimiser.param_groups:
            group["lr"] = s.rate * self._pace()
        self.optimiser.zero_grad()
        (variants + s.kind_weight * kinds).backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.step += 1
        return {"variants": float(variants.detach()), "kinds": float(kinds.detach())}

    def _pace(self) -> float:
        s = self.schedule
        falling = 0.5 + 0.5 * math.cos(math.pi * self.step / s.steps)
        return min(1.0, (self.step + 1) / s.warm_steps) * falling

    def save(self, path: Path) -> None:
        """Write everything that the next step depends on, atomically."""
        state = {
            "schedule": asdict(self.schedule),
            "garments": len(self._rows),
            "step": self.step,
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        write_checkpoint(state, _FORMAT, path)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint. MirrorError if it is damaged, of another version, schedule or data."""
        state = read_checkpoint(path, _FORMAT)
        if state["schedule"] != asdict(self.schedule) or state["garments"] != len(self._rows):
            raise MirrorError(f"{path}: made with another schedule or data; start with another --out")
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = int(state["step"])


def batch_tensors(data: Instances, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """Geometry images (B, C, N, N) and views (B, 3, C, M, M) of rows, float32."""
    return (
        torch.from_numpy(data.geometry[rows].astype(np.float32)),
        torch.from_numpy(data.views[rows].astype(np.float32)),
    )


def embed_all(network: Encoder, data: Instances, rows: NDArray[np.int64]) -> F32:
    """Embeddings (len(rows), D)."""
    with torch.no_grad():
        parts = [network(*batch_tensors(data, rows[i : i + 64])).numpy() for i in range(0, len(rows), 64)]
    out: F32 = np.concatenate(parts)
    return out


def train(
    data: Instances,
    use: NDArray[np.int64],
    watched: NDArray[np.int64],
    schedule: Schedule,
    out: Path,
    *,
    facts: dict[str, str],
    save_every: int = 50,
    until: int | None = None,
    progress: bool = True,
) -> Trainer:
    """Train on rows ``use`` of the data, from DIR's checkpoint where there is one; stop at step ``until``.

    The rows ``watched`` are held out; how well they find their own kind and variant is logged.
    ``facts`` (what it was trained on, the command) are written into the weights' metadata.
    """
    trainer = Trainer(data, use, schedule)
    checkpoint, log = out / "checkpoint.pt", out / "log.jsonl"
    if checkpoint.exists():
        trainer.load(checkpoint)
    out.mkdir(parents=True, exist_ok=True)
    if log.exists():  # lines past the checkpoint are written again
        kept = [line for line in log.read_text().splitlines() if json.loads(line)["step"] <= trainer.step]
        log.write_text("".join(line + "\n" for line in kept))
    end = min(schedule.steps, until or schedule.steps)
    bar = tqdm(
        total=schedule.steps, initial=trainer.step, disable=not progress, mininterval=2.0, desc=out.name
    )
    started, sums = time.monotonic(), dict[str, list[float]]()
    while trainer.step < end:
        for name, value in trainer.advance().items():
            sums.setdefault(name, []).append(value)
        bar.update()
        if trainer.step % save_every == 0 or trainer.step == end:
            means = {name: round(float(np.mean(values)), 4) for name, values in sums.items()}
            bar.set_postfix(means)
            found = embed_all(trainer.network, data, watched)
            line = {
                "step": trainer.step,
                **means,
                "kind_first": round(same_label_first(found, data.kind[watched], data.variant[watched]), 4),
                "variant_first": round(same_label_first(found, data.variant[watched]), 4),
                "seconds": round(time.monotonic() - started, 1),
            }
            sums.clear()
            with log.open("a") as file:
                file.write(json.dumps(line) + "\n")
            trainer.save(checkpoint)
            told = facts | {"steps": str(trainer.step), "schedule": json.dumps(asdict(schedule))}
            arrays = {name: value.numpy() for name, value in trainer.network.state_dict().items()}
            WEIGHTS.save(arrays, told, out / "garment_encoder.safetensors")
    bar.close()
    return trainer
