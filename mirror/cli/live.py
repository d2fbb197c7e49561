"""``mirror run``, ``start``, ``stop``, ``restart``, ``status``, ``logs``: the operator's commands."""

from __future__ import annotations

import argparse
import collections
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from mirror import launch, units
from mirror.cli.app import load_config
from mirror.errors import MirrorError
from mirror.logs import log_file, open_log_file, readable, terminal
from mirror.runtime import FileLock, is_alive, lock_owner, runtime_dir
from mirror.status import Status, read_status

STOP_S = 15.0


def run(options: argparse.Namespace) -> int:
    """Run the supervisor until it is told to stop or the source is over."""
    from mirror.supervisor import Supervisor

    config = load_config(options)
    runtime = runtime_dir(config)
    path = log_file(runtime)
    log = open_log_file("mirror", config.spine.log_level, path)
    if not options.daemon:
        log.addHandler(terminal())
    Supervisor(config, runtime, log, log_path=path, arguments=_arguments(options)).run()
    return 0


def start(options: argparse.Namespace) -> int:
    """Start the supervisor in the background and wait until the mirror is up."""
    return _start(options, _arguments(options))


def restart(options: argparse.Namespace) -> int:
    """Stop and start; without options of its own, with those of the mirror that runs."""
    runtime = runtime_dir(load_config(options))
    status = read_status(runtime)
    arguments = _arguments(options)
    if status is not None and not arguments:
        arguments = status.arguments
    stop(options)
    return _start(options, arguments)


def stop(options: argparse.Namespace) -> int:
    """Stop the supervisor; exit 0 as well when none runs."""
    from mirror.supervisor import supervisor_lock, sweep, wait_for_orphans

    runtime = runtime_dir(load_config(options))
    lock = supervisor_lock(runtime)
    pid = lock_owner(lock)
    if not pid:
        if active := [unit.name for unit in units.states() if unit.active]:
            raise MirrorError(f"{', '.join(active)} run under systemd: systemctl stop {units.TARGET}")
        print(f"no mirror runs in {runtime}")
        return 0
    os.kill(pid, signal.SIGTERM)
    if not _gone(pid, lock, STOP_S):
        os.kill(pid, signal.SIGKILL)
        if not _gone(pid, lock, STOP_S):
            raise MirrorError(f"the supervisor (pid {pid}) cannot be stopped")
        with FileLock(lock, "another mirror has been started"):
            wait_for_orphans(runtime)
            sweep(runtime)
    print("stopped")
    return 0


def status(options: argparse.Namespace) -> int:
    """Print the state; 0 when every process is ready, else 1."""
    from mirror.supervisor import supervisor_lock

    runtime = runtime_dir(load_config(options))
    pid = lock_owner(supervisor_lock(runtime))
    state = read_status(runtime) if pid else None
    if state is None or state.pid != pid:  # starting, or not there
        found = units.states()
        healthy = bool(found) and all(unit.active for unit in found)
        if options.json:
            services = [msgspec.to_builtins(unit) for unit in found]
            print(json.dumps({"healthy": healthy, "running": bool(pid) or healthy, "units": services}))
        elif found:
            for unit in found:
                print(f"{unit.name:<34} {unit.state:<12} restarts {unit.restarts}  {unit.text}")
        else:
            print(f"the mirror in {runtime} is starting" if pid else f"no mirror runs in {runtime}")
        return 0 if healthy else 1
    if options.json:
        print(json.dumps({"healthy": state.healthy, "running": True} | msgspec.to_builtins(state)))
    else:
        print(_table(state))
    return 0 if state.healthy else 1


def logs(options: argparse.Namespace) -> int:
    """Print the end of the log, and with ``--follow`` what comes after it."""
    path = log_file(runtime_dir(load_config(options)))
    older = path.with_name(path.name + ".1")
    if not path.exists():
        hint = f"; for the units: journalctl -u '{units.PREFIX}*'" if units.states() else ""
        raise MirrorError(f"there is no log {path} yet{hint}")
    last: collections.deque[str] = collections.deque(maxlen=options.lines)
    stream = path.open(encoding="utf-8", errors="replace")
    for old in [older] if older.exists() else []:
        last.extend(old.read_text(encoding="utf-8", errors="replace").splitlines())
    last.extend(line.rstrip("\n") for line in stream)
    for line in last:
        print(line if options.json else readable(line))
    while options.follow:
        sys.stdout.flush()
        line = stream.readline()
        if line:
            print(line.rstrip("\n") if options.json else readable(line.rstrip("\n")))
            continue
        time.sleep(0.2)
        # Turned over: a new file stands in its place.
        if path.exists() and path.stat().st_ino != os.fstat(stream.fileno()).st_ino:
            stream.close()
            stream = path.open(encoding="utf-8", errors="replace")
    return 0


def _start(options: argparse.Namespace, arguments: list[str]) -> int:
    from mirror.supervisor import supervisor_lock

    config = load_config(options)
    runtime = runtime_dir(config)
    if pid := lock_owner(supervisor_lock(runtime)):
        raise MirrorError(f"a mirror runs already in {runtime} (pid {pid}); `mirror stop` ends it")
    command = [*launch.command("mirror"), "run", "--daemon", "--runtime", str(runtime), *arguments]
    if options.config and "--config" not in arguments:
        command += ["--config", str(options.config.absolute())]
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


def _arguments(options: argparse.Namespace) -> list[str]:
    """The command line of ``run`` that says the same as these options."""
    arguments: list[str] = []
    for name in ("source", "fabric", "size", "display", "out"):
        if (value := getattr(options, name)) is not None:
            arguments += [f"--{name}", str(value)]
    if options.garment:
        arguments += ["--garment", ",".join(options.garment)]
    if options.config:
        arguments += ["--config", str(options.config.absolute())]
    for text in options.set:
        arguments += ["--set", text]
    return arguments


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
