"""``python -m mirror.probe WHAT CONFIG``: tries one thing in a process of its own, for the doctor.

Drivers may crash or hang; this process does it instead of the doctor. Prints one line of
facts and exits 0, or one line of what is wrong and exits 1.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from mirror.config import Config, load
from mirror.errors import MirrorError
from mirror.seccomp import deny_network


def source(config: Config) -> str:
    """One frame of the configured source."""
    from capture.sources.registry import open_feed

    feed = open_feed(config.capture)
    until = time.monotonic() + 2 * config.capture.timeout_s
    try:
        while time.monotonic() < until:
            try:
                frame = feed.read(0.2)
            except TimeoutError:
                continue
            if frame is None:
                raise MirrorError(f"{config.capture.source} holds no picture")
            height, width = frame.image.shape[:2]
            return f"{config.capture.source} gives {width}x{height} at {feed.fps:g} frames/s"
    finally:
        feed.close()
    raise MirrorError(f"{config.capture.source} gives no picture")


def gl(_config: Config) -> str:
    """An offscreen OpenGL context."""
    from render.gpu.gl import Context

    context = Context()
    return f"{context.renderer}, OpenGL {context.version}"


def network(_config: Config) -> str:
    """The network filter, which stands already when this is called."""
    return "pictures cannot leave: network sockets are refused"


PROBES = {"source": source, "gl": gl, "network": network}


def main() -> int:
    """Run the probe that the command line names."""
    try:
        config = load(Path(sys.argv[2]))
        deny_network()
        print(PROBES[sys.argv[1]](config))
    except MirrorError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
