"""What stays in front of every garment: head, hair and hands, as masks from picture and fit.

And what of the person is worn clothes, which should not stick out from under a garment.

The 3D body alone cannot say where hair ends or how the fingers lie, so those edges come from the
picture: the parts network tells hair, skin and clothes; while there is no word of it, running colour
histograms of the person's skin, hair and worn clothes (learnt from places that the fit knows: face, crown,
chest) give each pixel near a hand or the head a likelihood. The fitted skeleton gives it a prior.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inference.body.camera import Intrinsics
from inference.body.landmarks import EYES, HIPS, KNEES, MOUTH, SHOULDERS, TRUNK, Landmark
from inference.body.model import BONES, REGIONS, BodyModel
from inference.body.surface_points import SurfacePoints
from inference.fit.fitter import Fit
from inference.parts.colour_model import CLOTH, HAIR, ROOM, SKIN, TROUSERS, ColourModel, colour_bins
from inference.parts.hands import HandMasks, View, box_of, pixel
from inference.parts.parts_network import Part
from inference.resize import WORKING_SIDE, resize
from mirror.types import F64, Picture, cv

HEAD_SIDE = 84  # px: more of a head would cost time and show nothing
SCALES = (1.0, 0.75, 0.5, 0.375, 0.25, 0.125)
LEARN_FRAMES, LEARN_EVERY = 12, 6  # colours are learnt from the first frames, then from every so-many-th

SKIN_LIKE = 1e-3  # density from which a colour is the skin's
MOSTLY = 0.75  # of the chest in the skin's colours: then it is the clothes that have them

HAIR_REACH = 0.9  # head heights around the skull in which hair is looked for
CHIN_MARGIN = 0.08  # head heights about the skull that are head too: a jaw is not quite where it is fitted

COARSE_SIDE = 360  # px of the longer side, from which on half of it does for the worn clothes
_NEITHER = 128  # in the worn clothes' channel
_HAIR_RAMP = 4.0  # of the network's probability of head about a half: hair has a soft edge
_SIDE_BLUR = 9  # px over which colours tell whether cloth is the top's or the legs', where parts are known
# Likelihood of worn clothes from which a cuff is no hand, and for certain; the same of a collar and the head,
# where hair may have its colour.
CUFF, COLLAR = (0.5, 0.65), (0.85, 0.95)

# Wrist and knuckle of each hand.
_INDEX_FINGERS, _LITTLE_FINGERS = (
    tuple((Landmark.of(side, "wrist"), Landmark.of(side, finger)) for side in ("left", "right"))
    for finger in ("index", "pinky")
)
HEAD_BONE = BONES.index("head")


def _kept(limits: tuple[float, float]) -> Picture:
    """What may be kept (256,) of hands or head, by the worn clothes' channel."""
    likely = np.abs(np.arange(256) - 128.0) / 127
    return np.asarray(255 * np.clip((limits[1] - likely) / (limits[1] - limits[0]), 0, 1), np.uint8)


_NO_CUFF, _NO_COLLAR = _kept(CUFF), _kept(COLLAR)


class OcclusionMasks:
    """Makes the occlusion masks of each frame; ``reset`` when another person comes.

    ``worn``: whether the worn clothes' colours are wanted, as a fourth channel.
    """

    def __init__(self, model: BodyModel, intrinsics: Intrinsics, worn: bool = False) -> None:
        self.intrinsics = intrinsics
        self._channels = 4 if worn else 3
        region = np.asarray(model.region)
        head = np.flatnonzero(region == REGIONS.index("head"))
        self._head = SurfacePoints.at_vertices(model, head[:: max(1, len(head) // 160)], bone=HEAD_BONE)
        self.reset()

    def reset(self) -> None:
        """Forget the person's colours."""
        self.colours = ColourModel()
        self._hands = HandMasks(self.intrinsics)
        self._frames = 0
        self._unlearnt: tuple[Picture, Picture, F64, F64, float, bool] | None = None

    def update(
        self, frame: Picture, mask: Picture, landmarks: F64, fit: Fit, parts: Picture | None = None
    ) -> Picture:
        """Masks (h, w, 3 or 4) uint8: person, head in front, hands in front, and worn clothes.

        ``frame`` (H, W, 3) BGR, ``mask`` (h, w) person mask of its aspect, ``landmarks`` (33, 3)
        px and visibility; ``parts`` (h, w, 6) as the ``PartsTracker`` has them, None while it has none. The
        masks cover the frame at their own resolution.
        """
        height, width = frame.shape[:2]
        scale = min(1.0, WORKING_SIDE / max(height, width))
        hull, up, head_px, facing = self._head_outline(fit, scale)
        reduced = next((s for s in SCALES if s * head_px <= HEAD_SIDE), SCALES[-1])
        scale, hull, head_px = scale * reduced, hull * reduced, max(head_px * reduced, 4.0)
        size = (max(16, round(width * scale)), max(16, round(height * scale)))
        small, person = resize(frame, size), resize(mask, size)
        planes = np.zeros((self._channels, *person.shape), np.uint8)  # quicker to fill than pixels
        planes[0] = person
        masks = planes.transpose(1, 2, 0)
        points = landmarks[:, :2] * scale
        self._frames += 1
        # What has just been learnt must serve at once; later it can wait until the frame is out.
        self._unlearnt = (small, person, points, hull, head_px, facing)
        if self._frames <= LEARN_FRAMES:
            self.learn()
        skin = hair = cloth = None
        if parts is not None:
            planes_seen = cv.split(cv.resize(parts, size, interpolation=cv.INTER_LINEAR))
            skin, cloth = planes_seen[Part.BODY_SKIN], planes_seen[Part.CLOTHES]
            hair = cv.add(planes_seen[Part.HAIR], planes_seen[Part.FACE_SKIN])
        self._draw_head(masks, small, person, hull, up, head_px, hair)
        self._hands.draw(masks, View(small, points, landmarks[:, 2], fit, scale, skin), self.colours)
        if self._channels == 4:
            self._draw_worn(planes, small, cloth)
        return np.asarray(cv.merge(list(planes)), np.uint8)

    def learn(self) -> None:
        """Learn colours from the last frame made: from each at first, then now and then.

        Called when that frame's masks are on their way, unless ``update`` has done it.
        """
        waiting, self._unlearnt = self._unlearnt, None
        if waiting is not None and (self._frames <= LEARN_FRAMES or self._frames % LEARN_EVERY == 0):
            self._learn(*waiting)

    # -- head -----------------------------------------------------------------------------------

    def _head_outline(self, fit: Fit, scale: float) -> tuple[F64, F64, float, bool]:
        """Convex hull (n, 2) of the skull, its up direction (2,), its height px; whether the face shows."""
        skull = self._head.posed(fit).points.astype(np.float64)
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
        points: F64,
        hull: F64,
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
        x0, y0, x1, y1 = box_of(np.concatenate([hull, points[list(TRUNK)]]), 0.4 * head_px, shape)
        if x1 - x0 < 4 or y1 - y0 < 4:
            return
        reach[y0:y1, x0:x1] = True
        box = (slice(y0, y1), slice(x0, x1))
        bins = colour_bins(small[box])
        face = np.zeros(shape, np.uint8)
        if facing:
            centre = points[[*EYES, *MOUTH]].mean(0)
            span = max(float(np.linalg.norm(points[list(EYES)].mean(0) - points[list(MOUTH)].mean(0))), 2.0)
            cv.circle(face, pixel(centre), max(2, round(0.85 * span)), 255, -1)
            for eye in EYES:
                cv.circle(face, pixel(points[eye]), max(1, round(0.28 * span)), 0, -1)
            core = (face > 0) & (skull > 0) & solid
            self.colours.learn(SKIN, bins[core[box]], rate)
        oval = cv.dilate(face, np.ones((3, 3), np.uint8), iterations=max(1, round(0.06 * head_px)))
        crown = (grown > 0) & (oval == 0) & solid
        if facing:  # ears, jaw and neck are no hair: take what lies above the brows
            brow = points[list(EYES)].mean(0)
            chin = points[list(MOUTH)].mean(0)
            upward = brow - chin
            rows, columns = np.ogrid[y0:y1, x0:x1]
            above = (columns - brow[0]) * upward[0] + (rows - brow[1]) * upward[1] > 0.75 * float(
                upward @ upward
            )
            crown[box] &= above
        self.colours.learn(HAIR, bins[crown[box]], rate)
        chest = np.zeros(shape, np.uint8)
        corners = points[[*SHOULDERS, *reversed(HIPS)]]
        middle = corners.mean(0)
        quad = middle + np.array([0.85, 0.85]) * (corners - middle)
        cv.fillConvexPoly(chest, np.rint(quad).astype(np.int32), 255)
        for wrist, knuckle in (*_INDEX_FINGERS, *_LITTLE_FINGERS):
            cv.line(chest, pixel(points[wrist]), pixel(points[knuckle]), 0, max(3, round(0.8 * head_px)))
        chest[grown > 0] = 0
        worn = bins[((chest > 0) & solid)[box]]
        if self._channels == 4 and len(worn):  # a low neckline or straps leave skin there
            exposed = self.colours.densities(worn)[1] > SKIN_LIKE
            worn = worn[~exposed] if exposed.mean() < MOSTLY else worn
        self.colours.learn(CLOTH, worn, rate)
        self.colours.learn(ROOM, bins[((person < 40) & reach)[box]], rate)
        if self._channels == 4:
            self._learn_trousers(small, solid, points, head_px, rate)

    def _learn_trousers(
        self, small: Picture, solid: NDArray[np.bool_], points: F64, head_px: float, rate: float
    ) -> None:
        thighs = np.zeros(solid.shape, np.uint8)
        for hip, knee in zip(HIPS, KNEES, strict=True):
            # Below any hem, and not the hands that hang there.
            upper, lower = (points[hip] + s * (points[knee] - points[hip]) for s in (0.45, 0.95))
            cv.line(thighs, pixel(upper), pixel(lower), 255, max(2, round(0.35 * head_px)))
        for wrist, knuckle in _INDEX_FINGERS:
            cv.line(thighs, pixel(points[wrist]), pixel(points[knuckle]), 0, max(3, round(0.8 * head_px)))
        worn = small[(thighs > 0) & solid][None]
        if worn.size:
            self.colours.learn(TROUSERS, colour_bins(worn)[0], rate)

    def _draw_head(
        self,
        masks: Picture,
        small: Picture,
        person: Picture,
        hull: F64,
        up: F64,
        head_px: float,
        seen: Picture | None,
    ) -> None:
        """Fill the second of the masks; ``seen`` (h, w): the network's probability of hair or face."""
        x0, y0, x1, y1 = box_of(hull, HAIR_REACH * head_px, person.shape)
        if x1 - x0 < 4 or y1 - y0 < 4:
            return
        box = (slice(y0, y1), slice(x0, x1))
        offset = np.array([x0, y0])
        skull = np.zeros((y1 - y0, x1 - x0), np.uint8)
        cv.fillConvexPoly(skull, np.rint(hull - offset).astype(np.int32), 255)
        away = cv.distanceTransform(255 - skull, cv.DIST_L2, 3) / head_px
        chin = float((hull @ up).min())
        across = np.arange(x0, x1, dtype=np.float32) * np.float32(up[0] / head_px)
        upwards = np.arange(y0, y1, dtype=np.float32) * np.float32(up[1] / head_px)
        above = across[None] + (upwards - np.float32(chin / head_px))[:, None]
        # Above the chin whatever the person mask holds near the skull is head: hair, hat, ears.
        near = np.clip((0.34 - away) / 0.08, 0.0, 1.0) * np.clip((above - 0.12) / 0.08, 0.0, 1.0)
        certain = np.maximum(near, ((away < CHIN_MARGIN) & (above > 0.02 - CHIN_MARGIN)).astype(np.float32))
        # Below it and farther out only what is hair or has its colour, and hangs together with the head.
        if seen is not None:
            score = np.float32(_HAIR_RAMP) * (
                seen[box].astype(np.float32) / np.float32(255) - np.float32(0.5)
            )
        else:
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
        masks[box][..., 1] = np.minimum(np.rint(mask * 255.0).astype(np.uint8), person[box])

    # -- clothes ----------------------------------------------------------------------------------

    def _draw_worn(self, planes: Picture, small: Picture, cloth: Picture | None) -> None:
        """Fill the last of the masks' planes (4, h, w), and take cuffs and collars from hands and head.

        ``cloth`` (h, w): the network's probability of clothes. Whose they are the colours tell.
        """
        x, y, w, h = cv.boundingRect(cv.compare(planes[0], 60, cv.CMP_GT))
        if not w:
            return
        # Cloth lies in patches, and what is hidden is decided at half this resolution anyway.
        step = 2 if max(planes.shape[1:]) > COARSE_SIDE else 1
        x, y = x // step * step, y // step * step
        box = (slice(y, y + h), slice(x, x + w))
        bins = colour_bins(np.ascontiguousarray(small[box][::step, ::step]))
        worn = np.take(self.colours.worn(), bins)
        # Side by side a colour of the top's and one of the legs' make cloth, not something in between.
        by_colour = _signed(cv.blur(worn, (3, 3)), cv.blur(cv.absdiff(worn, _NEITHER), (3, 3)))
        drawn = by_colour
        if cloth is not None:
            seen = cv.convertScaleAbs(np.ascontiguousarray(cloth[box][::step, ::step]), alpha=127 / 255)
            drawn = _signed(cv.blur(worn, (_SIDE_BLUR, _SIDE_BLUR)), seen)
        head, hands, target = (planes[channel][box] for channel in (1, 2, 3))
        if step > 1:
            size = target.shape[::-1]
            by_colour = cv.resize(by_colour, size, interpolation=cv.INTER_NEAREST)
            drawn = cv.resize(drawn, size, interpolation=cv.INTER_NEAREST)
        target[:] = drawn
        # The network takes hands before patterned cloth for cloth: cuffs are told by their colours.
        for kept, told, surely in ((head, drawn, _NO_COLLAR), (hands, by_colour, _NO_CUFF)):
            x, y, w, h = cv.boundingRect(kept)
            part = (slice(y, y + h), slice(x, x + w))
            if w:
                kept[part] = cv.min(kept[part], cv.LUT(told[part], surely))


def _signed(side: Picture, sure: Picture) -> Picture:
    """The worn clothes' channel (h, w): ``sure`` 0..127 of cloth, the top's where ``side`` is 128 or more."""
    out = cv.subtract(_NEITHER, sure)
    cv.copyTo(cv.add(sure, _NEITHER), cv.compare(side, _NEITHER, cv.CMP_GE), out)
    return np.asarray(out, np.uint8)
