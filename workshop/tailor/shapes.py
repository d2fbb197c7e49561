"""What is particular to each kind of garment: which block, where it is cut, how it hangs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inference.body.model import BONES, BodyModel
from inference.body.surface import vertex_normals
from mirror.types import F64, I64
from render.garments.kinds import GarmentKind
from workshop.tailor.blocks import load
from workshop.tailor.cut_page import Cut
from workshop.tailor.cut_surface import CutSurface, umbrella
from workshop.tailor.drape import Hang, Limb, Tube, clear_of, smoothed, smoothstep

# Levels of the mean body (metres): the neck's side point, shoulder, armpit, waist, hip joints, crotch.
NECK_SIDE_Y, SHOULDER_Y, ARMPIT_Y, WAIST_Y, HIP_Y, CROTCH_Y = 1.425, 1.37, 1.235, 1.06, 0.864, 0.768
# Depth (z) of the side seam by height: the body leans, and shoulder seams lie forward of the blades.
_SEAM_Y = [0.0, 0.3, 0.5, 0.75, 0.9, 1.05, 1.2, 1.25, 1.36, 1.45]
_SEAM_Z = [0.0, 0.0, 0.033, 0.03, 0.03, 0.04, 0.025, 0.02, 0.006, 0.015]


def bone_sum(weights: F64, *names: str) -> F64:
    """Summed weight (V,) of the bones whose name ends in one of ``names``."""
    columns = [i for i, b in enumerate(BONES) if b.removeprefix("left_").removeprefix("right_") in names]
    out: F64 = weights[:, columns].sum(1)
    return out


_ARM = ("upper_arm", "upper_arm_twist", "forearm", "forearm_twist", "hand", "fingers", "thumb")


def limbs(model: BodyModel) -> dict[str, Limb]:
    """Axes of arms (angle 0 at the underside) and legs (angle 0 in front) of the mean body."""
    out = {}
    joint = {b: model.joints[i].astype(np.float64) for i, b in enumerate(BONES)}
    for side in ("left", "right"):
        out[f"{side}_arm"] = Limb(
            joint[f"{side}_upper_arm"],
            joint[f"{side}_forearm"],
            joint[f"{side}_hand"],
            np.array([0.0, -1.0, 0.0]),
        )
        out[f"{side}_leg"] = Limb(
            joint[f"{side}_thigh"], joint[f"{side}_shin"], joint[f"{side}_foot"], np.array([0.0, 0.0, 1.0])
        )
    return out


@dataclass(frozen=True)
class Place:
    """Where vertices lie on the mean body: what cuts, seams and ease are told by.

    ``points`` (V, 3) draped; ``armness`` (V,) share of arm bones; ``along`` and ``angle``: per limb.
    """

    points: F64
    armness: F64
    along: dict[str, F64]
    angle: dict[str, F64]

    @classmethod
    def of(cls, points: F64, weights: F64, axes: dict[str, Limb]) -> Place:
        """Places of ``points`` (V, 3) with dense skinning ``weights`` (V, J)."""
        both = {name: limb.coordinates(points) for name, limb in axes.items()}
        return cls(
            points,
            bone_sum(weights, *_ARM),
            {n: b[0] for n, b in both.items()},
            {n: b[1] for n, b in both.items()},
        )

    def limb(self, kind: str) -> F64:
        """Way along the arm or leg of the vertex's own side (V,)."""
        out: F64 = np.where(self.points[:, 0] > 0, self.along[f"left_{kind}"], self.along[f"right_{kind}"])
        return out

    def under(self) -> F64:
        """Turn about the vertex's own arm from its underside (V,), positive towards the back."""
        out: F64 = np.where(self.points[:, 0] > 0, self.angle["left_arm"], -self.angle["right_arm"])
        return out


def front_back(points: F64) -> F64:
    """Positive in front of the side and shoulder seams (V,), metres."""
    out: F64 = points[:, 2] - np.interp(points[:, 1], _SEAM_Y, _SEAM_Z)
    return out


def armscye(place: Place) -> F64:
    """Positive on the sleeve's side of the armhole seam (V,), metres."""
    x, y = np.abs(place.points[:, 0]), place.points[:, 1]
    above = y - ARMPIT_Y
    field = x - (0.166 + np.maximum(0.14 * above, -1.0 * above))
    # Hips and hanging hands are as far out as sleeves: the bones tell them apart.
    field = np.where((place.armness < 0.05) & (y < 1.15), -np.abs(field) - 0.01, field)
    out: F64 = np.where(place.armness > 0.95, np.abs(field) + 0.01, field)
    return out


def neckline(place: Place, cut: Cut) -> F64:
    """Positive outside the neckline (V,), unitless: 0 on it."""
    neck = cut.neckline
    power = {"round": 2.0, "v": 1.15, "square": 7.0, "boat": 2.6}[neck.shape]
    x, y, z = np.abs(place.points[:, 0]), place.points[:, 1], place.points[:, 2]
    ahead = smoothstep(z, -0.005, 0.03)
    depth = (neck.back + (neck.front - neck.back) * ahead) / 100
    p = power * ahead + 2.0 * (1 - ahead)
    across = x / (neck.width / 200)
    down = np.maximum(NECK_SIDE_Y - y, 0) / depth
    out: F64 = (across**p + down**p) ** (1 / p) - 1
    return out


def armhole(place: Place, cut: Cut) -> F64:
    """Positive inside a sleeveless top's armholes, towards the body (V,), unitless."""
    x, y = np.abs(place.points[:, 0]), place.points[:, 1]
    side, strap, top, bottom = 0.168, cut.strap / 100, 1.405, ARMPIT_Y - cut.armhole / 100
    field = np.hypot(np.maximum(side - x, 0) / (side - strap), np.maximum(top - y, 0) / (top - bottom)) - 1
    out: F64 = np.where((place.armness > 0.5) & (y < bottom + 0.02), -1.0, field)
    return out


def cuts(kind: GarmentKind, cut: Cut, place: Place) -> list[F64]:
    """Fields (V,) to clip by, one after the other; what is positive stays."""
    y = place.points[:, 1]
    hip = HIP_Y
    if kind.legged:
        return [hip + cut.waist / 100 - y, cut.leg / 100 - place.limb("leg")]
    if kind.slot == "bottom":
        return [y - (hip - cut.length / 100)]
    out = [neckline(place, cut)]
    if cut.sleeve > 0:
        out.append(np.where(place.armness > 0.5, cut.sleeve / 100 - place.limb("arm"), 0.1))
    else:
        out.append(armhole(place, cut))
    low = cut.length if kind.flared else cut.hem
    # Hanging hands are lower than a hem, and no part of it.
    out.append(np.where(place.armness > 0.5, 0.1, y - (hip - low / 100)))
    return out


def seams(kind: GarmentKind, cut: Cut, place: Place) -> list[F64]:
    """Fields (V,) whose zero lines are seams.

    The first is positive in front of the side seams (and of a sleeve's underside and top); then
    the armholes, positive on the sleeves, or the middle of trousers, positive on the left.
    """
    sides = front_back(place.points)
    if kind.legged:
        return [sides, place.points[:, 0]]
    if kind.flared or cut.sleeve <= 0:
        return [sides]
    sleeve = armscye(place)
    over = smoothstep(sleeve, 0.0, 0.05)
    return [(1 - over) * sides - over * 0.05 * np.sin(place.under()), sleeve]


@dataclass(frozen=True)
class _Step:
    """One tube's part in the drape; ``share`` (V,) is how much each vertex takes of it."""

    tube: Tube
    hang: Hang
    upright: bool
    share: F64


class Drape:
    """Makes the base surface hang on a body: built once on the mean body, then used on any."""

    def __init__(self, kind: GarmentKind, cut: Cut, base: CutSurface, model: BodyModel) -> None:
        blocks = load()
        self.kind, self.cut, self.base = kind, cut, base
        self._skin_faces = model.faces.astype(np.int64)
        mean = base.at(blocks.vertices)
        place = Place.of(mean, base.at(blocks.weights), limbs(model))
        self._neighbours = umbrella(base.faces, len(mean))
        self._ease = smoothed(self._room(place), self._neighbours, 6)
        self._steps = [self._trunk(place)]
        if kind.slot == "top":
            self._steps += self._sleeves(place)
        elif kind.legged:
            self._steps += self._legs(place)
        self._free = smoothed(self._steps[0].share, self._neighbours, 4)
        # Which leg's cloth: 1 the left's, -1 the right's, 0 above the crotch.
        leg = np.sign(mean[:, 0]) * ((mean[:, 1] < CROTCH_Y - 0.01) & (np.abs(mean[:, 0]) > 1e-3))
        self._leg = leg if kind.legged else np.zeros_like(leg)
        # Between the buttocks the block folds in deeply: drawn flat before anything else, or the
        # cloth over it would keep the crease.
        x, y, z = np.abs(mean[:, 0]), mean[:, 1], mean[:, 2]
        cleft = smoothstep(x, 0.07, 0.03) * smoothstep(y, 1.0, 0.94) * smoothstep(z, 0.0, -0.03)
        self._cleft = smoothed(cleft * self._free, self._neighbours, 3)
        # A flare sets in below the hem of a top worn over it.
        below = np.maximum(HIP_Y - 0.03 - mean[:, 1], 0)
        below = below**2 / (below + 0.06)
        self._flare = cut.flare * below if kind.flared else np.zeros_like(below)

    def _trunk(self, place: Place) -> _Step:
        """The tube around chest, waist and hips, and on down around a skirt."""
        points, kind = place.points, self.kind
        high = kind.cutting.trunk_top
        low = 0.13 if kind.flared else CROTCH_Y
        ends = np.array([[0.0, high, 0.03], [0.0, (high + low) / 2, 0.03], [0.0, low, 0.03]])
        along, angle = Limb(ends[0], ends[1], ends[2], np.array([0.0, 0.0, 1.0])).coordinates(points)
        loose = smoothstep(points[:, 1], ARMPIT_Y + 0.05, ARMPIT_Y - 0.03)
        share = np.ones(len(points)) if kind.slot == "bottom" else loose
        share = share * smoothstep(place.armness, 0.5, 0.2)
        if kind.legged:
            share = share * smoothstep(points[:, 1], CROTCH_Y - 0.01, CROTCH_Y + 0.1)
        hang = Hang(
            fall=0.03 if kind.flared else self.cut.fall,
            rise=kind.cutting.trunk_rise,
        )
        return _Step(Tube(along, angle, place.armness < 0.3, 0.0, high - low), hang, True, share)

    def _sleeves(self, place: Place) -> list[_Step]:
        ease = (self.cut.ease.sleeve / 100, self.cut.ease.cuff / 100)
        end = max(self.cut.sleeve / 100, 0.1)
        out = []
        for side, sign in (("left", 1), ("right", -1)):
            own = sign * place.points[:, 0] > 0
            along, angle = place.along[f"{side}_arm"], place.angle[f"{side}_arm"]
            tube = Tube(along, angle, own & (place.armness > 0.4), 0.03, min(end + 0.03, 0.5))
            hang = Hang(fall=self.cut.taper, rise=0.3, round_start=0.2, round_end=0.8, ease=ease)
            share = own * smoothstep(place.armness, 0.4, 0.95) * smoothstep(along, 0.03, 0.12)
            out.append(_Step(tube, hang, False, share))
        return out

    def _legs(self, place: Place) -> list[_Step]:
        out = []
        for side, sign in (("left", 1), ("right", -1)):
            x, y = sign * place.points[:, 0], place.points[:, 1]
            along, angle = place.along[f"{side}_leg"], place.angle[f"{side}_leg"]
            # The foot is no part of the leg's rings: cloth falls past it.
            use = (x > -0.002) & (place.armness < 0.2) & (y < 0.95) & (y > 0.1)
            tube = Tube(along, angle, use, 0.0, min(self.cut.leg / 100 + 0.03, 0.86))
            hang = Hang(fall=self.cut.taper, rise=0.4, round_end=0.9)
            share = smoothstep(along, 0.06, 0.2) * smoothstep(x, -0.005, 0.03)
            out.append(_Step(tube, hang, False, share))
        return out

    def _room(self, place: Place) -> F64:
        """Least distance (V,) from the block, metres."""
        e, y = self.cut.ease, place.points[:, 1]
        if self.kind.legged:
            legs = np.interp(place.limb("leg"), [0.1, 0.4, 0.8], [e.thigh, e.thigh, e.leg_hem])
            trunk = np.interp(y, [HIP_Y, WAIST_Y], [e.hip, e.waist])
            share = smoothstep(y, CROTCH_Y + 0.06, CROTCH_Y - 0.04)
            # Where the legs meet there is no room for cloth to stand off.
            apart = smoothstep(np.abs(place.points[:, 0]), 0.0, 0.05)
            inner = 1 - (1 - apart) * smoothstep(np.abs(y - CROTCH_Y), 0.1, 0.02)
            room: F64 = ((1 - share) * trunk + share * legs) * np.maximum(inner, 0.15) / 100
            return room
        if self.kind.slot == "bottom":
            trunk = np.interp(y, [HIP_Y, 0.97], [e.hip, e.waist])
        else:
            trunk = np.interp(y, [HIP_Y, WAIST_Y, 1.2, SHOULDER_Y], [e.hip, e.waist, e.chest, e.shoulder])
        on_arm = smoothstep(place.armness, 0.3, 0.9) * smoothstep(place.limb("arm"), 0.02, 0.12)
        return np.asarray((trunk * (1 - on_arm) + 0.4 * on_arm) / 100)

    def on(self, block: F64, body: F64) -> F64:
        """Draped positions (V, 3) of the base surface on a body's block (B, 3) and skin (N, 3)."""
        points = self.base.at(block)
        soft = smoothed(points, self._neighbours, 8)
        normals = smoothed(vertex_normals(soft, self.base.faces), self._neighbours, 3)
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
        skin = vertex_normals(body, self._skin_faces)
        gap = 0.004 + 0.6 * self._ease
        flat = points + self._cleft[:, None] * (smoothed(points, self._neighbours, 30) - points)
        moved = clear_of(flat + self._ease[:, None] * normals, body, skin, gap)
        for step in self._steps:
            moved = moved + step.tube.push(moved, step.hang, step.upright) * step.share[:, None]
        away = moved - (0.0, 0.0, 0.03)
        away[:, 1] = 0
        away /= np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-9)
        moved = moved + self._flare[:, None] * away
        moved = self._legs_apart(moved)
        # What the steps added is evened out, so that they flow into one another, but not where
        # cloth hangs free: that would bring the body's relief back.
        even = points + smoothed(moved - points, self._neighbours, 8)
        moved = even + self._free[:, None] * (moved - even)
        moved = clear_of(moved, body, skin, gap + 0.001)
        moved = moved + self._free[:, None] * (smoothed(moved, self._neighbours, 6) - moved)
        return self._legs_apart(clear_of(moved, body, skin, 0.8 * gap))

    def _legs_apart(self, points: F64) -> F64:
        """Keep trouser legs on their own sides of the middle."""
        out = points.copy()
        out[:, 0] = np.where(
            self._leg != 0, self._leg * np.maximum(self._leg * points[:, 0], 0.003), points[:, 0]
        )
        return out


def skirt_weights(points: F64, weights: F64) -> F64:
    """Weights (V, J) of a skirt: from the block's at the hips over to both thighs, smooth across.

    One leg forward takes its half of the cloth along; what lies between follows both.
    """
    left, right, pelvis = (BONES.index(b) for b in ("left_thigh", "right_thigh", "pelvis"))
    x, y, z = points.T
    # Behind it hangs from the seat; in front it lies on the legs.
    thighs = smoothstep(y, 0.95, 0.72) * (0.55 + 0.37 * smoothstep(z, -0.08, 0.10))
    share = smoothstep(x, -0.2, 0.2)
    own = np.zeros_like(weights)
    own[:, left], own[:, right], own[:, pelvis] = thighs * share, thighs * (1 - share), 1 - thighs
    blend = smoothstep(y, 1.0, 0.9)[:, None]
    out: F64 = weights * (1 - blend) + own * blend
    return out


def hem_weights(points: F64, weights: F64) -> F64:
    """Weights (V, J) of a top: below the waist cloth hangs from the hips and only leans on the thighs."""
    left, right, pelvis = (BONES.index(b) for b in ("left_thigh", "right_thigh", "pelvis"))
    x, y, z = points.T
    thighs = smoothstep(y, 0.96, 0.80) * (0.25 + 0.2 * smoothstep(z, -0.05, 0.1))
    share = smoothstep(x, -0.16, 0.16)
    own = np.zeros_like(weights)
    own[:, left], own[:, right], own[:, pelvis] = thighs * share, thighs * (1 - share), 1 - thighs
    trunk = smoothstep(bone_sum(weights, *_ARM), 0.4, 0.05)
    blend = (smoothstep(y, 1.02, 0.92) * trunk)[:, None]
    out: F64 = weights * (1 - blend) + own * blend
    return out


def cleaned_weights(weights: F64, points: F64, faces: I64, kind: GarmentKind, joints: F64) -> F64:
    """Weights (V, J) without bones that cloth does not follow, smoothed over the surface.

    ``points`` (V, 3) in the rest pose, ``joints`` (J, 3).
    """
    out = weights.copy()

    def pass_on(source: str, target: str, share: float = 1.0) -> None:
        part = out[:, BONES.index(source)] * share
        out[:, BONES.index(source)] -= part
        out[:, BONES.index(target)] += part

    pass_on("head", "neck")
    pass_on("neck", "chest", 0.6)
    for side in ("left", "right"):
        for source, target in (("fingers", "hand"), ("thumb", "hand"), ("toes", "foot"), ("foot", "shin")):
            pass_on(f"{side}_{source}", f"{side}_{target}")
        pass_on(f"{side}_hand", f"{side}_forearm_twist")
    near = umbrella(faces, len(out))
    out = smoothed(out, near, 8 if kind.flared else 6)
    # Cloth bridges the shoulder: it neither balls over a raised arm nor caves in under it.
    wide = smoothed(out, near, 40)
    for side in ("left", "right"):
        away = np.linalg.norm(points - joints[BONES.index(f"{side}_upper_arm")], axis=1)
        out = out + smoothstep(away, 0.22, 0.10)[:, None] * (wide - out)
    clean: F64 = out / out.sum(1, keepdims=True)
    return clean
