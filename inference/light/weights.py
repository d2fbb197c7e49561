"""The shipped weights of the light network, in half precision."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from inference.weights import WeightsKind

SHIPPED = Path(__file__).resolve().parent / "data" / "light_net.safetensors"
WEIGHTS = WeightsKind(
    some="weights of the light network",
    of="a light network",
    format="fitting-mirror-light-net",
    version=3,
    dtype=np.float16,
)
