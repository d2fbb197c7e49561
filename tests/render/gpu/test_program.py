"""Shader programs."""

from __future__ import annotations

from pathlib import Path

import pytest

from render.gpu import gl, program


def test_a_shader_that_does_not_compile_is_named_with_its_line(
    gl_context: gl.Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever edits a shader, or has a driver that refuses it, needs file and line, not a black mirror."""
    (tmp_path / "good.vert").write_text("#version 330 core\nvoid main() { gl_Position = vec4(WIDE); }\n")
    (tmp_path / "bad.frag").write_text("#version 330 core\n\nvoid main() { nonsense; }\n")
    monkeypatch.setattr(program, "_FOLDER", tmp_path)
    with pytest.raises(gl.GraphicsError, match=r"bad\.frag: .*3"):
        program.Program("good.vert", "bad.frag", WIDE=1, DEEP=2)


def test_an_unknown_uniform_is_an_error(gl_context: gl.Context) -> None:
    """A uniform that is misspelt would silently stay 0: cloth without light."""
    depth = program.Program("skinning.vert", "depth.frag", BONE_ROWS=96)
    depth.use()
    with pytest.raises(gl.GraphicsError, match="'lihgt'"):
        depth.number("lihgt", 1.0)
    depth.delete()
    depth.delete()
