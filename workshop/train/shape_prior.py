"""Trains the shape prior on pictures of ``workshop/train/landmarks/dataset.py``; run offline, by hand.

    bake-venv/bin/mirror shape-prior train DIR [DIR...] [--out FILE]

For each person and camera the features of the pictures that tell are averaged. What they are to tell are the
coefficients of the body model that come nearest to the person, and by how much the mask stands off the true
body. The residuals of people left out, a tenth at a time, make the covariance. Writes the weights to FILE,
and to FILE's name with ``.log.jsonl`` how much of the deviation of shape and clothes is told of people left
out. Needs ``torch`` and ``anny`` (see ``workshop/bake/body.py``), to draw the people again.

The shipped weights were trained on ``data``, ``data2`` and ``held``, as the landmark network's.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inference.body.camera import Intrinsics
from inference.body.model import BodyModel
from inference.fit.anatomy import GIRTH_GROUPS, Anatomy
from inference.fit.outline_residuals import Outline
from inference.fit.shape_prior import SHIPPED, WEIGHTS, describe, standardised
from inference.pose.distance_field import distance_field
from mirror.errors import MirrorError
from mirror.types import F64
from workshop.bake.mask_stand_off import AGES, ANNY_SEED, stand_off
from workshop.bake.people import at_rest
from workshop.synthetic.people.bodies import TrueBody, true_body
from workshop.train.landmarks.dataset import PortraitSet

LEAST = 2  # pictures of a person that tell
RIDGE = 10.0
RANGE = (1.0, 99.0)  # percentiles of the people, beyond which nobody is expected to be
FOLDS = 10
# Shoppers vary more than the people that Anny draws: who is far from the mean counts for more.
UNLIKE = 1.0
OWN = 0.05  # of the covariance: share that no value has with another
GIRTH_LEFT, CLOTHES_LEFT_M = 0.03, 0.004  # deviations that are always left


@dataclass(frozen=True)
class Example:
    """One person before one camera: features (n, F) of n pictures, and the true ``values`` (K + 2 G,).

    The values are shape, girths, and metres that the mask stands off, NaN where that does not show.
    """

    person: int
    features: F64
    values: F64


def example(portraits: PortraitSet, body: TrueBody) -> Example:
    """What the pictures of one person say, and the truth."""
    lens = Intrinsics.from_field_of_view(portraits.field_of_view_deg, *portraits.size)
    outline, anatomy = Outline(body.model), Anatomy(body.model)
    joints = body.model.joints.astype(np.float64)
    rows, off = [], []
    for landmarks, world, mask, skin in zip(
        portraits.landmarks, portraits.world, portraits.masks, portraits.skin, strict=True
    ):
        field = distance_field(mask, portraits.size[0])
        if field is None:
            continue
        off.append(stand_off(outline, anatomy, skin.astype(np.float64), joints, field, lens))
        features = describe(landmarks[:, [0, 1, 3]], world, field)
        if features is not None:
            rows.append(features)
    seen = np.array(off).reshape(-1, len(GIRTH_GROUPS))
    shown = np.isfinite(seen).any(0)
    clothes = np.full(len(GIRTH_GROUPS), np.nan)
    clothes[shown] = np.nanmedian(seen[:, shown], axis=0)
    return Example(
        portraits.person, np.array(rows), np.concatenate([body.shape, np.zeros(len(GIRTH_GROUPS)), clothes])
    )


def train(examples: Sequence[Example], components: int) -> tuple[dict[str, F64], F64]:
    """Arrays of a ``ShapePrior``; and the share (n,) of each value's deviation that is told.

    ``components`` K of the shape. MirrorError with fewer examples than folds.
    """
    if len(examples) < FOLDS:
        raise MirrorError(f"{len(examples)} people are too few to train on; {FOLDS} are the least")
    pictures = np.concatenate([e.features for e in examples])
    mean, scale = np.nanmedian(pictures, axis=0), np.nanstd(pictures, axis=0) + 1e-6
    told = np.array([standardised(e.features, mean, scale).mean(0) for e in examples])
    values, person = np.array([e.values for e in examples]), np.array([e.person for e in examples])
    spread = np.nanstd(values, axis=0)
    apart = (values - np.nanmean(values, axis=0))[:, :components] / spread[:components]
    weight = 1.0 + UNLIKE * (apart**2).mean(1)
    left = np.zeros_like(values)
    for fold in range(FOLDS):
        out = person % FOLDS == fold
        weights, likely = _ridge(told[~out], values[~out], weight[~out])
        left[out] = values[out] - (likely + told[out] @ weights)
    known = np.isfinite(left)
    off = np.where(known, left, 0.0)
    together = off.T @ off / np.maximum(known.T.astype(float) @ known, 1.0)
    floor = np.zeros(len(together))
    groups = len(GIRTH_GROUPS)
    floor[components : components + groups], floor[components + groups :] = GIRTH_LEFT, CLOTHES_LEFT_M
    covariance = (1 - OWN) * together + OWN * np.diag(np.diag(together)) + np.diag(floor**2)
    weights, likely = _ridge(told, values, weight)
    least, most = np.nanpercentile(values, RANGE, axis=0)
    arrays = {
        "mean": mean,
        "scale": scale,
        "weights": weights,
        "likely": likely,
        "least": least,
        "most": most,
        "covariance": covariance,
    }
    share = 1.0 - np.sqrt(np.diag(together)) / np.maximum(spread, 1e-6)
    return arrays, np.asarray(share)


def _ridge(told: F64, values: F64, weight: F64) -> tuple[F64, F64]:
    """Weights (F, n) and offsets (n,) from features (N, F) to values (N, n) with gaps (NaN)."""
    rows = np.hstack([told, np.ones((len(told), 1))])
    penalty = RIDGE * np.diag([1.0] * told.shape[1] + [0.0])
    out = np.zeros((rows.shape[1], values.shape[1]))
    for column, wanted in enumerate(values.T):
        known = np.isfinite(wanted)
        heavy = rows[known].T * weight[known]
        out[:, column] = np.linalg.solve(heavy @ rows[known] + penalty, heavy @ wanted[known])
    return out[:-1], out[-1]


def read(folders: Iterable[Path], model: BodyModel) -> list[Example]:
    """All that tell of what ``dataset`` made. MirrorError if there is none."""
    offsets, joints, _, _ = at_rest(model, ANNY_SEED, AGES)
    out = []
    for path in sorted(p for folder in folders for p in folder.glob("*.npz")):
        portraits = PortraitSet.load(path)
        moved = (offsets[portraits.person] - model.vertices).astype(np.float32)
        body = true_body(portraits.person, model, moved, joints[portraits.person].astype(np.float32))
        found = example(portraits, body)
        if len(found.features) >= LEAST:
            out.append(found)
    if not out:
        raise MirrorError("no pictures there that tell anything")
    return out


def train_and_write(folders: Sequence[Path], out: Path | None) -> None:
    """Read, train, write (None: over the shipped weights)."""
    out = out or SHIPPED
    model = BodyModel.load()
    examples = read(folders, model)
    arrays, share = train(examples, model.components)
    facts = {
        "command": shlex.join(["mirror", "shape-prior", "train", *(f.name for f in folders)]),
        "pictures": str(sum(len(e.features) for e in examples)),
        "people": str(len({e.person for e in examples})),
        "licence": "Apache-2.0; learnt from rendered people",
    }
    WEIGHTS.save(arrays, facts, out)
    told = {
        "shape": [round(float(s), 3) for s in share[: model.components]],
        "clothes": [round(float(s), 3) for s in share[model.components + len(GIRTH_GROUPS) :]],
    }
    line = json.dumps({**facts, "told": told})
    out.with_suffix(".log.jsonl").write_text(line + "\n", "utf-8")
    print(line)
