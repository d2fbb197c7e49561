"""A maker of renderers that are freed when the test is over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from render.garments.mesh import SkinnedMesh
from render.garments.worn_garment import WornGarment
from render.gpu import gl
from render.gpu.renderer import GarmentRenderer
from tests.render.gpu.shots import FAR_BODY, H, Make, W


@pytest.fixture
def make(gl_context: gl.Context) -> Iterator[Make]:
    made: list[GarmentRenderer] = []

    def build(cloths: Sequence[WornGarment], body: SkinnedMesh = FAR_BODY) -> GarmentRenderer:
        renderer = GarmentRenderer(W, H, body)
        renderer.wear(cloths)
        made.append(renderer)
        return renderer

    yield build
    for renderer in made:
        renderer.delete()
