"""What is known of a person's shape: gathered view by view, on top of what people are like.

The unknowns are the shape's coefficients, the girths, and how thick the worn clothes are, part by part: an
outline is flesh and cloth, and only what is likely of either tells them apart. Every frame fitted says
something of them once its own pose is eliminated (a Schur complement, as in bundle adjustment: Triggs et
al. 2000). Frames of one view err alike, so they are averaged and count as one; another view is news:
the side tells the depth that the front hides.
"""

from __future__ import annotations

import numpy as np

from inference.anatomy import GIRTH_GROUPS, GIRTH_NEIGHBOURS, SIGMA_GIRTH
from inference.kinematics import Array

SETTLE_FRAMES = 90  # of one view: later ones add nothing
VIEWS = 8  # directions that the person may face, 45 degrees apart
VIEW_WEIGHT = 2.0  # of a view against what people are like: its frames' noise averages out
SIGMA_SHAPE = 0.8  # standard deviations
# m, by which worn clothes stand off the body, by group of girth, and how much that varies among people
CLOTHES = np.array([0.042, 0.044, 0.042, 0.030, 0.018, 0.033, 0.034])
SIGMA_CLOTHES = np.array([0.012, 0.012, 0.012, 0.012, 0.018, 0.012, 0.018])
SHAPE_LIMIT = 3.0
GIRTH_LIMITS = (-0.25, 0.45)
THICKEST = 0.12  # m


class ShapeEstimate:
    """Running estimate of one person's ``shape`` (K,), ``girth`` (G,) and ``clothes`` (G,) metres."""

    def __init__(self, components: int) -> None:
        self._components = components
        groups = len(GIRTH_GROUPS)
        self.size = components + 2 * groups
        spread = np.concatenate(
            [np.full(components, SIGMA_SHAPE), np.full(groups, SIGMA_GIRTH), SIGMA_CLOTHES]
        )
        self._prior = np.diag(1.0 / spread**2)
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

    def _set(self, values: Array) -> None:
        self._values = values
        self.shape, rest = np.split(values, [self._components])
        self.girth, self.clothes = np.split(rest, 2)

    def frames(self, view: int) -> int:
        """How many frames of a view were learnt from."""
        return int(self._seen[view])

    def update(self, view: int, normal: Array, gradient: Array, keep: bool) -> Array:
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
