"""``mirror run``, ``start``, ``stop``, ``restart``, ``status``, ``logs``: the operator's commands."""

from __future__ import annotations

import collections
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from mirror import launch, units
from mirror.cli.options import (
    ConfigFile,
    Display,
    Fabric,
    Garments,
    JsonObject,
    Record,
    Runtime,
    Settings,
    Size,
    Source,
    absolute,
    load_config,
    names,
)
from mirror.config import Config
from mirror.errors import MirrorError
from mirror.logs import log_file, open_log_file, readable, terminal
from mirror.runtime import FileLock, is_alive, lock_owner, runtime_dir
from mirror.status import Status, read_status

STOP_S = 15.0


def run(
    config: ConfigFile = None,
    settings: Settings = None,
    runtime: Runtime = None,
    source: Source = None,
    garment: Garments = None,
    fabric: Fabric = None,
    size: Size = None,
    display: Display = None,
    out: Record = None,
    daemon: Annotated[bool, typer.Option("--daemon", hidden=True)] = False,
) -> int:
    """Run the supervisor until it is told to stop or the source is over."""
    from mirror.supervisor import Supervisor

    options = _Live(config, settings or [], runtime, source, garment, fabric, size, display, out)
    settled = options.config()
    folder = runtime_dir(settled)
    path = log_file(folder)
    log = open_log_file("mirror", settled.spine.log_level, path)
    if not daemon:
        log.addHandler(terminal())
    Supervisor(settled, folder, log, log_path=path, arguments=options.arguments()).run()
    return 0


def start(
    config: ConfigFile = None,
    settings: Settings = None,
    runtime: Runtime = None,
    source: Source = None,
    garment: Garments = None,
    fabric: Fabric = None,
    size: Size = None,
    display: Display = None,
    out: Record = None,
) -> int:
    """Start the supervisor in the background and wait until the mirror is up."""
    options = _Live(config, settings or [], runtime, source, garment, fabric, size, display, out)
    return _start(options, options.arguments())


def restart(
    config: ConfigFile = None,
    settings: Settings = None,
    runtime: Runtime = None,
    source: Source = None,
    garment: Garments = None,
    fabric: Fabric = None,
    size: Size = None,
    display: Display = None,
    out: Record = None,
) -> int:
    """Stop and start; without options of its own, with those of the mirror that runs."""
    options = _Live(config, settings or [], runtime, source, garment, fabric, size, display, out)
    folder = runtime_dir(options.config())
    running = read_status(folder)
    arguments = options.arguments()
    if running is not None and not arguments:
        arguments = running.arguments
    _stop(folder)
    return _start(options, arguments)


def stop(config: ConfigFile = None, settings: Settings = None, runtime: Runtime = None) -> int:
    """Stop the supervisor; exit 0 as well when none runs."""
    _stop(runtime_dir(load_config(config, settings, runtime=runtime)))
    return 0


def status(
    config: ConfigFile = None,
    settings: Settings = None,
    runtime: Runtime = None,
    as_json: JsonObject = False,
) -> int:
    """Print the state; 0 when every process is ready, else 1."""
    from mirror.supervisor import supervisor_lock

    folder = runtime_dir(load_config(config, settings, runtime=runtime))
    pid = lock_owner(supervisor_lock(folder))
    state = read_status(folder) if pid else None
    if state is None or state.pid != pid:  # starting, or not there
        found = units.states()
        healthy = bool(found) and all(unit.active for unit in found)
        if as_json:
            services = [msgspec.to_builtins(unit) for unit in found]
            print(json.dumps({"healthy": healthy, "running": bool(pid) or healthy, "units": services}))
        elif found:
            for unit in found:
                print(f"{unit.name:<34} {unit.state:<12} restarts {unit.restarts}  {unit.text}")
        else:
            print(f"the mirror in {folder} is starting" if pid else f"no mirror runs in {folder}")
        return 0 if healthy else 1
    if as_json:
        print(json.dumps({"healthy": state.healthy, "running": True} | msgspec.to_builtins(state)))
    else:
        print(_table(state))
    return 0 if state.healthy else 1


def logs(
    config: ConfigFile = None,
    settings: Settings = None,
    runtime: Runtime = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on as the log grows.")] = False,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, metavar="N", help="Last lines.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print the lines as they are stored.")] = False,
) -> int:
    """Print the end of the log, and with ``--follow`` what comes after it."""
    path = log_file(runtime_dir(load_config(config, settings, runtime=runtime)))
    older = path.with_name(path.name + ".1")
    if not path.exists():
        hint = f"; for the units: journalctl -u '{units.PREFIX}*'" if units.states() else ""
        raise MirrorError(f"there is no log {path} yet{hint}")
    last: collections.deque[str] = collections.deque(maxlen=lines)
    stream = path.open(encoding="utf-8", errors="replace")
    for old in [older] if older.exists() else []:
        last.extend(old.read_text(encoding="utf-8", errors="replace").splitlines())
    last.extend(line.rstrip("\n") for line in stream)
    for line in last:
        print(line if as_json else readable(line))
    while follow:
        sys.stdout.flush()
        line = stream.readline()
        if line:
            print(line.rstrip("\n") if as_json else readable(line.rstrip("\n")))
            continue
        time.sleep(0.2)
        # Turned over: a new file stands in its place.
        if path.exists() and path.stat().st_ino != os.fstat(stream.fileno()).st_ino:
            stream.close()
            stream = path.open(encoding="utf-8", errors="replace")
    return 0


@dataclass(frozen=True)
class _Live:
    """The options of ``run``, ``start`` and ``restart``."""

    file: Path | None
    settings: list[str]
    runtime: Path | None
    source: str | None
    garment: str | None
    fabric: str | None
    size: str | None
    display: str | None
    out: Path | None

    def config(self) -> Config:
        """The configuration that they add up to."""
        return load_config(
            self.file,
            self.settings,
            runtime=self.runtime,
            source=self.source,
            garment=self.garment,
            fabric=self.fabric,
            size=self.size,
            display=self.display,
            out=self.out,
        )

    def arguments(self) -> list[str]:
        """The command line of ``run`` that says the same, wherever it is run, but for ``--runtime``."""
        values = {
            "source": self.source and absolute(self.source),
            "fabric": self.fabric and absolute(self.fabric),
            "size": self.size,
            "display": self.display,
            "out": str(self.out.absolute()) if self.out else None,
            "garment": self.garment and ",".join(names(self.garment)),
            "config": str(self.file.absolute()) if self.file else None,
        }
        arguments: list[str] = []
        for name, value in values.items():
            if value is not None:
                arguments += [f"--{name}", value]
        for text in self.settings:
            arguments += ["--set", text]
        return arguments


def _stop(runtime: Path) -> None:
    from mirror.supervisor import supervisor_lock, sweep, wait_for_orphans

    lock = supervisor_lock(runtime)
    pid = lock_owner(lock)
    if not pid:
        if active := [unit.name for unit in units.states() if unit.active]:
            raise MirrorError(f"{', '.join(active)} run under systemd: systemctl stop {units.TARGET}")
        print(f"no mirror runs in {runtime}")
        return
    os.kill(pid, signal.SIGTERM)
    if not _gone(pid, lock, STOP_S):
        os.kill(pid, signal.SIGKILL)
        if not _gone(pid, lock, STOP_S):
            raise MirrorError(f"the supervisor (pid {pid}) cannot be stopped")
        with FileLock(lock, "another mirror has been started"):
            wait_for_orphans(runtime)
            sweep(runtime)
    print("stopped")


def _start(options: _Live, arguments: list[str]) -> int:
    from mirror.supervisor import supervisor_lock

    config = options.config()
    runtime = runtime_dir(config)
    if pid := lock_owner(supervisor_lock(runtime)):
        raise MirrorError(f"a mirror runs already in {runtime} (pid {pid}); `mirror stop` ends it")
    command = [*launch.command("mirror"), "run", "--daemon", "--runtime", str(runtime), *arguments]
    if options.file and "--config" not in arguments:
        command += ["--config", str(options.file.absolute())]
    with tempfile.TemporaryFile() as words:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=words,
            start_new_session=True,
            env=launch.environment(),
        )
        until = time.monotonic() + config.spine.start_s
        while time.monotonic() < until:
            if process.poll() is not None:
                words.seek(0)
                text = words.read().decode("utf-8", "replace").strip().splitlines() or ["it ended at once"]
                raise MirrorError(text[-1].removeprefix("mirror: "))
            state = read_status(runtime)
            if state is not None and state.pid == process.pid and state.healthy:
                print(f"the mirror is up (pid {process.pid}, log {state.log})")
                return 0
            time.sleep(0.1)
    raise MirrorError(f"the mirror is not ready after {config.spine.start_s:g} s; see `mirror status`")


def _gone(pid: int, lock: Path, timeout_s: float) -> bool:
    until = time.monotonic() + timeout_s
    # A process is called a zombie while its threads still hold its files open: hence both.
    while is_alive(pid) or lock_owner(lock) is not None:
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def _table(state: Status) -> str:
    latency = "" if state.latency_p50_ms is None else f", latency {state.latency_p50_ms:.0f} ms"
    if state.latency_p95_ms is not None:
        latency += f" (p95 {state.latency_p95_ms:.0f})"
    word = "healthy" if state.healthy else "not healthy"
    lines = [
        f"{word}: pid {state.pid}, up {_duration(state.uptime_s)}, {state.fps:.1f} frames/s{latency}",
        f"log {state.log}",
        f"{'process':<10} {'state':<9} {'pid':>8} {'up':>9} {'restarts':>8}  facts",
    ]
    for process in state.processes:
        facts = [process.detail] if process.detail else []
        facts += [f"{key}={value:g}" for key, value in process.counters.items()]
        facts += [f"last error: {process.last_error}"] if process.last_error else []
        up = _duration(process.uptime_s) if process.pid else "-"
        lines.append(
            f"{process.name:<10} {process.state:<9} {process.pid or '-':>8} {up:>9} {process.restarts:>8}  "
            + ", ".join(facts)
        )
    return "\n".join(lines)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
