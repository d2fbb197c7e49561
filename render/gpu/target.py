"""What is drawn into, off screen, and the way of its pixels back."""

from __future__ import annotations

import numpy as np

from mirror.types import F32, Picture
from render.gpu import gl  # first: chooses the OpenGL platform
from render.gpu.id_buffer import Box

# isort: split
from OpenGL import GL

__all__ = ["Target"]


class Target:
    """One colour and one depth buffer; no multisampling, for ``compositing`` softens the outline.

    Row 0 is the top of the picture. A new ``size`` (width, height) counts from the next ``begin`` on.
    """

    def __init__(self, width: int, height: int) -> None:
        self.size = (width, height)
        self._made: tuple[int, int] | None = None
        self._framebuffer = 0
        self._buffers: list[int] = []
        self._pixels = np.zeros(0, np.uint8)

    def begin(self, box: Box, beyond: tuple[float, float, float]) -> None:
        """Draw from here on within ``box`` (x0, y0, x1, y1), of the colour ``beyond``, BGR, at first."""
        if self._made != self.size:
            self._make()
        GL.glBindFramebuffer(GL.GL_DRAW_FRAMEBUFFER, self._framebuffer)
        GL.glViewport(0, 0, *self.size)
        x0, y0, x1, y1 = box
        GL.glEnable(GL.GL_SCISSOR_TEST)
        GL.glScissor(x0, y0, x1 - x0, y1 - y0)
        GL.glEnable(GL.GL_DEPTH_TEST)
        GL.glDepthFunc(GL.GL_LESS)
        GL.glDepthMask(GL.GL_TRUE)
        GL.glColorMask(GL.GL_TRUE, GL.GL_TRUE, GL.GL_TRUE, GL.GL_TRUE)
        GL.glClearColor(*beyond, 0.0)
        GL.glClear(GL.GL_COLOR_BUFFER_BIT | GL.GL_DEPTH_BUFFER_BIT)
        # Row 0 of the target is row 0 of the picture, which turns every face round.
        GL.glFrontFace(GL.GL_CW)

    def end(self) -> None:
        """Leave nothing behind that others would trip over."""
        GL.glBindVertexArray(0)
        GL.glDisable(GL.GL_SCISSOR_TEST)

    def read(self, box: Box) -> Picture:
        """Wait for the drawing and read it: (h, w, 4), a view of a buffer that the next call overwrites."""
        x0, y0, x1, y1 = box
        width, height = x1 - x0, y1 - y0
        size = width * height * 4
        if self._pixels.size < size:
            self._pixels = np.empty(self.size[0] * self.size[1] * 4, np.uint8)
        picture = self._pixels[:size].reshape(height, width, 4)
        GL.glBindFramebuffer(GL.GL_READ_FRAMEBUFFER, self._framebuffer)
        GL.glReadPixels(x0, y0, width, height, GL.GL_RGBA, GL.GL_UNSIGNED_BYTE, picture)
        gl.check("reading pixels")
        return picture

    def read_depth(self, box: Box) -> F32:
        """The depth buffer (h, w) in ``box``, 0..1 from the near to the far plane; 1 where nothing is."""
        x0, y0, x1, y1 = box
        depth = np.empty((y1 - y0, x1 - x0), np.float32)
        GL.glBindFramebuffer(GL.GL_READ_FRAMEBUFFER, self._framebuffer)
        GL.glReadPixels(x0, y0, x1 - x0, y1 - y0, GL.GL_DEPTH_COMPONENT, GL.GL_FLOAT, depth)
        return depth

    def _make(self) -> None:
        self.delete()
        self._buffers = [int(name) for name in GL.glGenRenderbuffers(2)]
        self._framebuffer = int(GL.glGenFramebuffers(1))
        GL.glBindFramebuffer(GL.GL_FRAMEBUFFER, self._framebuffer)
        for buffer, storage, point in (
            (self._buffers[0], GL.GL_RGBA8, GL.GL_COLOR_ATTACHMENT0),
            (self._buffers[1], GL.GL_DEPTH_COMPONENT24, GL.GL_DEPTH_ATTACHMENT),
        ):
            GL.glBindRenderbuffer(GL.GL_RENDERBUFFER, buffer)
            GL.glRenderbufferStorage(GL.GL_RENDERBUFFER, storage, *self.size)
            GL.glFramebufferRenderbuffer(GL.GL_FRAMEBUFFER, point, GL.GL_RENDERBUFFER, buffer)
        if GL.glCheckFramebufferStatus(GL.GL_FRAMEBUFFER) != GL.GL_FRAMEBUFFER_COMPLETE:
            width, height = self.size
            raise gl.GraphicsError(f"the graphics driver refuses a {width}x{height} drawing target")
        self._made = self.size
        self._pixels = np.empty(self.size[0] * self.size[1] * 4, np.uint8)

    def delete(self) -> None:
        """Free the buffers; ``begin`` makes them anew."""
        if self._buffers:
            GL.glDeleteFramebuffers(1, [self._framebuffer])
            GL.glDeleteRenderbuffers(2, self._buffers)
        self._made, self._framebuffer, self._buffers = None, 0, []
