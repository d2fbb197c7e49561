"""``mirror install``: the systemd units, filled in for this installation."""

from __future__ import annotations

import argparse
import getpass
import os
import shutil
import subprocess
import sys
from pathlib import Path

from mirror import units
from mirror.config import Config, dump, load
from mirror.errors import MirrorError


def main(options: argparse.Namespace) -> int:
    """Write the units, and the default configuration where there is none; print what comes next."""
    user: bool = options.user
    if user:
        config_home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        folder, settings = config_home / "systemd" / "user", config_home / "fitting-mirror"
    else:
        folder, settings = Path("/etc/systemd/system"), Path("/etc/fitting-mirror")
    config = options.config.absolute() if options.config else settings / "mirror.toml"
    values = {
        "PYTHON": sys.executable,
        "USER": options.run_as or os.environ.get("SUDO_USER") or getpass.getuser(),
        "CONFIG": str(config),
        "ENVIRONMENT": str(settings / "environment"),
        "WANTED_BY": "default.target" if user else "graphical.target",
    }
    sources = units.templates()
    pages = {
        name: units.fill((sources / name).read_text("utf-8"), values, user=user)
        for name in (*units.SERVICES, units.TARGET)
    }
    if options.config:
        load(config)  # a bad one would only be seen in the journal
    try:
        target = _below(options.prefix, folder)
        target.mkdir(parents=True, exist_ok=True)
        for name, page in pages.items():
            (target / name).write_text(page, encoding="utf-8")
            print(target / name)
        if not options.config:
            _default_config(_below(options.prefix, config))
    except PermissionError as error:
        raise MirrorError(f"{error.filename} cannot be written: use sudo, or --user") from None
    except OSError as error:
        raise MirrorError(f"{error.filename} cannot be written: {error.strerror}") from None
    manager = "systemctl --user" if user else "systemctl"
    if options.prefix is None:
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
