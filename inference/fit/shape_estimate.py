"""What is known of a person's shape: gathered view by view, on top of what people are like.

The unknowns are the shape's coefficients, the girths, and how thick the worn clothes are, part by part: an
outline is flesh and cloth, and only what is likely of either tells them apart. Every frame fitted says
something of them once its own pose is eliminated (a Schur complement, as in bundle adjustment: Triggs et
al. 2000). Frames of one view err alike, so they are averaged and count as one; another view is news:
the side tells the depth that the front hides.
"""

from __future__ import annotations

import numpy as np

from inference.fit.anatomy import GIRTH_GROUPS, GIRTH_NEIGHBOURS, SIGMA_GIRTH
from mirror.types import F64

SETTLE_FRAMES = 90  # of one view: later ones add nothing
VIEWS = 8  # directions that the person may face, 45 degrees apart
VIEW_WEIGHT = 1.6  # of a view against what people are like: its frames' noise averages out
SIGMA_SHAPE = 0.8  # standard deviations
# m, by which the person mask stands off the flesh (worn clothes and the mask's own margin), by group of
# girth; how much that varies among people, and how parts vary together: who wears a coat wears it on
# chest, waist and arms. Measured by workshop/bake/mask_stand_off.py.
CLOTHES = np.array([0.044, 0.049, 0.037, 0.031, 0.025, 0.040, 0.028])
SIGMA_CLOTHES = np.array([0.011, 0.013, 0.011, 0.017, 0.023, 0.010, 0.024])
CLOTHES_TOGETHER = np.array(
    [
        [1.00, 0.76, 0.74, 0.63, 0.58, 0.31, 0.21],
        [0.76, 1.00, 0.66, 0.54, 0.52, 0.27, 0.24],
        [0.74, 0.66, 1.00, 0.73, 0.63, 0.41, 0.23],
        [0.63, 0.54, 0.73, 1.00, 0.70, 0.36, 0.22],
        [0.58, 0.52, 0.63, 0.70, 1.00, 0.34, 0.18],
        [0.31, 0.27, 0.41, 0.36, 0.34, 1.00, 0.27],
        [0.21, 0.24, 0.23, 0.22, 0.18, 0.27, 1.00],
    ]
)
SHAPE_LIMIT = 3.0
GIRTH_LIMITS = (-0.25, 0.45)
THICKEST = 0.12  # m


class ShapeEstimate:
    """Running estimate of one person's ``shape`` (K,), ``girth`` (G,) and ``clothes`` (G,) metres."""

    def __init__(self, components: int) -> None:
        self._components = components
        groups = len(GIRTH_GROUPS)
        self.size = components + 2 * groups
        body = np.repeat([SIGMA_SHAPE, SIGMA_GIRTH], [components, groups])
        self._prior = np.zeros((self.size, self.size))
        self._prior[: len(body), : len(body)] = np.diag(1.0 / body**2)
        worn = CLOTHES_TOGETHER * np.outer(SIGMA_CLOTHES, SIGMA_CLOTHES)
        self._prior[len(body) :, len(body) :] = np.linalg.inv(worn)
        names = list(GIRTH_GROUPS)
        for one, other, sigma in GIRTH_NEIGHBOURS:
            row = np.zeros(self.size)
            row[components + names.index(one)], row[components + names.index(other)] = 1.0, -1.0
            self._prior += np.outer(row, row) / sigma**2
        self._likely = np.concatenate([np.zeros(components + groups), CLOTHES])
        self._seen = np.zeros(VIEWS, int)
        self._normal = np.zeros((VIEWS, self.size, self.size))
        self._pull = np.zeros((VIEWS, self.size))
        self._set(self._likely.copy())

    def _set(self, values: F64) -> None:
        self._values = values
        self.shape, rest = np.split(values, [self._components])
        self.girth, self.clothes = np.split(rest, 2)

    def expect(self, likely: F64, precision: F64) -> None:
        """Take these values (size,) and ``precision`` (size, size) for what such people are like."""
        self._likely, self._prior = likely, precision

    def frames(self, view: int) -> int:
        """How many frames of a view were learnt from."""
        return int(self._seen[view])

    def update(self, view: int, normal: F64, gradient: F64, keep: bool) -> F64:
        """Take in one frame, seen from ``view``; returns the change of all unknowns (size,).

        ``normal`` (size, size), ``gradient`` (size,): the frame's normal equations about the present
        values. Without ``keep`` the frame counts for this change only.
        """
        pull = normal @ self._values - gradient
        share = 1.0 / (1 + self._seen[view])
        mean = self._normal[view] + share * (normal - self._normal[view])
        mean_pull = self._pull[view] + share * (pull - self._pull[view])
        total = self._prior + VIEW_WEIGHT * (self._normal.sum(0) - self._normal[view] + mean)
        seen = self._pull.sum(0) - self._pull[view] + mean_pull
        right = self._prior @ self._likely + VIEW_WEIGHT * seen
        if keep:
            self._seen[view] += 1
            self._normal[view], self._pull[view] = mean, mean_pull
        values = np.linalg.solve(total, right)
        first, second = self._components, self._components + len(GIRTH_GROUPS)
        values[:first] = np.clip(values[:first], -SHAPE_LIMIT, SHAPE_LIMIT)
        values[first:second] = np.clip(values[first:second], *GIRTH_LIMITS)
        values[second:] = np.clip(values[second:], 0.0, THICKEST)
        change = values - self._values
        self._set(values)
        return np.asarray(change)
