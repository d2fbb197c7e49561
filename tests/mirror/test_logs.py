"""Logs: what is written, how it is read, that they stay small."""

from __future__ import annotations

import io
import json
import logging
from pathlib import Path

import pytest

from mirror import logs
from mirror.errors import MirrorError


def test_record_is_one_json_line_with_its_facts() -> None:
    """Programs that read the log would stumble over line breaks and lose the facts."""
    stream = io.StringIO()
    log = logs.open_log("capture", "info", stream)
    log.info("source\nopen", extra={"size": (640, 480)})
    log.debug("not this one")
    (line,) = stream.getvalue().splitlines()
    entry = json.loads(line)
    assert entry["process"] == "capture"
    assert entry["level"] == "info"
    assert entry["message"] == "source\nopen"
    assert entry["size"] == [640, 480]
    assert entry["time"].endswith("+00:00")


def test_line_of_a_process_passes_unchanged_and_other_output_under_its_name() -> None:
    """The log would hold JSON in JSON, or not say which process spoke."""
    stream = io.StringIO()
    log = logs.open_log("mirror", "info", stream)
    log.warning("%s", "x", extra={"line": '{"process": "render"}'})
    logs.log_as(log, "inference", logging.INFO, "W0000 from C++")
    first, second = stream.getvalue().splitlines()
    assert first == '{"process": "render"}'
    assert json.loads(second)["process"] == "inference"
    assert json.loads(second)["message"] == "W0000 from C++"


def test_readable_form() -> None:
    """`mirror logs` would show raw JSON to people."""
    line = '{"time": "2026-01-02T03:04:05.678+00:00", "level": "info", "process": "render", '
    line += '"message": "up", "s": 2}'
    assert logs.readable(line) == "03:04:05.678 info    render: up s=2"
    assert logs.readable("not json") == "not json"
    assert logs.readable("[1]") == "[1]"
    assert logs.readable('{"level": 1}') == '{"level": 1}'


def test_log_file_turns_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log would fill the disk of a mirror that runs for months."""
    monkeypatch.setattr(logs, "MAX_BYTES", 2000)
    path = tmp_path / "state" / "mirror.log"
    log = logs.open_log_file("mirror", "info", path)
    for _ in range(200):
        log.info("a line of some length to fill the file with")
    log.handlers[0].close()
    files = sorted(tmp_path.rglob("mirror.log*"))
    assert len(files) == 1 + logs.BACKUPS
    assert sum(file.stat().st_size for file in files) <= 2000 * (1 + logs.BACKUPS)


def test_unwritable_log_is_told(tmp_path: Path) -> None:
    """The mirror would start without a log, or with a traceback."""
    (tmp_path / "file").write_text("")
    with pytest.raises(MirrorError, match="cannot be written"):
        logs.open_log_file("mirror", "info", tmp_path / "file" / "mirror.log")
