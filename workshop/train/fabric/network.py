"""The networks: generator, discriminator and style encoder.

Generator. Fully convolutional on a torus: every convolution pads circularly, every wave makes
whole turns, so a sample of any size (a multiple of 8) tiles. In the line of Spatial GAN (Jetchev
et al., arXiv:1611.08207), PSGAN (Bergmann et al., arXiv:1705.06566) and SeamlessGAN (Rodriguez-Pardo
and Garces, arXiv:2201.05120). It takes

* the class and the number of colours, embedded, and a global style z ~ N(0, I);
* local noise on grids of 8, 4 and 1 px, N(0, I);
* the design (``design.Design``): stripes and motifs as Fourier series that class and style give;
* periodic coordinates: harmonics of the asked-for lattice, and waves whose vectors the network
  learns from class and style, all rounded to whole cycles on the torus (straight-through gradient);
* the palette, which it obeys by construction: the network gives mixing weights w over the palette's
  colours p, a log gain g and a small residual r, and albedo = sum_k w_k p_k * exp(g) / mean(exp(g))
  * (1 + r - mean(r)) in linear light.

The discriminator is a patch network with two heads, conditioned on the class by projection
(Miyato and Koyama, arXiv:1802.05637). Beside it a recogniser tells the class from the albedo alone.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from inference.fabric.classes import NAMES
from inference.fabric.lattice import DESIGN, HARMONICS, LEARNED, LEVELS, NOISE, REACH, STYLE
from workshop.train.fabric.design import Design

SLOTS = 4  # colours of a palette at most
_FINE = 2 * (len(HARMONICS[1]) + len(HARMONICS[2]))
_COARSE = 2 * (len(HARMONICS[0]) + LEARNED)
_CONDITION = 96


def srgb_from_linear(x: Tensor) -> Tensor:
    """The sRGB encoding of linear light, clipped to 0..1, differentiable, any shape."""
    x = x.clamp(0.0, 1.0)
    return torch.where(x <= 0.0031308, x * 12.92, 1.055 * x.clamp_min(0.0031308) ** (1 / 2.4) - 0.055)


def linear_from_srgb(s: Tensor) -> Tensor:
    """Linear light of sRGB 0..1, any shape."""
    return torch.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)


def waves(cycles: Tensor, height: int, width: int, stride: int) -> Tensor:
    """Sines then cosines (B, 2K, height/stride, width/stride) of wave vectors (B, K, 2) in cycles a torus.

    Pixel centres are sampled; a wave too fine for the grid is left out (zero), not aliased.
    """
    h, w = height // stride, width // stride
    y = (torch.arange(h, dtype=cycles.dtype, device=cycles.device) + 0.5) / h
    x = (torch.arange(w, dtype=cycles.dtype, device=cycles.device) + 0.5) / w
    seen = ((cycles[..., 0].abs() * 2 <= w) & (cycles[..., 1].abs() * 2 <= h))[..., None, None]
    # Sine and cosine of a sum from those of its terms: no transcendental a pixel.
    across = (2 * math.pi * cycles[..., 0, None] * x)[..., None, :]
    along = (2 * math.pi * cycles[..., 1, None] * y)[..., None]
    sin_x, cos_x, sin_y, cos_y = across.sin(), across.cos(), along.sin() * seen, along.cos() * seen
    return torch.cat([sin_x * cos_y + cos_x * sin_y, cos_x * cos_y - sin_x * sin_y], 1)


class _Wrap(torch.autograd.Function):
    """One pixel of circular padding, with its own gradient: the library's costs more than the convolution."""

    @staticmethod
    def forward(_context: Any, x: Tensor) -> Tensor:
        return F.pad(x, (1, 1, 1, 1), mode="circular")

    @staticmethod
    def backward(_context: Any, gradient: Tensor) -> Tensor:
        out = gradient[..., 1:-1, 1:-1].clone()
        out[..., 0, :] += gradient[..., -1, 1:-1]
        out[..., -1, :] += gradient[..., 0, 1:-1]
        out[..., :, 0] += gradient[..., 1:-1, -1]
        out[..., :, -1] += gradient[..., 1:-1, 0]
        out[..., 0, 0] += gradient[..., -1, -1]
        out[..., 0, -1] += gradient[..., -1, 0]
        out[..., -1, 0] += gradient[..., 0, -1]
        out[..., -1, -1] += gradient[..., 0, 0]
        return out


class Layer(nn.Module):
    """Circular convolution, pixel norm, then scale and shift from the condition, then leaky ReLU."""

    def __init__(self, n_in: int, n_out: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_in, n_out, kernel)
        self.style = nn.Linear(_CONDITION, 2 * n_out)
        nn.init.normal_(self.style.weight, std=0.05)
        nn.init.zeros_(self.style.bias)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """(B, n_in, H, W) and condition (B, C) to (B, n_out, H, W)."""
        if self.conv.kernel_size == (1, 1):
            x = _pointwise(self.conv, x)
        else:
            wrapped: Tensor = _Wrap.apply(x)  # type: ignore[no-untyped-call]
            x = self.conv(wrapped)
        # x * x and the cast keep a reduced precision; autocast would square in float32.
        x = x * ((x * x).mean(1, keepdim=True) + 1e-6).rsqrt().to(x.dtype)
        scale, shift = self.style(c)[..., None, None].chunk(2, 1)
        return F.leaky_relu(x * (1 + scale) + shift, 0.2)


def _lowered(x: Tensor) -> Tensor:
    """At the precision of the autocast around, if there is one: a later mix with float32 would undo it."""
    kind = x.device.type
    return x.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else x


def _pointwise(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """A 1 x 1 convolution as one matrix product a picture, which is the faster way on a CPU."""
    assert conv.bias is not None  # noqa: S101
    out = conv.weight.flatten(1) @ x.flatten(2) + conv.bias[:, None]
    return out.view(len(x), -1, *x.shape[2:])


class Generator(nn.Module):
    """Albedo and height of a fabric on a torus, from condition, style, lattice and noise."""

    def __init__(self) -> None:
        super().__init__()
        self.classes = nn.Embedding(len(NAMES), 32)
        self.counts = nn.Embedding(SLOTS, 8)
        self.condition = nn.Sequential(
            nn.Linear(32 + 8 + STYLE, _CONDITION), nn.LeakyReLU(0.2), nn.Linear(_CONDITION, _CONDITION)
        )
        self.learned = nn.Linear(_CONDITION, 2 * LEARNED)
        self.design = Design(_CONDITION)
        layers, n_in = [], 0
        for level in LEVELS[:-1]:
            layers += [Layer(n_in + _COARSE + NOISE[level], 64, 3), Layer(64, 64, 3)]
            n_in = 64
        layers += [
            Layer(n_in + _COARSE + 4 * (_FINE + NOISE[1] + DESIGN), 64, 1),
            Layer(64, 64, 3),
            Layer(64, 64, 1),
        ]
        self.layers = nn.ModuleList(layers)
        self.out = nn.Conv2d(64, 4 * (SLOTS + 5), 1)

    def wave_vectors(self, c: Tensor, cycles: Tensor, height: int, width: int) -> Tensor:
        """All wave vectors (B, K, 2), whole cycles on the torus: the coarse ones, then the fine ones.

        ``cycles`` (B, 3, 2, 2): pattern, repeat and yarn, cycles on this torus, (x, y).
        """
        pattern, repeat, yarn = (
            torch.as_tensor(h, dtype=cycles.dtype, device=cycles.device) @ cycles[:, i]
            for i, h in enumerate(HARMONICS)
        )
        extent = torch.tensor([width, height], dtype=cycles.dtype, device=cycles.device)
        free = torch.tanh(self.learned(c)).view(-1, LEARNED, 2) * REACH * extent
        free = free + (free.round() - free).detach()
        return torch.cat([pattern, free, repeat, yarn], 1)

    def embed(self, classes: Tensor, count: Tensor, style: Tensor) -> Tensor:
        """The condition (B, C) of class indices (B,), numbers of colours (B,) and styles (B, STYLE)."""
        return self.condition(torch.cat([self.classes(classes), self.counts(count - 1), style], 1))  # type: ignore[no-any-return]

    def forward(
        self,
        classes: Tensor,
        palette: Tensor,
        count: Tensor,
        style: Tensor,
        cycles: Tensor,
        noise: list[Tensor],
    ) -> Tensor:
        """Fabric (B, 4, H, W): albedo sRGB 0..1 and height 0..1. Arguments as ``weave``."""
        return self.weave(classes, palette, count, style, cycles, noise)[0]

    def weave(
        self,
        classes: Tensor,
        palette: Tensor,
        count: Tensor,
        style: Tensor,
        cycles: Tensor,
        noise: list[Tensor],
    ) -> tuple[Tensor, Tensor]:
        """(fabric (B, 4, H, W), the share of each palette colour in each pixel (B, SLOTS, H, W)).

        ``classes`` and ``count`` (B,) int; ``palette`` (B, 4, 3) sRGB; ``style`` (B, STYLE);
        ``cycles`` (B, 3, 2, 2) whole; ``noise``: (B, n, H/s, W/s) for each stride s of NOISE.
        """
        height, width = noise[-1].shape[-2:]
        c = self.embed(classes, count, style)
        vectors = self.wave_vectors(c, cycles, height, width)
        coarse = _COARSE // 2
        x: Tensor | None = None
        layers = iter(self.layers)
        for level, local in zip(LEVELS, noise, strict=True):
            parts = [_lowered(waves(vectors[:, :coarse], height, width, level))]
            if x is not None:
                parts.append(F.interpolate(x, scale_factor=2.0, mode="nearest"))
            if level == LEVELS[-1]:
                # The finest grid computes 2 x 2 px at once: full-resolution waves, noise and design go in
                # as four sub-pixels, and the four sub-pixels come out.
                design = self.design(c, cycles[:, 0], height, width)
                fine = torch.cat([waves(vectors[:, coarse:], height, width, 1), local, design], 1)
                parts.append(F.pixel_unshuffle(_lowered(fine), 2))
            else:
                parts.append(_lowered(local))
            x = next(layers)(torch.cat(parts, 1), c)
            x = next(layers)(x, c)
        x = next(layers)(x, c)
        raw = F.pixel_shuffle(_pointwise(self.out, x), 2)
        with torch.autocast(raw.device.type, enabled=False):
            return compose(raw.float(), palette, count)


def compose(raw: Tensor, palette: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """The fabric (B, 4, H, W) and colour shares of the last maps (B, SLOTS + 5, H, W); see the head."""
    absent = torch.arange(SLOTS, device=raw.device) >= count[:, None]
    mix = (2.0 * raw[:, :SLOTS]).masked_fill(absent[..., None, None], -1e4).softmax(1)
    gain = (0.8 * torch.tanh(raw[:, SLOTS : SLOTS + 1])).exp()
    gain = gain / gain.mean((2, 3), keepdim=True)
    residual = 0.12 * torch.tanh(raw[:, SLOTS + 2 :])
    residual = residual - residual.mean((2, 3), keepdim=True)
    colour = torch.einsum("bkhw,bkc->bchw", mix, linear_from_srgb(palette))
    albedo = srgb_from_linear(colour * gain * (1 + residual))
    return torch.cat([albedo, torch.sigmoid(raw[:, SLOTS + 1 : SLOTS + 2])], 1), mix


def _start(network: nn.Module) -> None:
    """He's initialisation for leaky ReLU: the library's own halves the signal at every layer."""
    for part in network.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, a=0.2)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


class Discriminator(nn.Module):
    """Patch logits at 4 px and 16 px strides, each with a class projection."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.PixelUnshuffle(2),
            nn.Conv2d(16, 48, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(48, 80, 4, 2, 1),
            nn.LeakyReLU(0.2),
        )
        self.second = nn.Sequential(
            nn.Conv2d(80, 96, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(96, 128, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(128, 128, 3, padding=1),
            nn.LeakyReLU(0.2),
        )
        self.fine, self.broad = nn.Conv2d(80, 1, 1), nn.Conv2d(128, 1, 1)
        self.fine_class, self.broad_class = nn.Embedding(len(NAMES), 80), nn.Embedding(len(NAMES), 128)
        _start(self)
        for table in (self.fine_class, self.broad_class):
            nn.init.normal_(table.weight, std=0.1)
        for head in (self.fine, self.broad):
            nn.init.normal_(head.weight, std=0.1)

    def forward(self, fabric: Tensor, classes: Tensor) -> list[Tensor]:
        """Logits [(B, H/4, W/4), (B, H/16, W/16)], large for real, of standardised fabrics (B, 4, H, W)."""
        low = self.first(fabric)
        high = self.second(low)
        return [
            self.fine(low)[:, 0] + torch.einsum("bchw,bc->bhw", low, self.fine_class(classes)) / 9.0,
            self.broad(high)[:, 0] + torch.einsum("bchw,bc->bhw", high, self.broad_class(classes)) / 11.3,
        ]


class Recogniser(nn.Module):
    """The class of a fabric by its albedo alone, as a shopper tells it; relief is not what makes a tartan."""

    def __init__(self) -> None:
        super().__init__()
        chain: list[nn.Module] = [nn.PixelUnshuffle(2), nn.Conv2d(12, 40, 3, padding=1), nn.LeakyReLU(0.2)]
        for n_in, n_out in ((40, 64), (64, 96), (96, 128)):
            chain += [nn.Conv2d(n_in, n_out, 4, 2, 1), nn.LeakyReLU(0.2)]
        self.features = nn.Sequential(*chain)
        self.out = nn.Linear(2 * 128, len(NAMES))
        _start(self)

    def forward(self, fabric: Tensor) -> Tensor:
        """Class logits (B, classes) of standardised fabrics (B, 4, H, W)."""
        return self.out(self.describe(fabric))  # type: ignore[no-any-return]

    def describe(self, fabric: Tensor) -> Tensor:
        """Traits (B, 256) of standardised fabrics (B, 4, H, W): each feature's mean and strength."""
        seen = self.features(fabric[:, :3]).flatten(2)
        return torch.cat([seen.mean(2), seen.square().mean(2).add(1e-6).sqrt()], 1)


class Encoder(nn.Module):
    """The style of a swatch: mean and log variance of q(z | fabric), for the reconstruction term.

    It sees how close each pixel is to each palette colour, and the height, so a style holds the
    weave and the design, never the dye.
    """

    def __init__(self) -> None:
        super().__init__()
        chain: list[nn.Module] = []
        for n_in, n_out in ((SLOTS + 1, 24), (24, 32), (32, 48), (48, 64)):
            chain += [nn.Conv2d(n_in, n_out, 4, 2, 1), nn.LeakyReLU(0.2)]
        self.features = nn.Sequential(*chain, nn.AdaptiveAvgPool2d(8), nn.Flatten())
        self.out = nn.Linear(64 * 64 + 16, 2 * STYLE)
        self.classes = nn.Embedding(len(NAMES), 16)
        _start(self)
        # Styles start near the prior's middle; from far out the KL term would drown all else.
        nn.init.normal_(self.out.weight, std=0.003)

    def forward(
        self, fabric: Tensor, palette: Tensor, count: Tensor, classes: Tensor
    ) -> tuple[Tensor, Tensor]:
        """(mean, log variance), each (B, STYLE)."""
        far = (fabric[:, None, :3] - palette[..., None, None]).square().sum(2)
        near = torch.exp(-8 * far)
        absent = torch.arange(SLOTS, device=far.device) >= count[:, None]
        near = near.masked_fill(absent[..., None, None], 0.0)
        seen = self.features(torch.cat([near, fabric[:, 3:]], 1))
        mean, log_variance = self.out(torch.cat([seen, self.classes(classes)], 1)).chunk(2, 1)
        return mean, log_variance.clamp(-8, 4)
