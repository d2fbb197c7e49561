"""The harness of the processes: ``python -m NAME --config FILE --runtime DIR``.

Each process hands its body to ``run_process``, which sets the network filter before the body
loads anything, takes the process's lock, logs JSON lines, turns SIGTERM and SIGINT into
``Context.stopping``, and sends heartbeats to the supervisor and to systemd, whichever runs it.

Writes topic ``heartbeat``; RUNTIME/NAME.error when it fails with an explained error.
"""

from __future__ import annotations

import argparse
import ctypes
import faulthandler
import logging
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from mirror.bus import Dispatcher
from mirror.config import Config, load
from mirror.errors import MirrorError
from mirror.logs import open_log
from mirror.messages import Heartbeat
from mirror.notify import notify
from mirror.runtime import FileLock
from mirror.seccomp import deny_network

EXIT_FAILED = 1
EXIT_STOPPED = 143  # told to stop, by convention 128 + SIGTERM; 0 means that the work was over
PARENT_VARIABLE = "FITTING_MIRROR_PARENT"  # pid of the supervisor that the process must not outlive
BEAT_NS = 500_000_000
_PR_SET_PDEATHSIG = 1


class Context:
    """What a process body is given.

    ``stopping`` is set by SIGTERM and SIGINT: the body then returns soon, in well under three
    seconds. ``runtime`` is absolute. ``log`` takes facts as ``extra={...}``.
    """

    def __init__(self, name: str, config: Config, runtime: Path, log: logging.Logger) -> None:
        self.name = name
        self.config = config
        self.runtime = runtime
        self.log = log
        self.stopping = threading.Event()
        self._heartbeats = Dispatcher(runtime, "heartbeat", depth=8)
        self._sent = 0
        self._last_ns = 0
        self._last_state = ""

    def ready(self) -> None:
        """Say that the process does its work now."""
        notify("READY=1")
        self.beat("ready")

    def beat(self, state: str = "ready", detail: str = "", **counters: float) -> None:
        """Say that the process lives; call it in every round of the main loop, it is cheap.

        ``state`` is starting, ready, degraded (with ``detail``) or stopping. At most two a
        second are sent, a change of state at once.
        """
        now = time.monotonic_ns()
        if state == self._last_state and now - self._last_ns < BEAT_NS:
            return
        self._last_ns, self._last_state = now, state
        self._heartbeats.send(
            Heartbeat(
                seq=self._sent,
                t_ns=now,
                process=self.name,
                pid=os.getpid(),
                state=state,
                detail=detail,
                counters=counters,
            )
        )
        self._sent += 1
        facts = " ".join(f"{key}={value:g}" for key, value in counters.items())
        notify("WATCHDOG=1", f"STATUS={' '.join(part for part in (state, detail, facts) if part)}")

    def close(self) -> None:
        """Send the last heartbeat and close."""
        notify("STOPPING=1")
        self.beat("stopping")
        self._heartbeats.socket.linger = 0  # not worth waiting for
        self._heartbeats.close()


def run_process(
    name: str, body: Callable[[Context], None], arguments: Sequence[str] | None = None
) -> NoReturn:
    """Run ``body`` as process ``name`` and exit.

    Exit code 0: the work was over (a clip ended); 1: an explained failure, whose line is in
    RUNTIME/NAME.error and in the log, or a defect with its traceback in the log; 143: told
    to stop.
    """
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold pictures
    parser = argparse.ArgumentParser(prog=f"python -m {name}")
    parser.add_argument("--config", type=Path, required=True, help="configuration file")
    parser.add_argument("--runtime", type=Path, required=True, help="runtime directory")
    options = parser.parse_args(arguments)
    _die_with_parent()
    runtime: Path = options.runtime.absolute()
    log = open_log(name, "info")
    try:
        sys.exit(_guarded(name, body, options.config, runtime, log))
    except MirrorError as error:
        log.error("%s", error)
        _leave_error(runtime / f"{name}.error", str(error), log)
    except Exception as error:
        log.exception("failed")
        _leave_error(runtime / f"{name}.error", f"{name}: {type(error).__name__}: {error}", log)
    sys.exit(EXIT_FAILED)


def _guarded(
    name: str, body: Callable[[Context], None], config_path: Path, runtime: Path, log: logging.Logger
) -> int:
    config = load(config_path)
    log.setLevel(config.spine.log_level.upper())
    if not runtime.is_dir():
        raise MirrorError(f"runtime directory {runtime} does not exist")
    deny_network()
    with FileLock(runtime / f"{name}.process.lock", f"{name} already runs in {runtime}"):
        (runtime / f"{name}.error").unlink(missing_ok=True)
        context = Context(name, config, runtime, log)

        def stop(_number: int, _frame: FrameType | None) -> None:
            context.stopping.set()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        try:
            context.beat("starting")
            body(context)
        finally:
            context.close()
    return EXIT_STOPPED if context.stopping.is_set() else 0


def _die_with_parent() -> None:
    """Have the kernel kill this process when its supervisor dies, however it dies."""
    parent = os.environ.get(PARENT_VARIABLE)
    if parent is None:
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(parent):  # it died before the call
        sys.exit(EXIT_FAILED)


def _leave_error(path: Path, line: str, log: logging.Logger) -> None:
    try:
        path.write_text(" ".join(line.split()) + "\n", encoding="utf-8")
    except OSError as error:
        log.warning("%s cannot be written: %s", path, error.strerror)
