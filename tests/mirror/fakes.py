"""Small processes that behave as told, to try the supervisor on; and ways to run and watch it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from mirror.processes import Process, RestartPolicy
from mirror.status import ProcessStatus, Status, read_status

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 60.0

#: Bodies of processes. ``context`` is theirs; ``RingWriter`` and friends are imported where used.
BEHAVIOURS = {
    "loop": """
    context.ready()
    while not context.stopping.wait(0.05):
        context.beat(rounds=1.0)
    """,
    "with_ring": """
    import numpy as np
    from mirror.ring import RingWriter, ring_prefix
    ring = RingWriter("fake", 2, ring_prefix(context.runtime))
    ring.write(np.zeros((4, 4, 3), np.uint8))
    print("chatter of a library", flush=True)
    context.ready()
    while not context.stopping.wait(0.05):
        context.beat()
    ring.close()
    """,
    "hang": """
    context.ready()
    time.sleep(1000)
    """,
    "never_ready": """
    while not context.stopping.wait(0.05):
        context.beat("starting")
    """,
    "deaf": """
    import signal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    context.ready()
    while True:
        time.sleep(0.05)
        context.beat()
    """,
    "explains": """
    raise MirrorError("the lamp is broken: change it")
    """,
    "defect": """
    raise ZeroDivisionError("of the fake")
    """,
    "crash": """
    os.kill(os.getpid(), 11)
    """,
    "degraded": """
    context.ready()
    while not context.stopping.wait(0.05):
        context.beat("degraded", "the lamp flickers")
    """,
    "finish": """
    context.ready()
    """,
    "tell": """
    from pathlib import Path
    Path(os.environ["FAKE_TELL"]).write_text(str(context.runtime))
    context.ready()
    context.stopping.wait()
    """,
    "show": """
    from mirror.bus import Dispatcher
    from mirror.messages import Shown
    context.ready()
    with Dispatcher(context.runtime, "shown") as port:
        for seq in range(4):
            port.send(Shown(seq=seq, t_ns=time.monotonic_ns(), valid=seq < 3, t_capture_ns=10 * seq,
                t_display_ns=10 * seq + 5, tracked=seq != 1, landmarks=None, garments=[], garment_bbox=None,
                anchors={}, light=None, size="M", stage_ms={}, last=seq == 3))
    """,
}

_MODULE = """
import os, sys, time
from mirror.errors import MirrorError
from mirror.process import run_process

def body(context):{behaviour}

if __name__ == "__main__":
    run_process({name!r}, body)
"""

_DRIVER = """
import logging, sys
from pathlib import Path
from mirror.config import load
from mirror.errors import MirrorError
from mirror.processes import Process, RestartPolicy
from mirror import supervisor
from mirror.supervisor import Supervisor

runtime, *names = sys.argv[1:]
config = load(None, {{"spine.runtime_dir": runtime, "spine.hang_s": {hang_s}, "spine.start_s": {start_s}}})
log = logging.getLogger("mirror")
log.addHandler(logging.StreamHandler())
log.setLevel("INFO")
policy = RestartPolicy(first_s=0.2, healthy_s=60.0)
supervisor.GRACE_S = 2.0
table = [Process(name, "fake_" + name, (), (), "", policy) for name in names]
try:
    Supervisor(config, Path(runtime), log, table=table).run()
except MirrorError as error:
    print("mirror:", error)
    sys.exit(1)
"""


def make_table(folder: Path, *behaviours: str) -> list[Process]:
    """Modules with these behaviours in ``folder``; each process is named after its own."""
    for name in behaviours:
        (folder / f"fake_{name}.py").write_text(_MODULE.format(name=name, behaviour=BEHAVIOURS[name]))
    policy = RestartPolicy(first_s=0.05)
    return [Process(name, f"fake_{name}", (), (), "", policy) for name in behaviours]


def replace_table(folder: Path, *behaviours: str) -> dict[str, str]:
    """The environment in which ``mirror`` runs these behaviours in place of the real processes."""
    make_table(folder, *behaviours)
    (folder / "sitecustomize.py").write_text(
        "from mirror import processes as table\n"
        f"table.PROCESSES = tuple(table.Process(n, 'fake_' + n, (), (), '') for n in {behaviours!r})\n"
    )
    paths = [str(folder), str(ROOT)]
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(paths),
        "XDG_STATE_HOME": str(folder / "state"),
    }


class FakeMirror:
    """A supervisor over fake processes, in a process of its own."""

    def __init__(
        self,
        folder: Path,
        runtime: Path,
        behaviours: Sequence[str],
        hang_s: float = 30.0,
        start_s: float = 60.0,
    ) -> None:
        make_table(folder, *behaviours)
        driver = folder / "driver.py"
        driver.write_text(_DRIVER.format(hang_s=hang_s, start_s=start_s))
        self.runtime = runtime
        self.process = subprocess.Popen(
            [sys.executable, str(driver), str(runtime), *behaviours],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), *sys.path])},
            start_new_session=True,
        )

    def status(self) -> Status:
        """The status of now."""
        found = read_status(self.runtime)
        assert found is not None, "the supervisor writes no status"
        return found

    def of(self, name: str) -> ProcessStatus:
        """The status of one process."""
        return next(process for process in self.status().processes if process.name == name)

    def until_up(self) -> None:
        """Wait until every process is ready."""

        def up() -> bool:
            found = read_status(self.runtime)  # not that of a supervisor before this one
            return found is not None and found.pid == self.process.pid and found.healthy

        until(up, self)

    def stop(self) -> tuple[int, str]:
        """SIGTERM; exit code and output."""
        self.process.send_signal(signal.SIGTERM)
        return self.finish()

    def finish(self) -> tuple[int, str]:
        """Wait for the end; exit code and output."""
        output, _ = self.process.communicate(timeout=DEADLINE_S)
        return self.process.returncode, output

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


def until(condition: Callable[[], bool], mirror: FakeMirror | None = None) -> None:
    """Wait until ``condition`` holds; fails long after any machine should have got there."""
    end = time.monotonic() + DEADLINE_S
    while not condition():
        if mirror is not None and mirror.process.poll() is not None:
            raise AssertionError(f"the supervisor ended: {mirror.finish()}")
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)
