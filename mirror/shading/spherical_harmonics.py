"""Order-2 irradiance: from radiance, to directions, colours and pictures of a lit sphere.

Coefficients are (9, 3) linear RGB in the basis that ``mirror.messages.Light`` documents.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mirror.shading.colour import LUMINANCE_RGB
from mirror.types import F64

__all__ = [
    "COSINE",
    "MIRROR_SIGNS",
    "SH_CONSTANTS",
    "angle_deg",
    "irradiance",
    "lamp_sh",
    "main_direction",
    "sh_basis",
    "sphere_normals",
    "sphere_picture",
    "uniform_sh",
]

#: What each basis function is normalised by, in the order of ``mirror.messages.Light``.
SH_CONSTANTS = np.array(
    [0.282095, 0.488603, 0.488603, 0.488603, 1.092548, 1.092548, 0.315392, 1.092548, 0.546274]
)
#: Seen in a mirror: the functions odd in x change their sign.
MIRROR_SIGNS = np.array([1, 1, 1, -1, -1, 1, 1, -1, 1], np.float32)
#: The clamped cosine, band by band, over pi (Ramamoorthi and Hanrahan 2001).
COSINE = np.array([1.0] + [2 / 3] * 3 + [1 / 4] * 5)


def sh_basis(normals: F64) -> F64:
    """Real spherical harmonics (N, 9) at unit normals (N, 3), in the order of ``messages.Light``."""
    x, y, z = normals[:, 0], normals[:, 1], normals[:, 2]
    c = SH_CONSTANTS.tolist()  # plain numbers, so that the result keeps the normals' precision
    return np.stack(
        [
            np.full_like(x, c[0]),
            c[1] * y,
            c[2] * z,
            c[3] * x,
            c[4] * x * y,
            c[5] * y * z,
            c[6] * (3 * z * z - 1),
            c[7] * x * z,
            c[8] * (x * x - y * y),
        ],
        axis=1,
    )


def lamp_sh(direction: F64) -> F64:
    """(9,) irradiance/pi of a distant lamp that gives 1 to a surface facing it."""
    basis = sh_basis(np.asarray(direction, np.float64)[None])[0]
    return np.asarray(basis * np.array([np.pi] + [2 * np.pi / 3] * 3 + [np.pi / 4] * 5))


def uniform_sh() -> F64:
    """(9,) irradiance/pi 1 from everywhere."""
    return np.asarray(np.eye(9)[0] / SH_CONSTANTS[0])


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
