"""Measures how far the person mask stands off the flesh; run offline, by hand.

Draws dressed Anny people (none of ``mirror evaluate fit``'s) in many poses before varied cameras, lays the
true body on the pose network's mask, and prints what ``inference/fit/shape_estimate.py`` holds as
``CLOTHES``, ``SIGMA_CLOTHES`` and ``CLOTHES_TOGETHER``. One in seven wears a thick coat and trousers. Needs
``torch`` and ``anny`` (see ``workshop/bake/body.py``):

    bake-venv/bin/mirror bake mask-stand-off [--people 140] [--seed 1000]
"""

from __future__ import annotations

import numpy as np

from inference.body.camera import Intrinsics
from inference.body.kinematics import Pose
from inference.body.model import BONES, BodyModel
from inference.fit.anatomy import GIRTH_GROUPS, Anatomy
from inference.fit.outline_residuals import Outline
from inference.pose.distance_field import DistanceField, distance_field
from mirror.types import F64
from render.gpu import gl
from workshop.bake.people import at_rest
from workshop.synthetic.people.bodies import TrueBody, true_body
from workshop.synthetic.people.motions import Motion
from workshop.synthetic.people.portraits import observed_motions, portrait
from workshop.synthetic.people.scenes import Wear

ANNY_SEED, AGES = 31, ((300, 18.0, 75.0), (20, 13.0, 18.0))  # years; the first of them are drawn
PICTURES = 15  # of a person; the last third turned anywhere
COAT_SHARE = 0.15
THICK = {False: ((0.005, 0.020), (0.002, 0.008)), True: ((0.030, 0.050), (0.018, 0.030))}  # m: top, bottom
TOPS = ("tshirt", "long_sleeve", "tank_top")
BOTTOMS = ("trousers", "trousers", "shorts", "skirt")
POSES: tuple[str, ...] = ("stand",) * 5
POSES += ("hips", "crossed", "cheek", "face", "overhead", "wave_out", "wave_in", "reach", "chest", "sit")
POSES += ("lean_left", "lean_right", "lean_forward")
GUESS_M = 0.02  # of stand-off about which points of the outline are looked for
OWN, FLOOR_M = 0.05, 0.003  # of the covariance: share that no part has with another, least deviation


def stand_off(
    outline: Outline,
    anatomy: Anatomy,
    transforms: F64,
    joints: F64,
    field: DistanceField,
    camera: Intrinsics,
) -> F64:
    """Metres (G,) from a known body to the mask's edge by group of girth; NaN where none of it shows.

    ``outline`` of that body, ``transforms`` (J, 3, 4) of its bones to camera space, ``joints`` (J, 3) its
    joints at rest.
    """
    origin = np.einsum("jab,jb->ja", transforms[:, :, :3], joints) + transforms[:, :, 3]
    pose = Pose(transforms[:, :, :3], origin[0], transforms[:, :, :3], origin)
    pull = outline.pull(pose, transforms, field, camera, float(origin[0, 2]), np.full(len(BONES), GUESS_M))
    group = anatomy.girth_group[outline.bone[pull.index]]
    out = np.full(len(GIRTH_GROUPS), np.nan)
    for index in range(len(out)):
        trust = pull.trust * (group == index)
        if trust.sum() > 1.0:
            out[index] = GUESS_M - trust @ pull.distance / trust.sum()
    return out


def spread(people: F64) -> tuple[F64, F64]:
    """Mean (G,) and covariance (G, G) of stand-offs (N, G) with gaps (NaN)."""
    mean = np.nanmean(people, axis=0)
    known = np.isfinite(people)
    off = np.where(known, people - mean, 0.0)
    together = off.T @ off / (known.T.astype(float) @ known)
    own = np.diag(np.diag(together))
    return mean, (1 - OWN) * together + OWN * own + FLOOR_M**2 * np.eye(len(mean))


def drawn_outfit(rng: np.random.Generator) -> tuple[Wear, Wear]:
    """A random top and bottom."""
    coat = bool(rng.random() < COAT_SHARE)
    above, below = (float(rng.uniform(*thick)) for thick in THICK[coat])
    top = "long_sleeve" if coat else TOPS[rng.integers(len(TOPS))]
    return Wear(top, "jersey_navy", above), Wear(BOTTOMS[rng.integers(len(BOTTOMS))], "denim_indigo", below)


def photographed(body: TrueBody, number: int, rng: np.random.Generator) -> F64:
    """Stand-offs (n, G) of one person in so many pictures."""
    worn = drawn_outfit(rng)
    camera = (
        float(rng.uniform(0.7, 2.0)),
        float(rng.uniform(45, 90)),
        float(rng.uniform(0.68, 0.92) if rng.random() < 0.8 else rng.uniform(1.0, 1.35)),
    )
    scene = portrait(body, number, 5000, worn, camera, rng)
    lens = Intrinsics.from_field_of_view(scene.field_of_view_deg, *scene.camera().size)
    outline, anatomy = Outline(body.model), Anatomy(body.model)
    motions = []
    for index in range(PICTURES):
        turned = index >= PICTURES * 2 // 3
        pose = "stand" if turned or index < 2 else POSES[rng.integers(len(POSES))]
        yaw = float(rng.uniform(-np.pi, np.pi) if turned else rng.normal(0.0, np.radians(15)))
        place = rng.uniform((-0.3, -0.15), (0.3, 0.15))
        motions.append(
            Motion(1.0, ((0.0, pose),), yaw=((0.0, yaw),), x=((0.0, place[0]),), z=((0.0, place[1]),))
        )
    out = []
    joints = body.model.joints.astype(np.float64)
    for _, seen, transforms in observed_motions(scene, motions):
        field = distance_field(seen.mask, scene.camera().size[0])
        if field is not None:
            out.append(stand_off(outline, anatomy, transforms.astype(np.float64), joints, field, lens))
    return np.array(out)


def measure(count: int, seed: int) -> None:
    """Draw so many people, render, measure, print."""
    model = BodyModel.load()
    bodies, joints, _, _ = at_rest(model, ANNY_SEED, AGES)
    context = gl.Context()
    people = []
    for number in range(count):
        offsets = (bodies[number] - model.vertices).astype(np.float32)
        body = true_body(number, model, offsets, joints[number].astype(np.float32))
        people.append(np.nanmedian(photographed(body, number, np.random.default_rng(seed + number)), axis=0))
        print(f"... {number + 1} of {count} people", flush=True)
    context.close()
    mean, covariance = spread(np.array(people))
    sigma = np.sqrt(np.diag(covariance))
    print("CLOTHES", np.round(mean, 3).tolist())
    print("SIGMA_CLOTHES", np.round(sigma, 3).tolist())
    print("CLOTHES_TOGETHER", np.round(covariance / np.outer(sigma, sigma), 2).tolist())
