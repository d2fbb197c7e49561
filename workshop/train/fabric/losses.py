"""The losses. x: real fabric, G: a sample, D: patch logits, y: class; means run over patches and batch.

* Discriminator and generator, non-saturating (Goodfellow et al., arXiv:1406.2661):
  L_D = E[softplus(-D(T(x), y))] + E[softplus(D(T(G), y))],  L_G = E[softplus(-D(T(G), y))].
* R1 (Mescheder, Geiger and Nowozin, arXiv:1801.04406), on every k-th step and weighted k times
  (lazily, as StyleGAN2, arXiv:1912.04958): gamma/2 * E[|grad_x sum D(x, y)|^2 / patches].
* T: differentiable augmentation (Zhao et al., "DiffAugment", arXiv:2006.10738), the same kinds for
  real and made: translation (where the crop is taken) and saturation; then brightness and
  contrast are taken out altogether (``standardise``). R1 is taken in what D sees, T(x).
* Recognition: an auxiliary classifier C (AC-GAN, Odena et al., arXiv:1610.09585; a network of its own
  here, that sees albedo only) is taught the classes of real fabrics, and the generator asked to be
  recognised: L_C = E[-log C(y | T(x))], L_rcg = E[-log C(y | T(G))].
* Palette: every colour asked for must be seen somewhere. With w_k the share of colour k in each
  pixel, L_pal = mean over the k asked for of 1 - (mean of the largest 6 % of w_k).
* Texture: band statistics alike, whatever the phase. With d_b the differences in four directions of
  lightness, two opponent colours and height at scales 1, 2, 4 and 8 (bands b), and
  m_p(x) = (mean |d_b(x)|^p)^(1/p), L_tex = mean over b and p in {1, 2} of
  |log (m_p(G(z)) + e) - log (m_p(x) + e)|: mean magnitude and variance of each band, among the statistics
  of Portilla and Simoncelli, "A parametric texture model" (IJCV 40, 2000). No pretrained network.
* Reconstruction, for tiles of known phase: the style z ~ q(z | x) of the encoder, and
  L_rec = sum over s in {1, 2, 4} of E|down_s(G(z)) - down_s(x)|, L1 as in SeamlessGAN
  (arXiv:2201.05120), weighted more for classes with a design, which it alone teaches; the style kept
  near the prior by beta * KL(q(z | x) || N(0, I)) (VAE-GAN, Larsen et al., arXiv:1512.09300).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from workshop.train.fabric.network import Discriminator

_FAINT = 0.004  # e of L_tex: a difference of one step in 256


def discriminator_loss(real: list[Tensor], fake: list[Tensor]) -> Tensor:
    """L_D over the heads' logits; a scalar."""
    return torch.stack(
        [F.softplus(-r).mean() + F.softplus(f).mean() for r, f in zip(real, fake, strict=True)]
    ).mean()


def generator_loss(fake: list[Tensor]) -> Tensor:
    """L_G over the heads' logits; a scalar."""
    return torch.stack([F.softplus(-f).mean() for f in fake]).mean()


def r1_penalty(network: Discriminator, real: Tensor, classes: Tensor) -> Tensor:
    """E[|grad_x sum D|^2 / patches], per patch so that it does not grow with the picture; a scalar."""
    real = real.detach().requires_grad_()
    total = torch.stack([head.sum() / head[0].numel() ** 0.5 for head in network(real, classes)]).sum()
    (gradient,) = torch.autograd.grad(total, real, create_graph=True)
    return gradient.square().sum((1, 2, 3)).mean()


def reconstruction_loss(made: Tensor, real: Tensor) -> Tensor:
    """L_rec of each of the fabrics (B, 4, H, W): (B,)."""
    total = (made - real).abs().mean((1, 2, 3))
    for scale in (2, 4):
        total = total + (F.avg_pool2d(made, scale) - F.avg_pool2d(real, scale)).abs().mean((1, 2, 3))
    return total


def recognition_loss(logits: Tensor, classes: Tensor) -> Tensor:
    """L_C or L_rcg of class logits (B, classes) for the true classes (B,); a scalar."""
    return F.cross_entropy(logits, classes)


def palette_loss(mix: Tensor, count: Tensor, share: float = 0.06) -> Tensor:
    """L_pal of colour shares (B, SLOTS, H, W) for numbers of colours (B,); a scalar."""
    flat = mix.flatten(2)
    top = flat.topk(max(1, int(share * flat.shape[2])), dim=2).values.mean(2)
    asked = (torch.arange(mix.shape[1], device=mix.device) < count[:, None]).float()
    return ((1 - top) * asked).sum() / asked.sum()


def kl_loss(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, exp(log_variance)) || N(0, I)), summed over the style, mean over the batch; a scalar."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()


def texture_loss(made: Tensor, real: Tensor) -> Tensor:
    """L_tex of fabrics (B, 4, H, W); a scalar. Their borders are not compared: a photo need not wrap."""
    total, terms = made.new_zeros(()), 0
    for scale in (1, 2, 4, 8):
        for low, high in zip(_bands(made, scale), _bands(real, scale), strict=True):
            for power in (1, 2):
                a, b = (x.abs().pow(power).mean((2, 3)).clamp_min(1e-9).pow(1 / power) for x in (low, high))
                total = total + ((a + _FAINT) / (b + _FAINT)).log().abs().mean()
                terms += 1
    return total / terms


def _bands(fabric: Tensor, scale: int) -> list[Tensor]:
    """d_b of one scale: in four directions, of lightness, two opponent colours and height."""
    red, green, blue, height = fabric.unbind(1)
    x = torch.stack([(red + green + blue) / 3, red - green, blue - (red + green) / 2, height], 1)
    x = F.avg_pool2d(x, scale) if scale > 1 else x
    return [
        x[..., 1:] - x[..., :-1],
        x[..., 1:, :] - x[..., :-1, :],
        x[..., 1:, 1:] - x[..., :-1, :-1],
        x[..., 1:, :-1] - x[..., :-1, 1:],
    ]


def augment(fabric: Tensor, generator: torch.Generator, side: int) -> Tensor:
    """DiffAugment of fabrics (B, 4, H, W): a crop (B, 4, side, side) of each, its albedo's saturation moved.

    Crops stay inside the tile, since a photo need not wrap.
    """
    b, _, h, w = fabric.shape
    draw = torch.rand(b, 3, generator=generator)
    tops, lefts = (draw[:, 0] * (h - side + 1)).long().tolist(), (draw[:, 1] * (w - side + 1)).long().tolist()
    cut = torch.stack(
        [one[:, y : y + side, x : x + side] for one, y, x in zip(fabric, tops, lefts, strict=True)]
    )
    change = (draw[:, 2] - 0.5).to(fabric.device)[:, None, None, None]
    colour, relief = cut[:, :3], cut[:, 3:]
    grey = colour.mean(1, keepdim=True)
    return torch.cat([grey + (colour - grey) * (1 + 0.8 * change), relief], 1)


def standardise(fabric: Tensor) -> Tensor:
    """Fabrics (B, 4, H, W) with mean 0 and deviation about 1, albedo and height each.

    What the discriminator judges is the weave. Colour and brightness the generator obeys by
    construction, and left in they would drown the texture of a plain cloth.
    """
    out = []
    for part in (fabric[:, :3], fabric[:, 3:]):
        middle = part.mean((2, 3), keepdim=True)
        spread = (part - middle).square().mean((1, 2, 3), keepdim=True).sqrt()
        out.append((part - middle) / (spread + 0.02))
    return torch.cat(out, 1)
