"""The generator at work on the kiosk: numpy and BLAS alone, straight from the safetensors file.

The same arithmetic as ``network.Generator``, which the tests hold it to; no torch at run time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.fabric.classes import NAMES, check_class
from inference.fabric.lattice import HARMONICS, LEARNED, LEVELS, NOISE, REACH, STYLE, design_harmonics
from inference.fabric.weights import WEIGHTS
from mirror.shading.colour import to_lab, to_linear, to_srgb
from mirror.types import F32

#: The weights that the project ships.
SHIPPED = Path(__file__).resolve().parent / "data" / "fabric_gan.safetensors"
_SLOTS = 4
_COARSE = len(HARMONICS[0]) + LEARNED
#: Pictures' designs are drawn for palettes about this near to the picture's (CIE Lab), there so many times
#: as often as woven ones.
_NEAR, _LIKELIER = 14.0, 20.0
_STEP = math.sqrt(2) - 1  # of the seeds through the designs


@dataclass(frozen=True)
class LatentCode:
    """What decides a sample beside its size and palette.

    ``condition`` (C,): class, number of colours and style, embedded; ``lattice`` (3, 2, 2): wave
    vectors in cycles a px; ``pixels_per_metre``; ``seed`` of the local noise.
    """

    condition: F32
    lattice: F32
    pixels_per_metre: float
    seed: int


class FabricGenerator:
    """Weights in memory, ready to weave. MirrorError if the file is missing, damaged or another version."""

    def __init__(self, path: Path = SHIPPED) -> None:
        arrays, self.facts = WEIGHTS.load(path)
        self._net = {k.removeprefix("net."): v for k, v in arrays.items() if k.startswith("net.")}
        self._styles, self._cycles = arrays["prior_styles"], arrays["prior_cycles"]
        self._counts, self._scale = arrays["prior_counts"], arrays["pixels_per_metre"]
        self._palettes, self._pictured = arrays["prior_palettes"], arrays["prior_pictured"] > 0

    def recipe(self, fabric_class: str, palette: F32, seed: int) -> LatentCode:
        """The recipe of a seed for a class and the one to four colours (k, 3) sRGB 0..1 of a palette.

        The seed draws a design by ``odds``, and a style from its posterior.
        """
        index, colours = NAMES.index(check_class(fabric_class)), len(palette)
        rng = np.random.default_rng([seed, index])
        # Steps through the designs, not draws: one seed's design is never the next one's by chance.
        reached = np.searchsorted(np.cumsum(self.odds(index, palette)), seed * _STEP % 1.0, side="right")
        design = min(int(reached), len(self._counts[index]) - 1)
        mean, deviation = self._styles[index, design]
        style = mean + deviation * rng.standard_normal(STYLE, np.float32)
        lattice = self._cycles[index, design]
        return LatentCode(self._embed(index, colours, style), lattice, float(self._scale[index]), seed)

    def odds(self, index: int, palette: F32) -> NDArray[np.float64]:
        """Each design's probability (P,) for a class and palette: of those taught with as many colours.

        All designs, where none was. A picture is of a cloth as it is dyed, denim blue: its design is
        likely where the palette is near to the picture's, and hardly drawn where it is far. Woven
        designs were taught in all colours, and are equally likely in all.
        """
        fitting = self._counts[index] == len(palette)
        if not fitting.any():
            fitting = np.ones_like(fitting)
        pictured = fitting & self._pictured[index]
        weight = fitting.astype(np.float64)
        if pictured.any() and not pictured[fitting].all():
            lab = to_lab(self._palettes[index, pictured, : len(palette)])
            far = np.linalg.norm(lab - to_lab(palette), axis=2).mean(1)
            woven = weight.sum() - pictured.sum()
            weight[pictured] = np.exp(-((far / _NEAR) ** 2) / 2) * _LIKELIER * woven / pictured.sum()
        return np.asarray(weight / weight.sum())

    def fabric(self, recipe: LatentCode, palette: F32, size: tuple[int, int]) -> tuple[F32, F32]:
        """(albedo (H, W, 3) sRGB 0..1, height (H, W) 0..1) of ``size`` (height, width) px, multiples of 8.

        The palette (k, 3) is sRGB 0..1. Both pictures tile.
        """
        h, w = size
        rng = np.random.default_rng([recipe.seed, 7])
        noise = {s: rng.standard_normal((n, h // s, w // s), np.float32) for s, n in NOISE.items()}
        return self.render(recipe, palette, noise)

    def render(self, recipe: LatentCode, palette: F32, noise: dict[int, F32]) -> tuple[F32, F32]:
        """``fabric`` with the local noise given: for each stride of NOISE, (n, H/stride, W/stride)."""
        h, w = noise[1].shape[1:]
        vectors = self._wave_vectors(recipe, h, w)
        x: F32 | None = None
        layer = 0
        for level in LEVELS:
            parts = [_waves(vectors[:_COARSE], h, w, level)]
            if x is not None:
                parts.append(x.repeat(2, 1).repeat(2, 2))
            if level == LEVELS[-1]:
                fine = np.concatenate(
                    [_waves(vectors[_COARSE:], h, w, 1), noise[1], self._design(recipe, h, w)]
                )
                parts.append(_unshuffle(fine))
            else:
                parts.append(noise[level])
            x = self._layer(layer, np.concatenate(parts), recipe.condition)
            x = self._layer(layer + 1, x, recipe.condition)
            layer += 2
        assert x is not None  # noqa: S101
        x = self._layer(layer, x, recipe.condition)
        weight, bias = self._net["out.weight"], self._net["out.bias"]
        raw = weight[:, :, 0, 0] @ x.reshape(len(x), -1) + bias[:, None]
        return _compose(_shuffle(raw.reshape(-1, h // 2, w // 2)), np.asarray(palette, np.float32))

    def _embed(self, index: int, colours: int, style: F32) -> F32:
        net = self._net
        x = np.concatenate([net["classes.weight"][index], net["counts.weight"][colours - 1], style])
        x = _leaky(net["condition.0.weight"] @ x + net["condition.0.bias"])
        return np.asarray(net["condition.2.weight"] @ x + net["condition.2.bias"], np.float32)

    def _wave_vectors(self, recipe: LatentCode, h: int, w: int) -> F32:
        """(K, 2) whole cycles on the torus; the asked-for lattice is rounded to fit it."""
        extent = np.array([w, h], np.float32)
        cycles = whole_cycles(recipe.lattice, h, w)
        pattern, repeat, yarn = (
            np.array(harmonics, np.float32) @ cycles[i] for i, harmonics in enumerate(HARMONICS)
        )
        free = self._net["learned.weight"] @ recipe.condition + self._net["learned.bias"]
        learned = np.rint(np.tanh(free).reshape(LEARNED, 2) * REACH * extent)
        return np.concatenate([pattern, learned, repeat, yarn]).astype(np.float32)

    def _design(self, recipe: LatentCode, h: int, w: int) -> F32:
        """``design.Design``: its channels (DESIGN, h, w)."""
        pattern = whole_cycles(recipe.lattice, h, w)[0]
        parts = []
        for group, harmonics in enumerate(design_harmonics()):
            order = np.array(harmonics, np.float32)
            fall = 1 / (1 + np.hypot(*order.T))
            fall *= np.sqrt(2 / (fall**2).sum())
            name = f"design.heads.{group}"
            raw = self._net[f"{name}.weight"] @ recipe.condition + self._net[f"{name}.bias"]
            a, b = raw.reshape(2, -1, len(order)) * fall
            parts.append(_series(order @ pattern, a, b, h, w))
        return np.concatenate(parts)

    def _layer(self, index: int, x: F32, condition: F32) -> F32:
        net, name = self._net, f"layers.{index}"
        weight, bias = net[f"{name}.conv.weight"], net[f"{name}.conv.bias"]
        c, h, w = x.shape
        if weight.shape[2] == 1:
            out = (weight[:, :, 0, 0] @ x.reshape(c, -1) + bias[:, None]).reshape(-1, h, w)
        else:
            out = _convolve(x, weight) + bias[:, None, None]
        out *= 1.0 / np.sqrt(np.einsum("chw,chw->hw", out, out) / len(out) + 1e-6)
        scale, shift = np.split(net[f"{name}.style.weight"] @ condition + net[f"{name}.style.bias"], 2)
        out *= 1 + scale[:, None, None]
        out += shift[:, None, None]
        return _leaky(out)


def whole_cycles(lattice: F32, h: int, w: int) -> F32:
    """Wave vectors in cycles a px (..., 2) as whole cycles on a torus of h x w px.

    Weave and yarns keep their ratio to each other: the yarns' count is the repeat's count times the
    yarns in a repeat, or the weave would slip against its own interlacing. Where the pattern is
    a multiple of the repeat (a houndstooth's teeth), that ratio is kept too.
    """
    cycles = np.rint(lattice * np.array([w, h], np.float32))
    pattern, repeat, yarn = lattice
    for k in range(2):
        axis = int(np.abs(yarn[k]).argmax())
        if repeat[k, axis] == 0:
            continue
        ratio = np.abs(yarn[k, axis] / repeat[k, axis])
        if abs(ratio - round(float(ratio))) < 0.02:
            cycles[2, k] = cycles[1, k] * round(float(ratio))
        if np.allclose(pattern[k], repeat[k]):
            cycles[0, k] = cycles[1, k]
    return np.asarray(cycles, np.float32)


def _leaky(x: F32) -> F32:
    return np.asarray(np.maximum(x, 0.2 * x))


def _convolve(x: F32, weight: F32) -> F32:
    """3 x 3 circular cross-correlation of (C, H, W): nine matrix products on views of one padded array."""
    c, h, w = x.shape
    row = w + 2
    padded = np.zeros((c, (h + 2) * row + 2), np.float32)
    padded[:, : (h + 2) * row].reshape(c, h + 2, row)[:] = np.pad(x, ((0, 0), (1, 1), (1, 1)), mode="wrap")
    out = np.zeros((len(weight), h * row), np.float32)
    product = np.empty_like(out)
    for dy in range(3):
        for dx in range(3):
            start = dy * row + dx
            np.matmul(
                np.ascontiguousarray(weight[:, :, dy, dx]), padded[:, start : start + h * row], out=product
            )
            out += product
    return np.ascontiguousarray(out.reshape(-1, h, row)[:, :, :w])


def _waves(cycles: F32, h: int, w: int, stride: int) -> F32:
    rows, cols = h // stride, w // stride
    y, x = (np.arange(rows, dtype=np.float32) + 0.5) / rows, (np.arange(cols, dtype=np.float32) + 0.5) / cols
    out = np.zeros((2 * len(cycles), rows, cols), np.float32)
    for k, (cx, cy) in enumerate(cycles):
        if 2 * abs(cx) <= cols and 2 * abs(cy) <= rows:
            # Sine and cosine of a sum from those of its terms: outer products, no transcendental a pixel.
            ax, ay = 2 * math.pi * cx * x, 2 * math.pi * cy * y
            sx, kx, sy, ky = np.sin(ax), np.cos(ax), np.sin(ay)[:, None], np.cos(ay)[:, None]
            out[k] = sx * ky + kx * sy
            out[k + len(cycles)] = kx * ky - sx * sy
    return out


def _series(cycles: F32, a: F32, b: F32, h: int, w: int) -> F32:
    """``design.series``: (K, h, w) of waves (N, 2) with coefficients (K, N)."""
    seen = (np.abs(cycles[:, 0]) * 2 <= w) & (np.abs(cycles[:, 1]) * 2 <= h)
    cycles, a, b = cycles[seen], a[:, seen, None], b[:, seen, None]
    along = cycles[:, 1:] * ((np.arange(h, dtype=np.float32) + 0.5) * (2 * math.pi / h))
    across = cycles[:, :1] * ((np.arange(w, dtype=np.float32) + 0.5) * (2 * math.pi / w))
    sin_y, cos_y = np.sin(along), np.cos(along)
    left = np.concatenate([a * cos_y + b * sin_y, b * cos_y - a * sin_y], 1).astype(np.float32)
    right = np.concatenate([np.cos(across), np.sin(across)]).astype(np.float32)
    return np.asarray(left.transpose(0, 2, 1) @ right)


def _unshuffle(x: F32) -> F32:
    c, h, w = x.shape
    return np.ascontiguousarray(x.reshape(c, h // 2, 2, w // 2, 2).transpose(0, 2, 4, 1, 3)).reshape(
        4 * c, h // 2, w // 2
    )


def _shuffle(x: F32) -> F32:
    c, h, w = x.shape
    return np.ascontiguousarray(x.reshape(c // 4, 2, 2, h, w).transpose(0, 3, 1, 4, 2)).reshape(
        c // 4, 2 * h, 2 * w
    )


def _compose(raw: F32, palette: F32) -> tuple[F32, F32]:
    count = len(palette)
    logits = 2.0 * raw[:count]
    mix = np.exp(logits - logits.max(0))
    mix /= mix.sum(0)
    gain = np.exp(0.8 * np.tanh(raw[_SLOTS]))
    gain /= gain.mean()
    residual = 0.12 * np.tanh(raw[_SLOTS + 2 :])
    residual -= residual.mean((1, 2), keepdims=True)
    linear = np.einsum("khw,kc->chw", mix, to_linear(palette)) * gain * (1 + residual)
    height = 1 / (1 + np.exp(-raw[_SLOTS + 1]))
    return to_srgb(linear).transpose(1, 2, 0), np.asarray(height, np.float32)
