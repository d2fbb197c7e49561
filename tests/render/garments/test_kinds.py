"""The registry of garment kinds: a new kind is one record there, and everything else follows."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from inference.body.model import BodyModel
from mirror.config import WardrobeConfig
from mirror.wardrobe import PACKAGED
from render.garments import kinds
from render.garments.fabric import load_fabric
from render.garments.garment import list_garments, load_garment
from render.garments.kinds import KINDS, GarmentKind
from render.garments.outfit import OutfitRack, check_outfit, cloth_of
from workshop.tailor import cutter
from workshop.train.garment.variants import draw_cut

pytestmark = pytest.mark.slow


@pytest.fixture
def culottes(monkeypatch: pytest.MonkeyPatch) -> GarmentKind:
    """A kind that nothing but the registry knows."""
    kind = GarmentKind("culottes", "bottom", legs="short")
    monkeypatch.setitem(KINDS, kind.name, kind)
    return kind


@pytest.fixture
def wardrobe(tmp_path: Path, culottes: GarmentKind) -> Path:
    """A wardrobe with one garment of the new kind, not yet cut."""
    folder = tmp_path / "garments" / "spring"
    folder.mkdir(parents=True)
    page = (PACKAGED / "garments" / "shorts" / "garment.toml").read_text()
    page = page.replace('kind = "shorts"', f'kind = "{culottes.name}"').replace('"shorts"', '"spring"')
    (folder / "garment.toml").write_text(page.split("# Below this line")[0])
    return tmp_path


def test_a_new_kind_is_cut_and_worn(wardrobe: Path, culottes: GarmentKind) -> None:
    """A shop's new kind of garment must need a record, and no hunt through the code."""
    folder = wardrobe / "garments" / "spring"
    assert cutter.cut(folder)["faces"] > 1000
    garment = load_garment("spring", [wardrobe])
    assert garment.kind is culottes
    assert set(garment.anchors) == set(culottes.anchors)
    assert set(garment.measurements["M"]) == set(culottes.measurements)
    worn = cloth_of(garment, load_fabric(garment.default_fabric), "M")
    check_outfit([worn], BodyModel.load().components)
    assert worn.trimmed
    rack = OutfitRack(WardrobeConfig(folders=[str(wardrobe)], garments=["tshirt"]))
    assert ("spring", "tshirt") in rack._outfits
    assert [cloth.name for cloth in rack.loaded(["spring"])] == ["spring"]


def test_a_new_kind_is_worn(wardrobe: Path, culottes: GarmentKind) -> None:
    """One that was made elsewhere is loaded and hung up like any other."""
    folder = wardrobe / "garments" / "spring"
    shutil.copyfile(PACKAGED / "garments" / "shorts" / "garment.glb", folder / "garment.glb")
    page = (PACKAGED / "garments" / "shorts" / "garment.toml").read_text()
    marked = page[page.index("[anchors]") :]
    (folder / "garment.toml").write_text((folder / "garment.toml").read_text() + marked)
    assert {"spring": "culottes"}.items() <= {g["name"]: g["kind"] for g in list_garments([wardrobe])}.items()
    garment = load_garment("spring", [wardrobe])
    assert garment.kind is culottes
    assert cloth_of(garment, load_fabric(garment.default_fabric), "L").size_steps == 1
    table = draw_cut(culottes, np.random.default_rng(3))
    assert table["leg"] < 45


def test_kinds_that_there_are_stay_as_they_are() -> None:
    """Their order seeds what the encoder is trained on; their shape is what the cutter goes by."""
    assert list(KINDS) == ["tshirt", "long_sleeve", "tank_top", "trousers", "shorts", "skirt", "dress"]
    told = {k.name: (k.slot, k.sleeved, k.legged, k.trimmed, k.cutting.block) for k in KINDS.values()}
    assert told == {
        "tshirt": ("top", True, False, True, "tights"),
        "long_sleeve": ("top", True, False, True, "tights"),
        "tank_top": ("top", False, False, True, "tights"),
        "trousers": ("bottom", False, True, True, "tights"),
        "shorts": ("bottom", False, True, True, "tights"),
        "skirt": ("bottom", False, False, False, "skirt"),
        "dress": ("full", False, False, False, "dress"),
    }


@pytest.mark.parametrize("name", list(KINDS))
def test_pages_say_what_their_kind_says(name: str) -> None:
    """A page's points and measurements are those that its kind names, or reports would lack some."""
    garment = load_garment(name)
    assert garment.kind.name == name
    assert garment.slot == garment.kind.slot
    assert set(garment.anchors) == set(garment.kind.anchors)
    assert all(set(row) == set(garment.kind.measurements) for row in garment.measurements.values())


def test_what_clashes() -> None:
    """A dress leaves no room for a shirt, a shirt leaves room for a skirt."""
    assert kinds.clash("top", "top")
    assert kinds.clash("full", "bottom")
    assert not kinds.clash("top", "bottom")
