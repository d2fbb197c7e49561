"""Order-2 irradiance: from radiance, to directions, colours and pictures of a lit sphere.

Coefficients are (9, 3) linear RGB in the basis that ``mirror.messages.Light`` documents.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inference.light.analytic import sh_basis
from mirror.errors import MirrorError
from mirror.types import F64

LUMINANCE_RGB = np.array([0.2126, 0.7152, 0.0722])
#: Seen in a mirror: the functions odd in x change their sign.
MIRROR_SIGNS = np.array([1, 1, 1, -1, -1, 1, 1, -1, 1], np.float32)
#: The clamped cosine, band by band, over pi (Ramamoorthi and Hanrahan 2001).
COSINE = np.array([1.0] + [2 / 3] * 3 + [1 / 4] * 5)

_RGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def irradiance(directions: F64, radiance: F64, solid_angle: F64) -> F64:
    """E/pi (9, 3) of radiance (N, 3) from unit ``directions`` (N, 3) over ``solid_angle`` (N,) sr."""
    weighted = radiance * solid_angle[:, None]
    return np.asarray((sh_basis(directions).T @ weighted) * COSINE[:, None])


def main_direction(sh: F64) -> F64:
    """Unit vector (3,) towards the main light: the first band of the luminance."""
    grey = np.asarray(sh, np.float64) @ LUMINANCE_RGB
    vector = grey[[3, 1, 2]]
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12))


def angle_deg(a: F64, b: F64) -> float:
    """Angle between two vectors, degrees."""
    cosine = float(a @ b) / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-12)
    return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))


def colour_temperature(sh: F64) -> float:
    """Correlated colour temperature, kelvin, of the light from everywhere (McCamy 1992); 1000..25000.

    MirrorError for light without any colour: all coefficients 0.
    """
    x, y, z = _RGB_TO_XYZ @ np.maximum(np.asarray(sh, np.float64)[0], 0.0)
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
    rgb = np.maximum(np.linalg.solve(_RGB_TO_XYZ, xyz), 0.02)
    return np.asarray(rgb / rgb.mean())


def sphere_normals(side: int) -> tuple[F64, NDArray[np.bool_]]:
    """Camera-space normals (side, side, 3) of a sphere that fills a square picture, and where it is."""
    grid = (np.arange(side) + 0.5) / side * 2 - 1
    x, y = np.meshgrid(grid, grid)
    inside = x**2 + y**2 < 1.0
    z = -np.sqrt(np.clip(1.0 - x**2 - y**2, 0.0, None))
    return np.stack([x, y, z], -1), inside


def sphere_picture(sh: F64, side: int) -> F64:
    """Linear RGB (side, side, 3) of a white diffuse sphere, 0 around it."""
    normals, inside = sphere_normals(side)
    lit = sh_basis(normals.reshape(-1, 3)) @ np.asarray(sh, np.float64)
    return np.asarray(np.where(inside[..., None], np.maximum(lit, 0.0).reshape(side, side, 3), 0.0))
