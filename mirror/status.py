"""The supervisor's account of itself: RUNTIME/status.json, replaced whole twice a second."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

FRESH_S = 5.0


class ProcessStatus(msgspec.Struct, kw_only=True):
    """A process. ``state``: starting, ready, degraded, stopping; waiting (to be restarted), done, failed."""

    name: str
    state: str
    detail: str = ""
    pid: int | None = None
    uptime_s: float = 0.0
    restarts: int = 0
    last_error: str = ""
    heartbeat_age_s: float | None = None
    counters: dict[str, float] = {}


class Status(msgspec.Struct, kw_only=True):
    """The whole mirror.

    ``fps`` and the latencies (ms, capture to display) are of the last two seconds;
    ``t_ns`` is ``time.monotonic_ns()`` at writing; ``arguments`` are the command line's.
    """

    pid: int
    t_ns: int
    uptime_s: float
    runtime: str
    log: str
    fps: float
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    frames: int
    arguments: list[str]
    processes: list[ProcessStatus]

    @property
    def healthy(self) -> bool:
        """Whether every process is ready and this account is fresh."""
        fresh = (time.monotonic_ns() - self.t_ns) / 1e9 < FRESH_S
        return fresh and bool(self.processes) and all(p.state == "ready" for p in self.processes)


def status_path(runtime: Path) -> Path:
    """Where the status of a runtime directory lies."""
    return runtime / "status.json"


def write_status(runtime: Path, status: Status) -> None:
    """Replace the status file; a reader sees the old one or the new one, never a part."""
    part = runtime / "status.json.part"
    part.write_bytes(msgspec.json.encode(status))
    part.replace(status_path(runtime))


def read_status(runtime: Path) -> Status | None:
    """The status last written, or None if there is none (or none that can be understood)."""
    try:
        return msgspec.json.decode(status_path(runtime).read_bytes(), type=Status)
    except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError):
        return None
