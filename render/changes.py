"""Other clothes while the mirror runs: asked for, made ready beside the frames, faded in.

Reads topics ``outfit_request`` and ``woven`` and the weaver's ring; writes topics ``weave`` and ``worn``.

A thread of its own reads and prepares what is asked for. The thread of the frames only uploads
it, between two of them, and lets a new fabric come on over ``FADE_NS``: of the display's time, or
in lock-step of the clip's, so that two replays agree.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mirror.bus import Collector, Dispatcher, Streamer
from mirror.errors import MirrorError
from mirror.messages import OutfitRequest, WeaveRequest, Worn, Woven
from mirror.process import Context
from mirror.ring import Overwritten, RingReader
from render.compose.frame_composer import FrameComposer
from render.garments.fabric import Fabric
from render.garments.outfit import OutfitRack
from render.garments.textures import FabricTextures
from render.gpu.garment import GpuGarment

__all__ = ["FADE_NS", "Changes"]

FADE_NS = 400_000_000
_TELL_NS = 500_000_000
_NICENESS = 5  # of the preparing thread: frames come first
_OVERTAKEN = "another request came after it"


@dataclass(frozen=True)
class _Asked:
    """A request that is being made ready. ``garments``, ``fabric``: None where they are kept."""

    request: str
    garments: tuple[str, ...] | None
    fabric: str | Fabric | None
    ready: Future[_Ready]


@dataclass(frozen=True)
class _Ready:
    """What is to be worn, as the renderer takes it: other garments, or a fabric for those worn."""

    fabric: Fabric | None
    garments: list[GpuGarment] | None
    textures: FabricTextures | None


class Changes:
    """Meets requests for other clothes, from the keys, the operator, the weaver and the clip's plan.

    To be used in the renderer's thread. Wears the configured outfit from the start; MirrorError
    if it cannot be loaded.
    """

    def __init__(self, context: Context, composer: FrameComposer) -> None:
        config = context.config
        self._log = context.log
        self._lock_step = config.capture.pace == "all"
        self._composer = composer
        self._rack = OutfitRack(config.wardrobe)
        self._plan = sorted(
            (float(at), name) for at, name in (c.split(" ", 1) for c in config.wardrobe.changes)
        )
        for _, name in self._plan:
            self._rack.fabric_named(name)  # a slip should show now, not in the middle of the clip
        self._begin_ns: int | None = None  # the clip's first frame, in its own time
        self._garments = self._rack.names
        self._fabric: Fabric | None = None  # None: as configured
        self._named = config.wardrobe.fabric
        self._asked: list[_Asked] = []
        self._fade_from: int | None = None
        self._answered = Worn(seq=0, t_ns=0, request="", garments=[], fabric="")
        composer.wear(composer.prepare(self._rack.loaded(self._garments)))
        composer.warm_up()
        self._pool = ThreadPoolExecutor(1, "changes", initializer=_step_back)
        self._ring = RingReader()
        self._requests = Collector[OutfitRequest](context.runtime, "outfit_request")
        self._woven = Collector[Woven](context.runtime, "woven")
        self._weaver = Dispatcher(context.runtime, "weave", depth=1)
        self._worn = Streamer(context.runtime, "worn")
        self._readers = 0
        self._told_ns = 0

    @property
    def garments(self) -> tuple[str, ...]:
        """Names of the garments worn."""
        return self._garments

    @property
    def fabric(self) -> str:
        """Name of the fabric worn, or coming; "" where each garment is of its own."""
        return self._named

    # What is asked for ----------------------------------------------------------------------------

    def turn(self, steps: int) -> None:
        """Ask for another outfit of the rack."""
        self._rack.turn(steps)
        self._ask("", self._rack.names, None)

    def turn_fabric(self, steps: int) -> None:
        """Ask for another fabric of the rack."""
        self._ask("", None, self._rack.turn_fabric(steps))

    def weave(self) -> None:
        """Ask the weaver for a fabric of its own choice."""
        request = WeaveRequest(seq=0, t_ns=time.monotonic_ns(), request="", seed=secrets.randbelow(2**31))
        if not self._weaver.send(request):
            self._log.warning("no weaver takes the request for a new fabric")

    def _ask(self, request: str, garments: Sequence[str] | None, fabric: str | Fabric | None) -> None:
        # Several requests for the same thing in a row: only the last is worth a fade.
        for other in list(self._asked):
            if (garments or not other.garments) and (fabric or not other.fabric):
                self._asked.remove(other)
                other.ready.cancel()
                self._answer(other.request, _OVERTAKEN)
        coming = next((a.fabric for a in reversed(self._asked) if a.fabric is not None), self._fabric)
        chosen = tuple(garments) if garments else None
        ready = self._pool.submit(self._prepare, chosen, coming if fabric is None else fabric)
        self._asked.append(_Asked(request, chosen, fabric, ready))

    def _prepare(self, garments: tuple[str, ...] | None, fabric: str | Fabric | None) -> _Ready:
        """Load what is to be worn; in any thread. MirrorError names what is missing or broken."""
        cloth = self._rack.fabric_named(fabric) if isinstance(fabric, str) else fabric
        if garments is not None:
            return _Ready(cloth, self._composer.prepare(self._rack.loaded(garments, cloth)), None)
        if cloth is None:
            raise ValueError("neither garments nor a fabric")
        return _Ready(cloth, None, FabricTextures.of(cloth.albedo, cloth.normal, cloth.repeat_m))

    # Around the frames ----------------------------------------------------------------------------

    def tend(self) -> None:
        """Hear what is asked for and put on what is ready; call it between frames."""
        while (request := self._requests.receive()) is not None:
            if not request.garments and not request.fabric:
                self._answer(request.request, "it names neither garments nor a fabric")
                continue
            if request.garments:
                self._rack.choose(request.garments)
            self._ask(request.request, request.garments, request.fabric or None)
        while (woven := self._woven.receive()) is not None:
            self._take(woven)
        if self._asked and self._fade_from is None and self._asked[0].ready.done():
            asked = self._asked.pop(0)
            try:
                self._put_on(asked, asked.ready.result(), time.monotonic_ns())
            except MirrorError as error:  # the clothes worn so far stay on
                self._log.warning("%s", error)
                self._answer(asked.request, str(error))
        if self._worn.readers > self._readers or time.monotonic_ns() - self._told_ns > _TELL_NS:
            self._tell()
        self._readers = self._worn.readers

    def advance(self, t_source_ns: int) -> None:
        """Bring the clothes on to the frame that is drawn next, whose time in the source this is."""
        if self._begin_ns is None:
            self._begin_ns = t_source_ns
        now_ns = t_source_ns if self._lock_step else time.monotonic_ns()
        while self._plan and t_source_ns - self._begin_ns >= 1e9 * self._plan[0][0]:
            at, name = self._plan.pop(0)
            if self._lock_step:  # every frame waits for its clothes
                if self._fade_from is not None:
                    self._end_fade()
                ready = self._prepare(None, name)
                self._put_on(_Asked("", None, name, Future()), ready, self._begin_ns + int(1e9 * at))
            else:
                self._ask("", None, name)
        if self._fade_from is None:
            return
        way = (now_ns - self._fade_from) / FADE_NS
        if way >= 1.0:
            self._end_fade()
        else:
            self._composer.fade(max(way, 0.0) ** 2 * (3 - 2 * max(way, 0.0)))

    def _take(self, woven: Woven) -> None:
        """Ask for the fabric that the weaver has made."""
        if not woven.valid or woven.pictures is None:
            self._log.warning("%s", woven.detail)
            self._answer(woven.request, woven.detail)
            return
        try:
            both = self._ring.read(woven.pictures)
        except Overwritten:
            self._answer(woven.request, "the woven fabric was lost on its way: ask again")
            return
        fabric = Fabric(
            name=woven.made_by,
            fabric_class=woven.fabric_class,
            repeat_m=woven.repeat_m,
            licence="CC0-1.0",
            made_by=woven.made_by,
            path=Path(),
            albedo=np.ascontiguousarray(both[..., :3]),
            normal=np.ascontiguousarray(both[..., 3:]),
        )
        self._ask(woven.request, None, fabric)

    def _put_on(self, asked: _Asked, ready: _Ready, now_ns: int) -> None:
        if ready.garments is not None:
            self._composer.wear(ready.garments)
        elif ready.textures is not None:
            self._composer.load_fabric(ready.textures)
            self._fade_from = now_ns
        if asked.garments is not None:
            self._garments = asked.garments
        self._fabric = ready.fabric
        if asked.fabric is not None:
            self._named = asked.fabric if isinstance(asked.fabric, str) else asked.fabric.name
            self._rack.choose_fabric(self._named)
        self._log.info("wearing", extra={"garments": list(self._garments), "fabric": self._named})
        self._answer(asked.request)

    def _end_fade(self) -> None:
        self._composer.fade(1.0)
        self._fade_from = None
        self._tell()

    def _answer(self, request: str, refusal: str = "") -> None:
        self._answered = Worn(
            seq=0, t_ns=0, valid=not refusal, request=request, garments=[], fabric="", detail=refusal
        )
        self._tell()

    def _tell(self) -> None:
        self._told_ns = time.monotonic_ns()
        self._worn.send(
            Worn(
                seq=self._answered.seq,
                t_ns=self._told_ns,
                valid=self._answered.valid,
                request=self._answered.request,
                garments=list(self._garments),
                fabric=self._named,
                fading=self._fade_from is not None,
                detail=self._answered.detail,
            )
        )

    def close(self) -> None:
        """Stop preparing and close the sockets."""
        self._pool.shutdown(cancel_futures=True)
        for port in (self._requests, self._woven, self._weaver, self._worn):
            port.socket.linger = 0  # nobody will wear it any more
            port.close()
        self._ring.close()


def _step_back() -> None:
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
