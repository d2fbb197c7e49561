"""Synthetic observations of a body whose pose and shape are known."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.body.camera import Intrinsics
from inference.body.kinematics import exp_so3
from inference.body.landmarks import HIPS, Landmark
from inference.body.model import BONES, BodyModel
from inference.fit.fitter import FACING
from mirror.types import F64

WIDTH, HEIGHT = 640, 480
CAMERA = Intrinsics.from_field_of_view(60.0, WIDTH, HEIGHT)


@dataclass
class Person:
    """What a perfect pose network would say: landmarks px, world metres, mask; and the truth."""

    landmarks: F64
    world: F64
    mask: NDArray[np.uint8]
    points: F64  # camera space
    vertices: F64  # camera space


def person(
    model: BodyModel,
    turns: dict[str, tuple[float, float, float]] | None = None,
    shape: F64 | None = None,
    place: tuple[float, float, float] = (0.0, 0.0, 2.6),
    yaw: float = 0.0,
    noise_px: float = 0.0,
    seed: int = 0,
) -> Person:
    """A body at ``place`` (pelvis, camera space), turned by ``yaw`` rad, joints bent by ``turns``."""
    rng = np.random.default_rng(seed)
    shape = np.zeros(model.components) if shape is None else shape
    vertices, joints = model.shaped(shape)
    rotations = np.tile(np.eye(3, dtype=np.float32), (len(BONES), 1, 1))
    rotations[0] = FACING @ exp_so3(np.array([0.0, yaw, 0.0]))
    for bone, turn in (turns or {}).items():
        rotations[BONES.index(bone)] = exp_so3(np.array(turn))
    matrices = model.pose(rotations, joints, np.asarray(place, np.float32) - joints[0])
    placed = model.skinned(vertices, matrices).astype(np.float64)
    points = model.posed_landmarks(model.landmarks(shape), matrices).astype(np.float64)
    pixels = CAMERA.project(points) + noise_px * rng.normal(size=(len(Landmark), 2))
    hips = points[list(HIPS)].mean(0)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    outline = np.rint(CAMERA.project(placed)).astype(np.int32)
    for face in model.faces:
        cv2.fillConvexPoly(mask, outline[face], 255)
    return Person(np.c_[pixels, np.full(len(Landmark), 0.99)], points - hips, mask, points, placed)
