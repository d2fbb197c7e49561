"""Fixtures that every test may use."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mirror.ring import remove_segments, ring_prefix


@pytest.fixture(scope="session", autouse=True)
def _nobodys_configuration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Neither the user's configuration nor the machine's counts, nor for the processes that tests start."""
    folder = tmp_path_factory.mktemp("configuration")
    (folder / "mirror.toml").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FITTING_MIRROR_CONFIG", str(folder / "mirror.toml"))
        patch.setenv("XDG_CONFIG_HOME", str(folder))
        yield


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
