"""The harness: exit codes, error lines, heartbeats, systemd's notices."""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Self

import pytest

from mirror.bus import Collector
from mirror.config import Config, dump
from mirror.messages import Heartbeat
from tests.mirror.fakes import DEADLINE_S, make_table, until

pytestmark = pytest.mark.slow


WAIT_MS = 20_000


class Running:
    """One fake process without a supervisor, as systemd runs it."""

    def __init__(self, folder: Path, runtime: Path, behaviour: str, **environment: str) -> None:
        make_table(folder, behaviour)
        config = folder / "mirror.toml"
        if not config.exists():
            config.write_text(dump(Config()))
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"fake_{behaviour}", "--config", str(config), "--runtime", str(runtime)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), *sys.path])} | environment,
        )

    def finish(self) -> tuple[int, str]:
        _, errors = self.process.communicate(timeout=DEADLINE_S)
        return self.process.returncode, errors

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


def test_finished_work_exits_0(tmp_path: Path, runtime_dir: Path) -> None:
    """A replay that went well would be called a failure."""
    with Running(tmp_path, runtime_dir, "finish") as running:
        assert running.finish()[0] == 0
    assert list(runtime_dir.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_process_exits_143(tmp_path: Path, runtime_dir: Path, number: signal.Signals) -> None:
    """A process stopped from outside would be taken for one whose clip is over, and stay away."""
    with (
        Collector[Heartbeat](runtime_dir, "heartbeat") as heartbeats,
        Running(tmp_path, runtime_dir, "loop") as running,
    ):
        until(lambda: (beat := heartbeats.receive(100)) is not None and beat.state == "ready")
        running.process.send_signal(number)
        assert running.finish()[0] == 143


def test_explained_failure_is_one_line(tmp_path: Path, runtime_dir: Path) -> None:
    """The operator would read a traceback, or nothing."""
    with Running(tmp_path, runtime_dir, "explains") as running:
        code, errors = running.finish()
    assert code == 1
    assert (runtime_dir / "explains.error").read_text() == "the lamp is broken: change it\n"
    entry = json.loads(errors)
    assert entry["level"] == "error"
    assert entry["process"] == "explains"
    assert entry["message"] == "the lamp is broken: change it"
    assert "trace" not in entry


def test_defect_keeps_its_traceback_in_the_log(tmp_path: Path, runtime_dir: Path) -> None:
    """A defect could not be found from the log."""
    with Running(tmp_path, runtime_dir, "defect") as running:
        code, errors = running.finish()
    assert code == 1
    assert "in body" in json.loads(errors)["trace"]
    assert (runtime_dir / "defect.error").read_text() == "defect: ZeroDivisionError: of the fake\n"


def test_earlier_error_is_forgotten(tmp_path: Path, runtime_dir: Path) -> None:
    """A failure of yesterday would be told as that of today."""
    (runtime_dir / "finish.error").write_text("old")
    with Running(tmp_path, runtime_dir, "finish") as running:
        running.finish()
    assert not (runtime_dir / "finish.error").exists()


def test_second_process_of_a_name_is_refused(tmp_path: Path, runtime_dir: Path) -> None:
    """Two captures would fight over one camera."""
    with Running(tmp_path, runtime_dir, "loop"):
        until((runtime_dir / "loop.process.lock").exists)
        with Running(tmp_path, runtime_dir, "loop") as second:
            code, _ = second.finish()
        assert code == 1
        assert (runtime_dir / "loop.error").read_text() == f"loop already runs in {runtime_dir}\n"


def test_bad_configuration_is_one_line(tmp_path: Path, runtime_dir: Path) -> None:
    """Under systemd a wrong key would end in a traceback in the journal."""
    (tmp_path / "mirror.toml").write_text("[capture]\nnone = 1\n")
    with Running(tmp_path, runtime_dir, "loop") as running:
        code, errors = running.finish()
    assert code == 1
    assert "unknown key 'capture.none'" in json.loads(errors)["message"]


def test_network_filter_stands_before_the_body_runs(tmp_path: Path, runtime_dir: Path) -> None:
    """Libraries that the body loads could call home."""
    make_table(tmp_path, "finish")
    (tmp_path / "fake_finish.py").write_text(
        "from mirror.process import run_process\n"
        "def body(context):\n"
        "    import socket\n"
        "    socket.socket(socket.AF_INET)\n"
        "run_process('finish', body)\n"
    )
    config = tmp_path / "mirror.toml"
    config.write_text(dump(Config()))
    done = subprocess.run(
        [sys.executable, str(tmp_path / "fake_finish.py"), "--config", config, "--runtime", runtime_dir],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "PermissionError" in (runtime_dir / "finish.error").read_text()


def test_heartbeats_are_few_and_a_change_is_told_at_once(tmp_path: Path, runtime_dir: Path) -> None:
    """Heartbeats would flood the socket at frame rate, or a lost camera be told late."""
    with (
        Collector[Heartbeat](runtime_dir, "heartbeat") as heartbeats,
        Running(tmp_path, runtime_dir, "loop") as running,
    ):
        beats: list[Heartbeat] = []
        while len(beats) < 5:
            beat = heartbeats.receive(WAIT_MS)
            assert beat is not None
            beats.append(beat)
        assert [beat.state for beat in beats] == ["starting", "ready", "ready", "ready", "ready"]
        assert [beat.seq for beat in beats] == list(range(5))
        assert {beat.process for beat in beats} == {"loop"}
        assert {beat.pid for beat in beats} == {running.process.pid}
        assert beats[-1].counters == {"rounds": 1.0}
        for earlier, later in itertools.pairwise(beats[1:]):
            assert later.t_ns - earlier.t_ns >= 500_000_000


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_told(tmp_path: Path, runtime_dir: Path, abstract: bool) -> None:
    """The unit would never count as started, or be killed by its watchdog."""
    address = f"\0fm-notify-{os.getpid()}" if abstract else str(runtime_dir / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.settimeout(WAIT_MS / 1000)
        variable = address.replace("\0", "@")
        with Running(tmp_path, runtime_dir, "loop", NOTIFY_SOCKET=variable) as running:
            notices: list[str] = []
            while sum("WATCHDOG=1" in notice for notice in notices) < 3:
                notices.append(manager.recv(4096).decode())
            running.process.terminate()
            while "STOPPING=1" not in notices:
                notices.append(manager.recv(4096).decode())
            running.finish()
    assert "READY=1" in notices
    assert "WATCHDOG=1\nSTATUS=ready rounds=1" in notices


def test_process_without_anybody_lives_on(tmp_path: Path, runtime_dir: Path) -> None:
    """Under systemd, where nobody collects heartbeats, the process would freeze or die."""
    with Running(tmp_path, runtime_dir, "loop", NOTIFY_SOCKET="/nonexistent/notify") as running:
        until((runtime_dir / "loop.process.lock").exists)
        with pytest.raises(subprocess.TimeoutExpired):
            running.process.wait(1.5)
        running.process.terminate()
        assert running.finish()[0] == 143


def test_no_core_dump_is_written(tmp_path: Path, runtime_dir: Path) -> None:
    """A core dump holds pictures of people."""
    with Running(tmp_path, runtime_dir, "loop") as running:
        until((runtime_dir / "loop.process.lock").exists)
        limits = Path(f"/proc/{running.process.pid}/limits").read_text()
    line = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
    assert line.split()[4:6] == ["0", "0"]
