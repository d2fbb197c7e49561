"""What the pose network's landmarks mean on the body model, and how far each kind is to be believed."""

from __future__ import annotations

import numpy as np

from inference.body.camera import Intrinsics
from inference.body.kinematics import align
from inference.body.landmarks import ARM_BONES, FACE, HIPS, LEG_BONES, SHOULDERS, TRUNK, Landmark
from inference.fit.normal_equations import NormalEquations
from mirror.types import F64

SIGMA_LINES = 0.10  # rad, directions of ``LINES`` in the world landmarks
SIGMA_UPRIGHT, CLEAR_LEAN = 0.10, 0.35  # rad, of the line from hips to shoulders
LANDMARK_TRUST = np.array(
    [0.7] * 11  # face
    + [1.0] * 2  # shoulders
    + [1.0] * 4  # elbows, wrists
    + [0.5] * 6  # knuckles
    + [0.8] * 2  # hips
    + [1.0] * 4  # knees, ankles
    + [0.5] * 4  # heels, toes
)
# The same in the fit, beside that: features of a face lie where they lie on no two people alike, and pull the
# whole body nearer than it is.
FIT_TRUST = np.where(np.isin(np.arange(len(Landmark)), FACE), 0.2, 1.0)
# Where the network's landmarks lie against the joints of the body model: bone they move with, and metres
# (outwards, up, forward) at rest on the mean body. It learnt from people who clicked on the tops of
# shoulders, the front of the groin and kneecaps; measured by workshop/bake/landmark_offsets.py.
LANDMARK_SHIFT = {
    "shoulder": ("chest", (-0.001, 0.030, -0.001)),
    "elbow": ("upper_arm", (-0.0095, 0.0090, -0.0017)),  # along the bone: no twist of the arm moves it
    "hip": ("thigh", (-0.011, -0.041, 0.025)),
    "knee": ("shin", (-0.004, -0.024, 0.010)),
    "ankle": ("foot", (-0.012, 0.024, 0.004)),
}
# Lines of the trunk as sums of landmarks: shoulder to shoulder, hip to hip, and from hips to shoulders.
LINES = np.zeros((3, len(Landmark)))
LINES[0, list(SHOULDERS)] = LINES[1, list(HIPS)] = 1.0, -1.0
LINES[2, list(TRUNK)] = 0.5, 0.5, -0.5, -0.5
UPRIGHT = np.array([0.0, -1.0, 0.0])
WORLD_SCALE_RATE = 0.2  # of a frame in the running scale
WORLD_SCALE_LIMITS = (0.6, 1.6)
# World-landmark bones that tell the scale of the world landmarks against the model.
SCALE_BONES = (
    *ARM_BONES,
    *((near.mirrored, far.mirrored) for near, far in ARM_BONES),
    SHOULDERS,
    (Landmark.LEFT_SHOULDER, Landmark.LEFT_HIP),
    (Landmark.RIGHT_SHOULDER, Landmark.RIGHT_HIP),
    *((near.mirrored, far.mirrored) if right else (near, far) for near, far in LEG_BONES for right in (0, 1)),
)


def world_scale(points: F64, world: F64, weight: F64) -> float | None:
    """Size of the model's ``points`` (33, 3) against ``world`` landmarks (33, 3); None if none is seen."""
    ours = theirs = 0.0
    for a, b in SCALE_BONES:
        trust = float(min(weight[a], weight[b]))
        ours += trust * float(np.linalg.norm(points[a] - points[b]))
        theirs += trust * float(np.linalg.norm(world[a] - world[b]))
    return float(np.clip(ours / theirs, *WORLD_SCALE_LIMITS)) if theirs > 0.1 else None


def landmark_weight(landmarks: F64, camera: Intrinsics) -> F64:
    """How far each of landmarks (33, 3), x px, y px and visibility, is to be believed: (33,) 0..1."""
    size = np.array([2 * camera.cx, 2 * camera.cy])
    visible = np.clip((landmarks[:, 2] - 0.15) / 0.5, 0.0, 1.0)
    within = np.all((landmarks[:, :2] > -0.02 * size) & (landmarks[:, :2] < 1.02 * size), axis=1)
    return np.asarray(LANDMARK_TRUST * visible * np.where(within, 1.0, 0.25))


def turn_to_ray(landmarks: F64, weight: F64, camera: Intrinsics) -> F64:
    """Rotation (3, 3) of world landmarks, which are seen along the ray to the person, to camera axes.

    ``landmarks`` (33, 2 or more) px, ``weight`` (33,) 0..1.
    """
    total = weight.sum() + 1e-6
    centre = (landmarks[:, :2] * weight[:, None]).sum(0) / total
    if total < 1.0:
        centre = landmarks[list(TRUNK), :2].mean(0)
    offset = centre - np.array([camera.cx, camera.cy])
    ray = np.array([offset[0], offset[1], camera.focal])
    return align(np.array([0.0, 0.0, 1.0]), ray)


def add_trunk_lines(
    normal_equations: NormalEquations, points: F64, world: F64, weight: F64, jacobian: F64
) -> None:
    """Which way the trunk faces and leans: the network knows it far better than single depths.

    ``points`` (33, 3) of the model and their ``jacobian`` (33, 3, columns), ``world`` landmarks (33, 3) in
    camera axes and ``weight`` (33,).
    """
    lines = LINES @ points
    length = np.linalg.norm(lines, axis=1)[:, None]
    ours, theirs = lines / length, LINES @ world
    theirs = theirs / (np.linalg.norm(theirs, axis=1, keepdims=True) + 1e-6)
    across = np.eye(3) - ours[:, :, None] * ours[:, None, :]
    rows = across @ np.tensordot(LINES, jacobian, 1) / length[:, :, None]
    trust = np.abs(LINES) @ weight / np.abs(LINES).sum(1)
    precision = np.repeat(trust / SIGMA_LINES**2, 3)
    normal_equations.add(rows.reshape(len(rows) * 3, -1), (ours - theirs).reshape(-1), precision)
    # Cameras stand about level and people upright, unless they clearly do not.
    lean = ours[2] - UPRIGHT
    robust = 1.0 / (1.0 + float(lean @ lean) / CLEAR_LEAN**2) ** 2
    normal_equations.add(rows[2], lean, np.full(3, robust / SIGMA_UPRIGHT**2))
