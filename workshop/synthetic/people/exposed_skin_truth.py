"""What the followed person would look like in the virtual outfit and nothing else: the truth of bare skin."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mirror.types import Picture
from render.gpu import gl
from workshop.synthetic.people.mannequins import SKIN, Mannequin, dressed
from workshop.synthetic.people.scenes import Scene


class BareTruth:
    """Draws the first actor of one scene, in the scene's own light; has an OpenGL context of its own."""

    def __init__(self, scene: Scene) -> None:
        camera, body = scene.camera(), scene.body(0)
        self._context = gl.Context()
        clothes = [dressed(body, name) for name in (scene.bottom, scene.top)]
        self._mannequin = Mannequin(camera.size, body, scene.appearance(0), clothes)
        self._lens = camera.lens
        self._light = scene.light_sh(camera)

    def see(self, bone_transforms: NDArray[np.float32], room: Picture) -> tuple[Picture, NDArray[np.bool_]]:
        """The picture (H, W, 3) BGR before the empty ``room``, and where (H, W) it shows bare skin.

        ``bone_transforms``: the true ones, (J, 3, 4) to camera space.
        """
        self._context.make_current()
        picture = room.copy()
        seen = self._mannequin.draw(bone_transforms, self._lens, self._light, picture)
        return picture, seen.labels == SKIN

    def close(self) -> None:
        """Free what is held in OpenGL."""
        self._context.make_current()
        self._mannequin.delete()
        self._context.close()
