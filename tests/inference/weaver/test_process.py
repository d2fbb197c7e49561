"""The weaver process, run as it is in a mirror: ``python -m inference.weaver`` and its sockets."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference.fabric.classes import COLOURS, NAMES
from inference.fabric.generator import FabricGenerator
from inference.fabric.palette import parse_palette
from inference.fabric.sample import sample
from inference.weaver.process import SIZE, TOO_OLD_S, surprise
from mirror.bus import Collector, Dispatcher
from mirror.config import Config, dump
from mirror.messages import WeaveRequest, Woven
from mirror.process import EXIT_STOPPED
from mirror.ring import SHM, RingReader, ring_prefix

pytestmark = pytest.mark.slow


WAIT_MS = 60_000.0


class Loom:
    """The process, and whoever asks it."""

    def __init__(self, runtime: Path) -> None:
        path = runtime / "mirror.toml"
        path.write_text(dump(Config()))
        command = [sys.executable, "-m", "inference.weaver", "--config", str(path), "--runtime", str(runtime)]
        self.process = subprocess.Popen(command)
        self.requests = Dispatcher(runtime, "weave")
        self.woven = Collector[Woven](runtime, "woven")

    def ask(self, name: str, t_ns: int | None = None, **what: Any) -> None:
        now = time.monotonic_ns() if t_ns is None else t_ns
        self.requests.send(WeaveRequest(seq=0, t_ns=now, request=name, **what))

    def answer(self) -> Woven:
        woven = self.woven.receive(WAIT_MS)
        assert woven is not None
        return woven

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.requests.close()
        self.woven.close()


@pytest.fixture
def loom(runtime_dir: Path) -> Iterator[Loom]:
    made = Loom(runtime_dir)
    yield made
    made.close()


def test_it_weaves_what_is_asked_for_and_leaves_nothing(loom: Loom, runtime_dir: Path) -> None:
    """A shopper would get another fabric than was kept under its seed, or wait in vain after a slip."""
    loom.ask("old", t_ns=time.monotonic_ns() - int(2e9 * TOO_OLD_S), fabric_class="denim", palette="#123")
    loom.ask("a", fabric_class="tartan", palette="#7a1f1f,#10243f", seed=7)
    woven = loom.answer()
    assert (woven.request, woven.valid, woven.fabric_class) == ("a", True, "tartan")  # and the old one is not
    assert woven.pictures is not None
    ring = RingReader()
    both = ring.read(woven.pictures)
    made = sample(FabricGenerator(), "tartan", parse_palette("#7a1f1f,#10243f"), 7, SIZE)
    assert np.abs(both[..., :3].astype(int) - made.albedo).max() <= 1
    assert np.abs(both[..., 3:].astype(int) - made.normal).mean() < 0.1
    assert (woven.repeat_m, woven.made_by) == (made.repeat_m, made.made_by)

    slips: tuple[tuple[dict[str, Any], str], ...] = (
        ({"fabric_class": "tartn", "palette": "#123"}, "no fabric class 'tartn'; there are: "),
        ({"fabric_class": "tartan", "palette": "red"}, "'red' is no colour"),
        ({"fabric_class": "jersey", "palette": "#123,#456"}, "jersey takes 1 colour at most"),
    )
    for what, line in slips:
        loom.ask("b", **what)
        refused = loom.answer()
        assert (refused.request, refused.valid, refused.pictures) == ("b", False, None)
        assert line in refused.detail
    loom.ask("c", seed=3)
    woven = loom.answer()
    assert (woven.request, woven.fabric_class) == ("c", surprise(3)[0])

    facts = Path(f"/proc/{loom.process.pid}/status").read_text().splitlines()
    assert "Seccomp:\t2" in facts, "it runs without the network filter"
    assert os.getpriority(os.PRIO_PROCESS, loom.process.pid) > os.getpriority(os.PRIO_PROCESS, 0)
    loom.process.send_signal(signal.SIGTERM)
    assert loom.process.wait(20) == EXIT_STOPPED
    assert not list(SHM.glob(f"{ring_prefix(runtime_dir)}*"))
    assert not (runtime_dir / "weave.sock").exists()


def test_surprises_can_be_woven_and_differ() -> None:
    """The shopper's key would end in a refusal, or show one class for ever."""
    found = [surprise(seed) for seed in range(60)]
    assert {name for name, _ in found} == set(NAMES)
    for name, palette in found:
        fewest, most = COLOURS[name]
        assert fewest <= len(palette) <= most
    assert all(np.array_equal(a[1], surprise(seed)[1]) for seed, a in enumerate(found))
