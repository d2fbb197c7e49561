"""``mirror garment import|drape|export``: what a merchandiser types, and what they get."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh
from trimesh.visual import TextureVisuals
from trimesh.visual.material import PBRMaterial

from mirror.cli.app import main
from mirror.wardrobe import PACKAGED
from render.garments import glb
from render.garments.garment import load_garment

pytestmark = pytest.mark.slow


def test_an_exported_garment_comes_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What goes out to a 3D program must be whole there, in its size and fabric, and importable again."""
    out, form = tmp_path / "t.glb", tmp_path / "form.glb"
    command = ["garment", "export", "tshirt", "--out", str(out), "--form", str(form)]
    assert main([*command, "--size", "L", "--fabric", "tartan_red"]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    ours = load_garment("tshirt")
    file = glb.read(out)
    np.testing.assert_allclose(file.vertices, ours.shaped(size="L")[0], atol=1e-6)
    np.testing.assert_array_equal(file.uv, ours.uv)
    seen = trimesh.load_scene(out, process=False).dump()[0]
    assert isinstance(seen, trimesh.Trimesh)
    assert isinstance(seen.visual, TextureVisuals)
    assert isinstance(seen.visual.material, PBRMaterial)
    assert seen.visual.material.baseColorTexture.size == (512, 512)
    (material,) = glb.describe(out)["materials"]
    scale = material["pbrMetallicRoughness"]["baseColorTexture"]["extensions"]["KHR_texture_transform"][
        "scale"
    ]
    assert scale[0] > 0 > scale[1]  # glTF's v runs down
    body = trimesh.load_scene(form, process=False).dump()[0]
    assert body.bounds[1][1] == pytest.approx(1.65, abs=0.15)
    assert (
        main(["garment", "import", str(out), "--name", "again", "--to", str(tmp_path), "--like", "tshirt"])
        == 0
    )
    again = load_garment("again", [tmp_path])
    assert again.vertices[:, 1].min() == pytest.approx(file.vertices[:, 1].min(), abs=0.005)
    (tmp_path / "not_a_folder").write_text("")
    assert main([*command[:4], str(tmp_path / "not_a_folder" / "x.glb")]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_a_new_garment_is_draped_from_an_old_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A longer skirt is a line on the command line; what fails must leave no half garment behind."""
    command = ["garment", "drape", "midi", "--like", "skirt", "--to", str(tmp_path)]
    for settings, line in (
        (["--cut", "slevee=3"], "no such measure"),
        (["--cut", "length=long"], "give a number"),
        (["--cut", "length=900"], r"length"),
    ):
        assert main([*command, *settings]) == 1
        assert line in capsys.readouterr().err
        assert not (tmp_path / "garments" / "midi").exists()
    (tmp_path / "file").write_text("")
    assert main([*command[:-1], str(tmp_path / "file")]) == 1
    assert "cannot be written" in capsys.readouterr().err
    assert main([*command, "--cut", "length=62", "--cut", "folds=0"]) == 0
    midi, skirt = load_garment("midi", [tmp_path]), load_garment("skirt")
    short = 62 - float(
        (PACKAGED / "garments/skirt/garment.toml").read_text().split("length = ")[1].split()[0]
    )
    assert skirt.vertices[:, 1].min() - midi.vertices[:, 1].min() == pytest.approx(short / 100, abs=0.02)
    assert midi.name == "midi"
    assert main(command) == 1
    assert "something already" in capsys.readouterr().err


def test_a_wardrobe_must_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a folder of one's own nothing may be written into the program's."""
    (tmp_path / "mirror.toml").write_text("")
    source = PACKAGED / "garments" / "tshirt"
    assert main(["garment", "import", str(source), "--config", str(tmp_path / "mirror.toml")]) == 1
    assert "wardrobe.folders" in capsys.readouterr().err
    assert main(["garment", "drape", "tshirt", "--cut", "sleeve=3"]) == 1
    assert "--like" in capsys.readouterr().err
    setting = f'wardrobe.folders=["{tmp_path}"]'
    assert main(["garment", "import", str(source), "--name", "tee", "--set", setting]) == 0
    assert load_garment("tee", [tmp_path]).kind.name == "tshirt"
