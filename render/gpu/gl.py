"""The offscreen OpenGL context (EGL) and its errors.

Everything is drawn through PyOpenGL, whose calls are OpenGL's own: pure Python, so that one wheel
serves every version of Python, with the drivers' EGL as only system library. A frame takes less than a
hundred calls of about a microsecond each (measured with ``glUniform1f`` on two cores and llvmpipe), beside
tens of milliseconds that the drawing itself takes: moderngl's compiled calls have nothing to gain there, and
would have to be built anew for each version of Python.

Import this module before anything of PyOpenGL, which chooses its platform on import.
"""

from __future__ import annotations

import os

os.environ["PYOPENGL_PLATFORM"] = "egl"  # whatever the desktop's is: nothing here opens a window

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from OpenGL import EGL, GL
from OpenGL.error import Error as PyOpenGLError

from mirror.errors import MirrorError

__all__ = ["Context", "Device", "GraphicsError", "check", "error_line", "errors_as"]

_CONTEXT_LOST = 0x0507
_NAMES = {
    0x0500: "GL_INVALID_ENUM",
    0x0501: "GL_INVALID_VALUE",
    0x0502: "GL_INVALID_OPERATION",
    0x0505: "GL_OUT_OF_MEMORY",
    0x0506: "GL_INVALID_FRAMEBUFFER_OPERATION",
    _CONTEXT_LOST: "GL_CONTEXT_LOST",
}
# Of EGL_EXT_platform_device and EGL_EXT_device_drm.
_PLATFORM_DEVICE, _DRM_DEVICE_FILE = 0x313F, 0x3233
_MOST_DEVICES = 16
_SOFTWARE = ("llvmpipe", "softpipe", "swrast")


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


@dataclass(frozen=True)
class Device:
    """Something that draws: a GPU or the processor. Without a ``handle`` the driver's default display."""

    handle: int | None = None
    name: str = "software"

    @classmethod
    def found(cls) -> list[Device]:
        """All of this machine, in the driver's order; the default one where it cannot name any."""
        query = _extension(
            b"eglQueryDevicesEXT",
            EGL.EGLBoolean,
            ctypes.c_int32,
            ctypes.POINTER(ctypes.c_void_p),
            ctypes.POINTER(ctypes.c_int32),
        )
        if query is None:
            return [cls()]
        handles, count = (ctypes.c_void_p * _MOST_DEVICES)(), ctypes.c_int32()
        if not query(_MOST_DEVICES, handles, ctypes.byref(count)):
            return []
        name = _extension(b"eglQueryDeviceStringEXT", ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int32)
        devices = []
        for handle in handles[: count.value]:
            file = None if name is None else name(handle, _DRM_DEVICE_FILE)
            devices.append(cls(handle, "software" if file is None else file.decode(errors="replace")))
        return devices

    def display(self) -> Any:
        """EGL's display of it: the same one for each context of a process."""
        if self.handle is None:
            return EGL.eglGetDisplay(EGL.EGL_DEFAULT_DISPLAY)
        get = _extension(
            b"eglGetPlatformDisplayEXT", EGL.EGLDisplay, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p
        )
        return None if get is None else get(_PLATFORM_DEVICE, self.handle, None)


def _extension(name: bytes, result: Any, *arguments: Any) -> Any:
    """A function of an EGL extension; None where the driver lacks it."""
    address = _address(EGL.eglGetProcAddress(name))
    return None if address is None else ctypes.CFUNCTYPE(result, *arguments)(address)


def _address(pointer: Any) -> int | None:
    return ctypes.cast(pointer, ctypes.c_void_p).value if pointer else None


class Context:
    """A surfaceless OpenGL 4.1 core context, current in the thread that made it.

    Tries each EGL device in turn, so that a GPU whose device file may not be opened gives way
    to software rendering. Raises GraphicsError when none gives a context. A process may have several.
    """

    def __init__(self) -> None:
        self._display: Any = None
        self._context: Any = None
        failures: list[str] = []
        for device in self._devices():
            try:
                self._open(device)
                self.renderer = bytes(GL.glGetString(GL.GL_RENDERER)).decode()
                self.version = bytes(GL.glGetString(GL.GL_VERSION)).decode()
            # PyOpenGL raises its own; a null string is a TypeError.
            except (GraphicsError, PyOpenGLError, TypeError, ValueError) as error:
                failures.append(f"{device.name}: {type(error).__name__}")
                self.close()
                continue
            return
        detail = "; ".join(failures) or "no EGL device"
        raise GraphicsError(f"no OpenGL through EGL ({detail}); install libegl1 and libgl1-mesa-dri")

    @staticmethod
    def _devices() -> list[Device]:
        return Device.found()

    def _open(self, device: Device) -> None:
        display = device.display()
        number = np.zeros(1, np.int32)
        if not display or not EGL.eglInitialize(display, number, number.copy()):
            raise GraphicsError("the device gives no display")
        wanted = [
            *(EGL.EGL_SURFACE_TYPE, EGL.EGL_PBUFFER_BIT),
            *(EGL.EGL_BLUE_SIZE, 8, EGL.EGL_RED_SIZE, 8, EGL.EGL_GREEN_SIZE, 8, EGL.EGL_DEPTH_SIZE, 24),
            *(EGL.EGL_COLOR_BUFFER_TYPE, EGL.EGL_RGB_BUFFER),
            *(EGL.EGL_RENDERABLE_TYPE, EGL.EGL_OPENGL_BIT, EGL.EGL_CONFORMANT, EGL.EGL_OPENGL_BIT),
            EGL.EGL_NONE,
        ]
        configs = (EGL.EGLConfig * 1)()
        if not EGL.eglChooseConfig(display, np.array(wanted, np.int32), configs, 1, number) or not number[0]:
            raise GraphicsError("the device draws no OpenGL")
        EGL.eglBindAPI(EGL.EGL_OPENGL_API)
        asked = [
            *(EGL.EGL_CONTEXT_MAJOR_VERSION, 4, EGL.EGL_CONTEXT_MINOR_VERSION, 1),
            *(EGL.EGL_CONTEXT_OPENGL_PROFILE_MASK, EGL.EGL_CONTEXT_OPENGL_CORE_PROFILE_BIT),
            EGL.EGL_NONE,
        ]
        context = EGL.eglCreateContext(display, configs[0], EGL.EGL_NO_CONTEXT, np.array(asked, np.int32))
        if not context:
            raise GraphicsError("the device gives no OpenGL 4.1")
        self._display, self._context = display, context
        self.make_current()

    @property
    def software(self) -> bool:
        """Whether the CPU does the drawing."""
        return any(name in self.renderer.lower() for name in _SOFTWARE)

    def make_current(self) -> None:
        """Make the context current in this thread (after another library changed it)."""
        if self._context is None:
            return
        if not EGL.eglMakeCurrent(self._display, EGL.EGL_NO_SURFACE, EGL.EGL_NO_SURFACE, self._context):
            raise GraphicsError("the graphics driver does not make its context current")

    def close(self) -> None:
        """Give the context back; further OpenGL calls are errors. Closing twice is fine.

        The display stays: it belongs to all contexts of the process.
        """
        display, context = self._display, self._context
        self._display = self._context = None
        if context is None:
            return
        if _address(EGL.eglGetCurrentContext()) == _address(context):  # else another one draws in this thread
            EGL.eglMakeCurrent(display, EGL.EGL_NO_SURFACE, EGL.EGL_NO_SURFACE, EGL.EGL_NO_CONTEXT)
        EGL.eglDestroyContext(display, context)
