"""What lives in OpenGL: skinned vertex buffers, fabric textures, the drawing target."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mirror.shading.colour import to_linear, to_srgb
from mirror.types import F32
from render.garments.mesh import SkinnedMesh, arm_share, near_openings, vertex_tangents
from render.gpu import gl  # first: chooses the OpenGL platform

# isort: split
from OpenGL import GL
from pyrender.primitive import Primitive


class SkinnedPrimitive(Primitive):  # type: ignore[misc]
    """A pyrender primitive whose joints and weights reach the GPU.

    Making one touches no OpenGL. Attribute locations are those of ``skin.vert``. Positions have a
    buffer of their own, so that a new shape uploads nothing else. With ``opening_m`` faces further
    than that from an open edge are drawn from their front only: their back cannot be seen.
    """

    _vaid: int | None
    _buffers: list[int]

    def __init__(self, mesh: SkinnedMesh, opening_m: float = 0.0) -> None:
        super().__init__(
            positions=mesh.positions, normals=mesh.normals, joints_0=mesh.joints, weights_0=mesh.weights
        )
        seen_from_both = np.zeros(len(mesh.faces), bool)
        if opening_m > 0:
            seen_from_both = near_openings(mesh.positions, mesh.faces, opening_m)
        ordered = np.concatenate([mesh.faces[seen_from_both], mesh.faces[~seen_from_both]])
        self.faces = np.ascontiguousarray(ordered, np.uint32)
        self._both_sides = 3 * int(np.count_nonzero(seen_from_both))
        count = len(mesh.positions)
        uv = np.zeros((count, 2), np.float32) if mesh.texcoords is None else mesh.texcoords
        # Tangents matter only where there is a texture to follow.
        self._tangents = np.zeros((count, 4), np.float32)
        if mesh.tangents is not None:
            self._tangents = mesh.tangents
        elif mesh.texcoords is not None:
            self._tangents = vertex_tangents(mesh.positions, mesh.normals, mesh.texcoords, mesh.faces)
        detail = np.zeros((count, 2), np.float32) if mesh.detail_uv is None else mesh.detail_uv
        self._texcoords = np.concatenate([uv, detail], axis=1).astype(np.float32)
        # Normals change little with the shape: the depth-only surface stays as far under the skin.
        self._offset: F32 | None = None if mesh.inward is None else mesh.inward[:, None] * mesh.normals
        self._arm = arm_share(mesh.joints, mesh.weights)
        self._full_offset = self._offset
        self._position_buffer = self._cover_buffer = 0

    def _add_to_context(self) -> None:
        if self._vaid is not None:
            raise ValueError("the primitive is already in a context")
        self._vaid = GL.glGenVertexArrays(1)
        GL.glBindVertexArray(self._vaid)
        self._position_buffer = self._attribute(0, self._placed(self.positions), GL.GL_DYNAMIC_DRAW)
        self._attribute(1, np.asarray(self.normals, np.float32))
        self._attribute(2, np.asarray(self.joints_0, np.uint8))
        self._attribute(3, np.asarray(self.weights_0, np.float32))
        self._attribute(4, self._texcoords)
        self._attribute(5, np.asarray(self._tangents, np.float32))
        self._attribute(6, self._arm.reshape(-1, 1))
        if self._offset is not None:
            cover = np.zeros((len(self.positions), 1), np.float32)
            self._cover_buffer = self._attribute(7, cover, GL.GL_DYNAMIC_DRAW)
        elements = GL.glGenBuffers(1)
        self._buffers.append(elements)
        GL.glBindBuffer(GL.GL_ELEMENT_ARRAY_BUFFER, elements)
        GL.glBufferData(GL.GL_ELEMENT_ARRAY_BUFFER, self.faces.nbytes, self.faces, GL.GL_STATIC_DRAW)
        GL.glBindVertexArray(0)
        gl.check("vertex buffers")

    def _attribute(self, location: int, values: NDArray[Any], usage: int = GL.GL_STATIC_DRAW) -> int:
        values = np.ascontiguousarray(values)
        buffer = int(GL.glGenBuffers(1))
        self._buffers.append(buffer)
        GL.glBindBuffer(GL.GL_ARRAY_BUFFER, buffer)
        GL.glBufferData(GL.GL_ARRAY_BUFFER, values.nbytes, values, usage)
        start = ctypes.c_void_p(0)
        if values.dtype == np.uint8:
            GL.glVertexAttribIPointer(location, values.shape[1], GL.GL_UNSIGNED_BYTE, 0, start)
        else:
            GL.glVertexAttribPointer(location, values.shape[1], GL.GL_FLOAT, GL.GL_FALSE, 0, start)
        GL.glEnableVertexAttribArray(location)
        return buffer

    def _placed(self, positions: NDArray[Any]) -> F32:
        """Where the vertices are drawn (V, 3): for the depth-only body somewhat under its skin."""
        drawn = positions if self._offset is None else positions - self._offset
        return np.ascontiguousarray(drawn, np.float32)

    def move(self, positions: F32) -> None:
        """Replace the rest vertices (V, 3)."""
        if positions.shape != np.shape(self.positions):
            raise ValueError(f"{positions.shape} rest vertices for {np.shape(self.positions)}")
        positions = self._placed(positions)
        GL.glBindBuffer(GL.GL_ARRAY_BUFFER, self._position_buffer)
        GL.glBufferSubData(GL.GL_ARRAY_BUFFER, 0, positions.nbytes, positions)
        GL.glBindBuffer(GL.GL_ARRAY_BUFFER, 0)

    def cover(self, cover: F32) -> None:
        """Tell how far worn clothes cover each vertex (V,) of a depth-only body, 0..1."""
        GL.glBindBuffer(GL.GL_ARRAY_BUFFER, self._cover_buffer)
        GL.glBufferSubData(GL.GL_ARRAY_BUFFER, 0, cover.nbytes, cover)
        GL.glBindBuffer(GL.GL_ARRAY_BUFFER, 0)

    def sink(self, share: F32) -> None:
        """Have the depth-only body lie so much (V,), 0..1, of its way under its skin; ``move`` it then."""
        if self._full_offset is not None:
            self._offset = self._full_offset * share[:, None]

    def draw(self) -> None:
        """Draw every triangle with the bound program."""
        self._bind()
        GL.glDisable(GL.GL_CULL_FACE)
        if self._both_sides:
            GL.glDrawElements(GL.GL_TRIANGLES, self._both_sides, GL.GL_UNSIGNED_INT, ctypes.c_void_p(0))
        GL.glEnable(GL.GL_CULL_FACE)
        start = ctypes.c_void_p(self._both_sides * self.faces.itemsize)
        GL.glDrawElements(GL.GL_TRIANGLES, self.faces.size - self._both_sides, GL.GL_UNSIGNED_INT, start)
        GL.glDisable(GL.GL_CULL_FACE)


@dataclass(frozen=True)
class Mipmaps:
    """A picture with its smaller levels, made ready for ``Texture`` in any thread, without OpenGL.

    ``levels``: (h, w, 4) uint8 RGBA each, as OpenGL keeps them, so that an upload is a copy.
    ``contrast[i]`` is the standard deviation of level i's first two channels, 0..1: what of a
    relief is left from afar.
    """

    levels: tuple[NDArray[np.uint8], ...]
    contrast: tuple[float, ...]

    @classmethod
    def of(cls, picture: NDArray[np.uint8], colour: bool) -> Mipmaps:
        """From an (H, W, 3) uint8 RGB picture.

        ``colour`` pictures hold sRGB values; their smaller levels average linear light.
        """
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
            raise ValueError(f"a texture must be (H, W, 3) uint8, not {picture.shape} {picture.dtype}")
        levels = tuple(_pyramid(picture, colour))
        contrast = tuple(float(level[..., :2].std(axis=(0, 1)).max()) / 127.5 for level in levels)
        return cls(tuple(np.dstack([p, np.full(p.shape[:2], 255, np.uint8)]) for p in levels), contrast)


class Texture:
    """A repeating, mipmapped 2D texture; row 0 is v = 0. The shader gets its values unconverted."""

    def __init__(self, picture: Mipmaps, repeats: bool = True) -> None:
        self.size = (picture.levels[0].shape[1], picture.levels[0].shape[0])
        self.contrast = picture.contrast
        self._id = int(GL.glGenTextures(1))
        GL.glBindTexture(GL.GL_TEXTURE_2D, self._id)
        GL.glPixelStorei(GL.GL_UNPACK_ALIGNMENT, 1)
        for level, pixels in enumerate(picture.levels):
            height, width = pixels.shape[:2]
            GL.glTexImage2D(
                GL.GL_TEXTURE_2D,
                level,
                GL.GL_RGBA8,
                width,
                height,
                0,
                GL.GL_RGBA,
                GL.GL_UNSIGNED_BYTE,
                pixels,
            )
        for name, value in (
            (GL.GL_TEXTURE_MAG_FILTER, GL.GL_LINEAR),
            # Blending two levels as well would nearly double the cost of a software texture.
            (GL.GL_TEXTURE_MIN_FILTER, GL.GL_LINEAR_MIPMAP_NEAREST),
            (GL.GL_TEXTURE_WRAP_S, GL.GL_REPEAT if repeats else GL.GL_CLAMP_TO_EDGE),
            (GL.GL_TEXTURE_WRAP_T, GL.GL_REPEAT if repeats else GL.GL_CLAMP_TO_EDGE),
        ):
            GL.glTexParameteri(GL.GL_TEXTURE_2D, name, value)
        GL.glBindTexture(GL.GL_TEXTURE_2D, 0)
        gl.check("texture upload")

    def bind(self, unit: int) -> None:
        """Bind to a texture unit."""
        GL.glActiveTexture(GL.GL_TEXTURE0 + unit)
        GL.glBindTexture(GL.GL_TEXTURE_2D, self._id)

    def delete(self) -> None:
        """Free the texture."""
        if self._id:
            GL.glDeleteTextures([self._id])
            self._id = 0


def _pyramid(picture: NDArray[np.uint8], colour: bool) -> Iterator[NDArray[np.uint8]]:
    """The picture, then each smaller mipmap level, as (h, w, 3) uint8."""
    values: NDArray[Any] = picture.astype(np.float32) / 255.0
    if colour:
        values = to_linear(values)
    yield np.ascontiguousarray(picture)
    while max(values.shape[:2]) > 1:
        height, width = (max(1, side // 2) for side in values.shape[:2])
        values = cv2.resize(values, (width, height), interpolation=cv2.INTER_AREA).reshape(height, width, 3)
        shown: NDArray[Any] = values
        if colour:
            shown = to_srgb(values)
        yield np.ascontiguousarray((shown * 255.0 + 0.5).clip(0, 255).astype(np.uint8))


class Program:
    """Uniforms of a pyrender shader program, set without swallowing errors."""

    def __init__(self, program: Any) -> None:
        self._program = program
        self._locations: dict[str, int] = {}

    def use(self) -> None:
        """Make it the current program."""
        self._program._bind()

    def _at(self, name: str) -> int:
        if name not in self._locations:
            location = int(GL.glGetUniformLocation(self._program._program_id, name))
            if location < 0:
                raise gl.GraphicsError(f"the shader has no uniform {name!r}")
            self._locations[name] = location
        return self._locations[name]

    def rows(self, name: str, values: F32) -> None:
        """Set an array of vec4, vec3 or vec2 from (N, 4), (N, 3) or (N, 2) float32."""
        values = np.ascontiguousarray(values, np.float32)
        call = {4: GL.glUniform4fv, 3: GL.glUniform3fv, 2: GL.glUniform2fv}[values.shape[1]]
        call(self._at(name), len(values), values)

    def matrix(self, name: str, value: F32) -> None:
        """Set a mat4 from (4, 4) row-major float32."""
        GL.glUniformMatrix4fv(self._at(name), 1, GL.GL_TRUE, np.ascontiguousarray(value, np.float32))

    def numbers(self, name: str, values: F32) -> None:
        """Set an array of floats from (N,) float32."""
        GL.glUniform1fv(self._at(name), len(values), np.ascontiguousarray(values, np.float32))

    def number(self, name: str, value: float) -> None:
        """Set a float."""
        GL.glUniform1f(self._at(name), value)

    def unit(self, name: str, value: int) -> None:
        """Set a sampler's texture unit."""
        GL.glUniform1i(self._at(name), value)
