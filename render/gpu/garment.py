"""Surfaces, fabrics and garments on the GPU, with what the CPU follows of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.body.skinning import dense_weights, skin_points
from mirror.types import F32
from render.garments.mesh import SkinnedMesh, spread_sample
from render.garments.textures import FabricTextures, Mipmaps
from render.garments.worn_garment import OPEN, WornGarment
from render.gpu.texture import Texture
from render.gpu.vertex_array import SkinnedVertexArray

__all__ = ["MAX_BONES", "FollowedVertices", "GpuFabric", "GpuGarment", "GpuSurface"]

MAX_BONES = 32  # that the shaders hold


@dataclass(frozen=True)
class GarmentParameters:
    """What of a garment is uploaded, drawn and followed. Set by hand.

    sample_m: spacing of the vertices that bound it on the screen; with it grows the margin about them.
    reshape_m: rest vertices are uploaded anew when one may have moved this far.
    flat_contrast: deviation of a relief's normals below which it is not drawn: it changes
    the light by under 2 %. opening_m: how far from a collar, cuff or hem the inside can be
    seen.
    """

    sample_m: float = 0.03
    reshape_m: float = 0.0005
    flat_contrast: float = 0.045
    opening_m: float = 0.12


PARAMETERS = GarmentParameters()


class FollowedVertices:
    """Some vertices of a mesh, followed on the CPU."""

    def __init__(self, mesh: SkinnedMesh, chosen: NDArray[np.intp]) -> None:
        self._chosen = chosen
        self._shares = dense_weights(mesh.joints[chosen], mesh.weights[chosen], MAX_BONES)

    def posed(self, rest: F32, bone_transforms: F32) -> F32:
        """Camera-space (N, 3) of the vertices, from all rest vertices (V, 3) and transforms (J, 3, 4)."""
        return skin_points(rest[self._chosen], self._shares[:, : len(bone_transforms)], bone_transforms)


class GpuSurface:
    """A surface on the GPU, with the shape it was last uploaded in.

    Making one touches no OpenGL and may be done in any thread; ``upload`` and what follows may not.
    """

    def __init__(self, mesh: SkinnedMesh, size_steps: float = 0.0, opening_m: float = 0.0) -> None:
        self.mesh = mesh
        self.size_steps = size_steps
        self.vertices = SkinnedVertexArray(mesh, opening_m)
        self._shape: F32 | None = None
        self.rest: F32 = mesh.positions

    def upload(self) -> None:
        """Take it to the GPU."""
        self.vertices.upload()

    def sink(self, share: F32) -> None:
        """Let the depth-only body lie so much (V,), 0..1, of its way under its skin."""
        self.vertices.sink(share)
        self.vertices.move(self.rest)

    def reshape(self, shape: F32) -> bool:
        """Follow the body's shape (K,); True if the rest vertices changed."""
        if self._shape is not None and self.mesh.change_bound(self._shape, shape) <= PARAMETERS.reshape_m:
            return False
        self._shape = shape.copy()
        self.rest = self.mesh.rest(shape, self.size_steps)
        self.vertices.move(self.rest)
        return True

    def delete(self) -> None:
        """Free what is on the GPU."""
        self.vertices.delete()


class GpuFabric:
    """A fabric on the GPU; several garments may be of it."""

    def __init__(self, fabric: FabricTextures) -> None:
        self.repeats: F32 = np.reciprocal(np.array(fabric.repeat_m, np.float32))
        self.albedo = Texture(fabric.albedo)
        self.relief = Texture(fabric.relief)

    def relief_shows(self, metres_per_px: float) -> bool:
        """Whether anything of the relief is left where a pixel covers this much cloth."""
        texels = metres_per_px * self.relief.size[0] * float(self.repeats[0])
        level = int(np.clip(round(np.log2(max(texels, 1.0))), 0, len(self.relief.contrast) - 1))
        return self.relief.contrast[level] > PARAMETERS.flat_contrast

    def bind(self, albedo: int, relief: int | None) -> None:
        """Bind to texture units; without one for the relief, the albedo alone."""
        self.albedo.bind(albedo)
        if relief is not None:
            self.relief.bind(relief)

    def delete(self) -> None:
        """Free what is on the GPU."""
        self.albedo.delete()
        self.relief.delete()


class GpuGarment(GpuSurface):
    """A garment made ready for the GPU, in any thread; ``GarmentRenderer.wear`` uploads it.

    worn: the garment as arrays. covers: (V,) of a body's surface, how surely it lies under this, 0..1;
    None until somebody has found it.
    """

    def __init__(self, worn: WornGarment) -> None:
        super().__init__(worn.mesh, worn.size_steps, PARAMETERS.opening_m)
        self.worn = worn
        self.covers: F32 | None = None
        self._fabric = FabricTextures.of(worn.albedo, worn.relief, worn.repeat_m)
        flat = np.array([[[128, 128, OPEN]]], np.uint8)
        self._detail = Mipmaps.of(flat if worn.detail is None else worn.detail, colour=False)
        mesh = worn.mesh
        self.sample = FollowedVertices(mesh, spread_sample(mesh.positions, PARAMETERS.sample_m))
        self.anchors = FollowedVertices(mesh, np.array(list(worn.anchors.values()), np.intp))

    def upload(self) -> None:
        """Take it to the GPU."""
        super().upload()
        self.fabric = GpuFabric(self._fabric)
        self.detail = Texture(self._detail, repeats=False)

    def delete(self) -> None:
        """Free what is on the GPU."""
        super().delete()
        self.detail.delete()
        self.fabric.delete()
