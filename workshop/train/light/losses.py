"""What the light network is taught by. Outputs are as ``workshop.train.light.network`` says.

With light s (9 x RGB), its picture on normal n is B(n) s. Terms, over labelled probes:

- sphere: |B(n)(s' - s)| over the light's own mean, on normals of the whole sphere, those that face the
  camera counting thrice (Huber);
- colour: the angle between the colours of those pictures, radians, as the camera sees the sphere;
- level: |log level' - log level|, weak, because reflectance is ambiguous;
- direction: the distance of the main directions' unit vectors, more where the light has a side;
- calibration: the Gaussian likelihood of the direction's error under the predicted variance.

And over unlabelled pictures p:

- crop(p) and crop'(p) have one light: ``agreement``, the sphere term between the two, over gains. The
  second is told by the running mean of the weights, a mean teacher (Tarvainen and Valpola 2017): taught
  both, the network would agree with itself on no light at all;
- gain(p) scales the light: exactly so by ``probe.normalised``;
- mirror(p) mirrors it: exactly so by ``forward.Network.light``, and half of all probes are mirrored.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from inference.light.network import LEVEL_TINT, SIDE_TINT
from mirror.shading.colour import LUMINANCE_RGB
from mirror.shading.spherical_harmonics import SH_CONSTANTS, sh_basis
from workshop.synthetic.light.environment import rays

_BASIS = torch.tensor(sh_basis(rays()), dtype=torch.float32)  # (RAYS, 9)
_SEEN = torch.tensor(np.maximum(-rays()[:, 2], 0.0) * 4 + 0.02, dtype=torch.float32)  # mean about 1
_WEIGHT = torch.tensor(np.where(rays()[:, 2] < 0, 3.0, 1.0) / 2, dtype=torch.float32)
_GREY = torch.tensor(LUMINANCE_RGB, dtype=torch.float32)
_FIRST = float(SH_CONSTANTS[0])


def coefficients(out: Tensor) -> Tensor:
    """Light (B, 9, 3) over the gain of outputs (B, 28)."""
    green, red, blue = out[:, 0], out[:, 1] * LEVEL_TINT, out[:, 2] * LEVEL_TINT
    first = torch.stack([green + red, green, green + blue], 1).clamp(-6, 6).exp() / _FIRST
    sides = out[:, 3:27].reshape(-1, 3, 8)
    ratios = torch.stack(
        [sides[:, 0] + SIDE_TINT * sides[:, 1], sides[:, 0], sides[:, 0] + SIDE_TINT * sides[:, 2]], 2
    )
    return torch.cat([first[:, None], ratios * first[:, None]], 1)


def direction(sh: Tensor) -> Tensor:
    """First band (B, 3) x, y, z of the luminance of light (B, 9, 3)."""
    return (sh @ _GREY)[:, [3, 1, 2]]


def sphere(first: Tensor, second: Tensor) -> Tensor:
    """Mean difference of two lights' pictures on a sphere, over the second's level."""
    level = (second[:, 0] * _FIRST) @ _GREY
    pictures = torch.einsum("nk,bkc->bnc", _BASIS, first - second) / level[:, None, None].clamp_min(1e-6)
    difference = functional.huber_loss(pictures, torch.zeros_like(pictures), reduction="none", delta=0.3)
    return (difference.mean(2) * _WEIGHT).mean()


def colours(sh: Tensor) -> Tensor:
    """Unit colours (B, RAYS, 3) of a light's picture on a sphere."""
    pictures = torch.einsum("nk,bkc->bnc", _BASIS, sh)
    floor = 0.03 * (sh[:, 0] * _FIRST) @ _GREY  # the dark side's colour is not seen
    return functional.normalize(torch.maximum(pictures, floor[:, None, None].clamp_min(1e-6)), dim=2)


def labelled(out: Tensor, truth: Tensor) -> dict[str, Tensor]:
    """The labelled terms of outputs (B, 28) against light (B, 9, 3) over the gain."""
    made = coefficients(out)
    log_truth = (truth[:, 0] * _FIRST).clamp_min(1e-4).log()
    log_made = (made[:, 0] * _FIRST).log()
    level = log_made.mean(1) - log_truth.mean(1)
    # The sphere and direction terms look past the level, which cannot be known as well as the rest.
    scaled = made * torch.exp(-level)[:, None, None]
    towards, truly = direction(made), direction(truth)
    cosine = functional.cosine_similarity(towards, truly, dim=1, eps=1e-6)
    side = (truly.norm(dim=1) / (truth[:, 0] @ _GREY).clamp_min(1e-6)).clamp(0.2, 0.6)
    error = torch.arccos(cosine.detach().clamp(-0.9999, 0.9999)) ** 2
    log_variance = out[:, 27].clamp(-8, 3)
    return {
        "sphere": sphere(scaled, truth),
        # The chord is the angle, where it is small, and has a slope everywhere.
        "colour": (((colours(made) - colours(truth)).square().sum(2) + 1e-6).sqrt() * _SEEN).mean(),
        "level": functional.huber_loss(level, torch.zeros_like(level), delta=0.5),
        "direction": (((2 - 2 * cosine).clamp_min(0) + 1e-3).sqrt() * side).mean(),
        "calibration": (error * torch.exp(-log_variance) + log_variance).mean(),
        "degrees": torch.rad2deg(error.sqrt()).median(),
    }


WEIGHTS = {
    "sphere": 6.0,
    "colour": 20.0,
    "level": 0.5,
    "direction": 1.5,
    "calibration": 0.05,
    "agreement": 0.3,
}


def total(terms: dict[str, Tensor]) -> Tensor:
    """The weighted sum of the terms."""
    return torch.stack([WEIGHTS[name] * value for name, value in terms.items() if name in WEIGHTS]).sum()


def agreement(first: Tensor, second: Tensor, gains: Tensor) -> Tensor:
    """How far the lights (B, 9, 3) of outputs for two crops differ; ``gains`` (B,) of first over second.

    In all but their level: a difference over the second's level is least towards the dark, and a network
    that is its own teacher would follow it there, further with every step.
    """
    here, there = coefficients(first) * gains[:, None, None], coefficients(second)
    ratio = (there[:, 0] @ _GREY) / (here[:, 0] @ _GREY).clamp_min(1e-6)
    return sphere(here * ratio[:, None, None], there)
