"""Points of the body's surface that pull its outline onto the edge of the person mask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.body_model import REGIONS, BodyModel, rest_normals
from inference.camera import Intrinsics
from inference.kinematics import Array, Pose
from inference.silhouette import DistanceField

POINTS = 700
CLOTHES = 0.020  # m, by which worn clothes stand off the body
REACH = 0.09  # m, a point farther from the mask's edge belongs to another edge
SIDEWAYS = 0.30  # cosine to the line of sight below which a surface point is on the outline
LEFT_OUT = ("head", "left_hand", "right_hand", "left_foot", "right_foot")


@dataclass
class Pull:
    """Outline points in use.

    ``index`` into the sample (n,), ``points`` in camera space (n, 3), signed ``distance`` to the mask's
    edge in metres (n,), the mask's outward ``direction`` in the picture (n, 2), and ``trust`` (n,) 0..1.
    """

    index: NDArray[np.intp]
    points: Array
    distance: Array
    direction: Array
    trust: Array


class Outline:
    """A fixed sample of surface points, trunk and limbs.

    ``bone`` (N,) the bone that moves a point most; ``basis`` (N, 3, K) its change with the shape.
    """

    def __init__(self, model: BodyModel) -> None:
        region = np.asarray(model.region)
        candidates = np.flatnonzero(~np.isin(region, [REGIONS.index(name) for name in LEFT_OUT]))
        chosen = np.sort(np.random.default_rng(0).permutation(candidates)[:POINTS])
        indices, weights = model.skin_indices[chosen], model.skin_weights[chosen].astype(np.float64)
        self.bone = indices[np.arange(len(chosen)), np.argmax(weights, axis=1)].astype(int)
        self.basis = np.moveaxis(np.asarray(model.shape_basis[:, chosen], np.float64), 0, -1)
        self._dense = np.zeros((len(chosen), len(model.joints)))
        np.add.at(self._dense, (np.arange(len(chosen))[:, None], indices), weights)
        self._mean = np.asarray(model.vertices[chosen], np.float64)
        self._normals = rest_normals(model.vertices, model.faces)[chosen].astype(np.float64)
        self.rest = self._mean

    def reshape(self, shape: Array) -> None:
        """Rest points (N, 3) of another shape (K,)."""
        self.rest = self._mean + self.basis @ shape

    def pull(
        self, pose: Pose, matrices: Array, field: DistanceField, camera: Intrinsics, depth: float
    ) -> Pull:
        """The points that lie sideways to the camera, near an edge of the mask that faces their way.

        ``matrices`` (J, 3, 4) rest to camera space; ``depth`` metres of the person.
        """
        blended = (self._dense @ matrices.reshape(-1, 12)).reshape(-1, 3, 4)
        points = np.einsum("nij,nj->ni", blended[:, :, :3], self.rest) + blended[:, :, 3]
        normals = np.einsum("nij,nj->ni", pose.world[self.bone], self._normals)
        view = points / np.linalg.norm(points, axis=1, keepdims=True)
        facing = np.abs(np.einsum("ni,ni->n", normals, view))
        index = np.flatnonzero(facing < SIDEWAYS)
        value, direction, inside = field.sample(camera.project(points[index]))
        distance = value * depth / camera.focal + CLOTHES
        flat = normals[index, :2]
        flat = flat / (np.linalg.norm(flat, axis=1, keepdims=True) + 1e-9)
        agree = (flat * direction).sum(1)
        # Points fade in and out of use: a step here would be a jolt of the garment.
        trust = (1.0 - (facing[index] / SIDEWAYS) ** 2) * np.clip((agree - 0.5) / 0.3, 0.0, 1.0)
        trust *= np.clip((REACH - np.abs(distance)) / (0.4 * REACH), 0.0, 1.0)
        use = inside & (trust > 0.02)
        return Pull(index[use], points[index[use]], distance[use], direction[use], trust[use])
