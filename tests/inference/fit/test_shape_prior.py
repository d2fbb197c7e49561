"""What is told of a person's build before any fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from inference.body.landmarks import ANKLES, HIPS, KNEES, Landmark
from inference.body.model import BodyModel
from inference.fit.anatomy import GIRTH_GROUPS
from inference.fit.fitter import BodyFitter
from inference.fit.shape_prior import FEATURES, WEIGHTS, ShapePrior, describe
from inference.pose.distance_field import distance_field
from mirror.errors import MirrorError
from mirror.types import F64
from tests.inference.people import CAMERA, WIDTH, Person, person
from workshop.synthetic.people.bodies import TrueBody, load_people
from workshop.train import body_errors

MODEL = BodyModel.load()
HANGING = {"left_upper_arm": (0.0, 0.0, -0.45), "right_upper_arm": (0.0, 0.0, 0.45)}


CLOTHES_PX = 7  # 3.5 cm at the distance of ``person``


def features(seen: Person) -> F64:
    clothed = cv2.dilate(seen.mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * CLOTHES_PX + 1,) * 2))
    field = distance_field(np.asarray(clothed, np.uint8), WIDTH)
    assert field is not None
    found = describe(seen.landmarks, seen.world, field)
    assert found is not None
    return found


def waist_share(body: TrueBody, vertices: np.ndarray, joints: np.ndarray) -> float:
    measures = body_errors.measures_of(MODEL, vertices, joints)
    return measures["waist"] / measures["height"]


def test_a_stout_person_is_expected_to_be_stouter_than_a_slim_one() -> None:
    """Stout and slim shoppers in loose clothes would be given one and the same size."""
    shape_prior = ShapePrior.shipped()
    true, told = [], []
    for body in load_people():
        true.append(waist_share(body, body.model.vertices, body.model.joints))
        likely = shape_prior.expect(features(person(body.model, HANGING, shape=np.zeros(MODEL.components))))
        told.append(waist_share(body, *MODEL.shaped(likely[: MODEL.components].astype(np.float32))))
    order = np.argsort(true)
    slim, stout = order[:4], order[-4:]
    assert np.mean(np.array(told)[stout]) > np.mean(np.array(told)[slim]) + 0.02
    assert np.corrcoef(true, told)[0, 1] > 0.4


def test_what_is_expected_of_clothes_is_plausible() -> None:
    """The body would be fitted inside out, or lost in a coat that nobody wears."""
    likely = ShapePrior.shipped().expect(features(person(MODEL, HANGING)))
    clothes = likely[-len(GIRTH_GROUPS) :]
    assert (clothes > -0.005).all()
    assert (clothes < 0.1).all()
    nonsense = ShapePrior.shipped().expect(np.full(FEATURES, 1e3))
    assert np.abs(nonsense[: MODEL.components]).max() < 3.5
    assert (np.abs(nonsense[MODEL.components :]) < 0.12).all()


def test_left_and_right_are_alike() -> None:
    """A raised left arm would make another person of the shopper than a raised right one."""
    seen = person(MODEL, {**HANGING, "left_upper_arm": (0.0, 0.0, 0.6)}, place=(0.2, 0.0, 2.6))
    swap = np.arange(33)
    pairs = [(mark, mark.mirrored) for mark in Landmark if mark < mark.mirrored]
    for a, b in pairs:
        swap[[a, b]] = b, a
    landmarks = seen.landmarks[swap] * [-1, 1, 1] + [WIDTH - 1, 0, 0]
    world = seen.world[swap] * [-1, 1, 1]
    mask = np.ascontiguousarray(seen.mask[:, ::-1])
    mirrored = features(replace(seen, landmarks=landmarks, world=world, mask=mask))
    ours = features(seen)
    arms = slice(20, 26)  # the places of elbows and wrists come left and right
    np.testing.assert_allclose(np.delete(mirrored, arms), np.delete(ours, arms), atol=0.03)


@pytest.mark.parametrize("yaw", [1.2, np.pi, -1.2])
def test_who_is_turned_away_tells_nothing(yaw: float) -> None:
    """A shopper seen from the side would be taken for a very slim one for good."""
    seen = person(MODEL, HANGING, yaw=yaw)
    field = distance_field(seen.mask, WIDTH)
    assert field is not None
    assert describe(seen.landmarks, seen.world, field) is None


def test_who_is_tiny_or_half_hidden_tells_nothing() -> None:
    """Somebody at the far end of the shop, or behind a counter, would be described by noise."""
    far = person(MODEL, HANGING, place=(0.0, 0.0, 16.0))
    field = distance_field(person(MODEL, HANGING).mask, WIDTH)
    assert field is not None
    assert describe(far.landmarks, far.world, field) is None
    near = person(MODEL, HANGING)
    near.landmarks[list(HIPS), 2] = 0.1
    assert describe(near.landmarks, near.world, field) is None


def test_legs_out_of_the_picture_leave_the_rest_to_tell() -> None:
    """A close-up would get no build at all, or a wild one."""
    seen = person(MODEL, HANGING)
    whole = features(seen)
    seen.landmarks[[*KNEES, *ANKLES], 2] = 0.05
    part = features(seen)
    assert np.isnan(part).sum() > np.isnan(whole).sum()
    shape_prior = ShapePrior.shipped()
    away = shape_prior.expect(part) - shape_prior.expect(whole)
    assert np.abs(away[: MODEL.components]).max() < 2.5
    assert np.isfinite(shape_prior.expect(np.full(FEATURES, np.nan))).all()


def test_another_person_is_expected_anew() -> None:
    """The next shopper would get the build of the one before."""
    slim, stout = (
        person(body.model, HANGING, shape=np.zeros(MODEL.components))
        for body in (load_people()[7], load_people()[1])
    )
    shapes = []
    for first in (stout, None):
        fitter = BodyFitter(MODEL, CAMERA, shape_prior=ShapePrior.shipped())
        for seen in (first, slim):
            if seen is None:
                continue
            fitter.reset()
            field = distance_field(seen.mask, WIDTH)
            for _ in range(12):
                fit = fitter.update(seen.landmarks, seen.world, field, 1 / 30)
        shapes.append(fit.shape)
    np.testing.assert_allclose(shapes[0], shapes[1], atol=1e-9)


def test_damaged_weights_are_refused_in_one_line(tmp_path: Path) -> None:
    """The mirror would start with a build made of rubbish."""
    path = tmp_path / "shape_prior.safetensors"
    path.write_bytes(b"no weights")
    with pytest.raises(MirrorError, match="damaged"):
        WEIGHTS.load(path)
