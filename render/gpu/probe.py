"""What the doctor asks of the graphics driver: a picture through the renderer, and whether it is right."""

from __future__ import annotations

import numpy as np

from mirror.config import Config
from mirror.errors import MirrorError
from mirror.shading.spherical_harmonics import SH_CONSTANTS
from render.garments.mesh import SkinnedMesh
from render.garments.worn_garment import WornGarment
from render.gpu.drawing import Drawing
from render.gpu.gl import Context
from render.gpu.renderer import GarmentRenderer

_SIDE_PX = 128
_CLOTH_M, _DISTANCE_M = 0.5, 1.0  # a square of cloth before the camera, half as wide as the picture
_AREA_TOLERANCE = 0.1  # of the cloth's pixels: its edge may fall beside a pixel's middle
_CONTRAST = 60  # of 255, by which the dyed channel exceeds the others


def picture(_config: Config) -> str:
    """A lit square of cloth, its left half red and its right half blue, drawn and read back.

    Returns the driver's name and version. MirrorError if there is no context or the picture is wrong.
    """
    context = Context()
    renderer = GarmentRenderer(_SIDE_PX, _SIDE_PX, None)
    try:
        renderer.wear([_cloth()])
        pose = np.eye(3, 4, dtype=np.float32)[None]
        pose[0] = np.diag((1, -1, -1, 1))[:3]  # y up and z towards the camera, as bodies are
        pose[0, 2, 3] = _DISTANCE_M
        light = np.zeros((9, 3), np.float32)
        light[0] = 1 / SH_CONSTANTS[0]
        lens = (float(_SIDE_PX), float(_SIDE_PX), _SIDE_PX / 2, _SIDE_PX / 2)
        check(renderer.draw(pose, lens, np.zeros(1, np.float32), light))
    finally:
        renderer.delete()
        context.close()
    return f"{context.renderer}, OpenGL {context.version}, draws"


def check(drawing: Drawing | None) -> None:
    """Raise MirrorError, with what is wrong, unless the drawing is that of the square of cloth."""
    if drawing is None:
        raise MirrorError("the driver draws nothing")
    x0, y0, _, _ = drawing.box
    whole = np.zeros((_SIDE_PX, _SIDE_PX, 4), np.uint8)
    height, width = drawing.picture.shape[:2]
    whole[y0 : y0 + height, x0 : x0 + width] = drawing.picture[: _SIDE_PX - y0, : _SIDE_PX - x0]
    covered = int((whole[..., 3] > 0).sum())
    expected = (_SIDE_PX * _CLOTH_M / _DISTANCE_M) ** 2
    if abs(covered - expected) > _AREA_TOLERANCE * expected:
        raise MirrorError(f"the driver draws wrongly: {covered} pixels of cloth, not {expected:.0f}")
    middle, quarter = _SIDE_PX // 2, int(_SIDE_PX * _CLOTH_M / _DISTANCE_M / 4)
    for column, dyed, other in ((middle - quarter, 2, 0), (middle + quarter, 0, 2)):
        colour = whole[middle, column, :3].astype(int)
        if colour[dyed] - colour[other] < _CONTRAST:
            raise MirrorError(f"the driver draws wrongly: cloth of colour {colour[::-1].tolist()}")


def _cloth() -> WornGarment:
    """The square, facing the camera; its texture repeats once, red and then blue."""
    half = _CLOTH_M / 2
    corners = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], np.float32)
    mesh = SkinnedMesh(
        positions=half * corners,
        normals=np.tile(np.array([0, 0, 1], np.float32), (4, 1)),
        faces=np.array([[0, 1, 2], [0, 2, 3]], np.int32),
        joints=np.zeros((4, 4), np.uint8),
        weights=np.tile(np.array([1, 0, 0, 0], np.float32), (4, 1)),
        shape_basis=np.zeros((1, 4, 3), np.float32),
        texcoords=half * (corners[:, :2] + 1),
    )
    albedo = np.empty((64, 64, 3), np.uint8)
    albedo[:, :32], albedo[:, 32:] = (200, 40, 40), (40, 40, 200)
    return WornGarment("probe", mesh, albedo, None, (_CLOTH_M, _CLOTH_M), trimmed=False)
