"""The network that corrects landmarks, on pictures drawn by hand and on a rendered person."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inference.body.camera import Intrinsics
from inference.body.landmarks import ANKLES, KNEES, SHOULDERS
from inference.body.model import BodyModel
from inference.fit.fitter import BodyFitter
from inference.fit.landmark_residuals import landmark_weight
from inference.pose.correction import FARTHEST_DEEP_M, FARTHEST_M, WEIGHTS, LandmarkCorrection
from inference.pose.correction_features import (
    COUNT,
    JOINTS,
    features,
    mirrored,
    mirrored_joints,
    parts,
    scale_of,
)
from inference.pose.distance_field import DistanceField, distance_field
from mirror.errors import MirrorError
from render.gpu import gl
from tests.inference.people import CAMERA, WIDTH, Person, person
from workshop.synthetic.people.bodies import load_people
from workshop.synthetic.people.portraits import observed, portrait
from workshop.synthetic.people.scenes import Wear
from workshop.synthetic.people.stances import Stances
from workshop.train import body_errors

MODEL = BodyModel.load()
SHIPPED = LandmarkCorrection.shipped()


def seen(**changes: object) -> tuple[Person, np.ndarray, DistanceField]:
    """A person, how far each landmark is believed, and the mask."""
    one = person(MODEL, **changes)  # type: ignore[arg-type]
    field = distance_field(one.mask, WIDTH)
    assert field is not None
    return one, landmark_weight(one.landmarks, CAMERA), field


def test_the_scale_is_that_of_the_picture() -> None:
    """Centimetres would be taken for others, and a garment be moved too far on who stands close."""
    one, weight, _ = seen(place=(0.1, 0.0, 3.0))
    assert scale_of(one.landmarks, one.world, weight) == pytest.approx(CAMERA.focal / 3.0, rel=0.05)


def test_a_looking_glass_makes_the_features_of_the_mirrored_picture() -> None:
    """Training would learn from people that do not exist, and correct left and right differently."""
    bend = {"left_upper_arm": (0.0, 0.0, -0.7), "left_forearm": (0.0, 0.4, 0.0)}
    other = {"right_upper_arm": (0.0, 0.0, 0.7), "right_forearm": (0.0, -0.4, 0.0)}
    told = []
    for turns, x, yaw in ((bend, 0.3, 0.4), (other, -0.3, -0.4)):
        one, weight, field = seen(turns=turns, place=(x, 0.0, 2.6), yaw=yaw)
        found = features(one.landmarks, one.world, weight, field, CAMERA)
        assert found is not None
        told.append(found.values)
    *exact, about = parts(mirrored(told[0][None]))
    *others, wanted = parts(told[1][None])
    for one_part, other in zip(exact, others, strict=True):
        np.testing.assert_allclose(one_part, other, atol=1e-3)
    np.testing.assert_allclose(about, wanted, atol=0.2)  # a mask is coarse
    offsets = np.random.default_rng(0).normal(size=(2, 12, 3))
    np.testing.assert_array_equal(mirrored_joints(mirrored_joints(offsets)), offsets)


def test_nothing_moves_far_whatever_is_told() -> None:
    """A frame unlike all others would throw a sleeve across the picture."""
    values = np.random.default_rng(0).normal(0.0, 50.0, (200, COUNT))
    picture, deep = SHIPPED.offsets(values)
    np.testing.assert_array_equal(picture, 0.0)  # nor is it believed
    mean, deviation = (SHIPPED._weights[name].astype(float) for name in ("mean", "deviation"))
    near = mean + deviation * np.clip(values / 50.0, -1.5, 1.5)
    picture, deep = SHIPPED.offsets(near)
    assert 0.0 < np.linalg.norm(picture, axis=2).max() <= FARTHEST_M
    assert 0.0 < np.linalg.norm(deep, axis=2).max() <= FARTHEST_DEEP_M


def test_what_is_not_seen_stays_where_it_is() -> None:
    """Legs below the picture's edge would dance; and who is not masked would be corrected by guess."""
    one, _, field = seen()
    one.landmarks[[*KNEES, *ANKLES], 2] = 0.0
    weight = landmark_weight(one.landmarks, CAMERA)
    moved, *_ = SHIPPED.corrected(one.landmarks, one.world, weight, field, CAMERA)
    np.testing.assert_array_equal(moved[[*KNEES, *ANKLES]], one.landmarks[[*KNEES, *ANKLES]])
    assert np.abs(moved[list(SHOULDERS), :2] - one.landmarks[list(SHOULDERS), :2]).max() > 0.0
    for alone in (
        SHIPPED.corrected(one.landmarks, one.world, weight, None, CAMERA),
        SHIPPED.corrected(one.landmarks, one.world, np.zeros(33), field, CAMERA),
    ):
        np.testing.assert_array_equal(alone[0], one.landmarks)
        np.testing.assert_array_equal(alone[1], one.world)


def test_offsets_follow_slowly() -> None:
    """A garment would tremble with what the network makes of the mask's edge."""
    one, weight, field = seen()
    told = one.landmarks, one.world, weight, field, CAMERA
    at_once, soon, late = (
        SHIPPED.corrected(*told, before, dt)[2]
        for before, dt in ((None, 0.0), (np.zeros((12, 5)), 1 / 30), (np.zeros((12, 5)), 3.0))
    )
    assert at_once is not None
    assert soon is not None
    assert late is not None
    np.testing.assert_allclose(soon, 0.243 * at_once, rtol=0.01)
    np.testing.assert_allclose(late, at_once, atol=1e-6)


def test_noise_is_not_made_larger() -> None:
    """A garment on somebody who stands still would tremble more than the landmarks do."""
    one, weight, field = seen()
    rng = np.random.default_rng(0)
    out = []
    for _ in range(60):
        shaken = one.landmarks.copy()
        shaken[:, :2] += rng.normal(0.0, 1.0, (33, 2))
        out.append(SHIPPED.corrected(shaken, one.world, weight, field, CAMERA)[0][list(JOINTS), :2])
    assert np.std(out, axis=0).mean() < 1.05


def test_joints_of_a_rendered_person_are_found_better() -> None:
    """The garment would sit on what the pose network takes for hips and shoulders."""
    body = load_people()[2]
    rng = np.random.default_rng(3)
    worn = Wear("tshirt", "jersey_navy", 0.012), Wear("trousers", "denim_indigo", 0.004)
    scene = portrait(body, 1, 70, worn, (1.0, 62.0, 0.85), rng)
    stances = Stances(body.model)
    context = gl.Context()
    camera = Intrinsics.from_field_of_view(62.0, *scene.camera().size)
    fitter = BodyFitter(MODEL, camera)
    miss = []
    for _, look, skin in observed(scene, [stances.draw(rng).world(body.model) for _ in range(6)]):
        landmarks = look.image_landmarks
        weight = landmark_weight(landmarks, camera)
        field = distance_field(look.mask, scene.camera().size[0])
        better, *_ = SHIPPED.corrected(landmarks, look.world, weight, field, camera)
        joints = list(JOINTS)
        truth = (
            body_errors.joints_of(skin, body.model.joints)
            + fitter.shifts(skin[:, :, :3].astype(float))[joints]
        )
        away = [np.linalg.norm(camera.project(truth) - n[joints, :2], axis=1) for n in (landmarks, better)]
        miss.append(np.array(away)[:, weight[joints] > 0.3].mean(1))
    context.close()
    before, after = np.mean(miss, axis=0)
    assert after < 0.85 * before


def test_other_weights_are_refused_in_one_line(tmp_path: Path) -> None:
    """The mirror would start with weights that were made for other features, and fit nonsense."""
    arrays = {"mean": np.zeros(5, np.float32)}
    WEIGHTS.save(arrays, {}, tmp_path / "w.safetensors")
    with pytest.raises(MirrorError, match="for 5 features"):
        LandmarkCorrection(WEIGHTS.load(tmp_path / "w.safetensors")[0])
