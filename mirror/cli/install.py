"""``mirror install``: the systemd units, filled in for this installation."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from mirror import units
from mirror.config import Config, dump, load
from mirror.errors import MirrorError


def install(
    user: Annotated[bool, typer.Option("--user", help="For this user's own service manager.")] = False,
    prefix: Annotated[
        Path | None, typer.Option("--prefix", metavar="DIR", help="Write below DIR instead of /.")
    ] = None,
    run_as: Annotated[
        str | None,
        typer.Option("--run-as", metavar="NAME", help="User the processes run as (default: the caller)."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="Configuration the units use.")
    ] = None,
) -> int:
    """Write the units, and the default configuration where there is none; print what comes next."""
    if user:
        config_home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        folder, settings = config_home / "systemd" / "user", config_home / "fitting-mirror"
    else:
        folder, settings = Path("/etc/systemd/system"), Path("/etc/fitting-mirror")
    page = config.absolute() if config else settings / "mirror.toml"
    values = {
        "PYTHON": sys.executable,
        "USER": run_as or os.environ.get("SUDO_USER") or getpass.getuser(),
        "CONFIG": str(page),
        "ENVIRONMENT": str(settings / "environment"),
        "WANTED_BY": "default.target" if user else "graphical.target",
    }
    sources = units.templates()
    files = {
        name: units.fill((sources / name).read_text("utf-8"), values, user=user)
        for name in (*units.SERVICES, units.TARGET)
    }
    if config:
        load(page)  # a bad one would only be seen in the journal
    try:
        target = _below(prefix, folder)
        target.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (target / name).write_text(text, encoding="utf-8")
            print(target / name)
        if not config:
            _default_config(_below(prefix, page))
    except PermissionError as error:
        raise MirrorError(f"{error.filename} cannot be written: use sudo, or --user") from None
    except OSError as error:
        raise MirrorError(f"{error.filename} cannot be written: {error.strerror}") from None
    manager = "systemctl --user" if user else "systemctl"
    if prefix is None:
        _reload(manager)
    print(f"next: {manager} enable --now {units.TARGET}")
    return 0


def _below(prefix: Path | None, path: Path) -> Path:
    return path if prefix is None else prefix.absolute() / path.relative_to("/")


def _default_config(path: Path) -> None:
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dump(Config()), encoding="utf-8")
    print(path)


def _reload(manager: str) -> None:
    if shutil.which("systemctl") is None:
        print("systemd is not here: the units wait for it")
        return
    done = subprocess.run(
        [*manager.split(), "daemon-reload"], capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode != 0:
        print(f"run `{manager} daemon-reload` ({done.stderr.strip()})")
