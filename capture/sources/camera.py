"""Cameras through V4L2, with a watchdog: a camera that hangs is an error, not a hung mirror."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from capture.sources.protocol import SourceFrame, SourceLostError, SourceType
from mirror.config import CaptureConfig
from mirror.errors import MirrorError

log = logging.getLogger("capture")

OPEN_S = 10.0  # some cameras take seconds to wake
_EXPOSURE_MANUAL, _EXPOSURE_AUTO = 1.0, 3.0  # V4L2_EXPOSURE_MANUAL, ..._APERTURE_PRIORITY
_VIDIOC_REQBUFS = 0xC0145608  # _IOWR('V', 8, struct v4l2_requestbuffers)
_CAPTURE, _MMAP = 1, 1  # V4L2_BUF_TYPE_VIDEO_CAPTURE, V4L2_MEMORY_MMAP


class Device(Protocol):
    """The part of ``cv2.VideoCapture`` that is used; ``read`` blocks, for good on some drivers."""

    def read(self) -> tuple[bool, object]:
        """Whether there is a picture, and the picture (H, W, 3) BGR."""

    def get(self, prop: int, /) -> float:
        """A setting."""

    def release(self) -> None:
        """Close the device."""


class Camera:
    """A V4L2 camera, its newest frame; frames nobody took in time are counted in ``index``.

    A thread reads the device. If it gives nothing for ``config.timeout_s``, ``read`` raises
    ``SourceLostError`` and the thread is left behind with the device it hangs in: open a new
    ``Camera``. Construction waits for the first frame and raises ``MirrorError`` without one.
    """

    def __init__(
        self, config: CaptureConfig, opener: Callable[[Path, CaptureConfig], Device] | None = None
    ) -> None:
        self._path = device_path(config.source)
        self._config = config
        self._opener = opener or open_device
        self._changed = threading.Condition()
        self._frame: SourceFrame | None = None
        self._error: MirrorError | None = None
        self._index = 0
        self._t_ns = 0
        self._heard_ns = time.monotonic_ns()
        self._closing = threading.Event()
        self.fps = config.fps
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)
        self._thread.start()
        patience_s = max(OPEN_S, config.timeout_s)
        self.size = self._wait_for_first(patience_s)
        if self.size != (config.width, config.height):
            log.warning(
                "camera %s gives %dx%d, not the %dx%d asked for",
                config.source, *self.size, config.width, config.height,
            )  # fmt: skip

    def _wait_for_first(self, patience_s: float) -> tuple[int, int]:
        with self._changed:
            self._changed.wait_for(lambda: self._frame or self._error, patience_s)
            if self._frame is not None:
                height, width = self._frame.image.shape[:2]
                return width, height
            self._closing.set()
            raise self._error or MirrorError(
                f"camera {self._config.source} gives no picture in {patience_s:g} s: "
                "unplug it and plug it in again"
            )

    def read(self, timeout_s: float) -> SourceFrame:
        """The newest frame not read before.

        Raises ``TimeoutError`` if there is none within ``timeout_s``, ``SourceLostError`` if there
        has been none for ``config.timeout_s`` or the camera is gone.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._frame or self._error, timeout_s)
            frame, self._frame = self._frame, None
            if frame is not None:
                return frame
            if self._error is not None:
                raise self._error
            if time.monotonic_ns() - self._heard_ns > self._config.timeout_s * 1e9:
                raise SourceLostError(
                    f"camera {self._config.source}: no picture for {self._config.timeout_s:g} s"
                )
        raise TimeoutError

    def close(self) -> None:
        """Let the device go; a thread that hangs in it is left to the end of the process."""
        self._closing.set()
        self._thread.join(timeout=0.5)

    def _run(self) -> None:
        try:
            device = self._opener(self._path, self._config)
        except MirrorError as error:
            self._fail(error)
            return
        try:
            while not self._closing.is_set():
                good, image = device.read()
                if good and isinstance(image, np.ndarray) and image.size:
                    self._take(image.astype(np.uint8, copy=False), _capture_time_ns(device))
                elif not self._path.exists():
                    self._fail(SourceLostError(f"camera {self._config.source} was unplugged"))
                    return
                else:
                    self._closing.wait(0.02)  # a damaged picture; a lasting silence is read()'s to notice
        finally:
            device.release()

    def _take(self, image: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], t_ns: int) -> None:
        with self._changed:
            self._t_ns = max(t_ns, self._t_ns + 1)
            self._frame = SourceFrame(image, self._t_ns, self._index)
            self._index += 1
            self._heard_ns = time.monotonic_ns()
            self._changed.notify_all()

    def _fail(self, error: MirrorError) -> None:
        with self._changed:
            self._error = error
            self._changed.notify_all()


def _accepts(name: str, path: Path) -> bool:
    return name.isdecimal() or name.startswith("/dev/") or path.is_char_device()


def _open(config: CaptureConfig) -> Camera:
    if config.pace == "all":
        raise MirrorError(f"{config.source} is a camera: pace all is for clips and images, use realtime")
    return Camera(config)


CAMERA = SourceType("camera", _accepts, _open, live=True)


def device_path(source: str) -> Path:
    """``"0"`` is ``/dev/video0``; anything else is a path."""
    return Path(f"/dev/video{source}" if source.isdecimal() else source)


def open_device(path: Path, config: CaptureConfig) -> cv2.VideoCapture:
    """The camera set as configured; what it refuses is logged. Raises ``MirrorError`` if it won't open."""
    _check(path)
    device = cv2.VideoCapture(str(path), cv2.CAP_V4L2)
    if not device.isOpened():
        device.release()
        raise MirrorError(f"{path} does not open as a camera: name another of {_cameras()}")
    automatic = config.exposure == "auto"
    requests = [
        # The pixel format first: it decides which sizes and rates there are.
        ("fourcc", cv2.CAP_PROP_FOURCC, float(cv2.VideoWriter.fourcc(*config.fourcc))),
        ("width", cv2.CAP_PROP_FRAME_WIDTH, float(config.width)),
        ("height", cv2.CAP_PROP_FRAME_HEIGHT, float(config.height)),
        ("fps", cv2.CAP_PROP_FPS, config.fps),
        ("exposure mode", cv2.CAP_PROP_AUTO_EXPOSURE, _EXPOSURE_AUTO if automatic else _EXPOSURE_MANUAL),
    ]
    if not automatic:
        requests.append(("exposure", cv2.CAP_PROP_EXPOSURE, float(config.exposure)))
    for name, prop, value in requests:
        if not device.set(prop, value):
            log.warning("camera %s does not let its %s be set", path, name)
    return device


def _check(path: Path) -> None:
    """Say why a camera can't be used, where that can be known: OpenCV only says that it can't."""
    if not path.exists():
        raise MirrorError(f"no camera at {path}: {_cameras()}")
    if not os.access(path, os.R_OK | os.W_OK):
        raise MirrorError(f"no permission for camera {path}: sudo usermod -aG video $USER, then log in again")
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    except OSError as error:
        raise MirrorError(f"camera {path} cannot be opened: {error.strerror}") from error
    try:
        # Asking for no buffers changes nothing, but is refused while someone else streams.
        fcntl.ioctl(descriptor, _VIDIOC_REQBUFS, struct.pack("5I", 0, _CAPTURE, _MMAP, 0, 0))
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise MirrorError(f"camera {path} is busy: close the program that uses it") from error
        if error.errno == errno.ENOTTY:
            raise MirrorError(f"{path} is not a camera: {_cameras()}") from error
        # Any other refusal is the driver's own way; opening it will tell.
    finally:
        os.close(descriptor)


def _cameras() -> str:
    found = sorted(Path("/dev/v4l/by-id").glob("*")) or sorted(Path("/dev").glob("video*"))
    return "found " + ", ".join(map(str, found)) if found else "none is plugged in"


def _capture_time_ns(device: Device) -> int:
    """When the driver took the picture, if it says so on our clock; else now."""
    now = time.monotonic_ns()
    stamp = int(device.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
    return stamp if 0 <= now - stamp < 1_000_000_000 else now
