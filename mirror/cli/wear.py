"""``mirror garment wear``, ``mirror fabric wear|weave``: other clothes in the mirror that runs.

Sends topics ``outfit_request`` and ``weave``; the answer comes on topic ``worn``.
"""

from __future__ import annotations

import argparse
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from mirror.bus import Dispatcher, Newest
from mirror.cli.app import load_config
from mirror.config import load
from mirror.errors import MirrorError
from mirror.messages import Message, OutfitRequest, WeaveRequest, Worn
from mirror.runtime import lock_owner, runtime_dir

ANSWER_S = 15.0  # a process that has just died is back by then


def wear_garment(options: argparse.Namespace) -> int:
    """Have the running mirror show other garments, and a fabric with them if one is named."""
    print(_line(_ask(options, garments=options.name, fabric=options.fabric or "")))
    return 0


def wear_fabric(options: argparse.Namespace) -> int:
    """Have the running mirror show another fabric."""
    print(_line(_ask(options, fabric=options.name)))
    return 0


def weave(options: argparse.Namespace) -> int:
    """Have the weaver make a fabric, the running mirror wear it; keep it where asked to."""
    seed = secrets.randbelow(2**31) if options.seed is None else options.seed
    runtime = _running(options)
    folder = _place(runtime, options, options.keep) if options.keep else None
    request = WeaveRequest(
        seq=0,
        t_ns=time.monotonic_ns(),
        request=_name(),
        fabric_class=options.fabric_class,
        palette=options.palette,
        seed=seed,
    )
    print(_line(_answer(runtime, "weave", request, request.request)))
    if folder is not None:
        from inference.fabric.generator import FabricGenerator
        from inference.fabric.sample import write_fabric
        from inference.weaver.process import woven

        print(write_fabric(woven(FabricGenerator(), request), folder))  # the same: the seed decides all
    return 0


def _ask(options: argparse.Namespace, garments: list[str] | None = None, fabric: str = "") -> Worn:
    runtime = _running(options)
    request = OutfitRequest(
        seq=0, t_ns=time.monotonic_ns(), request=_name(), garments=garments or [], fabric=fabric
    )
    return _answer(runtime, "outfit_request", request, request.request)


def _running(options: argparse.Namespace) -> Path:
    """The runtime directory of the mirror that runs. MirrorError if none does."""
    runtime = runtime_dir(load_config(options))
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


def _answer(runtime: Path, topic: str, message: Message, request: str) -> Worn:
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


def _place(runtime: Path, options: argparse.Namespace, name: str) -> Path:
    """The folder that a fabric of this name is to be kept in, in the first of the mirror's wardrobes."""
    from mirror.wardrobe import check_name, list_folders, roots

    written = runtime / "mirror.toml"  # the configuration that the supervisor's processes run with
    folders = (load(written) if written.exists() else load_config(options)).wardrobe.folders
    if check_name("fabric", name) in list_folders("fabrics", folders):
        raise MirrorError(f"there is a fabric {name!r} already; name it otherwise")
    return roots(folders)[0] / "fabrics" / name


def _name() -> str:
    return secrets.token_hex(8)


def _line(worn: Worn) -> str:
    return f"wearing {', '.join(worn.garments)} in {worn.fabric or 'each its own fabric'}"
