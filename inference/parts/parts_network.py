"""The network that parses a person into parts: hair, skin, clothes and what is held.

MediaPipe's multiclass selfie segmenter (``mirror.models.PARTS_MODEL``), run by LiteRT on a square crop of
the followed person.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import numpy as np

from mirror.errors import MirrorError
from mirror.types import F64, Picture, cv

__all__ = ["SIDE", "Crop", "Part", "PartsNetwork", "crop_of"]

SIDE = 256  # px of the network's square
#: Of the person's extent, about them: with less hands at the edge are lost, with more all hands get small.
#: Of 0, 0.15 and 0.3 the second kept most hands on annotated clips.
MARGIN = 0.15
SEEN = 0.5  # visibility from which a landmark is to be in the crop


class Part(IntEnum):
    """The network's classes, in the order of its channels."""

    BACKGROUND = 0
    HAIR = 1
    BODY_SKIN = 2
    FACE_SKIN = 3
    CLOTHES = 4
    OTHER = 5  # what is held or worn beside clothes: bags, glasses, necklaces


@dataclass(frozen=True)
class Crop:
    """A square of a picture: its left top corner and its side, px; it may reach over the edges."""

    x: float
    y: float
    side: float


def crop_of(mask: Picture, landmarks: F64, size: tuple[int, int]) -> Crop | None:
    """The square about a whole person in a picture of ``size`` (width, height) px; None where nobody is seen.

    ``mask`` (h, w) uint8 person mask of the picture's aspect; ``landmarks`` (33, 4): x px, y px, z,
    visibility.
    """
    width, height = size
    x, y, w, h = cv.boundingRect(cv.compare(mask, 127, cv.CMP_GT))
    seen = landmarks[landmarks[:, 3] > SEEN, :2]
    if not w or not len(seen):
        return None
    scale = np.array([width / mask.shape[1], height / mask.shape[0]])
    low = np.minimum(np.array([x, y]) * scale, seen.min(0)).clip(0, size)
    high = np.maximum(np.array([x + w, y + h]) * scale, seen.max(0)).clip(0, size)
    side = float((high - low).max()) * (1 + 2 * MARGIN)
    if side < 8:
        return None
    left, top = (low + high) / 2 - side / 2
    return Crop(float(left), float(top), side)


class PartsNetwork:
    """The network in memory; one thread at a time may use it.

    MirrorError if the model or LiteRT is missing or damaged.
    """

    def __init__(self, path: Path, threads: int = 1) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter

            self._interpreter = Interpreter(str(path), num_threads=threads)
            self._interpreter.allocate_tensors()
        except (ImportError, ValueError, RuntimeError) as error:
            raise MirrorError(f"the parts network cannot be loaded ({error}); run ./kiosk setup") from error
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]

    def parse(self, picture: Picture, crop: Crop) -> Picture:
        """Probabilities (SIDE, SIDE, 6) uint8, 255 for 1, of each ``Part`` in a crop of (H, W, 3) BGR."""
        scale = SIDE / crop.side
        to_square = np.array([[scale, 0, -crop.x * scale], [0, scale, -crop.y * scale]])
        if scale < 1:  # warping has no area filter: halve first, as often as it takes
            square = _shrunk(picture, crop)
        else:
            square = cv.warpAffine(
                picture, to_square, (SIDE, SIDE), flags=cv.INTER_LINEAR, borderMode=cv.BORDER_REPLICATE
            )
        # Scaled to -1..1: with 0..1 the network loses hands.
        given = cv.cvtColor(square, cv.COLOR_BGR2RGB).astype(np.float32) / np.float32(127.5) - np.float32(1)
        self._interpreter.set_tensor(self._input, given[None])
        self._interpreter.invoke()
        logits = self._interpreter.get_tensor(self._output)[0]
        likely = np.exp(logits - logits.max(-1, keepdims=True))
        likely *= 255 / likely.sum(-1, keepdims=True)
        return np.asarray(np.rint(likely), np.uint8)


def _shrunk(picture: Picture, crop: Crop) -> Picture:
    """The crop at (SIDE, SIDE), each pixel the mean of those it covers; the edges' colours beyond them."""
    height, width = picture.shape[:2]
    x0, y0 = round(crop.x), round(crop.y)
    side = max(1, round(crop.side))
    left, top = max(0, -x0), max(0, -y0)
    right, bottom = max(0, x0 + side - width), max(0, y0 + side - height)
    part = picture[max(0, y0) : y0 + side, max(0, x0) : x0 + side]
    whole = cv.copyMakeBorder(part, top, bottom, left, right, cv.BORDER_REPLICATE)
    return np.asarray(cv.resize(whole, (SIDE, SIDE), interpolation=cv.INTER_AREA), np.uint8)
