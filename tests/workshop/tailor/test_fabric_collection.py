from __future__ import annotations

import numpy as np
import pytest

from inference.fabric.classes import CLASSES
from inference.fabric.sample import normal_map
from render.garments.fabric import load_fabric
from workshop.tailor.fabric_collection import COLLECTION, coarser

pytestmark = pytest.mark.slow


def test_a_shop_has_enough_to_choose_from() -> None:
    """At least 24 fabrics of at least 10 classes hang in the wardrobe."""
    assert len({r.name for r in COLLECTION}) == len(COLLECTION) >= 24
    assert len({r.fabric_class for r in COLLECTION}) >= 10


@pytest.mark.parametrize("spec", COLLECTION, ids=lambda r: r.name)
def test_shipped_fabric_loads(spec: object) -> None:
    """A folder that the renderer refuses would leave the demo's person in plain grey."""
    name, fabric_class = spec.name, spec.fabric_class  # type: ignore[attr-defined]
    fabric = load_fabric(name)
    assert fabric.fabric_class == fabric_class
    assert fabric.albedo.shape == fabric.normal.shape == (512, 512, 3)
    assert fabric.repeat_m[0] == pytest.approx(512 / CLASSES[fabric_class], rel=1e-3)
    assert sum(p.stat().st_size for p in fabric.path.iterdir()) <= 600_000
    normal = fabric.normal.astype(np.float32) / 127.5 - 1
    assert np.abs(np.linalg.norm(normal, axis=2) - 1).max() < 0.05
    assert "fabric GAN" in fabric.made_by


def test_coarser_normals_stay_normals() -> None:
    """Saved small, a normal still has unit length and points where it did, to a few degrees."""
    height = np.random.default_rng(0).random((32, 32)).astype(np.float32)
    fine = normal_map(height, 1.5)
    rough = coarser(fine).astype(np.float32) / 127.5 - 1
    fine_unit = fine.astype(np.float32) / 127.5 - 1
    cosine = (rough * fine_unit).sum(2) / np.linalg.norm(rough, axis=2) / np.linalg.norm(fine_unit, axis=2)
    assert np.degrees(np.arccos(cosine.clip(-1, 1))).max() < 4
