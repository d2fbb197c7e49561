"""The 33 landmarks of MediaPipe's pose network, by name.

Topology and order are BlazePose's (Bazarevsky et al. 2020, "BlazePose: On-device Real-time Body Pose
Tracking"). Left and right are the person's own. Index an array with a group as ``points[list(TRUNK)]``.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

__all__ = [
    "ANKLES",
    "ARM_BONES",
    "EARS",
    "ELBOWS",
    "EYES",
    "FACE",
    "HANDS",
    "HIPS",
    "KNEES",
    "LEG_BONES",
    "MIRRORED",
    "MOUTH",
    "SHOULDERS",
    "TRUNK",
    "WRISTS",
    "Landmark",
]


class Landmark(IntEnum):
    """Index of a landmark in arrays (33, ...)."""

    NOSE = 0
    LEFT_EYE_INNER = 1
    LEFT_EYE = 2
    LEFT_EYE_OUTER = 3
    RIGHT_EYE_INNER = 4
    RIGHT_EYE = 5
    RIGHT_EYE_OUTER = 6
    LEFT_EAR = 7
    RIGHT_EAR = 8
    LEFT_MOUTH = 9
    RIGHT_MOUTH = 10
    LEFT_SHOULDER = 11
    RIGHT_SHOULDER = 12
    LEFT_ELBOW = 13
    RIGHT_ELBOW = 14
    LEFT_WRIST = 15
    RIGHT_WRIST = 16
    LEFT_PINKY = 17
    RIGHT_PINKY = 18
    LEFT_INDEX = 19
    RIGHT_INDEX = 20
    LEFT_THUMB = 21
    RIGHT_THUMB = 22
    LEFT_HIP = 23
    RIGHT_HIP = 24
    LEFT_KNEE = 25
    RIGHT_KNEE = 26
    LEFT_ANKLE = 27
    RIGHT_ANKLE = 28
    LEFT_HEEL = 29
    RIGHT_HEEL = 30
    LEFT_FOOT_INDEX = 31
    RIGHT_FOOT_INDEX = 32

    @property
    def label(self) -> str:
        """The name as the baked body model has it, such as "left_hip"."""
        return self.name.lower()

    @property
    def mirrored(self) -> Landmark:
        """The same landmark of the other side; itself where there is none."""
        side, _, part = self.name.partition("_")
        other = {"LEFT": "RIGHT", "RIGHT": "LEFT"}.get(side)
        return Landmark[f"{other}_{part}"] if other else self

    @classmethod
    def of(cls, side: str, part: str) -> Landmark:
        """The landmark ``part`` ("elbow") of a ``side``, "left" or "right"."""
        return cls[f"{side}_{part}".upper()]


def _both(part: str) -> tuple[Landmark, Landmark]:
    return Landmark.of("left", part), Landmark.of("right", part)


EYES, EARS, MOUTH = _both("eye"), _both("ear"), _both("mouth")
SHOULDERS, ELBOWS, WRISTS = _both("shoulder"), _both("elbow"), _both("wrist")
HIPS, KNEES, ANKLES = _both("hip"), _both("knee"), _both("ankle")
FACE = tuple(mark for mark in Landmark if mark < Landmark.LEFT_SHOULDER)
TRUNK = (*SHOULDERS, *HIPS)
#: Wrists and knuckles.
HANDS = tuple(mark for mark in Landmark if Landmark.LEFT_WRIST <= mark <= Landmark.RIGHT_THUMB)
#: From joint to joint down the left limb; those of the right are ``mirrored``.
ARM_BONES = (
    (Landmark.LEFT_SHOULDER, Landmark.LEFT_ELBOW),
    (Landmark.LEFT_ELBOW, Landmark.LEFT_WRIST),
)
LEG_BONES = ((Landmark.LEFT_HIP, Landmark.LEFT_KNEE), (Landmark.LEFT_KNEE, Landmark.LEFT_ANKLE))
#: (33,) Where each landmark's counterpart of the other side is.
MIRRORED = np.array([mark.mirrored for mark in Landmark])
