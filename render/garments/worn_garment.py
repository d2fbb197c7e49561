"""A garment in its fabric, as arrays: what the renderer draws."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from render.garments.mesh import SkinnedMesh

__all__ = ["OPEN", "WornGarment"]

OPEN = 240  # in a detail picture: no light is held off, and none added


@dataclass(frozen=True)
class WornGarment:
    """A garment ready to draw: its surface, its fabric and its named points.

    albedo, relief: (H, W, 3) uint8 RGB, tileable; relief holds tangent-space normals (+y up the
    picture) or is None for a smooth fabric. repeat_m: metres of one repeat across and down.
    layer: outerness, larger lies outside. trimmed: whether it follows the body closely enough
    to be cut where it leaves the person (a flared skirt does not). anchors: names to vertices.
    detail: (H, W, 3) uint8 over the mesh's ``detail_uv``: folds as x and y of tangent-space normals
    (+y up the picture), and how much light arrives (``OPEN`` of 255: all of it); None for neither.
    """

    name: str
    mesh: SkinnedMesh
    albedo: NDArray[np.uint8]
    relief: NDArray[np.uint8] | None
    repeat_m: tuple[float, float]
    layer: int = 0
    trimmed: bool = True
    size_steps: float = 0.0
    anchors: dict[str, int] = field(default_factory=dict)
    detail: NDArray[np.uint8] | None = None
