"""The message of one frame's body."""

from __future__ import annotations

import numpy as np

from inference.body.camera import Intrinsics
from inference.body_message import body_message
from inference.person_estimator import PersonState
from inference.pose.tracker import Observation
from mirror.messages import Frame, Light, SlotRef

FRAME = Frame(
    seq=7, t_ns=1, t_capture_ns=2, t_source_ns=3, image=SlotRef("frames", 0, 1, 960, 1280, 3), dropped=4
)
LIGHT = Light(sh=[(1.0, 1.0, 1.0)] * 9, direction=(0.0, -1.0, 0.0), confidence=0.5)


def test_a_body_is_told_in_the_pixels_of_the_frame() -> None:
    """Inference works on a smaller copy: the garment would be drawn at half its size in a corner."""
    landmarks = np.zeros((33, 4))
    landmarks[0] = (320.0, 120.0, 5.0, 0.75)
    observation = Observation(landmarks, np.zeros((33, 3)), np.zeros((48, 64), np.uint8), person=3)
    state = PersonState(
        bone_transforms=np.arange(24, dtype=np.float32).reshape(2, 3, 4),
        shape=np.array([0.5, -1.0]),
        masks=np.zeros((48, 64, 4), np.uint8),
        light=LIGHT,
        intrinsics=Intrinsics(554.0, 320.0, 240.0),
        size=(640, 480),
        cover=b"\x01",
        skin_tone=(0.5, 0.4, 0.3),
    )
    masks = SlotRef("masks", 1, 2, 48, 64, 4)
    body = body_message(FRAME, (1280, 960), (observation, state), masks, {"fit": 1.0})
    assert (body.seq, body.t_capture_ns, body.t_source_ns, body.dropped) == (7, 2, 3, 4)
    assert body.tracked
    assert body.valid
    assert body.person == 3
    assert body.landmarks is not None
    assert body.landmarks[0] == (640.0, 240.0, 0.75)
    assert body.intrinsics == (1108.0, 1108.0, 640.0, 480.0)
    assert np.frombuffer(body.bone_transforms, "<f4").tolist() == list(range(24))
    assert body.shape == [0.5, -1.0]
    assert (body.masks, body.image, body.light) == (masks, FRAME.image, LIGHT)
    assert (body.cover, body.skin_tone) == (b"\x01", (0.5, 0.4, 0.3))


def test_nobody_is_a_message_too() -> None:
    """Render waits for one message a frame: an empty shop would freeze the picture."""
    body = body_message(FRAME, (1280, 960), stage_ms={"pose": 2.0})
    assert not body.tracked
    assert body.valid
    assert (body.seq, body.image, body.masks, body.landmarks) == (7, FRAME.image, None, None)
    assert body.stage_ms == {"pose": 2.0}
