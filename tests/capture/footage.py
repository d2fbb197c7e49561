"""Clips made for the tests: every frame is one grey level that tells its number."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from mirror.types import Picture


def numbered(number: int, height: int = 48, width: int = 64) -> Picture:
    """A flat picture whose grey level is 10 times the number (0 to 25)."""
    return np.full((height, width, 3), 10 * number, np.uint8)


def number_of(image: Picture) -> int:
    """Which ``numbered`` picture this is, after lossy coding."""
    return round(float(image.mean()) / 10)


def make_clip(
    path: Path,
    pictures: Sequence[Picture],
    fps: int = 25,
    times: Sequence[float] | None = None,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    keyframe_every: int = 4,
) -> Path:
    """Encode ``pictures`` (one size), at ``fps`` or at ``times`` in seconds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.time_base = Fraction(1, 1000)
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.codec_context.gop_size = keyframe_every
        stream.codec_context.max_b_frames = 0
        stream.codec_context.bit_rate = 8_000_000
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.time_base = Fraction(1, 1000)
            frame.pts = round(1000 * (times[number] if times else number / fps))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def make_images(folder: Path, names_and_pictures: dict[str, Picture]) -> Path:
    """A folder of PNG or JPEG files."""
    folder.mkdir(exist_ok=True)
    for name, picture in names_and_pictures.items():
        assert cv2.imwrite(str(folder / name), picture)
    return folder


def rotate_in_header(path: Path, a: int, b: int, c: int, d: int) -> None:
    """Rewrite the display matrix of an mp4's track, as phones do for upright clips."""
    data = bytearray(path.read_bytes())
    # tkhd version 0: 4 type, 4 flags, 20 times and ids, 8 reserved, 8 layer and volume, then the matrix
    start = data.index(b"tkhd") + 4 + 4 + 20 + 8 + 8
    one = 1 << 16
    matrix = np.array([a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30], ">i4").tobytes()
    assert np.frombuffer(data[start : start + 36], ">i4")[[0, 4, 8]].tolist() == [one, one, 1 << 30]
    data[start : start + 36] = matrix
    path.write_bytes(bytes(data))
