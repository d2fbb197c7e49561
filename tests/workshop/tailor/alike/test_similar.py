"""``mirror garment show NAME --similar``: garments alike, and cloth proposed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mirror.cli.app import main
from mirror.errors import MirrorError
from mirror.wardrobe import PACKAGED
from render.garments.garment import Suit
from workshop.tailor.alike.similar import Proposal, matching_fabrics, propose, suits_of


def _copy(name: str, wardrobe: Path, new: str, *, suits: bool) -> Path:
    """A garment folder as a shop would add one: copied, renamed, its own [suits] taken out or not."""
    folder = wardrobe / "garments" / new
    shutil.copytree(PACKAGED / "garments" / name, folder)
    page = folder / "garment.toml"
    text = page.read_text().replace(f'name = "{name}"', f'name = "{new}"')
    if not suits:
        head, rest = text.split("[suits]")
        text = head + rest[rest.index("# Below") :]
    page.write_text(text)
    return folder


def _shown(wardrobe: Path, name: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert (
        main(["garment", "show", name, "--set", f"wardrobe.folders={wardrobe}", "--similar", "--json"]) == 0
    )
    facts: dict[str, Any] = json.loads(capsys.readouterr().out)
    return facts


def test_new_garment_gets_its_likes_cloth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A garment that no page says anything about: found, placed and clothed without training."""
    _copy("skirt", tmp_path, "wrap_skirt", suits=False)
    facts = _shown(tmp_path, "wrap_skirt", capsys)
    assert facts["similar"][0]["name"] == "skirt"
    assert facts["similar"][0]["similarity"] == pytest.approx(1, abs=0.001)
    assert [row["similarity"] for row in facts["similar"]] == sorted(
        (row["similarity"] for row in facts["similar"]), reverse=True
    )
    assert len(facts["similar"]) == len(list(PACKAGED.glob("garments/*/garment.toml")))
    wanted = suits_of(PACKAGED / "garments" / "skirt")
    best = facts["proposals"][0]
    assert best["class"] in wanted
    assert wanted[best["class"]].weight >= 0.8
    by_class = {row["class"]: row for row in facts["proposals"]}
    tartan = by_class["tartan"]
    assert {fabric["name"] for fabric in tartan["fabrics"]} == {"tartan_green", "tartan_grey", "tartan_red"}
    assert 0.05 < tartan["repeat_m"][0] < tartan["repeat_m"][1] < 0.2
    assert by_class["linen"]["repeat_m"] is None


def test_kinds_get_different_cloth(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The garment must matter: jeans are of denim, T-shirts of jersey."""
    first = {name: _shown(tmp_path, name, capsys)["proposals"][0]["class"] for name in ("trousers", "tshirt")}
    assert first["trousers"] in ("denim", "twill")
    assert first["tshirt"] == "jersey"


def test_table_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    """What the merchandiser reads; without --similar nothing of it is computed or shown."""
    assert main(["garment", "show", "dress", "--similar"]) == 0
    text = capsys.readouterr().out
    assert "similar garments" in text
    assert "floral_meadow" in text
    assert main(["garment", "show", "dress"]) == 0
    assert "similar" not in capsys.readouterr().out


def test_needs_neither_torch_nor_tqdm() -> None:
    """The wardrobe's command must work on a kiosk, where nothing for training is installed."""
    code = (
        "import sys; sys.modules['torch'] = sys.modules['tqdm'] = None; from mirror.cli.app import main;"
        "sys.exit(main(['garment', 'show', 'shorts', '--similar', '--json']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["similar"]) >= 6


def test_cloth_from_afar_is_called_a_guess(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where no example is near, the merchandiser must not take the list for knowledge."""
    _copy("skirt", tmp_path, "odd", suits=False)
    _copy("dress", tmp_path, "gown", suits=True)
    words = ["garment", "show", "odd", "--similar", "--set", f"wardrobe.folders={tmp_path}"]
    monkeypatch.setattr("mirror.wardrobe.PACKAGED", tmp_path)
    assert main(words) == 0
    assert "(a guess:" in capsys.readouterr().out
    (tmp_path / "garments" / "gown" / "garment.toml").unlink()
    assert main(words) == 0
    assert "no garment says what suits it" in capsys.readouterr().out


def test_broken_garment_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One damaged file among the wardrobe's must not hide the rest; it is told in a line."""
    folder = _copy("skirt", tmp_path, "broken", suits=True)
    (folder / "garment.glb").write_bytes(b"glTF")
    assert (
        main(["garment", "show", "skirt", "--set", f"wardrobe.folders={tmp_path}", "--similar", "--json"])
        == 0
    )
    held = capsys.readouterr()
    assert "broken is left out" in held.err
    assert held.err.count("\n") == 1
    names = [row["name"] for row in json.loads(held.out)["similar"]]
    assert "broken" not in names
    assert "dress" in names


def test_wrong_suits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A merchandiser's slip names the page and the class."""
    folder = _copy("skirt", tmp_path, "slip", suits=True)
    page = folder / "garment.toml"
    good = page.read_text()
    page.write_text(good.replace("repeat_m = [0.08, 0.16]", "repeat_m = [0.16, 0.08]"))
    with pytest.raises(MirrorError, match=r"garment.toml: \[suits\] tartan: repeat_m goes from more to less"):
        suits_of(folder)
    page.write_text(good.replace("weight = 0.9", "weight = 9"))
    assert main(["garment", "show", "slip", "--set", f"wardrobe.folders={tmp_path}", "--similar"]) == 1
    assert "garment.toml" in capsys.readouterr().err


def test_proposals_weigh_the_near_ones() -> None:
    """A cosine 0.1 lower counts e times less; repeats are means of those who know the class."""
    near = {"tartan": Suit(1.0, (0.1, 0.2)), "plain": Suit(0.5)}
    far = {"tartan": Suit(1.0, (0.4, 0.8)), "denim": Suit(1.0), "satin": Suit(0.4)}
    found = {p.fabric_class: p for p in propose([(0.9, near), (0.8, far), (0.95, {})])}
    share = 1 / (1 + 2.718281828**-1)
    assert found["tartan"].score == pytest.approx(1)
    assert found["plain"].score == pytest.approx(0.5 * share)
    assert found["denim"].score == pytest.approx(1 - share)
    assert "satin" not in found  # 0.11: too little to propose
    repeat = found["tartan"].repeat_m
    assert repeat is not None
    assert repeat[0] == pytest.approx(0.1 * 4 ** (1 - share))
    assert propose([(0.9, {}), (0.2, {})]) == []


def test_fabrics_are_brought_to_scale() -> None:
    """A pattern too large for a shirt is shown how much smaller; one that fits stays as it is."""
    small = {f["name"]: f for f in matching_fabrics(Proposal("tartan", 1.0, (0.02, 0.08)))}
    assert small["tartan_red"]["pattern_m"] == pytest.approx(0.094, abs=0.01)
    assert small["tartan_red"]["scale"] == pytest.approx(0.08 / small["tartan_red"]["pattern_m"])
    assert small["tartan_grey"]["scale"] == 1
    plain = matching_fabrics(Proposal("jersey", 1.0, None))
    assert {f["scale"] for f in plain} == {None}
    assert matching_fabrics(Proposal("velvet", 1.0, None)) == []
