"""The runtime directory and its locks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mirror.config import load
from mirror.errors import MirrorError
from mirror.runtime import FileLock, is_alive, lock_owner, open_runtime, runtime_id
from mirror.runtime import runtime_dir as where
from tests.mirror.fakes import until


def test_directory_is_made_private(runtime_dir: Path) -> None:
    """Other users could listen to the mirror's sockets."""
    path = open_runtime(runtime_dir / "a" / "b")
    assert path.stat().st_mode & 0o777 == 0o700


def test_open_directory_is_refused_and_left_as_it_is(runtime_dir: Path) -> None:
    """A folder named by mistake, such as /tmp, would be locked for everybody."""
    runtime_dir.chmod(0o755)
    with pytest.raises(MirrorError, match=r"is open to others; chmod 700 it"):
        open_runtime(runtime_dir)
    assert runtime_dir.stat().st_mode & 0o777 == 0o755


def test_impossible_directories_are_told(runtime_dir: Path) -> None:
    """The mirror would fail later, in a socket library's words."""
    (runtime_dir / "file").write_text("")
    with pytest.raises(MirrorError, match=r"set spine\.runtime_dir"):
        open_runtime(runtime_dir / "file")
    with pytest.raises(MirrorError, match=r"longer than \d+ bytes"):
        open_runtime(runtime_dir / ("x" * 100))


def test_place_follows_configuration_and_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """`mirror status` would look somewhere else than `mirror start` wrote."""
    config = load(None, {"spine.runtime_dir": "/run/somewhere"})
    assert where(config) == Path("/run/somewhere")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    assert where(load(None, {"spine.runtime_dir": ""})) == Path("/run/user/7/fitting-mirror")
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert where(load(None, {"spine.runtime_dir": ""})) == Path(f"/tmp/fitting-mirror-{os.getuid()}")


def test_two_directories_have_two_names() -> None:
    """Two mirrors on one machine would remove each other's shared memory."""
    assert runtime_id(Path("/a")) != runtime_id(Path("/b"))
    assert len(runtime_id(Path("/a"))) == 8


def test_lock_excludes_tells_its_owner_and_goes(runtime_dir: Path) -> None:
    """Two mirrors would run, or none could start again."""
    path = runtime_dir / "x.lock"
    assert lock_owner(path) is None
    with FileLock(path, "busy here"):
        assert lock_owner(path) == os.getpid()
        with pytest.raises(MirrorError, match="busy here"):
            FileLock(path, "busy here")
    assert not path.exists()
    with FileLock(path, "busy here"):
        pass


def test_lock_of_a_killed_process_is_free(runtime_dir: Path) -> None:
    """After a crash the mirror could not be started until somebody removes a file."""
    path = runtime_dir / "x.lock"
    script = (
        "import sys, time; from pathlib import Path; from mirror.runtime import FileLock\n"
        "lock = FileLock(Path(sys.argv[1]), 'busy'); print('held', flush=True); time.sleep(100)\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(path)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    assert lock_owner(path) == holder.pid
    holder.kill()
    holder.communicate()
    assert path.exists()
    assert lock_owner(path) is None
    FileLock(path, "busy").release()


def test_ended_process_is_not_alive() -> None:
    """`mirror stop` would wait for a process that nobody has waited for, as in a container."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert is_alive(process.pid)
    assert process.stdin is not None
    process.stdin.close()
    until(lambda: not is_alive(process.pid))  # a zombie: not waited for yet
    assert process.wait() != 0
    assert not is_alive(process.pid)
