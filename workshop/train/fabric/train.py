"""Training of the fabric GAN.

Reads a swatch set (and, on resume, DIR/checkpoint.pt); writes to DIR: swatches.npz (the set as
trained on), checkpoint.pt (everything, replaced atomically), fabric_gan.safetensors (the EMA
generator, for sampling), log.jsonl (a line every few steps) and samples/STEP.png.

Every random draw of a step comes from (seed, step, process), so a run that was killed and resumed
makes the same weights as one that was not. Under torchrun each process draws its own batch and
the gradients are averaged.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed, nn
from tqdm import tqdm  # type: ignore[import-untyped]

from inference.fabric.classes import NAMES, PATTERNED
from inference.fabric.lattice import STYLE
from mirror.errors import MirrorError
from workshop.train.checkpoint import changed_settings, read_checkpoint, write_checkpoint
from workshop.train.fabric.batches import batch_tensors, choose_designs, draw_noise, sample_sheet
from workshop.train.fabric.losses import (
    augment,
    discriminator_loss,
    generator_loss,
    kl_loss,
    palette_loss,
    r1_penalty,
    recognition_loss,
    reconstruction_loss,
    standardise,
    texture_loss,
)
from workshop.train.fabric.network import Discriminator, Encoder, Generator, Recogniser
from workshop.train.fabric.swatches import SwatchSet, load_swatches
from workshop.train.fabric.weights import Priors, save_weights

_FORMAT = 3


@dataclass(frozen=True)
class Schedule:
    """What decides the weights, beside the data. A resumed run must be of the same batch, seed and crop.

    ``warm_steps``: the generator learns to reconstruct while the discriminator learns to judge it,
    before its judgement counts. ``crop``: side in px of what the discriminator sees. ``r1_every``:
    steps between R1 penalties of weight ``r1``.
    ``reconstruction``: its weight, and ``reconstruction_joined`` once the discriminator has joined,
    ``reconstruction_plain`` for classes with no pattern: an L1 term asks for the mean of all fuzz, which
    is none, but only it teaches which design a style stands for. ``real_share``: of the
    tiles that come from pictures, where there are any. ``recognition``: of being told for its class, in
    crops of ``view`` px under noise of deviation ``grain``, so that no faint trait passes for the class.
    ``bfloat16``: convolutions and matrix products run at that precision; losses
    and optimisers in float32 all the same. ``decay``: the last share of the steps, over
    which both rates fall linearly to a twentieth.
    """

    steps: int = 6000
    batch: int = 8
    seed: int = 0
    rate_generator: float = 1.5e-3
    rate_discriminator: float = 4e-4
    warm_steps: int = 400
    crop: int = 64
    r1: float = 0.2
    r1_every: int = 4
    reconstruction: float = 8.0
    reconstruction_joined: float = 4.0
    reconstruction_plain: float = 2.5
    adversarial: float = 0.35
    texture: float = 0.5
    palette: float = 1.0
    kl: float = 0.0001
    recognition: float = 0.2
    view: int = 96
    grain: float = 0.0
    bfloat16: bool = False
    ema: float = 0.998
    real_share: float = 0.5
    decay: float = 0.3


class Trainer:
    """The networks, optimisers and step counter of one process of a run."""

    def __init__(self, data: SwatchSet, schedule: Schedule, device: str = "cpu") -> None:
        if not len(data):
            raise MirrorError("no swatches to train on")
        self.data, self.schedule, self.device, self.step = data, schedule, torch.device(device), 0
        self.stages: list[dict[str, Any]] = [{"from_step": 0, **asdict(schedule)}]
        torch.manual_seed(schedule.seed)
        self.generator, self.encoder = Generator().to(device), Encoder().to(device)
        self.discriminator, self.ema = Discriminator().to(device), Generator().to(device)
        self.ema.load_state_dict(self.generator.state_dict())
        self.recogniser = Recogniser().to(device)
        self.ema_encoder = Encoder().to(device)
        self.ema_encoder.load_state_dict(self.encoder.state_dict())
        for slow in (self.ema, self.ema_encoder):
            slow.requires_grad_(requires_grad=False)
        self.patterned = torch.tensor([name in PATTERNED for name in NAMES], device=device)
        self.woven, self.pictured = np.flatnonzero(data.source < 0), np.flatnonzero(data.source >= 0)
        makers = [*self.generator.parameters(), *self.encoder.parameters()]
        self.make_optimiser = torch.optim.Adam(makers, schedule.rate_generator, betas=(0.0, 0.99))
        self.judge_optimiser = torch.optim.Adam(
            self.discriminator.parameters(), schedule.rate_discriminator, betas=(0.5, 0.99)
        )
        self.recogniser_optimiser = torch.optim.AdamW(
            self.recogniser.parameters(), schedule.rate_discriminator, betas=(0.5, 0.99), weight_decay=0.05
        )
        self.joined = distributed.is_available() and distributed.is_initialized()
        self.rank = distributed.get_rank() if self.joined else 0

    def advance(self) -> dict[str, float]:
        """One step. Returns its losses."""
        s = self.schedule
        draw = np.random.default_rng([s.seed, self.step, self.rank])
        chance = torch.Generator().manual_seed(int(draw.integers(2**62)))
        self._set_rates()
        rows = self.data.take(self._draw(draw))
        real, classes, palette, count, cycles = batch_tensors(rows, self.device)
        known = torch.from_numpy(np.flatnonzero(rows.phased)).to(self.device)
        with self._precision():
            mean, log_variance = self.encoder(real, palette, count, classes)
        mean, log_variance = mean.float(), log_variance.float()
        style = torch.randn(s.batch, STYLE, generator=chance).to(self.device)
        style = mean + (log_variance / 2).exp() * style
        noise = draw_noise(chance, s.batch, real.shape[2], real.shape[3], self.device)
        with self._precision():
            made, mix = self.generator.weave(classes, palette, count, style, cycles, noise)
        apart = reconstruction_loss(made[known], real[known])
        losses: dict[str, Tensor] = {
            "reconstruction": apart.sum() / max(len(known), 1),
            "palette": palette_loss(mix, count),
            "texture": texture_loss(made, real),
            "kl": kl_loss(mean, log_variance),
        }
        weight = torch.full_like(apart, s.reconstruction)
        if self.step >= s.warm_steps:
            drawn = self.patterned[classes[known]]
            weight = torch.where(drawn, s.reconstruction_joined, s.reconstruction_plain)
        total = (weight * apart).sum() / max(len(known), 1)
        total = total + s.kl * losses["kl"] + s.palette * losses["palette"] + s.texture * losses["texture"]
        real_view, made_view = (self._view(x, chance, s.crop) for x in (real, made))
        losses["discriminator"] = self._judge(real_view, made_view.detach(), classes, losses)
        real_view, made_wide = (self._grainy(self._view(x, chance, s.view), chance) for x in (real, made))
        with self._precision():
            logits = self.recogniser(real_view)
        losses["recogniser"] = recognition_loss(logits.float(), classes)
        self._apply(self.recogniser_optimiser, losses["recogniser"])
        if self.step >= s.warm_steps:
            for critic in (self.discriminator, self.recogniser):
                critic.requires_grad_(requires_grad=False)
            with self._precision():
                heads, logits = self.discriminator(made_view, classes), self.recogniser(made_wide)
            losses["generator"] = generator_loss([head.float() for head in heads])
            losses["recognition"] = recognition_loss(logits.float(), classes)
            for critic in (self.discriminator, self.recogniser):
                critic.requires_grad_(requires_grad=True)
            total = total + s.adversarial * losses["generator"] + s.recognition * losses["recognition"]
        self._apply(self.make_optimiser, total)
        with torch.no_grad():
            keep = min(s.ema, (1 + self.step) / (10 + self.step))
            for follower, leader in ((self.ema, self.generator), (self.ema_encoder, self.encoder)):
                torch._foreach_lerp_(list(follower.parameters()), list(leader.parameters()), 1 - keep)
        self.step += 1
        return {name: float(value.detach()) for name, value in losses.items()}

    def _precision(self) -> torch.autocast:
        """The context that the networks run in; see ``Schedule.bfloat16``."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.schedule.bfloat16)

    def _view(self, fabric: Tensor, chance: torch.Generator, side: int) -> Tensor:
        """What the discriminator or the recogniser is shown: a crop of the fabric, augmented."""
        return standardise(augment(fabric, chance, min(side, *fabric.shape[2:])))

    def _grainy(self, view: Tensor, chance: torch.Generator) -> Tensor:
        """What the recogniser is shown: see ``Schedule.grain``."""
        grain = self.schedule.grain
        return view + grain * torch.randn(view.shape, generator=chance).to(view.device) if grain else view

    def _draw(self, draw: np.random.Generator) -> NDArray[np.integer]:
        """The rows of a step's batch: each from a picture or woven, by ``real_share``."""
        n = self.schedule.batch
        from_picture = draw.random(n) < self.schedule.real_share
        if not len(self.pictured) or not len(self.woven):
            return draw.integers(len(self.data), size=n)
        return np.where(from_picture, draw.choice(self.pictured, n), draw.choice(self.woven, n))

    def _set_rates(self) -> None:
        s = self.schedule
        left = (s.steps - self.step) / max(s.decay * s.steps, 1.0)
        for optimiser, rate in (
            (self.make_optimiser, s.rate_generator),
            (self.judge_optimiser, s.rate_discriminator),
            (self.recogniser_optimiser, s.rate_discriminator),
        ):
            for group in optimiser.param_groups:
                group["lr"] = rate * min(1.0, max(left, 0.05))

    def priors(self, picked: NDArray[np.int64] | None = None) -> Priors:
        """The designs that samples start from, with the encoder's EMA posterior of each.

        ``picked``: rows of the data (classes, PRIORS), or as often as trained on.
        """
        if picked is None:
            picked = choose_designs(self.data, self.schedule.real_share, self.schedule.seed)
        shape, there = picked.shape, picked >= 0
        rows = self.data.take(np.maximum(picked.ravel(), 0))
        styles = []
        for start in range(0, len(rows), 32):
            few = rows.take(np.arange(start, min(start + 32, len(rows))))
            real, classes, palette, count, _ = batch_tensors(few, self.device)
            with torch.no_grad():
                mean, log_variance = self.ema_encoder(real, palette, count, classes)
            styles.append(torch.stack([mean, (log_variance / 2).exp()], 1).cpu().numpy())
        cycles = np.rint(rows.cycles).reshape(*shape, 3, 2, 2) / rows.height.shape[1]
        return Priors(
            np.concatenate(styles).reshape(*shape, 2, STYLE) * there[..., None, None],
            cycles * there[..., None, None, None],
            rows.count.reshape(shape) * there,
            rows.palette.reshape(*shape, *rows.palette.shape[1:]) * there[..., None, None],
            (rows.source >= 0).reshape(shape) & there,
        )

    def _judge(self, real: Tensor, made: Tensor, classes: Tensor, losses: dict[str, Tensor]) -> Tensor:
        with self._precision():
            heads = [self.discriminator(x, classes) for x in (real, made)]
        loss = discriminator_loss(*([h.float() for h in head] for head in heads))
        total = loss
        if self.step % self.schedule.r1_every == 0:
            losses["r1"] = r1_penalty(self.discriminator, real, classes)
            total = total + self.schedule.r1 / 2 * self.schedule.r1_every * losses["r1"]
        self._apply(self.judge_optimiser, total)
        return loss

    def _apply(self, optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
        optimiser.zero_grad(set_to_none=False)
        loss.backward()  # type: ignore[no-untyped-call]
        held = [p.grad for group in optimiser.param_groups for p in group["params"] if p.grad is not None]
        if self.joined:
            flat = torch.cat([g.flatten() for g in held])
            distributed.all_reduce(flat)
            flat /= distributed.get_world_size()
            for g, part in zip(held, torch.split(flat, [g.numel() for g in held]), strict=True):
                g.copy_(part.view_as(g))
        nn.utils.clip_grad_norm_([p for group in optimiser.param_groups for p in group["params"]], 10.0)
        optimiser.step()

    def save(self, path: Path) -> None:
        """Write everything that the next step depends on, atomically."""
        state = {
            "schedule": asdict(self.schedule),
            "stages": self.stages,
            "step": self.step,
            **{name: part.state_dict() for name, part in self._parts().items()},
        }
        write_checkpoint(state, _FORMAT, path)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint. MirrorError if it is damaged, of another version or another schedule."""
        state = read_checkpoint(path, _FORMAT, self.device)
        was = dict(state["schedule"])
        changed = changed_settings(was, asdict(self.schedule))
        if fixed := sorted(changed.keys() & {"batch", "seed", "crop"}):
            raise MirrorError(f"{path}: made with another {', '.join(fixed)}; start with another --out")
        # Rates and weights may be changed on the way; the weights' metadata tell when.
        self.stages = list(state.get("stages", [{"from_step": 0, **was}]))
        if changed:
            self.stages.append({"from_step": int(state["step"]), **changed})
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.step = int(state["step"])

    def _parts(self) -> dict[str, Any]:
        return {
            "generator": self.generator,
            "encoder": self.encoder,
            "discriminator": self.discriminator,
            "recogniser": self.recogniser,
            "recogniser_optimiser": self.recogniser_optimiser,
            "ema": self.ema,
            "ema_encoder": self.ema_encoder,
            "make_optimiser": self.make_optimiser,
            "judge_optimiser": self.judge_optimiser,
        }


def load_run(run: Path, device: str = "cpu") -> Trainer:
    """The trainer of a run's folder, as its checkpoint left it. MirrorError if it is damaged or missing."""
    data, path = load_swatches(run / "swatches.npz"), run / "checkpoint.pt"
    schedule = Schedule(**read_checkpoint(path, _FORMAT, torch.device(device))["schedule"])
    trainer = Trainer(data, schedule, device)
    trainer.load(path)
    return trainer


def join_processes(device: str) -> tuple[int, int]:
    """(rank, processes); joins the others when torchrun started this one."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return 0, 1
    distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    return distributed.get_rank(), distributed.get_world_size()


def keep_memory() -> None:
    """Let glibc keep freed memory: handed back and faulted in at every step, it costs half the time."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):
            libc.mallopt(-4, 0)  # M_MMAP_MAX
            libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD


def train(
    data: SwatchSet,
    schedule: Schedule,
    out: Path,
    *,
    facts: dict[str, str],
    device: str = "cpu",
    save_every: int = 200,
    sheet_every: int = 200,
    progress: bool = True,
) -> Trainer:
    """Train up to ``schedule.steps``, from DIR's checkpoint where there is one.

    ``facts`` (what it was trained on, the command) are written into the weights' metadata.
    """
    keep_memory()
    trainer = Trainer(data, schedule, device)
    checkpoint, log = out / "checkpoint.pt", out / "log.jsonl"
    if checkpoint.exists():
        trainer.load(checkpoint)
    first = trainer.rank == 0
    if first:
        out.mkdir(parents=True, exist_ok=True)
        (out / "samples").mkdir(exist_ok=True)
        _cut_log(log, trainer.step)
    bar = tqdm(total=schedule.steps, initial=trainer.step, disable=not (first and progress), mininterval=2.0)
    started = time.monotonic()
    mean: dict[str, float] = {}
    while trainer.step < schedule.steps:
        losses = trainer.advance()
        mean = {k: 0.95 * mean.get(k, v) + 0.05 * v for k, v in losses.items()} | {
            k: v for k, v in mean.items() if k not in losses
        }
        done = trainer.step >= schedule.steps
        if not first:
            continue
        bar.update()
        if trainer.step % 20 == 0 or done:
            bar.set_postfix({k[:5]: f"{v:.3f}" for k, v in mean.items()})
            line = {"step": trainer.step, **{k: round(v, 5) for k, v in mean.items()}}
            with log.open("a") as file:
                file.write(json.dumps(line | {"seconds": round(time.monotonic() - started, 1)}) + "\n")
        if trainer.step % sheet_every == 0 or done:
            sheet = sample_sheet(trainer.ema, trainer.ema_encoder, data, schedule.seed, trainer.device)
            cv2.imwrite(str(out / "samples" / f"{trainer.step:06d}.png"), sheet[:, :, ::-1])
        if trainer.step % save_every == 0 or done:
            trainer.save(checkpoint)
            told = facts | {"steps": str(trainer.step), "stages": json.dumps(trainer.stages)}
            save_weights(trainer.ema, trainer.priors(), told, out / "fabric_gan.safetensors")
    bar.close()
    return trainer


def _cut_log(log: Path, step: int) -> None:
    """Drop the lines past the checkpoint, which the resumed run writes again."""
    if log.exists():
        kept = [line for line in log.read_text().splitlines() if json.loads(line)["step"] <= step]
        log.write_text("".join(line + "\n" for line in kept))
