"""The report of a replay: its keys are a contract."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mirror.errors import MirrorError
from mirror.messages import Light, Shown
from mirror.report import TIMES, ReportWriter

KEYS = {
    "seq",
    "t_capture_ns",
    "t_display_ns",
    "tracked",
    "landmarks",
    "garments",
    "garment_bbox",
    "anchors",
    "light",
    "size",
    "stage_ms",
}


def shown(seq: int, **other: object) -> Shown:
    values: dict[str, object] = {
        "seq": seq,
        "t_ns": 5,
        "t_capture_ns": 1,
        "t_display_ns": 2,
        "tracked": True,
        "landmarks": [(1.5, 2.5, 0.9)] * 33,
        "garments": ["tshirt"],
        "garment_bbox": (1, 2, 3, 4),
        "anchors": {"collar": (10.0, 20.0)},
        "light": Light(sh=[(0.1, 0.2, 0.3)] * 9, direction=(0.0, -1.0, 0.0), confidence=0.5),
        "size": "M",
        "stage_ms": {"draw": 3.5},
    }
    return Shown(**(values | other))  # type: ignore[arg-type]


def test_lines_have_the_contracts_keys(tmp_path: Path) -> None:
    """Programs that score replays would not find what they read."""
    path = tmp_path / "report.jsonl"
    with ReportWriter(path) as report:
        report.write(shown(0))
        report.write(shown(1, tracked=False, landmarks=None, light=None, garment_bbox=None, garments=[]))
        report.write(shown(5))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["seq"] for line in lines] == [0, 1, 5]
    assert all(set(line) == KEYS for line in lines)
    assert set(TIMES) < KEYS
    full, bare, _ = lines
    assert full["light"] == {"sh": [[0.1, 0.2, 0.3]] * 9, "direction": [0.0, -1.0, 0.0]}
    assert len(full["landmarks"]) == 33
    assert full["landmarks"][0] == [1.5, 2.5, 0.9]
    assert full["garment_bbox"] == [1, 2, 3, 4]
    assert full["anchors"] == {"collar": [10.0, 20.0]}
    assert full["stage_ms"] == {"draw": 3.5}
    assert bare["light"] is bare["landmarks"] is bare["garment_bbox"] is None


def test_frames_out_of_order_are_refused(tmp_path: Path) -> None:
    """A report with a frame twice would be scored as if it were whole."""
    with ReportWriter(tmp_path / "report.jsonl") as report:
        report.write(shown(3))
        with pytest.raises(MirrorError, match="frame 3 was shown after frame 3"):
            report.write(shown(3))


def test_unwritable_report_is_told(tmp_path: Path) -> None:
    """A long replay would run for nothing."""
    with pytest.raises(MirrorError, match="cannot be written"):
        ReportWriter(tmp_path / "no" / "report.jsonl")
