"""Contexts of OpenGL: several in a process, on devices of which some may not be opened."""

from __future__ import annotations

import subprocess
import sys

import pytest
from OpenGL import GL

from render.gpu import gl


def vendor() -> bytes | None:
    text = GL.glGetString(GL.GL_VENDOR)
    return None if text is None else bytes(text)


def test_a_device_that_cannot_be_opened_gives_way_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """A graphics card whose device file belongs to another group must not keep the mirror dark."""
    good = gl.Device.found()[-1:]
    closed = gl.Device(None, "/dev/dri/card9")
    display = gl.Device.display
    monkeypatch.setattr(gl.Device, "display", lambda self: None if self is closed else display(self))
    monkeypatch.setattr(gl.Context, "_devices", staticmethod(lambda: [closed, *good]))
    context = gl.Context()
    assert context.renderer
    context.close()
    monkeypatch.setattr(gl.Context, "_devices", staticmethod(lambda: [closed]))
    with pytest.raises(gl.GraphicsError, match="/dev/dri/card9"):
        gl.Context()


def test_a_driver_without_devices_gives_its_default_display(monkeypatch: pytest.MonkeyPatch) -> None:
    """Older drivers know one display only: they draw as well."""
    monkeypatch.setattr(gl, "_extension", lambda *_: None)
    assert gl.Device.found() == [gl.Device()]


def test_closing_a_context_leaves_the_one_that_draws(gl_context: gl.Context) -> None:
    """A context that is closed late would take the drawing of its successor with it."""
    first, second = gl.Context(), gl.Context()
    first.close()
    assert vendor()
    second.close()
    gl_context.make_current()
    assert vendor()


def test_the_desktops_own_platform_does_not_matter() -> None:
    """A desktop that sets PyOpenGL to its window system would stop the mirror at its start."""
    done = subprocess.run(
        [sys.executable, "-c", "from render.gpu.gl import Context; print(Context().version)"],
        env={"PYOPENGL_PLATFORM": "glx", "PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("4.")


def test_nothing_that_draws_the_mirror_needs_pyrender() -> None:
    """Pyrender pins a PyOpenGL that does not run on Python 3.12: it is the benchmark's alone."""
    code = "import sys; sys.modules['pyrender'] = None; import render.process, workshop.bench.naive"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
