"""Points of the posed body's surface, in camera space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from inference.body.kinematics import Pose
from inference.body.model import BodyModel
from inference.body.skinning import transformed
from inference.body.surface import vertex_normals
from mirror.types import F32, F64

__all__ = ["PosedBody", "PosedPoints", "SurfacePoints"]


class PosedBody(Protocol):
    """A body in one frame: ``inference.fit.fitter.Fit``, or a made-up one."""

    bone_transforms: F32
    shape: F64
    pose: Pose


@dataclass(frozen=True)
class PosedPoints:
    """Points of the surface (N, 3) in camera space, metres, and unit normals (N, 3) there."""

    points: NDArray[Any]
    normals: NDArray[Any]

    def facing(self) -> NDArray[Any]:
        """Cosine (N,) of each normal to the line of sight: -1 looks straight into the camera."""
        view = self.points / np.linalg.norm(self.points, axis=1, keepdims=True)
        return np.asarray(np.einsum("ni,ni->n", self.normals, view))


class SurfacePoints:
    """Points of the body's surface that follow shape and pose, each rigid to one bone.

    ``rest`` (N, 3) float32 on the mean body, ``basis`` (K, N, 3) their change with the shape, ``normals``
    (N, 3) at rest in the precision that is wanted of the posed ones; ``bone`` (N,), or one for all.
    """

    def __init__(self, rest: F32, basis: F32, normals: NDArray[Any], bone: NDArray[np.integer] | int) -> None:
        self._rest, self._basis, self._normals, self._bone = rest, basis, normals, bone

    @classmethod
    def at_vertices(
        cls, model: BodyModel, vertices: NDArray[np.integer], dtype: type[np.floating] = np.float64,
        bone: int | None = None,
    ) -> SurfacePoints:  # fmt: skip
        """Vertices of the model (N,), with the bone that moves each most, or all with ``bone``."""
        own = model.skin_indices[vertices, np.argmax(model.skin_weights[vertices], axis=1)]
        return cls(
            model.vertices[vertices],
            np.ascontiguousarray(model.shape_basis[:, vertices]),
            vertex_normals(model.vertices, model.faces)[vertices].astype(dtype),
            own if bone is None else bone,
        )

    def posed(self, body: PosedBody) -> PosedPoints:
        """Where the points are in a frame; float32, and the normals in their own precision."""
        rest = self._rest + np.tensordot(body.shape.astype(np.float32), self._basis, 1)
        matrices = body.bone_transforms[self._bone]
        turn = body.pose.world[self._bone].astype(self._normals.dtype)
        if matrices.ndim == 2:  # all rigid to one bone: a matrix product is quicker
            return PosedPoints(rest @ matrices[:, :3].T + matrices[:, 3], self._normals @ turn.T)
        return PosedPoints(transformed(matrices, rest), np.einsum("nij,nj->ni", turn, self._normals))
