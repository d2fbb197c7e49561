"""Shader programs: compiled from files with the definitions that choose what they do."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mirror.types import F32
from render.gpu import gl  # first: chooses the OpenGL platform

# isort: split
from OpenGL import GL

__all__ = ["Program"]

_FOLDER = Path(__file__).resolve().parents[1] / "shaders"


class Program:
    """A program of two files in ``render/shaders``; ``defines`` are told to both as ``#define``.

    Raises GraphicsError with the compiler's first line where the driver refuses one, and for a uniform
    that the program does not have.
    """

    def __init__(self, vertex: str, fragment: str, **defines: int) -> None:
        self._id = int(GL.glCreateProgram())
        self._locations: dict[str, int] = {}
        shaders = [
            _compiled(kind, name, defines)
            for kind, name in ((GL.GL_VERTEX_SHADER, vertex), (GL.GL_FRAGMENT_SHADER, fragment))
        ]
        for shader in shaders:
            GL.glAttachShader(self._id, shader)
        GL.glLinkProgram(self._id)
        for shader in shaders:  # the program keeps them as long as it needs them
            GL.glDeleteShader(shader)
        if not GL.glGetProgramiv(self._id, GL.GL_LINK_STATUS):
            raise gl.GraphicsError(
                f"{vertex} with {fragment}: {_first_line(GL.glGetProgramInfoLog(self._id))}"
            )

    def use(self) -> None:
        """Make it the current program."""
        GL.glUseProgram(self._id)

    def _at(self, name: str) -> int:
        if name not in self._locations:
            location = int(GL.glGetUniformLocation(self._id, name))
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

    def delete(self) -> None:
        """Free the program."""
        if self._id:
            GL.glDeleteProgram(self._id)
            self._id = 0


def _compiled(kind: int, name: str, defines: dict[str, int]) -> int:
    version, rest = (_FOLDER / name).read_text(encoding="utf-8").split("\n", 1)
    told = "".join(f"#define {key} {value}\n" for key, value in defines.items())
    shader = int(GL.glCreateShader(kind))
    GL.glShaderSource(shader, f"{version}\n{told}#line 2\n{rest}")  # errors name lines of the file
    GL.glCompileShader(shader)
    if not GL.glGetShaderiv(shader, GL.GL_COMPILE_STATUS):
        raise gl.GraphicsError(f"{name}: {_first_line(GL.glGetShaderInfoLog(shader))}")
    return shader


def _first_line(log: bytes | str) -> str:
    text = log.decode(errors="replace") if isinstance(log, bytes) else log
    return (text.strip().splitlines() or ["the graphics driver says no more"])[0]
