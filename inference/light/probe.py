"""What the light network looks at: three small pictures about one person, and the fit's normals.

- room: the whole frame, its longer side ROOM px, centred on a square; with the person's mask.
- body: a square about head and trunk, BODY px; with the mask and the fitted surface's normals.
- face: a square about the head, FACE px; the same.

Pictures stay in 8 bit sRGB until ``normalised``, which divides the exposure out: a frame that is
brighter by a gain gives the same input but for rounding and clipping, and a light brighter by it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.body.camera import Intrinsics
from inference.body.model import REGIONS, BodyModel
from inference.body.surface import vertex_normals
from inference.body.surface_points import PosedPoints, SurfacePoints
from inference.fit.fitter import Fit
from inference.light.surface_shading import shading, shading_of_parts, surface_seen
from inference.resize import resize
from mirror.shading.colour import LINEAR_OF_BYTE, LUMINANCE_RGB
from mirror.shading.spherical_harmonics import sh_basis
from mirror.types import F32, F64, Picture, cv

ROOM, BODY, FACE = 48, 64, 48  # px
CHANNELS = (5, 7, 7)  # of room, body and face, as the network takes them
STATISTICS = 36  # of which the last ROOM_STATISTICS are of the room
ROOM_STATISTICS = 6
_POINTS = 3600  # on the body; a third as many again on the head
_FACE_SEEN = 0.08  # of the face's points must be seen for a face to count
_DARKEST = 0.002  # linear luminance below which a person is black
_BURNT = 0.97  # linear luminance from which a pixel is burnt out
_LEAST_SHADED = 0.15  # of the person's pixels must not be
_FACES = (-42, 42)  # of a normal's 127: from here on a surface faces a side
_FEW = 12  # px that a mean is not taken of
_WHITEST = 16.0  # times the gain
_CHROMA_FLOOR = 0.04  # times the gain: what is darker has no colour to speak of
_CHROMA_SCALE = 3.0  # brings logarithms of colour to the size of the other channels

#: What of a probe depends on the light, and what on the body alone.
COLOURS = ("room", "body", "face")
GEOMETRY = ("room_mask", "room_inside", "body_mask", "body_normals", "face_mask", "face_normals")

_ACROSS = [1, 5, 9, 13, 17, 21]  # the statistics that are slopes along x

Arrays = dict[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Probe:
    """One probe: pictures (h, w, 3) uint8 RGB, masks (h, w) uint8, normals (h, w, 3) int8.

    Normals are of -127..127, all 0 where there is no surface. ``room_inside`` is 255 where the square
    holds frame. ``face_seen``: the share 0..1 of the fitted face that looks at the camera from
    inside the frame.
    """

    room: Picture
    body: Picture
    face: Picture
    room_mask: Picture
    room_inside: Picture
    body_mask: Picture
    body_normals: NDArray[np.int8]
    face_mask: Picture
    face_normals: NDArray[np.int8]
    face_seen: float

    @property
    def has_face(self) -> bool:
        """Whether enough of a face is seen to judge light by."""
        return self.face_seen >= _FACE_SEEN

    @property
    def is_exposed(self) -> bool:
        """Whether the person is neither black nor burnt out."""
        person = self.body[self.body_mask > 127]
        if not len(person):
            return False
        level = LINEAR_OF_BYTE[person] @ LUMINANCE_RGB
        return bool(level.mean() > _DARKEST and np.mean(level < _BURNT) > _LEAST_SHADED)

    def background(self) -> F32:
        """Linear luminance (ROOM, ROOM) of the frame, NaN on the person and outside the frame."""
        luminance = (LINEAR_OF_BYTE[self.room] @ LUMINANCE_RGB).astype(np.float32)
        return np.where((self.room_mask < 32) & (self.room_inside > 127), luminance, np.float32(np.nan))

    def face_shading(self) -> F32:
        """Log of the mean linear luminance (3, 3) of the head's surface by where it faces; NaN where unseen.

        Rows from upwards to downwards, columns from left to right.
        """
        x, y = (self.face_normals[..., k].astype(int) for k in (0, 1))
        cell = 3 * np.digitize(y, _FACES) + np.digitize(x, _FACES)
        on = (self.face_mask > 127) & self.face_normals.any(2)
        luminance = LINEAR_OF_BYTE[self.face] @ LUMINANCE_RGB
        count = np.bincount(cell[on], minlength=9)
        total = np.bincount(cell[on], luminance[on], 9)
        mean = np.where(count >= _FEW, total / np.maximum(count, 1), np.nan)
        return np.log(mean + 0.004).reshape(3, 3).astype(np.float32)

    def reflectance(self, sh: F64) -> float | None:
        """Median share of the light (9, 3) that the head would have to throw back to look as it does.

        None where too little of it is seen.
        """
        on = (self.face_mask > 127) & self.face_normals.any(2)
        if np.count_nonzero(on) < _FEW:
            return None
        normals = self.face_normals[on] / np.float64(127)
        arriving = sh_basis(normals) @ (sh @ LUMINANCE_RGB)
        luminance = LINEAR_OF_BYTE[self.face[on]] @ LUMINANCE_RGB
        return float(np.median(luminance / np.maximum(arriving, _DARKEST)))

    def arrays(self) -> Arrays:
        """The pictures by name, each with an axis of one in front."""
        return {name: getattr(self, name)[None] for name in (*COLOURS, *GEOMETRY)}


class ProbeMaker:
    """Cuts probes out of frames; holds the sample of the body's surface that it needs."""

    def __init__(self, model: BodyModel) -> None:
        rng = np.random.default_rng(5)
        region = np.asarray(model.region)[model.faces[:, 0]]
        corners = model.vertices[model.faces]
        area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
        head = region == REGIONS.index("head")
        picked = np.concatenate(
            [
                rng.choice(len(area), _POINTS, p=area / area.sum()),
                rng.choice(len(area), _POINTS // 3, p=area * head / (area * head).sum()),
            ]
        )
        share = rng.dirichlet([1.0, 1.0, 1.0], len(picked)).astype(np.float32)
        vertices = model.faces[picked]
        rest = np.einsum("nk,nkd->nd", share, model.vertices[vertices])
        basis = np.einsum("nk,snkd->snd", share, model.shape_basis[:, vertices])
        normals = vertex_normals(model.vertices, model.faces)
        smooth = np.einsum("nk,nkd->nd", share, normals[vertices])
        normals = smooth / np.linalg.norm(smooth, axis=1, keepdims=True)
        first = vertices[:, 0]
        bone = model.skin_indices[first, np.argmax(model.skin_weights[first], axis=1)]
        self._surface = SurfacePoints(rest, basis, normals, bone)
        self._head = region[picked] == REGIONS.index("head")
        middle = np.median(rest[self._head, 2])
        self._face = self._head & (rest[:, 2] > middle) & (normals[:, 2] > 0.2)
        trunk = [REGIONS.index(name) for name in ("head", "neck", "torso")]
        self._trunk = np.isin(region[picked], trunk)

    def make(self, frame: Picture, mask: Picture, fit: Fit, camera: Intrinsics) -> Probe:
        """Probe of the person ``mask`` (any resolution) in ``frame`` (H, W, 3) BGR, whose body is ``fit``."""
        posed = self._surface.posed(fit)
        posed = PosedPoints(posed.points.astype(np.float64), posed.normals)
        points, normals = posed.points, posed.normals
        pixels = camera.project(points)
        # One picture as coarse as the face allows serves all three.
        times = _fineness(pixels[self._head])
        if times > 1:
            size = (max(1, frame.shape[1] // times), max(1, frame.shape[0] // times))
            pixels = pixels * (size[0] / frame.shape[1], size[1] / frame.shape[0])
            frame, mask = resize(frame, size), resize(mask, size) if mask.shape[1] > size[0] else mask
        height, width = frame.shape[:2]
        facing = (posed.facing() < -0.05) & (points[:, 2] > 0.1)
        inside = np.all((pixels >= 0) & (pixels < (width, height)), axis=1)
        body = _square(pixels[self._trunk], 1.25, (width, height))
        head = _square(pixels[self._head], 1.15, (width, height))
        # Not by the mask: where that has lost the head, the network still knows better than none.
        on = inside[self._face] & facing[self._face]
        room, room_mask, room_inside = _whole(frame, mask)
        body_picture, body_mask = _cut(frame, mask, body, BODY)
        face_picture, face_mask = _cut(frame, mask, head, FACE)
        mine = facing & self._head
        return Probe(
            room=room,
            body=body_picture,
            face=face_picture,
            room_mask=room_mask,
            room_inside=room_inside,
            body_mask=body_mask,
            body_normals=_normal_map(pixels[facing], points[facing, 2], normals[facing], body, BODY),
            face_mask=face_mask,
            face_normals=_normal_map(pixels[mine], points[mine, 2], normals[mine], head, FACE),
            face_seen=float(np.mean(on)),
        )


Square = tuple[int, int, int]  # left, top, side in frame px


def _fineness(head: F64) -> int:
    """How many pixels of the frame may become one: 1, 2, 4 or 8."""
    extent = float(np.ptp(head, axis=0).max())
    return int(2 ** np.clip(np.floor(np.log2(max(extent, 1.0) / FACE)), 0, 3))


def _square(pixels: F64, room: float, size: tuple[int, int]) -> Square:
    """The square about points (N, 2), larger by ``room``; those outside the frame count as at its edge."""
    near = np.clip(pixels, 0, np.array(size))
    low, high = near.min(0), near.max(0)
    side = int(np.clip(room * float((high - low).max()), 16, 2 * max(size)))
    left, top = ((low + high) / 2 - side / 2).astype(int)
    return int(left), int(top), side


def _cut(frame: Picture, mask: Picture, square: Square, side: int) -> tuple[Picture, Picture]:
    """RGB (side, side, 3) and mask (side, side) of a square of the frame, 0 outside the frame."""
    height, width = frame.shape[:2]
    left, top, length = square
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + length, width), min(top + length, height)
    picture, person = np.zeros((side, side, 3), np.uint8), np.zeros((side, side), np.uint8)
    if x1 - x0 < 2 or y1 - y0 < 2:
        return picture, person
    scale = side / length
    u0, v0, u1, v1 = (
        round((x0 - left) * scale),
        round((y0 - top) * scale),
        max(round((x1 - left) * scale), round((x0 - left) * scale) + 1),
        max(round((y1 - top) * scale), round((y0 - top) * scale) + 1),
    )
    u1, v1 = min(u1, side), min(v1, side)
    picture[v0:v1, u0:u1] = resize(frame[y0:y1, x0:x1], (u1 - u0, v1 - v0))[..., ::-1]
    fx, fy = mask.shape[1] / width, mask.shape[0] / height
    part = mask[
        int(y0 * fy) : max(int(y1 * fy), int(y0 * fy) + 1), int(x0 * fx) : max(int(x1 * fx), int(x0 * fx) + 1)
    ]
    person[v0:v1, u0:u1] = resize(part, (u1 - u0, v1 - v0))
    return picture, person


def _whole(frame: Picture, mask: Picture) -> tuple[Picture, Picture, Picture]:
    height, width = frame.shape[:2]
    scale = ROOM / max(height, width)
    w, h = max(1, round(width * scale)), max(1, round(height * scale))
    x, y = (ROOM - w) // 2, (ROOM - h) // 2
    picture = np.zeros((ROOM, ROOM, 3), np.uint8)
    person, inside = np.zeros((ROOM, ROOM), np.uint8), np.zeros((ROOM, ROOM), np.uint8)
    picture[y : y + h, x : x + w] = resize(frame, (w, h))[..., ::-1]
    person[y : y + h, x : x + w] = resize(mask, (w, h))
    inside[y : y + h, x : x + w] = 255
    return picture, person, inside


def _normal_map(pixels: F64, depth: F64, normals: F64, square: Square, side: int) -> NDArray[np.int8]:
    """Mean normal of the nearest surface in each cell of the square; half as fine as the picture."""
    cells = side // 2
    left, top, length = square
    column = np.floor((pixels[:, 0] - left) * (cells / length)).astype(int)
    row = np.floor((pixels[:, 1] - top) * (cells / length)).astype(int)
    inside = (column >= 0) & (column < cells) & (row >= 0) & (row < cells)
    cell, depth, normals = (row * cells + column)[inside], depth[inside], normals[inside]
    nearest = np.full(cells * cells, np.inf)
    np.minimum.at(nearest, cell, depth)
    front = depth < nearest[cell] + 0.08  # m: what lies further behind is hidden
    total = np.stack(
        [np.bincount(cell[front], normals[front, k], cells * cells) for k in range(3)], axis=1
    ).reshape(cells, cells, 3)
    count = np.bincount(cell[front], minlength=cells * cells).reshape(cells, cells).astype(np.float32)
    # Cells that no point fell into take their neighbours' normal.
    near = cv.blur(total.astype(np.float32), (3, 3), borderType=cv.BORDER_CONSTANT)
    full = np.where(
        (count > 0)[..., None], total, np.where((cv.blur(count, (3, 3)) > 0.4)[..., None], near, 0.0)
    )
    length_ = np.linalg.norm(full, axis=2, keepdims=True)
    unit = np.where(length_ > 1e-6, full / np.maximum(length_, 1e-6), 0.0).astype(np.float32)
    large = cv.resize(unit, (side, side), interpolation=cv.INTER_LINEAR)
    return np.asarray(np.rint(large * 127), np.int8)


def normalised(arrays: Arrays, tint: F32 | None = None) -> tuple[list[F32], F32, F32]:
    """The network's input for B probes: (B, C, h, w) of room, body and face, statistics (B, 36), gains (B,).

    A colour becomes the square root of its luminance over the gain, which is the person's mean luminance,
    and the logarithms of red and blue over green, so that a faint tint isn't lost beside light and shade.
    Statistics: for face and body how luminance and the two logarithms change with the normal
    (constant, x, y, z each, free of the surface's own colour but for the constant), then
    the mean colours of face, person, room and the room's brightest tenth. ``tint`` (B, 3) multiplies
    the pictures' linear RGB: another white balance.
    """
    linear = [LINEAR_OF_BYTE[arrays[name]] for name in COLOURS]
    if tint is not None:
        linear = [part * tint[:, None, None] for part in linear]
    masks: list[F32] = [
        np.asarray(arrays[f"{name}_mask"].astype(np.float32) / 255, np.float32) for name in COLOURS
    ]
    inside = arrays["room_inside"].astype(np.float32) / 255
    normals: list[F32] = [
        np.asarray(arrays[f"{name}_normals"].astype(np.float32) / 127, np.float32)
        for name in ("body", "face")
    ]
    luminance = [part @ LUMINANCE_RGB.astype(np.float32) for part in linear]
    person = masks[1].sum((1, 2))
    # With nobody in the picture the frame as a whole sets the exposure.
    gains = np.where(
        person >= 8.0,
        (luminance[1] * masks[1]).sum((1, 2)) / np.maximum(person, 1.0),
        (luminance[0] * inside).sum((1, 2)) / np.maximum(inside.sum((1, 2)), 1.0),
    )
    gains = np.maximum(gains, _DARKEST).astype(np.float32)
    colours = [_colours(part / gains[:, None, None, None]) for part in linear]
    around = inside * (1 - masks[0])
    bright = np.stack([_brightest(y, i) for y, i in zip(luminance[0], inside, strict=True)])
    skin = masks[2] * surface_seen(normals[1])
    shading_ = [
        shading(colours[2], masks[2], normals[1]),
        shading_of_parts(colours[1], masks[1], normals[0]),
    ]
    means = [
        np.einsum("bhwc,bhw->bc", part, weight)
        / np.maximum(weight.sum((1, 2)), 1.0)[:, None]
        / gains[:, None]
        for part, weight in (
            (linear[2], skin),
            (linear[1], masks[1]),
            (linear[0], around),
            (linear[0], bright),
        )
    ]
    statistics = np.concatenate([*shading_, *(_colours(mean) for mean in means)], 1)
    inputs = [
        np.concatenate([colours[0], masks[0][..., None], inside[..., None]], 3),
        np.concatenate([colours[1], masks[1][..., None], normals[0]], 3),
        np.concatenate([colours[2], masks[2][..., None], normals[1]], 3),
    ]
    return (
        [np.ascontiguousarray(x.transpose(0, 3, 1, 2), np.float32) for x in inputs],
        statistics.astype(np.float32),
        gains,
    )


def _colours(linear: F32) -> F32:
    """Root of luminance, logarithms of red and blue over green (..., 3), of linear RGB over the gain."""
    luminance = linear @ LUMINANCE_RGB.astype(np.float32)
    logs = np.log(linear + np.float32(_CHROMA_FLOOR))
    return np.stack(
        [
            np.sqrt(np.minimum(luminance, _WHITEST)),
            _CHROMA_SCALE * (logs[..., 0] - logs[..., 1]),
            _CHROMA_SCALE * (logs[..., 2] - logs[..., 1]),
        ],
        axis=-1,
    )


def mirrored(inputs: list[F32], statistics: F32) -> tuple[list[F32], F32]:
    """The network's input as a mirror would show it: columns turned about, and the normals' x."""
    out = [np.ascontiguousarray(x[..., ::-1]) for x in inputs]
    for x in out[1:]:
        x[:, 4] *= -1
    turned = statistics.copy()
    turned[:, _ACROSS] *= -1
    return out, turned


def _brightest(luminance: F32, inside: F32) -> F32:
    """Weights of the brightest tenth of the room."""
    seen = luminance[inside > 0.5]
    least = float(np.quantile(seen, 0.9)) if len(seen) else 0.0
    return np.asarray((luminance >= least) * inside, np.float32)
