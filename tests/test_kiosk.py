"""The entry script, with stand-ins for Python, pip and the package manager: quick, and with no network."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


ROOT = Path(__file__).parent.parent

# Notes its calls, makes "virtual environments" of itself, and fails where a file in $STUBS says so.
PYTHON = """#!/bin/bash
echo "python $*" >>"$STUBS/calls"
case "$*" in
    "-c import sys; print"*) cat "$STUBS/version" 2>/dev/null || echo 3.12 ;;
    "-c import sys"*) exit "$(cat "$STUBS/too_old" 2>/dev/null || echo 0)" ;;
    "--version" | "-VV") echo "Python 3.12.0" ;;
    "-m venv"*) mkdir -p "${@: -1}/bin"; cp "$0" "${@: -1}/bin/python" ;;
    "-m pip install"*) echo "Collecting numpy>=1 (from x)"; [ ! -e "$STUBS/no_network" ] ;;
    "-m mirror models") echo "models ready"; [ ! -e "$STUBS/no_models" ] ;;
    "-P - "*) cat >/dev/null; rm "$STUBS/incomplete" 2>/dev/null && exit 1; exit 0 ;;
    "- lib"*) cat >/dev/null; cat "$STUBS/missing" 2>/dev/null ;;
esac
"""
APT = """#!/bin/bash
echo "apt-get $*" >>"$STUBS/calls"
[ ! -e "$STUBS/no_apt" ]
"""


TOOLS = ("ruff", "mypy", "lint-imports", "pytest")


class Machine:
    """A checkout and a system of stand-ins."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "checkout"
        self.stubs = folder / "stubs"
        self.root.mkdir()
        self.stubs.mkdir()
        shutil.copy(ROOT / "kiosk", self.root)
        shutil.copy(ROOT / "pyproject.toml", self.root)
        shutil.copytree(ROOT / "requirements", self.root / "requirements")
        self.stub("python3", PYTHON)
        self.stub("apt-get", APT)
        self.stub("Xvfb", "#!/bin/bash\n")
        self.stub("id", "#!/bin/bash\necho 0\n")

    def stub(self, name: str, text: str) -> None:
        (self.stubs / name).write_text(text)
        (self.stubs / name).chmod(0o755)

    def stub_tools(self, failing: str = "") -> None:
        """Have the checks, and the mirror itself, note their calls; the one called ``failing`` fails."""
        for tool in (*TOOLS, "mirror"):
            text = f'#!/bin/bash\necho "{tool} $*" >>"$STUBS/calls"\nexit {int(tool == failing)}\n'
            self.stub(tool, text)

    def say(self, name: str, text: str = "") -> None:
        """Have the stand-ins behave as the file ``name`` tells them."""
        (self.stubs / name).write_text(text)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        (self.stubs / "calls").unlink(missing_ok=True)
        environment = {**os.environ, "PATH": f"{self.stubs}:{os.environ['PATH']}", "STUBS": str(self.stubs)}
        environment |= {"HOME": str(self.stubs), "PYENV_ROOT": str(self.stubs / "pyenv")}
        environment.pop("PYTHON", None)
        return subprocess.run(
            [str(self.root / "kiosk"), *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def calls(self, what: str) -> int:
        path = self.stubs / "calls"
        return path.read_text().count(what) if path.exists() else 0


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_help_and_wrong_usage(machine: Machine) -> None:
    """A newcomer types ./kiosk first."""
    for arguments in ([], ["help"], ["--help"]):
        done = machine.run(*arguments)
        assert done.returncode == 0
        assert "demo [--headless]" in done.stdout
    done = machine.run("dance")
    assert done.returncode == 2
    assert "usage" in done.stderr


def test_second_setup_installs_nothing(machine: Machine) -> None:
    """A kiosk must start in seconds, and without a network, once it is set up."""
    first = machine.run("setup")
    assert first.returncode == 0, first.stderr
    assert "numpy" in first.stdout, "progress is shown"
    assert machine.calls("pip install") == 2, "the lock, and the checkout"
    second = machine.run("setup")
    assert second.returncode == 0
    assert machine.calls("pip install") == machine.calls("-m venv") == machine.calls("apt-get") == 0
    assert machine.calls("mirror models") == 1, "a damaged model cache must mend itself"


def test_setup_is_done_again_when_the_dependencies_change(machine: Machine) -> None:
    """After an update with a new dependency the old environment won't do."""
    machine.run("setup")
    with (machine.root / "pyproject.toml").open("a") as file:
        file.write("\n# another\n")
    assert machine.run("setup").returncode == 0
    assert machine.calls("pip install") == 2
    assert machine.calls("-m venv") == 0, "what is there already need not be fetched again"


def test_setup_is_done_again_when_the_lock_changes(machine: Machine) -> None:
    """A raised version would reach nobody who is set up already."""
    machine.run("setup")
    with (machine.root / "requirements" / "run.txt").open("a") as file:
        file.write("\n# newer\n")
    assert machine.run("setup").returncode == 0
    assert machine.calls("pip install") == 2


def test_only_what_is_locked_is_installed(machine: Machine) -> None:
    """A package that came out this morning, or one exchanged on its way, must not reach a shop."""
    assert machine.run("setup").returncode == 0
    lock = machine.root / "requirements" / "run.txt"
    assert machine.calls(f"--no-deps --require-hashes -r {lock}") == 1
    assert machine.calls(f"--no-deps --no-build-isolation -e {machine.root}") == 1


def test_tests_need_more_than_the_mirror(machine: Machine) -> None:
    """The development packages come with the first ./kiosk test, not with the mirror."""
    assert machine.run("setup").returncode == 0
    assert machine.calls("dev.txt") == machine.calls("torch==") == 0
    machine.stub_tools()
    done = machine.run("test", "-k", "ring")
    assert done.returncode == 0, done.stderr
    assert machine.calls("dev.txt") == machine.calls("torch==") == 1
    assert machine.calls("pytest -k ring") == 1
    assert machine.run("test").returncode == 0
    assert machine.calls("pip install") == 0
    assert machine.run("setup").returncode == 0
    assert machine.calls("pip install") == 0, "who can test can run the mirror"


def test_tests_on_another_python(machine: Machine) -> None:
    """A bug of one version of Python is found on it, and the mirror's own set-up stays as it is."""
    machine.stub_tools()
    machine.stub("python3.13", PYTHON)
    machine.say("version", "3.13")
    done = machine.run("test", "--python", "3.13", "-k", "ring")
    assert done.returncode == 0, done.stderr
    assert "virtual environment .venv-3.13" in done.stdout
    assert machine.calls("pytest -k ring") == 1
    assert machine.calls(f"python -m venv --clear {machine.root}/.venv-3.13") == 1
    assert not (machine.root / ".venv").exists()
    assert machine.run("test", "--python=python3.13").returncode == 0
    assert machine.calls("pip install") == 0, "a name and a version of one interpreter share their set-up"


def test_python_of_pyenv_is_found(machine: Machine) -> None:
    """Shims of pyenv's answer for versions that it does not have; its folder tells what there is."""
    machine.stub_tools()
    machine.stub("python3.13", "#!/bin/bash\nexit 127\n")
    folder = machine.stubs / "pyenv" / "versions" / "3.13.0" / "bin"
    folder.mkdir(parents=True)
    shutil.copy(machine.stubs / "python3", folder / "python")
    machine.say("version", "3.13")
    for name in ("3.13", "3.13.0", str(folder / "python")):
        done = machine.run("test", "--python", name)
        assert done.returncode == 0, done.stderr
        assert (machine.root / ".venv-3.13").is_dir()


@pytest.mark.parametrize("arguments", [["--python", "3.99"], ["--python=nowhere/python"], ["--python"]])
def test_missing_python_is_explained(machine: Machine, arguments: list[str]) -> None:
    """One line says what may be given, and nothing is set up on some other interpreter."""
    done = machine.run("test", *arguments)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "a version, a name on PATH, or a path" in done.stderr
    assert machine.calls("pip install") == 0


def test_live_tests_need_no_training_packages(machine: Machine) -> None:
    """Each version of Python would cost CI the gigabytes of PyTorch."""
    machine.stub_tools()
    done = machine.run("test", "--live", "-x")
    assert done.returncode == 0, done.stderr
    assert machine.calls("dev.txt") == 1
    assert machine.calls("torch==") == 0
    assert machine.calls("pytest tests/capture tests/render -x") == 1
    assert machine.calls("mirror demo --headless --out") == 1
    assert machine.run("test").returncode == 0
    assert machine.calls("torch==") == 1
    assert machine.calls("pip uninstall --quiet --yes triton") == 1, "its LLVM and Mesa's end the process"


@pytest.mark.parametrize(("failing", "code"), [("", 0), ("mirror", 1)])
def test_other_pythons_are_tested_where_they_are(machine: Machine, failing: str, code: int) -> None:
    """The mirror would stop drawing on the next Debian, unseen; a developer with one Python can test too."""
    machine.stub_tools(failing)
    for name in ("python3.11", "python3.13"):
        machine.stub(name, "#!/bin/bash\nexit 127\n")
    machine.stub("python3.11", PYTHON.replace("echo 3.12", "echo 3.11"))
    done = machine.run("test", "--others", "-k", "ring")
    assert done.returncode == code, done.stderr
    assert machine.calls("pytest tests/capture tests/render\n") == 1
    assert machine.calls("pytest -k ring") == 1, "everything, on the usual one"
    assert machine.calls("torch==") == 1, "for the usual one"
    assert (machine.root / ".venv-3.11").is_dir()
    assert "Python 3.13 is not here" in done.stdout
    if failing:
        assert "failed: Python 3.11" in done.stderr


@pytest.mark.parametrize("failing", TOOLS)
def test_any_failing_check_fails_the_test_run(machine: Machine, failing: str) -> None:
    """A build that is green although the type checker is not would be worse than none."""
    machine.stub_tools(failing)
    done = machine.run("test", "-k", "ring")
    assert done.returncode == 1
    assert all(machine.calls(f"{tool} ") for tool in TOOLS), "one failure must not hide the others"
    assert "failed:" in done.stderr


def test_cut_off_setup_is_taken_up_again(machine: Machine) -> None:
    """No network, then a network: the second run must not take the half for the whole."""
    machine.say("no_network")
    failed = machine.run("setup")
    assert failed.returncode == 1
    assert "check the network" in failed.stderr
    (machine.stubs / "no_network").unlink()
    machine.say("no_models")
    assert machine.run("setup").returncode == 1
    (machine.stubs / "no_models").unlink()
    assert machine.run("setup").returncode == 0
    assert machine.calls("pip install") == 2


def test_incomplete_packages_are_installed_anew(machine: Machine) -> None:
    """A set-up killed within a package leaves files that pip takes for good."""
    machine.say("incomplete")
    done = machine.run("setup")
    assert done.returncode == 0, done.stderr
    assert machine.calls("-m venv --clear") == 2
    assert machine.calls("pip install") == 4


def test_missing_system_libraries_are_named_and_installed(machine: Machine) -> None:
    """The first line of a fresh machine's set-up says what it installs."""
    machine.say("missing", "libegl1\nlibgles2\n")
    done = machine.run("setup")
    assert done.returncode == 0, done.stderr
    assert "installing libegl1 libgles2" in done.stdout
    assert machine.calls("--no-install-recommends libegl1 libgles2") == 1


def test_missing_system_libraries_without_the_right_to_install(machine: Machine) -> None:
    """A user without sudo gets the command to hand to an administrator."""
    machine.say("missing", "libegl1\n")
    machine.stub("id", "#!/bin/bash\necho 1000\n")
    machine.stub("sudo", "#!/bin/bash\nexit 1\n")
    done = machine.run("setup")
    assert done.returncode == 1
    assert "apt-get install -y libegl1" in done.stderr
    assert machine.calls("apt-get") == 0


def test_failing_package_manager_is_explained(machine: Machine) -> None:
    """Stale package lists are refreshed once; after that the packages are named."""
    machine.say("missing", "libegl1\n")
    machine.say("no_apt")
    done = machine.run("setup")
    assert done.returncode == 1
    assert "could not be installed: libegl1" in done.stderr
    assert machine.calls("apt-get update") == 1


def test_old_python_is_explained(machine: Machine) -> None:
    """The version needed and the one found, in one line."""
    for name in ("python3.11", "python3.12", "python3.13"):
        machine.stub(name, PYTHON)
    machine.say("too_old", "1")
    done = machine.run("setup")
    assert done.returncode == 1
    assert "Python 3.11 or newer is needed, found Python" in done.stderr


def test_commands_are_handed_on(machine: Machine) -> None:
    """What follows the command reaches `mirror` as it was typed, and its exit code comes back."""
    machine.run("setup")
    installed = machine.root / ".venv" / "bin" / "mirror"
    installed.write_text('#!/bin/bash\nprintf "<%s>" "$@"\nexit 7\n')
    installed.chmod(0o755)
    for command in ("start", "stop", "status", "restart", "logs", "doctor", "install", "demo"):
        done = machine.run(command, "--out", "a b.mp4")
        assert done.returncode == 7
        assert done.stdout.endswith(f"<{command}><--out><a b.mp4>")


@pytest.mark.parametrize(("running", "restarts"), [("true", 1), ("false", 0)])
def test_update_runs_the_new_script_and_restarts_what_runs(
    machine: Machine, running: str, restarts: int
) -> None:
    """An update must be set up by its own rules, and be what the shopper sees afterwards."""

    def git(folder: Path, *arguments: str) -> None:
        options = ["-c", "user.name=Kiosk", "-c", "user.email=kiosk@localhost"]
        subprocess.run(["git", "-C", str(folder), *options, *arguments], check=True, capture_output=True)

    origin = machine.root.with_name("origin")
    machine.root.rename(origin)
    (origin / ".gitignore").write_text(".venv/\n")
    git(origin, "init", "-q")
    git(origin, "add", ".")
    git(origin, "commit", "-qm", "old")
    git(origin.parent, "clone", "-q", str(origin), str(machine.root))
    assert machine.run("setup").returncode == 0
    installed = machine.root / ".venv" / "bin" / "mirror"
    installed.write_text(
        "#!/bin/bash\n"
        'echo "mirror $*" >>"$STUBS/calls"\n'
        f'[ "$1" != status ] || {{ echo \'{{"healthy": true, "running": {running}}}\'; exit 1; }}\n'
    )
    installed.chmod(0o755)
    script = (
        (origin / "kiosk").read_text().replace("finish_update() {", "finish_update() {\n    say new script")
    )
    (origin / "kiosk").write_text(script)
    git(origin, "commit", "-qam", "new")
    done = machine.run("update")
    assert done.returncode == 0, done.stderr
    assert "new script" in done.stdout
    assert machine.calls("pip install") == 2
    assert machine.calls("mirror restart") == restarts
