"""The systemd units and their installation."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from mirror import units
from mirror.cli.app import main
from mirror.config import Config, load
from mirror.errors import MirrorError


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("SUDO_USER", raising=False)


def install(tmp_path: Path, *options: str) -> Path:
    assert main(["install", "--prefix", str(tmp_path / "root"), "--run-as", "daemon", *options]) == 0
    (folder,) = {path.parent for path in (tmp_path / "root").rglob("*.target")}
    return folder


def read(path: Path) -> configparser.SectionProxy:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(path)
    return parser["Service"]


@pytest.mark.parametrize("scope", [[], ["--user"]])
def test_units_verify(tmp_path: Path, scope: list[str]) -> None:
    """Settings would be ignored, privacy's among them, or the unit refused."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    folder = install(tmp_path, *scope)
    done = subprocess.run(
        ["systemd-analyze", *scope, "verify", *sorted(map(str, folder.iterdir()))],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_verification_notices_a_mistake(tmp_path: Path) -> None:
    """The test above would pass whatever the units say."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    folder = install(tmp_path)
    unit = folder / units.SERVICES[0]
    unit.write_text(unit.read_text().replace("WatchdogSec=", "WatchdogSeconds="))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert "WatchdogSeconds" in done.stderr


@pytest.mark.parametrize("scope", [[], ["--user"]])
def test_units_keep_their_promises(tmp_path: Path, scope: list[str]) -> None:
    """A hung process would stay, a picture could leave, or the processes not find each other."""
    folder = install(tmp_path, *scope)
    assert sorted(path.name for path in folder.iterdir()) == sorted([*units.SERVICES, units.TARGET])
    for name in units.SERVICES:
        unit = read(folder / name)
        assert unit["Type"] == "notify"
        assert int(unit["WatchdogSec"]) > 0
        assert unit["Restart"] == "always"
        assert unit["RestrictAddressFamilies"] == "AF_UNIX"
        assert unit["NoNewPrivileges"] == "yes"
        assert unit["LimitCORE"] == "0"
        assert unit["RuntimeDirectory"] in unit["ExecStart"].split()[-1]
        assert "@" not in (folder / name).read_text().replace("@system", "")
        assert (unit.get("User") == "daemon") is (not scope)
        assert ("ProtectSystem" in unit) is (not scope)


def test_installation_writes_a_configuration_once(tmp_path: Path) -> None:
    """The units would find no configuration, or an operator's own would be lost."""
    install(tmp_path)
    path = tmp_path / "root/etc/fitting-mirror/mirror.toml"
    assert load(path) == Config()
    path.write_text("[capture]\nwidth = 320\n")
    install(tmp_path)
    assert load(path).capture.width == 320


def test_installation_refuses_a_bad_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The mistake would only be seen in the journal."""
    config = tmp_path / "mirror.toml"
    config.write_text("[capture]\nnone = 1\n")
    assert main(["install", "--prefix", str(tmp_path / "root"), "--config", str(config)]) == 1
    assert "unknown key 'capture.none'" in capsys.readouterr().err


def test_installation_into_an_impossible_place_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The operator would read a traceback instead of "use sudo"."""
    (tmp_path / "root").write_text("")
    assert main(["install", "--prefix", str(tmp_path / "root")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "cannot be written" in line


@pytest.mark.parametrize("value", ["", "two words", "a%n", 'a"b'])
def test_values_that_would_break_a_unit_are_refused(value: str) -> None:
    """A path with a space would be cut in the unit's command line."""
    with pytest.raises(MirrorError, match="cannot be used in a unit"):
        units.fill("ExecStart=@PYTHON@", {"PYTHON": value}, user=False)


def test_state_of_the_units_is_read() -> None:
    """`mirror status` would not say that the mirror runs under systemd."""
    text = (
        "Id=fitting-mirror-capture.service\nLoadState=loaded\nActiveState=active\nSubState=running\n"
        "MainPID=77\nNRestarts=2\nStatusText=ready fps=29.8\n\n"
        "Id=fitting-mirror-render.service\nLoadState=not-found\nActiveState=inactive\nSubState=dead\n"
    )
    (state,) = units.parse(text)
    assert state == units.UnitState(
        "fitting-mirror-capture.service", True, "running", 77, 2, "ready fps=29.8"
    )
