"""The distance field that pulls the body's outline onto the person mask."""

from __future__ import annotations

import cv2
import numpy as np

from inference.pose.distance_field import distance_field


def test_distance_and_direction_point_out_of_the_person() -> None:
    """A wrong sign would push the garment away from the shopper's outline."""
    mask = np.zeros((480, 640), np.uint8)
    cv2.circle(mask, (320, 240), 100, 255, -1)
    field = distance_field(mask, 640)
    assert field is not None
    pixels = np.array([[440.0, 240.0], [320.0, 170.0], [320.0, 340.0]])
    value, gradient, inside = field.sample(pixels)
    np.testing.assert_allclose(value, [20.0, -30.0, 0.0], atol=2.5)
    np.testing.assert_allclose(gradient, [[1, 0], [0, -1], [0, 1]], atol=0.12)
    assert inside.all()


def test_the_edge_of_the_picture_is_no_outline() -> None:
    """A shopper half out of the picture would be squeezed into it."""
    mask = np.zeros((480, 640), np.uint8)
    mask[:, :200] = 255
    field = distance_field(mask, 640)
    assert field is not None
    _, _, inside = field.sample(np.array([[1.0, 200.0], [-50.0, 200.0], [200.0, 240.0]]))
    assert inside.tolist() == [False, False, True]


def test_an_empty_mask_pulls_at_nothing() -> None:
    """A frame in which the mask fails must not stop the mirror."""
    assert distance_field(np.zeros((480, 640), np.uint8), 640) is None
