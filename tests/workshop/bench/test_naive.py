"""The naive mirror of the benchmark."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mirror.errors import MirrorError
from render.garments.fabric import load_fabric
from render.garments.garment import load_garment
from workshop.bench.naive import NaiveMirror


def test_without_pyrender_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed mirror comes without pyrender: `mirror bench` must say so instead of a traceback."""
    monkeypatch.setitem(sys.modules, "pyrender", None)
    with pytest.raises(MirrorError, match="development set-up"):
        NaiveMirror(64, 48, Path("none.task"), load_garment("tshirt"), load_fabric("jersey_navy"))
