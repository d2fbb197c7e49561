from __future__ import annotations

import math

import torch

from inference.fabric.lattice import DESIGN
from workshop.train.fabric.design import Design, series


def test_series_is_the_sum_of_its_waves() -> None:
    """A sett's stripes would lie elsewhere than its style says if the matrix products were not the sum."""
    chance = torch.Generator().manual_seed(1)
    cycles = torch.tensor([[[1.0, 0.0], [2.0, -3.0], [0.0, 5.0]]])
    a, b = torch.randn(2, 1, 2, 3, generator=chance)
    y, x = torch.meshgrid((torch.arange(24) + 0.5) / 24, (torch.arange(32) + 0.5) / 32, indexing="ij")
    turn = 2 * math.pi * (cycles[..., 0, None, None] * x + cycles[..., 1, None, None] * y)[:, None]
    wanted = (a[..., None, None] * turn.cos() + b[..., None, None] * turn.sin()).sum(2)
    assert torch.allclose(series(cycles, a, b, 24, 32), wanted, atol=1e-4)


def test_waves_too_fine_for_the_grid_are_left_out() -> None:
    """On a small torus the highest harmonics would alias into stripes that nobody designed."""
    one = torch.ones(1, 1, 1)
    assert series(torch.tensor([[[9.0, 0.0]]]), one, one, 16, 16).abs().max() == 0
    assert series(torch.tensor([[[7.0, 0.0]]]), one, one, 16, 16).abs().max() > 1


def test_designs_repeat_with_the_pattern() -> None:
    """Two repeats on the torus must be the same design twice, or a print would not be a print."""
    torch.manual_seed(0)
    made = Design(5)(torch.randn(2, 5), torch.tensor([[[2.0, 0.0], [0.0, 4.0]]]).repeat(2, 1, 1), 64, 64)
    assert made.shape == (2, DESIGN, 64, 64)
    assert torch.allclose(made, made.roll((16, 32), (2, 3)), atol=1e-4)
    assert not torch.allclose(made, made.roll(8, 2), atol=0.1)
    assert not torch.allclose(made[0], made[1], atol=0.1)
