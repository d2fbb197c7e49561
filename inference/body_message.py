"""The message of one frame's body: what capture said of the frame, and what was found in it."""

from __future__ import annotations

import time

from inference.person_estimator import PersonState
from inference.pose.tracker import Observation
from mirror.messages import Body, Frame, SlotRef

__all__ = ["body_message"]


def body_message(
    frame: Frame,
    size: tuple[int, int],
    found: tuple[Observation, PersonState] | None = None,
    masks: SlotRef | None = None,
    stage_ms: dict[str, float] | None = None,
) -> Body:
    """The body of ``frame``, whose picture is of ``size`` (width, height) px; ``found``: of whom, if anybody.

    Observation and state are in px of their working copy; the message is in those of the frame.
    ``masks``: where the state's occlusion masks lie.
    """
    if found is None:
        return Body(
            seq=frame.seq,
            t_ns=time.monotonic_ns(),
            valid=frame.valid,
            t_capture_ns=frame.t_capture_ns,
            t_source_ns=frame.t_source_ns,
            image=frame.image,
            masks=None,
            tracked=False,
            last=frame.last,
            stage_ms=stage_ms or {},
            dropped=frame.dropped,
        )
    observation, state = found
    width, height = size
    x, y = width / state.size[0], height / state.size[1]
    return Body(
        seq=frame.seq,
        t_ns=time.monotonic_ns(),
        t_capture_ns=frame.t_capture_ns,
        t_source_ns=frame.t_source_ns,
        image=frame.image,
        masks=masks,
        tracked=True,
        last=frame.last,
        person=observation.person,
        landmarks=[(float(u * x), float(v * y), float(seen)) for u, v, _, seen in observation.landmarks],
        bone_transforms=state.bone_transforms.tobytes(),
        shape=[float(v) for v in state.shape],
        intrinsics=state.intrinsics.at_size(width, height),
        light=state.light,
        cover=state.cover,
        skin_tone=state.skin_tone,
        stage_ms=stage_ms or {},
        dropped=frame.dropped,
    )
