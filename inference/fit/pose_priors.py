"""What is known of a pose before a frame is looked at: joints' limits, natural rest, the frame before."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inference.body.kinematics import Pose, log_so3
from inference.fit.anatomy import Anatomy
from inference.fit.normal_equations import NormalEquations
from inference.fit.parameters import FIT
from mirror.types import F64


class PosePriors:
    """Prior residuals of the joints ``used`` (n,), the root first, whose parents are ``parents`` (n - 1,)."""

    def __init__(self, anatomy: Anatomy, used: NDArray[np.integer], parents: NDArray[np.integer]) -> None:
        self._anatomy, self._used, self._parents = anatomy, used, parents

    def add_limits(self, normal_equations: NormalEquations, pose: Pose) -> None:
        """Soft limits of the joints around their natural rest; the root is free."""
        body = self._anatomy
        frame = body.prior_frame[1:]
        local = np.einsum("nij,nj->ni", frame, log_so3(pose.local[self._used[1:]]))
        residual, sigma = local - body.prior_mean[1:], body.prior_sigma[1:].copy()
        beyond = body.hinge[1:] & (local[:, 0] < body.straight[1:])  # knees and elbows bend one way
        residual[beyond, 0] = (local[:, 0] - body.straight[1:])[beyond]
        sigma[beyond, 0] = FIT.sigma_hinge
        # turning joint j by d (camera axes) adds parent_world^T d to its local rotation vector
        jacobian = frame @ self._to_parents(pose)
        normal_equations.add_blocks(3, jacobian, residual, 1.0 / sigma**2)

    def add_previous(self, normal_equations: NormalEquations, pose: Pose, previous: Pose, dt: float) -> None:
        """Bodies move smoothly: the noise of one frame's landmarks is not followed. ``dt`` seconds."""
        pace = max(dt, 1e-3) * 30.0
        change = log_so3(pose.local[self._used] @ np.swapaxes(previous.local[self._used], 1, 2))
        frames = np.concatenate([np.eye(3)[None], self._to_parents(pose)])
        precision = np.broadcast_to(1.0 / (FIT.sigma_turn**2 * pace), change.shape)
        normal_equations.add_blocks(0, frames, change, precision)
        shift = pose.translation - previous.translation
        normal_equations.add_diagonal(3 * len(self._used), shift, 1.0 / (FIT.sigma_shift**2 * pace))

    def _to_parents(self, pose: Pose) -> F64:
        """(n - 1, 3, 3) from camera axes to those of each joint's parent."""
        return np.asarray(np.swapaxes(pose.world[self._parents], 1, 2))
