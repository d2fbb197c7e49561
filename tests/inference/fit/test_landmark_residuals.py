"""What is made of the pose network's landmarks."""

from __future__ import annotations

import numpy as np
import pytest

from inference.body.kinematics import exp_so3
from inference.body.landmarks import TRUNK
from inference.fit.landmark_residuals import add_trunk_lines, turn_to_ray
from inference.fit.normal_equations import NormalEquations
from tests.inference.people import CAMERA


def trunk() -> np.ndarray:
    """(33, 3) camera axes, facing the camera; all but the trunk's corners in one place."""
    points = np.zeros((33, 3))
    points[list(TRUNK)] = (0.2, -0.5, 0.0), (-0.2, -0.5, 0.0), (0.1, 0.0, 0.0), (-0.1, 0.0, 0.0)
    return points


@pytest.mark.parametrize("turn", [(0.0, 0.3, 0.0), (-0.2, 0.0, 0.0)])
def test_the_trunk_is_turned_as_the_world_landmarks_say(turn: tuple[float, float, float]) -> None:
    """A shirt would face the mirror while the shopper turns away, as single depths are too vague."""
    points = trunk()
    world = points @ exp_so3(np.array(turn)).T
    jacobian = np.stack([np.cross(axis, points) for axis in np.eye(3)], axis=-1)
    normal_equations = NormalEquations(3)
    add_trunk_lines(normal_equations, points, world, np.ones(33), jacobian)
    normal_equations.add_diagonal(0, np.zeros(3), np.full(3, 1.0))
    step = normal_equations.solve()
    told = np.argmax(np.abs(turn))
    assert step[told] == pytest.approx(turn[told], rel=0.6 if told == 0 else 0.1)  # leans are doubted
    assert np.abs(np.delete(step, told)).max() < 0.05


def test_unseen_corners_turn_nothing() -> None:
    """Hips below the picture's edge are a guess, and would twist the shirt of who stands close."""
    points = trunk()
    world = points @ exp_so3(np.array([0.0, 1.0, 0.0])).T
    jacobian = np.stack([np.cross(axis, points) for axis in np.eye(3)], axis=-1)
    normal_equations = NormalEquations(3)
    add_trunk_lines(normal_equations, points, world, np.zeros(33), jacobian)
    normal_equations.add_diagonal(0, np.zeros(3), np.full(3, 1.0))
    assert np.abs(normal_equations.solve()).max() < 1e-6


def test_world_landmarks_are_seen_along_the_ray() -> None:
    """Who stands at the picture's edge and faces the mirror's plane would get a garment turned aside."""
    seen = np.tile([CAMERA.cx + CAMERA.focal, CAMERA.cy], (33, 1))  # 45 degrees to the right
    turn = turn_to_ray(seen, np.ones(33), CAMERA)
    np.testing.assert_allclose(turn @ [0.0, 0.0, 1.0], [np.sqrt(0.5), 0.0, np.sqrt(0.5)], atol=1e-6)
