"""The parts network on a photo, and the square that it is shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from skimage import data

from inference.parts.parts_network import SIDE, Crop, Part, PartsNetwork, crop_of
from mirror import models
from mirror.errors import MirrorError


@pytest.fixture(scope="module")
def network() -> PartsNetwork:
    return PartsNetwork(models.path(models.PARTS_MODEL))


@pytest.mark.parametrize("enlarged", [1, 3])
def test_a_face_is_skin_and_a_suit_is_none(network: PartsNetwork, enlarged: int) -> None:
    """With a wrong scale of input or order of colours the network would lose hands and faces."""
    photo = np.ascontiguousarray(data.astronaut()[..., ::-1])
    picture = photo.repeat(enlarged, 0).repeat(enlarged, 1)
    parts = network.parse(picture, Crop(0.0, 0.0, 512.0 * enlarged))
    assert parts.shape == (SIDE, SIDE, len(Part))
    np.testing.assert_allclose(parts.astype(int).sum(-1), 255, atol=4)
    kind = parts.argmax(-1)
    assert kind[50:62, 105:120].mean() == Part.FACE_SKIN
    assert (kind[190:220, 90:130] == Part.CLOTHES).mean() > 0.9
    assert (kind[40:60, 20:50] == Part.BACKGROUND).mean() > 0.9
    assert (kind == Part.HAIR).sum() > 500


def test_a_crop_over_the_edge_shows_the_same_person(network: PartsNetwork) -> None:
    """Who stands at the edge of the picture has hands too."""
    photo = np.ascontiguousarray(data.astronaut()[..., ::-1])
    parts = network.parse(photo, Crop(-128.0, -128.0, 768.0)).argmax(-1)
    face = round((105 * 2 + 128) / 3), round((50 * 2 + 128) / 3)
    assert parts[face[1] : face[1] + 4, face[0] : face[0] + 4].mean() == Part.FACE_SKIN


def test_the_crop_holds_mask_and_landmarks() -> None:
    """A hand that the mask misses, but a landmark has, must be in what the network sees."""
    mask = np.zeros((90, 160), np.uint8)
    mask[20:80, 60:90] = 255
    landmarks = np.zeros((33, 4))
    landmarks[:, :3] = 150.0, 100.0, 0.0
    landmarks[:, 3] = 0.9
    landmarks[15, :2] = 300.0, 60.0
    landmarks[16] = 2.0, 2.0, 0.0, 0.1  # not seen
    crop = crop_of(mask, landmarks, (320, 180))
    assert crop is not None
    assert crop.x < 120 - 20
    assert crop.x + crop.side > 300 + 20
    assert crop.y < 40
    assert crop.y + crop.side > 160
    assert crop.x > 2


def test_nobody_is_no_crop() -> None:
    """An empty mask must not end the inference process."""
    landmarks = np.ones((33, 4))
    assert crop_of(np.zeros((90, 160), np.uint8), landmarks, (320, 180)) is None
    assert crop_of(np.full((90, 160), 255, np.uint8), landmarks * 0, (320, 180)) is None


def test_a_damaged_model_is_one_line(tmp_path: Path) -> None:
    """A model that a full disk cut off must say what to do."""
    path = tmp_path / "model.tflite"
    path.write_bytes(models.path(models.PARTS_MODEL).read_bytes()[:1000])
    with pytest.raises(MirrorError, match=r"parts network cannot be loaded.*\./kiosk setup"):
        PartsNetwork(path)
