"""The pose that a fit starts from: world landmarks alone, placed before the camera by where they project."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from inference.body.camera import Intrinsics
from inference.body.kinematics import Pose, Skeleton, align, exp_so3
from inference.body.landmarks import HIPS, TRUNK, Landmark
from inference.body.model import BONES
from inference.fit.anatomy import OPTIMISED, Anatomy
from mirror.types import F64

HIPS_UNSEEN, LIMB_UNSEEN = 0.1, 0.2  # weights below which nothing is read from them
NEAREST_M, FARTHEST_M = 0.4, 12.0
PLACING = (Landmark.NOSE, *TRUNK)  # say how far away the person is; a foreshortened arm does not


def first_guess(
    skeleton: Skeleton, anatomy: Anatomy, camera: Intrinsics, joints: F64,
    points_of: Callable[[Pose], F64], landmarks: F64, world: F64, weight: F64,
) -> Pose:  # fmt: skip
    """A pose, camera space, of rest ``joints`` (J, 3), from one frame.

    ``points_of`` gives a pose's 33 landmarks (33, 3); ``landmarks`` (33, 2 or more) px, ``world`` (33, 3)
    metres in camera axes and ``weight`` (33,) 0..1 are the frame's.
    """
    local = np.tile(np.eye(3), (len(BONES), 1, 1))
    left_shoulder, right_shoulder, left_hip, right_hip = world[list(TRUNK)]
    up = (left_shoulder + right_shoulder - left_hip - right_hip) / 2
    across = (left_shoulder - right_shoulder) + 0.5 * (left_hip - right_hip)
    if weight[list(HIPS)].max() < HIPS_UNSEEN:  # stand upright
        up = np.array([0.0, -1.0, 0.0]) * max(float(np.linalg.norm(up)), 0.1)
        across = left_shoulder - right_shoulder
    y = up / np.linalg.norm(up)
    x = across - (across @ y) * y
    x /= np.linalg.norm(x) + 1e-9
    local[0] = np.stack([x, y, np.cross(x, y)], axis=1)
    pose = skeleton.forward(local, np.array([0.0, 0.0, 2.5]), joints)
    for side in ("left", "right"):
        for part, near, far in (
            ("upper_arm", "shoulder", "elbow"),
            ("forearm", "elbow", "wrist"),
            ("thigh", "hip", "knee"),
            ("shin", "knee", "ankle"),
        ):
            bone = anatomy.bone(f"{side}_{part}")
            start, end = Landmark.of(side, near), Landmark.of(side, far)
            if weight[[start, end]].min() < LIMB_UNSEEN:
                prior = OPTIMISED.index(f"{side}_{part}")
                local[bone] = exp_so3(anatomy.prior_frame[prior].T @ anatomy.prior_mean[prior])
            else:
                frame = pose.world[skeleton.parents[bone]]
                target = frame.T @ (world[end] - world[start])
                local[bone] = align(anatomy.axis[bone], target)
            pose = skeleton.forward(local, pose.translation, joints)
    translation = place(points_of(pose) - pose.translation, camera, landmarks, weight)
    return skeleton.forward(local, translation, joints)


def place(points: F64, camera: Intrinsics, landmarks: F64, weight: F64) -> F64:
    """Translation (3,) that best projects ``points`` (33, 3) of a posed body (linear least squares)."""
    ray = (landmarks[:, :2] - [camera.cx, camera.cy]) / camera.focal
    rows, right = [], []
    importance = weight * np.where(np.isin(np.arange(len(Landmark)), PLACING), 3.0, 0.3) + 1e-4
    for axis in range(2):
        row = np.zeros((len(Landmark), 3))
        row[:, axis] = 1.0
        row[:, 2] = -ray[:, axis]
        rows.append(row * importance[:, None])
        right.append((ray[:, axis] * points[:, 2] - points[:, axis]) * importance)
    solution = np.linalg.lstsq(np.concatenate(rows), np.concatenate(right), rcond=None)[0]
    solution[2] = np.clip(solution[2], NEAREST_M, FARTHEST_M)
    return np.asarray(solution)
