"""Forward kinematics of the body model and the derivatives that the fit needs.

Rotations are changed by small rotation vectors in *camera* axes about each joint, so a point
that moves with joint j moves by ``delta x (p - p_j)``; no Euler angles, no singular poses.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mirror.types import F64

__all__ = ["Pose", "Skeleton", "align", "exp_so3", "log_so3", "rotation_columns", "swing_twist"]


def exp_so3(vector: F64) -> F64:
    """Rotation matrices (..., 3, 3) of rotation vectors (..., 3) in radians (Rodrigues)."""
    vector = np.asarray(vector, np.float64)
    angle = np.sqrt((vector**2).sum(-1))[..., None, None]
    x, y, z = vector[..., 0], vector[..., 1], vector[..., 2]
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*vector.shape[:-1], 3, 3)
    small = angle < 1e-6
    safe = np.where(small, 1.0, angle)
    a = np.where(small, 1.0 - angle**2 / 6, np.sin(safe) / safe)
    b = np.where(small, 0.5 - angle**2 / 24, (1 - np.cos(safe)) / safe**2)
    return np.asarray(np.eye(3) + a * cross + b * (cross @ cross))


def log_so3(rotation: F64) -> F64:
    """Rotation vectors (..., 3) in radians of rotation matrices (..., 3, 3); angle below pi."""
    cosine = np.clip((np.trace(rotation, axis1=-2, axis2=-1) - 1) / 2, -1.0, 1.0)
    angle = np.arccos(cosine)
    skew = np.stack(
        [
            rotation[..., 2, 1] - rotation[..., 1, 2],
            rotation[..., 0, 2] - rotation[..., 2, 0],
            rotation[..., 1, 0] - rotation[..., 0, 1],
        ],
        -1,
    )
    sine = np.sin(angle)
    scale = np.where(sine > 1e-6, angle / np.where(sine > 1e-6, 2 * sine, 1.0), 0.5)
    return np.asarray(scale[..., None] * skew)


def align(source: F64, target: F64) -> F64:
    """The smallest rotation (3, 3) that turns direction ``source`` (3,) into ``target`` (3,)."""
    a = source / (np.linalg.norm(source) + 1e-12)
    b = target / (np.linalg.norm(target) + 1e-12)
    axis = np.cross(a, b)
    sine, cosine = float(np.linalg.norm(axis)), float(a @ b)
    if sine < 1e-8:
        if cosine > 0:
            return np.eye(3)
        other = np.cross(a, [1.0, 0.0, 0.0] if abs(a[0]) < 0.9 else [0.0, 1.0, 0.0])
        return exp_so3(np.pi * other / np.linalg.norm(other))
    return exp_so3(axis / sine * np.arctan2(sine, cosine))


def swing_twist(rotation: F64, axis: F64) -> tuple[F64, float]:
    """Split ``rotation`` (3, 3) into swing @ twist; returns (swing, twist angle about ``axis``)."""
    vector = log_so3(rotation)
    angle = float(np.linalg.norm(vector))
    half = np.sin(angle / 2) * (vector / angle if angle > 1e-9 else vector)
    twist = 2.0 * float(np.arctan2(half @ axis, np.cos(angle / 2)))
    twist = (twist + np.pi) % (2 * np.pi) - np.pi
    return np.asarray(rotation @ exp_so3(-twist * axis)), twist


@dataclass
class Pose:
    """A posed skeleton.

    ``local`` (J, 3, 3) joint rotations, ``translation`` (3,) of the root joint in camera space in
    metres, and what follows from them: ``world`` (J, 3, 3) rotations, ``origin`` (J, 3) joints.
    """

    local: F64
    translation: F64
    world: F64
    origin: F64


class Skeleton:
    """The joint tree: parents (J,), root first, parents before children."""

    def __init__(self, parents: NDArray[np.integer]) -> None:
        self.parents = [int(p) for p in parents]
        count = len(self.parents)
        self.ancestor = np.zeros((count, count), bool)  # ancestor[b, j]: bone b moves with joint j
        for bone, parent in enumerate(self.parents):
            if parent >= 0:
                self.ancestor[bone] = self.ancestor[parent]
            self.ancestor[bone, bone] = True

    def forward(self, local: F64, translation: F64, joints: F64) -> Pose:
        """Pose the skeleton whose rest joints are ``joints`` (J, 3) metres, body space."""
        world = np.empty_like(local)
        origin = np.empty((len(self.parents), 3))
        for bone, parent in enumerate(self.parents):
            if parent < 0:
                world[bone] = local[bone]
                origin[bone] = translation
            else:
                world[bone] = world[parent] @ local[bone]
                origin[bone] = origin[parent] + world[parent] @ (joints[bone] - joints[parent])
        return Pose(local, translation, world, origin)

    def shape_origin(self, pose: Pose, joint_basis: F64) -> F64:
        """Derivative of ``origin`` by the shape (J, 3, K), for joint_basis (J, 3, K)."""
        out = np.zeros_like(joint_basis)
        for bone, parent in enumerate(self.parents):
            if parent >= 0:
                out[bone] = out[parent] + pose.world[parent] @ (joint_basis[bone] - joint_basis[parent])
        return out

    def turned(self, pose: Pose, joint_ids: NDArray[np.integer], delta: F64) -> F64:
        """Local rotations after turning joints by ``delta`` (n, 3) about camera axes."""
        parents = np.array(self.parents)[joint_ids]
        # The root's turn is in camera axes already.
        frame = np.where((parents >= 0)[:, None, None], pose.world[parents], np.eye(3))
        local = pose.local.copy()
        local[joint_ids] = np.swapaxes(frame, 1, 2) @ exp_so3(delta) @ frame @ local[joint_ids]
        # One Newton step towards the nearest rotation: rounding would grow from frame to frame.
        squares = np.swapaxes(local, 1, 2) @ local
        return np.asarray(local @ (1.5 * np.eye(3) - 0.5 * squares))


def rotation_columns(points: F64, origins: F64, moves: NDArray[np.bool_]) -> F64:
    """Derivative (N, 3, n, 3) of points (N, 3) by turns of joints at ``origins`` (n, 3), ``moves`` (N, n).

    Last axis: the turn's x, y, z component; second: the point's coordinates.
    """
    arm = (points[:, None, :] - origins[None]) * moves[..., None]
    x, y, z = arm[..., 0], arm[..., 1], arm[..., 2]
    zero = np.zeros_like(x)
    # column k is e_k x arm
    return np.stack(
        [
            np.stack([zero, z, -y], -1),
            np.stack([-z, zero, x], -1),
            np.stack([y, -x, zero], -1),
        ],
        1,
    )
