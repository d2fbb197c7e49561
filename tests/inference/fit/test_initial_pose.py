"""Where a fit starts."""

from __future__ import annotations

import numpy as np
import pytest

from inference.body.kinematics import Pose, Skeleton
from inference.body.landmarks import Landmark
from inference.body.model import BONES, BodyModel
from inference.fit.anatomy import Anatomy
from inference.fit.initial_pose import first_guess, place
from tests.inference.people import CAMERA, person

MODEL = BodyModel.load()
SKELETON, ANATOMY = Skeleton(MODEL.parents), Anatomy(MODEL)
JOINTS = np.asarray(MODEL.joints, np.float64)
BONE = np.array(MODEL.landmark_bone, int)


def points_of(pose: Pose) -> np.ndarray:
    """Landmarks (33, 3) of a pose of the mean body."""
    arm = np.asarray(MODEL.mean_landmarks, np.float64) - JOINTS[BONE]
    return np.asarray(np.einsum("nij,nj->ni", pose.world[BONE], arm) + pose.origin[BONE])


def test_points_are_placed_where_they_project() -> None:
    """A shopper's garment would start metres too near or too far and be lost."""
    points = np.random.default_rng(0).normal(0.0, 0.4, (33, 3))
    away = np.array([0.3, -0.2, 2.8])
    landmarks = np.column_stack([CAMERA.project(points + away), np.ones(33)])
    np.testing.assert_allclose(place(points, CAMERA, landmarks, np.ones(33)), away, atol=1e-3)


def test_nobody_stands_behind_the_camera() -> None:
    """Landmarks that make no sense would turn the picture inside out."""
    points = np.random.default_rng(0).normal(0.0, 0.4, (33, 3))
    mirrored = np.column_stack([CAMERA.project(-points + [0.0, 0.0, 2.0]), np.ones(33)])
    assert place(points, CAMERA, mirrored, np.ones(33))[2] >= 0.4


@pytest.mark.parametrize("hidden", [False, True])
def test_a_raised_arm_is_found_and_a_hidden_one_hangs(hidden: bool) -> None:
    """The first frames would show a sleeve where there is no arm."""
    seen = person(MODEL, {"left_upper_arm": (0.0, 0.0, 0.9)})
    weight = np.ones(33)
    if hidden:
        weight[[Landmark.LEFT_ELBOW, Landmark.LEFT_WRIST]] = 0.0
    pose = first_guess(SKELETON, ANATOMY, CAMERA, JOINTS, points_of, seen.landmarks, seen.world, weight)
    shoulder, elbow = (pose.origin[BONES.index(f"left_{part}")] for part in ("upper_arm", "forearm"))
    down = (elbow - shoulder)[1] / np.linalg.norm(elbow - shoulder)
    assert (down > 0.8) == hidden
