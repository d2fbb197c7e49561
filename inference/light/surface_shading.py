"""How colours change with the surface's normal, whatever the surface is painted with.

Two ways, both on half the resolution, for normals are no finer: ``shading`` takes all of it for one
colour but for outliers, which serves a face; ``shading_of_parts`` takes it for parts of a colour each.
"""

from __future__ import annotations

import numpy as np

from mirror.types import F32

_RIDGE = np.array([0.01, 0.03, 0.03, 0.06], np.float32)  # of the constant and the slopes along x, y, z
_SPREAD = np.array([0.25, 0.3, 0.3], np.float32)  # of the colours of one part
_PARTS = 4
_STEPS = 3  # of expectation and maximisation; more changes little
_OUTSIDE = np.float32(0.1)  # a part's likelihood below which a pixel belongs to none
_FACING = (0.6, 0.9)  # how far a surface faces the camera to count for the first part, none to all


def surface_seen(normals: F32) -> F32:
    """1 where normals (B, h, w, 3) are of a surface, else 0."""
    length = np.einsum("bhwk,bhwk->bhw", normals, normals)
    return np.asarray(length > 0, np.float32)


def shading(colours: F32, mask: F32, normals: F32) -> F32:
    """How colours (B, h, w, 3) change with the normal: a constant and a slope of each (B, 12), least squares.

    Eyes, hair and prints are other than what surrounds them: a second fit trusts less what the first
    one misses.
    """
    values, flat, weight = _pixels(colours, mask, normals)
    design = np.concatenate([np.ones_like(flat[..., :1]), flat], 2)
    trust = weight
    for again in (True, False):
        weighted = (design * trust[..., None]).transpose(0, 2, 1)
        left = weighted @ design + np.diag(_RIDGE) * (1.0 + trust.sum(1))[:, None, None]
        fitted = np.linalg.solve(left, weighted @ values)
        if again:
            missed = (values - design @ fitted) / _SPREAD
            trust = weight / (1 + np.einsum("bnk,bnk->bn", missed, missed))
    return np.asarray(fitted.transpose(0, 2, 1).reshape(len(colours), 12), np.float32)


def shading_of_parts(colours: F32, mask: F32, normals: F32) -> F32:
    """As ``shading`` of a surface of several colours: skin, shirt, trousers, prints.

    A mixture of regressions (DeSarbo and Cron 1988) whose parts have a constant each and the slopes in
    common, by expectation and maximisation. The constant returned is that of the first part, what faces
    the camera.
    """
    values, flat, weight = _pixels(colours, mask, normals)
    seen = weight.any(0)  # all that is to be seen of one probe alone
    values, flat, weight = values[:, seen] / _SPREAD, flat[:, seen], weight[:, seen]
    middles = _apart(values, flat, weight)
    both = np.concatenate([np.ones_like(flat[..., :1]), flat, values], 2)
    slopes = np.zeros((len(colours), 3, 3), np.float32)
    for _ in range(_STEPS):
        unshaded = values - flat @ slopes
        square = np.einsum("bnc,bnc->bn", unshaded, unshaded)[..., None] - 2 * (
            unshaded @ middles.transpose(0, 2, 1)
        )
        square += np.einsum("bkc,bkc->bk", middles, middles)[:, None]
        likely = np.exp(np.float32(-0.5) * square)
        likely *= (weight / (likely.sum(2) + _OUTSIDE))[..., None]
        sums = likely.transpose(0, 2, 1) @ both
        counts = np.maximum(sums[..., :1], np.float32(1e-6))
        means = sums[..., 1:] / counts
        trust = likely.sum(2)
        products = (flat * trust[..., None]).transpose(0, 2, 1) @ both[..., 1:]
        products -= (means[..., :3] * counts).transpose(0, 2, 1) @ means
        left = products[..., :3] + np.diag(_RIDGE[1:]) * (1.0 + trust.sum(1))[:, None, None]
        slopes = np.linalg.solve(left, products[..., 3:])
        middles = means[..., 3:] - means[..., :3] @ slopes
    fitted = np.concatenate([middles[:, :1], slopes], 1) * _SPREAD
    return np.asarray(fitted.transpose(0, 2, 1).reshape(len(colours), 12), np.float32)


def _apart(values: F32, flat: F32, weight: F32) -> F32:
    """Colours (B, _PARTS, 3) to begin with: what faces the camera, then what is unlike those before."""
    low, high = _FACING
    share = weight * (np.clip((-flat[..., 2] - low) / (high - low), 0, 1) + np.float32(1e-4))
    found: list[F32] = []
    nearest = np.zeros_like(weight)
    for number in range(_PARTS):
        middle = _mean(values, share)
        for _ in range(2):  # towards the densest of them
            near = np.float32(1) + _distance(values, middle)
            middle = _mean(values, share / (near * near))
        found.append(middle)
        if number < _PARTS - 1:
            distance = _distance(values, middle)
            nearest = np.minimum(nearest, distance) if number else distance
            share = weight * np.maximum(nearest - 4, 0)
    return np.stack(found, 1)


def _mean(values: F32, weight: F32) -> F32:
    total = (weight[:, None] @ values)[:, 0]
    return np.asarray(total / np.maximum(weight.sum(1), np.float32(1e-9))[:, None], np.float32)


def _distance(values: F32, middle: F32) -> F32:
    away = values - middle[:, None]
    return np.asarray(np.einsum("bnc,bnc->bn", away, away))


def _pixels(colours: F32, mask: F32, normals: F32) -> tuple[F32, F32, F32]:
    """Colours and normals (B, N, 3) and weights (B, N) at half the resolution."""
    count = len(colours)
    flat = _halved(normals)
    weight = _halved(mask[..., None])[..., 0] * surface_seen(flat)
    return _halved(colours).reshape(count, -1, 3), flat.reshape(count, -1, 3), weight.reshape(count, -1)


def _halved(pictures: F32) -> F32:
    """Means (B, h / 2, w / 2, C) of squares of four pixels."""
    return np.asarray(
        (pictures[:, ::2, ::2] + pictures[:, 1::2, ::2] + pictures[:, ::2, 1::2] + pictures[:, 1::2, 1::2])
        * np.float32(0.25)
    )
