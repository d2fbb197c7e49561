"""Training of the light network.

Reads the training set (``dataset``) and, on resume, DIR/checkpoint.pt; writes to DIR: checkpoint.pt
(everything, replaced atomically), light_net.safetensors (the running mean of the weights, for the mirror) and
log.jsonl. Every random draw of a step comes from (seed, step): a run that was stopped and resumed
makes the same weights as one that was not.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm  # type: ignore[import-untyped]

from inference.light.probe import ROOM_STATISTICS, Arrays, Probe, mirrored, normalised
from inference.light.weights import WEIGHTS
from mirror.errors import MirrorError
from mirror.shading.spherical_harmonics import MIRROR_SIGNS, main_direction
from workshop.train.checkpoint import changed_settings, read_checkpoint, write_checkpoint
from workshop.train.fabric.train import keep_memory
from workshop.train.light import losses
from workshop.train.light.dataset import LightSet
from workshop.train.light.network import LightNet

_FORMAT = 1
_HELD_SHARE = 0.05  # of the figures, kept for the log's held-out figures
_PAIRS = 4  # unlabelled pairs a step
_LOG_EVERY = 50
_ALONE = 0.25  # of the probes are shown without the room
_CAST = 0.1  # strength (logarithm) of a cast that is drawn half as often
_SHIFT = 3  # px that pictures are moved by at most
_HEIGHTS = (-0.9, -0.7, -0.5, -0.3, -0.1)  # y of the main direction, from straight above to level


@dataclass(frozen=True)
class Schedule:
    """What decides the weights, beside the data. A resumed run must have the same one but for ``steps``.

    ``rate`` rises over ``warm_steps`` and falls along a cosine that ends at ``steps_planned``.
    """

    steps: int = 5000
    steps_planned: int = 5000
    batch: int = 64
    seed: int = 0
    rate: float = 3e-3
    warm_steps: int = 200
    decay: float = 0.05
    ema: float = 0.998


class Trainer:
    """Network, optimiser and step counter of a run."""

    def __init__(self, data: LightSet, pairs: list[tuple[Probe, Probe]], schedule: Schedule) -> None:
        self.data, self.pairs, self.schedule, self.step = data, pairs, schedule, 0
        held = max(1, round(len(data) * _HELD_SHARE))
        self._rows, self._held = np.arange(len(data) - held), np.arange(len(data) - held, len(data))
        if not len(self._rows):
            raise MirrorError("the training set is too small")
        self._share = evened(data.sh[self._rows])
        torch.manual_seed(schedule.seed)
        self.network, self.ema = LightNet(), LightNet()
        self.ema.load_state_dict(self.network.state_dict())
        self.ema.requires_grad_(requires_grad=False)
        self.ema.eval()
        self.optimiser = torch.optim.AdamW(
            self.network.parameters(), schedule.rate, betas=(0.9, 0.98), weight_decay=schedule.decay
        )

    def begin_with(self, weights: dict[str, NDArray[np.float32]]) -> None:
        """Take these weights (by name) for the first ones. MirrorError where they are another network's."""
        state = {name: torch.from_numpy(values) for name, values in weights.items()}
        try:
            self.network.load_state_dict(state)
            self.ema.load_state_dict(state)
        except RuntimeError as error:
            raise MirrorError("the weights to start from are another network's") from error

    def advance(self) -> dict[str, float]:
        """One step. Returns its terms."""
        s = self.schedule
        draw = np.random.default_rng([s.seed, self.step])
        torch.manual_seed(int(draw.integers(2**62)))
        count = min(s.batch, len(self._rows))
        rows = np.sort(draw.choice(self._rows, count, replace=False, p=self._share))
        inputs, statistics, truth = _augmented(self.data.take(rows), self.data.sh[rows], draw)
        terms = losses.labelled(self.network(inputs, statistics), truth)
        if self.pairs:
            terms["agreement"] = self._agreement(draw)
        for group in self.optimiser.param_groups:
            group["lr"] = self._rate()
        self.optimiser.zero_grad()
        losses.total(terms).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimiser.step()
        keep = min(s.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for slow, fast in zip(self.ema.parameters(), self.network.parameters(), strict=True):
                slow.lerp_(fast, 1 - keep)
        self.step += 1
        return {name: float(value.detach()) for name, value in terms.items()}

    def _rate(self) -> float:
        s = self.schedule
        rise = min(1.0, (self.step + 1) / max(s.warm_steps, 1))
        fall = 0.5 + 0.5 * np.cos(np.pi * min(self.step / max(s.steps_planned, 1), 1.0))
        return float(s.rate * rise * (0.02 + 0.98 * fall))

    def _agreement(self, draw: np.random.Generator) -> Tensor:
        chosen = draw.choice(len(self.pairs), min(_PAIRS, len(self.pairs)), replace=False)
        outs, gains = [], []
        for side, network in enumerate((self.network, self.ema)):
            parts, statistics, gain = normalised(joined([self.pairs[i][side] for i in chosen]))
            outs.append(network([torch.from_numpy(p) for p in parts], torch.from_numpy(statistics)))
            gains.append(gain)
        return losses.agreement(outs[0], outs[1].detach(), torch.from_numpy(gains[0] / gains[1]))

    def held(self) -> dict[str, float]:
        """The running mean's terms on figures kept out of the training."""
        rows = self._held
        parts, statistics, gain = normalised(self.data.take(rows))
        truth = torch.from_numpy(self.data.sh[rows] / gain[:, None, None])
        with torch.no_grad():
            out = self.ema([torch.from_numpy(p) for p in parts], torch.from_numpy(statistics))
        return {f"held_{k}": float(v) for k, v in losses.labelled(out, truth).items()}

    def save(self, path: Path) -> None:
        """Write everything that the next step depends on, atomically."""
        state = {
            "schedule": asdict(self.schedule),
            "step": self.step,
            "network": self.network.state_dict(),
            "ema": self.ema.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        write_checkpoint(state, _FORMAT, path)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint. MirrorError if it is damaged, of another version or another schedule."""
        state = read_checkpoint(path, _FORMAT)
        if changed := sorted(changed_settings(state["schedule"], asdict(self.schedule))):
            raise MirrorError(f"{path}: made with another {', '.join(changed)}; start with another --out")
        self.network.load_state_dict(state["network"])
        self.ema.load_state_dict(state["ema"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = int(state["step"])


def evened(sh: NDArray[np.float32]) -> NDArray[np.float64]:
    """Chances (S,) to draw scenes of light (S, 9, 3): as many lit from the side or below as from above.

    Most rooms are lit from above; a network that sees mostly those takes windows for lamps. And a camera
    that balances white leaves few strong casts: a network that sees many finds them everywhere.
    """
    height = np.array([main_direction(light)[1] for light in sh])
    part = np.clip(np.digitize(height, _HEIGHTS), 0, len(_HEIGHTS))
    count = np.bincount(part, minlength=len(_HEIGHTS) + 1)
    cast = np.log(np.maximum(sh[:, 0, [0, 2]], 1e-6) / np.maximum(sh[:, 0, 1:2], 1e-6))
    weight = 1.0 / np.maximum(count, 0.25 * count.mean())[part]
    weight = weight / (1 + (cast**2).sum(1) / _CAST**2)
    return np.asarray(weight / weight.sum())


def joined(probes: list[Probe]) -> Arrays:
    """Several probes as one batch."""
    singles = [p.arrays() for p in probes]
    return {name: np.concatenate([s[name] for s in singles]) for name in singles[0]}


def _augmented(
    arrays: Arrays, sh: NDArray[np.float32], draw: np.random.Generator
) -> tuple[list[Tensor], Tensor, Tensor]:
    """Network input and truth over the gain; mirrored, tinted and partly covered at random."""
    tint = np.exp(draw.normal(0, 0.03, (len(sh), 3))).astype(np.float32)
    parts, statistics, gain = normalised(arrays, tint)
    truth = sh * tint[:, None] / gain[:, None, None]
    count = len(truth)
    for row in np.flatnonzero(draw.uniform(size=count) < 0.3):
        # A hand, a bag, a lock of hair: a patch of any colour over one of the pictures.
        part = parts[int(draw.integers(3))]
        side = part.shape[-1]
        size, (y, x) = int(draw.integers(side // 8, side // 3)), draw.integers(0, side - side // 8, 2)
        part[row, :3, y : y + size, x : x + size] = draw.uniform((0, -2, -2), 2)[:, None, None]
    # Rooms are few and soon known by heart; without one the person alone must tell.
    alone = draw.uniform(size=count) < _ALONE
    parts[0][alone] = 0
    statistics[alone, -ROOM_STATISTICS:] = 0
    for part in parts[1:]:
        part[alone, :3] *= part[alone, 3:4]
    parts = [_moved(part, *draw.integers(-_SHIFT, _SHIFT + 1, 2)) for part in parts]
    turned = draw.uniform(size=count) < 0.5
    others, turned_statistics = mirrored(parts, statistics)
    for part, other in zip(parts, others, strict=True):
        part[turned] = other[turned]
    statistics[turned] = turned_statistics[turned]
    truth[turned] *= MIRROR_SIGNS[:, None]
    return [torch.from_numpy(p) for p in parts], torch.from_numpy(statistics), torch.from_numpy(truth)


def _moved(part: NDArray[np.float32], down: int, right: int) -> NDArray[np.float32]:
    """Pictures (B, C, h, w) moved by some pixels, 0 where nothing comes from: the light stays."""
    out = np.zeros_like(part)
    height, width = part.shape[2:]
    ys, xs = (slice(max(n, 0), size + min(n, 0)) for n, size in ((down, height), (right, width)))
    yt, xt = (slice(max(-n, 0), size + min(-n, 0)) for n, size in ((down, height), (right, width)))
    out[:, :, ys, xs] = part[:, :, yt, xt]
    return out


def train(
    data: LightSet,
    pairs: list[tuple[Probe, Probe]],
    schedule: Schedule,
    out: Path,
    *,
    facts: dict[str, str],
    start: dict[str, NDArray[np.float32]] | None = None,
    save_every: int = 250,
    progress: bool = True,
) -> Trainer:
    """Train up to ``schedule.steps``, from DIR's checkpoint where there is one.

    ``pairs``: two crops each of unlabelled pictures. ``facts`` go into the weights' metadata. ``start``:
    weights to begin with, by name. MirrorError where they are another network's.
    """
    keep_memory()
    trainer = Trainer(data, pairs, schedule)
    if start is not None:
        trainer.begin_with(start)
    out.mkdir(parents=True, exist_ok=True)
    checkpoint, log = out / "checkpoint.pt", out / "log.jsonl"
    if checkpoint.exists():
        trainer.load(checkpoint)
    _cut_log(log, trainer.step)
    started, mean = time.monotonic(), dict[str, float]()
    with tqdm(total=schedule.steps, initial=trainer.step, disable=not progress, mininterval=2.0) as bar:
        while trainer.step < schedule.steps:
            terms = trainer.advance()
            mean = {k: 0.95 * mean.get(k, v) + 0.05 * v for k, v in terms.items()}
            bar.update()
            done = trainer.step >= schedule.steps
            if trainer.step % _LOG_EVERY == 0 or done:
                bar.set_postfix({k[:6]: f"{v:.3f}" for k, v in mean.items()})
            if trainer.step % save_every == 0 or done:
                line = {"step": trainer.step, **mean, **trainer.held()}
                rounded = {k: round(v, 5) for k, v in line.items()}
                with log.open("a") as file:
                    file.write(json.dumps(rounded | {"seconds": round(time.monotonic() - started, 1)}) + "\n")
                trainer.save(checkpoint)
                arrays = {k: v.detach().numpy() for k, v in trainer.ema.state_dict().items()}
                told = facts | {"steps": str(trainer.step), "schedule": json.dumps(asdict(schedule))}
                WEIGHTS.save(arrays, told, out / "light_net.safetensors")
    return trainer


def _cut_log(log: Path, step: int) -> None:
    """Drop the lines past the checkpoint, which the resumed run writes again."""
    if log.exists():
        kept = [line for line in log.read_text().splitlines() if json.loads(line)["step"] <= step]
        log.write_text("".join(line + "\n" for line in kept))
