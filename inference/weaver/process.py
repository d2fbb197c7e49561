"""The weaver process: fabric on the spot, by the GAN's generator, out of the way of the frames.

Reads topic ``weave``; writes topic ``woven`` and the ring ``fabrics``. It sleeps until somebody
asks, and works at a low priority.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import time
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.fabric.classes import COLOURS, NAMES
from inference.fabric.generator import FabricGenerator
from inference.fabric.palette import parse_palette, random_palette
from inference.fabric.sample import Sample, sample
from mirror.bus import Collector, Dispatcher
from mirror.errors import MirrorError
from mirror.messages import WeaveRequest, Woven
from mirror.process import Context
from mirror.ring import RingWriter, ring_prefix

RING = "fabrics"
SIZE = (512, 512)
NICENESS = 5  # enough for the frames to come first, not so much that a shopper waits
TOO_OLD_S = 20.0  # whoever asked has gone
WAIT_MS = 200.0


def body(context: Context) -> None:
    """Weave what is asked for until the process is told to stop."""
    cv2.setNumThreads(1)
    _step_back()
    ring = RingWriter(RING, 2, ring_prefix(context.runtime))
    generator: FabricGenerator | None = None
    count = 0
    try:
        with (
            Collector[WeaveRequest](context.runtime, "weave") as requests,
            Dispatcher(context.runtime, "woven") as port,
        ):
            context.ready()
            while not context.stopping.is_set():
                context.beat(woven=count, rejected=requests.rejected)
                request = requests.receive(WAIT_MS)
                if request is None or time.monotonic_ns() - request.t_ns > TOO_OLD_S * 1e9:
                    continue
                begin = time.perf_counter()
                try:
                    generator = generator or FabricGenerator()
                    made = woven(generator, request)
                except MirrorError as error:
                    context.log.warning("%s", error)
                    port.send(_refusal(request, str(error)))
                    continue
                pictures = ring.write(np.dstack([made.albedo, made.normal]))
                count += 1
                port.send(
                    Woven(
                        seq=count,
                        t_ns=time.monotonic_ns(),
                        request=request.request,
                        fabric_class=made.fabric_class,
                        made_by=made.made_by,
                        repeat_m=made.repeat_m,
                        pictures=pictures,
                    )
                )
                seconds = round(time.perf_counter() - begin, 2)
                context.log.info("woven", extra={"fabric": made.made_by, "seconds": seconds})
                _give_back_memory()
    finally:
        ring.close()


def woven(generator: FabricGenerator, request: WeaveRequest) -> Sample:
    """The fabric that is asked for. MirrorError if there is no such class or palette."""
    if request.fabric_class:
        return sample(generator, request.fabric_class, parse_palette(request.palette), request.seed, SIZE)
    fabric_class, palette = surprise(request.seed)
    return sample(generator, fabric_class, palette, request.seed, SIZE)


def surprise(seed: int) -> tuple[str, NDArray[np.float32]]:
    """A class and a palette (k, 3) sRGB 0..1 for it, as the seed has it."""
    rng = np.random.default_rng([seed, 11])
    fabric_class = str(rng.choice(NAMES))
    fewest, most = COLOURS[fabric_class]
    return fabric_class, random_palette(rng, int(rng.integers(fewest, most + 1)))


def _refusal(request: WeaveRequest, reason: str) -> Woven:
    return Woven(seq=0, t_ns=time.monotonic_ns(), valid=False, request=request.request, detail=reason)


def _step_back() -> None:
    """Let other processes' threads go first."""
    os.nice(NICENESS)
    # Where the kernel groups tasks by session, priorities count within the session only; the group has
    # one of its own. There may be no such file, or no leave to write it.
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(NICENESS), encoding="ascii")


def _give_back_memory() -> None:
    """Have the C library return to the system what the network and its pictures took."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # the GNU C library's
    if trim is not None:
        trim(0)
