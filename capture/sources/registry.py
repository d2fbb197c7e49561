"""Which source a name stands for."""

from __future__ import annotations

from pathlib import Path

from capture.sources.camera import Camera
from capture.sources.clip import Clip
from capture.sources.feed import Feed, ReadAhead, Recording
from capture.sources.stills import IMAGE_SUFFIXES, Stills, open_folder
from mirror.config import CaptureConfig
from mirror.errors import MirrorError


def open_source(config: CaptureConfig) -> Camera | Recording:
    """Open ``config.source``: a camera (device path or index), clip, folder of images or image.

    One image is shown once where every frame counts (pace ``all``) and over and over otherwise.
    Raises ``MirrorError`` in one line if it is missing or can't be read.
    """
    try:
        return _open(config.source, Path(config.source).expanduser(), config)
    except PermissionError as error:  # of a folder on the way
        raise MirrorError(f"{config.source} cannot be read: no permission") from error


def _open(name: str, path: Path, config: CaptureConfig) -> Camera | Recording:
    if name.isdecimal() or name.startswith("/dev/") or path.is_char_device():
        if config.pace == "all":
            raise MirrorError(f"{name} is a camera: pace all is for clips and images, use realtime")
        return Camera(config)
    if "://" in name:
        raise MirrorError(
            f"{name} is a network address: the mirror reads no network, name a camera or a file"
        )
    if not path.exists():
        raise MirrorError(
            f"{name} does not exist: name a camera (/dev/video0), clip, folder of images or image"
        )
    if path.is_dir():
        return open_folder(path, config.fps, config.loop)
    if not path.is_file():
        raise MirrorError(f"{name} is neither a file nor a folder nor a camera")
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return Stills([path], config.fps, loop=config.loop or config.pace != "all")
    if path.stat().st_size == 0:
        raise MirrorError(f"{name} is empty (0 bytes)")
    return Clip(path, config.loop)


def open_feed(config: CaptureConfig) -> Feed:
    """``open_source``, with recordings read ahead in a thread."""
    source = open_source(config)
    return source if isinstance(source, Camera) else ReadAhead(source)
