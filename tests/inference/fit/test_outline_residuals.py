"""Which points of the body are held to which edge of the mask."""

from __future__ import annotations

import numpy as np

from inference.body.model import BONES, BodyModel
from inference.fit.fitter import BodyFitter
from inference.fit.outline_residuals import Outline
from inference.pose.distance_field import distance_field
from tests.inference.people import CAMERA, WIDTH, Person, person

MODEL = BodyModel.load()
CLOTHES = np.full(len(BONES), 0.0)
TRUNK = [BONES.index(name) for name in ("spine1", "spine2", "pelvis")]


def pulled(seen: Person) -> tuple[Outline, np.ndarray, np.ndarray]:
    """(outline, bones, trust) of the points in use of a fitted body."""
    fitter = BodyFitter(MODEL, CAMERA)
    field = distance_field(seen.mask, WIDTH)
    assert field is not None
    for _ in range(6):
        fitter.update(seen.landmarks, seen.world, field, 1 / 30)
    assert fitter.pose is not None
    outline = Outline(MODEL)
    outline.reshape(fitter.shape)
    pull = outline.pull(fitter.pose, fitter.bone_transforms(fitter.pose), field, CAMERA, 2.6, CLOTHES)
    return outline, outline.bone[pull.index], pull.trust


def test_hanging_arms_hide_the_waist() -> None:
    """The edge beside the waist is the arm's: taken for the waist's, the shirt grows out to the elbows."""
    close = {"left_upper_arm": (0.0, 0.0, -0.72), "right_upper_arm": (0.0, 0.0, 0.72)}
    away = {"left_upper_arm": (0.0, 0.0, 0.4), "right_upper_arm": (0.0, 0.0, -0.4)}
    trusted = []
    for arms in (close, away):
        _, bones, trust = pulled(person(MODEL, arms))
        trusted.append(trust[np.isin(bones, TRUNK)].sum())
    assert trusted[0] < 0.35 * trusted[1]


def test_one_leg_before_the_other_makes_no_inner_edge() -> None:
    """From the side the far leg's hidden outline would be pulled to the near leg's, and both swell."""
    apart = {"left_thigh": (0.0, 0.0, 0.15), "right_thigh": (0.0, 0.0, -0.15)}
    legs = [BONES.index(f"{side}_{part}") for side in ("left", "right") for part in ("thigh", "shin")]
    counts = []
    for yaw in (0.0, np.pi / 2):
        _, bones, trust = pulled(person(MODEL, apart, yaw=yaw))
        counts.append(trust[np.isin(bones, legs)].sum())
    assert counts[1] < 0.75 * counts[0]
