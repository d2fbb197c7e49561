"""Real clips with label images of some of their frames: ``video/CLIP.*`` beside ``truth/CLIP_FRAME.png``.

Labels: 0 background, 1 person, 2 the worn top, 3 head, 4 hands. The person is dressed in a long-sleeved
top, which should cover every kind of worn top.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capture.sources.clip import Clip
from mirror.errors import MirrorError
from mirror.types import cv
from workshop.evaluate.fit import masks
from workshop.evaluate.fit.lock_step import LoadedOutfits, LockStepMirror

MEASURES = ("coverage", "spill", "head_kept", "hands_kept")
_GARMENT = "long_sleeve"
_MARGIN = 0.02  # of the square root of the person's area: labels and edges are no sharper
_FIELD_OF_VIEW_DEG = 60.0  # unknown: the mirror's default


def annotated_clips(folder: Path) -> dict[Path, dict[int, Path]]:
    """Clips to their label images by frame number; empty where the folder has none."""
    out: dict[Path, dict[int, Path]] = {}
    for clip in sorted((folder / "video").glob("*")):
        labels = {int(p.stem[-6:]): p for p in (folder / "truth").glob(f"{clip.stem}_??????.png")}
        if labels:
            out[clip] = labels
    return out


def score_labels(labels: NDArray[np.uint8], garment: masks.Mask) -> dict[str, float]:
    """Shares of one frame: worn top covered, garment outside the person, head and hands left visible."""
    person = labels > 0
    margin = max(1, round(_MARGIN * float(np.sqrt(np.count_nonzero(person)))))
    around = masks.grown(person, margin)
    top, head, hands = masks.eroded(labels == 2, margin), masks.eroded(labels == 3, margin), labels == 4

    def share(part: masks.Mask, whole: masks.Mask) -> float:
        return float(np.count_nonzero(part)) / int(np.count_nonzero(whole)) if whole.any() else float("nan")

    return {
        "coverage": share(top & garment, top),
        "spill": share(garment & ~around, garment) if garment.any() else 0.0,
        "head_kept": share(head & ~garment, head),
        "hands_kept": share(hands & ~garment, hands),
    }


def score_clip(path: Path, labels: dict[int, Path], loaded: LoadedOutfits) -> dict[str, float]:
    """Means over the annotated frames of one clip. MirrorError if clip or labels cannot be read."""
    clip = Clip(path)
    mirror = LockStepMirror(_FIELD_OF_VIEW_DEG, [(_GARMENT,)], loaded)
    rows = []
    try:
        for number in range(max(labels) + 1):
            frame = clip.read()
            if frame is None:
                raise MirrorError(f"{path} ends before its annotated frame {max(labels)}")
            seen = mirror.see(frame.image, frame.t_source_ns + 1)
            if number in labels:
                truth = cv.imread(str(labels[number]), cv.IMREAD_GRAYSCALE)
                if truth is None or truth.shape != frame.image.shape[:2]:
                    raise MirrorError(f"{labels[number]} is no label image of {path.name}")
                rows.append(score_labels(truth, seen.outfits[0].mask))
    finally:
        mirror.close()
        clip.close()
    return {name: float(np.nanmean([row[name] for row in rows])) for name in MEASURES}
