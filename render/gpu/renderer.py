"""Draws garments on a skinned body, offscreen, and reads back only the pixels they cover.

The body goes first, to depth only; then the garments, innermost layer first. The picture has
no antialiasing of its own: ``render.compose.compositing`` softens the outline where it blends.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from inference.body.model import BONES
from mirror.messages import Rgb
from mirror.shading.colour import LUMINANCE_RGB
from mirror.shading.skin import encoded, skin_light
from mirror.shading.spherical_harmonics import SH_CONSTANTS
from mirror.types import F32
from render.garments.cloth import (
    MAX_BONES,
    SAMPLE_M,
    FabricTextures,
    FollowedVertices,
    GpuFabric,
    GpuGarment,
    GpuSurface,
    WornGarment,
)
from render.garments.mesh import SkinnedMesh, project, spread_sample, under
from render.gpu import gl  # first: chooses the OpenGL platform
from render.gpu.drawing import Drawing, Ratio
from render.gpu.id_buffer import BODY, FEET, LEGS, Box, exposed_skin, garment_ids
from render.gpu.resources import Program

# isort: split
from OpenGL import GL
from pyrender.renderer import Renderer
from pyrender.shader_program import ShaderProgramCache

Intrinsics = tuple[float, float, float, float]

NEAR_M, FAR_M = 0.1, 30.0
_INSIDE = 0.3  # how much of the surrounding light reaches the inside of a garment
_BESIDE_M = 0.10  # as far beside the garments the body is marked
_RECEDE_M = 0.022  # each inner garment is held this far behind the next outer one

_LEG_BONES = np.zeros(MAX_BONES, np.float32)
_LEG_BONES[[i for i, bone in enumerate(BONES) if bone.endswith(("thigh", "shin"))]] = 1
_LEG_BONES[[i for i, bone in enumerate(BONES) if bone.endswith(("foot", "toes"))]] = 2
# What may be wanted of the body: what hides behind it, its marks too, its skin too. Each costs more.
_DEPTH, _MARKS, _SKIN = range(3)
_PARTS = np.array([BODY, LEGS, FEET], np.float32)
_SHOWS = 0.1  # cover from which the bare body is looked for
_SKIN_SAMPLE_M = 0.07  # spacing of the points that bound it on the screen


class GarmentRenderer(Renderer):  # type: ignore[misc]
    """Draws dressed bodies offscreen. Lives in one thread; needs a current ``gl.Context``.

    OpenGL errors raise ``gl.GraphicsError``. ``body`` hides what lies behind it; None draws the
    garments alone. ``marked`` says whether drawings are to hold the body's marks.
    """

    recede_m = _RECEDE_M

    # Of the base class, which has no types.
    _main_fb: int | None
    _main_cb: int | None
    _main_db: int | None
    _main_fb_dims: tuple[int | None, int | None]

    def __init__(self, width: int, height: int, body: SkinnedMesh | None, marked: bool = False) -> None:
        super().__init__(width, height)
        self._program_cache = ShaderProgramCache(
            shader_dir=str(Path(__file__).resolve().parents[1] / "shaders")
        )
        with gl.errors_as("setting up the renderer"):
            self._marked = marked and body is not None
            self._bodies = {_DEPTH: self._program("depth.frag")}
            if self._marked:
                self._bodies[_MARKS] = self._program("body.frag", MARKED=1)
                self._bodies[_SKIN] = self._program("body.frag", MARKED=1, LIT=1)
            # By what shows: the relief of the cloth, another fabric that comes.
            self._cloth = {
                (relief, fading): self._program(
                    "cloth.frag",
                    SHADED=1,
                    LIT=1,
                    **{"RELIEF": 1} if relief else {},
                    **{"FADING": 1} if fading else {},
                )
                for relief in (False, True)
                for fading in (False, True)
            }
            self._body = None if body is None else GpuSurface(body, 0.0, 0.0)
            if self._body is not None:
                self._body.upload()
                self._spread = spread_sample(self._body.mesh.positions, _SKIN_SAMPLE_M)
            gl.check("setting up the renderer")
        self._dressed: list[GpuGarment] = []
        self._next: GpuFabric | None = None
        self._share = 0.0
        self._buffer = np.zeros(0, np.uint8)
        self._pending: Box | None = None
        self._wanted = _DEPTH
        self._resolution: Ratio = (1, 1)
        self._skin = np.zeros((0, 3, 4), np.float32)
        self._intrinsics: Intrinsics = (1.0, 1.0, 0.0, 0.0)
        self._metres_per_px = 0.0
        self._px_per_m = 0.0
        self._black = np.zeros((0, 0, 4), np.uint8)
        self._tone = np.zeros(3, np.float32)
        self._lies_bare: F32 | None = None  # (V,) of the body, under no garment
        self._bare: FollowedVertices | None = None  # points where worn clothes are to be seen as skin

    def _program(self, fragment: str, **defines: int) -> Program:
        program = self._program_cache.get_program(
            "skin.vert", fragment, defines={**defines, "BONE_ROWS": 3 * MAX_BONES}
        )
        if not program._in_context():
            program._add_to_context()
        wrapped = Program(program)
        if "SHADED" in defines:
            wrapped.use()
            wrapped.unit("albedo", 0)
            wrapped.unit("detail", 2)
            if "RELIEF" in defines:
                wrapped.unit("relief", 1)
            if "FADING" in defines:
                wrapped.unit("next_albedo", 3)
            if {"RELIEF", "FADING"} <= defines.keys():
                wrapped.unit("next_relief", 4)
        return wrapped

    @property
    def _share_drawn(self) -> float:
        """Drawn pixels in one of the frame, along a side."""
        return self._resolution[0] / self._resolution[1]

    # Contents -----------------------------------------------------------------------------------

    @property
    def cloths(self) -> list[WornGarment]:
        """The garments drawn, in drawing order (innermost first)."""
        return [dressed.cloth for dressed in self._dressed]

    def dress(self, cloths: Sequence[WornGarment | GpuGarment]) -> None:
        """Draw these garments from now on, instead of the former ones."""
        fitted = [GpuGarment(cloth) if isinstance(cloth, WornGarment) else cloth for cloth in cloths]
        with gl.errors_as("loading garments"):
            self._undress()
            for garment in sorted(fitted, key=lambda garment: garment.cloth.layer):
                garment.upload()
                self._dressed.append(garment)
            if self._marked:
                self._uncover()
            gl.check("loading garments")

    def _uncover(self) -> None:
        """Let the body be as wide as its skin where no garment lies on it."""
        assert self._body is not None  # noqa: S101 - else nothing is marked
        covered = np.zeros(len(self._body.mesh.positions), np.float32)
        for garment in self._dressed:
            if garment.under is None:
                garment.under = under(self._body.mesh, garment.cloth.mesh)
            covered = np.maximum(covered, garment.under)
        self._lies_bare = 1.0 - covered
        self._body.sink(covered)

    def undress(self, cover: F32, tone: Rgb | None) -> None:
        """Show skin where worn clothes cover the body and no garment does.

        ``cover`` (V,) 0..1 for the vertices of the body's mesh; ``tone`` as in ``messages.Body``, without it
        none is shown.
        """
        self._bare = None
        if not self._marked or self._body is None or self._lies_bare is None:
            return
        self._tone = np.zeros(3, np.float32) if tone is None else np.array(tone, np.float32)
        if tone is None:
            cover = np.zeros_like(cover)
        with gl.errors_as("covering the body"):
            self._body.primitive.cover(cover)
        bare = self._spread[(cover * self._lies_bare)[self._spread] > _SHOWS]
        if len(bare):
            self._bare = FollowedVertices(self._body.mesh, bare)

    def lay(self, bolt: FabricTextures) -> None:
        """Have a fabric ready that all garments are to be of; ``fade`` brings it on."""
        with gl.errors_as("loading a fabric"):
            if self._next is not None:
                self._next.delete()
            self._next, self._share = GpuFabric(bolt), 0.0
            gl.check("loading a fabric")

    def fade(self, share: float) -> None:
        """Draw so much of the fabric laid ready, 0..1, and the rest of the old; at 1 the old one goes."""
        if self._next is None:
            raise ValueError("no fabric has been laid ready")
        self._share = share
        if share < 1.0:
            return
        for fabric in {dressed.fabric for dressed in self._dressed}:
            fabric.delete()
        for dressed in self._dressed:
            dressed.fabric = self._next
        self._next, self._share = None, 0.0

    def warm_up(self) -> None:
        """Draw a pixel in every way that garments are drawn.

        Drivers compile a shader when it first draws, for half a second where the processor does the
        drawing: not in the middle of a fade.
        """
        rough = np.array([[[0, 0, 255], [255, 255, 255]]], np.uint8)
        with gl.errors_as("warming up"):
            worn, fabric = (
                [dressed.fabric for dressed in self._dressed],
                GpuFabric(FabricTextures.of(rough, rough, (1, 1))),
            )
            self._skin = np.tile(np.eye(3, 4, dtype=np.float32), (MAX_BONES, 1, 1))
            for dressed in self._dressed:
                dressed.fabric = fabric
            wanted = itertools.cycle(self._bodies)  # three at most, in four draws
            for coming, self._share in ((None, 0.0), (fabric, 0.5)):
                self._next = coming
                for self._metres_per_px in (0.0, 100.0):
                    self._wanted = next(wanted)
                    self._draw((0, 0, 1, 1), np.zeros((9, 3), np.float32), 0.0)
            GL.glFinish()
            for dressed, own in zip(self._dressed, worn, strict=True):
                dressed.fabric = own
            self._next, self._share = None, 0.0
            fabric.delete()

    def _undress(self) -> None:
        for dressed in self._dressed:
            dressed.delete()
        if self._next is not None:
            self._next.delete()
        self._dressed, self._next, self._share = [], None, 0.0

    def resize(self, width: int, height: int, resolution: Ratio = (1, 1)) -> None:
        """Draw for frames of another size in pixels, p pixels for q of the frame's."""
        p, q = resolution
        # Up to a whole number of q frame pixels, so that every box can be enlarged exactly.
        self.viewport_width, self.viewport_height = -(-width // q) * p, -(-height // q) * p
        self._resolution = resolution

    # Drawing ------------------------------------------------------------------------------------

    def submit(
        self,
        skin: F32,
        intrinsics: Intrinsics,
        shape: F32,
        light: F32,
        face_depth: float = 0.0,
        marks: bool = True,
    ) -> Box | None:
        """Start drawing one frame; ``collect`` waits for it and reads it.

        skin: (J, 3, 4) matrices from rest to camera space; intrinsics: fx, fy, cx, cy in px of
        the frame; shape: (K,) coefficients; light: (9, 3) as in ``messages.Light``; face_depth:
        metres from the camera to the face, within which a sleeve is tagged as in front of it; marks:
        whether this drawing is to hold the body's, where the renderer is one that marks at all.
        Returns the box, in drawn pixels, that holds every garment pixel, or None when none is in view.
        """
        if len(skin) > MAX_BONES:
            raise ValueError(f"{len(skin)} bones; the shaders hold {MAX_BONES}")
        fx, fy, cx, cy = (value * self._share_drawn for value in intrinsics)
        self._skin, self._intrinsics = skin, (fx, fy, cx, cy)
        self._wanted = _DEPTH
        if marks and self._marked:
            self._wanted = _MARKS if self._bare is None else _SKIN
        with gl.errors_as("drawing"):
            for dressed in self._dressed:
                dressed.reshape(shape)
            if self._body is not None:
                self._body.reshape(shape)
            self._pending = self._bounds()
            if self._pending is None:
                return None
            self._draw(self._pending, light, face_depth)
            GL.glFlush()  # starts the rasteriser's threads while the caller goes on
        return self._pending

    def collect(self) -> Drawing | None:
        """Wait for the submitted frame and read back its pixels; None when nothing was in view."""
        box, self._pending = self._pending, None
        if box is None:
            return None
        x0, y0, x1, y1 = box
        width, height = x1 - x0, y1 - y0
        size = width * height * 4
        if self._buffer.size < size:
            self._buffer = np.empty(self.viewport_width * self.viewport_height * 4, np.uint8)
        picture = self._buffer[:size].reshape(height, width, 4)
        with gl.errors_as("reading pixels"):
            GL.glBindFramebuffer(GL.GL_READ_FRAMEBUFFER, self._main_fb)
            GL.glReadPixels(x0, y0, width, height, GL.GL_RGBA, GL.GL_UNSIGNED_BYTE, picture)
            gl.check("reading pixels")
        if self._wanted == _DEPTH:
            return Drawing(picture, box, self._px_per_m, resolution=self._resolution)
        marks = np.asarray(cv2.extractChannel(picture, 3), np.uint8)
        tags = garment_ids(marks)
        skin = None
        if self._wanted == _SKIN:
            skin = exposed_skin(picture, marks, tags, box, self._resolution[0])
            # Garments are blended premultiplied: where there are none the picture is black.
            if self._black.shape != picture.shape:
                self._black = np.zeros_like(picture)
            cv2.copyTo(self._black, np.asarray(cv2.inRange(tags, 0, 0), np.uint8), picture)
        return Drawing(picture, box, self._px_per_m, marks, self._resolution, skin, tags)

    def draw(
        self, skin: F32, intrinsics: Intrinsics, shape: F32, light: F32, face_depth: float = 0.0
    ) -> Drawing | None:
        """``submit`` and ``collect`` in one."""
        self.submit(skin, intrinsics, shape, light, face_depth)
        return self.collect()

    def anchors(self) -> dict[str, tuple[float, float]]:
        """Frame pixels of the named points of the submitted frame's garments, as drawn.

        Where two garments share a name, such as a hem, the outer one's stands.
        """
        found: dict[str, tuple[float, float]] = {}
        for dressed in reversed(self._dressed):
            camera = dressed.anchors.posed(dressed.rest, self._skin)
            pixels = project(camera, self._intrinsics) / self._share_drawn
            for name, point, pixel in zip(dressed.cloth.anchors, camera, pixels, strict=True):
                if name not in found and point[2] > NEAR_M:
                    found[name] = (float(pixel[0]), float(pixel[1]))
        return found

    def _bounds(self) -> Box | None:
        """The box of the frame that every garment falls in, from a spread sample of vertices."""
        width, height = self.viewport_width, self.viewport_height
        low, high = np.full(2, np.inf), np.full(2, -np.inf)
        self._metres_per_px = np.inf
        for dressed in self._dressed:
            camera = dressed.sample.posed(dressed.rest, self._skin)
            frame_focal = self._intrinsics[0] / self._share_drawn
            self._px_per_m = frame_focal / max(float(np.median(camera[:, 2])), NEAR_M)
            nearest = float(camera[:, 2].min())
            if nearest < 2 * NEAR_M:
                self._metres_per_px = 0.0
                return (0, 0, width, height)
            pixels = project(camera, self._intrinsics)
            self._metres_per_px = min(self._metres_per_px, nearest / self._intrinsics[0])
            margin = 2.0 + 1.5 * SAMPLE_M / self._metres_per_px
            if self._wanted != _DEPTH:
                margin = max(margin, _BESIDE_M / self._metres_per_px)
            low = np.minimum(low, pixels.min(axis=0) - margin)
            high = np.maximum(high, pixels.max(axis=0) + margin)
        bare = self._bare if self._wanted == _SKIN and np.isfinite(low).all() else None
        if bare is not None and self._body is not None:
            camera = bare.posed(self._body.rest, self._skin)
            if float(camera[:, 2].min()) < 2 * NEAR_M:
                return (0, 0, width, height)
            pixels = project(camera, self._intrinsics)
            margin = _BESIDE_M / self._metres_per_px
            low = np.minimum(low, pixels.min(axis=0) - margin)
            high = np.maximum(high, pixels.max(axis=0) + margin)
        p = self._resolution[0]
        x0, y0 = (int(max(0.0, value // p * p)) for value in low.clip(-1e6, 1e6))
        x1 = int(min(float(width), -(-high[0].clip(-1e6, 1e6) // p) * p))
        y1 = int(min(float(height), -(-high[1].clip(-1e6, 1e6) // p) * p))
        return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None

    def _draw(self, box: Box, light: F32, face_depth: float) -> None:
        self._configure_main_framebuffer()
        GL.glBindFramebuffer(GL.GL_DRAW_FRAMEBUFFER, self._main_fb)
        GL.glViewport(0, 0, self.viewport_width, self.viewport_height)
        x0, y0, x1, y1 = box
        GL.glEnable(GL.GL_SCISSOR_TEST)
        GL.glScissor(x0, y0, x1 - x0, y1 - y0)
        GL.glEnable(GL.GL_DEPTH_TEST)
        GL.glDepthFunc(GL.GL_LESS)
        GL.glDepthMask(GL.GL_TRUE)
        GL.glColorMask(GL.GL_TRUE, GL.GL_TRUE, GL.GL_TRUE, GL.GL_TRUE)
        coefficients = np.asarray(light * SH_CONSTANTS[:, None].astype(np.float32), np.float32)
        # About bare skin all is of its colour, for a soft outline.
        beyond = np.zeros(3)
        if self._wanted == _SKIN:
            on_skin = np.asarray(skin_light(coefficients.astype(np.float64)), np.float32)
            beyond = self._tone * encoded(on_skin[0].astype(np.float64)).clip(0, 1)
        GL.glClearColor(beyond[2], beyond[1], beyond[0], 0.0)
        GL.glClear(GL.GL_COLOR_BUFFER_BIT | GL.GL_DEPTH_BUFFER_BIT)
        # Row 0 of the target is row 0 of the picture, which turns every face round.
        GL.glFrontFace(GL.GL_CW)
        projection = self._projection()
        bones = np.ascontiguousarray(self._skin.reshape(-1, 4), np.float32)

        if self._body is not None:
            program = self._bodies[self._wanted]
            program.use()
            program.matrix("projection", projection)
            program.rows("bones", bones)
            program.number("recede", 0.0)
            if self._wanted != _DEPTH:
                program.numbers("leg_bones", _LEG_BONES)
                program.numbers("marks", _PARTS)
            if self._wanted == _SKIN:
                program.rows("tone", self._tone[None])
                program.rows("light", on_skin)
            GL.glColorMask(*[self._wanted != _DEPTH] * 4)
            self._body.primitive.draw()
            GL.glColorMask(GL.GL_TRUE, GL.GL_TRUE, GL.GL_TRUE, GL.GL_TRUE)

        inside = (_INSIDE * coefficients[0].clip(0.0)) ** (1 / 2.2)
        current: Program | None = None
        coming = self._next if self._share > 0.0 else None
        for number, dressed in enumerate(self._dressed, start=1):
            fabrics = (dressed.fabric,) if coming is None else (dressed.fabric, coming)
            relief = any(fabric.relief_shows(self._metres_per_px) for fabric in fabrics)
            program = self._cloth[relief, coming is not None]
            if program is not current:
                program.use()
                program.matrix("projection", projection)
                program.rows("bones", bones)
                program.rows("light", coefficients)
                program.numbers("grey", (coefficients @ LUMINANCE_RGB.astype(np.float32)).astype(np.float32))
                program.rows("inside", inside[None])
                program.number("face_depth", face_depth)
                current = program
            program.number("tag", number)
            program.number("recede", self.recede_m * (len(self._dressed) - number))
            program.rows("repeats", dressed.fabric.repeats[None])
            dressed.fabric.bind(0, 1 if relief else None)
            dressed.detail.bind(2)
            if coming is not None:
                program.rows("next_repeats", (coming.repeats / dressed.fabric.repeats)[None])
                program.number("share", self._share)
                coming.bind(3, 4 if relief else None)
            dressed.primitive.draw()
        GL.glBindVertexArray(0)
        GL.glDisable(GL.GL_SCISSOR_TEST)
        gl.check("drawing")

    def _projection(self) -> F32:
        """Clip matrix (4, 4): camera-space metres to the target, whose row 0 is the top."""
        fx, fy, cx, cy = self._intrinsics
        width, height = self.viewport_width, self.viewport_height
        depth = (FAR_M + NEAR_M) / (FAR_M - NEAR_M)
        return np.array(
            [
                [2 * fx / width, 0, 2 * cx / width - 1, 0],
                [0, 2 * fy / height, 2 * cy / height - 1, 0],
                [0, 0, depth, -2 * FAR_M * NEAR_M / (FAR_M - NEAR_M)],
                [0, 0, 1, 0],
            ],
            np.float32,
        )

    # The target ---------------------------------------------------------------------------------

    def _configure_main_framebuffer(self) -> None:
        """One colour and one depth buffer: no multisampling, no depth read-back."""
        size = (self.viewport_width, self.viewport_height)
        if self._main_fb is not None and self._main_fb_dims == size:
            return
        self._delete_main_framebuffer()
        self._main_cb, self._main_db = (int(name) for name in GL.glGenRenderbuffers(2))
        self._main_fb = int(GL.glGenFramebuffers(1))
        GL.glBindFramebuffer(GL.GL_FRAMEBUFFER, self._main_fb)
        for buffer, storage, point in (
            (self._main_cb, GL.GL_RGBA8, GL.GL_COLOR_ATTACHMENT0),
            (self._main_db, GL.GL_DEPTH_COMPONENT24, GL.GL_DEPTH_ATTACHMENT),
        ):
            GL.glBindRenderbuffer(GL.GL_RENDERBUFFER, buffer)
            GL.glRenderbufferStorage(GL.GL_RENDERBUFFER, storage, *size)
            GL.glFramebufferRenderbuffer(GL.GL_FRAMEBUFFER, point, GL.GL_RENDERBUFFER, buffer)
        if GL.glCheckFramebufferStatus(GL.GL_FRAMEBUFFER) != GL.GL_FRAMEBUFFER_COMPLETE:
            raise gl.GraphicsError(f"the graphics driver refuses a {size[0]}x{size[1]} drawing target")
        self._main_fb_dims = size
        self._buffer = np.empty(size[0] * size[1] * 4, np.uint8)

    def _delete_main_framebuffer(self) -> None:
        if self._main_fb is not None:
            GL.glDeleteFramebuffers(1, [self._main_fb])
            GL.glDeleteRenderbuffers(2, [self._main_cb, self._main_db])
        self._main_fb = self._main_cb = self._main_db = None
        self._main_fb_dims = (None, None)

    def delete(self) -> None:
        """Free everything held in OpenGL."""
        if hasattr(self, "_dressed"):
            self._undress()
        super().delete()
