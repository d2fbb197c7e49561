"""Where on the body the worn clothes lie: how far sleeves and trouser legs reach, and the neckline.

Learnt over time at the body's own surface, from what each point of it looks like, so that it stays where
it is while the person moves: a sleeve or a trouser leg ends at one place of both limbs, the trunk is
smoothed over the surface.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.spatial import cKDTree

from inference.body.camera import Intrinsics
from inference.body.model import BONES, REGIONS, BodyModel
from inference.body.surface_points import SurfacePoints
from inference.fit.fitter import Fit
from inference.parts.colour_model import CLOTH, TROUSERS, ColourModel, colour_bins
from mirror.types import F32, F64, Picture

_FIRST_FRAMES, _EVERY = 8, 5  # each of the first frames is looked at, then every so-many-th
_SETTLED_FRAMES, _SELDOM = 120, 12  # and after so many more seldom: clothes stay on
_BINS = 8  # of a limb's upper or lower part
_FACING = -0.45  # cosine to the line of sight of a point that is seen well
_CELL_M, _BEFORE_M = 0.05, 0.07  # a point so much behind another one in its cell is hidden
_RATE = 0.18  # of a new look in the running mean
_MOST = 20  # looks that count
_LIKELY = 0.6  # mean of a sleeve that is one
_LEAST_BINS = 6  # of the limb that must have been seen
_MARGIN = 0.6  # a sleeve's end moves when another one explains so much more
_SOFT = 0.12  # of a limb's part, over which a sleeve ends
_FADE_S = 0.3  # in which a sleeve comes or goes
_BEYOND = 1.6  # bins by which a sleeve is taken to be longer
_TO_THE_END = 2 * _BINS - 4  # a sleeve that ends there or beyond is taken to reach to the wrist
_CLEAR, _EXPOSED = (
    1,
    0.25,
)  # bins beyond a sleeve, and the most likelihood of cloth, of what is surely exposed
_SLEEVE_RATE = 0.05  # of a sleeve's colours in the clothes'
_NECKLINE = 0.35  # mean from which the trunk is covered
_CHANGED = 0.2  # of a point of the trunk's cover, from which on it is followed
_SPREAD = 4  # times the trunk is smoothed over its neighbours
_OTHER = 3e-4  # density, of a colour that is neither the clothes' nor the skin's: it tells nothing
_LIMBS = (
    (("upper_arm", "forearm"), ("upper_arm", "forearm", "hand")),
    (("thigh", "shin"), ("thigh", "shin", "foot")),
)
_TRUNK = ("torso", "neck")


def is_due(frame: int) -> bool:
    """Whether a person's clothes are to be learnt from in their ``frame``-th frame, from 1."""
    return frame <= _FIRST_FRAMES or frame % (_EVERY if frame <= _SETTLED_FRAMES else _SELDOM) == 0


class WornClothes:
    """Of one followed person; ``reset`` when another one comes."""

    def __init__(self, model: BodyModel, intrinsics: Intrinsics) -> None:
        self._intrinsics = intrinsics
        region = np.asarray(model.region)
        count = len(region)
        self._along = np.zeros(count, np.float32)  # 0..2, joint to joint to joint
        self._limb = np.full(count, -1, np.int8)  # 0 arms, 1 legs
        for limb, (parts, joints) in enumerate(_LIMBS):
            for side in ("left", "right"):
                for part, near, far in zip(parts, joints[:-1], joints[1:], strict=True):
                    chosen = region == REGIONS.index(f"{side}_{part}")
                    a, b = (model.joints[BONES.index(f"{side}_{name}")] for name in (near, far))
                    share = (model.vertices[chosen] - a) @ (b - a) / float((b - a) @ (b - a))
                    self._along[chosen] = parts.index(part) + np.clip(share, 0.0, 0.999)
                    self._limb[chosen] = limb
        for side in ("left", "right"):  # a long sleeve reaches over the hand
            self._along[region == REGIONS.index(f"{side}_hand")] = 2.0
        trunk = np.isin(region, [REGIONS.index(name) for name in _TRUNK])
        legs = np.flatnonzero(self._limb == 1)[::2]
        self._points = np.unique(np.concatenate([np.flatnonzero((self._limb == 0) | trunk), legs]))
        points = self._points
        self._surface = SurfacePoints.at_vertices(model, points, np.float32)
        self._bin = np.minimum((self._along[points] * _BINS).astype(int), 2 * _BINS - 1)
        hands = np.isin(region, [REGIONS.index("left_hand"), REGIONS.index("right_hand")])
        self._of_limb = [np.flatnonzero((self._limb == 0) | hands), np.flatnonzero(self._limb == 1)]
        self._of_trunk = np.flatnonzero(self._limb[points] < 0)
        self._smoothing = _smoothing(model, points[self._of_trunk])
        place = model.vertices[points][self._of_trunk]
        self._mirrored = cKDTree(place).query(place * np.array([-1, 1, 1]))[1]
        self.reset()

    def reset(self) -> None:
        """Forget the clothes."""
        self._looks = 0
        self._limb_mean = np.zeros((2, 2 * _BINS))
        self._limb_seen = np.zeros((2, 2 * _BINS))
        self._trunk_mean = np.zeros(len(self._of_trunk))
        self._trunk_seen = np.zeros(len(self._of_trunk))
        self._ends = np.zeros(2, int)  # in bins
        self._shown_ends = np.zeros(2)
        self._strength = np.zeros(2)
        self._trunk = np.zeros(len(self._of_trunk), np.float32)
        self._trunk_wanted = self._trunk.copy()
        self._settled, self._told = False, b""
        self._cover = np.zeros(len(self._limb), np.uint8)

    def cover(self, elapsed_s: float) -> bytes:
        """How far worn cloth covers each vertex (V,) of the body model, a byte each: 255 wholly.

        ``elapsed_s``: since the last call; what is covered changes gradually.
        """
        if self._settled:
            return self._told
        step = float(np.clip(elapsed_s / _FADE_S, 0.0, 1.0))
        there = self._ends > 0
        fresh = there & (self._strength == 0)
        self._strength = np.clip(self._strength + np.where(there, step, -step), 0.0, 1.0)
        # Rather a bit of skin on skin than a bit of the sleeve.
        target = np.where(self._ends >= _TO_THE_END, 3.0, (self._ends + _BEYOND) / _BINS)
        moved = self._shown_ends + np.clip(target - self._shown_ends, -step, step)
        self._shown_ends = np.where(fresh, target, np.where(there, moved, self._shown_ends))
        for limb, vertices in enumerate(self._of_limb):
            reach = np.clip((self._shown_ends[limb] - self._along[vertices]) / _SOFT + 0.5, 0.0, 1.0)
            self._cover[vertices] = np.rint(255 * self._strength[limb] * reach)
        left = self._trunk_wanted - self._trunk
        self._trunk += np.clip(left, -step, step)
        self._cover[self._points[self._of_trunk]] = np.rint(255 * self._trunk)
        self._settled = bool(
            (self._strength == there).all()
            and ((self._shown_ends == target) | ~there).all()
            and (np.abs(left) <= step).all()
        )
        self._told = self._cover.tobytes()
        return self._told

    def update(self, picture: Picture, masks: Picture, fit: Fit, colours: ColourModel) -> tuple[Picture, F64]:
        """Learn from a frame (H, W, 3) BGR that the intrinsics hold for, its occlusion masks and its fit.

        Returns pixels (n, 3) BGR of exposed limbs, and the surface's normals (n, 3) there.
        """
        self._looks += 1
        posed = self._surface.posed(fit)
        points, normals = posed.points, posed.normals
        pixels = self._intrinsics.project(points)
        height, width = picture.shape[:2]
        x, y = np.floor(pixels).astype(int).T
        seen = (x >= 0) & (x < width) & (y >= 0) & (y < height) & (points[:, 2] > 0.2)
        seen &= ~_hidden(pixels, points[:, 2], self._intrinsics.focal, seen)
        seen &= posed.facing() < _FACING
        where = np.flatnonzero(seen)
        sx, sy = masks.shape[1] / width, masks.shape[0] / height
        there = masks[(y[where] * sy).astype(int), (x[where] * sx).astype(int)]
        where = where[(there[:, 0] > 200) & (there[:, 1] < 60) & (there[:, 2] < 60)]
        pixels_there = picture[y[where], x[where]]
        bins = colour_bins(pixels_there[None])[0]
        exposed = np.zeros(len(where), bool)
        cloth, skin, hair = colours.densities(bins)
        chosen = self._limb[self._points[where]]
        for limb in (0, 1):
            mine = chosen == limb
            known = cloth[mine] + skin[mine]
            covered = cloth[mine] / np.maximum(known, 1e-9)
            trust = known / (known + _OTHER)
            place = self._bin[where[mine]]
            self._learn_limb(limb, place, covered, trust)
            exposed[
                np.flatnonzero(mine)[
                    (place > self._ends[limb] + _CLEAR) & (covered < _EXPOSED) & (trust > 0.5)
                ]
            ] = True
            # Sleeves and cuffs may have colours that the chest has not.
            cloth_like = (self._ends[limb] >= _TO_THE_END) & (covered > 0.5)
            colours.learn((CLOTH, TROUSERS)[limb], bins[mine][cloth_like], _SLEEVE_RATE)
        mine = chosen < 0
        cover = cloth[mine] / (cloth[mine] + skin[mine] + 0.3 * hair[mine] + _OTHER)
        index = np.searchsorted(self._of_trunk, where[mine])
        rate = np.maximum(_RATE, 1.0 / (self._trunk_seen[index] + 1.0))
        self._trunk_mean[index] += rate * (cover - self._trunk_mean[index])
        self._trunk_seen[index] = np.minimum(self._trunk_seen[index] + 1, _MOST)
        wanted = self._wanted_trunk()
        if np.abs(wanted - self._trunk_wanted).max() > _CHANGED:
            self._trunk_wanted = wanted
        self._settled = False
        return pixels_there[exposed], normals[where[exposed]].astype(np.float64)

    def _learn_limb(self, limb: int, bins: NDArray[np.int_], covered: F64, trust: F64) -> None:
        """Of seen points (n,) of both limbs: place, chance of cloth, and trust in it."""
        count = np.bincount(bins, trust, minlength=2 * _BINS)
        mean = np.bincount(bins, covered * trust, minlength=2 * _BINS) / np.maximum(count, 1e-9)
        mean_now, seen = self._limb_mean[limb], self._limb_seen[limb]
        rate = np.where(count > 1, np.maximum(_RATE, 1.0 / (seen + 1.0)), 0.0)
        mean_now += rate * (mean - mean_now)
        seen[:] = np.minimum(seen + (count > 1), _MOST)
        net = (mean_now - 0.5) * np.minimum(seen, 5) / 5
        gain = np.concatenate([[0.0], np.cumsum(net)])
        best = int(np.argmax(gain))
        known = seen > 3
        # Of a shoulder at the edge of the picture it cannot be told whether it is exposed.
        if known.sum() < _LEAST_BINS or (best and mean_now[:best][known[:best]].mean() < _LIKELY):
            best = 0
        now = self._ends[limb]
        if best != now and (gain[best] > gain[now] + _MARGIN or (best == 0 and gain[now] < 0)):
            self._ends[limb] = best

    def _wanted_trunk(self) -> F32:
        number = self._trunk_mean * self._trunk_seen
        number, seen = (v + v[self._mirrored] for v in (number, self._trunk_seen))
        for _ in range(_SPREAD):
            number, seen = self._smoothing @ number, self._smoothing @ seen
        mean = np.where(seen > 0.5, number / np.maximum(seen, 0.5), 0.0)
        return np.asarray(np.clip(0.5 + 5.0 * (mean - _NECKLINE), 0.0, 1.0), np.float32)


def _hidden(pixels: F64, depth: F64, focal: float, inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which points (N,) lie well behind others that are seen in the same place."""
    cell = max(_CELL_M * focal / max(float(np.median(depth)), 0.2), 1.0)
    columns, rows = (pixels / cell).astype(int).clip(-1, 2000).T + 1
    number = np.where(inside, rows * 2002 + columns, 0)
    order = np.lexsort((depth, number))
    first = np.concatenate([[True], np.diff(number[order]) > 0])
    nearest = np.empty_like(depth)
    nearest[order] = depth[order][first][np.cumsum(first) - 1]
    return np.asarray(depth > nearest + _BEFORE_M)


def _smoothing(model: BodyModel, points: NDArray[np.intp]) -> csr_matrix:
    """Mean (n, n) of each of these vertices and its neighbours."""
    number = np.full(len(model.vertices), -1)
    number[points] = np.arange(len(points))
    corners = number[model.faces]
    pairs = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])
    pairs = pairs[(pairs >= 0).all(axis=1)]
    pairs = np.concatenate([pairs, pairs[:, ::-1], np.repeat(np.arange(len(points))[:, None], 2, axis=1)])
    pairs = np.unique(pairs, axis=0)
    share = 1.0 / np.bincount(pairs[:, 0], minlength=len(points))
    return csr_matrix((share[pairs[:, 0]], (pairs[:, 0], pairs[:, 1])), shape=(len(points),) * 2)
