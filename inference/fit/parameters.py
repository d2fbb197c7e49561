"""The numbers that steer the fit.

None is derived or taken from a paper: they were set by hand, and what they amount to is measured by
``mirror evaluate fit`` on rendered scenes with known bodies and on labelled clips. Lengths are metres at the
person's distance, angles rad.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from inference.fit.anatomy import OPTIMISED
from mirror.types import F64

__all__ = ["FIT", "FitParameters"]

_QUICK = ("arm", "forearm", "hand", "thigh", "shin", "foot", "head", "neck")


def _sigma_turn() -> F64:
    """(n, 3) by joint of ``OPTIMISED``: limbs are quick, the trunk is not, and its turns move everything."""
    sigma = np.array([[0.12 if name.split("_")[-1] in _QUICK else 0.06] * 3 for name in OPTIMISED])
    sigma[OPTIMISED.index("pelvis"), 1] = 0.10  # but people do turn round
    return sigma


@dataclass(frozen=True)
class FitParameters:
    """How far each kind of residual is believed, how the solver steps, and when it begins anew."""

    # Gauss-Newton steps. At a camera's rate one step follows; after a longer gap the pose lies farther off.
    first_iterations: int = 10  # on a new person
    iterations: int = 1  # on a further frame
    far_iterations: int = 4  # after a gap longer than
    long_gap_s: float = 0.06
    outline_from: int = 6  # of the first iterations: before, limbs may lie over a wrong edge
    max_turn: float = 0.6  # a step
    max_shift: float = 0.8
    nearest: float = 0.3  # the person's distance
    # A body that is so far from its landmarks is followed by further steps in the same frame: a quick arm. On
    # five clips of people who sign the first step left 0.055 at most.
    lagging: float = 0.06
    lost: float = 0.1  # a body that a step leaves farther from its landmarks is fitted from the start
    describe_frames: int = 40  # from which it is learnt what a person is like

    # Landmarks in the picture. Beyond ``astray`` one counts less; a hand is quick, and one that is surely
    # seen would be lost by less than ``astray_hand``, by its visibility.
    sigma_image: float = 0.016  # a well seen landmark
    astray_image: float = 0.08
    astray_hand: float = 0.15
    hand_seen: float = 0.9  # visibility from which it begins to hold, and over how much more
    hand_seen_over: float = 0.08
    # World landmarks: the picture knows x and y better.
    sigma_world: F64 = field(default_factory=lambda: np.array([0.11, 0.11, 0.10]))
    astray_world: float = 0.15

    # One outline point of an arm, of the trunk, and of what two legs or a skirt make an outline of (there are
    # a hundred).
    sigma_outline_arm: float = 0.025
    sigma_outline_trunk: float = 0.025
    sigma_outline: float = 0.050
    astray_outline: float = 0.035
    fewest_outline_points: int = 8
    clothes_elsewhere: float = 0.02  # by which clothes stand off where there is no girth

    # From frame to frame, in 1/30 s; depth is the noisy coordinate.
    sigma_turn: F64 = field(default_factory=_sigma_turn)
    sigma_shift: F64 = field(default_factory=lambda: np.array([0.15, 0.15, 0.03]))
    sigma_hinge: float = 0.06  # of a knee or elbow bent the wrong way


FIT = FitParameters()
