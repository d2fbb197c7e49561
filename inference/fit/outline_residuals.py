"""Points of the body's surface that pull its outline onto the edge of the person mask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.body.camera import Intrinsics
from inference.body.kinematics import Pose
from inference.body.model import BONES, REGIONS, BodyModel
from inference.body.skinning import dense_weights, transformed
from inference.body.surface import vertex_normals
from inference.body.surface_points import PosedPoints
from inference.pose.distance_field import DistanceField
from mirror.types import F64

POINTS = 1000
REACH = 0.09  # m, a point farther from the mask's edge belongs to another edge
SIDEWAYS = 0.30  # cosine to the line of sight below which a surface point is on the outline
# Pieces of limbs, joint to joint, and their mean radii in metres.
LIMBS = {
    ("upper_arm", "forearm"): 0.045,
    ("forearm", "hand"): 0.036,
    ("hand", "fingers"): 0.04,
    ("thigh", "shin"): 0.07,
    ("shin", "foot"): 0.05,
}
YIELD = 0.02  # m, over which an edge passes to a limb that explains it better
BEYOND = 0.005  # m past another limb's clothes a point surely shows
TRUNK = ("pelvis", "spine1", "spine2", "chest")
LEFT_OUT = ("head", "left_hand", "right_hand", "left_foot", "right_foot")


@dataclass
class Pull:
    """Outline points in use.

    ``index`` into the sample (n,), ``points`` in camera space (n, 3), signed ``distance`` to the mask's
    edge in metres (n,), the mask's outward ``direction`` in the picture (n, 2), and ``trust`` (n,) 0..1.
    """

    index: NDArray[np.intp]
    points: F64
    distance: F64
    direction: F64
    trust: F64


class Outline:
    """A fixed sample of surface points, trunk and limbs.

    ``bone`` (N,) the bone that moves a point most; ``basis`` (N, 3, K) its change with the shape.
    """

    def __init__(self, model: BodyModel) -> None:
        region = np.asarray(model.region)
        candidates = np.flatnonzero(~np.isin(region, [REGIONS.index(name) for name in LEFT_OUT]))
        area = _vertex_areas(model)[candidates]
        rng = np.random.default_rng(0)
        chosen = np.sort(rng.choice(candidates, POINTS, replace=False, p=area / area.sum()))
        indices, weights = model.skin_indices[chosen], model.skin_weights[chosen].astype(np.float64)
        self.bone = indices[np.arange(len(chosen)), np.argmax(weights, axis=1)].astype(int)
        self.basis = np.moveaxis(np.asarray(model.shape_basis[:, chosen], np.float64), 0, -1)
        self._shares = dense_weights(indices, weights, len(model.joints))
        self._mean = np.asarray(model.vertices[chosen], np.float64)
        self._normals = vertex_normals(model.vertices, model.faces)[chosen].astype(np.float64)
        self.rest = self._mean
        pieces = [(f"{side}_{a}", f"{side}_{b}") for side in ("left", "right") for a, b in LIMBS]
        self._ends = np.array([[BONES.index(name) for name in pair] for pair in pieces])
        self._thick = np.tile(list(LIMBS.values()), 2)
        limb = np.array([_limb(name) for name in BONES])
        self.on_arm = np.char.endswith(limb[self.bone], "arm")
        self.on_trunk = np.isin(self.bone, [BONES.index(name) for name in TRUNK])
        own = limb[self.bone][:, None] == limb[self._ends[:, 0]]
        # Hips and thighs are one outline; arms pass before everything.
        rivals = np.char.endswith(limb[self._ends[:, 0]], "arm") | (limb[self.bone] != "")[:, None]
        self._rivals = rivals & ~own  # (N, pieces)

    def reshape(self, shape: F64) -> None:
        """Rest points (N, 3) of another shape (K,)."""
        self.rest = self._mean + self.basis @ shape

    def pull(
        self,
        pose: Pose,
        matrices: F64,
        field: DistanceField,
        camera: Intrinsics,
        depth: float,
        clothes: F64,
    ) -> Pull:
        """The points that lie sideways to the camera, near an edge of the mask that faces their way.

        ``matrices`` (J, 3, 4) rest to camera space; ``depth`` metres of the person; ``clothes`` (J,) metres
        by which what is worn stands off each bone's flesh.
        """
        blended = (self._shares @ matrices.reshape(-1, 12)).reshape(-1, 3, 4)
        normals = np.einsum("nij,nj->ni", pose.world[self.bone], self._normals)
        posed = PosedPoints(transformed(blended, self.rest), normals)
        points, facing = posed.points, np.abs(posed.facing())
        index = np.flatnonzero(facing < SIDEWAYS)
        pixels = camera.project(points[index])
        value, direction, inside = field.sample(pixels)
        distance = value * depth / camera.focal + clothes[self.bone[index]]
        flat = normals[index, :2]
        flat = flat / (np.linalg.norm(flat, axis=1, keepdims=True) + 1e-9)
        agree = (flat * direction).sum(1)
        # Points fade in and out of use: a step here would be a jolt of the garment.
        trust = (1.0 - (facing[index] / SIDEWAYS) ** 2) * np.clip((agree - 0.5) / 0.3, 0.0, 1.0)
        trust *= np.clip((REACH - np.abs(distance)) / (0.4 * REACH), 0.0, 1.0)
        edge = pixels - value[:, None] * direction
        trust *= self._not_anothers(pixels, edge, index, distance, pose, camera, depth, clothes)
        use = inside & (trust > 0.02)
        return Pull(index[use], points[index[use]], distance[use], direction[use], trust[use])

    def _not_anothers(
        self, pixels: F64, edge: F64, index: NDArray[np.intp], distance: F64, pose: Pose,
        camera: Intrinsics, depth: float, clothes: F64,
    ) -> F64:  # fmt: skip
        """0..1 (n,): whether the mask's ``edge`` (n, 2) px by a point at ``pixels`` is its own.

        Where arms hang, the edge beside the trunk is theirs: the trunk must not grow out to it. And what
        lies within another limb's outline is no outline at all.
        """
        start, stop = (camera.project(pose.origin[self._ends[:, i]]) for i in (0, 1))
        along = stop - start
        thick, cloth = self._thick, clothes[self._ends[:, 0]]

        def gap(places: F64) -> F64:
            away = places[:, None] - start
            share = np.clip((away * along).sum(2) / ((along**2).sum(1) + 1e-9), 0.0, 1.0)
            out = np.linalg.norm(away - share[:, :, None] * along, axis=2) * depth / camera.focal
            out[~self._rivals[index]] = np.inf
            return np.asarray(out)

        miss = np.abs(gap(edge) - thick - cloth).min(1)
        clear = ((gap(pixels) - thick) / (cloth + BEYOND)).min(1)
        nearer = np.clip((miss - np.abs(distance)) / YIELD + 1.0, 0.0, 1.0)
        return np.asarray(nearer * np.clip(clear, 0.0, 1.0), np.float64)


def _limb(bone: str) -> str:
    """Limb that a bone belongs to, as "left_arm"; "" for the trunk and what hangs on it."""
    side, _, part = bone.partition("_")
    for limb, parts in (
        ("arm", ("upper_arm", "forearm", "hand", "fingers", "thumb")),
        ("leg", ("thigh", "shin")),
    ):
        if part.removesuffix("_twist") in parts:
            return f"{side}_{limb}"
    return ""


def _vertex_areas(model: BodyModel) -> F64:
    """A third of the area (V,) of the faces around each vertex, at rest."""
    corners = np.asarray(model.vertices, np.float64)[model.faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    return np.asarray(
        np.bincount(model.faces.ravel(), np.repeat(area / 3, 3), len(model.vertices)), np.float64
    )
