"""The colour of light by its temperature, and the temperature by its colour."""

from __future__ import annotations

import numpy as np

from mirror.errors import MirrorError
from mirror.shading.colour import SRGB_TO_XYZ
from mirror.types import F64

__all__ = ["blackbody_rgb", "colour_temperature"]


def colour_temperature(sh: F64) -> float:
    """Correlated colour temperature, kelvin, of the light from everywhere (McCamy 1992); 1000..25000.

    MirrorError for light without any colour: all coefficients 0.
    """
    x, y, z = SRGB_TO_XYZ @ np.maximum(np.asarray(sh, np.float64)[0], 0.0)
    total = x + y + z
    if total <= 0.0:
        raise MirrorError("black light has no colour temperature")
    n = (x / total - 0.3320) / (0.1858 - y / total)
    return float(np.clip(449 * n**3 + 3525 * n**2 + 6823.3 * n + 5520.33, 1000.0, 25000.0))


def blackbody_rgb(kelvin: float) -> F64:
    """Linear sRGB (3,), mean 1, of a Planckian radiator of 1667..25000 K (Kim et al. 2002)."""
    t = float(np.clip(kelvin, 1667.0, 25000.0))
    if t < 4000:
        x = -0.2661239e9 / t**3 - 0.2343589e6 / t**2 + 0.8776956e3 / t + 0.179910
    else:
        x = -3.0258469e9 / t**3 + 2.1070379e6 / t**2 + 0.2226347e3 / t + 0.240390
    if t < 2222:
        y = -1.1063814 * x**3 - 1.34811020 * x**2 + 2.18555832 * x - 0.20219683
    elif t < 4000:
        y = -0.9549476 * x**3 - 1.37418593 * x**2 + 2.09137015 * x - 0.16748867
    else:
        y = 3.0817580 * x**3 - 5.87338670 * x**2 + 3.75112997 * x - 0.37001483
    xyz = np.array([x / y, 1.0, (1 - x - y) / y])
    rgb = np.maximum(np.linalg.solve(SRGB_TO_XYZ, xyz), 0.02)
    return np.asarray(rgb / rgb.mean())
