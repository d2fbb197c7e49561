"""Unlabelled photographs for training: what is known of their light is what does not change it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from inference.body.model import BodyModel
from inference.light.probe import Probe, ProbeMaker
from mirror.config import InferenceConfig
from mirror.errors import MirrorError
from mirror.types import cv
from workshop.train.light.dataset import crops
from workshop.train.light.observer import Observer, read_picture

_SIDE = 640  # px of the longer side that photographs are read at


def photo_pairs(paths: Sequence[Path], model: BodyModel, seed: int) -> list[tuple[Probe, Probe]]:
    """Pairs of crops of each photograph. MirrorError for one that shows nobody or cannot be read."""
    if not paths:
        return []
    pairs: list[tuple[Probe, Probe]] = []
    probes = ProbeMaker(model)
    with Observer(model, InferenceConfig()) as observer:
        for number, path in enumerate(paths):
            frame = read_picture(path)
            scale = min(1.0, _SIDE / max(frame.shape[:2]))
            frame = cv.resize(frame, None, fx=scale, fy=scale, interpolation=cv.INTER_AREA)
            person = observer.still(frame)
            if person is None:
                raise MirrorError(f"{path}: nobody is seen in this photograph")
            pairs += crops(frame, person, probes, np.random.default_rng([seed, 4, number]))
    return pairs
