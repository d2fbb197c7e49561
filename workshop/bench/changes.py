"""What changing clothes costs: ``mirror bench-changes [--json FILE]``.

The mirror runs live, in its real processes, on a clip at a rate that it keeps up with: a share of
what it shows of a faster one. Every few seconds it is asked for another fabric of the wardrobe, or
for one woven on the spot. Measured: from the request to the first frame that shows the new fabric, and to
the first without the old; and over that time, beside the quiet time between, the intervals from
frame to frame and the frames that were not shown.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mirror.bus import Dispatcher, Newest
from mirror.cli.wear import answers_to
from mirror.config import load
from mirror.errors import MirrorError
from mirror.messages import Message, OutfitRequest, Shown, WeaveRequest, Worn
from mirror.supervisor import Supervisor
from render.garments.fabric import list_fabrics
from workshop.bench.speed import fit_clip, scratch, set_rate

_SHARE = 0.7  # of the rate that the mirror can show: it has time to spare, as a camera leaves it
_QUIET_S = 2.5  # between two changes
_LONGEST_S = 20.0
_WOVEN = (("tartan", "#7a1f1f,#10243f"), ("gingham", "#e8e2d0,#35507a"), ("stripe", "#20402e,#c9b37a"))


@dataclass(frozen=True)
class Change:
    """One change: when it was asked for, when it first showed and when it was complete, ns."""

    kind: str
    asked_ns: int
    begun_ns: int
    done_ns: int


def run(clip: Path, garment: str, size: tuple[int, int], count: int, report: Path | None = None) -> int:
    """Run the benchmark over ``count`` changes of a kind, print its figures; returns the exit code."""
    with scratch() as folder:
        fitted = folder / "clip.mp4"
        fit_clip(clip, fitted, *size)
        shown, _ = _run(folder, fitted, garment, 0)
        rate = _SHARE * (len(shown) - 1) / ((shown[-1].t_display_ns - shown[0].t_display_ns) / 1e9)
        set_rate(fitted, rate)
        shown, changes = _run(folder, fitted, garment, count)
    told = {"summary": {"source_fps": round(rate, 1)} | summarise(shown, changes)}
    for name, value in told["summary"].items():
        print(f"{name:32} {value:8.3f}")
    if report:
        report.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return 0


def _run(folder: Path, clip: Path, garment: str, count: int) -> tuple[list[Shown], list[Change]]:
    """The frames shown over ``count`` changes of each kind, or for some seconds, and the changes."""
    config = load(
        None,
        {
            "capture.source": str(clip),
            "capture.loop": True,
            "render.display": "none",
            "wardrobe.garments": [garment],
            "spine.runtime_dir": str(folder / "run"),
        },
    )
    log = logging.getLogger("workshop.bench.changes")
    log.propagate = False
    shown: list[Shown] = []
    changes: list[Change] = []
    failed: list[MirrorError] = []
    supervisor = Supervisor(config, folder / "run", log, on_shown=shown.append)

    def drive() -> None:
        try:
            _wait_for_a_person(shown)
            time.sleep(6.0 if count == 0 else _QUIET_S)
            changes.extend(_changes(folder / "run", count))
        except MirrorError as error:
            failed.append(error)
        finally:
            supervisor.stopping.set()

    driver = threading.Thread(target=drive)
    driver.start()
    try:
        supervisor.run()
    finally:
        driver.join(_LONGEST_S)
    if failed:
        raise failed[0]
    begun = next(number for number, frame in enumerate(shown) if frame.garments)
    return [frame for frame in shown[begun:] if frame.valid], changes


def _wait_for_a_person(shown: Sequence[Shown]) -> None:
    until = time.monotonic() + 60.0
    while not any(frame.garments for frame in shown):
        if time.monotonic() > until:
            raise MirrorError("the mirror dresses nobody; does the clip hold a person?")
        time.sleep(0.1)


def _changes(runtime: Path, count: int) -> list[Change]:
    out = []
    names = [page["name"] for page in list_fabrics()]
    with (
        Newest[Worn](runtime, "worn", lossless=True) as answers,
        Dispatcher(runtime, "outfit_request") as requests,
        Dispatcher(runtime, "weave") as weaves,
    ):
        answers.receive(1e3 * _LONGEST_S)
        for number in range(2 * count):
            name, now_ns = f"{number}", time.monotonic_ns()
            kind = ("wear", "weave")[number % 2]
            request: Message
            if kind == "wear":
                request = OutfitRequest(
                    seq=number, t_ns=now_ns, request=name, fabric=names[7 * number % len(names)]
                )
                requests.send(request)
            else:
                cls, palette = _WOVEN[number // 2 % len(_WOVEN)]
                request = WeaveRequest(
                    seq=number, t_ns=now_ns, request=name, fabric_class=cls, palette=palette, seed=number
                )
                weaves.send(request)
            begun_ns = _heard(answers, name, True)
            out.append(Change(kind, now_ns, begun_ns, _heard(answers, name, False)))
            time.sleep(_QUIET_S)
    return out


def _heard(answers: Newest[Worn], request: str, fading: bool) -> int:
    """When the mirror said that a request has begun to show, or that it is complete, ns."""
    for worn in answers_to(answers, request, time.monotonic() + _LONGEST_S):
        if worn.fading is fading:
            return worn.t_ns
    raise MirrorError("the mirror does not answer")


def summarise(shown: Sequence[Shown], changes: Sequence[Change]) -> dict[str, float]:
    """The figures: seconds to a change, by kind; frame intervals and frames missed, with and without."""
    times = np.array([frame.t_display_ns for frame in shown], np.int64)
    seqs = np.array([frame.seq for frame in shown], np.int64)
    out: dict[str, float] = {}
    busy = np.zeros(len(times) - 1, bool)
    for kind in ("wear", "weave"):
        first, whole = [], []
        for change in changes:
            if change.kind != kind:
                continue
            after = int(np.searchsorted(times, change.begun_ns, "right"))
            done = int(np.searchsorted(times, change.done_ns, "right"))
            first.append((times[min(after, len(times) - 1)] - change.asked_ns) / 1e9)
            whole.append((times[min(done, len(times) - 1)] - change.asked_ns) / 1e9)
            busy |= (times[1:] >= change.asked_ns) & (times[:-1] <= change.done_ns)
        for name, values in (("first_frame", first), ("complete", whole)):
            out[f"{kind}_{name}_s_median"] = float(np.median(values))
            out[f"{kind}_{name}_s_max"] = float(np.max(values))
    gaps: dict[str, Any] = {"changing": busy, "quiet": ~busy}
    intervals = np.diff(times) / 1e6
    missed = np.maximum(np.diff(seqs) - 1, 0)  # a loop of the clip begins its numbers no second time
    for name, which in gaps.items():
        for share in (50, 95):
            out[f"interval_p{share}_ms_{name}"] = float(np.percentile(intervals[which], share))
        out[f"missed_of_100_{name}"] = 100.0 * float(missed[which].sum()) / float(np.diff(seqs)[which].sum())
        out[f"missed_{name}"] = float(missed[which].sum())
    for share in (50, 95):
        key = f"interval_p{share}"
        out[f"{key}_ratio"] = out[f"{key}_ms_changing"] / out[f"{key}_ms_quiet"]
    return {name: round(value, 3) for name, value in out.items()}
