"""The proof of the parts counts what it says it counts."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data

from mirror.cli.app import main
from tests.capture.footage import make_clip
from workshop.evaluate.parts.evaluate import FIGURES, PartScores, flicker

pytestmark = pytest.mark.slow


def test_ratios_are_of_all_pixels_of_all_frames() -> None:
    """A mean of means would let one tiny hand outweigh all others."""
    scores, other = PartScores(), PartScores()
    whole = np.ones((4, 4), bool)
    half = np.zeros((4, 4), bool)
    half[:2] = True
    scores.add("hands_recall", half, whole)
    other.add("hands_recall", whole, half)
    scores.add_all(other)
    assert scores.ratios() == {"hands_recall": 16 / 24}
    scores.add("top_recall", whole, np.zeros((4, 4), bool))
    assert "top_recall" not in scores.ratios()


def test_flicker_is_what_lasts_one_frame() -> None:
    """A hand that moves is no flicker; one that goes out for a frame is."""
    on, off = np.ones((2, 2), bool), np.zeros((2, 2), bool)
    assert flicker(on, off, on).all()
    assert flicker(off, on, off).all()
    assert not flicker(off, on, on).any()
    assert not flicker(off, off, on).any()


def test_annotated_clip_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One command gives every figure that the contract names, and those that cannot be told as null."""
    photo = np.ascontiguousarray(data.astronaut()[..., ::-1])
    (tmp_path / "video").mkdir()
    (tmp_path / "truth").mkdir()
    make_clip(tmp_path / "video" / "astronaut.mp4", [photo] * 10)
    labels = np.zeros(photo.shape[:2], np.uint8)
    labels[200:512, 60:400] = 1
    labels[230:500, 130:260] = 2
    labels[60:150, 185:260] = 3
    cv2.imwrite(str(tmp_path / "truth" / "astronaut_000008.png"), labels)
    out = tmp_path / "figures.json"
    assert main(["evaluate", "parts", "--footage", str(tmp_path), "--no-scenes", "--json", str(out)]) == 0
    summary = json.loads(out.read_text())["summary"]
    assert set(summary) == {name + ending for name in FIGURES for ending in ("", "_teacher")}
    assert summary["head_recall"] > 0.9
    assert summary["head_recall_teacher"] > 0.9
    assert summary["top_recall_teacher"] > 0.8
    assert summary["hands_recall"] is None
    assert summary["cost_over_pose"] > 0
    assert "head_recall" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--scene", "moon"], "no scene moon"),
        (["--footage", "."], "has no folder truth"),
        (["--no-clips", "--no-scenes"], "no annotated clips and no scenes"),
    ],
)
def test_nothing_to_measure_is_one_line(
    words: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistyped scene or folder must be named."""
    assert main(["evaluate", "parts", *words]) == 1
    err = capsys.readouterr().err
    assert line in err
    assert err.count("\n") == 1
