"""The landmarks' names."""

from __future__ import annotations

from mediapipe.tasks.python.vision import PoseLandmark

from inference.body.landmarks import ARM_BONES, FACE, HANDS, MIRRORED, TRUNK, Landmark


def test_names_are_the_pose_networks() -> None:
    """A garment would hang from the wrong joints: indices are BlazePose's and cannot be chosen."""
    renamed = {"MOUTH_LEFT": "LEFT_MOUTH", "MOUTH_RIGHT": "RIGHT_MOUTH"}
    theirs = {renamed.get(mark.name, mark.name): int(mark) for mark in PoseLandmark}
    assert {mark.name: int(mark) for mark in Landmark} == theirs


def test_mirrored_swaps_sides_and_nothing_else() -> None:
    """Mirrored training pictures would teach the network left arms on right shoulders."""
    assert Landmark.NOSE.mirrored is Landmark.NOSE
    assert Landmark.LEFT_EYE_INNER.mirrored is Landmark.RIGHT_EYE_INNER
    assert all(mark.mirrored.mirrored is mark for mark in Landmark)
    assert MIRRORED[MIRRORED].tolist() == list(range(33))


def test_groups_hold_what_they_say() -> None:
    """The trust in landmarks goes by these groups."""
    assert tuple(range(11)) == FACE
    assert tuple(range(15, 23)) == HANDS
    assert TRUNK == (11, 12, 23, 24)
    assert Landmark.of("left", "elbow") is ARM_BONES[0][1]
    assert Landmark.LEFT_FOOT_INDEX.label == "left_foot_index"
