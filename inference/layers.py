"""What stays in front of every garment: head, hair and hands, as masks from picture and fit.

And what of the person is worn clothes, which should not stick out from under a garment.

The 3D body alone cannot say where hair ends or how the fingers lie, so those edges come from the
picture: running colour histograms of the person's skin, hair and worn clothes (learnt from
places that the fit knows: face, crown, chest) give each pixel near a hand or the head a
likelihood, the fitted skeleton gives it a prior, and the sum is smoothed into a mask.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inference.body_fit import Fit
from inference.body_model import BONES, REGIONS, BodyModel
from inference.camera import Intrinsics
from inference.kinematics import Array
from inference.shrink import Picture, cv, shrink

WORK_SIDE = 640  # px of the longer side of the layers, at most
HEAD_SIDE = 84  # px: more of a head would cost time and show nothing
SCALES = (1.0, 0.75, 0.5, 0.375, 0.25, 0.125)
BINS = (8, 64, 64)  # luma is coarse: a hand is lit otherwise than the face
HAND_LENGTH = 0.19  # m, wrist to fingertips of an adult
SKIN, HAIR, CLOTH, ROOM, TROUSERS = range(5)
PRIOR_BLUR = 1.1
LEARN_FRAMES, LEARN_EVERY = 12, 6  # colours are learnt from the first frames, then from every so-many-th
FLOOR = 2e-5  # probability of a colour never seen
_WORN_FLOOR = 1e-4  # a colour less frequent than this in the worn clothes is none of theirs

HAIR_REACH = 0.9  # head heights around the skull in which hair is looked for

HEAD_BONE = BONES.index("head")


def colour_bins(picture: Picture) -> NDArray[np.uint16]:
    """Histogram bin (h, w) of every pixel of a BGR picture: luma / 32, Cr / 4, Cb / 4."""
    ycc = cv.cvtColor(picture, cv.COLOR_BGR2YCrCb)
    bins = (ycc[..., 0] >> 5).astype(np.uint16)
    bins <<= 6
    bins |= ycc[..., 1] >> 2
    bins <<= 6
    bins |= ycc[..., 2] >> 2
    return np.asarray(bins)


class ColourModel:
    """Running colour histograms: skin, hair, worn top, room, what the thighs wear."""

    def __init__(self) -> None:
        self._counts = np.zeros((5, 8 * 64 * 64), np.float32)
        self._smooth = np.zeros_like(self._counts)
        self.known = np.zeros(5, bool)
        self._tables: dict[int, NDArray[np.float32]] = {}
        self._worn: Picture | None = None

    def learn(self, kind: int, bins: NDArray[np.uint16], rate: float) -> None:
        """Blend the colours ``bins`` (n,) into a class; ``rate`` 0..1 is the new ones' share."""
        if len(bins) < 30:
            return
        fresh = np.bincount(bins, minlength=self._counts.shape[1]).astype(np.float32)
        fresh /= fresh.sum()
        if not self.known[kind]:
            rate = 1.0
        self._counts[kind] += rate * (fresh - self._counts[kind])
        self.known[kind] = True
        cube = np.ascontiguousarray(self._counts[kind].reshape(BINS).transpose(1, 2, 0))
        cube = cv.GaussianBlur(cube, (0, 0), PRIOR_BLUR)
        luma = np.pad(cube, ((0, 0), (0, 0), (1, 1)), mode="edge")
        cube = 0.25 * luma[..., :-2] + 0.5 * cube + 0.25 * luma[..., 2:]
        self._smooth[kind] = cube.transpose(2, 0, 1).reshape(-1)
        self._tables.clear()
        self._worn = None

    def evidence(self, kind: int, against: tuple[tuple[int, float], ...]) -> NDArray[np.float32]:
        """Log likelihood ratio per bin of ``kind`` against a mixture of (class, share)."""
        if kind not in self._tables:
            self._tables[kind] = self._ratio(kind, against)
        return self._tables[kind]

    def worn(self) -> Picture:
        """Whether each bin is a colour of the clothes and of no skin or hair: 255 the top's, 0 the legs'.

        128 is neither; what both are of counts as the top's.
        """
        if self._worn is None:
            top, legs = self._smooth[CLOTH], self._smooth[TROUSERS]
            clothes = np.maximum(top, legs)
            other = _WORN_FLOOR + self._smooth[SKIN] + 0.3 * self._smooth[HAIR]
            likely = clothes / (clothes + other)
            self._worn = np.asarray(128 + likely * np.where(top >= 0.5 * legs, 127, -128), np.uint8)
        return self._worn

    def _ratio(self, kind: int, against: tuple[tuple[int, float], ...]) -> NDArray[np.float32]:
        if not self.known[kind]:
            return np.zeros(self._counts.shape[1], np.float32)
        other = np.zeros(self._counts.shape[1], np.float32)
        for rival, share in against:
            if self.known[rival]:
                other += share * self._smooth[rival]
        return np.asarray(np.log((self._smooth[kind] + FLOOR) / (other + FLOOR)), np.float32)


class LayerMaker:
    """Makes the layers picture of each frame; ``reset`` when another person comes.

    ``worn``: whether the worn clothes' colours are wanted, as a fourth channel.
    """

    def __init__(self, model: BodyModel, intrinsics: Intrinsics, worn: bool = False) -> None:
        self.intrinsics = intrinsics
        self._channels = 4 if worn else 3
        region = np.asarray(model.region)
        head = np.flatnonzero(region == REGIONS.index("head"))
        self._head = head[:: max(1, len(head) // 160)]
        self._model = model
        self._mean_landmarks = model.mean_landmarks
        self.reset()

    def reset(self) -> None:
        """Forget the person's colours."""
        self.colours = ColourModel()
        self._frames = 0
        self._unlearnt: tuple[Picture, Picture, Array, Array, float, bool] | None = None

    def make(self, frame: Picture, mask: Picture, landmarks: Array, fit: Fit) -> Picture:
        """Layers (h, w, 3 or 4) uint8: person, head in front, hands in front, and worn clothes.

        ``frame`` (H, W, 3) BGR, ``mask`` (h, w) person mask of its aspect, ``landmarks`` (33, 3)
        px and visibility. The layers cover the frame at their own resolution.
        """
        height, width = frame.shape[:2]
        scale = min(1.0, WORK_SIDE / max(height, width))
        hull, up, head_px, facing = self._head_outline(fit, scale)
        reduced = next((s for s in SCALES if s * head_px <= HEAD_SIDE), SCALES[-1])
        scale, hull, head_px = scale * reduced, hull * reduced, max(head_px * reduced, 4.0)
        size = (max(16, round(width * scale)), max(16, round(height * scale)))
        small, person = shrink(frame, size), shrink(mask, size)
        layers = np.zeros((*person.shape, self._channels), np.uint8)
        layers[..., 0] = person
        points = landmarks[:, :2] * scale
        self._frames += 1
        # What has just been learnt must serve at once; later it can wait until the frame is out.
        self._unlearnt = (small, person, points, hull, head_px, facing)
        if self._frames <= LEARN_FRAMES:
            self.learn()
        self._draw_head(layers, small, person, hull, up, head_px)
        for side in (0, 1):
            self._draw_hand(layers, small, person, points, landmarks[:, 2], fit, scale, side)
        if self._channels == 4:
            self._draw_worn(layers, small)
        return layers

    def learn(self) -> None:
        """Learn colours from the last frame made: from each at first, then now and then.

        Called when that frame's layers are on their way, unless ``make`` has done it.
        """
        waiting, self._unlearnt = self._unlearnt, None
        if waiting is not None and (self._frames <= LEARN_FRAMES or self._frames % LEARN_EVERY == 0):
            self._learn(*waiting)

    # -- head -----------------------------------------------------------------------------------

    def _head_outline(self, fit: Fit, scale: float) -> tuple[Array, Array, float, bool]:
        """Convex hull (n, 2) of the skull, its up direction (2,), its height px; whether the face shows."""
        model = self._model
        rest = model.vertices[self._head] + np.tensordot(
            fit.shape.astype(np.float32), model.shape_basis[:, self._head], 1
        )
        matrix = fit.skin[HEAD_BONE]
        skull = (rest @ matrix[:, :3].T + matrix[:, 3]).astype(np.float64)
        pixels = self.intrinsics.project(skull) * scale
        hull = cv.convexHull(pixels.astype(np.float32))[:, 0].astype(np.float64)
        axes = fit.pose.world[HEAD_BONE]
        along = axes[:2, 1]
        up = along / (np.linalg.norm(along) + 1e-9)
        extent = hull @ up
        head_px = max(float(extent.max() - extent.min()), 4.0)
        return hull, up, head_px, bool(axes[2, 2] < 0.35)

    def _learn(
        self,
        small: Picture,
        person: Picture,
        points: Array,
        hull: Array,
        head_px: float,
        facing: bool,
    ) -> None:
        """Learn colours from places whose class the fit knows."""
        rate = 0.35 if self._frames <= LEARN_FRAMES else 0.12
        shape = person.shape
        solid = person > 200
        skull = np.zeros(shape, np.uint8)
        cv.fillConvexPoly(skull, np.rint(hull).astype(np.int32), 255)
        grown = cv.dilate(skull, np.ones((3, 3), np.uint8), iterations=max(1, round(0.10 * head_px)))
        reach = np.zeros(shape, bool)
        x0, y0, x1, y1 = _box(np.concatenate([hull, points[[11, 12, 23, 24]]]), 0.4 * head_px, shape)
        if x1 - x0 < 4 or y1 - y0 < 4:
            return
        reach[y0:y1, x0:x1] = True
        box = (slice(y0, y1), slice(x0, x1))
        bins = colour_bins(small[box])
        face = np.zeros(shape, np.uint8)
        if facing:
            centre = points[[2, 5, 9, 10]].mean(0)
            span = max(float(np.linalg.norm(points[[2, 5]].mean(0) - points[[9, 10]].mean(0))), 2.0)
            cv.circle(face, _pixel(centre), max(2, round(0.85 * span)), 255, -1)
            for eye in (2, 5):
                cv.circle(face, _pixel(points[eye]), max(1, round(0.28 * span)), 0, -1)
            core = (face > 0) & (skull > 0) & solid
            self.colours.learn(SKIN, bins[core[box]], rate)
        oval = cv.dilate(face, np.ones((3, 3), np.uint8), iterations=max(1, round(0.06 * head_px)))
        crown = (grown > 0) & (oval == 0) & solid
        if facing:  # ears, jaw and neck are no hair: take what lies above the brows
            brow = points[[2, 5]].mean(0)
            chin = points[[9, 10]].mean(0)
            upward = brow - chin
            rows, columns = np.ogrid[y0:y1, x0:x1]
            above = (columns - brow[0]) * upward[0] + (rows - brow[1]) * upward[1] > 0.75 * float(
                upward @ upward
            )
            crown[box] &= above
        self.colours.learn(HAIR, bins[crown[box]], rate)
        chest = np.zeros(shape, np.uint8)
        corners = points[[11, 12, 24, 23]]
        middle = corners.mean(0)
        quad = middle + np.array([0.85, 0.85]) * (corners - middle)
        cv.fillConvexPoly(chest, np.rint(quad).astype(np.int32), 255)
        for wrist, knuckle in ((15, 19), (16, 20), (15, 17), (16, 18)):
            cv.line(chest, _pixel(points[wrist]), _pixel(points[knuckle]), 0, max(3, round(0.8 * head_px)))
        chest[grown > 0] = 0
        self.colours.learn(CLOTH, bins[((chest > 0) & solid)[box]], rate)
        self.colours.learn(ROOM, bins[((person < 40) & reach)[box]], rate)
        if self._channels == 4:
            self._learn_trousers(small, solid, points, head_px, rate)

    def _learn_trousers(
        self, small: Picture, solid: NDArray[np.bool_], points: Array, head_px: float, rate: float
    ) -> None:
        thighs = np.zeros(solid.shape, np.uint8)
        for hip, knee in ((23, 25), (24, 26)):
            # Below any hem, and not the hands that hang there.
            upper, lower = (points[hip] + s * (points[knee] - points[hip]) for s in (0.45, 0.95))
            cv.line(thighs, _pixel(upper), _pixel(lower), 255, max(2, round(0.35 * head_px)))
        for wrist, knuckle in ((15, 19), (16, 20)):
            cv.line(thighs, _pixel(points[wrist]), _pixel(points[knuckle]), 0, max(3, round(0.8 * head_px)))
        worn = small[(thighs > 0) & solid][None]
        if worn.size:
            self.colours.learn(TROUSERS, colour_bins(worn)[0], rate)

    def _draw_head(
        self, layers: Picture, small: Picture, person: Picture, hull: Array, up: Array, head_px: float
    ) -> None:
        x0, y0, x1, y1 = _box(hull, HAIR_REACH * head_px, person.shape)
        if x1 - x0 < 4 or y1 - y0 < 4:
            return
        box = (slice(y0, y1), slice(x0, x1))
        offset = np.array([x0, y0])
        skull = np.zeros((y1 - y0, x1 - x0), np.uint8)
        cv.fillConvexPoly(skull, np.rint(hull - offset).astype(np.int32), 255)
        away = cv.distanceTransform(255 - skull, cv.DIST_L2, 3) / head_px
        rows, columns = np.mgrid[y0:y1, x0:x1].astype(np.float32)
        chin = float((hull @ up).min())
        above = (columns * np.float32(up[0]) + rows * np.float32(up[1]) - np.float32(chin)) / np.float32(
            head_px
        )
        # Above the chin whatever the person mask holds near the skull is head: hair, hat, ears.
        near = np.clip((0.34 - away) / 0.08, 0.0, 1.0) * np.clip((above - 0.12) / 0.08, 0.0, 1.0)
        certain = np.maximum(near, ((skull > 0) & (above > 0.02)).astype(np.float32))
        # Below it and farther out only what has the hair's colour and hangs together with the head.
        evidence = self.colours.evidence(HAIR, ((CLOTH, 0.6), (SKIN, 0.25), (ROOM, 0.15)))
        hair = cv.blur(np.take(np.clip(evidence, -3.0, 3.0), colour_bins(small[box])), (5, 5))
        score = hair - 1.0 - np.float32(1.6) * np.maximum(away - np.float32(0.1), 0.0)
        likely = (score > 0.0).astype(np.uint8) & (person[box] > 100)
        likely |= (certain > 0.5).astype(np.uint8)
        count, labels = cv.connectedComponents(likely, connectivity=4)
        joined = np.zeros(count, bool)
        joined[labels[certain > 0.5]] = True
        joined[0] = False
        hanging = joined[labels].astype(np.float32) * np.clip(0.5 + score, 0.0, 1.0)
        mask = np.maximum(certain, cv.blur(np.asarray(hanging, np.float32), (3, 3)))
        layers[box][..., 1] = np.minimum(np.rint(mask * 255.0).astype(np.uint8), person[box])

    # -- clothes ----------------------------------------------------------------------------------

    def _draw_worn(self, layers: Picture, small: Picture) -> None:
        person = cv.extractChannel(layers, 0)
        x, y, w, h = cv.boundingRect(cv.compare(person, 60, cv.CMP_GT))
        if not w:
            return
        box = (slice(y, y + h), slice(x, x + w))
        layers[box][..., 3] = cv.blur(np.take(self.colours.worn(), colour_bins(small[box])), (3, 3))

    # -- hands ------------------------------------------------------------------------------------

    def _draw_hand(
        self,
        layers: Picture,
        small: Picture,
        person: Picture,
        points: Array,
        visibility: Array,
        fit: Fit,
        scale: float,
        side: int,
    ) -> None:
        elbow, wrist, pinky, index, thumb = (points[k + side] for k in (13, 15, 17, 19, 21))
        if visibility[15 + side] < 0.25:
            return
        depth = max(float(fit.landmark_points[15 + side, 2]), 0.3)
        length = HAND_LENGTH * self._stature(fit) * self.intrinsics.focal * scale / depth
        knuckles = (pinky + index) / 2
        reach = knuckles - wrist
        extent = float(np.linalg.norm(reach))
        direction = reach / max(extent, 1e-6)
        tip = wrist + direction * np.clip(extent * 1.9, 0.45 * length, 1.05 * length)
        x0, y0, x1, y1 = _box(np.stack([wrist, knuckles, tip, thumb]), 0.55 * length, person.shape)
        if x1 - x0 < 4 or y1 - y0 < 4:
            return
        box = (slice(y0, y1), slice(x0, x1))
        offset = np.array([x0, y0])
        bones = np.full((y1 - y0, x1 - x0), 255, np.uint8)
        thin = max(1, round(0.1 * length))
        cv.line(bones, _pixel(wrist - offset), _pixel(tip - offset), 0, thin)
        for end in (pinky, index, thumb):
            cv.line(bones, _pixel(wrist - offset), _pixel(end - offset), 0, thin)
        cv.line(bones, _pixel(pinky - offset), _pixel(index - offset), 0, thin)
        away = cv.distanceTransform(bones, cv.DIST_L2, 3) / np.float32(length)
        prior = 2.2 - 12.0 * away
        forearm = wrist - elbow
        if np.linalg.norm(forearm) > 0.5 * length:  # the cuff ends at the wrist
            forearm /= np.linalg.norm(forearm)
            past = _ramp(box, forearm / length, float(wrist @ forearm) / length)
            prior -= 25.0 * np.maximum(-past - 0.04, 0.0)
        evidence = self.colours.evidence(SKIN, ((CLOTH, 0.6), (ROOM, 0.25), (HAIR, 0.15)))
        bins = colour_bins(small[box])
        colour = np.take(np.clip(evidence, -2.5, 2.5), bins)
        score = cv.blur(np.float32(1.1) * colour + prior, (3, 3))
        mask = np.clip(0.5 + 0.7 * score, 0.0, 1.0)
        drawn = np.minimum(np.rint(mask * 255.0).astype(np.uint8), person[box])
        layers[box][..., 2] = np.maximum(layers[box][..., 2], drawn)
        core = (away < 0.06) & (colour > -0.5) & (person[box] > 200)
        if self._frames % 6 == 1 and visibility[15 + side] > 0.7:
            self.colours.learn(SKIN, bins[core], 0.08)

    @staticmethod
    def _stature(fit: Fit) -> float:
        """Size of this body against the mean one, from the length of its trunk and thighs."""
        origin = fit.pose.origin
        span = float(np.linalg.norm(origin[BONES.index("neck")] - origin[0]))
        return float(np.clip(span / 0.5, 0.6, 1.3))


def _pixel(point: Array) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))


def _ramp(box: tuple[slice, slice], slope: Array, offset: float) -> NDArray[np.float32]:
    """Ramp x * slope[0] + y * slope[1] - offset for the pixels of ``box``."""
    rows = np.arange(box[0].start, box[0].stop, dtype=np.float32)[:, None] * np.float32(slope[1])
    columns = np.arange(box[1].start, box[1].stop, dtype=np.float32)[None] * np.float32(slope[0])
    return np.asarray(rows + (columns - np.float32(offset)), np.float32)


def _box(points: Array, margin: float, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Bounding box x0, y0, x1, y1 of points (n, 2) grown by ``margin`` and cut to the picture."""
    low = np.floor(points.min(0) - margin).astype(int)
    high = np.ceil(points.max(0) + margin).astype(int) + 1
    x0, y0 = np.maximum(low, 0)
    return int(x0), int(y0), int(min(high[0], shape[1])), int(min(high[1], shape[0]))
