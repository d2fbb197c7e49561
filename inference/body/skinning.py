"""Linear blend skinning: rest points carried by bones.

Bone transforms (J, 3, 4) take rest points of the shaped body to camera space, metres (OpenCV axes), as
``mirror.messages.Body`` documents them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mirror.types import F32

__all__ = ["dense_weights", "skin_points", "transformed"]


def dense_weights(indices: NDArray[np.integer], weights: NDArray[Any], bones: int) -> NDArray[Any]:
    """The share of every bone in every point (N, bones), of the bone ``indices`` and ``weights`` (N, 4)."""
    dense = np.zeros((len(indices), bones), weights.dtype)
    np.add.at(dense, (np.arange(len(indices))[:, None], indices), weights)
    return dense


def skin_points(points: F32, shares: F32, bone_transforms: F32) -> F32:
    """Rest points (N, 3) in camera space (N, 3): linear blend skinning.

    ``shares`` (N, J) as ``dense_weights`` gives them.
    """
    matrices = (shares @ bone_transforms.reshape(len(bone_transforms), 12)).reshape(-1, 3, 4)
    homogeneous = np.concatenate([points, np.ones((len(points), 1), np.float32)], axis=1)
    camera: F32 = np.einsum("nij,nj->ni", matrices, homogeneous)
    return camera


def transformed(matrices: NDArray[Any], points: NDArray[Any]) -> NDArray[Any]:
    """Points (N, 3), each by its own rotation and shift (N, 3, 4)."""
    return np.asarray(np.einsum("nij,nj->ni", matrices[:, :, :3], points) + matrices[:, :, 3])
