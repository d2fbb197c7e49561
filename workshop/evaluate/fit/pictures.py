"""Pictures of the worst frames: what the camera saw, where the garments should be, where they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mirror.errors import MirrorError
from mirror.types import Picture, cv
from workshop.evaluate.fit.scoring import SceneScore
from workshop.synthetic.people.truth import BOTTOM_SHOWN, TOP_SHOWN

_COUNT = 10
_SIZE = (960, 540)
_COLOURS = ((TOP_SHOWN, (240, 110, 30)), (BOTTOM_SHOWN, (60, 190, 60)))  # BGR
_MISSING, _EXCESS = (60, 60, 230), (230, 60, 220)


def write_worst(folder: Path, scores: Sequence[SceneScore]) -> list[Path]:
    """Pictures of the ten worst frames of all, worst first. MirrorError if the folder cannot be written.

    Four parts: the frame; the truth; ours; and the difference (red: missing, magenta: too much).
    """
    cases = sorted(((s.scene.name, *kept) for s in scores for kept in s.worst), key=lambda case: case[1].iou)[
        :_COUNT
    ]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MirrorError(f"{folder} cannot be made: {error.strerror}") from None
    paths = []
    for rank, (name, score, frame, truth, ours) in enumerate(cases):
        parts = [frame, _painted(frame, truth), _painted(frame, ours), _difference(frame, truth, ours)]
        small = [cv.resize(part, _SIZE, interpolation=cv.INTER_AREA) for part in parts]
        sheet = np.vstack([np.hstack(small[:2]), np.hstack(small[2:])])
        text = f"{name} frame {score.index}: top {score.iou_top:.2f} bottom {score.iou_bottom:.2f}"
        cv.putText(sheet, text, (12, 32), cv.FONT_HERSHEY_SIMPLEX, 0.9, (0, 0, 0), 4, cv.LINE_AA)
        cv.putText(sheet, text, (12, 32), cv.FONT_HERSHEY_SIMPLEX, 0.9, (255, 255, 255), 2, cv.LINE_AA)
        path = folder / f"worst_{rank:02d}_{name}_{score.index:06d}.png"
        if not cv.imwrite(str(path), sheet):
            raise MirrorError(f"{path} cannot be written; is the disk full?")
        paths.append(path)
    return paths


def _painted(frame: Picture, bits: Picture) -> Picture:
    out = frame.copy()
    for bit, colour in _COLOURS:
        chosen = (bits & bit) > 0
        out[chosen] = (0.35 * out[chosen] + 0.65 * np.array(colour)).astype(np.uint8)
    return out


def _difference(frame: Picture, truth: Picture, ours: Picture) -> Picture:
    out = (0.5 * frame).astype(np.uint8)
    for bit, _ in _COLOURS:
        should, does = (truth & bit) > 0, (ours & bit) > 0
        out[should & ~does] = _MISSING
        out[does & ~should] = _EXCESS
    return out
