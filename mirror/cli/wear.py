"""``mirror garment wear``, ``mirror fabric wear``: other clothes in the mirror that runs.

Sends topic ``outfit_request``; the answer comes on topic ``worn``.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from mirror.bus import Dispatcher, Newest
from mirror.cli.options import ConfigFile, Runtime, Settings, absolute, load_config, names
from mirror.config import Config
from mirror.errors import MirrorError
from mirror.messages import Message, OutfitRequest, Worn
from mirror.runtime import lock_owner, runtime_dir

ANSWER_S = 15.0  # a process that has just died is back by then


def wear_garment(
    name: Annotated[str, typer.Argument(metavar="NAME[,NAME]", help="From the skin outwards.")],
    config: ConfigFile = None,
    settings: Settings = None,
    runtime: Runtime = None,
    fabric: Annotated[
        str | None, typer.Option("--fabric", metavar="F", help="And this fabric with them.")
    ] = None,
) -> int:
    """Have the running mirror show other garments, and a fabric with them if one is named."""
    folder = running_mirror(load_config(config, settings, runtime=runtime))
    print(worn_line(_ask(folder, garments=names(name), fabric=absolute(fabric) if fabric else "")))
    return 0


def wear_fabric(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name or folder.")],
    config: ConfigFile = None,
    settings: Settings = None,
    runtime: Runtime = None,
) -> int:
    """Have the running mirror show another fabric."""
    folder = running_mirror(load_config(config, settings, runtime=runtime))
    print(worn_line(_ask(folder, fabric=absolute(name))))
    return 0


def running_mirror(config: Config) -> Path:
    """The runtime directory of the mirror that runs. MirrorError if none does."""
    runtime = runtime_dir(config)
    try:
        running = lock_owner(runtime / "render.process.lock") is not None
        running = running or lock_owner(runtime / "supervisor.lock") is not None  # it is being restarted
    except OSError as error:
        raise MirrorError(f"runtime directory {runtime}: {error.strerror}") from None
    if not running:
        raise MirrorError(f"no mirror runs in {runtime}; `mirror start` starts one")
    return runtime


def answers_to(answers: Newest[Worn], request: str, until: float) -> Iterator[Worn]:
    """What the mirror says of a request before ``until``, monotonic seconds. MirrorError if it is refused."""
    while (wait_s := until - time.monotonic()) > 0:
        worn = answers.receive(1e3 * wait_s)
        if worn is None or worn.request != request:
            continue
        if not worn.valid:
            raise MirrorError(worn.detail)
        yield worn


def answer(runtime: Path, topic: str, message: Message, request: str) -> Worn:
    """Send a request and wait for its answer. MirrorError if it is refused, or if nobody answers."""
    until = time.monotonic() + ANSWER_S
    with Newest[Worn](runtime, "worn", lossless=True) as answers, Dispatcher(runtime, topic) as port:
        port.socket.linger = 0  # a request given up must not come true later
        if answers.receive(1e3 * ANSWER_S) is None:  # once it is heard, so will its answer be
            raise MirrorError("the mirror does not answer; see `mirror status`")
        port.send(message)
        for worn in answers_to(answers, request, until):
            return worn
    who = "weaver" if topic == "weave" else "mirror"
    raise MirrorError(f"the {who} does not answer; see `mirror status`")


def new_request() -> str:
    """A name that no other request has."""
    return secrets.token_hex(8)


def worn_line(worn: Worn) -> str:
    """What is worn now, to be read."""
    return f"wearing {', '.join(worn.garments)} in {worn.fabric or 'each its own fabric'}"


def _ask(runtime: Path, garments: list[str] | None = None, fabric: str = "") -> Worn:
    request = OutfitRequest(
        seq=0, t_ns=time.monotonic_ns(), request=new_request(), garments=garments or [], fabric=fabric
    )
    return answer(runtime, "outfit_request", request, request.request)
