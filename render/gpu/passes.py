"""What is drawn one after the other into the target: the body, then the garments, innermost first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from inference.body.model import BONES
from mirror.messages import Rgb
from mirror.shading.colour import LUMINANCE_RGB
from mirror.shading.skin import encoded, skin_light
from mirror.shading.spherical_harmonics import SH_CONSTANTS
from mirror.types import F32
from render.garments.mesh import SkinnedMesh, covered_by, spread_sample
from render.garments.textures import FabricTextures
from render.garments.worn_garment import WornGarment
from render.gpu.garment import MAX_BONES, FollowedVertices, GpuFabric, GpuGarment, GpuSurface
from render.gpu.id_buffer import BODY, FEET, LEGS
from render.gpu.program import Program

# isort: split
from OpenGL import GL

__all__ = ["BodyContent", "BodyPass", "ClothParameters", "ClothPass", "FrameUniforms", "SkinParameters"]

# Of the body's bones, which part of the body each one's vertices are: see ``id_buffer``.
_LEG_BONES = np.zeros(MAX_BONES, np.float32)
_LEG_BONES[[i for i, bone in enumerate(BONES) if bone.endswith(("thigh", "shin"))]] = 1
_LEG_BONES[[i for i, bone in enumerate(BONES) if bone.endswith(("foot", "toes"))]] = 2
_PART_IDS = np.array([BODY, LEGS, FEET], np.float32)
# Texture units.
_ALBEDO, _RELIEF, _DETAIL, _NEXT_ALBEDO, _NEXT_RELIEF = range(5)


@dataclass(frozen=True)
class ClothParameters:
    """How cloth is drawn. Set by hand.

    inside: how much of the surrounding light reaches the inside of a garment.

    recede_m: each inner garment is held this far behind the next outer one, or the trousers would show
    through the shirt over them.
    """

    inside: float = 0.3
    recede_m: float = 0.022


@dataclass(frozen=True)
class SkinParameters:
    """Where exposed skin is looked for. Set by hand.

    shows: cover by worn clothes, 0..1, from which the exposed body is looked for.

    sample_m: spacing of the points that bound it on the screen.
    """

    shows: float = 0.1
    sample_m: float = 0.07


class BodyContent(IntEnum):
    """What is wanted of the body: what hides behind it, its part ids too, its skin too. Each costs more."""

    DEPTH = 0
    IDS = 1
    SKIN = 2


class FrameUniforms:
    """What all passes are told of a frame.

    bone_transforms: (J, 3, 4) from rest to camera space; projection: (4, 4); light: (9, 3) as in
    ``messages.Light``.
    """

    def __init__(self, bone_transforms: F32, projection: F32, light: F32) -> None:
        self.bones = np.ascontiguousarray(bone_transforms.reshape(-1, 4), np.float32)
        self.projection = projection
        self.light = np.asarray(light * SH_CONSTANTS[:, None].astype(np.float32), np.float32)

    def tell(self, program: Program) -> None:
        """Use the program for this frame."""
        program.use()
        program.matrix("projection", self.projection)
        program.rows("bones", self.bones)


class BodyPass:
    """The body: it hides what lies behind it, and tells where it is exposed and its skin is to be seen.

    ``with_ids``: whether it is ever asked for more than depth. Lives where OpenGL is current.
    """

    def __init__(self, mesh: SkinnedMesh, with_ids: bool, parameters: SkinParameters) -> None:
        self._parameters = parameters
        self.with_ids = with_ids
        self._programs = {BodyContent.DEPTH: _program("depth.frag")}
        if with_ids:
            self._programs[BodyContent.IDS] = _program("body.frag", PART_IDS=1)
            self._programs[BodyContent.SKIN] = _program("body.frag", PART_IDS=1, LIT=1)
        self._surface = GpuSurface(mesh)
        self._surface.upload()
        self._spread = spread_sample(mesh.positions, parameters.sample_m)
        self._tone = np.zeros(3, np.float32)
        self._bare: F32 | None = None  # (V,) under no garment, 0..1
        self._exposed: FollowedVertices | None = None  # points where worn clothes are to be seen as skin

    def contents(self) -> list[BodyContent]:
        """All that it may be asked for."""
        return list(self._programs)

    def content(self, ids: bool) -> BodyContent:
        """What to ask for, with the part ids or without."""
        if not (ids and self.with_ids):
            return BodyContent.DEPTH
        return BodyContent.IDS if self._exposed is None else BodyContent.SKIN

    def cover(self, garments: Sequence[GpuGarment]) -> None:
        """Let the body be as wide as its skin where none of the garments lies on it."""
        mesh = self._surface.mesh
        covered = np.zeros(len(mesh.positions), np.float32)
        for garment in garments:
            if garment.covers is None:
                garment.covers = covered_by(mesh, garment.mesh)
            covered = np.maximum(covered, garment.covers)
        self._bare = 1.0 - covered
        self._surface.sink(covered)

    def expose(self, cover: F32, tone: Rgb | None) -> None:
        """Show skin of this tone where worn clothes cover the body (V,), 0..1, and no garment does."""
        self._exposed = None
        if not self.with_ids or self._bare is None:
            return
        self._tone = np.zeros(3, np.float32) if tone is None else np.array(tone, np.float32)
        if tone is None:
            cover = np.zeros_like(cover)
        self._surface.vertices.cover(cover)
        chosen = self._spread[(cover * self._bare)[self._spread] > self._parameters.shows]
        if len(chosen):
            self._exposed = FollowedVertices(self._surface.mesh, chosen)

    def exposed(self, bone_transforms: F32) -> F32 | None:
        """Camera-space points (N, 3) that bound the exposed skin; None where there is none."""
        return None if self._exposed is None else self._exposed.posed(self._surface.rest, bone_transforms)

    def reshape(self, shape: F32) -> None:
        """Follow the body's shape (K,)."""
        self._surface.reshape(shape)

    def beyond(self, content: BodyContent, frame: FrameUniforms) -> tuple[float, float, float]:
        """The colour, BGR 0..1, about what is drawn: about exposed skin its own, for a soft outline."""
        if content != BodyContent.SKIN:
            return 0.0, 0.0, 0.0
        ambient = self._skin_light(frame)[0].astype(np.float64)
        red, green, blue = self._tone * encoded(ambient).clip(0, 1)
        return float(blue), float(green), float(red)

    @staticmethod
    def _skin_light(frame: FrameUniforms) -> F32:
        return np.asarray(skin_light(frame.light.astype(np.float64)), np.float32)

    def draw(self, content: BodyContent, frame: FrameUniforms) -> None:
        """Draw the body."""
        program = self._programs[content]
        frame.tell(program)
        program.number("recede", 0.0)
        if content != BodyContent.DEPTH:
            program.numbers("leg_bones", _LEG_BONES)
            program.numbers("part_ids", _PART_IDS)
        if content == BodyContent.SKIN:
            program.rows("tone", self._tone[None])
            program.rows("light", self._skin_light(frame))
        GL.glColorMask(*[content != BodyContent.DEPTH] * 4)
        self._surface.vertices.draw()
        GL.glColorMask(GL.GL_TRUE, GL.GL_TRUE, GL.GL_TRUE, GL.GL_TRUE)

    def delete(self) -> None:
        """Free what is on the GPU."""
        self._surface.delete()
        for program in self._programs.values():
            program.delete()


class ClothPass:
    """The garments worn, and the fabric that comes on over them. Lives where OpenGL is current."""

    def __init__(self, parameters: ClothParameters) -> None:
        self._parameters = parameters
        self._programs = {
            # By what shows: the relief of the cloth, another fabric that comes.
            (relief, fading): self._cloth_program(relief, fading)
            for relief in (False, True)
            for fading in (False, True)
        }
        self.garments: list[GpuGarment] = []
        self._next: GpuFabric | None = None
        self._share = 0.0

    @staticmethod
    def _cloth_program(relief: bool, fading: bool) -> Program:
        chosen = {"RELIEF": relief, "FADING": fading}
        program = _program("cloth.frag", SHADED=1, LIT=1, **{name: 1 for name, on in chosen.items() if on})
        program.use()
        program.unit("albedo", _ALBEDO)
        program.unit("detail", _DETAIL)
        if relief:
            program.unit("relief", _RELIEF)
        if fading:
            program.unit("next_albedo", _NEXT_ALBEDO)
        if relief and fading:
            program.unit("next_relief", _NEXT_RELIEF)
        return program

    def wear(self, garments: Sequence[GpuGarment]) -> None:
        """Draw these from now on, and free the former ones."""
        self._take_off()
        for garment in sorted(garments, key=lambda garment: garment.worn.layer):
            garment.upload()
            self.garments.append(garment)

    def worn(self) -> list[WornGarment]:
        """The garments in drawing order, innermost first."""
        return [garment.worn for garment in self.garments]

    def load_fabric(self, fabric: FabricTextures) -> None:
        """Have a fabric ready that all garments are to be of."""
        if self._next is not None:
            self._next.delete()
        self._next, self._share = GpuFabric(fabric), 0.0

    def fade(self, share: float) -> None:
        """Draw so much of the fabric that is ready, 0..1, and the rest of the old; at 1 the old one goes."""
        if self._next is None:
            raise ValueError("no fabric has been made ready")
        self._share = share
        if share < 1.0:
            return
        for fabric in {garment.fabric for garment in self.garments}:
            fabric.delete()
        for garment in self.garments:
            garment.fabric = self._next
        self._next, self._share = None, 0.0

    def reshape(self, shape: F32) -> None:
        """Follow the body's shape (K,)."""
        for garment in self.garments:
            garment.reshape(shape)

    def draw(self, frame: FrameUniforms, face_depth: float, metres_per_px: float) -> None:
        """Draw the garments; ``metres_per_px``: of cloth that a pixel covers where it is nearest."""
        inside = (self._parameters.inside * frame.light[0].clip(0.0)) ** (1 / 2.2)
        grey = (frame.light @ LUMINANCE_RGB.astype(np.float32)).astype(np.float32)
        current: Program | None = None
        coming = self._next if self._share > 0.0 else None
        for number, garment in enumerate(self.garments, start=1):
            fabrics = (garment.fabric,) if coming is None else (garment.fabric, coming)
            relief = any(fabric.relief_shows(metres_per_px) for fabric in fabrics)
            program = self._programs[relief, coming is not None]
            if program is not current:
                frame.tell(program)
                program.rows("light", frame.light)
                program.numbers("grey", grey)
                program.rows("inside", inside[None])
                program.number("face_depth", face_depth)
                current = program
            program.number("garment_id", number)
            program.number("recede", self._parameters.recede_m * (len(self.garments) - number))
            program.rows("repeats", garment.fabric.repeats[None])
            garment.fabric.bind(_ALBEDO, _RELIEF if relief else None)
            garment.detail.bind(_DETAIL)
            if coming is not None:
                program.rows("next_repeats", (coming.repeats / garment.fabric.repeats)[None])
                program.number("share", self._share)
                coming.bind(_NEXT_ALBEDO, _NEXT_RELIEF if relief else None)
            garment.vertices.draw()

    def warm_up(self, draw: Callable[[float], None]) -> None:
        """Have ``draw``, which takes metres in a pixel, draw in every way: relief or none, fading or not."""
        rough = np.array([[[0, 0, 255], [255, 255, 255]]], np.uint8)
        fabric = GpuFabric(FabricTextures.of(rough, rough, (1, 1)))
        own = [garment.fabric for garment in self.garments]
        for garment in self.garments:
            garment.fabric = fabric
        for coming, share in ((None, 0.0), (fabric, 0.5)):
            self._next, self._share = coming, share
            for metres_per_px in (0.0, 100.0):
                draw(metres_per_px)
        for garment, its in zip(self.garments, own, strict=True):
            garment.fabric = its
        self._next, self._share = None, 0.0
        fabric.delete()

    def _take_off(self) -> None:
        for garment in self.garments:
            garment.delete()
        if self._next is not None:
            self._next.delete()
        self.garments, self._next, self._share = [], None, 0.0

    def delete(self) -> None:
        """Free what is on the GPU."""
        self._take_off()
        for program in self._programs.values():
            program.delete()


def _program(fragment: str, **defines: int) -> Program:
    return Program("skinning.vert", fragment, BONE_ROWS=3 * MAX_BONES, **defines)
