"""``mirror evaluate fit``: the proof of the fit on rendered people and on real clips, where there are any."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from inference.body.model import BONES
from workshop.evaluate.fit import footage
from workshop.evaluate.fit.pictures import write_worst
from workshop.evaluate.fit.scoring import FRONT_DEG, FrameScore, Judge, SceneScore
from workshop.synthetic.people.scenes import Scene
from workshop.synthetic.people.truth import clip_of
from workshop.train import body_errors

Say = Callable[[str], None]

# Summary name: goal, and whether it is a floor.
GOALS: dict[str, tuple[float, bool]] = {
    "iou_tops": (0.90, True),
    "iou_bottoms": (0.88, True),
    "iou_turn": (0.80, True),
    "over_yardstick": (0.10, True),
    "layering_crossed": (0.95, True),
    "face_covered_frames": (0, False),
    "worn_visible": (0.05, False),
    "worn_hidden": (0.05, False),
    "jitter_px": (0.5, False),
    "lag_frames": (1.0, False),
    "recovery_s": (0.5, False),
    "identity_swaps": (0, False),
    "circumference_error_cm": (4.0, False),
    "length_error_cm": (3.0, False),
    "real_coverage": (0.95, True),
    "real_spill": (0.06, False),
    "real_head_kept": (0.99, True),
    "real_hands_kept": (0.95, True),
}
_FOLDED = ("crossed", "hips")
_MOVING = ("sway", "wave")
_PAINTED = 0.2  # of what is to be painted: with less the room is not being restored


def evaluate(
    scenes: Sequence[Scene],
    clips: Path | None = None,
    out: Path | None = None,
    field_of_view_deg: float | None = None,
    say: Say = lambda _: None,
) -> dict[str, Any]:
    """Run the mirror over ``scenes`` and the annotated clips in ``clips``.

    ``out``: folder for pictures of the worst cases; ``field_of_view_deg``: what the mirror is told instead
    of each camera's own. Returns ``summary`` (flat), ``scenes`` and ``clips``. MirrorError if models
    are missing. ``worn_visible`` is with the configuration's defaults and a room that is first seen with
    the person in it, ``worn_hidden`` with ``render.hide_worn`` and a room that was seen empty before;
    ``room_error`` and ``skin_error`` are the grey levels by which what takes the worn clothes' place is off,
    ``skin_shown`` is the share of the bared skin that is shown. ``joints`` says, by joint, in lengths of the
    trunk, how far the fit's and the pose network's own lie too low on the average, and how far off.
    """
    judge = Judge(field_of_view_deg)
    scores: list[SceneScore] = []
    real: dict[str, dict[str, float]] = {}
    try:
        for scene in scenes:
            clip = clip_of(scene, say)
            say(f"measuring {scene.name}")
            scores.append(judge.score(clip))
        for path, labels in (footage.annotated_clips(clips) if clips is not None else {}).items():
            say(f"measuring {path.name}")
            real[path.stem] = footage.score_clip(path, labels, judge.loaded)
    finally:
        judge.close()
    if out is not None:
        write_worst(out, scores)
    return {
        "summary": {k: _rounded(v) for k, v in _summary(scores, real).items()},
        "scenes": {s.scene.name: {k: _rounded(v) for k, v in scene_row(s).items()} for s in scores},
        "joints": _joints(scores),
        "clips": {name: {k: _rounded(v) for k, v in row.items()} for name, row in real.items()},
    }


def scene_row(score: SceneScore) -> dict[str, float]:
    """The figures of one scene."""
    counted = [f for f in score.frames if f.counted]
    layered = [f.layering for f in score.frames if f.in_view]
    return {
        "iou_top": _mean(f.iou_top for f in counted),
        "iou_bottom": _mean(f.iou_bottom for f in counted),
        "yardstick_top": _mean(f.baseline_top for f in counted),
        "yardstick_bottom": _mean(f.baseline_bottom for f in counted),
        "boundary_f_top": _mean(f.f_top for f in counted),
        "boundary_f_bottom": _mean(f.f_bottom for f in counted),
        "layering": _ratio((right, whole) for right, _, whole in layered),
        "layering_exact": _ratio((exact, whole) for _, exact, whole in layered),
        "joint_px": _mean(f.joint_px for f in counted),
        "joint_share": _mean(f.joint_share for f in counted),
        "trunk_cm": _mean(f.trunk_cm for f in counted),
        "tracked": _mean(float(f.tracked) for f in counted),
        "face_covered_frames": float(sum(f.face_covered for f in score.frames)),
        "worn_visible": _ratio(f.worn for f in counted),
        "worn_hidden": _ratio(f.worn_hidden for f in counted),
        "room_error": _paint_error(f.restored for f in counted),
        "skin_error": _paint_error(f.skin for f in counted),
        "skin_shown": _ratio((painted, whole) for _, painted, whole in (f.skin for f in counted)),
        "jitter_px": score.jitter_px,
        "lag_frames": score.lag_frames,
        "recovery_s": max(score.recovery_s, default=float("nan")),
        "identity_swaps": float(score.swaps),
        "identity_renewed": float(score.renewed),
        "fit_ms": score.fit_ms,
        **score.measures,
    }


def _summary(scores: Sequence[SceneScore], real: dict[str, dict[str, float]]) -> dict[str, float]:
    def kind(*names: str) -> list[SceneScore]:
        return [s for s in scores if s.scene.actors[0].motion in names]

    def front(pick: Callable[[FrameScore], float]) -> float:
        """Mean over scenes of their means over counted frames up to 60 degrees of turn."""
        return _mean(
            _mean(pick(f) for f in s.frames if f.counted and f.turn_deg <= FRONT_DEG) for s in scores
        )

    def layered(chosen: Sequence[SceneScore]) -> list[tuple[int, int, int]]:
        return [f.layering for s in chosen for f in s.frames if f.in_view]

    rows = {s.scene.name: scene_row(s) for s in scores}
    tops, bottoms = front(lambda f: f.iou_top), front(lambda f: f.iou_bottom)
    baseline_tops, baseline_bottoms = front(lambda f: f.baseline_top), front(lambda f: f.baseline_bottom)
    baseline = _mean([baseline_tops, baseline_bottoms])

    def errors(names: Sequence[str]) -> float:
        found = [abs(s.measures[n]) for s in scores if s.measures for n in names]
        return float(np.median(found)) if found else float("nan")

    summary = {
        "iou_tops": tops,
        "iou_bottoms": bottoms,
        "iou_turn": _mean(f.iou for s in kind("turn") for f in s.frames if f.counted),
        "iou_yardstick": baseline,
        "iou_yardstick_tops": baseline_tops,
        "iou_yardstick_bottoms": baseline_bottoms,
        "over_yardstick": min(tops - baseline_tops, bottoms - baseline_bottoms),
        "boundary_f_tops": front(lambda f: f.f_top),
        "boundary_f_bottoms": front(lambda f: f.f_bottom),
        "layering_crossed": _ratio((right, whole) for right, _, whole in layered(kind(*_FOLDED))),
        "layering_crossed_exact": _ratio((exact, whole) for _, exact, whole in layered(kind(*_FOLDED))),
        "layering": _ratio((right, whole) for right, _, whole in layered(scores)),
        "layering_exact": _ratio((exact, whole) for _, exact, whole in layered(scores)),
        "face_covered_frames": float(sum(f.face_covered for s in scores for f in s.frames)),
        "worn_visible": _ratio(f.worn for s in scores for f in s.frames if f.counted),
        "worn_hidden": _ratio(f.worn_hidden for s in scores for f in s.frames if f.counted),
        "room_error": _paint_error(f.restored for s in scores for f in s.frames if f.counted),
        "skin_error": _paint_error(f.skin for s in scores for f in s.frames if f.counted),
        "skin_shown": _ratio(
            (painted, whole) for _, painted, whole in (f.skin for s in scores for f in s.frames if f.counted)
        ),
        "joint_px": front(lambda f: f.joint_px),
        "joint_share": front(lambda f: f.joint_share),
        "trunk_cm": front(lambda f: f.trunk_cm),
        "tracked": _mean(row["tracked"] for row in rows.values()),
        "jitter_px": _mean(s.jitter_px for s in kind("still")),
        "lag_frames": max((s.lag_frames for s in kind(*_MOVING)), default=float("nan")),
        "recovery_s": max((r for s in scores for r in s.recovery_s), default=float("nan")),
        "identity_swaps": float(sum(s.swaps for s in scores)),
        "identity_renewed": float(sum(s.renewed for s in scores)),
        "circumference_error_cm": errors(body_errors.CIRCUMFERENCES),
        "length_error_cm": errors(body_errors.LENGTHS),
        "height_ratio": _mean(s.measures["height_ratio"] for s in scores if s.measures),
        **{f"{n}_error_cm": errors([n]) for n in (*body_errors.CIRCUMFERENCES, *body_errors.LENGTHS)},
        "fit_ms": _mean(s.fit_ms for s in scores),
    }
    for name in footage.MEASURES if real else ():
        summary[f"real_{name}"] = _mean(row[name] for row in real.values())
    return summary


def _joints(scores: Sequence[SceneScore]) -> dict[str, dict[str, float | None]]:
    """Of counted frames up to 60 degrees of turn, left and right together."""
    off = [
        f.joints
        for s in scores
        for f in s.frames
        if f.counted and f.turn_deg <= FRONT_DEG and f.joints is not None
    ]
    out: dict[str, dict[str, float | None]] = {}
    for index, joint in enumerate(body_errors.JOINTS[::2] if off else ()):
        pair = np.stack(off)[:, :, 2 * index : 2 * index + 2]
        row = {}
        for source, values in zip(("fit", "landmark"), np.moveaxis(pair, 1, 0), strict=True):
            row[f"{source}_down"] = _rounded(_mean(values[..., 1].ravel()))
            row[f"{source}_error"] = _rounded(_mean(np.linalg.norm(values, axis=-1).ravel()))
        out[BONES[joint].removeprefix("left_")] = row
    return out


def _mean(values: Iterable[float]) -> float:
    found = [v for v in values if np.isfinite(v)]
    return float(np.mean(found)) if found else float("nan")


def _ratio(parts: Iterable[tuple[float, int]]) -> float:
    """Sum of the first over sum of the second; NaN for nothing."""
    pairs = list(parts)
    whole = sum(p[1] for p in pairs)
    return float(sum(p[0] for p in pairs)) / whole if whole else float("nan")


def _paint_error(parts: Iterable[tuple[float, int, int]]) -> float:
    """Mean grey levels that what is painted is off; NaN where next to nothing was painted."""
    rows = list(parts) or [(0.0, 0, 0)]
    off, painted, wanted = (float(sum(column)) for column in zip(*rows, strict=True))
    return off / painted if painted > _PAINTED * max(wanted, 1.0) else float("nan")


def _rounded(value: float) -> float | None:
    """For JSON, which has no NaN."""
    return round(float(value), 4) if np.isfinite(value) else None
