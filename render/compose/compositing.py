"""Blends a drawing into its frame: soft outline, what stays in front, what is cut away.

Works inside the box of the drawing only, in 8 bit, with colour premultiplied by coverage, so
that an edge pixel mixes exactly cloth and picture and neither halo nor hole can appear.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from mirror.types import Picture, cv
from render.compose.camera_match import CameraMatch
from render.compose.contact_shadow import ContactShadow
from render.gpu.drawing import Drawing, Ratio
from render.gpu.id_buffer import BEFORE_FACE, Box

__all__ = ["Blend", "at_frame_size", "composite", "lay_over", "visible"]

_PIXEL = np.dtype("V3")


@dataclass(frozen=True)
class BlendParameters:
    """How garments meet the picture. Set by hand.

    shown: a pixel counts as garment when its opacity, of 255, lies above this: half. least_soft: less of a
    blur would not be seen. crisper: of the ratio of enlargement is the outline made steeper again. ramp_px:
    width of the soft step between cloth and what stays in front of it.
    """

    shown: int = 127
    least_soft: float = 0.25
    crisper: float = 0.75
    ramp_px: float = 3.0


PARAMETERS = BlendParameters()


@dataclass(frozen=True)
class Blend:
    """What the viewer sees of the garments.

    alpha: (h, w) uint8 opacity, at ``box`` (x0, y0, x1, y1) of the frame. garment_box: px of
    the pixels that count as garment, None where there are none. garment_ids: numbers (from 1) of the
    garments with such pixels.
    """

    alpha: Picture
    box: Box
    garment_box: Box | None
    garment_ids: tuple[int, ...]

    def mask(self, height: int, width: int) -> Picture:
        """(height, width) uint8, 255 where garment is shown, else 0."""
        full = np.zeros((height, width), np.uint8)
        x0, y0, x1, y1 = self.box
        full[y0:y1, x0:x1] = np.where(self.alpha > PARAMETERS.shown, 255, 0)
        return full


def composite(
    frame: Picture,
    drawing: Drawing,
    masks: Picture | None = None,
    trimmed: Sequence[bool] = (),
    margin_px: float = 0.0,
    shadow: ContactShadow | None = None,
    camera: CameraMatch | None = None,
) -> Blend | None:
    """Blend ``drawing`` into ``frame`` (H, W, 3) BGR in place; None when nothing of it shows.

    masks: (h, w, 3 or 4) uint8 of the frame's aspect, any resolution, as ``messages.Body`` says:
    person, head (in front of all but sleeves before it), hands (in front of all).
    trimmed[i] says whether garment i + 1 is cut off softly where it lies more than
    ``margin_px`` frame pixels outside the person. ``shadow`` falls on the frame, ``camera`` gives
    the cloth its blur and grain.
    The drawing's picture is used as scratch space.
    """
    ids = drawing.garment_ids
    if ids is None:
        ids = np.asarray(cv.extractChannel(drawing.picture, 3), np.uint8)
    found = cv.boundingRect(ids)
    if not found[2]:
        return None
    drawn = _grown(found, drawing)
    ox, oy = drawing.box[:2]
    inner = (slice(drawn[1] - oy, drawn[3] - oy), slice(drawn[0] - ox, drawn[2] - ox))
    cloth, ids = drawing.picture[inner], np.ascontiguousarray(ids[inner])

    outermost = _soften(cloth, ids, 0.0 if camera is None else camera.softness(drawing.resolution))
    box, (cloth, outermost) = at_frame_size(
        drawn, drawing.resolution, frame.shape, (cloth, cv.INTER_LINEAR), (outermost, cv.INTER_NEAREST)
    )
    opacity: Picture = cv.extractChannel(cloth, 3)
    # Enlarged, the soft outline has become wider than the camera's.
    alpha = _steeper(opacity, max(1.0, PARAMETERS.crisper * drawing.resolution[1] / drawing.resolution[0]))
    if masks is not None:
        keep = visible(masks, frame.shape, box, outermost, trimmed, margin_px)
        alpha = cv.multiply(alpha, keep, scale=1 / 255)
    target = frame[box[1] : box[3], box[0] : box[2]]
    opaque = cv.cvtColor(cloth, cv.COLOR_BGRA2BGR)
    if shadow is not None:
        shadow.shade(frame, alpha, masks, box, drawing.px_per_m)
    if camera is not None:
        camera.add_grain(opaque)
    _mix(target, cloth, opaque, opacity, alpha)

    shown = cv.compare(alpha, PARAMETERS.shown, cv.CMP_GT)
    x, y, w, h = cv.boundingRect(shown)
    if not w:
        return Blend(alpha, box, None, ())
    garment_box = (box[0] + x, box[1] + y, box[0] + x + w, box[1] + y + h)
    return Blend(alpha, box, garment_box, (1,) if len(trimmed) == 1 else _present(outermost, shown))


def lay_over(target: Picture, picture: Picture, alpha: Picture) -> None:
    """Lay ``alpha`` (h, w) of 255 of ``picture`` (h, w, 3) over ``target`` (h, w, 3), in place."""
    if alpha.size < 2:  # OpenCV takes one pixel for a number, and nobody sees it
        return
    whole = cv.compare(alpha, 252, cv.CMP_GT)
    cv.copyTo(picture, whole, target)
    rest = cv.compare(alpha, 3, cv.CMP_GT)
    cv.subtract(rest, whole, dst=rest)
    found = cv.findNonZero(rest)
    if found is None:
        return
    columns, rows = found.reshape(-1, 2).T  # (N, 1, 2) before OpenCV 5
    share = alpha.reshape(-1).take(rows * alpha.shape[1] + columns)
    pixels, step = _in_a_row(target)
    others, other_step = _in_a_row(picture)
    at = rows * step + columns
    under = _bytes(pixels.take(at)).astype(np.int16)
    over = _bytes(others.take(rows * other_step + columns)).astype(np.int16)
    over -= under
    over *= _thrice(share >> 1, np.int16)  # 255 * 127 fits into 16 bit
    over >>= 7
    over += under
    np.put(pixels, at, over.astype(np.uint8).view(_PIXEL)[:, 0])


def _mix(target: Picture, cloth: Picture, opaque: Picture, opacity: Picture, alpha: Picture) -> None:
    """Lay ``cloth`` (h, w, 4), premultiplied by its ``opacity`` (h, w), over ``target`` (h, w, 3) in place.

    opaque: (h, w, 3) what to show of cloth that covers all. alpha: (h, w) 0..255, how much of the target
    the cloth is to take. Nearly every pixel is all cloth or none: those are copied or left, and only
    the few others are mixed.
    """
    whole = cv.compare(cv.min(opacity, alpha), 255, cv.CMP_EQ)
    cv.copyTo(opaque, whole, target)
    rest = cv.compare(alpha, 0, cv.CMP_GT)
    cv.subtract(rest, whole, dst=rest)
    found = cv.findNonZero(rest)
    if found is None:
        return
    columns, rows = found.reshape(-1, 2).T
    at = rows * cloth.shape[1] + columns
    # Numbers below 2^16, and so divided exactly but several times faster than integers.
    share = _thrice(alpha.reshape(-1).take(at), np.float32)
    over = cv.cvtColor(cloth.reshape(-1, 1, 4).take(at, 0), cv.COLOR_BGRA2BGR)[:, 0] * share
    over /= _thrice(opacity.reshape(-1).take(at), np.float32)
    pixels, step = _in_a_row(target)
    at = rows * step + columns
    under = _bytes(pixels.take(at)) * (255 - share)
    under += 127
    under /= 255
    mixed = np.minimum(np.floor(over) + np.floor(under), 255)
    np.put(pixels, at, mixed.astype(np.uint8).view(_PIXEL)[:, 0])


def _in_a_row(picture: Picture) -> tuple[NDArray[np.void], int]:
    """The pixels (n,) of a picture (h, w, 3) or a part of one, and how many lie from row to row.

    Whole pixels by their number are gathered and put ten times faster than by row and column. ValueError
    unless they lie side by side.
    """
    height, width = picture.shape[:2]
    step, beside = divmod(picture.strides[0], 3)
    if beside or step < width or picture.strides[1:] != (3, 1):
        raise ValueError("a picture whose pixels do not lie side by side")
    row = as_strided(picture, ((height - 1) * step + width, 3), (3, 1))
    return row.view(_PIXEL)[:, 0], step


def _thrice(values: Picture, dtype: type[np.number[Any]]) -> NDArray[Any]:
    """Values (n,) for each of the colours (n, 3): broadcasting over so few is slow."""
    one = values.astype(dtype)
    return np.asarray(cv.merge([one, one, one])).reshape(-1, 3)


def _bytes(pixels: NDArray[np.void]) -> Picture:
    """Pixels (n,) as (n, 3) uint8."""
    return pixels.view(np.uint8).reshape(-1, 3)


def _grown(found: Sequence[int], drawing: Drawing) -> Box:
    """The found rectangle with room for the soft edge, within the drawing; in steps of its resolution."""
    x, y, w, h = found
    limits, p = drawing.box, drawing.resolution[0]
    x0, y0 = limits[0] + x, limits[1] + y
    return (
        max((x0 - 2) // p * p, limits[0]),
        max((y0 - 2) // p * p, limits[1]),
        min(-(-(x0 + w + 2) // p) * p, limits[2]),
        min(-(-(y0 + h + 2) // p) * p, limits[3]),
    )


def at_frame_size(
    drawn: Box, resolution: Ratio, shape: Sequence[int], *pictures: tuple[Picture, int]
) -> tuple[Box, list[Picture]]:
    """The box in the frame, of this ``shape``, of a drawn one, and pictures of it at the frame's pixels.

    ``pictures``: each (h, w, ...) with OpenCV's way to interpolate it. What lies beyond the frame is cut off.
    """
    p, q = resolution
    x0, y0, x1, y1 = (value // p * q for value in drawn)
    box = (x0, y0, min(x1, shape[1]), min(y1, shape[0]))
    inside = (slice(box[3] - y0), slice(box[2] - x0))
    enlarged = [
        picture if p == q else cv.resize(picture, (x1 - x0, y1 - y0), interpolation=way)
        for picture, way in pictures
    ]
    return box, [np.ascontiguousarray(picture[inside]) for picture in enlarged]


def _soften(cloth: Picture, ids: Picture, softness: float = 0.0) -> Picture:
    """Antialias the outline of each garment in place; returns ids grown by a pixel.

    ``cloth`` (h, w, 4) comes with ids in its last channel and leaves with opacity, colour
    premultiplied. Pixels at the edge of an id change; the weave as well, by ``softness`` 0..1, where
    the camera is not as sharp.
    """
    cross = cv.getStructuringElement(cv.MORPH_RECT, (3, 3))
    numbers = cv.bitwise_and(ids, BEFORE_FACE - 1)
    grown = cv.dilate(numbers, cross, borderType=cv.BORDER_REPLICATE)
    band = cv.compare(grown, cv.erode(numbers, cross, borderType=cv.BORDER_REPLICATE), cv.CMP_NE)
    cv.insertChannel(cv.compare(ids, 0, cv.CMP_GT), cloth, 3)
    blurred = cv.GaussianBlur(cloth, (3, 3), 0, borderType=cv.BORDER_REPLICATE)
    if softness > PARAMETERS.least_soft:
        cv.addWeighted(cloth, 1 - softness, blurred, softness, 0, dst=cloth)
    cv.copyTo(blurred, band, cloth)
    if int(ids.max()) < BEFORE_FACE:
        return np.asarray(grown, np.uint8)
    outermost: Picture = cv.dilate(ids, cross, borderType=cv.BORDER_REPLICATE)
    return outermost


def visible(
    masks: Picture,
    shape: Sequence[int],
    box: Box,
    ids: Picture,
    trimmed: Sequence[bool],
    margin_px: float,
) -> Picture:
    """How much of the garment the viewer sees (h, w), 0..255, over ``box`` of the frame."""
    scale = np.array([shape[1] / masks.shape[1], shape[0] / masks.shape[0]])
    margin = margin_px / scale
    # The part of the masks that the box and the margin reach.
    reach = np.ceil(1.5 * margin).astype(int) + 2
    low = np.maximum(np.floor(np.array(box[:2]) / scale).astype(int) - reach, 0)
    high = np.ceil(np.array(box[2:]) / scale).astype(int) + reach
    person, head, hands = cv.split(np.ascontiguousarray(masks[low[1] : high[1], low[0] : high[0]]))[:3]
    steepness = max(1.0, float(scale.max()) / PARAMETERS.ramp_px)
    grown: Picture | None = None

    # Which of the masks count, by id; mostly the same ones for all.
    numbers = (1,) if len(trimmed) == 1 else _present(ids)
    over = int(ids.max()) >= BEFORE_FACE
    kinds: dict[tuple[bool, bool], list[int]] = {}
    for number in numbers:
        trim = number <= len(trimmed) and trimmed[number - 1]
        kinds.setdefault((trim, False), []).append(number)
        if over:
            kinds.setdefault((trim, True), []).append(number + BEFORE_FACE)
    keep: Picture | None = None
    for (trim, before_all), ids_of_kind in kinds.items():
        where = None
        part = box
        if keep is not None:
            table = np.zeros(256, np.uint8)
            table[ids_of_kind] = 255
            where = cv.LUT(ids, table)
            x, y, w, h = cv.boundingRect(where)
            if not w:
                continue
            where = where[y : y + h, x : x + w]
            part = (box[0] + x, box[1] + y, box[0] + x + w, box[1] + y + h)
        small = cv.bitwise_not(hands if before_all else cv.max(head, hands))
        if trim:
            grown = _grown_mask(person, margin) if grown is None else grown
            small = cv.min(small, grown)
        visible = _steeper(_enlarged(small, low, scale, part), steepness)
        if keep is None:
            keep = visible
        else:
            cv.copyTo(visible, where, keep[y : y + h, x : x + w])
    if keep is None:
        raise ValueError("a drawing without garments")
    return keep


def _grown_mask(mask: Picture, margin: NDArray[np.float64]) -> Picture:
    """The mask grown by ``margin`` pixels (x, y), its outline rounded and soft.

    A wide mean tells how near the mask is: at a straight edge's margin it has fallen to a
    sixth. That is faster than a dilation, and leaves no corners that look torn.
    """
    radius = np.maximum(np.rint(1.5 * margin), 1).astype(int)
    near = cv.blur(mask, tuple(int(r) for r in 2 * radius + 1))
    edge = 255.0 * float(np.mean((radius - margin + 0.5) / (2 * radius + 1)))
    slope = 255.0 / float(np.mean(2 * radius + 1))
    gain = 255.0 / slope / max(2.0, 0.4 * float(margin.mean()))
    table = ((np.arange(256) - edge) * gain + 127.5).clip(0, 255).astype(np.uint8)
    grown: Picture = cv.LUT(near, table)
    return grown


def _enlarged(part: Picture, low: NDArray[np.int_], scale: NDArray[np.float64], box: Box) -> Picture:
    """Resample a part of the masks, whose first pixel is ``low``, to the frame pixels of ``box``.

    Whole-pixel alignment is half a frame pixel off at most, far below one mask pixel.
    """
    # Of the part, what the box needs.
    first = np.maximum(np.floor(np.array(box[:2]) / scale).astype(int) - low - 1, 0)
    last = np.ceil(np.array(box[2:]) / scale).astype(int) - low + 1
    part, low = part[first[1] : last[1], first[0] : last[0]], low + first
    width, height = (int(n) for n in np.rint(np.array(part.shape[1::-1]) * scale))
    large: Picture = cv.resize(part, (width, height), interpolation=cv.INTER_LINEAR)
    x, y = (int(n) for n in np.rint(np.array(box[:2]) - low * scale))
    w, h = box[2] - box[0], box[3] - box[1]
    # At the frame's edges rounding may leave the enlarged part a pixel short.
    x, y = min(x, max(width - w, 0)), min(y, max(height - h, 0))
    large = large[y : y + h, x : x + w]
    if large.shape[:2] != (h, w):
        large = cv.resize(large, (w, h), interpolation=cv.INTER_LINEAR)
    return large


def _steeper(mask: Picture, steepness: float) -> Picture:
    """Steepen the step about half of an enlarged mask, which is as wide as its pixels were."""
    if steepness == 1.0:
        return mask
    steeper: Picture = cv.addWeighted(mask, steepness, mask, 0, 127.5 * (1.0 - steepness))
    return steeper


def _present(ids: Picture, shown: Picture | None = None) -> tuple[int, ...]:
    """Numbers of the garments with a pixel in the picture, or among those ``shown``."""
    if int(ids.max()) == 1:
        return (1,)
    counts = cv.calcHist([ids], [0], shown, [256], [0, 256]).reshape(-1)
    counts = counts[:BEFORE_FACE] + counts[BEFORE_FACE:]
    return tuple(int(number) for number in np.flatnonzero(counts) if number > 0)
