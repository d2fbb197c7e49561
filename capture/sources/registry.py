"""Which source a name stands for.

To add a source, write its module beside these, with a ``SourceType`` (``capture.sources.protocol``) that says
what it accepts and how it opens, and add that as a row of ``SOURCES``.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

from capture.sources import camera, clip, stills
from capture.sources.protocol import Feed, ReadAhead, Recording, SourceType
from mirror.config import CaptureConfig
from mirror.errors import MirrorError

#: The first that accepts a name opens it.
SOURCES: list[SourceType] = [camera.CAMERA, stills.FOLDER, stills.IMAGE, clip.CLIP]


def open_source(config: CaptureConfig) -> Feed | Recording:
    """Open ``config.source``: a camera (device path or index), clip, folder of images or image.

    Raises ``MirrorError`` in one line if it is missing or can't be read.
    """
    return _open(config)[1]


def open_feed(config: CaptureConfig) -> Feed:
    """``open_source``, with recordings read ahead in a thread."""
    found, source = _open(config)
    return cast("Feed", source) if found.live else ReadAhead(cast("Recording", source))


def _open(config: CaptureConfig) -> tuple[SourceType, Feed | Recording]:
    name = config.source
    path = Path(name).expanduser()
    try:
        for source in SOURCES:
            if source.accepts(name, path):
                return source, source.open(config)
        exists = path.exists()
    except PermissionError as error:  # of a folder on the way
        raise MirrorError(f"{name} cannot be read: no permission") from error
    if "://" in name:
        raise MirrorError(
            f"{name} is a network address: the mirror reads no network, name a camera or a file"
        )
    if not exists:
        raise MirrorError(
            f"{name} does not exist: name a camera (/dev/video0), clip, folder of images or image"
        )
    raise MirrorError(f"{name} is neither a file nor a folder nor a camera")
