"""The camera's blur and grain, measured, and on the cloth."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from render.compose.camera_match import CameraMatch, Grain, ImageQuality, measure
from render.compose.compositing import composite
from tests.render.compose.test_contact_shadow import HEIGHT, WIDTH, scene


def step_edges(blur: float, noise: float, seed: int = 0) -> NDArray[np.uint8]:
    """A wall with boards: edges of a known blur under noise of a known deviation."""
    rng = np.random.default_rng(seed)
    picture = np.full((300, 400), 90.0)
    for number, left in enumerate(range(20, 380, 60)):
        picture[40:260, left : left + 30] = 150 + 10 * number
    picture = cv2.GaussianBlur(picture, (0, 0), blur) + rng.normal(0, noise, picture.shape)
    grey = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


@pytest.mark.parametrize("noise", [1.0, 3.0, 6.0])
def test_the_cameras_noise_is_measured(noise: float) -> None:
    """Cloth would be cleaner or grittier than the person it is on."""
    quality = measure(step_edges(0.8, noise), (100, 100, 300, 300))
    assert quality is not None
    assert quality.noise == pytest.approx(noise, rel=0.25, abs=0.3)


def test_a_soft_camera_is_told_from_a_sharp_one() -> None:
    """Crisp weave on a blurred person looks pasted on."""
    measured = [measure(step_edges(blur, 1.0), (100, 100, 300, 300)) for blur in (0.4, 0.8, 1.6)]
    blurs = [quality.blur for quality in measured if quality is not None]
    assert len(blurs) == 3
    assert blurs[0] < blurs[1] < blurs[2]
    assert blurs[2] == pytest.approx(1.6, abs=0.3)
    assert ImageQuality(0.3, 0.0).softness() == 0.0
    assert ImageQuality(1.6, 0.0).softness() == 1.0
    assert ImageQuality(0.9, 0.0).softness((1, 2)) == 0.0, "a coarse drawing is soft enough"


def test_only_a_close_up_before_a_soft_camera_is_drawn_coarser() -> None:
    """Close before the mirror the picture would stutter; or cloth be blurred that the camera sees sharp."""
    sharp, soft = ImageQuality(0.4, 0.0), ImageQuality(0.9, 0.0)
    assert sharp.resolution(500_000, (1, 1)) == (1, 1)
    assert soft.resolution(60_000, (1, 1)) == (1, 1)
    p, q = soft.resolution(400_000, (1, 1))
    assert p < q
    assert 0.5 * q / p <= 1.1 * soft.blur, "no more blurred than the camera"


def test_the_resolution_does_not_flicker() -> None:
    """Cloth would pulse between sharp and soft with every breath of a shopper at the wrong distance."""
    quality = ImageQuality(0.9, 0.0)
    resolution, changes = (1, 1), 0
    for frame in range(200):
        after = quality.resolution(180_000 + round(25_000 * np.sin(frame / 3)), resolution)
        changes += after != resolution
        resolution = after
    assert changes <= 1


@pytest.mark.parametrize("level", [0, 255])
def test_black_and_burnt_out_frames_tell_nothing(level: int) -> None:
    """A covered lens would set the grain to whatever rounding gives."""
    assert measure(np.full((240, 320, 3), level, np.uint8), (0, 0, 320, 240)) is None
    assert measure(np.full((8, 8, 3), 100, np.uint8), (0, 0, 8, 8)) is None


def test_grain_has_the_asked_deviation() -> None:
    """The picture's brightness would drift with the camera's noise, or the grain be the wrong one."""
    cloth = np.full((120, 160, 3), (100, 120, 140), np.uint8)
    rough = cloth.copy()
    Grain().add(rough, 4.0, 3)
    difference = rough.astype(float) - cloth
    assert abs(difference.mean()) < 0.2
    assert difference.std() == pytest.approx(4.0, rel=0.1)


def test_grain_stays_on_the_cloth() -> None:
    """Noise would crawl over the wall beside the garment."""
    frame, drawing, _ = scene()
    noisy = step_edges(0.8, 4.0)
    match = CameraMatch()
    match.watch(noisy, (100, 100, 300, 300))
    composite(frame, drawing, None, [False], 0.0, camera=match)
    assert frame[90:150, 130:190].std(axis=(0, 1)).min() > 2.5
    frame[78:162, 118:202] = 150
    np.testing.assert_array_equal(frame, 150)


def test_a_clip_has_the_same_grain_every_time_and_another_in_each_frame() -> None:
    """Two replays would differ; or the grain would lie on the screen like dirt."""
    frames = []
    for _ in range(2):
        grain, shots = Grain(), []
        for number in range(3):
            cloth = np.full((64, 64, 3), 128, np.uint8)
            grain.add(cloth, 3.0, number)
            shots.append(cloth)
        frames.append(shots)
    np.testing.assert_array_equal(frames[0], frames[1])
    assert not np.array_equal(frames[0][0], frames[0][1])


def test_cloth_takes_on_the_cameras_look() -> None:
    """The measured blur and noise would never reach the garment."""
    crisp = []
    for soft in (False, True):
        frame, drawing, masks = scene()
        frame[:] = cv2.resize(step_edges(2.0 if soft else 0.3, 0.4), (WIDTH, HEIGHT))
        # Stripes of one pixel, which a blurred camera would not resolve.
        drawing.picture[80:160, 120:200:2, :3] = 20
        match = CameraMatch()
        match.watch(frame, (100, 100, 220, 180))
        composite(frame, drawing, masks, [False], 0.0, camera=match)
        crisp.append(float(frame[90:150, 130:190, 2].astype(float).std()))
    assert crisp[1] < 0.6 * crisp[0]
