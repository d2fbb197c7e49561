"""One OpenGL context for all render tests: making one takes a second."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from render.gpu import gl


@pytest.fixture(scope="session")
def one_gl_context() -> Iterator[gl.Context]:
    context = gl.Context()
    yield context
    context.close()


@pytest.fixture
def gl_context(one_gl_context: gl.Context) -> gl.Context:
    """The context, current: a test in between may have had one of its own."""
    one_gl_context.make_current()
    return one_gl_context
