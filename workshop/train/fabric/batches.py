"""Tiles as tensors, the noise beside them, the tiles that samples start from, and a run's sample sheet."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference.fabric.classes import NAMES
from inference.fabric.lattice import NOISE, STYLE
from workshop.train.fabric.network import Encoder, Generator
from workshop.train.fabric.swatches import SwatchSet
from workshop.train.fabric.weights import PRIORS


def batch_tensors(rows: SwatchSet, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Fabrics (B, 4, H, W) 0..1, classes (B,), palettes (B, 4, 3), counts (B,), cycles (B, 3, 2, 2)."""
    picture = np.concatenate([rows.albedo, rows.height[..., None]], -1).astype(np.float32) / 255
    return (
        torch.from_numpy(np.ascontiguousarray(picture.transpose(0, 3, 1, 2))).to(device),
        torch.from_numpy(rows.classes).to(device),
        torch.from_numpy(rows.palette).to(device),
        torch.from_numpy(rows.count).to(device),
        torch.from_numpy(np.rint(rows.cycles)).to(device),
    )


def draw_noise(
    chance: torch.Generator, batch: int, height: int, width: int, device: torch.device
) -> list[Tensor]:
    """Local noise for each stride of NOISE."""
    return [
        torch.randn(batch, n, height // s, width // s, generator=chance).to(device) for s, n in NOISE.items()
    ]


def pictured_odds(data: SwatchSet, real_share: float, index: int) -> float:
    """Of a class's tiles, the share that pictures have where ``real_share`` of all are pictures; 0..1."""
    woven, pictured = (
        share * int(((data.classes == index) & part).sum()) / max(int(part.sum()), 1)
        for share, part in ((1 - real_share, data.source < 0), (real_share, data.source >= 0))
    )
    if woven + pictured > 0:
        return pictured / (woven + pictured)
    return float(not ((data.classes == index) & (data.source < 0)).any())


def choose_designs(data: SwatchSet, real_share: float, seed: int) -> NDArray[np.int64]:
    """Rows of ``data`` (classes, PRIORS): woven tiles and pictures of each class, as often as trained on.

    -1 throughout for a class that has no tile.
    """
    out = np.full((len(NAMES), PRIORS), -1, np.int64)
    for index in range(len(NAMES)):
        draw = np.random.default_rng([seed, index])
        mine = data.classes == index
        parts = (np.flatnonzero(mine & (data.source < 0)), np.flatnonzero(mine & (data.source >= 0)))
        if not any(len(part) for part in parts):
            continue
        from_picture = draw.random(PRIORS) < pictured_odds(data, real_share, index)
        for part, where in zip(parts, (~from_picture, from_picture), strict=True):
            if where.any():
                out[index, where] = draw.permutation(np.resize(draw.permutation(part), int(where.sum())))
    return out


def sample_sheet(
    generator: Generator, encoder: Encoder, data: SwatchSet, seed: int, device: torch.device
) -> NDArray[np.uint8]:
    """A picture (H, W, 3) uint8 RGB: a line has a tile, two woven in its style, the last one's height.

    For each class a woven tile, then, where there is one, a picture.
    """
    lines = []
    kinds = [
        (data.classes == i) & part for i in range(len(NAMES)) for part in (data.source < 0, data.source >= 0)
    ]
    for index, kind in enumerate(kinds):
        found = np.flatnonzero(kind)
        if not len(found):
            continue
        rows = data.take(np.repeat(found[seed * 7 % len(found) :][:1], 2))
        real, classes, palette, count, cycles = batch_tensors(rows, device)
        chance = torch.Generator().manual_seed(seed + index)
        with torch.no_grad():
            mean, log_variance = encoder(real, palette, count, classes)
            style = mean + (log_variance / 2).exp() * torch.randn(2, STYLE, generator=chance).to(device)
            noise = draw_noise(chance, 2, real.shape[2], real.shape[3], device)
            made = generator(classes, palette, count, style, cycles, noise)
        tiles = torch.cat([real[:1], made]).cpu().numpy()
        lines.append(
            np.concatenate([*tiles[:, :3], np.repeat(tiles[-1:, 3:], 3, 1)[0]], 2).transpose(1, 2, 0)
        )
    if len(lines) % 2:
        lines.append(np.zeros_like(lines[0]))
    middle = len(lines) // 2
    sheet = np.hstack([np.vstack(lines[:middle]), np.vstack(lines[middle:])])
    picture: NDArray[np.uint8] = np.rint(sheet.clip(0, 1) * 255).astype(np.uint8)
    return picture
