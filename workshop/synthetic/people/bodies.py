"""The people of the proof: bodies that the fit's ten components cannot make exactly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from scipy.spatial import cKDTree

from inference.body.model import BodyModel
from inference.body.surface import welded_normals
from mirror.errors import MirrorError
from mirror.types import F32
from render.garments.garment import Garment
from render.garments.mesh import SkinnedMesh
from render.garments.worn_garment import WornGarment

_PEOPLE = Path(__file__).resolve().parent / "data" / "people.safetensors"
_NEIGHBOURS = 6  # points of the skin that carry a point of a garment


@dataclass(frozen=True)
class TrueBody:
    """One person at rest.

    ``model`` has the person's own vertices, joints and landmarks as its mean and no shape to change:
    everything that takes a body model takes it, with a shape of zeros. ``shape`` (K,) are the
    coefficients of the mirror's body model that come nearest, ``residual`` (V, 3) metres what they miss.
    """

    number: int
    model: BodyModel
    shape: F32
    residual: F32

    @property
    def height_m(self) -> float:
        """Stature in metres."""
        return float(np.ptp(self.model.vertices[:, 1]))

    def wear(self, garment: Garment) -> SkinnedMesh:
        """The garment on this body: shaped by ``shape``, then carried by what that misses of the skin."""
        positions = garment.vertices + np.tensordot(self.shape, garment.shape_targets, 1)
        skin = self.model.vertices - self.residual
        away, index = cKDTree(skin).query(positions, k=_NEIGHBOURS)
        weight = 1.0 / np.maximum(away, 0.004) ** 2
        weight /= weight.sum(1, keepdims=True)
        positions = (positions + (weight[..., None] * self.residual[index]).sum(1)).astype(np.float32)
        return SkinnedMesh(
            positions=positions,
            normals=welded_normals(positions, garment.faces),
            faces=garment.faces,
            joints=garment.joints,
            weights=garment.weights,
            shape_basis=np.zeros_like(garment.shape_targets),
            texcoords=garment.uv * np.array([1, -1], np.float32),
            tangents=garment.tangents * np.array([1, 1, 1, -1], np.float32),
            detail_uv=garment.detail_uv,
        )


@lru_cache(maxsize=1)
def load_people() -> tuple[TrueBody, ...]:
    """All of them. MirrorError if the packaged file is missing or damaged."""
    try:
        with safe_open(_PEOPLE, framework="numpy") as file:
            offsets = file.get_tensor("offsets").astype(np.float32)
            joints = file.get_tensor("joints")
    except (OSError, SafetensorError) as error:
        raise MirrorError(
            f"the people {_PEOPLE} are missing or damaged ({error}): restore the file from the repository"
        ) from error
    model = BodyModel.load()
    if offsets.shape[1:] != model.vertices.shape:
        raise MirrorError(f"the people {_PEOPLE} belong to another body model: bake them again")
    return tuple(true_body(i, model, o, j) for i, (o, j) in enumerate(zip(offsets, joints, strict=True)))


def true_body(number: int, model: BodyModel, offsets: F32, joints: F32) -> TrueBody:
    """A person whose rest vertices lie ``offsets`` (V, 3) off the model's mean; ``joints`` (J, 3), metres."""
    rows = model.shape_basis.reshape(model.components, -1).astype(np.float64).T
    shape = np.linalg.lstsq(rows, offsets.ravel().astype(np.float64), rcond=None)[0].astype(np.float32)
    residual = offsets - np.tensordot(shape, model.shape_basis, 1)
    vertices = model.vertices + offsets
    # Face landmarks lie on the skin and go where it goes; what lies inside is a joint.
    landmarks = model.landmarks(shape)
    index = cKDTree(vertices - residual).query(landmarks, k=_NEIGHBOURS)[1]
    moved = (landmarks + residual[index].mean(1)).astype(np.float32)
    own = of_one_shape(model, vertices, joints, moved)
    return TrueBody(number, own, shape, residual.astype(np.float32))


def of_one_shape(model: BodyModel, vertices: F32, joints: F32, landmarks: F32) -> BodyModel:
    """The model with these rest vertices (V, 3), joints (J, 3) and landmarks (33, 3), metres, for good."""
    return replace(
        model,
        vertices=vertices,
        shape_basis=np.zeros_like(model.shape_basis),
        joints=joints,
        joint_basis=np.zeros_like(model.joint_basis),
        mean_landmarks=landmarks,
        landmark_basis=np.zeros_like(model.landmark_basis),
    )


def cloth_on(body: TrueBody, garment: Garment, cloth: WornGarment) -> WornGarment:
    """``cloth`` (of ``garment``, as the mirror draws it) on this body instead of on the mean one."""
    return replace(cloth, mesh=body.wear(garment), size_steps=0.0, anchors=dict(garment.anchors))
