"""Named points of a cut garment, and a tailor's measurements of it."""

from __future__ import annotations

import numpy as np
from scipy.spatial import ConvexHull

from mirror.types import F64, I64
from render.garments.kinds import GarmentKind
from workshop.tailor.cut_surface import boundary_edges, edges_of
from workshop.tailor.shapes import CROTCH_Y, Place


def _extreme(candidates: I64, score: F64) -> int:
    return int(candidates[score[candidates].argmax()])


def anchors(kind: GarmentKind, place: Place, faces: I64) -> dict[str, int]:
    """Vertices of the outer cloth: left is the wearer's left.

    ``collar``: the neckline's middle in front; shoulders: on top, above the shoulder joint; hems:
    the hem at the side seams (of trousers: the outer side of each leg's); cuffs: the sleeve edge's
    outer side.
    """
    points = place.points
    x, y, z = points.T
    rim = np.unique(boundary_edges(faces))
    out: dict[str, int] = {}
    if kind.legged:
        low = rim[y[rim] < CROTCH_Y]
    else:
        trunk = rim[place.armness[rim] < 0.3]
        low = trunk[y[trunk] < (y.min() + 0.05 if kind.flared else 1.0)]
    if kind.slot != "bottom":
        neck = rim[(np.abs(x[rim]) < 0.02) & (y[rim] > 1.1) & (z[rim] > 0.03)]
        out["collar"] = _extreme(neck, -np.abs(x))
        for side, sign in (("left", 1.0), ("right", -1.0)):
            # Sleeveless straps may end before the joint: then it is the strap's outer end.
            top = np.flatnonzero((y > 1.3) & (sign * x > 0.05))
            near = -np.abs(sign * x - 0.168) * 2 + y
            out[f"{side}_shoulder"] = _extreme(top, near)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        out[f"{side}_hem"] = _extreme(low, sign * x)
    if kind.sleeved:
        for side, sign in (("left", 1.0), ("right", -1.0)):
            cuff = rim[(place.armness[rim] > 0.6) & (sign * x[rim] > 0)]
            # The angle counts from the underside: the far side is where its cosine is least.
            out[f"{side}_cuff"] = _extreme(cuff, -np.cos(place.angle[f"{side}_arm"]))
    return out


def _girth(points: F64, edges: I64, height: float) -> float:
    """Convex hull of a horizontal cut, centimetres."""
    a, b = points[edges[:, 0]], points[edges[:, 1]]
    crossing = (a[:, 1] - height) * (b[:, 1] - height) < 0
    a, b = a[crossing], b[crossing]
    if len(a) < 3:
        return 0.0
    t = ((height - a[:, 1]) / (b[:, 1] - a[:, 1]))[:, None]
    flat = (a + t * (b - a))[:, [0, 2]]
    ring = flat[ConvexHull(flat).vertices]
    return float(np.linalg.norm(ring - np.roll(ring, 1, axis=0), axis=1).sum() * 100)


def measurements(kind: GarmentKind, points: F64, place: Place, faces: I64) -> dict[str, float]:
    """Girths and lengths of the outer cloth at ``points`` (V, 3), in centimetres."""
    edges = edges_of(faces)
    trunk = edges[(place.armness[edges] < 0.35).all(1)]
    y = points[:, 1]
    body = place.armness < 0.35
    out: dict[str, float] = {}
    if kind.legged:
        out["waist"] = _girth(points, trunk, float(y.max()) - 0.01)
        out["hip"] = max(_girth(points, trunk, h) for h in np.linspace(CROTCH_Y + 0.03, 0.93, 8))
        out["outer_length"] = float(y.max() - y.min()) * 100
        out["inseam"] = (CROTCH_Y - float(y.min())) * 100
        left = edges[(points[edges][:, :, 0] > 0).all(1) & (y[edges] < CROTCH_Y).all(1)]
        out["leg_hem"] = _girth(points, left, float(y.min()) + 0.02)
        return out
    if kind.slot == "bottom":
        out["waist"] = _girth(points, trunk, float(y.max()) - 0.02)
    else:
        out["chest"] = _girth(points, trunk, 1.2)
        out["waist"] = _girth(points, trunk, 1.06)
    out["hem"] = _girth(points, trunk, float(y[body].min()) + 0.01)
    out["length"] = float(y.max() - y[body].min()) * 100
    if kind.sleeved:
        out["sleeve"] = float(place.limb("arm")[place.armness > 0.6].max()) * 100
    return out
