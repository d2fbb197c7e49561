"""The supervisor, over small processes that live, die, hang and finish as told."""

from __future__ import annotations

import logging
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from mirror.config import load
from mirror.errors import MirrorError
from mirror.messages import Shown
from mirror.processes import PROCESSES, RestartPolicy
from mirror.ring import SHM, ring_prefix
from mirror.runtime import is_alive
from mirror.supervisor import Supervisor, supervisor_lock
from mirror.topics import TOPICS, Guarantee
from tests.mirror.fakes import FakeMirror, make_table, until

pytestmark = pytest.mark.slow


def segments(runtime: Path) -> list[Path]:
    return list(SHM.glob(f"{ring_prefix(runtime)}*"))


def replay(folder: Path, runtime: Path, *behaviours: str) -> list[Shown]:
    """Run the behaviours once, as a replay does; what was shown."""
    shown: list[Shown] = []
    os.environ["PYTHONPATH"] = str(folder)
    log = logging.getLogger("test-supervisor")
    table = make_table(folder, *behaviours)
    Supervisor(load(None), runtime, log, table=table, one_shot=True, on_shown=shown.append).run()
    return shown


@pytest.fixture(autouse=True)
def _clean_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "")


def test_killed_process_is_replaced_and_the_others_live_on(tmp_path: Path, runtime_dir: Path) -> None:
    """One crash of one process would take the whole mirror down, or leave it dark."""
    with FakeMirror(tmp_path, runtime_dir, ["loop", "with_ring"]) as mirror:
        mirror.until_up()
        before = {process.name: process.pid for process in mirror.status().processes}
        os.kill(before["with_ring"] or 0, signal.SIGKILL)
        until(lambda: mirror.of("with_ring").restarts == 1 and mirror.status().healthy, mirror)
        assert mirror.of("with_ring").pid != before["with_ring"]
        assert mirror.of("with_ring").last_error == "with_ring died of SIGKILL"
        assert mirror.of("loop").pid == before["loop"]
        assert mirror.of("loop").restarts == 0
        assert len(segments(runtime_dir)) == 1, "the killed writer's ring is left in shared memory"
        code, output = mirror.stop()
    assert code == 0, output
    assert "chatter of a library" in output, "what was printed before the death is lost"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_stopping_leaves_nothing(tmp_path: Path, runtime_dir: Path, number: signal.Signals) -> None:
    """Processes, sockets or shared memory would pile up with every stop."""
    runtime = runtime_dir / "run"
    with FakeMirror(tmp_path, runtime, ["loop", "with_ring"]) as mirror:
        mirror.until_up()
        pids = [process.pid or 0 for process in mirror.status().processes]
        assert segments(runtime)
        mirror.process.send_signal(number)
        code, output = mirror.finish()
    assert code == 0, output
    assert "chatter" not in output, "what libraries print fills the log"
    assert not any(is_alive(pid) for pid in pids)
    assert not runtime.exists()
    assert not segments(runtime)


def test_process_that_ignores_the_stop_is_killed(tmp_path: Path, runtime_dir: Path) -> None:
    """`mirror stop` would hang for ever on a stuck process."""
    with FakeMirror(tmp_path, runtime_dir, ["deaf"]) as mirror:
        mirror.until_up()
        pid = mirror.of("deaf").pid or 0
        code, output = mirror.stop()
    assert code == 0, output
    assert "deaf does not stop, killed" in output
    assert not is_alive(pid)


def test_processes_die_with_a_killed_supervisor_and_the_next_start_cleans_up(
    tmp_path: Path, runtime_dir: Path
) -> None:
    """Orphans would keep the camera busy, and stale files the mirror from starting."""
    with FakeMirror(tmp_path, runtime_dir, ["loop", "with_ring"]) as mirror:
        mirror.until_up()
        pids = [process.pid or 0 for process in mirror.status().processes]
        mirror.process.kill()
        until(lambda: not any(is_alive(pid) for pid in pids))
    left = segments(runtime_dir)
    assert left, "nothing was left: the test shows nothing"
    with FakeMirror(tmp_path, runtime_dir, ["loop", "with_ring"]) as mirror:
        mirror.until_up()
        assert not set(left) & set(segments(runtime_dir))
        assert mirror.stop()[0] == 0
    assert list(runtime_dir.iterdir()) == []


def test_hung_process_is_restarted(tmp_path: Path, runtime_dir: Path) -> None:
    """A frozen picture would stay until somebody comes."""
    with FakeMirror(tmp_path, runtime_dir, ["hang", "loop"], hang_s=0.6) as mirror:
        until(lambda: (runtime_dir / "status.json").exists() and mirror.of("hang").restarts >= 1, mirror)
        assert mirror.of("hang").last_error == "hang: no heartbeat for 0.6 s"
        assert mirror.of("loop").restarts == 0
        _, output = mirror.stop()
    assert "time.sleep(1000)" in output or "in body" in output, "where it hung is not in the log"


def test_process_that_never_gets_ready_fails_the_start(tmp_path: Path, runtime_dir: Path) -> None:
    """`mirror start` would wait for ever on a process stuck in its start."""
    with FakeMirror(tmp_path, runtime_dir, ["never_ready"], start_s=0.5) as mirror:
        code, output = mirror.finish()
    assert code == 1
    assert output.splitlines()[-1] == "mirror: never_ready: not ready after 0.5 s"


def test_explained_failure_at_the_start_ends_the_mirror_with_its_line(
    tmp_path: Path, runtime_dir: Path
) -> None:
    """A wrong camera name would be retried for ever instead of being told."""
    with FakeMirror(tmp_path, runtime_dir, ["loop", "explains"]) as mirror:
        code, output = mirror.finish()
    assert code == 1
    assert output.splitlines()[-1] == "mirror: the lamp is broken: change it"


def test_repeated_deaths_are_spaced_out() -> None:
    """A process that dies at once would be started in a busy loop."""
    policy = RestartPolicy(first_s=0.1, factor=2.0, longest_s=10.0)
    delays = [policy.delay_s(deaths) for deaths in (1, 2, 3, 4, 5, 50, 5000)]
    assert delays == [0.0, 0.1, 0.2, 0.4, 0.8, 10.0, 10.0]


def test_back_off_grows_under_the_supervisor(tmp_path: Path, runtime_dir: Path) -> None:
    """The delays would be worked out but not kept."""
    with FakeMirror(tmp_path, runtime_dir, ["loop"]) as mirror:
        mirror.until_up()
        for count in (1, 2, 3):
            os.kill(mirror.of("loop").pid or 0, signal.SIGKILL)
            until(lambda count=count: mirror.of("loop").restarts == count and mirror.status().healthy, mirror)  # type: ignore[misc]
        _, output = mirror.stop()
    delays = [line.rpartition("again in ")[2] for line in output.splitlines() if "again in" in line]
    assert delays == ["0.0 s", "0.2 s", "0.4 s"]


def test_second_supervisor_on_the_directory_is_refused(tmp_path: Path, runtime_dir: Path) -> None:
    """Two mirrors would fight over one camera and one set of sockets."""
    with FakeMirror(tmp_path, runtime_dir, ["loop"]) as mirror:
        mirror.until_up()
        with FakeMirror(tmp_path, runtime_dir, ["loop"]) as second:
            code, output = second.finish()
        assert code == 1
        assert output.strip() == f"mirror: a mirror runs already in {runtime_dir}; `mirror stop` ends it"
        assert mirror.status().healthy
        assert mirror.stop()[0] == 0


def test_foreign_files_in_the_directory_survive(tmp_path: Path, runtime_dir: Path) -> None:
    """A runtime directory set by mistake would lose the operator's own files."""
    (runtime_dir / "letter.txt").write_text("dear")
    replay(tmp_path, runtime_dir, "finish")
    assert [path.name for path in runtime_dir.iterdir()] == ["letter.txt"]


def test_replay_hears_every_frame_and_leaves_nothing(tmp_path: Path, runtime_dir: Path) -> None:
    """The last lines of a report would be missing."""
    shown = replay(tmp_path, runtime_dir, "finish", "show")
    assert [message.seq for message in shown] == [0, 1, 2, 3]
    assert shown[-1].last
    assert list(runtime_dir.iterdir()) == []
    assert not supervisor_lock(runtime_dir).exists()


@pytest.mark.parametrize(
    ("behaviour", "line"),
    [
        ("explains", "the lamp is broken: change it"),
        ("defect", "defect: ZeroDivisionError: of the fake"),
        ("crash", "crash died of SIGSEGV"),
    ],
)
def test_death_in_a_replay_is_a_failure(tmp_path: Path, runtime_dir: Path, behaviour: str, line: str) -> None:
    """A report with a hole in it would pass for a whole one."""
    with pytest.raises(MirrorError) as caught:
        replay(tmp_path, runtime_dir, "loop", behaviour)
    assert str(caught.value) == line
    assert list(runtime_dir.iterdir()) == []


def test_missing_module_is_told(tmp_path: Path, runtime_dir: Path) -> None:
    """A broken installation would look like a crash without a reason."""
    table = make_table(tmp_path, "loop")
    (tmp_path / "fake_loop.py").unlink()
    log = logging.getLogger("test-supervisor")
    with pytest.raises(MirrorError, match=r"loop ended with exit code 1: .*No module named"):
        Supervisor(load(None), runtime_dir, log, table=table, one_shot=True).run()


def test_who_stands_aside_is_not_waited_for(tmp_path: Path, runtime_dir: Path) -> None:
    """A replay would start the weaver for nothing; a clip shown live would never end."""
    loop, show = make_table(tmp_path, "loop", "show")
    os.environ["PYTHONPATH"] = str(tmp_path)
    aside = replace(loop, aside=True)
    for one_shot in (True, False):
        shown: list[Shown] = []
        log = logging.getLogger("test-supervisor")
        supervisor = Supervisor(
            load(None), runtime_dir, log, table=[show, aside], one_shot=one_shot, on_shown=shown.append
        )
        supervisor.run()
        assert [frame.seq for frame in shown] == [0, 1, 2, 3]
        assert [child.process.name for child in supervisor._children] == ["show", "loop"][: 2 - one_shot]
    assert list(runtime_dir.iterdir()) == []


def test_tables_agree() -> None:
    """A topic would have no owner among the processes, or a process an unknown topic."""
    for process in PROCESSES:
        assert set(process.reads + process.writes) <= set(TOPICS)
        for name in process.writes:
            assert TOPICS[name].guarantee is Guarantee.EVERY or TOPICS[name].owner == process.name
    for topic in TOPICS.values():
        owner = next((process for process in PROCESSES if process.name == topic.owner), None)
        if owner is None:
            assert topic.owner == "mirror"
        else:
            assert topic.name in (owner.writes if topic.guarantee is Guarantee.NEWEST else owner.reads)
