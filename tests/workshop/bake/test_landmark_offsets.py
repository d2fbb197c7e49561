"""The measure of where landmarks lie, on landmarks put in a known place."""

from __future__ import annotations

import numpy as np
import pytest

from inference.body.landmarks import Landmark
from inference.body.model import BONES, BodyModel
from mirror.types import F64
from workshop.bake.landmark_offsets import offsets, random_body
from workshop.synthetic.people.motions import Choreography, Motion

LENS = np.array([900.0, 640.0, 360.0])
TRUE = np.array([0.01, -0.04, 0.03])  # outwards, up, forward


def views(outlier: bool) -> list[tuple[float, F64, F64, F64, F64]]:
    """One body from eight sides, its hip landmarks ``TRUE`` away from the joints."""
    body = random_body(BodyModel.load(), np.random.default_rng(1))
    out = []
    for index in range(8):
        yaw = index * np.pi / 4
        skin = Choreography(Motion(1.0, ((0.0, "stand"),), yaw=((0.0, yaw),)), body.model).matrices(0.0)
        skin = np.diag([1.0, -1.0, -1.0]) @ skin  # before a camera at 3 m, a metre above the floor
        skin[:, :, 3] += (0.0, 1.0, 3.0)
        landmarks = np.ones((33, 4))
        for side, mirror in (("left", 1.0), ("right", -1.0)):
            bone = BONES.index(f"{side}_thigh")
            place = body.model.joints[bone] + TRUE * (mirror, 1.0, 1.0)
            point = skin[bone, :, :3] @ place + skin[bone, :, 3]
            landmarks[Landmark.of(side, "hip"), :2] = point[:2] / point[2] * LENS[0] + LENS[1:]
        if outlier and index == 3:
            landmarks[Landmark.LEFT_HIP, :2] += 300.0
        out.append((yaw, landmarks, skin, LENS, body.model.joints.astype(np.float64)))
    return out


@pytest.mark.parametrize("outlier", [False, True])
def test_a_known_place_is_found(outlier: bool) -> None:
    """Every fitted body would sit too low or lean, by constants that nobody could check."""
    shift, miss = offsets(views(outlier), "hip")
    np.testing.assert_allclose(shift, TRUE, atol=0.006 if outlier else 1e-6)
    assert miss[0] < 0.006
