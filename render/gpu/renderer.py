"""Draws garments on a skinned body, offscreen, and reads back only the pixels they cover.

The body goes first, to depth only; then the garments, innermost layer first. The picture has
no antialiasing of its own: ``render.compose.compositing`` softens the outline where it blends.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import cv2
import numpy as np

from mirror.messages import Rgb
from mirror.types import F32
from render.garments.mesh import SkinnedMesh
from render.garments.textures import FabricTextures
from render.garments.worn_garment import WornGarment
from render.gpu import gl  # first: chooses the OpenGL platform
from render.gpu.drawing import Drawing, Ratio
from render.gpu.garment import MAX_BONES, GpuGarment
from render.gpu.id_buffer import Box, exposed_skin, garment_ids
from render.gpu.passes import (
    BodyContent,
    BodyPass,
    ClothParameters,
    ClothPass,
    FrameUniforms,
    SkinParameters,
)
from render.gpu.target import Target
from render.gpu.view import PARAMETERS as VIEW
from render.gpu.view import Bounds, Intrinsics, View

# isort: split
from OpenGL import GL

__all__ = ["GarmentRenderer"]


class GarmentRenderer:
    """Draws garments on a body offscreen. Lives in one thread; needs a current ``gl.Context``.

    OpenGL errors raise ``gl.GraphicsError``. ``body`` hides what lies behind it; None draws the
    garments alone. ``body_ids`` says whether drawings may hold the body's part ids and skin.
    """

    def __init__(
        self,
        width: int,
        height: int,
        body: SkinnedMesh | None,
        body_ids: bool = False,
        cloth: ClothParameters | None = None,
    ) -> None:
        self.target = Target(width, height)
        with gl.errors_as("setting up the renderer"):
            self._body = None if body is None else BodyPass(body, body_ids, SkinParameters())
            self._cloth = ClothPass(ClothParameters() if cloth is None else cloth)
            gl.check("setting up the renderer")
        self._resolution: Ratio = (1, 1)
        # Of the frame submitted last.
        self._view = View(self.target.size, (1.0, 1.0, 0.0, 0.0), self._resolution)
        self._bone_transforms = np.zeros((0, 3, 4), np.float32)
        self._content = BodyContent.DEPTH
        self._pending: Bounds | None = None
        self._black = np.zeros((0, 0, 4), np.uint8)

    # Contents -----------------------------------------------------------------------------------

    @property
    def garments(self) -> list[WornGarment]:
        """The garments drawn, in drawing order (innermost first): number 1 is the first one's id."""
        return self._cloth.worn()

    def wear(self, garments: Sequence[WornGarment | GpuGarment]) -> None:
        """Draw these garments from now on, instead of the former ones."""
        ready = [GpuGarment(each) if isinstance(each, WornGarment) else each for each in garments]
        with gl.errors_as("loading garments"):
            self._cloth.wear(ready)
            if self._body is not None and self._body.with_ids:
                self._body.cover(self._cloth.garments)
            gl.check("loading garments")

    def expose_skin(self, cover: F32, tone: Rgb | None) -> None:
        """Show skin where worn clothes cover the body and no garment does.

        ``cover`` (V,) 0..1 for the vertices of the body's mesh; ``tone`` as in ``messages.Body``, without it
        none is shown.
        """
        if self._body is not None:
            with gl.errors_as("covering the body"):
                self._body.expose(cover, tone)

    def load_fabric(self, fabric: FabricTextures) -> None:
        """Have a fabric ready that all garments are to be of; ``fade`` brings it on."""
        with gl.errors_as("loading a fabric"):
            self._cloth.load_fabric(fabric)
            gl.check("loading a fabric")

    def fade(self, share: float) -> None:
        """Draw so much of the fabric that is ready, 0..1, and the rest of the old; at 1 the old one goes.

        ValueError if none is ready.
        """
        self._cloth.fade(share)

    def warm_up(self) -> None:
        """Draw a pixel in every way that garments are drawn.

        Drivers compile a shader when it first draws, for half a second where the processor does the
        drawing: not in the middle of a fade.
        """
        upright = np.tile(np.eye(3, 4, dtype=np.float32), (MAX_BONES, 1, 1))
        frame = FrameUniforms(upright, self._view.projection(), np.zeros((9, 3), np.float32))
        # Three at most, in four draws.
        contents = itertools.cycle([BodyContent.DEPTH] if self._body is None else self._body.contents())

        def pixel(metres_per_px: float) -> None:
            self._draw((0, 0, 1, 1), next(contents), frame, 0.0, metres_per_px)

        with gl.errors_as("warming up"):
            self._cloth.warm_up(pixel)
            GL.glFinish()

    def resize(self, width: int, height: int, resolution: Ratio = (1, 1)) -> None:
        """Draw for frames of another size in pixels, p pixels for q of the frame's."""
        p, q = resolution
        # Up to a whole number of q frame pixels, so that every box can be enlarged exactly.
        self.target.size = (-(-width // q) * p, -(-height // q) * p)
        self._resolution = resolution

    # Drawing ------------------------------------------------------------------------------------

    def submit(
        self,
        bone_transforms: F32,
        intrinsics: Intrinsics,
        shape: F32,
        light: F32,
        face_depth: float = 0.0,
        body_ids: bool = True,
    ) -> Box | None:
        """Start drawing one frame; ``collect`` waits for it and reads it.

        bone_transforms: (J, 3, 4) from rest to camera space; intrinsics: fx, fy, cx, cy in px of
        the frame; shape: (K,) coefficients; light: (9, 3) as in ``messages.Light``; face_depth:
        metres from the camera to the face, within which a sleeve is told to be in front of it; body_ids:
        whether this drawing is to hold the body's, where the renderer is one that draws them at all.
        Returns the box, in drawn pixels, that holds every garment pixel, or None when none is in view.
        """
        if len(bone_transforms) > MAX_BONES:
            raise ValueError(f"{len(bone_transforms)} bones; the shaders hold {MAX_BONES}")
        self._bone_transforms = bone_transforms
        self._view = View(self.target.size, intrinsics, self._resolution)
        self._content = BodyContent.DEPTH if self._body is None else self._body.content(body_ids)
        with gl.errors_as("drawing"):
            self._cloth.reshape(shape)
            if self._body is not None:
                self._body.reshape(shape)
            self._pending = self._bounds()
            box = self._pending.box
            if box is not None:
                frame = FrameUniforms(bone_transforms, self._view.projection(), light)
                self._draw(box, self._content, frame, face_depth, self._pending.metres_per_px)
                GL.glFlush()  # starts the rasteriser's threads while the caller goes on
        return box

    def collect(self) -> Drawing | None:
        """Wait for the submitted frame and read back its pixels; None when nothing was in view."""
        bounds, self._pending = self._pending, None
        if bounds is None or bounds.box is None:
            return None
        box = bounds.box
        with gl.errors_as("reading pixels"):
            picture = self.target.read(box)
        if self._content == BodyContent.DEPTH:
            return Drawing(picture, box, bounds.px_per_m, resolution=self._view.resolution)
        ids = np.asarray(cv2.extractChannel(picture, 3), np.uint8)
        of_garments = garment_ids(ids)
        skin = None
        if self._content == BodyContent.SKIN:
            skin = exposed_skin(picture, ids, of_garments, box, self._view.resolution[0])
            # Garments are blended premultiplied: where there are none the picture is black.
            if self._black.shape != picture.shape:
                self._black = np.zeros_like(picture)
            cv2.copyTo(self._black, np.asarray(cv2.inRange(of_garments, 0, 0), np.uint8), picture)
        return Drawing(picture, box, bounds.px_per_m, ids, self._view.resolution, skin, of_garments)

    def draw(
        self, bone_transforms: F32, intrinsics: Intrinsics, shape: F32, light: F32, face_depth: float = 0.0
    ) -> Drawing | None:
        """``submit`` and ``collect`` in one."""
        self.submit(bone_transforms, intrinsics, shape, light, face_depth)
        return self.collect()

    def anchors(self) -> dict[str, tuple[float, float]]:
        """Frame pixels of the named points of the submitted frame's garments, as drawn.

        Where two garments share a name, such as a hem, the outer one's stands.
        """
        found: dict[str, tuple[float, float]] = {}
        for garment in reversed(self._cloth.garments):
            points = garment.anchors.posed(garment.rest, self._bone_transforms)
            pixels = self._view.frame_pixels(points)
            for name, point, pixel in zip(garment.worn.anchors, points, pixels, strict=True):
                if name not in found and point[2] > VIEW.near_m:
                    found[name] = (float(pixel[0]), float(pixel[1]))
        return found

    def _bounds(self) -> Bounds:
        exposed = None
        if self._body is not None and self._content == BodyContent.SKIN:
            exposed = self._body.exposed(self._bone_transforms)
        samples = (each.sample.posed(each.rest, self._bone_transforms) for each in self._cloth.garments)
        return self._view.bounds(samples, exposed, beside=self._content != BodyContent.DEPTH)

    def _draw(
        self, box: Box, content: BodyContent, frame: FrameUniforms, face_depth: float, metres_per_px: float
    ) -> None:
        beyond = (0.0, 0.0, 0.0) if self._body is None else self._body.beyond(content, frame)
        self.target.begin(box, beyond)
        if self._body is not None:
            self._body.draw(content, frame)
        self._cloth.draw(frame, face_depth, metres_per_px)
        self.target.end()
        gl.check("drawing")

    def delete(self) -> None:
        """Free everything held in OpenGL."""
        self._cloth.delete()
        if self._body is not None:
            self._body.delete()
        self.target.delete()
