"""The encoder in PyTorch, for training, and its loss."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from workshop.tailor.alike.encoder import EMBEDDING, HIDDEN, SLOPE, STRIDES, WIDTHS, features_count
from workshop.tailor.alike.features import CHANNELS


class Encoder(nn.Module):
    """Embeddings (B, EMBEDDING) of unit length; see ``workshop.tailor.alike.encoder`` for the design."""

    def __init__(self) -> None:
        super().__init__()
        self.geometry, self.views = _tower(), _tower()
        self.mix = nn.Sequential(
            nn.Linear(features_count(), HIDDEN), nn.LeakyReLU(SLOPE), nn.Linear(HIDDEN, EMBEDDING)
        )

    def forward(self, geometry: Tensor, views: Tensor) -> Tensor:
        """``prepared`` features: geometry (B, C, N, N), views (B, 3, C, M, M)."""
        seen = _look(self.views, views.flatten(0, 1)).reshape(len(views), -1)
        mixed = self.mix(torch.cat([_look(self.geometry, geometry), seen], 1))
        return functional.normalize(mixed, dim=1)


def _tower() -> nn.ModuleList:
    before = (len(CHANNELS), *WIDTHS)
    return nn.ModuleList(
        nn.Conv2d(a, b, 3, stride, 1) for a, b, stride in zip(before, WIDTHS, STRIDES, strict=False)
    )


def _look(tower: nn.ModuleList, x: Tensor) -> Tensor:
    cloth = x[:, :1]
    for layer in tower:
        x = functional.leaky_relu(layer(x), SLOPE)
    share = functional.avg_pool2d(cloth, cloth.shape[2] // x.shape[2])
    mean = (x * share).sum((2, 3)) / share.sum((2, 3)).clamp_min(1e-3)
    return torch.cat([mean, x.amax((2, 3))], 1)


def contrastive_loss(embeddings: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Supervised contrastive loss of unit vectors z (B, D) with labels (B,).

    With P(i) the others of i's label,

        L = mean over i with P(i) not empty of
            -1/|P(i)| * sum over p in P(i) of log( exp(z_i.z_p / t) / sum over a != i of exp(z_i.z_a / t) )

    (L_out of P. Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020). With one positive
    each it is NT-Xent (T. Chen et al., "A Simple Framework for Contrastive Learning of Visual
    Representations", ICML 2020).
    """
    likeness = embeddings @ embeddings.T / temperature
    itself = torch.eye(len(labels), dtype=torch.bool)
    log_share = likeness - likeness.masked_fill(itself, -torch.inf).logsumexp(1, keepdim=True)
    alike = (labels[:, None] == labels[None]) & ~itself
    count = alike.sum(1)
    each = -(log_share * alike).sum(1)[count > 0] / count[count > 0]
    return each.mean() if len(each) else embeddings.sum() * 0
