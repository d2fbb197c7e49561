"""The network in PyTorch, for training; ``inference.light.network`` runs the same in NumPy.

Three convolutional branches look at room, body and face; their features and the mean colours go
through two layers to OUTPUTS numbers a probe:

- 0..2: logarithm of the light from everywhere (E/pi averaged over all normals) over the picture's
  gain, of green; then by how much red's and blue's differ, over LEVEL_TINT;
- 3..10: the eight other coefficients of green over the first one's; 11..18 and 19..26: by how much
  red's and blue's ratios differ, over SIDE_TINT;
- 27: the logarithm of the expected squared error of the main direction, rad^2.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from inference.light.probe import BODY, CHANNELS, FACE, ROOM, STATISTICS

OUTPUTS = 28
WIDTHS = (16, 32, 48, 64)
FEATURES = (48, 96, 96)  # of room, body and face
HIDDEN = 128


class LightNet(nn.Module):
    """Probes in, light out; see the module's head."""

    def __init__(self) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            _branch(channels, side, features)
            for channels, side, features in zip(CHANNELS, (ROOM, BODY, FACE), FEATURES, strict=True)
        )
        self.first = nn.Linear(sum(FEATURES) + STATISTICS, HIDDEN)
        self.second = nn.Linear(HIDDEN, HIDDEN)
        self.last = nn.Linear(HIDDEN, OUTPUTS)
        self.drop = nn.Dropout(0.2)

    def forward(self, inputs: list[Tensor], statistics: Tensor) -> Tensor:
        """(B, OUTPUTS) of the inputs (B, C, h, w) of room, body, face and the statistics (B, 36)."""
        parts = [branch(x) for branch, x in zip(self.branches, inputs, strict=True)]
        joined = torch.cat([self.drop(torch.cat(parts, 1)), statistics], 1)
        hidden = torch.relu(self.first(joined))
        hidden = self.drop(torch.relu(self.second(hidden)))
        out: Tensor = self.last(hidden)
        return out


def _branch(channels: int, side: int, features: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in WIDTHS:
        layers += [nn.Conv2d(channels, width, 3, stride=2, padding=1), nn.ReLU()]
        channels, side = width, (side + 1) // 2
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * side * side, features), nn.ReLU())
