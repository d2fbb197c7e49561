"""Steadiness over time: trembling, trailing, coming back, and staying with the same person."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mirror.types import F64

_LAGS = 6  # frames either way


def jitter(points: F64) -> float:
    """Root mean square length of the second difference of points (T, N, 2) px."""
    if len(points) < 3:
        return float("nan")
    second = points[2:] - 2 * points[1:-1] + points[:-2]
    return float(np.sqrt((second**2).sum(-1).mean()))


def lag(ours: F64, truth: F64) -> float:
    """Frames by which points (T, N, 2) trail behind the true ones: the peak of the cross-correlation.

    Of their speeds, so that where they are does not matter; a parabola finds the peak between frames.
    """
    a, b = (np.diff(p, axis=0).reshape(len(p) - 1, -1) for p in (ours, truth))
    a, b = a - a.mean(0), b - b.mean(0)
    scores = []
    for shift in range(-_LAGS, _LAGS + 1):
        late, early = (a[shift:], b[: len(b) - shift]) if shift >= 0 else (a[:shift], b[-shift:])
        scores.append(float((late * early).sum() / max(np.linalg.norm(late) * np.linalg.norm(early), 1e-9)))
    peak = int(np.argmax(scores))
    if peak in (0, 2 * _LAGS):
        return float(peak - _LAGS)
    before, here, after = scores[peak - 1 : peak + 2]
    bend = before - 2 * here + after
    return float(peak - _LAGS + (0.5 * (before - after) / bend if bend < 0 else 0.0))


def recoveries(in_view: Sequence[bool], dressed: Sequence[bool]) -> list[int]:
    """Frames from each coming into view to the first one that is dressed; the rest of the visit if none."""
    out = []
    start: int | None = None
    for index, (there, good) in enumerate(zip(in_view, dressed, strict=True)):
        if there and (index == 0 or not in_view[index - 1]):
            start = index
        if start is not None and (good or not there):
            out.append(index - start)
            start = None
    if start is not None:
        out.append(len(in_view) - start)
    return out


def swaps(on_other: Sequence[bool]) -> int:
    """How often the garment went over to somebody else."""
    previous = False
    count = 0
    for now in on_other:
        count += now and not previous
        previous = now
    return count
