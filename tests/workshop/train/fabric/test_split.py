from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from mirror.errors import MirrorError
from workshop.tailor.swatch_photos.photographs import build, file_digest
from workshop.train.fabric import split
from workshop.train.fabric.data_sources import training_set


@dataclass(frozen=True)
class Picture:
    name: str
    digest: str


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    swatches = tmp_path / "swatches"
    swatches.mkdir()
    for k in range(4):
        cv2.imwrite(str(swatches / f"denim{k}.png"), rng.integers(0, 256, (128, 128, 3)).astype(np.uint8))
    return swatches


@pytest.fixture
def held(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The list holds the folder's denim1.png out."""
    path = tmp_path / "held.txt"
    path.write_text(f"# held out\n{file_digest(folder / 'denim1.png')}  denim1.png\n")
    monkeypatch.setattr(split, "held_digests", lambda: _read(path))
    return path


_read = split.held_digests


def test_the_shipped_list_is_read() -> None:
    """Without its list the proof would measure against what was trained on."""
    assert len(split.held_digests()) == 21


def test_held_out_by_content_not_by_name(held: Path, folder: Path) -> None:
    """A held-out picture stays out of training under another name too."""
    (folder / "denim1.png").rename(folder / "denim9.png")
    found = build(folder)
    train, others = split.halves(found)
    assert [s.name for s in others] == ["denim9.png"]
    assert len(train) == 3


def test_a_folder_of_ones_own_is_split_by_alternates() -> None:
    """A firm's own swatches still get a held-out half."""
    pictures = [Picture(str(k), f"{k:064x}") for k in range(5)]
    train, others = split.halves(pictures)
    assert [p.name for p in train] == ["0", "2", "4"]
    assert [p.name for p in others] == ["1", "3"]


def test_training_leaves_the_held_half_out_and_says_so(held: Path, folder: Path, tmp_path: Path) -> None:
    """What the weights say they were trained on is what they saw, and passes the proof's check."""
    data, facts = training_set(
        tmp_path / "run", swatches=folder, crops=2, per_class=1, seed=0, without=["denim3"]
    )
    trained = json.loads(facts["trained_on_sha256"])
    assert trained == [file_digest(folder / f"denim{k}.png") for k in (0, 2)]
    assert "denim0.png" in facts["trained_on"]
    assert "denim1.png" not in facts["trained_on"]
    assert sorted(data.source[data.source >= 0].tolist()) == [0, 0, 1, 1]
    _, others = split.halves(build(folder))
    assert split.seen_in_training(facts, others) == []
    assert split.seen_in_training(facts, build(folder)[:2]) == ["denim0.png"]
    # The run goes on with the same set, and refuses another.
    again, told = training_set(
        tmp_path / "run", swatches=folder, crops=2, per_class=1, seed=0, without=["denim3"]
    )
    assert told == facts
    assert np.array_equal(again.albedo, data.albedo)
    with pytest.raises(MirrorError, match="start with another --out"):
        training_set(tmp_path / "run", swatches=folder, crops=2, per_class=1, seed=0)
    with pytest.raises(MirrorError, match="every swatch is held out"):
        training_set(tmp_path / "other", swatches=folder, crops=2, per_class=1, seed=0, without=["denim"])


def test_a_broken_list(tmp_path: Path) -> None:
    """A list cut short by an edit is named, not taken for an empty one."""
    path = tmp_path / "held.txt"
    path.write_text("1234  denim.png\n")
    with pytest.raises(MirrorError, match="not a list of SHA-256"):
        _read(path)
    with pytest.raises(MirrorError, match="cannot be read"):
        _read(tmp_path / "missing.txt")
