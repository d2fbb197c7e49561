"""What is drawn: garments and fabrics as arrays, ready for the GPU, and the same on the GPU."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mirror.types import F32
from render.garments.mesh import SkinnedMesh, dense_weights, skin_points, spread_sample
from render.gpu.resources import Mipmaps, SkinnedPrimitive, Texture

MAX_BONES = 32  # that the shaders hold
OPEN = 240  # in a detail picture: no light is held off, and none added
SAMPLE_M = 0.03  # spacing of the vertices that bound a garment on the screen
_RESHAPE_M = 0.0005  # rest vertices are uploaded anew when one may have moved this far
_FLAT = 0.045  # a relief with less contrast than this in its normals changes the light by under 2 %
_OPENING_M = 0.12  # how far from a collar, cuff or hem the inside can be seen


@dataclass(frozen=True)
class WornGarment:
    """A garment ready to draw: its surface, its fabric and its named points.

    albedo, relief: (H, W, 3) uint8 RGB, tileable; relief holds tangent-space normals (+y up the
    picture) or is None for a smooth fabric. repeat_m: metres of one repeat across and down.
    layer: outerness, larger lies outside. trimmed: whether it follows the body closely enough
    to be cut where it leaves the person (a flared skirt does not). anchors: names to vertices.
    detail: (H, W, 3) uint8 over the mesh's ``detail_uv``: folds as x and y of tangent-space normals
    (+y up the picture), and how much light arrives (``OPEN`` of 255: all of it); None for neither.
    """

    name: str
    mesh: SkinnedMesh
    albedo: NDArray[np.uint8]
    relief: NDArray[np.uint8] | None
    repeat_m: tuple[float, float]
    layer: int = 0
    trimmed: bool = True
    size_steps: float = 0.0
    anchors: dict[str, int] = field(default_factory=dict)
    detail: NDArray[np.uint8] | None = None


class FollowedVertices:
    """Some vertices of a mesh, followed on the CPU."""

    def __init__(self, mesh: SkinnedMesh, chosen: NDArray[np.intp]) -> None:
        self._chosen = chosen
        self._shares = dense_weights(mesh.joints[chosen], mesh.weights[chosen], MAX_BONES)

    def posed(self, rest: F32, skin: F32) -> F32:
        """Camera-space (N, 3) of the vertices, from all rest vertices (V, 3) and matrices (J, 3, 4)."""
        return skin_points(rest[self._chosen], self._shares[:, : len(skin)], skin)


class GpuSurface:
    """A surface on the GPU, with the shape it was last uploaded in."""

    def __init__(self, mesh: SkinnedMesh, size_steps: float, opening_m: float) -> None:
        self.mesh = mesh
        self.size_steps = size_steps
        self.primitive = SkinnedPrimitive(mesh, opening_m)
        self._shape: F32 | None = None
        self.rest: F32 = mesh.positions

    def upload(self) -> None:
        """Take it to the GPU."""
        self.primitive._add_to_context()

    def sink(self, share: F32) -> None:
        """Let the depth-only body lie so much (V,), 0..1, of its way under its skin."""
        self.primitive.sink(share)
        self.primitive.move(self.rest)

    def reshape(self, shape: F32) -> bool:
        """Follow the body's shape; True if the rest vertices changed."""
        if self._shape is not None and self.mesh.change_bound(self._shape, shape) <= _RESHAPE_M:
            return False
        self._shape = shape.copy()
        self.rest = self.mesh.rest(shape, self.size_steps)
        self.primitive.move(self.rest)
        return True


@dataclass(frozen=True)
class FabricTextures:
    """A fabric ready to be uploaded; made in any thread. ``repeat_m`` as ``WornGarment``'s."""

    albedo: Mipmaps
    relief: Mipmaps
    repeat_m: tuple[float, float]

    @classmethod
    def of(
        cls,
        albedo: NDArray[np.uint8],
        relief: NDArray[np.uint8] | None,
        repeat_m: tuple[float, float],
    ) -> FabricTextures:
        """From pictures as ``WornGarment``'s."""
        flat = np.full((1, 1, 3), 128, np.uint8)
        return cls(Mipmaps.of(albedo, True), Mipmaps.of(flat if relief is None else relief, False), repeat_m)


class GpuFabric:
    """A fabric on the GPU; several garments may be of it."""

    def __init__(self, bolt: FabricTextures) -> None:
        self.repeats: F32 = np.reciprocal(np.array(bolt.repeat_m, np.float32))
        self.albedo = Texture(bolt.albedo)
        self.relief = Texture(bolt.relief)

    def relief_shows(self, metres_per_px: float) -> bool:
        """Whether anything of the relief is left where a pixel covers this much cloth."""
        texels = metres_per_px * self.relief.size[0] * float(self.repeats[0])
        level = int(np.clip(round(np.log2(max(texels, 1.0))), 0, len(self.relief.contrast) - 1))
        return self.relief.contrast[level] > _FLAT

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
    """A garment made ready for the GPU, in any thread; ``GarmentRenderer.dress`` uploads it."""

    def __init__(self, cloth: WornGarment) -> None:
        super().__init__(cloth.mesh, cloth.size_steps, _OPENING_M)
        self.cloth = cloth
        self.under: F32 | None = None  # of a body's surface, how surely it lies under this
        self._bolt = FabricTextures.of(cloth.albedo, cloth.relief, cloth.repeat_m)
        flat = np.array([[[128, 128, OPEN]]], np.uint8)
        self._detail = Mipmaps.of(flat if cloth.detail is None else cloth.detail, colour=False)
        mesh = cloth.mesh
        self.sample = FollowedVertices(mesh, spread_sample(mesh.positions, SAMPLE_M))
        self.anchors = FollowedVertices(mesh, np.array(list(cloth.anchors.values()), np.intp))

    def upload(self) -> None:
        """Take it to the GPU."""
        super().upload()
        self.fabric = GpuFabric(self._bolt)
        self.detail = Texture(self._detail, repeats=False)

    def delete(self) -> None:
        """Free what is on the GPU."""
        self.primitive.delete()
        self.detail.delete()
        self.fabric.delete()
