"""The analytic light estimator on bodies shaded by a known light."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from inference.body.model import BodyModel
from inference.body.surface import vertex_normals
from inference.fit.fitter import BodyFitter
from inference.light.analytic import AnalyticLight
from inference.pose.distance_field import distance_field
from mirror.messages import Light
from mirror.shading.spherical_harmonics import lamp_sh, sh_basis, uniform_sh
from tests.inference.people import CAMERA, HEIGHT, WIDTH, person

MODEL = BodyModel.load()
HANGING = {"left_upper_arm": (0.0, 0.0, -0.45), "right_upper_arm": (0.0, 0.0, 0.45)}


def srgb(linear: NDArray[np.float64]) -> NDArray[np.uint8]:
    linear = np.clip(linear, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(encoded * 255), np.uint8)


def lit(
    direction: tuple[float, float, float], gain: float = 1.0, tint: tuple[float, float, float] = (1, 1, 1)
) -> Light:
    """Estimated light on a skin-coloured body in a grey room; ``direction`` towards the lamp, tint RGB."""
    seen = person(MODEL, HANGING, place=(0.0, 0.35, 1.5))
    towards = np.array(direction) / np.linalg.norm(direction)
    sh = gain * (0.35 * uniform_sh() + 0.65 * lamp_sh(towards))
    normals = vertex_normals(seen.vertices.astype(np.float32), MODEL.faces).astype(np.float64)
    shading = np.clip(sh_basis(normals) @ sh, 0, None)[:, None] * np.array(tint)[::-1]
    room = gain * 0.35 * np.array(tint)[::-1]
    picture = np.full((HEIGHT, WIDTH, 3), 1.0) * srgb(np.asarray(room))
    picture = picture.astype(np.uint8)
    pixels = np.rint(CAMERA.project(seen.vertices)).astype(np.int32)
    colours = srgb(shading * np.array([0.26, 0.36, 0.56]))
    for face in np.argsort(-seen.vertices[MODEL.faces].mean(1)[:, 2]):
        corners = MODEL.faces[face]
        cv2.fillConvexPoly(picture, pixels[corners], colours[corners].mean(0).tolist())
    fitter, estimator = BodyFitter(MODEL, CAMERA), AnalyticLight(MODEL, CAMERA)
    for _ in range(6):
        fit = fitter.update(seen.landmarks, seen.world, distance_field(seen.mask, WIDTH), 1 / 30)
    return estimator.update(picture, seen.mask, None, fit, 0)


@pytest.mark.parametrize(
    "direction", [(-1.0, -0.3, -0.6), (1.0, -0.3, -0.6), (0.0, -1.0, -0.5), (0.3, -0.2, -1.0)]
)
def test_the_lamp_is_found_on_its_side(direction: tuple[float, float, float]) -> None:
    """The garment would be lit from the wrong side of the room."""
    light = lit(direction)
    cosine = float(np.dot(light.direction, direction) / np.linalg.norm(direction))
    assert np.degrees(np.arccos(cosine)) < 35
    assert light.confidence > 0.5


def level(light: Light) -> NDArray[np.float64]:
    """Linear RGB of a white surface that faces the camera."""
    return np.asarray((sh_basis(np.array([[0.0, 0.0, -1.0]])) @ np.array(light.sh))[0])


def test_a_darker_room_makes_a_darker_garment() -> None:
    """A garment that glows in a dim shop looks pasted on."""
    ratio = level(lit((0.3, -0.5, -0.8), gain=0.25)).mean() / level(lit((0.3, -0.5, -0.8))).mean()
    assert 0.18 < ratio < 0.35


def test_warm_light_makes_a_warm_garment() -> None:
    """White cotton must be yellowish under warm lamps, and bluish by a north window."""
    warm, cool = (
        level(lit((0, -0.5, -0.8), tint=(1.2, 1.0, 0.7))),
        level(lit((0, -0.5, -0.8), tint=(0.8, 1.0, 1.25))),
    )
    assert warm[0] / warm[2] > 1.2 * cool[0] / cool[2]


def test_the_basis_is_orthonormal() -> None:
    """Renderer and estimator would disagree on what the nine numbers mean."""
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(200_000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    basis = sh_basis(normals)
    np.testing.assert_allclose(4 * np.pi * basis.T @ basis / len(normals), np.eye(9), atol=0.03)


def test_light_moves_smoothly_and_at_its_own_pace() -> None:
    """The garment's brightness would flicker with every frame's noise."""
    seen = person(MODEL, HANGING, place=(0.0, 0.35, 1.5))
    fit = BodyFitter(MODEL, CAMERA).update(seen.landmarks, seen.world, None, 1 / 30)
    estimator = AnalyticLight(MODEL, CAMERA)
    dark, bright = (np.full((HEIGHT, WIDTH, 3), value, np.uint8) for value in (60, 200))
    first = estimator.update(dark, seen.mask, None, fit, 0)
    same = estimator.update(bright, seen.mask, None, fit, 30_000_000)
    assert same == first  # within the period nothing is estimated anew
    step = estimator.update(bright, seen.mask, None, fit, 250_000_000)
    for index in range(2, 12):
        final = estimator.update(bright, seen.mask, None, fit, index * 250_000_000)
    assert level(first).mean() < level(step).mean() < 0.9 * level(final).mean()
