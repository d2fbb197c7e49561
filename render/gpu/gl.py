"""The offscreen OpenGL context (EGL) and its errors.

Import this module before anything of PyOpenGL or pyrender: both choose their platform on import.
"""

from __future__ import annotations

import os

os.environ.setdefault("PYOPENGL_PLATFORM", "egl")

from collections.abc import Iterator
from contextlib import contextmanager

from OpenGL import GL
from OpenGL.error import Error as PyOpenGLError
from pyrender.platforms import egl

from mirror.errors import MirrorError

_CONTEXT_LOST = 0x0507
_NAMES = {
    0x0500: "GL_INVALID_ENUM",
    0x0501: "GL_INVALID_VALUE",
    0x0502: "GL_INVALID_OPERATION",
    0x0505: "GL_OUT_OF_MEMORY",
    0x0506: "GL_INVALID_FRAMEBUFFER_OPERATION",
    _CONTEXT_LOST: "GL_CONTEXT_LOST",
}


class GraphicsError(MirrorError):
    """OpenGL refused a call or lost its context; the process cannot draw any more."""


def error_line(code: int) -> str:
    """One line that explains an OpenGL error code."""
    if code == _CONTEXT_LOST:
        return "the graphics driver lost the OpenGL context; restart the render process"
    return f"OpenGL error {_NAMES.get(code, hex(code))} while drawing; `mirror doctor` tests the driver"


def check(what: str) -> None:
    """Raise GraphicsError if OpenGL has recorded an error since the last check."""
    code = int(GL.glGetError())
    if code != GL.GL_NO_ERROR:
        raise GraphicsError(f"{what}: {error_line(code)}")


@contextmanager
def errors_as(what: str) -> Iterator[None]:
    """Turn PyOpenGL's exceptions into one explained GraphicsError."""
    try:
        yield
    except PyOpenGLError as error:
        code = int(getattr(error, "err", 0) or 0)
        raise GraphicsError(f"{what}: {error_line(code)}") from error


class Context:
    """A surfaceless OpenGL 4.1 core context, current in the thread that made it.

    Tries each EGL device in turn, so that a GPU whose device file may not be opened gives way
    to software rendering. Raises GraphicsError when none gives a context.
    """

    def __init__(self) -> None:
        self._platform = None
        failures: list[str] = []
        for device in self._devices():
            platform = egl.EGLPlatform(1, 1, device=device)
            try:
                platform.init_context()
                self.renderer = bytes(GL.glGetString(GL.GL_RENDERER)).decode()
                self.version = bytes(GL.glGetString(GL.GL_VERSION)).decode()
            # pyrender asserts, PyOpenGL raises its own; a null string is a TypeError.
            except (AssertionError, PyOpenGLError, TypeError, ValueError) as error:
                failures.append(f"{device.name or 'software'}: {type(error).__name__}")
                continue
            self._platform = platform
            return
        detail = "; ".join(failures) or "no EGL device"
        raise GraphicsError(f"no OpenGL through EGL ({detail}); install libegl1 and libgl1-mesa-dri")

    @staticmethod
    def _devices() -> list[egl.EGLDevice]:
        try:
            return list(egl.query_devices())
        except RuntimeError:
            return [egl.get_default_device()]

    @property
    def software(self) -> bool:
        """Whether the CPU does the drawing."""
        return any(name in self.renderer.lower() for name in ("llvmpipe", "softpipe", "swrast"))

    def make_current(self) -> None:
        """Make the context current in this thread (after another library changed it)."""
        if self._platform is not None:
            self._platform.make_current()

    def close(self) -> None:
        """Give the context back; further OpenGL calls are errors. Closing twice is fine."""
        platform, self._platform = self._platform, None
        if platform is None:
            return
        from OpenGL import EGL  # loaded before OpenGL.GL it breaks PyOpenGL 3.1.0

        # pyrender's own way ends the whole display, and with it every other context of the process.
        display, context = platform._egl_display, platform._egl_context
        EGL.eglMakeCurrent(display, EGL.EGL_NO_SURFACE, EGL.EGL_NO_SURFACE, EGL.EGL_NO_CONTEXT)
        EGL.eglDestroyContext(display, context)
        platform._egl_display = platform._egl_context = None
