"""The one table of processes. The supervisor, the units and the documentation derive from it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RestartPolicy:
    """When a dead process is started again.

    After a first death at once. A second in a row waits ``first_s``, each further one
    ``factor`` times longer, at most ``longest_s``; a process that was ready for ``healthy_s``
    before it died counts as the first again.
    """

    first_s: float = 0.2
    factor: float = 2.0
    longest_s: float = 10.0
    healthy_s: float = 30.0

    def delay_s(self, deaths: int) -> float:
        """Seconds to wait after so many deaths in a row (at least one)."""
        return min(self.longest_s, self.first_s * self.factor ** min(deaths - 2, 64)) if deaths > 1 else 0.0


@dataclass(frozen=True)
class Process:
    """A process of the mirror, run as ``python -m MODULE --config FILE --runtime DIR``.

    ``reads`` and ``writes`` name topics; each process also writes ``heartbeat``. ``aside``: frames
    do not pass it. A replay runs without it, and nobody waits for its work to be over.
    """

    name: str
    module: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    does: str
    restart: RestartPolicy = RestartPolicy()
    aside: bool = False


#: In the order of their start, which is that of the flow: when the last one that is not aside has done its
#: work, all is done.
PROCESSES: tuple[Process, ...] = (
    Process("capture", "capture", ("credit",), ("frame",), "camera or clip to frames in shared memory"),
    Process("inference", "inference", ("frame",), ("body",), "frames to the fitted body and the light"),
    Process(
        "render",
        "render",
        ("frame", "body", "outfit_request", "woven"),
        ("shown", "credit", "worn", "weave"),
        "body to the dressed picture",
    ),
    Process(
        "weaver",
        "inference.weaver",
        ("weave",),
        ("woven",),
        "class and colours to new fabric",
        aside=True,
    ),
)
