"""The shipped weights: one safetensors file with the EMA generator, its priors and what it was trained on.

Beside the network's parameters (``net.*``): the designs that samples start from
(``workshop.train.fabric.weights.Priors``, as ``prior_*``) and ``pixels_per_metre`` (classes,).
"""

from __future__ import annotations

import json

from inference.fabric.classes import NAMES
from inference.weights import WeightsKind

WEIGHTS = WeightsKind(
    some="fabric weights",
    of="a fabric generator",
    format="fitting-mirror-fabric-gan",
    version=4,
    same={"classes": json.dumps(NAMES)},
)
