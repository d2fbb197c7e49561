"""The plain baseline: a garment drawn once, then moved as a flat picture.

One similarity transform a frame lays its shoulders and hips on the landmarks' (Umeyama 1991, "Least-squares
estimation of transformation parameters between two point patterns"). No pose, no shape, nothing in front.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inference.body.landmarks import TRUNK
from inference.body.model import BONES, BodyModel
from mirror.types import F64, cv
from render.garments.fabric import load_fabric
from render.garments.garment import load_garment
from render.garments.mesh import body_surface
from render.garments.outfit import cloth_of
from render.gpu import gl
from render.gpu.renderer import GarmentRenderer
from workshop.synthetic.people.backdrops import Camera

_SIZE = (1000, 1000)


class Baseline:
    """One garment on the mean body at rest, seen from the front."""

    def __init__(self, garment: str) -> None:
        model = BodyModel.load()
        page = load_garment(garment)
        camera = Camera.looking(np.array([0.0, 0.95, 4.0]), np.array([0.0, 0.95, 0.0]), 35.0, _SIZE)
        rest = np.tile(np.eye(4)[:3], (len(BONES), 1, 1))
        bone_transforms = camera.place(rest)
        context = gl.Context()
        renderer = GarmentRenderer(*_SIZE, body_surface(model))
        renderer.wear([cloth_of(page, load_fabric(page.default_fabric), "M")])
        drawing = renderer.draw(
            bone_transforms, camera.lens, np.zeros(model.components, np.float32), np.zeros((9, 3), np.float32)
        )
        self._picture = np.zeros(_SIZE[::-1], np.uint8)
        if drawing is not None:
            x0, y0, x1, y1 = drawing.box
            self._picture[y0:y1, x0:x1] = np.where(drawing.picture[..., 3] > 0, 255, 0)
        renderer.delete()
        context.close()
        points = model.mean_landmarks[list(TRUNK)] @ camera.rotation.T + camera.translation
        self._points = points[:, :2] / points[:, 2:] * camera.focal + np.array(_SIZE) / 2

    def mask(self, landmarks: F64, size: tuple[int, int]) -> NDArray[np.bool_]:
        """The garment (H, W) laid on ``landmarks`` (33, 2+) px, in a frame of ``size`` (width, height)."""
        matrix = similarity(self._points, landmarks[list(TRUNK), :2])
        moved: NDArray[np.uint8] = cv.warpAffine(self._picture, matrix, size)
        return moved > 127


def similarity(source: F64, target: F64) -> F64:
    """The rotation, scale and shift (2, 3) that takes points (N, 2) nearest to others; never a mirror."""
    middle, aim = source.mean(0), target.mean(0)
    a, b = source - middle, target - aim
    # In the plane the best one is linear in (scale cos, scale sin).
    size = max(float((a**2).sum()), 1e-9)
    c = float((a * b).sum()) / size
    s = float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()) / size
    turn = np.array([[c, -s], [s, c]])
    return np.concatenate([turn, (aim - turn @ middle)[:, None]], axis=1)
