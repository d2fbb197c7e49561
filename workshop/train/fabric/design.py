"""The design: stripes, setts and motifs that the style draws as Fourier series on the pattern's lattice.

A sett's overline is a few pixels of a repeat of a hundred, and a flower is no sum of three harmonics.
So the condition c gives the coefficients themselves: channel k is
f_k(x) = sum_n d_n (a_kn(c) cos 2 pi v_n.x + b_kn(c) sin 2 pi v_n.x), with v_n the harmonics of the two
pattern vectors and d_n falling with the order. The layers that follow sharpen it. The waves make whole
turns on the torus, so it tiles. In the line of PSGAN's periodic coordinates (arXiv:1705.06566), whose
amplitudes are here the style's.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from inference.fabric.lattice import MOTIFS, PROFILES, design_harmonics


def series(cycles: Tensor, a: Tensor, b: Tensor, height: int, width: int) -> Tensor:
    """Fourier series (B, K, height, width) of waves (B, N, 2) in cycles a torus, coefficients (B, K, N).

    Sampled at the pixels' centres; a wave too fine for the grid is left out. The sums over the waves are
    matrix products of a function of y and one of x, so no wave is ever drawn in full.
    """
    y = (torch.arange(height, dtype=cycles.dtype, device=cycles.device) + 0.5) * (2 * math.pi / height)
    x = (torch.arange(width, dtype=cycles.dtype, device=cycles.device) + 0.5) * (2 * math.pi / width)
    seen = (cycles[..., 0].abs() * 2 <= width) & (cycles[..., 1].abs() * 2 <= height)
    a, b = (c * seen[:, None] for c in (a, b))
    along, across = cycles[..., 1:] * y, cycles[..., :1] * x  # (B, N, H), (B, N, W)
    sin_y, cos_y = along.sin()[:, None], along.cos()[:, None]
    a, b = a[..., None], b[..., None]
    left = torch.cat([a * cos_y + b * sin_y, b * cos_y - a * sin_y], 2)  # (B, K, 2 N, H)
    right = torch.cat([across.cos(), across.sin()], 1)[:, None]  # (B, 1, 2 N, W)
    out: Tensor = left.transpose(2, 3) @ right
    return out


def falling(harmonics: tuple[tuple[int, int], ...]) -> Tensor:
    """d_n of a group of harmonics: about 1 / order, their squares summing to 2."""
    fall = 1 / (1 + torch.tensor(harmonics, dtype=torch.float32).norm(dim=1))
    out: Tensor = fall * (2 / fall.square().sum()).sqrt()
    return out


class Design(nn.Module):
    """The design's channels (B, DESIGN, H, W) of a condition."""

    def __init__(self, condition: int) -> None:
        super().__init__()
        heads = [
            nn.Linear(condition, 2 * channels * len(harmonics))
            for channels, harmonics in zip((PROFILES, PROFILES, MOTIFS), design_harmonics(), strict=True)
        ]
        for head in heads:
            nn.init.normal_(head.weight, std=0.15)
            nn.init.normal_(head.bias, std=0.7)
        self.heads = nn.ModuleList(heads)

    def forward(self, c: Tensor, pattern: Tensor, height: int, width: int) -> Tensor:
        """``c`` (B, C); ``pattern`` (B, 2, 2): the pattern's two wave vectors in whole cycles, (x, y)."""
        parts = []
        for head, harmonics in zip(self.heads, design_harmonics(), strict=True):
            order = torch.tensor(harmonics, dtype=pattern.dtype, device=pattern.device)
            a, b = (
                head(c).view(len(c), 2, -1, len(harmonics)) * falling(harmonics).to(pattern.device)
            ).unbind(1)
            parts.append(series(order @ pattern, a, b, height, width))
        return torch.cat(parts, 1)
