"""Trains the landmark network on what ``dataset`` made; run offline, by hand. Needs ``torch``.

    mirror landmarks train DIR [DIR...] [--folds 10] [--out FILE] [--seed 0]

With ``--folds``, first leaves out a share of the people at a time, and says how far the landmarks of those
left out are from the true ones, before and after. Writes the weights to FILE and FILE's name with
``.log.jsonl``: one line of figures for each fold and one for what was made.

The shipped weights were trained on ``data`` (of ``dataset data --first 60``), ``data2`` (of ``dataset data2
--first 60 --seed 5000``) and ``held`` (of ``dataset held --last 60``), with ``--folds 10``.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from inference.body.camera import Intrinsics
from inference.body.landmarks import HIPS
from inference.body.model import BodyModel
from inference.fit.fitter import BodyFitter
from inference.fit.landmark_residuals import landmark_weight, turn_to_ray
from inference.pose.correction import CLIP, LAYERS, SHIPPED, UNIT_M, WEIGHTS, LandmarkCorrection
from inference.pose.correction_features import COUNT, JOINTS, features, mirrored, mirrored_joints, parts
from inference.pose.distance_field import distance_field
from mirror.errors import MirrorError
from mirror.types import F64
from workshop.train import body_errors
from workshop.train.landmarks.dataset import PortraitSet

HIDDEN, DROPOUT = 256, 0.1
BATCH, PASSES, RATE, DECAY, WARM_STEPS, EMA = 128, 60, 2e-3, 1e-2, 100, 0.995
# What the features are shaken by while it learns: metres of landmarks and of world landmarks; a distance.
SHAKE_M, SHAKE_WORLD_M, SHAKE_MASK = 0.005, 0.010, 0.05
SPREAD_M, SPREAD_DEEP_M = 0.02, 0.08  # errors beyond which a miss counts less and less, and linearly
DEEP = 0.6  # how much the world landmarks count
LEAST_DEVIATION = 0.02  # of a feature
ODD_SHARE = 0.999  # of the pictures are not odd
FAR_M = 0.15  # figures count no error for more
JOINT_NAMES = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")


@dataclass(frozen=True)
class Examples:
    """Pictures and what is missing to the truth.

    ``values`` (N, COUNT) features; metres in the ``picture`` (N, 12, 2) and, ``deep`` (N, 12, 3), in the
    world; ``weight`` (N, 12) of the landmarks; ``person`` (N,).
    """

    values: F64
    picture: F64
    deep: F64
    weight: F64
    person: F64

    def take(self, rows: NDArray[np.bool_]) -> Examples:
        """Some of them."""
        return Examples(*(array[rows] for array in vars(self).values()))


def examples(folders: Sequence[Path]) -> Examples:
    """All pictures in the folders. MirrorError if there are none."""
    paths = sorted(path for folder in folders for path in folder.glob("*.npz"))
    if not paths:
        raise MirrorError(f"no pictures in {', '.join(map(str, folders))}; make them first")
    model, rows = BodyModel.load(), []
    for path in paths:
        portraits = PortraitSet.load(path)
        camera = Intrinsics.from_field_of_view(portraits.field_of_view_deg, *portraits.size)
        fitter = BodyFitter(model, camera)
        for index in range(len(portraits.stances)):
            row = _example(portraits, index, camera, fitter)
            if row is not None:
                rows.append((*row, portraits.person))
    return Examples(*(np.array(column) for column in zip(*rows, strict=True)))


def _example(
    portraits: PortraitSet, index: int, camera: Intrinsics, fitter: BodyFitter
) -> tuple[F64, F64, F64, F64] | None:
    landmarks, world = portraits.landmarks[index][:, [0, 1, 3]], portraits.world[index]
    weight = landmark_weight(landmarks, camera)
    field = distance_field(portraits.masks[index], portraits.size[0])
    told = features(landmarks, world, weight, field, camera)
    if told is None:
        return None
    joints = list(JOINTS)
    skin = portraits.skin[index]
    truth = body_errors.joints_of(skin, portraits.joints)
    shown = truth + fitter.shifts(skin[:, :, :3].astype(np.float64))[joints]
    picture = (camera.project(shown) - landmarks[joints, :2]) / told.scale
    # World landmarks are about the hips, along the ray to the person, and of nobody's size.
    hips = [JOINTS.index(hip) for hip in HIPS]
    turned = (truth - truth[hips].mean(0)) @ turn_to_ray(landmarks, weight, camera)
    seen = world[joints] - world[joints][hips].mean(0)
    size = (turned * seen).sum() / (turned**2).sum()
    return told.values, picture, size * turned - seen, weight[joints]


class LandmarkNet(nn.Module):
    """Three layers from features to offsets; ``LandmarkCorrection.offsets`` is the same in NumPy."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(COUNT, HIDDEN), nn.Linear(HIDDEN, HIDDEN)
        # Offsets in the picture and in the world, and the logarithm of what is not known of the first.
        self.last, self.doubt = nn.Linear(HIDDEN, 5 * len(JOINTS)), nn.Linear(HIDDEN, 2 * len(JOINTS))
        self.drop = nn.Dropout(DROPOUT)
        with torch.no_grad():
            self.last.weight.mul_(0.1)
            self.last.bias.zero_()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Metres (N, 12, 2) and (N, 12, 3); logarithm of the spread (N, 12, 2)."""
        hidden = self.drop(nn.functional.silu(self.first(x)))
        hidden = self.drop(nn.functional.silu(self.second(hidden)))
        out, split = UNIT_M * self.last(hidden), 2 * len(JOINTS)
        return (
            out[:, :split].reshape(-1, len(JOINTS), 2),
            out[:, split:].reshape(-1, len(JOINTS), 3),
            self.doubt(hidden).clamp(-3, 3).reshape(-1, len(JOINTS), 2),
        )


def train(data: Examples, seed: int, passes: int = PASSES) -> dict[str, np.ndarray]:
    """Weights for ``LandmarkCorrection`` from these examples and what a looking glass makes of them."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    both = [
        np.concatenate(pair)
        for pair in (
            (data.values, mirrored(data.values)),
            (data.picture, mirrored_joints(data.picture)),
            (data.deep, mirrored_joints(data.deep)),
            (data.weight, data.weight.reshape(-1, 6, 2)[:, :, ::-1].reshape(-1, 12)),
        )
    ]
    mean = both[0].mean(0)
    deviation = np.maximum(both[0].std(0), LEAST_DEVIATION)
    values, picture, deep, weight = (torch.tensor(array, dtype=torch.float32) for array in both)
    centre, spread = (torch.tensor(a, dtype=torch.float32) for a in (mean, deviation))
    net = LandmarkNet()
    average = [p.detach().clone() for p in net.parameters()]
    optimiser = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=DECAY)
    steps = passes * len(values) // BATCH
    net.train()
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1.0, step / WARM_STEPS) * (0.5 + 0.5 * np.cos(np.pi * step / steps))
        rows = torch.randint(len(values), (BATCH,), generator=generator)
        x, moved = _shaken(values[rows], generator)
        flat, out, doubt = net(((x - centre) / spread).clamp(-CLIP, CLIP))
        miss = (picture[rows] - moved - flat) / SPREAD_M * torch.exp(-doubt)
        cost = (2.5 * torch.log1p(miss**2 / 4) + doubt).sum(2)  # a Student t of four degrees of freedom
        cost = cost + DEEP * (torch.sqrt(1 + ((deep[rows] - out) / SPREAD_DEEP_M) ** 2) - 1).sum(2)
        loss: Tensor = (cost * (weight[rows] + 0.02)).mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        with torch.no_grad():
            for kept, now in zip(average, net.parameters(), strict=True):
                kept.lerp_(now, 1 - EMA)
    arrays = {
        name: kept.numpy()
        for (name, _), kept in zip(net.named_parameters(), average, strict=True)
        if name.split(".")[0] in LAYERS
    }
    odd = (np.minimum((both[0] - mean) / deviation, 10.0) ** 2).mean(1)
    return {
        **arrays,
        "mean": mean.astype(np.float32),
        "deviation": deviation.astype(np.float32),
        "odd": np.array([np.quantile(odd, ODD_SHARE)], np.float32),
    }


def _shaken(values: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Noisy features, and by how much (N, 12, 2) metres the joints' landmarks were moved."""

    def noise(shape: Sequence[int], sigma: float) -> Tensor:
        return sigma * torch.randn(*shape, generator=generator)

    values = values.clone()
    local, world, *_, about = parts(values)
    moved = noise(local.shape, SHAKE_M)
    local += moved
    world += noise(world.shape, SHAKE_WORLD_M)
    about += noise(about.shape, SHAKE_MASK)
    return values, moved[:, list(JOINTS)]


def figures(data: Examples, weights: dict[str, np.ndarray]) -> dict[str, float]:
    """Mean errors in cm of believed landmarks and of world landmarks, before and after, and by joint."""
    picture, deep = LandmarkCorrection(weights).offsets(data.values)
    believed = data.weight > 0.3
    before, after = (
        100 * np.minimum(np.linalg.norm(miss, axis=2), FAR_M)
        for miss in (data.picture, data.picture - picture)
    )
    out = {"before_cm": before[believed].mean(), "after_cm": after[believed].mean()}
    for index, name in enumerate(JOINT_NAMES):
        pair = slice(2 * index, 2 * index + 2)
        for label, miss in (("before", before), ("after", after)):
            out[f"{name}_{label}_cm"] = miss[:, pair][believed[:, pair]].mean()
    for label, miss in (("before", data.deep), ("after", data.deep - deep)):
        out[f"world_{label}_cm"] = 100 * np.linalg.norm(miss, axis=2)[believed].mean()
    return {name: round(float(value), 3) for name, value in out.items()}


def folds(data: Examples, count: int, seed: int) -> list[dict[str, float]]:
    """Figures of the people left out, a share of them at a time."""
    people = np.unique(data.person)
    fold = np.random.default_rng(seed).permutation(len(people)) % count
    out = []
    for index in range(count):
        left = np.isin(data.person, people[fold == index])
        found = figures(data.take(left), train(data.take(~left), seed))
        out.append({"fold": index, "pictures": int(left.sum()), **found})
        print(json.dumps(out[-1]), flush=True)
    return out


def train_and_write(folders: Sequence[Path], count: int, out: Path | None, seed: int) -> None:
    """Read, measure on ``count`` folds of the people, train, write (None: over the shipped weights)."""
    out = out or SHIPPED
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    data = examples(list(folders))
    lines = folds(data, count, seed) if count else []
    weights = train(data, seed)
    names = [folder.name for folder in folders]
    facts = {
        "command": shlex.join(["mirror", "landmarks", "train", *names, "--seed", str(seed)]),
        "seed": str(seed),
        "pictures": str(len(data.values)),
        "people": str(len(np.unique(data.person))),
        "licence": "Apache-2.0; learnt from rendered people",
    }
    WEIGHTS.save(weights, facts, out)
    lines.append({"all": 1, **figures(data, weights)})
    log = out.with_suffix(".log.jsonl")
    log.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    print(json.dumps({**facts, **lines[-1]}))
