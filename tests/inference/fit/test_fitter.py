"""The fit against bodies whose pose is known."""

from __future__ import annotations

import numpy as np
import pytest

from inference.body.landmarks import SHOULDERS, Landmark
from inference.body.model import BONES, BodyModel
from inference.fit.fitter import BodyFitter, Fit
from inference.pose.distance_field import distance_field
from tests.inference.people import CAMERA, WIDTH, Person, person

MODEL = BodyModel.load()
HANGING = {"left_upper_arm": (0.0, 0.0, -0.45), "right_upper_arm": (0.0, 0.0, 0.45)}
POSES = {
    "standing": dict(HANGING),
    "arm raised": {**HANGING, "left_upper_arm": (0.0, 0.0, 1.6)},
    "arms crossed before the chest": {
        "left_upper_arm": (-0.5, -0.3, -0.4),
        "right_upper_arm": (-0.5, 0.3, 0.4),
        "left_forearm": (-0.9, -0.9, 0.2),
        "right_forearm": (-0.9, 0.9, -0.2),
    },
    "squatting": {
        **HANGING,
        "left_thigh": (-1.3, 0.0, 0.1),
        "right_thigh": (-1.3, 0.0, -0.1),
        "left_shin": (1.5, 0.0, 0.0),
        "right_shin": (1.5, 0.0, 0.0),
    },
}


def fitted(seen: Person, frames: int = 12, fitter: BodyFitter | None = None) -> Fit:
    fitter = fitter or BodyFitter(MODEL, CAMERA)
    field = distance_field(seen.mask, WIDTH)
    for _ in range(frames):
        fit = fitter.update(seen.landmarks, seen.world, field, 1 / 30)
    return fit


def surface_error_px(fit: Fit, seen: Person) -> float:
    """Median distance in px between fitted and true surface points."""
    vertices, _ = MODEL.shaped(fit.shape)
    placed = MODEL.skinned(vertices, fit.bone_transforms).astype(np.float64)
    return float(np.median(np.linalg.norm(CAMERA.project(placed) - CAMERA.project(seen.vertices), axis=1)))


@pytest.mark.parametrize("name", POSES)
@pytest.mark.parametrize("yaw", [0.0, 0.7])
def test_the_fit_lands_on_the_body(name: str, yaw: float) -> None:
    """The garment would float beside the shopper's arms or trunk."""
    seen = person(MODEL, POSES[name], yaw=yaw, noise_px=1.0)
    fit = fitted(seen)
    assert fit.error < 0.03
    assert surface_error_px(fit, seen) < 5.0


def test_a_person_seen_from_behind_is_not_turned_round() -> None:
    """The garment's front would be shown on the shopper's back."""
    seen = person(MODEL, HANGING, yaw=np.pi)
    fit = fitted(seen)
    assert surface_error_px(fit, seen) < 6.0
    assert fit.pose.world[0][2, 2] > 0.7  # the chest looks away


def test_half_a_body_still_gets_its_garment() -> None:
    """A shopper close to the mirror, hips out of the picture, must still be dressed upright."""
    seen = person(MODEL, HANGING, place=(0.0, 0.75, 1.1), noise_px=1.0)
    outside = seen.landmarks[:, 1] > 480
    assert outside[Landmark.LEFT_HIP]
    seen.landmarks[outside, 2] = 0.05
    fit = fitted(seen)
    shoulders = list(SHOULDERS)
    miss = CAMERA.project(fit.landmark_points)[shoulders] - seen.landmarks[shoulders, :2]
    assert np.abs(miss).max() < 12.0
    assert fit.pose.world[0][1, 1] < -0.9  # upright


def test_a_missing_arm_hangs_instead_of_flailing() -> None:
    """An arm hidden behind the back must not wave about."""
    seen = person(MODEL, HANGING, noise_px=1.0)
    hidden = [Landmark.of("left", part) for part in ("elbow", "wrist", "pinky", "index", "thumb")]
    seen.landmarks[hidden, 2] = 0.0
    seen.landmarks[hidden, :2] += np.random.default_rng(0).normal(scale=60, size=(5, 2))
    fit = fitted(seen)
    upper = fit.pose.origin[9] - fit.pose.origin[7]
    assert upper[1] / np.linalg.norm(upper) > 0.7  # down in camera space


def test_the_shape_follows_the_outline_and_then_holds() -> None:
    """A broad shopper's garment would be too tight, or breathe in and out for ever."""
    shape = np.zeros(MODEL.components)
    shape[1:4] = (1.5, -0.5, 0.8)
    seen = person(MODEL, HANGING, shape=shape)
    fitter = BodyFitter(MODEL, CAMERA)
    fit = fitted(seen, 100, fitter)
    settled = fit.shape
    assert fit.settled == 1.0
    slim = person(MODEL, HANGING)
    later = fitted(slim, 10, fitter)
    np.testing.assert_array_equal(later.shape, settled)
    assert surface_error_px(fit, seen) < 4.0


def test_noise_is_damped_and_movement_is_not() -> None:
    """The garment would tremble on a still shopper, or trail behind a moving one."""
    fitter = BodyFitter(MODEL, CAMERA)
    still = [
        CAMERA.project(fitted(person(MODEL, HANGING, noise_px=1.5, seed=k), 1, fitter).landmark_points)[
            list(SHOULDERS)
        ]
        for k in range(40)
    ][15:]
    assert np.std(still, axis=0).max() < 1.0  # less than the landmarks' own 1.5 px
    lags = []
    for step in range(12):
        seen = person(MODEL, HANGING, place=(0.04 * step, 0.0, 2.6))
        shown = CAMERA.project(fitted(seen, 1, fitter).landmark_points)
        lags.append((shown - seen.landmarks[:, :2])[Landmark.LEFT_SHOULDER, 0])
    step_px = 0.04 * CAMERA.focal / 2.6
    assert abs(np.mean(lags[4:])) < 0.5 * step_px  # less than half a frame behind


def facing(fit: Fit, bone: str) -> float:
    """Yaw in rad of a bone; 0 faces the camera."""
    forward = fit.pose.world[BONES.index(bone)][:, 2]
    return float(np.arctan2(forward[0], -forward[2]))


def test_hips_and_chest_turn_with_the_shopper() -> None:
    """Trousers and skirts would stay behind while the shirt turns, and be shown back to front."""
    fitter = BodyFitter(MODEL, CAMERA)
    for step in range(80):
        yaw = 0.075 * max(step - 8, 0)  # as fast as people turn before a mirror
        fit = fitted(person(MODEL, HANGING, yaw=yaw, noise_px=1.0, seed=step), 1, fitter)
        for bone in ("pelvis", "chest"):
            behind = (yaw - facing(fit, bone) + np.pi) % (2 * np.pi) - np.pi
            assert abs(behind) < 0.3, (step, bone)


def test_a_clear_lean_is_believed_though_people_stand_upright() -> None:
    """The shirt of somebody who bends forward would stay upright behind the shoulders."""
    bent = {**HANGING, "spine1": (0.25, 0.0, 0.0), "spine2": (0.25, 0.0, 0.0), "chest": (0.2, 0.0, 0.0)}
    seen = person(MODEL, bent, noise_px=1.0)
    fit = fitted(seen, 20)
    up = fit.pose.world[BONES.index("chest")][:, 1]
    lean = np.degrees(np.arcsin(-up[2]))
    assert lean > 28.0  # of 40


def test_reset_forgets_the_person() -> None:
    """The next shopper must not inherit the last one's body."""
    shape = np.zeros(MODEL.components)
    shape[0] = 1.0
    fitter = BodyFitter(MODEL, CAMERA)
    fitted(person(MODEL, HANGING, shape=shape), 30, fitter)
    fitter.reset()
    fresh = fitted(person(MODEL, HANGING), 8, fitter)
    again = fitted(person(MODEL, HANGING), 8, BodyFitter(MODEL, CAMERA))
    np.testing.assert_allclose(fresh.bone_transforms, again.bone_transforms, atol=1e-6)


def test_who_spins_round_and_crouches_between_two_frames_stays_dressed() -> None:
    """The garment would vanish for some frames whenever a lively shopper jumps."""
    fitter = BodyFitter(MODEL, CAMERA)
    fitted(person(MODEL, HANGING), 20, fitter)
    shape = fitter.shape.copy()
    jumped = person(MODEL, POSES["squatting"], yaw=np.pi, place=(0.5, 0.2, 3.2))
    fit = fitted(jumped, 1, fitter)
    assert fit.error < 0.06
    assert surface_error_px(fit, jumped) < 12.0
    assert np.abs(fit.shape - shape).max() < 1.0, "what was learnt of the body is not lost"
