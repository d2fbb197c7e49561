"""How skin is shaded: what the renderer shows of skin under a light, and what inference takes away of it."""

from __future__ import annotations

import numpy as np

from mirror.shading.colour import LUMINANCE_RGB
from mirror.types import F64

__all__ = ["encoded", "skin_light"]

_COLOURED = 0.25  # of the light's differences in colour is shown: their estimate is rough
_GAMMA, _KNEE, _CEILING = 2.2, 0.9, 1.3  # of the renderer's picture of light


def skin_light(sh: F64) -> F64:
    """The light (9, 3) that skin is drawn under: most of its own colour is in the skin's tone already."""
    grey = (sh @ LUMINANCE_RGB)[:, None]
    return np.asarray(grey + _COLOURED * (sh - grey))


def encoded(irradiance: F64) -> F64:
    """Factor to sRGB values of a surface under this light (E / pi, any shape), as the renderer has it."""
    s = np.maximum(irradiance, 0.0) ** (1 / _GAMMA)
    over = np.maximum(s - _KNEE, 0.0) / (_CEILING - _KNEE)
    return np.asarray(np.minimum(s, _KNEE) + (_CEILING - _KNEE) * over / (1 + over))
