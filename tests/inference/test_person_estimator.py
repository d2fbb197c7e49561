"""The garment stays on who moves quickly, and goes where it cannot be told who wears it."""

from __future__ import annotations

import numpy as np
import pytest

from inference.body.landmarks import WRISTS
from inference.body.model import BodyModel
from inference.person_estimator import PersonEstimator, PersonState
from inference.pose.tracker import Observation
from mirror.timer import StageTimer
from tests.inference.people import CAMERA, HEIGHT, WIDTH, Person, person

FRAME_NS = 33_000_000
MODEL = BodyModel.load()
HANGING = {"left_upper_arm": (0.0, 0.0, -1.2), "right_upper_arm": (0.0, 0.0, 1.2)}
RAISED = {"left_upper_arm": (0.0, 0.0, 1.0), "right_upper_arm": (0.0, 0.0, -1.0)}


def states(people: list[Person]) -> list[PersonState | None]:
    """What is believed frame by frame."""
    estimator = PersonEstimator(MODEL, 60.0)
    frame = np.full((HEIGHT, WIDTH, 3), 120, np.uint8)
    found = []
    for index, one in enumerate(people):
        seen = Observation(np.insert(one.landmarks, 2, 0.0, axis=1), one.world, one.mask, 1)
        found.append(estimator.update(frame, seen, index * FRAME_NS, StageTimer()))
        estimator.learn()
    return found


@pytest.mark.parametrize("arms", [("left_upper_arm",), ("left_upper_arm", "right_upper_arm")])
def test_an_arm_thrown_up_within_a_frame_leaves_the_garment_on(arms: tuple[str, ...]) -> None:
    """A shopper who waves saw the garment go out for four frames at each wave."""
    down = person(MODEL, HANGING)
    up = person(MODEL, HANGING | {arm: RAISED[arm] for arm in arms})
    found = states([down] * 6 + [up] * 4 + [down] * 4)
    assert all(state is not None for state in found)


def test_a_thrown_arm_is_where_it_is_seen_in_the_same_frame() -> None:
    """The sleeve would hang in the air where the arm was."""
    down, up = person(MODEL, HANGING), person(MODEL, RAISED)
    found = states([down] * 6 + [up])
    state = found[-1]
    assert state is not None
    placed = MODEL.posed_landmarks(MODEL.landmarks(state.shape), state.bone_transforms)
    off = CAMERA.project(placed.astype(np.float64)) - up.landmarks[:, :2]
    assert np.linalg.norm(off[list(WRISTS)], axis=1).max() < 25  # px; the arms came 200 px


def test_wrists_that_fly_off_leave_the_garment_on() -> None:
    """The pose network loses a hand now and then; that is no lost person."""
    good = person(MODEL, HANGING)
    bad = person(MODEL, HANGING)
    bad.landmarks[list(WRISTS), :2] += (160.0, -220.0)
    found = states([good] * 6 + [bad] * 2 + [good] * 3)
    assert all(state is not None for state in found)


def test_a_trunk_that_is_torn_apart_dresses_nobody() -> None:
    """Landmarks of two people must not stretch the garment from one to the other."""
    good = person(MODEL, HANGING)
    torn = person(MODEL, HANGING)
    torn.landmarks[[12, 24], :2] += (-170.0, 110.0)
    found = states([good] * 6 + [torn])
    assert found[5] is not None
    assert found[6] is None
