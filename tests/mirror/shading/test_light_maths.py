"""Irradiance, colours and errors of light, against what they must be by hand."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from mirror.errors import MirrorError
from mirror.shading.colour import LUMINANCE_RGB
from mirror.shading.spherical_harmonics import (
    MIRROR_SIGNS,
    angle_deg,
    irradiance,
    lamp_sh,
    main_direction,
    sh_basis,
    uniform_sh,
)
from mirror.shading.temperature import blackbody_rgb, colour_temperature
from workshop.evaluate.light.evaluate import sphere_errors
from workshop.synthetic.light.environment import Environment, directions_of, rays, read_hdr
from workshop.synthetic.light.procedural_environments import synthetic


def test_a_white_sky_is_even_light_and_a_small_lamp_a_lamp() -> None:
    """Ground truth and estimate would speak of different lights."""
    directions, solid = directions_of((128, 64))
    even = irradiance(directions, np.ones((len(directions), 3)), solid)
    np.testing.assert_allclose(even, np.repeat(uniform_sh()[:, None], 3, 1), atol=5e-3)
    towards = np.array([0.6, -0.64, -0.48])
    beam = (directions @ towards > np.cos(0.08)).astype(float)[:, None] * np.ones(3)
    beam /= (beam[:, 0] * solid).sum() / np.pi  # E = pi on a surface that faces it
    np.testing.assert_allclose(irradiance(directions, beam, solid)[:, 1], lamp_sh(towards), atol=0.03)


def test_an_environment_turns_with_the_camera() -> None:
    """A lamp to the right of the picture would light the garment from the left."""
    picture = np.full((64, 128, 3), 0.05, np.float32)
    picture[24:32, 92:98] = 50.0  # up, and to +x of world
    sh, radiance = Environment("lamp", picture).light(np.diag([1.0, -1.0, -1.0]))
    direction = main_direction(sh)
    assert direction[0] > 0.8
    assert direction[1] < 0.0  # camera y points down
    assert angle_deg(rays()[np.argmax(radiance[:, 0])], direction) < 20
    mirrored, _ = Environment("lamp", picture).mirrored().light(np.diag([1.0, -1.0, -1.0]))
    np.testing.assert_allclose(mirrored, sh * MIRROR_SIGNS[:, None], atol=1e-3)


@pytest.mark.parametrize("kelvin", [2700, 4000, 6500, 9000])
def test_colour_temperature_is_that_of_the_black_body(kelvin: int) -> None:
    """A tungsten lamp would be called daylight."""
    sh = uniform_sh()[:, None] * blackbody_rgb(kelvin)
    assert colour_temperature(sh) == pytest.approx(kelvin, rel=0.02)
    with pytest.raises(MirrorError, match="no colour temperature"):
        colour_temperature(np.zeros((9, 3)))


def test_sphere_errors_are_none_for_the_truth_and_blind_to_its_scale() -> None:
    """The figures would reward or punish the exposure where they say they don't."""
    truth = (0.4 * uniform_sh() + 0.6 * lamp_sh(np.array([0.0, -1.0, 0.0])))[:, None] * np.array(
        [1.0, 0.9, 0.7]
    )
    assert sphere_errors(truth, truth) == pytest.approx((0, 0, 0), abs=1e-5)
    rmse, si_rmse, angle = sphere_errors(2.0 * truth, truth)
    assert rmse > 0.3
    assert (si_rmse, angle) == pytest.approx((0, 0), abs=1e-5)
    grey = truth.mean(1, keepdims=True).repeat(3, 1)
    expected = angle_deg(np.array([1.0, 0.9, 0.7]), np.ones(3))
    assert sphere_errors(grey, truth)[2] == pytest.approx(expected, abs=0.1)


def test_made_up_rooms_are_lit_and_differ() -> None:
    """Training on one room, or on a black one, would teach nothing."""
    found = []
    for seed in range(12):
        room = synthetic(np.random.default_rng(seed)).levelled()
        assert np.isfinite(room.radiance).all()
        assert room.radiance.min() >= 0
        found.append(main_direction(room.light(np.eye(3))[0]))
    assert np.linalg.norm(np.mean(found, 0)) < 0.95


def test_more_contrast_makes_lamps_brighter_beside_the_rest() -> None:
    """Rooms would be trained on in one contrast only, or in colours that no lamp has."""
    picture = np.full((64, 128, 3), (0.1, 0.2, 0.1), np.float32)
    picture[28:36, 40:50] = 3.0
    plain = Environment("window", picture)
    harder, same = plain.contrasted(1.3), plain.contrasted(1.0)
    np.testing.assert_allclose(same.radiance, picture, rtol=1e-5)
    ratio = [float(e.radiance[30, 45, 1] / e.radiance[2, 2, 1]) for e in (plain, harder)]
    assert ratio[1] > 1.5 * ratio[0]
    np.testing.assert_allclose(harder.radiance[2, 2] / harder.radiance[2, 2, 1], (0.5, 1.0, 0.5), rtol=1e-5)


def test_other_colours_leave_the_light_where_it_was() -> None:
    """A room recoloured for training would teach a direction that its picture does not show."""
    rng = np.random.default_rng(2)
    plain = Environment("room", rng.uniform(0.2, 3.0, (64, 128, 3)).astype(np.float32))
    side = np.array([1.0, 0.0, 0.0])
    same = plain.recoloured(1.0, side, np.ones(3))
    np.testing.assert_allclose(same.radiance, plain.radiance, rtol=1e-4)
    warm = plain.recoloured(0.5, side, np.array([1.5, 1.0, 0.7]))
    np.testing.assert_allclose(warm.radiance @ LUMINANCE_RGB, plain.radiance @ LUMINANCE_RGB, rtol=1e-4)
    directions, _ = directions_of((128, 64))
    ratio = (warm.radiance[..., 0] / warm.radiance[..., 2]).reshape(-1)
    towards = directions @ side
    assert ratio[towards > 0.8].mean() > 1.5 * ratio[towards < -0.8].mean()
    assert np.log(ratio[towards < -0.8]).std() < np.log(plain.radiance[..., 0] / plain.radiance[..., 2]).std()


def test_a_camera_in_the_room_sees_what_lights_the_person() -> None:
    """The room behind would be no cue, or a wrong one."""
    picture = np.full((64, 128, 3), 0.1, np.float32)
    picture[28:36, 0:4] = picture[28:36, -4:] = 3.0  # straight behind the person
    seen = Environment("window", picture).seen(np.diag([1.0, -1.0, -1.0]), 100.0, (96, 72))
    bright = np.argwhere(seen[..., 0] > 2.0).mean(0)
    np.testing.assert_allclose(bright, (35.5, 47.5), atol=3)


def test_hdr_pictures_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    """A cut-off download would be trained on."""
    path = tmp_path / "room.hdr"
    with pytest.raises(MirrorError, match="not a readable HDR"):
        read_hdr(path)
    cv2.imwrite(str(path), np.ones((64, 64, 3), np.float32))
    with pytest.raises(MirrorError, match="not an equirectangular"):
        read_hdr(path)
    cv2.imwrite(str(path), np.full((64, 128, 3), (1.0, 2.0, 4.0), np.float32))
    sh, _ = read_hdr(path).light(np.eye(3))
    np.testing.assert_allclose(sh[0] * 0.282095, (4.0, 2.0, 1.0), rtol=0.02)  # red, green, blue
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(MirrorError, match=r"not a readable HDR|holds numbers"):
        read_hdr(path)


def test_the_basis_and_the_mirror_agree() -> None:
    """Mirrored light would not be the light of the mirrored picture."""
    normals = np.random.default_rng(3).normal(size=(50, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    np.testing.assert_allclose(sh_basis(normals * (-1, 1, 1)), sh_basis(normals) * MIRROR_SIGNS, atol=1e-6)
