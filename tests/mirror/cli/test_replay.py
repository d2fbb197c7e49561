"""``mirror replay`` over fake processes: what it writes, how it fails, what it leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from mirror.report import KEYS
from mirror.ring import SHM, ring_prefix
from tests.mirror.fakes import DEADLINE_S, replace_table, until

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-P", "-m", "mirror", "replay"]


def replay(environment: Mapping[str, str], *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *map(str, arguments), "--garment", "tshirt"]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"the fake processes do not look at it")
    return path


def test_report_and_summary(tmp_path: Path, clip: Path) -> None:
    """The report would lack frames, or hold the end mark as one."""
    environment = replace_table(tmp_path, "loop", "show")
    report = tmp_path / "report.jsonl"
    done = replay(environment, clip, "--report", report)
    assert done.returncode == 0, done.stderr
    assert (
        done.stdout == "3 frames, 2 tracked (66.7 %), 100000000.0 frames/s\n"
    )  # times in the fake: 10 ns apart
    assert done.stderr == ""
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    assert [line["seq"] for line in lines] == [0, 1, 2]
    assert all(tuple(line) == KEYS for line in lines)


@pytest.mark.parametrize(
    ("behaviour", "line"),
    [
        ("explains", "mirror: the lamp is broken: change it\n"),
        ("defect", "mirror: defect: ZeroDivisionError: of the fake\n"),
        ("crash", "mirror: crash died of SIGSEGV\n"),
        (
            "finish",
            "mirror: the processes ended before the last frame was shown (--verbose prints their logs)\n",
        ),
    ],
)
def test_failing_process_fails_the_replay(tmp_path: Path, clip: Path, behaviour: str, line: str) -> None:
    """A replay cut short would pass for a whole one."""
    done = replay(replace_table(tmp_path, "loop", behaviour), clip)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", line)


def test_settings_reach_the_processes(tmp_path: Path, clip: Path) -> None:
    """Options of the command line would do nothing."""
    environment = replace_table(tmp_path, "tell") | {"FAKE_TELL": str(tmp_path / "told")}
    masks, out = tmp_path / "masks", tmp_path / "out.mp4"
    options = ["--masks", masks, "--out", out, "--no-mirror", "--size", "S", "--fabric", "denim"]
    command = [
        *COMMAND,
        str(clip),
        *map(str, options),
        "--garment",
        "tshirt,trousers",
        "--set",
        "capture.fps=9",
    ]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as running:
        until((tmp_path / "told").exists)
        until(lambda: bool((tmp_path / "told").read_text()))
        runtime = Path((tmp_path / "told").read_text())
        text = (runtime / "mirror.toml").read_text()
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=DEADLINE_S)
    assert (running.returncode, errors) == (1, "mirror: interrupted\n")
    assert not runtime.exists()
    for line in (
        f'source = "{clip}"',
        'pace = "all"',
        "loop = false",
        "fps = 9.0",
        'display = "none"',
        "mirror = false",
        f'out = "{out}"',
        f'masks = "{masks}"',
        'garments = ["tshirt", "trousers"]',
        'fabric = "denim"',
        'size = "S"',
    ):
        assert line in text.splitlines()


def test_killed_replay_is_cleaned_up_by_the_next(tmp_path: Path, clip: Path) -> None:
    """Killed replays would fill shared memory."""
    environment = replace_table(tmp_path, "with_ring", "tell") | {"FAKE_TELL": str(tmp_path / "told")}
    command = [*COMMAND, str(clip), "--garment", "tshirt"]
    with subprocess.Popen(command, env=environment) as running:
        until(lambda: (tmp_path / "told").exists() and bool((tmp_path / "told").read_text()))
        runtime = Path((tmp_path / "told").read_text())
        until(lambda: bool(list(SHM.glob(f"{ring_prefix(runtime)}*"))))
        running.kill()
    assert runtime.exists()
    until(lambda: not any(str(runtime) in line for line in _commands()))
    assert replay(replace_table(tmp_path, "loop", "show"), clip).returncode == 0
    assert not runtime.exists()
    assert not list(SHM.glob(f"{ring_prefix(runtime)}*"))


def _commands() -> list[str]:
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
        except OSError:  # it ended meanwhile
            continue
    return lines


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["{t}/none.mp4"], "{t}/none.mp4 does not exist: name a clip, a folder of images or an image"),
        (["{t}/clip.mp4", "--report", "{t}/no/r.jsonl"], "report {t}/no/r.jsonl cannot be written: "),
        (["{t}/clip.mp4", "--out", "{t}/no/o.mp4"], "{t}/no/o.mp4 cannot be written: "),
        (["{t}/clip.mp4", "--out", "{t}"], "{t} cannot be written: "),
        (["{t}/clip.mp4", "--out", "{t}/clip.mp4"], "{t}/clip.mp4 is the clip itself"),
        (["{t}/clip.mp4", "--masks", "{t}/clip.mp4/masks"], "folder {t}/clip.mp4/masks cannot be written: "),
        (["{t}/clip.mp4", "--masks", "/proc/1/masks"], "folder /proc/1/masks cannot be written: "),
        (["{t}/clip.mp4", "--set", "capture.nothing=1"], "setting 'capture.nothing': unknown key"),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, clip: Path, arguments: list[str], line: str) -> None:
    """The operator would read a traceback, or find out at the end of a long replay."""
    done = replay(
        replace_table(tmp_path, "show"), *(text.replace("{t}", str(tmp_path)) for text in arguments)
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("mirror: " + line.replace("{t}", str(tmp_path))), done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert clip.stat().st_size > 0


def test_verbose_prints_the_processes_logs(tmp_path: Path, clip: Path) -> None:
    """A failing process could not be looked into."""
    done = replay(replace_table(tmp_path, "loop", "defect"), clip, "--verbose")
    assert "in body" in done.stderr
    assert os.linesep.join(done.stderr.splitlines()[-1:]).startswith("mirror: defect: ZeroDivisionError")
