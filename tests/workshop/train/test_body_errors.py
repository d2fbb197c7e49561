from __future__ import annotations

import numpy as np
import pytest

from inference.body.model import BONES, BodyModel
from inference.fit.fitter import BodyFitter
from tests.inference.people import CAMERA
from workshop.synthetic.people.bodies import load_people
from workshop.synthetic.people.motions import MOTIONS, Choreography
from workshop.synthetic.people.posing import Poser
from workshop.train import body_errors

MODEL = BodyModel.load()
PEOPLE = load_people()


def test_people_are_varied_and_not_of_the_models_making() -> None:
    """The fit would be measured on bodies that its own components made."""
    heights = [p.height_m for p in PEOPLE]
    assert len(PEOPLE) >= 12
    assert max(heights) - min(heights) > 0.3
    left = [float(np.sqrt((p.residual**2).sum(1).mean())) for p in PEOPLE]
    assert min(left) > 0.0005  # not the components' own bodies
    assert max(left) < 0.01  # but people like them


def test_measures_of_the_truth_have_no_error() -> None:
    """Body measures would be wrong by the ruler."""
    body = PEOPLE[5]
    truth = body_errors.measures_of(MODEL, body.model.vertices, body.model.joints)
    assert truth["height"] == pytest.approx(body.height_m)
    taller = body_errors.measures_of(MODEL, 1.1 * body.model.vertices, 1.1 * body.model.joints)
    errors = body_errors.measure_errors(taller, truth)
    assert errors["height_ratio"] == pytest.approx(1.1, abs=1e-3)
    assert max(abs(v) for k, v in errors.items() if k != "height_ratio") < 1.0  # cm, once scaled


def test_girths_are_found_in_the_skinning_matrices() -> None:
    """The belly that the fit has grown would be missing from the waist's measure."""
    fitter = BodyFitter(MODEL, CAMERA)
    fitter.girth[:] = (0.1, 0.2, 0.15, 0.0, 0.0, 0.0, 0.0)
    local = np.tile(np.eye(3), (len(BONES), 1, 1))
    pose = fitter.skeleton.forward(local, np.array([0.1, 0.2, 2.0]), MODEL.joints.astype(np.float64))
    skin = fitter.bone_transforms(pose).astype(np.float32)
    shape = np.zeros(MODEL.components, np.float32)
    thick = body_errors.measures_of(MODEL, *body_errors.grown_rest(MODEL, skin, shape))
    plain = body_errors.measures_of(MODEL, MODEL.vertices, MODEL.joints)
    assert thick["waist"] > 1.1 * plain["waist"]
    assert thick["chest"] > 1.05 * plain["chest"]
    assert thick["height"] == pytest.approx(plain["height"], abs=0.01)


def test_trunk_surface() -> None:
    """A trunk in another place or turn has no error, one of another girth has."""
    surface = body_errors.TrunkSurface(MODEL)
    body = PEOPLE[0]
    shape = np.zeros(MODEL.components, np.float32)
    skin = np.tile(np.eye(4, dtype=np.float32)[:3], (len(BONES), 1, 1))
    moved = skin.copy()
    moved[:, :, 3] = (0.3, 0.1, 2.0)
    same = surface.error_m(moved, shape, skin, MODEL.vertices, 1.0)
    assert same < 1e-4
    wide = MODEL.vertices * np.array([1.1, 1.0, 1.1], np.float32)
    assert 0.004 < surface.error_m(skin, shape, skin, wide, 1.0) < 0.02
    assert surface.error_m(skin, shape, skin, body.model.vertices, 1.0) < 0.03


def test_facing() -> None:
    """Back views would count as front views."""
    for name, low, high in (("turn", 0, 8), ("still", 0, 8)):
        move = Choreography(MOTIONS[name], PEOPLE[1].model)
        from workshop.synthetic.people.scenes import all_scenes

        camera = all_scenes()[0].camera()
        angle = body_errors.facing_deg(camera.place(move.matrices(0.0)))
        assert low <= angle <= high
    half = MOTIONS["turn"].yaw[1][0] / 2 + MOTIONS["turn"].yaw[0][0] / 2
    away = body_errors.facing_deg(camera.place(Choreography(MOTIONS["turn"], PEOPLE[1].model).matrices(half)))
    assert away > 165


@pytest.mark.parametrize("number", range(len(PEOPLE)))
def test_folded_arms_stay_outside_the_trunk(number: int) -> None:
    """What is in front of what would be undefined where an arm runs through the chest."""
    body = PEOPLE[number].model
    poser = Poser(body)
    posed = body.skinned(body.vertices, body.pose(poser.crossed(), body.joints))
    names = ("left_hand", "right_hand", "left_forearm", "right_forearm")
    from inference.body.model import REGIONS

    arms = posed[np.isin(body.region, [REGIONS.index(n) for n in names])]
    inside = [(p[2] < poser.front(p[0], p[1]) - 0.03) & (abs(p[0]) < 0.1) for p in arms[::3]]
    assert np.mean(inside) < 0.02


@pytest.mark.parametrize("name", ["walk", "sit", "sway"])
def test_feet_stand_on_the_floor(name: str) -> None:
    """People would float."""
    body = PEOPLE[3].model
    move = Choreography(MOTIONS[name], body)
    for t in (0.0, 1.0, 1.5):
        low = body.skinned(body.vertices, move.matrices(t))[:, 1].min()
        assert abs(low) < 0.06
