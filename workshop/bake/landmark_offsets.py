"""Measures where the pose network's landmarks lie on a body; run offline, by hand.

Renders people drawn at random from the body model's shapes (none of ``mirror evaluate fit``'s), dressed,
standing and turned all ways before varied cameras, and prints what ``inference/fit/landmark_residuals.py``
holds as ``LANDMARK_SHIFT``: the least-squares offset of each landmark from its joint, in the frame of the
bone that it moves with, and the median in metres that is left of it, by view:

    mirror bake landmark-offsets [--people 24] [--seed 7]
"""

from __future__ import annotations

import numpy as np

from inference.body.landmarks import Landmark
from inference.body.model import BONES, BodyModel
from inference.fit.landmark_residuals import LANDMARK_SHIFT
from mirror.types import F64
from render.gpu import gl
from workshop.synthetic.people.bodies import TrueBody, of_one_shape
from workshop.synthetic.people.motions import Motion
from workshop.synthetic.people.portraits import observed_motions, portrait
from workshop.synthetic.people.scenes import Wear

VIEWS = 12  # a full turn
POSES = ("stand", "stand", "stand", "hips", "reach", "wave_out", "lean_left", "lean_right")
GARMENTS = (
    ("tshirt", "trousers"),
    ("long_sleeve", "trousers"),
    ("tshirt", "shorts"),
    ("long_sleeve", "skirt"),
)
JOINTS = {"shoulder": "upper_arm", "elbow": "forearm", "hip": "thigh", "knee": "shin", "ankle": "foot"}


def random_body(model: BodyModel, rng: np.random.Generator) -> TrueBody:
    """A person of a random shape."""
    shape = np.clip(rng.normal(size=model.components), -2.5, 2.5).astype(np.float32)
    vertices, joints = model.shaped(shape)
    own = of_one_shape(model, vertices, joints, model.landmarks(shape))
    return TrueBody(0, own, shape, np.zeros_like(vertices))


def photographed(body: TrueBody, number: int, rng: np.random.Generator) -> list[tuple[float, F64, F64, F64]]:
    """(yaw rad, landmarks (33, 4) px, transforms (J, 3, 4), (focal, cx, cy)) of one person from all sides."""
    worn = tuple(
        Wear(garment, fabric, float(rng.uniform(0.003, 0.02)))
        for garment, fabric in zip(
            GARMENTS[number % len(GARMENTS)], ("jersey_navy", "denim_indigo"), strict=True
        )
    )
    camera = float(rng.uniform(0.9, 1.8)), float(rng.uniform(50, 75)), float(rng.uniform(0.7, 0.9))
    scene = portrait(body, number, 900, worn, camera, rng)
    focal, size = scene.camera().focal, scene.camera().size
    lens = np.array([focal, size[0] / 2, size[1] / 2])
    pose = POSES[number % len(POSES)]
    start = float(rng.uniform(0, 2 * np.pi / VIEWS))
    yaws = [start + 2 * np.pi * index / VIEWS for index in range(VIEWS)]
    motions = [Motion(1.0, ((0.0, pose),), yaw=((0.0, yaw),)) for yaw in yaws]
    return [
        (motion.yaw[0][1], seen.landmarks, transforms.astype(np.float64), lens)
        for motion, seen, transforms in observed_motions(scene, motions)
    ]


def offsets(seen: list[tuple[float, F64, F64, F64, F64]], name: str) -> tuple[F64, F64]:
    """(3,) metres from joint to landmark in its bone's frame, left side; RMS left over by yaw octant (8,).

    ``seen``: as from ``look_at``, with the rest joints (J, 3) of the person.
    """
    rows, right, yaws = [], [], []
    for yaw, landmarks, transforms, (focal, cx, cy), joints in seen:
        for side, mirror in (("left", 1.0), ("right", -1.0)):
            joint = BONES.index(f"{side}_{JOINTS[name]}")
            moving = LANDMARK_SHIFT[name][0]
            bone = BONES.index(moving if moving in BONES else f"{side}_{moving}")
            x, y, _, visibility = landmarks[Landmark.of(side, name)]
            if visibility < 0.5:
                continue
            point = transforms[joint, :, :3] @ joints[joint] + transforms[joint, :, 3]
            turn = transforms[bone, :, :3] * np.array([mirror, 1.0, 1.0])
            ray = np.array([x - cx, y - cy]) / focal
            for axis in range(2):
                rows.append(turn[axis] - ray[axis] * turn[2])
                right.append(ray[axis] * point[2] - point[axis])
                yaws.append(yaw)
    a, b, octant = np.array(rows), np.array(right), np.rint(np.array(yaws) / (np.pi / 4)).astype(int) % 8
    weight = np.ones(len(b))
    for _ in range(10):  # reweighted: a lost limb is no measure
        shift = np.linalg.lstsq(a * weight[:, None], b * weight, rcond=None)[0]
        left = b - a @ shift
        weight = 1.0 / np.sqrt(1.0 + (left / 0.05) ** 2)
    rms = [
        float(np.sqrt(np.median(left[octant == o] ** 2))) if (octant == o).any() else np.nan for o in range(8)
    ]
    return np.asarray(shift), np.array(rms)


def measure(people: int, seed: int) -> None:
    """Render so many people drawn by the seed, follow, solve, print."""
    rng = np.random.default_rng(seed)
    model = BodyModel.load()
    context = gl.Context()
    seen = []
    for number in range(people):
        body = random_body(model, rng)
        joints = body.model.joints.astype(np.float64)
        seen += [(*each, joints) for each in photographed(body, number, rng)]
        print(f"... {number + 1} of {people} people, {len(seen)} pictures", flush=True)
    context.close()
    for name in JOINTS:
        shift, rms = offsets(seen, name)
        print(f"{name:9} {np.round(shift, 4)}  median miss in m by octant of turn: {np.round(rms, 3)}")
