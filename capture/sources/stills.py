"""Still images as a source: one, or a folder of them."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import cv2
import numpy as np

from capture.sources.protocol import SourceFrame, SourceType
from mirror.config import CaptureConfig
from mirror.errors import MirrorError
from mirror.types import Picture

log = logging.getLogger("capture")

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})


class Stills:
    """Images shown one after the other at ``fps``; their sizes may differ.

    With ``loop`` they start again after the last. Files that turn out unreadable are
    skipped and logged; raises ``MirrorError`` when none can be read.
    """

    def __init__(self, paths: list[Path], fps: float, loop: bool = False) -> None:
        self.fps = fps
        self._paths = paths
        self._loop = loop
        self._index = 0
        self._next = 0
        self._repeated = load_image(paths[0]) if len(paths) == 1 else None  # decoded once
        first = self._image()
        if first is None:
            raise MirrorError(f"none of the {len(paths)} images in {paths[0].parent} can be read")
        self._first: Picture | None = first
        self.size = (first.shape[1], first.shape[0])

    def read(self) -> SourceFrame | None:
        """The next image, or None after the last."""
        image, self._first = self._first, None
        if image is None:
            image = self._image()
        if image is None:
            return None
        frame = SourceFrame(image, round(self._index * 1e9 / self.fps), self._index)
        self._index += 1
        return frame

    def _image(self) -> Picture | None:
        """The next that can be read, None after the last or if a whole round gave none."""
        for _ in self._paths:
            if self._next == len(self._paths):
                if not self._loop:
                    return None
                self._next = 0
            path = self._paths[self._next]
            self._next += 1
            if self._repeated is not None:
                return self._repeated
            try:
                return load_image(path)
            except MirrorError as error:
                log.warning("skipped: %s", error)
        return None

    def close(self) -> None:
        """Nothing is held open."""


def _open_image(config: CaptureConfig) -> Stills:
    """One image: shown once where every frame counts (pace ``all``) and over and over otherwise."""
    path = Path(config.source).expanduser()
    return Stills([path], config.fps, loop=config.loop or config.pace != "all")


def _open_folder(config: CaptureConfig) -> Stills:
    return open_folder(Path(config.source).expanduser(), config.fps, config.loop)


FOLDER = SourceType("folder of images", lambda _, path: path.is_dir(), _open_folder)
IMAGE = SourceType(
    "image", lambda _, path: path.is_file() and path.suffix.lower() in IMAGE_SUFFIXES, _open_image
)


def open_folder(folder: Path, fps: float, loop: bool = False) -> Stills:
    """The images of a folder in the order of their names, 2 before 10."""
    try:
        paths = [
            path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()
        ]
    except PermissionError as error:
        raise MirrorError(f"{folder} cannot be read: no permission") from error
    if not paths:
        raise MirrorError(f"{folder} holds no images ({', '.join(sorted(IMAGE_SUFFIXES))})")
    return Stills(sorted(paths, key=_natural), fps, loop)


def load_image(path: Path) -> Picture:
    """The image (H, W, 3) BGR, turned upright; raises ``MirrorError`` if it can't be read."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MirrorError(f"{path} cannot be read: {error.strerror}") from error
    if not data:
        raise MirrorError(f"{path} is empty (0 bytes)")
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise MirrorError(f"{path} is not an image that can be read")
    return np.asarray(image, np.uint8)


def _natural(path: Path) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d+)", path.name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]
