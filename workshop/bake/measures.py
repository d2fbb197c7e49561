"""A tailor's measures of the sampled bodies, in metres, for the body model's linear regressors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from inference.body.model import BONES, REGIONS
from mirror.types import F64, I64


def _tape(points: F64, edges: I64, height: float) -> float:
    """Length of a tape around the edges' horizontal cut (the cut's convex hull)."""
    a, b = points[edges[:, 0]], points[edges[:, 1]]
    crossing = (a[:, 1] - height) * (b[:, 1] - height) < 0
    a, b = a[crossing], b[crossing]
    t = ((height - a[:, 1]) / (b[:, 1] - a[:, 1]))[:, None]
    cut = (a + t * (b - a))[:, [0, 2]]
    if len(cut) < 3:
        return 0.0
    outline = cut[ConvexHull(cut).vertices]
    return float(np.linalg.norm(outline - np.roll(outline, 1, axis=0), axis=1).sum())


def measure(vertices: F64, joints: F64, faces: I64, region: NDArray[np.uint8]) -> dict[str, F64]:
    """Measures of every sample, each (N,): height, shoulder_width, chest, waist, hip, arm, inseam.

    ``shoulder_width`` is between the tops of the shoulders, ``arm`` from shoulder joint over the
    elbow to the wrist, ``inseam`` from the crotch to the floor; girths are of a horizontal tape.
    """
    rest = vertices.mean(0)
    skin = np.unique(faces)
    trunk = np.isin(region, [REGIONS.index("torso"), REGIONS.index("hips")])
    upper = trunk | np.isin(region, [REGIONS.index("left_thigh"), REGIONS.index("right_thigh")])
    edges = np.unique(
        np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), 1), axis=0
    )
    trunk_edges = edges[trunk[edges].all(1)]
    hip_edges = edges[upper[edges].all(1)]

    at = {b: i for i, b in enumerate(BONES)}
    shoulder_tops = []
    for side in ("left_", "right_"):
        joint = joints.mean(0)[at[side + "upper_arm"]]
        near = skin[np.linalg.norm(rest[skin][:, [0, 2]] - joint[[0, 2]], axis=1) < 0.02]
        shoulder_tops.append(near[rest[near, 1].argmax()])
    chest_point = skin[trunk[skin] & (rest[skin, 1] > joints.mean(0)[at["chest"], 1])]
    chest_point = chest_point[rest[chest_point, 2].argmax()]
    middle = skin[(np.abs(rest[skin, 0]) < 0.015) & upper[skin]]
    crotch = middle[rest[middle, 1].argmin()]

    out: dict[str, list[float]] = {"chest": [], "waist": [], "hip": []}
    for points, joint in zip(vertices, joints, strict=True):
        out["chest"].append(_tape(points, trunk_edges, points[chest_point, 1]))
        low, high = joint[at["spine1"], 1], joint[at["chest"], 1]
        out["waist"].append(min(_tape(points, trunk_edges, y) for y in np.linspace(low, high, 12)))
        low, high = points[crotch, 1] + 0.01, joint[at["spine1"], 1]
        out["hip"].append(max(_tape(points, hip_edges, y) for y in np.linspace(low, high, 12)))
    arm = joints[:, [at["left_upper_arm"], at["left_forearm"], at["left_hand"]]]
    tops = vertices[:, shoulder_tops]
    return {
        "height": vertices[:, skin, 1].max(1) - vertices[:, skin, 1].min(1),
        "shoulder_width": np.linalg.norm(tops[:, 0] - tops[:, 1], axis=1),
        **{k: np.array(v) for k, v in out.items()},
        "arm": np.linalg.norm(np.diff(arm, axis=1), axis=2).sum(1),
        "inseam": vertices[:, crotch, 1],
    }
