"""How far the person mask stands off the flesh."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from inference.body.camera import Intrinsics
from inference.body.model import BodyModel
from inference.fit.anatomy import GIRTH_GROUPS, Anatomy
from inference.fit.outline_residuals import Outline
from inference.pose.distance_field import distance_field
from workshop.bake.mask_stand_off import spread, stand_off
from workshop.synthetic.people.motions import Choreography, Motion

CAMERA = Intrinsics.from_field_of_view(60, 1280, 720)
AWAY_M = 3.0


@pytest.mark.parametrize("off_m", [0.02, 0.05])
def test_a_mask_that_is_too_wide_is_measured(off_m: float) -> None:
    """What the fit holds as the clothes' thickness would be another than that of the masks it sees."""
    model = BodyModel.load()
    world = Choreography(Motion(1.0, ((0.0, "overhead"),)), model).matrices(0.0)
    flip = np.diag([1.0, -1.0, -1.0])  # the camera stands before the body, 0.9 m high
    skin = flip @ world + np.array([[0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.9], [0.0, 0.0, 0.0, AWAY_M]])
    pixels = CAMERA.project(model.skinned(model.vertices, skin.astype(np.float32)).astype(np.float64))
    mask = np.zeros((720, 1280), np.uint8)
    for face in pixels[model.faces]:
        cv2.fillConvexPoly(mask, np.rint(face).astype(np.int32), 255)
    reach = round(off_m * CAMERA.focal / AWAY_M)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    wide = np.asarray(cv2.dilate(mask, kernel), np.uint8)
    field = distance_field(wide, 1280)
    assert field is not None
    measured = stand_off(Outline(model), Anatomy(model), skin, model.joints.astype(float), field, CAMERA)
    shown = [list(GIRTH_GROUPS).index(name) for name in ("waist", "chest", "forearm", "shin")]
    np.testing.assert_allclose(measured[shown], off_m, atol=0.012)


def test_parts_that_were_not_seen_do_not_spoil_the_covariance() -> None:
    """One hidden shin would make the whole prior NaN, or no inverse of it exist."""
    rng = np.random.default_rng(0)
    common = rng.normal(0.0, 0.01, 400)
    people = 0.04 + common[:, None] + rng.normal(0.0, 0.005, (400, 3))
    people[::3, 2] = np.nan
    mean, covariance = spread(people)
    np.testing.assert_allclose(mean, 0.04, atol=0.002)
    assert np.linalg.eigvalsh(covariance).min() > 0
    np.testing.assert_allclose(covariance[0, [1, 2]], 0.01**2, rtol=0.25)
