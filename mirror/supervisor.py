"""The supervisor: starts the processes in order, restarts the dead, stops all, leaves nothing behind.

Reads topics ``heartbeat`` and ``shown``; writes RUNTIME/mirror.toml (the configuration the
processes run with) and RUNTIME/status.json. Holds RUNTIME/supervisor.lock while it lives.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType

from mirror.bus import Collector, wait_any
from mirror.child import Child
from mirror.config import Config, dump
from mirror.errors import MirrorError
from mirror.messages import Heartbeat, Shown
from mirror.processes import PROCESSES, Process
from mirror.ring import remove_segments, ring_prefix
from mirror.runtime import FileLock, lock_owner, open_runtime
from mirror.status import Status, write_status
from mirror.topics import TOPICS

GRACE_S = 8.0  # for a stop: a recorder has a file to finish
FIRST_TRIES = 3  # crashes before the mirror was ever up
FINISH_S = 30.0  # for the rest, without a frame, once one process has done its work
LAST_S = 2.0  # for the rest, once the last process of the table has done its work
STALL_S = 120.0  # a replay without a frame for this long has failed
LOOK_MS = 50.0
STATUS_S = 0.5
RATE_WINDOW_NS = 2_000_000_000


def supervisor_lock(runtime: Path) -> Path:
    """The lock of the runtime directory's supervisor."""
    return runtime / "supervisor.lock"


class Supervisor:
    """Runs the table's processes in a runtime directory until they are done or it is told to stop.

    ``one_shot`` (replay): any death is a failure, nothing is restarted, and the processes aside of
    the flow do not run. ``on_shown`` is called with every message of topic ``shown``, in the order of
    arrival.
    """

    def __init__(
        self,
        config: Config,
        runtime: Path,
        log: logging.Logger,
        *,
        table: Sequence[Process] = PROCESSES,
        one_shot: bool = False,
        on_shown: Callable[[Shown], None] | None = None,
        log_path: Path | None = None,
        arguments: Sequence[str] = (),
    ) -> None:
        self.runtime = runtime
        self.stopping = threading.Event()
        self._config = config
        self._log = log
        self._table = [process for process in table if not (one_shot and process.aside)]
        self._one_shot = one_shot
        self._on_shown = on_shown
        self._log_path = log_path
        self._arguments = list(arguments)
        spine = config.spine
        self._children = [Child(p, runtime, log, spine.start_s, spine.hang_s) for p in self._table]
        self._flow = [child for child in self._children if not child.process.aside]
        self._started = time.monotonic()
        self._progress = self._started  # when a frame was last shown, or a process done
        self._was_up = False
        self._frames = 0
        self._shown: deque[tuple[int, int]] = deque()  # (display, capture) times, ns
        self._status_due = 0.0

    def run(self) -> None:
        """Run to the end. Raises MirrorError where the mirror cannot be started or a replay fails.

        Must be called in the main thread (signals; and the children die with the thread
        that started them). Whatever happens, no process, socket, shared-memory segment or
        runtime file of its own is left.
        """
        ours = not self.runtime.exists()
        self.runtime = open_runtime(self.runtime)
        busy = f"a mirror runs already in {self.runtime}; `mirror stop` ends it"
        try:
            with self._signals(), FileLock(supervisor_lock(self.runtime), busy):
                wait_for_orphans(self.runtime, self._table)
                sweep(self.runtime, self._table)
                try:
                    (self.runtime / "mirror.toml").write_text(dump(self._config), encoding="utf-8")
                    self._supervise()
                finally:
                    sweep(self.runtime, self._table)
        finally:
            if ours:
                with contextlib.suppress(OSError):  # not empty: somebody else's files
                    self.runtime.rmdir()

    def _supervise(self) -> None:
        with (
            Collector[Heartbeat](self.runtime, "heartbeat") as heartbeats,
            Collector[Shown](self.runtime, "shown") as shown,
        ):
            try:
                for child in self._children:
                    child.start()
                self._watch(heartbeats, shown)
            finally:
                self._stop_all()  # within: processes still have something to send

    def _watch(self, heartbeats: Collector[Heartbeat], shown: Collector[Shown]) -> None:
        while not self.stopping.is_set():
            wait_any([heartbeats, shown], LOOK_MS)
            self._hear(heartbeats, shown)
            self._look_after()
            self._report()
            if self._finished():
                self._hear(heartbeats, shown, 200.0)  # what was sent last may still be on its way
                return

    def _hear(self, heartbeats: Collector[Heartbeat], shown: Collector[Shown], wait_ms: float = 0) -> None:
        while (beat := heartbeats.receive()) is not None:
            for child in self._children:
                if child.process.name == beat.process:
                    child.hear(beat)
        while (frame := shown.receive(wait_ms)) is not None:
            self._progress = time.monotonic()
            if frame.valid:
                self._frames += 1
                self._shown.append((frame.t_display_ns, frame.t_capture_ns))
            if self._on_shown is not None:
                self._on_shown(frame)

    def _look_after(self) -> None:
        now = time.monotonic()
        for child in self._children:
            if child.check():
                self._progress = now
                if child.state == "failed":
                    self._after_death(child)
            elif child.state == "waiting" and now >= child.due:
                child.start()
        if not self._was_up and all(child.was_ready for child in self._children):
            self._was_up = True
            self._log.info("the mirror is up", extra={"after_s": round(now - self._started, 1)})
        if self._one_shot and now - self._progress > STALL_S:
            raise MirrorError(f"no frame was shown for {STALL_S:g} s: {self._account()}")

    def _after_death(self, child: Child) -> None:
        remove_segments(ring_prefix(self.runtime), dead_only=True)
        hopeless = child.explained or child.deaths >= FIRST_TRIES
        if self._one_shot or (not self._was_up and hopeless):
            raise MirrorError(child.last_error)
        child.schedule()

    def _finished(self) -> bool:
        done = [child for child in self._flow if child.state == "done"]
        if len(done) == len(self._flow):
            return True
        quiet_s = time.monotonic() - self._progress
        if self._flow[-1] in done:  # nothing can come after it
            return quiet_s > LAST_S
        if done and quiet_s > FINISH_S:
            if self._one_shot:
                raise MirrorError(f"{done[0].process.name} has finished but not the rest: {self._account()}")
            return True
        return False

    def _account(self) -> str:
        return ", ".join(f"{c.process.name} {c.state} {c.detail}".rstrip() for c in self._children)

    def _stop_all(self) -> None:
        for child in self._children:
            if child.state == "starting":
                child.kill()  # it has nothing to finish, and may be long in its start
            else:
                child.terminate()
        until = time.monotonic() + GRACE_S
        while any(child.alive for child in self._children) and time.monotonic() < until:
            time.sleep(0.02)
            for child in self._children:
                child.check()
        for child in self._children:
            if child.alive:
                self._log.error("%s does not stop, killed", child.process.name)
                child.kill()
        self._log.info("the mirror is down")

    def _report(self) -> None:
        now = time.monotonic()
        if now < self._status_due:
            return
        self._status_due = now + STATUS_S
        now_ns = time.monotonic_ns()
        while self._shown and now_ns - self._shown[0][0] > RATE_WINDOW_NS:
            self._shown.popleft()
        latencies = sorted((display - capture) / 1e6 for display, capture in self._shown)
        count = len(latencies)
        write_status(
            self.runtime,
            Status(
                pid=os.getpid(),
                t_ns=now_ns,
                uptime_s=round(now - self._started, 1),
                runtime=str(self.runtime),
                log=str(self._log_path or ""),
                fps=round(count / (RATE_WINDOW_NS / 1e9), 1),
                latency_p50_ms=round(latencies[count // 2], 1) if count else None,
                latency_p95_ms=round(latencies[min(count - 1, count * 95 // 100)], 1) if count else None,
                frames=self._frames,
                arguments=self._arguments,
                processes=[child.status() for child in self._children],
            ),
        )

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        def stop(_number: int, _frame: FrameType | None) -> None:
            self.stopping.set()

        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        before = {number: signal.signal(number, stop) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def wait_for_orphans(runtime: Path, table: Sequence[Process] = PROCESSES, timeout_s: float = 3.0) -> None:
    """Wait until no process of the table runs in ``runtime``: those of a killed supervisor are dying.

    Raises MirrorError if one stays: it runs under something else, such as systemd.
    """
    until = time.monotonic() + timeout_s
    for process in table:
        while (pid := lock_owner(runtime / f"{process.name}.process.lock")) is not None:
            if time.monotonic() > until:
                raise MirrorError(
                    f"{process.name} (pid {pid}) runs already in {runtime}, not under this supervisor: "
                    "stop it (systemctl stop fitting-mirror.target) or set spine.runtime_dir"
                )
            time.sleep(0.05)


def sweep(runtime: Path, table: Sequence[Process] = PROCESSES) -> None:
    """Remove what a mirror leaves in its runtime directory and in shared memory; nothing else.

    Only for who holds the supervisor's lock.
    """
    remove_segments(ring_prefix(runtime))
    names = ["mirror.toml", "status.json", "status.json.part"]
    names += [f"{topic}.{ending}" for topic in TOPICS for ending in ("sock", "lock")]
    names += [f"{process.name}.{ending}" for process in table for ending in ("error", "process.lock")]
    for name in names:
        (runtime / name).unlink(missing_ok=True)
