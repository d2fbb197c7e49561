"""The command line: exit codes, one-line failures, the operator's commands over fake processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from mirror.cli.app import main
from mirror.cli.table import COMMANDS, GROUPS, Panel
from mirror.logs import log_file
from mirror.ring import SHM, ring_prefix
from mirror.runtime import is_alive
from mirror.status import read_status
from tests.mirror.fakes import DEADLINE_S, replace_table, until

pytestmark = pytest.mark.slow


COMMAND = [sys.executable, "-P", "-m", "mirror"]


def mirror(environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


@pytest.fixture
def runtime(runtime_dir: Path) -> Iterator[Path]:
    """A runtime directory whose mirror, if one is left, is ended."""
    path = runtime_dir / "run"
    yield path
    status = read_status(path)
    if status is not None and is_alive(status.pid):
        os.kill(status.pid, signal.SIGKILL)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["run", "--nonsense"],
        ["run", "--display", "wall"],
        ["replay"],
        ["replay", "clip.mp4"],
        ["replay", "clip.mp4", "--garment", "tshirt", "--pace", "slow"],
        ["logs", "-n", "-3"],
        ["garment"],
        ["fabric", "show"],
        ["fabric", "weave", "--class", "tartan"],
        ["fabric", "weave", "--class", "tartan", "--palette", "#123", "--seed", "-1"],
    ],
)
def test_wrong_usage_exits_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Scripts could not tell a typing mistake from a broken mirror."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "Usage: mirror" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [*(command.path.split() for command in COMMANDS), *([group.path] for group in GROUPS), []],
)
def test_every_command_has_help(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A newcomer would have to read the source."""
    assert main([*command, "--help"]) == 0
    assert " ".join(["Usage: mirror", *command]) in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["--version"], ["--help"], ["garment", "--help"], ["evaluate", "--help"]]
)
def test_help_is_quick(arguments: list[str]) -> None:
    """A glance at the help would load NumPy, OpenGL and every package, which takes seconds."""
    script = (
        "import sys; from mirror.cli.app import main; code = main(sys.argv[1:])\n"
        "heavy = {'numpy', 'OpenGL', 'cv2', 'capture', 'inference', 'render', 'workshop'}\n"
        "print(sorted(heavy & {name.partition('.')[0] for name in sys.modules}), file=sys.stderr)\n"
        "sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "[]\n")
    assert "mirror" in done.stdout


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """A command that no help names is not found, and a hidden one would puzzle the operator."""
    said = {}
    for words in ((), *((group.path,) for group in GROUPS)):
        assert main([*words, "--help"]) == 0
        said[words] = capsys.readouterr().out
    for command in COMMANDS:
        *first, last = command.path.split()
        assert (f"│ {last} " in said[tuple(first)]) is not command.hidden
    for panel in Panel:
        assert panel.value in said[()]


def test_broken_pipe_is_no_failure(tmp_path: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`mirror logs | head` would end in a traceback, or fail the script it stands in."""
    environment = replace_table(tmp_path, "loop")
    monkeypatch.setenv("XDG_STATE_HOME", environment["XDG_STATE_HOME"])
    log_file(runtime).parent.mkdir(parents=True)
    log_file(runtime).write_text("a line of the log\n" * 20_000)
    with subprocess.Popen(
        [*COMMAND, "logs", "-n", "20000", "--runtime", str(runtime)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as writer:
        assert writer.stdout is not None
        assert writer.stderr is not None
        assert writer.stdout.readline() == b"a line of the log\n"
        writer.stdout.close()
        assert writer.stderr.read() == b""
        assert writer.wait(DEADLINE_S) == 0


def test_life_of_a_mirror(tmp_path: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator's commands would not work together."""
    environment = replace_table(tmp_path, "loop", "with_ring")
    monkeypatch.setenv("XDG_STATE_HOME", environment["XDG_STATE_HOME"])
    at = ("--runtime", str(runtime))

    before = mirror(environment, "status", *at)
    assert (before.returncode, before.stdout) == (1, f"no mirror runs in {runtime}\n")

    started = mirror(environment, "start", *at, "--size", "L", "--set", "capture.fps=12")
    assert started.returncode == 0, started.stderr
    assert started.stdout.startswith("the mirror is up (pid ")
    assert (runtime / "mirror.toml").read_text().count('size = "L"') == 1

    until(lambda: (now := read_status(runtime)) is not None and bool(now.processes[0].counters))
    status = mirror(environment, "status", "--json", *at)
    facts = json.loads(status.stdout)
    assert status.returncode == 0
    assert facts["healthy"] is True
    assert [process["name"] for process in facts["processes"]] == ["loop", "with_ring"]
    for process in facts["processes"]:
        assert process["state"] == "ready"
        assert process["restarts"] == 0
        assert is_alive(process["pid"])
    assert facts["processes"][0]["counters"] == {"rounds": 1.0}

    text = mirror(environment, "status", *at)
    assert text.returncode == 0
    assert text.stdout.startswith("healthy: pid ")
    assert "rounds=1" in text.stdout

    again = mirror(environment, "start", *at)
    assert again.returncode == 1
    assert (
        again.stderr
        == f"mirror: a mirror runs already in {runtime} (pid {facts['pid']}); `mirror stop` ends it\n"
    )
    foreground = mirror(environment, "run", *at)
    assert foreground.returncode == 1
    assert foreground.stderr.splitlines()[-1].startswith(f"mirror: a mirror runs already in {runtime}")

    restarted = mirror(environment, "restart", *at)
    assert restarted.returncode == 0, restarted.stderr
    after = json.loads(mirror(environment, "status", "--json", *at).stdout)
    assert after["pid"] != facts["pid"]
    assert 'size = "L"' in (runtime / "mirror.toml").read_text(), "a restart forgets how it was started"
    assert "fps = 12.0" in (runtime / "mirror.toml").read_text()

    logs = mirror(environment, "logs", "-n", "1000", *at)
    assert logs.returncode == 0
    assert "mirror: started loop" in logs.stdout
    assert log_file(runtime).exists()
    last = mirror(environment, "logs", "-n", "1", "--json", *at)
    assert set(json.loads(last.stdout)) >= {"time", "level", "process", "message"}

    pids = [after["pid"], *(process["pid"] for process in after["processes"])]
    stopped = mirror(environment, "stop", *at)
    assert (stopped.returncode, stopped.stdout) == (0, "stopped\n")
    assert not any(is_alive(pid) for pid in pids)
    assert not list(runtime.parent.iterdir())
    assert not list(SHM.glob(f"{ring_prefix(runtime)}*"))
    assert mirror(environment, "status", *at).returncode == 1
    assert mirror(environment, "stop", *at).returncode == 0


def test_failed_start_is_one_line_and_leaves_nothing(tmp_path: Path, runtime: Path) -> None:
    """`mirror start` would say nothing about why there is no picture."""
    environment = replace_table(tmp_path, "loop", "explains")
    done = mirror(environment, "start", "--runtime", str(runtime))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "mirror: the lamp is broken: change it\n"
    assert not runtime.exists()


def test_degraded_mirror_is_not_healthy(tmp_path: Path, runtime: Path) -> None:
    """A monitor would believe a mirror that has lost its camera."""
    environment = replace_table(tmp_path, "degraded")
    with subprocess.Popen(
        [*COMMAND, "run", "--runtime", str(runtime)], env=environment, stderr=subprocess.PIPE, text=True
    ) as running:
        until(
            lambda: (status := read_status(runtime)) is not None and status.processes[0].state == "degraded"
        )
        status = mirror(environment, "status", "--runtime", str(runtime))
        assert status.returncode == 1
        assert status.stdout.startswith("not healthy: pid ")
        assert "the lamp flickers" in status.stdout
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=DEADLINE_S)
        assert running.returncode == 0


def test_stop_ends_a_supervisor_that_does_not_answer(tmp_path: Path, runtime: Path) -> None:
    """A stuck supervisor could only be ended by a reboot."""
    environment = replace_table(tmp_path, "loop")
    assert mirror(environment, "start", "--runtime", str(runtime)).returncode == 0
    status = read_status(runtime)
    assert status is not None
    os.kill(status.pid, signal.SIGSTOP)
    script = (
        "import sys; from mirror.cli import live; live.STOP_S = 1.0\n"
        "from mirror.cli.app import main; sys.exit(main(['stop', '--runtime', sys.argv[1]]))"
    )
    done = subprocess.run([sys.executable, "-c", script, str(runtime)], env=environment, check=False)
    assert done.returncode == 0
    assert not any(is_alive(process.pid or 0) for process in status.processes)
    assert not list(runtime.glob("*"))


def test_logs_follow_over_a_turn(tmp_path: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`mirror logs -f` would fall silent when the file turns over."""
    environment = replace_table(tmp_path, "loop")
    monkeypatch.setenv("XDG_STATE_HOME", environment["XDG_STATE_HOME"])
    path = log_file(runtime)
    path.parent.mkdir(parents=True)
    path.write_text("one\ntwo\n")
    command = [*COMMAND, "logs", "-f", "-n", "1", "--runtime", str(runtime)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as follower:
        assert follower.stdout is not None
        assert follower.stdout.readline() == "two\n"
        with path.open("a") as log:
            log.write("three\n")
        assert follower.stdout.readline() == "three\n"
        path.rename(path.with_name(path.name + ".1"))
        path.write_text("four\n")
        assert follower.stdout.readline() == "four\n"
        follower.kill()


def test_no_log_is_one_line(tmp_path: Path, runtime: Path) -> None:
    """The operator would read a traceback."""
    done = mirror(replace_table(tmp_path, "loop"), "logs", "--runtime", str(runtime))
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["run", "--set", "capture.none=1"], "mirror: setting 'capture.none': unknown key"),
        (["run", "--config", "/nonexistent.toml"], "mirror: config file /nonexistent.toml does not exist"),
        (
            ["run", "--set", "render.display=wall"],
            "mirror: setting: render.display: invalid enum value 'wall'",
        ),
        (["start", "--runtime", "/proc/1/x"], "mirror: runtime directory /proc/1/x: "),
        (["start", "--runtime", "/tmp"], "mirror: runtime directory /tmp is open to others"),
        (["doctor", "--config", "/nonexistent.toml"], "mirror: config file /nonexistent.toml does not exist"),
        (["garment", "show", "nonesuch"], "mirror: no garment 'nonesuch'"),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, arguments: list[str], line: str) -> None:
    """The operator would read a traceback, or the mirror would start in spite of it."""
    done = mirror(replace_table(tmp_path, "loop"), *arguments)
    assert done.returncode == 1
    assert done.stderr.startswith(line), done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(("thing", "keys"), [("garment", {"kind", "sizes"}), ("fabric", {"class"})])
def test_wardrobe_lists(thing: str, keys: set[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Programs could not find the wardrobe."""
    assert main([thing, "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows
    for row in rows:
        assert set(row) >= {"name", "path"} | keys
        assert Path(row["path"]).is_dir()
    assert main([thing, "list"]) == 0
    table = capsys.readouterr().out.splitlines()
    assert len(table) == len(rows) + 1


def test_garment_is_shown_with_its_measurements(capsys: pytest.CaptureFixture[str]) -> None:
    """A merchandiser could not check a size."""
    assert main(["garment", "show", "tshirt", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["name"] == "tshirt"
    assert set(facts["measurements"]) == set(facts["sizes"])
    assert main(["garment", "show", "tshirt"]) == 0
    assert "measurements, cm" in capsys.readouterr().out
