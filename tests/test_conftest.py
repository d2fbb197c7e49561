"""What holds for every test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from mirror.config import Config, load

LOAD = "from mirror.config import Config, load; assert load() == Config()"


def python(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "FITTING_MIRROR_CONFIG"}
    environment |= {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_defaults_hold_here_and_in_processes_that_tests_start() -> None:
    """The next test runs this one for a user whose configuration is broken."""
    assert load() == Config()
    subprocess.run(
        [sys.executable, "-c", LOAD], check=True, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    )


def test_tests_do_not_read_the_users_configuration(tmp_path: Path) -> None:
    """The tests would fail, or test something else, on the machine of whoever runs a mirror there."""
    page = tmp_path / ".config" / "fitting-mirror" / "mirror.toml"
    page.parent.mkdir(parents=True)
    page.write_text("[render]\nmirorr = false\n", encoding="utf-8")
    broken = python("-c", LOAD, home=tmp_path)
    assert "mirorr" in broken.stderr, "such a file would be read"
    test = f"{__file__}::{test_defaults_hold_here_and_in_processes_that_tests_start.__name__}"
    done = python("-m", "pytest", "-q", "-p", "no:cacheprovider", test, home=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
