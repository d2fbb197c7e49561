"""Fixtures that every test may use."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mirror.ring import remove_segments, ring_prefix


@pytest.fixture
def runtime_dir() -> Iterator[Path]:
    """A private runtime directory (tests may also use "run" in it).

    Its path is short enough for Unix sockets (107 bytes).
    """
    path = Path(tempfile.mkdtemp(prefix="fm-", dir="/tmp"))
    yield path
    for runtime in (path, path / "run"):
        remove_segments(ring_prefix(runtime))
    shutil.rmtree(path)
