"""The working copy that inference looks at, and the way back to the frame's pixels."""

from __future__ import annotations

import numpy as np
import pytest

from inference.body.camera import Intrinsics
from inference.resize import WORKING_SIDE, working_copy


@pytest.mark.parametrize("size", [(1280, 720), (1088, 1920), (3840, 2160), (640, 480), (300, 200)])
def test_a_working_copy_shows_the_whole_frame(size: tuple[int, int]) -> None:
    """Half the shopper would be outside of what the networks see."""
    width, height = size
    frame = np.zeros((height, width, 3), np.uint8)
    frame[: height // 2, : width // 2] = 200
    small = working_copy(frame)
    assert max(small.shape[:2]) == min(WORKING_SIDE, max(size))
    assert small.shape[1] / small.shape[0] == pytest.approx(width / height, rel=0.01)
    assert (small > 100).mean() == pytest.approx(0.25, abs=0.01)
    assert not np.shares_memory(small, frame), "the ring's slot is written again before the fit is done"


def test_the_camera_of_the_copy_is_that_of_the_frame() -> None:
    """The garment would be drawn beside the body, or too small."""
    small = Intrinsics.from_field_of_view(60.0, 640, 360)
    large = Intrinsics.from_field_of_view(60.0, 1920, 1080)
    assert small.at_size(1920, 1080) == pytest.approx((large.focal, large.focal, large.cx, large.cy))
