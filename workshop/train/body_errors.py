"""How well bodies agree: joints in the picture, the trunk's surface, a tailor's measures."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from inference.body.landmarks import ANKLES, ELBOWS, HIPS, KNEES, SHOULDERS, WRISTS
from inference.body.model import BONES, REGIONS, BodyModel
from inference.body.skinning import dense_weights, skin_points
from inference.body.surface import vertex_normals
from inference.fit.anatomy import Anatomy
from mirror.types import F32, F64
from workshop.bake import measures as bake_measures

JOINTS = tuple(
    BONES.index(f"{side}_{bone}")
    for bone in ("upper_arm", "forearm", "hand", "thigh", "shin", "foot")
    for side in ("left", "right")
)
# The pose network's points for the same joints.
LANDMARKS_OF_JOINTS = (*SHOULDERS, *ELBOWS, *WRISTS, *HIPS, *KNEES, *ANKLES)
SHOULDERS_HIPS = tuple(
    BONES.index(f"{side}_{bone}") for bone in ("upper_arm", "thigh") for side in ("left", "right")
)
CIRCUMFERENCES = ("chest", "waist", "hip")
LENGTHS = ("shoulder_width", "arm", "inseam")
_TRUNK = [REGIONS.index(name) for name in ("torso", "hips")]


def joints_of(transforms: F32, rest: F32, chosen: tuple[int, ...] = JOINTS) -> F64:
    """Camera-space joints (n, 3) from skinning matrices (J, 3, 4) and rest joints (J, 3)."""
    index = list(chosen)
    return np.asarray(
        np.einsum("jab,jb->ja", transforms[index][:, :, :3], rest[index]) + transforms[index][:, :, 3],
        np.float64,
    )


def trunk_px(transforms: F32, rest: F32, focal: float) -> float:
    """Length of the trunk in px at its distance, from hips to shoulders."""
    points = joints_of(transforms, rest, SHOULDERS_HIPS)
    length = float(np.linalg.norm(points[:2].mean(0) - points[2:].mean(0)))
    return length * focal / float(points[:, 2].mean())


def facing_deg(transforms: F32) -> float:
    """How far the body is turned from the camera: 0 to it, 180 away from it, about the vertical."""
    pelvis = transforms[0].astype(np.float64)
    forward, place = pelvis[:, 2][[0, 2]], pelvis[:, 3][[0, 2]]
    towards = -place / np.linalg.norm(place)
    forward = forward / np.linalg.norm(forward)
    return float(np.degrees(np.arccos(np.clip(forward @ towards, -1, 1))))


class TrunkSurface:
    """Distance between a fitted and a true trunk."""

    def __init__(self, model: BodyModel) -> None:
        self._model = model
        self._index = np.flatnonzero(np.isin(model.region, _TRUNK))[::2]
        self._shares = dense_weights(
            model.skin_indices[self._index], model.skin_weights[self._index], len(BONES)
        )
        self._normals = vertex_normals(model.vertices, model.faces)[self._index]

    def error_m(
        self, transforms: F32, shape: F32, true_transforms: F32, true_vertices: F32, scale: float
    ) -> float:
        """Mean distance in metres of the true trunk to the fitted one's tangent planes.

        The fitted trunk is made ``scale`` times as large (the one known length) and laid on the true one
        by the best rotation and shift (Kabsch 1976).
        """
        rest = self._model.vertices[self._index] + np.tensordot(
            shape, self._model.shape_basis[:, self._index], 1
        )
        ours = skin_points(rest, self._shares, transforms).astype(np.float64) * scale
        truth = skin_points(true_vertices[self._index], self._shares, true_transforms).astype(np.float64)
        turned = np.einsum(
            "vab,vb->va",
            (self._shares @ transforms.reshape(-1, 12)).reshape(-1, 3, 4)[:, :, :3],
            self._normals,
        )
        turned = turned / np.linalg.norm(turned, axis=1, keepdims=True)
        a, b = ours - ours.mean(0), truth - truth.mean(0)
        u, _, v = np.linalg.svd(a.T @ b)
        turn = (u @ np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ v))]) @ v).T
        placed, normals = a @ turn.T, turned @ turn.T
        nearest = cKDTree(placed).query(b)[1]
        return float(np.abs(((b - placed[nearest]) * normals[nearest]).sum(1)).mean())


def grown_rest(model: BodyModel, transforms: F32, shape: F32) -> tuple[F32, F32]:
    """Rest (vertices, joints) of a fitted body, its girths included.

    The girths are in the skinning matrices: each is a rotation times a growth across the bone, which the
    polar decomposition tells apart.
    """
    vertices, joints = model.shaped(shape)
    centre = Anatomy(model).girth_centre
    _, s, v = np.linalg.svd(transforms[:, :, :3].astype(np.float64))
    growth = np.swapaxes(v, 1, 2) @ (s[:, :, None] * v)
    offset = centre - np.einsum("jab,jb->ja", growth, centre)
    return model.skinned(vertices, np.concatenate([growth, offset[:, :, None]], axis=2)), joints


def measures_of(model: BodyModel, vertices: F32, joints: F32) -> dict[str, float]:
    """A tailor's measures in metres of rest vertices (V, 3), found at the same points on every body."""
    pair = np.stack([model.vertices, vertices]).astype(np.float64)
    both = np.stack([model.joints, joints]).astype(np.float64)
    found = bake_measures.measure(pair, both, model.faces.astype(np.int64), model.region)
    return {name: float(values[1]) for name, values in found.items()}


def measure_errors(ours: dict[str, float], truth: dict[str, float]) -> dict[str, float]:
    """Signed errors in cm once ours is scaled to the true height, and the ratio of the heights before."""
    ratio = ours["height"] / truth["height"]
    errors = {name: 100 * (ours[name] / ratio - truth[name]) for name in (*CIRCUMFERENCES, *LENGTHS)}
    return {"height_ratio": ratio, **errors}
