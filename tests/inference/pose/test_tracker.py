"""One person is found, chosen, kept and let go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data

from inference.body.landmarks import HIPS, SHOULDERS, Landmark
from inference.pose.tracker import (
    PoseTracker,
    most_central_and_near,
    other_people,
    plausible,
    torso,
    torso_colours,
)
from mirror import models
from mirror.errors import MirrorError

pytestmark = pytest.mark.slow


FRAME_NS = 33_000_000
ASTRONAUT: NDArray[np.uint8] = np.ascontiguousarray(data.astronaut()[:, :, ::-1])


def scene(*people: tuple[float, int]) -> NDArray[np.uint8]:
    """A 1280x720 grey wall with the astronaut at each (height fraction, x of her middle)."""
    frame = np.full((720, 1280, 3), 150, np.uint8)
    for size, x in people:
        side = int(720 * size)
        small = cv2.resize(ASTRONAUT, (side, side), interpolation=cv2.INTER_AREA)
        x0 = x - side // 2
        left, right = max(0, x0), min(1280, x0 + side)
        frame[720 - side :, left:right] = small[:, left - x0 : right - x0]
    return frame


@pytest.fixture
def tracker() -> Iterator[PoseTracker]:
    tracker = PoseTracker(
        models.path("pose_landmarker_full.task"), models.path("face_detection_full_range_sparse.tflite")
    )
    yield tracker
    tracker.close()


def test_a_person_is_found_with_landmarks_and_mask(tracker: PoseTracker) -> None:
    """Without this there is no mirror."""
    seen = tracker.observe(scene((0.9, 640)), 0)
    assert seen is not None
    assert seen.landmarks.shape == (33, 4)
    assert seen.world.shape == (33, 3)
    assert seen.mask.shape == (360, 640)
    assert seen.mask.dtype == np.uint8
    nose = seen.landmarks[Landmark.NOSE, :2]
    assert abs(nose[0] - 640) < 60
    assert 80 < nose[1] < 330
    assert (seen.mask > 127).mean() > 0.1


def test_the_near_and_central_person_is_chosen_and_kept(tracker: PoseTracker) -> None:
    """The garment would jump to whoever stands at the edge of the picture."""
    frames = [scene((0.55, 1130), (0.95, 480 + 3 * k)) for k in range(12)]
    for index, frame in enumerate(frames):
        seen = tracker.observe(frame, index * FRAME_NS)
        assert seen is not None
        assert abs(torso(seen.landmarks)[0][0] - (480 + 3 * index)) < 130
        assert seen.person == 1


def test_a_newcomer_does_not_steal_the_garment(tracker: PoseTracker) -> None:
    """A passer-by who comes nearer than the shopper must stay undressed while the shopper stays."""
    for index in range(6):
        seen = tracker.observe(scene((0.7, 400)), index * FRAME_NS)
    for index in range(6, 16):
        seen = tracker.observe(scene((0.7, 400), (0.95, 1290 - 20 * index)), index * FRAME_NS)
        assert seen is not None
        assert seen.person == 1
        assert abs(torso(seen.landmarks)[0][0] - 400) < 120


def test_who_leaves_is_forgotten_and_the_next_is_somebody_else(tracker: PoseTracker) -> None:
    """The next shopper would be fitted with the last one's body and colours."""
    for index in range(4):
        assert tracker.observe(scene((0.9, 640)), index * FRAME_NS) is not None
    empty = scene()
    for index in range(4, 50):
        assert tracker.observe(empty, index * FRAME_NS) is None
    back = tracker.observe(scene((0.9, 640)), 51 * FRAME_NS)
    assert back is not None
    assert back.person == 2


def test_a_blink_keeps_the_person(tracker: PoseTracker) -> None:
    """One dropped or black frame would make the body settle anew."""
    for index in range(4):
        assert tracker.observe(scene((0.9, 640)), index * FRAME_NS) is not None
    assert tracker.observe(scene(), 4 * FRAME_NS) is None
    back = tracker.observe(scene((0.9, 640)), 6 * FRAME_NS)
    assert back is not None
    assert back.person == 1


def test_pictures_of_their_own_have_nothing_of_the_one_before(tracker: PoseTracker) -> None:
    """A photograph would get a mask that is half of the photograph before it."""
    masks = []
    for index, frame in enumerate((scene((0.9, 640)), scene((0.6, 900)), scene((0.9, 640)))):
        tracker.forget()
        seen = tracker.observe(frame, index * FRAME_NS)
        assert seen is not None
        assert seen.person == index + 1
        masks.append(seen.mask)
    np.testing.assert_allclose(masks[2], masks[0], atol=3)


def test_tiny_people_and_missing_masks_are_nobody() -> None:
    """MediaPipe takes table legs for people: an empty shop would show a garment on furniture."""
    landmarks = np.zeros((33, 4))
    landmarks[:, 3] = 1.0
    landmarks[[Landmark.LEFT_SHOULDER, Landmark.LEFT_HIP], :2] = (330, 200), (330, 330)
    landmarks[[Landmark.RIGHT_SHOULDER, Landmark.RIGHT_HIP], :2] = (270, 200), (270, 330)
    mask = np.zeros((480, 640), np.uint8)
    mask[150:400, 240:360] = 255
    assert plausible(landmarks, mask, mask.shape)
    assert not plausible(landmarks, None, mask.shape)
    assert not plausible(landmarks, np.zeros_like(mask), mask.shape)
    tiny = landmarks.copy()
    tiny[:, :2] = 300 + (landmarks[:, :2] - 300) * 0.05
    assert not plausible(tiny, mask, mask.shape)


def test_choice_and_colours_are_what_they_say() -> None:
    """Choosing and recognising people rest on these two."""
    near, far = np.zeros((33, 4)), np.zeros((33, 4))
    for person, x, size in ((near, 900.0, 200.0), (far, 640.0, 90.0)):
        person[list(SHOULDERS), :2] = (x + size / 3, 200), (x - size / 3, 200)
        person[list(HIPS), :2] = (x + size / 3, 200 + size), (x - size / 3, 200 + size)
    assert most_central_and_near([far, near], 1280, 720) == 1
    red, blue = np.zeros((720, 1280, 3), np.uint8), np.zeros((720, 1280, 3), np.uint8)
    red[..., 2], blue[..., 0] = 200, 200
    a, b, c = torso_colours(red, near), torso_colours(blue, near), torso_colours(red, far)
    assert a is not None
    assert b is not None
    assert c is not None
    assert cv2.compareHist(a, b, cv2.HISTCMP_BHATTACHARYYA) > 0.8
    assert cv2.compareHist(a, c, cv2.HISTCMP_BHATTACHARYYA) < 0.2


def test_a_broken_model_file_is_one_clear_line(tmp_path: Path) -> None:
    """An operator with a damaged cache must be told what to do, not shown a stack."""
    broken = tmp_path / "pose.task"
    broken.write_bytes(b"PK not a bundle")
    with pytest.raises(MirrorError, match="pose model"):
        PoseTracker(broken, broken)
    with pytest.raises(MirrorError, match="pose model"):
        PoseTracker(tmp_path / "missing.task", tmp_path / "missing.tflite")


def test_the_own_face_of_a_quick_walker_is_nobody_elses() -> None:
    """Who walks past in profile would be painted over by half, and the garment torn off."""
    person = np.zeros((33, 4))
    person[list(SHOULDERS), :2] = (300, 100), (304, 100)
    person[list(HIPS), :2] = (300, 170), (304, 170)
    person[0, :2] = 308, 80
    own = (308.0 + 14.0, 60.0, 20.0)  # where the face is by the next frame
    assert other_people([own], person, moved=14.0) == []
    assert len(other_people([own, (420.0, 60.0, 20.0)], person, moved=14.0)) == 1
