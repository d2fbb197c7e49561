"""One OpenGL context for all render tests: making one takes a second."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from render import gl


@pytest.fixture(scope="session")
def gl_context() -> Iterator[gl.Context]:
    context = gl.Context()
    yield context
    context.close()
