"""Skinning, and points of the surface in camera space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from inference.body.camera import Intrinsics, projection_jacobian
from inference.body.kinematics import Pose, Skeleton, exp_so3
from inference.body.model import BONES, REGIONS, BodyModel
from inference.body.skinning import dense_weights, skin_points
from inference.body.surface_points import PosedPoints, SurfacePoints
from inference.fit.fitter import FACING
from mirror.types import F32, F64

MODEL = BodyModel.load()


@dataclass
class Standing:
    """Somebody before the camera, turned a little."""

    bone_transforms: F32
    shape: F64
    pose: Pose


def standing() -> Standing:
    shape = np.linspace(-1.0, 1.0, MODEL.components)
    joints = MODEL.shaped_joints(shape)
    local = np.tile(np.eye(3), (len(BONES), 1, 1))
    local[0] = FACING @ exp_so3(np.array([0.0, 0.4, 0.0]))
    pose = Skeleton(MODEL.parents).forward(local, np.array([0.1, 0.0, 2.5]), joints.astype(np.float64))
    transforms = MODEL.pose(local, joints, np.array([0.1, 0.0, 2.5]) - joints[0])
    return Standing(transforms, shape, pose)


def test_all_ways_to_skin_agree() -> None:
    """Masks, light and garment would each see another body."""
    body = standing()
    rest = MODEL.shaped(body.shape)[0]
    whole = MODEL.skinned(rest, body.bone_transforms)
    shares = dense_weights(MODEL.skin_indices, MODEL.skin_weights, len(BONES))
    np.testing.assert_allclose(skin_points(rest, shares, body.bone_transforms), whole, atol=1e-5)
    rigid = np.flatnonzero(MODEL.skin_weights.max(1) > 0.999)
    np.testing.assert_allclose(
        SurfacePoints.at_vertices(MODEL, rigid).posed(body).points, whole[rigid], atol=2e-3
    )


def test_points_of_one_bone_are_those_of_the_general_way() -> None:
    """The head's points take a quicker way: hair would be looked for beside the head."""
    body = standing()
    head = np.flatnonzero(np.asarray(MODEL.region) == REGIONS.index("head"))
    head = head[MODEL.skin_weights[head].max(1) > 0.999]
    bone = int(MODEL.skin_indices[head[0], 0])
    alone = SurfacePoints.at_vertices(MODEL, head, bone=bone).posed(body)
    usual = SurfacePoints.at_vertices(MODEL, head).posed(body)
    np.testing.assert_allclose(alone.points, usual.points, atol=1e-5)
    np.testing.assert_allclose(alone.normals, usual.normals, atol=1e-9)


def test_facing_is_the_cosine_to_the_line_of_sight() -> None:
    """Light would be read off the side of the face that is not seen."""
    points = np.array([[0.0, 0.0, 2.0], [2.0, 0.0, 2.0]])
    normals = np.array([[0.0, 0.0, -1.0], [0.0, 0.0, -1.0]])
    assert PosedPoints(points, normals).facing() == pytest.approx([-1.0, -np.sqrt(0.5)])


def test_the_projections_derivative_is_that_of_project() -> None:
    """The fit would step the wrong way."""
    camera, points = Intrinsics(500.0, 320.0, 240.0), np.array([[0.3, -0.2, 2.0], [-0.1, 0.4, 1.5]])
    jacobian = projection_jacobian(points, 2.0)
    for axis in range(3):
        step = np.zeros(3)
        step[axis] = 1e-6
        moved = (camera.project(points + step) - camera.project(points)) / 1e-6 * (2.0 / camera.focal)
        np.testing.assert_allclose(jacobian[:, :, axis], moved, atol=1e-5)
