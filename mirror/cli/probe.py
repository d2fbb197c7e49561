"""``mirror probe``: tries one thing in a process of its own, for the doctor.

Drivers may crash or hang; this process does it instead of the doctor. Prints one line of
facts and exits 0, or fails with one line of what is wrong.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mirror.config import Config, load
from mirror.named import resolve
from mirror.seccomp import deny_network


def network(_config: Config) -> str:
    """The network filter, which stands already when this is called."""
    return "pictures cannot leave: network sockets are refused"


#: What can be tried, each a function from the configuration to a line of facts; MirrorError if it fails.
PROBES = {
    "source": "capture.sources.probe:frame",
    "gl": "render.gpu.probe:picture",
    "network": "mirror.cli.probe:network",
    "wardrobe": "render.garments.probe:outfit",
}


def attempt(what: str, config: Config) -> str:
    """Try one thing in this process; returns its line of facts. Raises MirrorError."""
    facts: str = resolve(PROBES[what])(config)
    return facts


def probe(
    what: Annotated[str, typer.Argument(metavar="WHAT", help=", ".join(PROBES))],
    page: Annotated[Path, typer.Argument(metavar="CONFIG", help="Configuration file.")],
) -> int:
    """Try one thing without any network, and say what came out."""
    if what not in PROBES:
        raise typer.BadParameter(f"no {what!r}; there are {', '.join(PROBES)}")
    config = load(page)
    deny_network()
    print(attempt(what, config))
    return 0
