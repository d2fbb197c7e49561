"""Textures in OpenGL."""

from __future__ import annotations

from render.garments.textures import Mipmaps
from render.gpu import gl  # first: chooses the OpenGL platform

# isort: split
from OpenGL import GL

__all__ = ["Texture"]


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
