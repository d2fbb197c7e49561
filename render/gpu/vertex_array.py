"""Skinned surfaces in OpenGL: one vertex array each, with its buffers."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirror.types import F32
from render.garments.mesh import SkinnedMesh, arm_share, near_openings, vertex_tangents
from render.gpu import gl  # first: chooses the OpenGL platform

# isort: split
from OpenGL import GL

__all__ = ["SkinnedVertexArray"]


class SkinnedVertexArray:
    """The vertices of a skinned mesh and their bones, and its triangles.

    Making one touches no OpenGL: ``upload`` does. Attribute locations are those of ``skinning.vert``.
    Positions have a buffer of their own, so that a new shape uploads nothing else. With ``opening_m`` faces
    further than that from an open edge are drawn from their front only: their back cannot be seen.
    """

    def __init__(self, mesh: SkinnedMesh, opening_m: float = 0.0) -> None:
        self._mesh = mesh
        seen_from_both = np.zeros(len(mesh.faces), bool)
        if opening_m > 0:
            seen_from_both = near_openings(mesh.positions, mesh.faces, opening_m)
        ordered = np.concatenate([mesh.faces[seen_from_both], mesh.faces[~seen_from_both]])
        self._corners = np.ascontiguousarray(ordered, np.uint32)
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
        self._full_offset: F32 | None = None if mesh.inward is None else mesh.inward[:, None] * mesh.normals
        self._offset = self._full_offset
        self._arm = arm_share(mesh.joints, mesh.weights)
        self._id = self._position_buffer = self._cover_buffer = 0
        self._buffers: list[int] = []

    def upload(self) -> None:
        """Take it to the GPU. ValueError if it is there already."""
        if self._id:
            raise ValueError("the vertices are on the GPU already")
        mesh = self._mesh
        self._id = int(GL.glGenVertexArrays(1))
        GL.glBindVertexArray(self._id)
        self._position_buffer = self._attribute(0, self._placed(mesh.positions), GL.GL_DYNAMIC_DRAW)
        self._attribute(1, np.asarray(mesh.normals, np.float32))
        self._attribute(2, np.asarray(mesh.joints, np.uint8))
        self._attribute(3, np.asarray(mesh.weights, np.float32))
        self._attribute(4, self._texcoords)
        self._attribute(5, np.asarray(self._tangents, np.float32))
        self._attribute(6, self._arm.reshape(-1, 1))
        if self._offset is not None:
            cover = np.zeros((len(mesh.positions), 1), np.float32)
            self._cover_buffer = self._attribute(7, cover, GL.GL_DYNAMIC_DRAW)
        elements = int(GL.glGenBuffers(1))
        self._buffers.append(elements)
        GL.glBindBuffer(GL.GL_ELEMENT_ARRAY_BUFFER, elements)
        GL.glBufferData(GL.GL_ELEMENT_ARRAY_BUFFER, self._corners.nbytes, self._corners, GL.GL_STATIC_DRAW)
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
        if positions.shape != self._mesh.positions.shape:
            raise ValueError(f"{positions.shape} rest vertices for {self._mesh.positions.shape}")
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
        if not self._id:
            raise ValueError("the vertices are not on the GPU")
        GL.glBindVertexArray(self._id)
        GL.glDisable(GL.GL_CULL_FACE)
        if self._both_sides:
            GL.glDrawElements(GL.GL_TRIANGLES, self._both_sides, GL.GL_UNSIGNED_INT, ctypes.c_void_p(0))
        GL.glEnable(GL.GL_CULL_FACE)
        start = ctypes.c_void_p(self._both_sides * self._corners.itemsize)
        GL.glDrawElements(GL.GL_TRIANGLES, self._corners.size - self._both_sides, GL.GL_UNSIGNED_INT, start)
        GL.glDisable(GL.GL_CULL_FACE)

    def delete(self) -> None:
        """Free what is on the GPU."""
        if self._id:
            GL.glDeleteVertexArrays(1, [self._id])
            GL.glDeleteBuffers(len(self._buffers), self._buffers)
        self._id, self._buffers = 0, []
