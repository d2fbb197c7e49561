"""Small things that the fabric tests share: a tiny swatch set, and the weights that ship."""

from __future__ import annotations

import pytest

from inference.fabric.generator import FabricGenerator
from workshop.train.fabric.swatches import SwatchSet, procedural_swatches


@pytest.fixture(scope="session")
def swatches() -> SwatchSet:
    return procedural_swatches(1, 3)


@pytest.fixture(scope="session")
def shipped() -> FabricGenerator:
    return FabricGenerator()
