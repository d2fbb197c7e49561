"""What the doctor asks of the configured source: a picture."""

from __future__ import annotations

import time

from capture.sources.registry import open_feed
from mirror.config import Config
from mirror.errors import MirrorError


def frame(config: Config) -> str:
    """One frame of the configured source; returns its size and rate. MirrorError if there is none."""
    feed = open_feed(config.capture)
    until = time.monotonic() + 2 * config.capture.timeout_s
    try:
        while time.monotonic() < until:
            try:
                read = feed.read(0.2)
            except TimeoutError:
                continue
            if read is None:
                raise MirrorError(f"{config.capture.source} holds no picture")
            height, width = read.image.shape[:2]
            return f"{config.capture.source} gives {width}x{height} at {feed.fps:g} frames/s"
    finally:
        feed.close()
    raise MirrorError(f"{config.capture.source} gives no picture")
