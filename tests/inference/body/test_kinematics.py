"""Kinematics and the derivatives that the fit relies on."""

from __future__ import annotations

import numpy as np

from inference.body.kinematics import Skeleton, align, exp_so3, log_so3, rotation_columns, swing_twist
from inference.body.model import BodyModel

RNG = np.random.default_rng(3)


def test_rotation_vectors_survive_the_round_trip() -> None:
    """A wrong logarithm would pull limbs to wrong angles in every prior."""
    vectors = RNG.normal(size=(50, 3))
    vectors *= (RNG.uniform(0, 3.0, 50) / np.linalg.norm(vectors, axis=1))[:, None]
    vectors[0] = 0.0
    vectors[1] = 1e-9
    np.testing.assert_allclose(log_so3(exp_so3(vectors)), vectors, atol=1e-6)


def test_align_turns_one_direction_into_the_other_even_when_opposite() -> None:
    """An arm that points exactly away from its rest direction must not become NaN."""
    for source, target in (
        (RNG.normal(size=3), RNG.normal(size=3)),
        (np.array([0, 1.0, 0]), np.array([0, -2.0, 0])),
    ):
        turned = align(source, target) @ (source / np.linalg.norm(source))
        np.testing.assert_allclose(turned, target / np.linalg.norm(target), atol=1e-9)


def test_swing_and_twist_multiply_back_to_the_rotation() -> None:
    """Sleeves would wring or shift if the two parts were not the whole turn."""
    axis = np.array([0.6, -0.8, 0.0])
    rotation = exp_so3(np.array([0.4, -0.7, 1.1]))
    swing, angle = swing_twist(rotation, axis)
    np.testing.assert_allclose(swing @ exp_so3(angle * axis), rotation, atol=1e-9)
    # The swing carries no turn about the axis.
    assert abs(log_so3(swing) @ axis) < 1e-6


def test_derivative_of_a_point_is_what_turning_the_joint_does() -> None:
    """A wrong derivative makes the fit crawl or wander, and the garment with it."""
    model = BodyModel.load()
    skeleton = Skeleton(model.parents)
    joints = model.joints.astype(np.float64)
    local = exp_so3(0.3 * RNG.normal(size=(len(joints), 3)))
    pose = skeleton.forward(local, np.array([0.1, 0.2, 2.0]), joints)
    used = np.array([0, 3, 7, 9, 11])
    bone = np.array([11])
    point = pose.world[11] @ np.array([0.05, 0.02, -0.03]) + pose.origin[11]
    columns = rotation_columns(point[None], pose.origin[used], skeleton.ancestor[bone][:, used])
    analytic = columns.reshape(3, -1)
    step = 1e-6
    for column in range(3 * len(used)):
        delta = np.zeros((len(used), 3))
        delta.flat[column] = step
        moved = skeleton.forward(skeleton.turned(pose, used, delta), pose.translation, joints)
        after = moved.world[11] @ np.array([0.05, 0.02, -0.03]) + moved.origin[11]
        np.testing.assert_allclose((after - point) / step, analytic[:, column], atol=1e-4)


def test_a_thousand_small_turns_leave_rotations_rotations() -> None:
    """Rounding once grew from frame to frame until the body tore after some seconds."""
    model = BodyModel.load()
    skeleton = Skeleton(model.parents)
    joints = model.joints.astype(np.float64)
    pose = skeleton.forward(np.tile(np.eye(3), (len(joints), 1, 1)), np.zeros(3), joints)
    used = np.arange(len(joints))
    for _ in range(1000):
        local = skeleton.turned(pose, used, 0.02 * RNG.normal(size=(len(joints), 3)))
        pose = skeleton.forward(local, pose.translation, joints)
    np.testing.assert_allclose(
        pose.world @ np.swapaxes(pose.world, 1, 2), np.tile(np.eye(3), (30, 1, 1)), atol=1e-6
    )
