"""The body model: baked arrays, a shape space, a skeleton. NumPy only; no torch, no Anny.

Body space: metres, y up, z out of the chest, x to the wearer's left, origin on the floor between
the ankles. The rest pose is an A-pose; every bone's rest frame is axis-aligned, so that a bone's
transform at rest is the translation to its joint.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from safetensors import SafetensorError, safe_open

from inference.body.skinning import dense_weights, transformed
from mirror.errors import MirrorError
from mirror.types import F32

__all__ = ["BONES", "PARENTS", "REGIONS", "BodyModel"]

_LIMB = (
    "clavicle",
    "upper_arm",
    "upper_arm_twist",
    "forearm",
    "forearm_twist",
    "hand",
    "fingers",
    "thumb",
    "thigh",
    "shin",
    "foot",
    "toes",
)
BONES: tuple[str, ...] = (
    "pelvis",
    "spine1",
    "spine2",
    "chest",
    "neck",
    "head",
    *(f"left_{b}" for b in _LIMB),
    *(f"right_{b}" for b in _LIMB),
)
_PARENT = {
    "spine1": "pelvis",
    "spine2": "spine1",
    "chest": "spine2",
    "neck": "chest",
    "head": "neck",
    "clavicle": "chest",
    "upper_arm": "clavicle",
    "upper_arm_twist": "upper_arm",
    "forearm": "upper_arm",
    "forearm_twist": "forearm",
    "hand": "forearm",
    "fingers": "hand",
    "thumb": "hand",
    "thigh": "pelvis",
    "shin": "thigh",
    "foot": "shin",
    "toes": "foot",
}


def _parent(bone: str) -> int:
    side, _, name = bone.partition("_")
    if side not in ("left", "right"):
        return BONES.index(_PARENT[bone]) if bone in _PARENT else -1
    parent = _PARENT[name]
    return BONES.index(parent if parent in BONES else f"{side}_{parent}")


PARENTS: tuple[int, ...] = tuple(_parent(b) for b in BONES)
REGIONS: tuple[str, ...] = (
    "torso",
    "head",
    "neck",
    "left_upper_arm",
    "left_forearm",
    "left_hand",
    "right_upper_arm",
    "right_forearm",
    "right_hand",
    "hips",
    "left_thigh",
    "left_shin",
    "left_foot",
    "right_thigh",
    "right_shin",
    "right_foot",
)
_DEFAULT = Path(__file__).resolve().parent / "data" / "body.safetensors"


@dataclass(frozen=True)
class BodyModel:
    """A body of K shape components over V vertices and J = 30 bones.

    ``vertices`` (V, 3) and ``joints`` (J, 3) are the mean body in metres; ``shape_basis`` (K, V, 3)
    and ``joint_basis`` (K, J, 3) their change per standard deviation of each coefficient;
    ``shape_std`` (K,) the components' root-mean-square size in metres (how much each matters).
    ``skin_indices`` and ``skin_weights`` (V, 4), ``faces`` (F, 3) counter-clockwise from outside,
    ``region`` (V,) into ``REGIONS``. ``mean_landmarks`` (33, 3), ``landmark_basis`` (K, 33, 3):
    the ``Landmark`` points in the rest pose, each rigid to the bone ``landmark_bone`` (33,).
    """

    vertices: F32
    shape_basis: F32
    shape_std: F32
    joints: F32
    joint_basis: F32
    parents: NDArray[np.int16]
    skin_indices: NDArray[np.uint8]
    skin_weights: F32
    faces: NDArray[np.int32]
    region: NDArray[np.uint8]
    mean_landmarks: F32
    landmark_basis: F32
    landmark_bone: NDArray[np.uint8]
    measures_mean: F32
    measures_basis: F32
    measure_names: tuple[str, ...]

    @classmethod
    def load(cls, path: Path | None = None) -> BodyModel:
        """The packaged body, or another baked file; MirrorError if it is missing or damaged."""
        path = path or _DEFAULT
        if not path.is_file():
            raise MirrorError(f"no body model at {path}: restore the file from the repository")
        try:
            with safe_open(path, framework="numpy") as file:
                facts = json.loads((file.metadata() or {})["facts"])
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if tuple(facts["bones"]) != BONES or tuple(facts["regions"]) != REGIONS:
                raise MirrorError(
                    f"the body model {path} has other bones or regions than this version: bake it again"
                )
            return cls(
                vertices=arrays["vertices"],
                # Kept in half precision on disk only: float32 multiplies faster.
                shape_basis=arrays["shape_basis"].astype(np.float32),
                shape_std=arrays["shape_std"],
                joints=arrays["joints"],
                joint_basis=arrays["joint_basis"],
                parents=arrays["parents"],
                skin_indices=arrays["skin_indices"],
                skin_weights=arrays["skin_weights"],
                faces=arrays["faces"],
                region=arrays["region"],
                mean_landmarks=arrays["landmarks"],
                landmark_basis=arrays["landmark_basis"],
                landmark_bone=arrays["landmark_bone"],
                measures_mean=arrays["measures_mean"],
                measures_basis=arrays["measures_basis"],
                measure_names=tuple(facts["measures"]),
            )
        except (SafetensorError, KeyError, ValueError) as error:
            raise MirrorError(
                f"the body model {path} is damaged ({error}): restore it from the repository"
            ) from error

    @property
    def components(self) -> int:
        """K, the number of shape coefficients."""
        return len(self.shape_basis)

    def _coefficients(self, shape: ArrayLike | None) -> F32:
        if shape is None:
            return np.zeros(self.components, np.float32)
        coefficients = np.asarray(shape, np.float32)
        if coefficients.shape != (self.components,):
            raise ValueError(f"shape has {coefficients.shape}, the body model takes ({self.components},)")
        return coefficients

    def shaped(self, shape: ArrayLike | None = None) -> tuple[F32, F32]:
        """Rest (vertices (V, 3), joints (J, 3)) in metres for K coefficients in standard deviations."""
        c = self._coefficients(shape)
        return self.vertices + np.tensordot(c, self.shape_basis, 1), self.shaped_joints(c)

    def shaped_joints(self, shape: ArrayLike | None = None) -> F32:
        """Rest joints (J, 3) in metres alone (cheap: for the inner loop of a fit)."""
        joints: F32 = self.joints + np.tensordot(self._coefficients(shape), self.joint_basis, 1)
        return joints

    def landmarks(self, shape: ArrayLike | None = None) -> F32:
        """MediaPipe's 33 points of the rest pose (33, 3) in metres."""
        points: F32 = self.mean_landmarks + np.tensordot(self._coefficients(shape), self.landmark_basis, 1)
        return points

    def measures(self, shape: ArrayLike | None = None) -> dict[str, float]:
        """A tailor's measures in metres: height, shoulder_width, chest, waist, hip, arm, inseam."""
        values = self.measures_mean + self._coefficients(shape) @ self.measures_basis
        return dict(zip(self.measure_names, values.tolist(), strict=True))

    @cached_property
    def _dense_weights(self) -> F32:
        return dense_weights(self.skin_indices, self.skin_weights, len(BONES))

    def pose(self, rotations: ArrayLike, joints: ArrayLike, root: ArrayLike = (0.0, 0.0, 0.0)) -> F32:
        """Skinning matrices (J, 3, 4) that take rest points to posed ones.

        ``rotations`` (J, 3, 3): each bone's rotation relative to its parent, in the common rest axes
        (identity everywhere is the rest pose); ``joints`` (J, 3) the rest joints of the shape;
        ``root`` a translation added to the whole body, in the root rotation's outer frame.
        """
        local = np.asarray(rotations, np.float32)
        rest = np.asarray(joints, np.float32)
        turned = np.empty((len(BONES), 3, 3), np.float32)
        placed = np.empty((len(BONES), 3), np.float32)
        for j, p in enumerate(PARENTS):
            if p < 0:
                turned[j], placed[j] = local[j], rest[j] + np.asarray(root, np.float32)
            else:
                turned[j] = turned[p] @ local[j]
                placed[j] = placed[p] + turned[p] @ (rest[j] - rest[p])
        offsets = placed - np.einsum("jab,jb->ja", turned, rest)
        return np.concatenate([turned, offsets[:, :, None]], axis=2)

    def skinned(self, vertices: ArrayLike, matrices: ArrayLike) -> F32:
        """Posed (V, 3): rest ``vertices`` under skinning ``matrices`` (J, 3, 4), linear blend."""
        points = np.asarray(vertices, np.float32)
        moved = np.asarray(matrices, np.float32).reshape(len(BONES), 12)
        return transformed((self._dense_weights @ moved).reshape(-1, 3, 4), points)

    def posed_landmarks(self, landmarks: ArrayLike, matrices: ArrayLike) -> F32:
        """Posed (33, 3): rest ``landmarks`` carried by their bones."""
        m = np.asarray(matrices, np.float32)[self.landmark_bone]
        return transformed(m, np.asarray(landmarks, np.float32))
