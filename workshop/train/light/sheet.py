"""Pictures to judge light by: a lit sphere beside a frame, sheets of frames with their spheres."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from mirror.errors import MirrorError
from mirror.shading.colour import to_srgb
from mirror.shading.spherical_harmonics import main_direction, sphere_picture
from mirror.types import F64, Picture, cv

_MARGIN = 0.06  # of the sphere's side
_GREY = 0.5  # reflectance of the drawn sphere, so that light above the frame's white shows


def sphere_bgr(sh: F64, side: int) -> Picture:
    """A grey diffuse sphere (side, side, 3) BGR on dark ground, a dot where the main light comes from."""
    linear = _GREY * sphere_picture(sh, side)
    picture = (
        np.rint(255 * to_srgb(np.clip(linear, 0, 1).astype(np.float32))).astype(np.uint8)[..., ::-1].copy()
    )
    x, y, z = main_direction(sh)
    at = (round(float(side / 2 * (1 + x))), round(float(side / 2 * (1 + y))))
    # A ring where the light comes from behind the sphere.
    cv.circle(picture, at, max(2, side // 40), (0, 200, 255), -1 if z < 0 else 2, cv2.LINE_AA)
    return np.asarray(picture)


def beside(frame: Picture, lights: Sequence[F64], height: int) -> Picture:
    """A frame scaled to ``height`` with a sphere for each light to its right."""
    width = max(1, round(frame.shape[1] * height / frame.shape[0]))
    kind = cv2.INTER_AREA if height < frame.shape[0] else cv2.INTER_LINEAR
    parts = [cv.resize(frame, (width, height), interpolation=kind)]
    pad = round(height * _MARGIN)
    for sh in lights:
        cell = np.full((height, height, 3), 16, np.uint8)
        inner = height - 2 * pad
        cell[pad : pad + inner, pad : pad + inner] = sphere_bgr(sh, inner)
        parts.append(cell)
    return np.hstack(parts)


def write_beside(path: Path, frame: Picture, sh: F64) -> None:
    """Write the frame with its sphere as PNG. MirrorError if that fails."""
    height = int(np.clip(frame.shape[0], 240, 720))
    write(path, beside(frame, [sh], height))


def write(path: Path, picture: Picture) -> None:
    """Write a PNG. MirrorError if the folder is missing or cannot be written to."""
    done, data = cv.imencode(".png", picture)
    try:
        path.write_bytes(data.tobytes() if done else b"")
    except OSError as error:
        raise MirrorError(f"{path} cannot be written: {error.strerror}") from error
