"""One process under the supervisor: started, heard, judged, stopped, started again."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import threading
import time
from collections import deque
from pathlib import Path
from typing import IO

from mirror import launch
from mirror.logs import log_as
from mirror.messages import Heartbeat
from mirror.process import EXIT_FAILED, PARENT_VARIABLE
from mirror.processes import Process
from mirror.status import ProcessStatus

ABORT_S = 1.0  # a hung process may write where it hangs for this long before it is killed


class Child:
    """The life of one process of the table. Times are ``time.monotonic()`` seconds.

    ``state`` is the process's own (starting, ready, degraded, stopping) while it lives; else
    waiting (to be restarted), done (its work was over) or failed.
    """

    def __init__(
        self, process: Process, runtime: Path, log: logging.Logger, start_s: float, hang_s: float
    ) -> None:
        self.process = process
        self.state = "waiting"
        self.detail = ""
        self.restarts = 0
        self.last_error = ""
        self.explained = False  # whether last_error is the process's own line
        self.was_ready = False  # in any of its lives
        self.deaths = 0  # in a row, without a healthy time between
        self.due = 0.0  # when to start it, while waiting
        self.counters: dict[str, float] = {}
        self.last_lines: deque[str] = deque(maxlen=40)
        self._runtime = runtime
        self._log = log
        self._start_s = start_s
        self._hang_s = hang_s
        self._popen: subprocess.Popen[str] | None = None
        self._pump: threading.Thread | None = None
        self._started = 0.0
        self._ready_at: float | None = None
        self._heard: float | None = None
        self._verdict = ""  # why the supervisor is ending it
        self._kill_at: float | None = None
        self._stopped = False  # by us

    @property
    def alive(self) -> bool:
        """Whether the process runs, as far as ``check`` has seen."""
        return self._popen is not None

    @property
    def error_file(self) -> Path:
        """Where the process leaves the line of an explained failure."""
        return self._runtime / f"{self.process.name}.error"

    def start(self) -> None:
        """Start the process in a session of its own; it dies with this one (``mirror.process``)."""
        self.error_file.unlink(missing_ok=True)
        command = [*launch.command(self.process.module), "--config", str(self._runtime / "mirror.toml")]
        command += ["--runtime", str(self._runtime)]
        environment = launch.environment() | {PARENT_VARIABLE: str(os.getpid())}
        environment.pop("NOTIFY_SOCKET", None)  # the service manager's word is with the supervisor
        self._popen = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
            env=environment,
        )
        self.state, self.detail, self.counters = "starting", "", {}
        self._started, self._ready_at, self._heard = time.monotonic(), None, None
        self._verdict, self._kill_at = "", None
        self.last_lines.clear()
        self._pump = threading.Thread(target=self._relay, args=(self._popen.stdout,), daemon=True)
        self._pump.start()
        self._log.info("started %s", self.process.name, extra={"pid": self._popen.pid})

    def hear(self, heartbeat: Heartbeat) -> None:
        """Take a heartbeat, if it is of this life of the process."""
        if self._popen is None or heartbeat.pid != self._popen.pid:
            return
        self._heard = time.monotonic()
        self.state, self.detail, self.counters = heartbeat.state, heartbeat.detail, heartbeat.counters
        if heartbeat.state in ("ready", "degraded") and self._ready_at is None:
            self._ready_at = self._heard
            self.was_ready = True

    def check(self) -> bool:
        """Look after the process; True if it has died or finished since the last look."""
        if self._popen is None:
            return False
        code = self._popen.poll()
        if code is None:
            self._check_alive(self._popen)
            return False
        if self._pump is not None:
            self._pump.join(1.0)  # its last words
        healthy_s = time.monotonic() - self._ready_at if self._ready_at is not None else 0.0
        self._popen = None
        self.detail, self.counters = "", {}
        if code == 0:
            self.state = "done"
            self._log.info("%s has done its work", self.process.name)
            return True
        self.state = "failed"
        self.last_error = self._read_error(code)
        if not self.explained and not self._stopped:
            for line in self.last_lines:
                log_as(self._log, self.process.name, logging.ERROR, line)
        self.deaths = 1 if healthy_s >= self.process.restart.healthy_s else self.deaths + 1
        return True

    def schedule(self) -> None:
        """Have the failed process started again after its back-off."""
        delay_s = self.process.restart.delay_s(self.deaths)
        self.state, self.due = "waiting", time.monotonic() + delay_s
        self.restarts += 1
        self._log.warning("%s; again in %.1f s", self.last_error, delay_s, extra={"deaths": self.deaths})

    def terminate(self) -> None:
        """Ask the process to stop."""
        self._stopped = True
        if self._popen is not None:
            self._popen.terminate()

    def kill(self) -> None:
        """End the process now, and wait for its end."""
        self._stopped = True
        if self._popen is not None:
            self._popen.kill()
            self._popen.wait()
            self.check()

    def status(self) -> ProcessStatus:
        """This process's part of the status."""
        now = time.monotonic()
        return ProcessStatus(
            name=self.process.name,
            state=self.state,
            detail=self.detail,
            pid=self._popen.pid if self._popen else None,
            uptime_s=round(now - self._started, 1) if self._popen else 0.0,
            restarts=self.restarts,
            last_error=self.last_error,
            heartbeat_age_s=round(now - self._heard, 2) if self._popen and self._heard else None,
            counters=self.counters,
        )

    def _check_alive(self, popen: subprocess.Popen[str]) -> None:
        now = time.monotonic()
        if self._kill_at is not None:
            if now >= self._kill_at:
                popen.kill()
            return
        if self._ready_at is None:
            if now - self._started < self._start_s:
                return
            self._verdict = f"not ready after {self._start_s:g} s"
        else:
            if now - (self._heard or self._ready_at) < self._hang_s:
                return
            self._verdict = f"no heartbeat for {self._hang_s:g} s"
        self._log.error("%s: %s", self.process.name, self._verdict)
        popen.send_signal(signal.SIGABRT)  # has it write where it hangs (faulthandler)
        self._kill_at = now + ABORT_S

    def _read_error(self, code: int) -> str:
        name = self.process.name
        self.explained = False
        if self._verdict:
            return f"{name}: {self._verdict}"
        if code < 0:
            known = {number.value: number.name for number in signal.Signals}
            return f"{name} died of {known.get(-code, f'signal {-code}')}"
        if code == EXIT_FAILED:
            try:
                line = self.error_file.read_text(encoding="utf-8").strip()
            except FileNotFoundError:
                line = ""
            if line:
                self.explained = True
                return line
        last = f": {self.last_lines[-1]}" if self.last_lines else ""
        return f"{name} ended with exit code {code}{last}"

    def _relay(self, pipe: IO[str]) -> None:
        """Pass the process's log on; what its libraries print is kept for the case of a crash."""
        with pipe:
            for raw in pipe:
                line = raw.rstrip("\n")
                level = _level(line)
                if level is not None:
                    self._log.log(level, "%s", line, extra={"line": line})
                elif line and (not self.last_lines or line != self.last_lines[-1]):
                    self.last_lines.append(line)
                    log_as(self._log, self.process.name, logging.DEBUG, line)


def _level(line: str) -> int | None:
    """The level of a JSON log line, None if it is something else."""
    if not line.startswith("{"):
        return None
    try:
        entry = json.loads(line)
        return logging.getLevelNamesMapping()[str(entry["level"]).upper()]
    except (ValueError, KeyError, TypeError):
        return None
