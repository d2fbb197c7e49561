"""The mannequin of the built-in clip: the body model with a painted face, hair and plain clothes.

The paint lies on two charts of the rest pose, seen straight from the front and from the back,
side by side in one picture.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.body.landmarks import Landmark
from inference.body.model import REGIONS, BodyModel
from inference.body.surface import welded_normals
from mirror.types import Floats, cv
from render.garments.mesh import SkinnedMesh
from render.garments.worn_garment import WornGarment

Colour = tuple[int, int, int]

_SHOE_TOP_M = 0.085
_ONE = 130  # stands for 1 in a layer
_FEET = (REGIONS.index("left_foot"), REGIONS.index("right_foot"))


@dataclass(frozen=True)
class Appearance:
    """Colours of a mannequin (RGB, sRGB) and how finely it is painted; None for clothes not painted on.

    strand_px: width of a strand of hair; half_m: half the width of a chart.
    """

    skin: Colour = (205, 158, 130)
    shade: Colour = (150, 100, 84)
    blush: Colour = (206, 128, 108)
    lips: Colour = (168, 92, 88)
    mouth: Colour = (90, 44, 44)
    nostrils: Colour = (110, 66, 54)
    lids: Colour = (60, 40, 34)
    sclera: Colour = (232, 226, 220)
    iris: Colour = (72, 52, 36)
    pupil: Colour = (12, 10, 10)
    glint: Colour = (250, 250, 250)
    brows: Colour = (58, 40, 30)
    hair: Colour = (52, 36, 28)
    shirt: Colour | None = (120, 132, 128)
    trousers: Colour | None = (58, 62, 74)
    shoes: Colour = (40, 38, 38)
    soles: Colour = (205, 200, 192)
    px_per_m: int = 1200
    strand_px: float = 1.2
    half_m: float = 0.62
    height_m: float = 1.75


DEMO = Appearance()
COLOURS = tuple(f.name for f in fields(Appearance) if not f.name.endswith(("_m", "_px")))


@dataclass(frozen=True)
class _Chart:
    """Millimetre paper over the rest pose: body x, y in metres to pixels of the paint."""

    back: bool
    appearance: Appearance

    def pixels(self, points: Floats) -> Floats:
        """(N, 2+) body x, y to (N, 2) px."""
        scale, half = self.appearance.px_per_m, self.appearance.half_m
        x = (-points[:, 0] if self.back else points[:, 0]) + half
        offset = 2 * half * scale if self.back else 0.0
        return np.stack([x * scale + offset, (self.appearance.height_m - points[:, 1]) * scale], axis=1)


def painted(model: BodyModel, appearance: Appearance | None = DEMO) -> WornGarment:
    """The painted mannequin as one garment over its whole skin, hair standing off the skull.

    Grey all over without a ``appearance``.
    """
    mesh, back = surface(model, appearance or DEMO)
    if appearance is None:
        picture = np.full((1, 1, 3), 128, np.uint8)
    else:
        picture = _paint(model, mesh.positions[: len(model.vertices)], back, appearance)
    return WornGarment(
        name="figure", mesh=mesh, albedo=picture, relief=None, repeat_m=(1.0, 1.0), trimmed=False
    )


def surface(model: BodyModel, appearance: Appearance = DEMO) -> tuple[SkinnedMesh, NDArray[np.bool_]]:
    """The figure's skin with hair and shoes, and which faces (F,) the chart of the back holds.

    Vertices where the charts meet are doubled: the second half of all belongs to the back. The
    texture coordinates go from 0 to 1 over the picture.
    """
    normals = welded_normals(model.vertices, model.faces)
    positions = model.vertices + thickness(model)[:, None] * normals
    back = normals[model.faces].mean(axis=1)[:, 2] < -0.12
    faces = model.faces + np.where(back, len(positions), 0)[:, None]
    size = np.array(_size(appearance), np.float64)
    uv = np.concatenate([_Chart(side, appearance).pixels(positions) for side in (False, True)]) / size
    mesh = SkinnedMesh(
        positions=np.concatenate([positions, positions]).astype(np.float32),
        normals=np.concatenate([normals, normals]),
        faces=faces.astype(np.int32),
        joints=np.concatenate([model.skin_indices, model.skin_indices]),
        weights=np.concatenate([model.skin_weights, model.skin_weights]),
        shape_basis=np.concatenate([model.shape_basis, model.shape_basis], axis=1),
        texcoords=uv.astype(np.float32),
    )
    return mesh, back


def layers(model: BodyModel, appearance: Appearance) -> NDArray[np.float32]:
    """The paint's layers (H, W, n) over ``figure``'s picture, one for each of ``COLOURS`` in order.

    The paint in any colours is their sum weighted by the layers: every stroke is a blend. Only how finely
    ``appearance`` is painted counts.
    """
    mesh, back = surface(model, appearance)
    painted = []
    for start in range(0, len(COLOURS), 3):
        # Three layers at a time, one in each channel; strands of hair go above their colour.
        colours: dict[str, Any] = dict.fromkeys(COLOURS, (0, 0, 0))
        for channel, name in enumerate(COLOURS[start : start + 3]):
            colours[name] = tuple(_ONE if c == channel else 0 for c in range(3))
        picture = _paint(model, mesh.positions[: len(model.vertices)], back, replace(appearance, **colours))
        painted.append(picture.astype(np.float32) / _ONE)
    return np.concatenate(painted, axis=2, dtype=np.float32)[..., : len(COLOURS)]


def _size(appearance: Appearance) -> tuple[int, int]:
    return round(4 * appearance.half_m * appearance.px_per_m), round(
        appearance.height_m * appearance.px_per_m
    )


def _landmark(model: BodyModel, mark: Landmark) -> Floats:
    point: Floats = model.mean_landmarks[mark].astype(np.float64)
    return point


def hairiness(model: BodyModel, x: Floats, y: Floats, z: Floats) -> Floats:
    """How far (metres) points of the head lie behind the hairline; negative on the face."""
    eye = _landmark(model, Landmark.LEFT_EYE)
    # The hairline is a tilted plane over the brow, an oval about the face seen from the front.
    above = (y - eye[1] - 0.058) - 0.45 * (z - eye[2])
    behind = 0.045 - z + 0.10 * np.abs(x)
    low = y - (eye[1] - 0.075)  # short at the nape
    depth: Floats = np.minimum(np.maximum(above, behind), low)
    return depth


def thickness(model: BodyModel) -> NDArray[np.float32]:
    """How far (V,) metres hair and shoes stand off the skin."""
    v = model.vertices.astype(np.float64)
    grown = np.clip(hairiness(model, v[:, 0], v[:, 1], v[:, 2]) / 0.02, 0, 1) * 0.016
    grown[model.region != REGIONS.index("head")] = 0.0
    ears = np.abs(v[:, 0]) > abs(_landmark(model, Landmark.LEFT_EAR)[0]) - 0.002
    grown[ears & (v[:, 1] < _landmark(model, Landmark.LEFT_EAR)[1] + 0.03)] = 0.0
    grown[np.isin(model.region, _FEET) & (v[:, 1] < _SHOE_TOP_M)] = 0.007
    thickness: NDArray[np.float32] = grown.astype(np.float32)
    return thickness


def _paint(
    model: BodyModel, positions: Floats, back: NDArray[np.bool_], appearance: Appearance
) -> NDArray[np.uint8]:
    px_per_m, half_m = appearance.px_per_m, appearance.half_m
    width, height = _size(appearance)
    region, z = _rasterised(model, positions, back, (width, height), appearance)
    columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    half = width / 2
    x = np.where(columns < half, columns / px_per_m - half_m, half_m - (columns - half) / px_per_m)
    y = appearance.height_m - rows / px_per_m
    rng = np.random.default_rng(7)

    picture = np.empty((height, width, 3), np.float32)
    picture[:] = appearance.skin
    picture *= 1 + 0.05 * _clouds(rng, (height, width), 0.05 * px_per_m)[..., None]
    _clothe(model, picture, region, x, y, columns < half, rng, appearance)
    _face(model, picture, region, columns < half, appearance)

    head = region == REGIONS.index("head")
    hair = np.clip(hairiness(model, x, y, z) / 0.006 + 0.5, 0, 1) * head
    strands = rng.standard_normal((height, width))
    strands = cv.GaussianBlur(strands, (0, 0), appearance.strand_px, sigmaY=7.5 * appearance.strand_px)
    # What blurring takes from the contrast grows with its width.
    strands = 1 + 1.4 * (appearance.strand_px / 1.2) * strands
    shade = np.asarray(appearance.hair) * strands[..., None].clip(0.5, 1.9)
    picture += hair[..., None] * (shade - picture)
    return picture.clip(0, 255).astype(np.uint8)


def _rasterised(
    model: BodyModel,
    positions: Floats,
    back: NDArray[np.bool_],
    size: tuple[int, int],
    appearance: Appearance,
) -> tuple[NDArray[np.uint8], Floats]:
    """Region and body z of every pixel of the paint, grown a little beyond the charts' edges."""
    region = np.full((size[1], size[0]), 255, np.uint8)
    depth = np.zeros((size[1], size[0]), np.float32)
    of_face = model.region[model.faces[:, 0]]
    middle = positions[model.faces].mean(axis=1)
    for side in (False, True):
        pixels = _Chart(side, appearance).pixels(positions)[model.faces]
        chosen = np.flatnonzero(back == side)
        # The nearest to the viewer of the chart last.
        for face in chosen[np.argsort(middle[chosen, 2] * (-1 if side else 1))]:
            corners = np.rint(pixels[face] * 16).astype(np.int32)
            cv.fillConvexPoly(region, corners, int(of_face[face]), cv.LINE_8, 4)
            cv.fillConvexPoly(depth, corners, float(middle[face, 2]), cv.LINE_8, 4)
    empty = region == 255
    kernel = np.ones((max(3, 25 * appearance.px_per_m // 1200),) * 2, np.uint8)
    grown = cv.dilate(np.where(empty, 0, region + 1).astype(np.uint8), kernel)
    region = np.where(empty & (grown > 0), grown - 1, np.where(empty, 0, region)).astype(np.uint8)
    # Beyond the outline the nearest depth, which is the farthest one on the chart.
    known = np.where(empty, np.float32(9.0), depth)
    depth = np.where(empty, cv.erode(known, kernel), depth)
    back = np.where(empty, np.float32(-9.0), np.where(known < 9, known, -9))
    half = size[0] // 2
    depth[:, half:] = np.where(empty, cv.dilate(back.astype(np.float32), kernel), known)[:, half:]
    return region, cv.blur(depth.clip(-1, 1), (5, 5))


def _clothe(
    model: BodyModel,
    picture: Floats,
    region: NDArray[np.uint8],
    x: Floats,
    y: Floats,
    front: NDArray[np.bool_],
    rng: np.random.Generator,
    appearance: Appearance,
) -> None:
    """A plain short-sleeved shirt, trousers and shoes."""
    neck = model.joints[4]
    dip = np.where(front, 0.055, 0.015)
    collar = np.hypot(x / 0.085, (y - neck[1]) / dip) < 1.0
    shirt = np.isin(region, [0, 9]) & ~(collar & (y < neck[1] + 0.1)) & (y < neck[1] + 0.02)
    for side, number in ((1.0, 3), (-1.0, 6)):
        shoulder, elbow = (np.array([side * abs(j[0]), j[1]]) for j in (model.joints[7], model.joints[9]))
        along = (elbow - shoulder) / np.linalg.norm(elbow - shoulder)
        reach = (x - shoulder[0]) * along[0] + (y - shoulder[1]) * along[1]
        shirt |= (region == number) & (reach < 0.15)
    waist = 0.93
    folds = (
        1 + 0.05 * _clouds(rng, y.shape, 0.075 * appearance.px_per_m) + 0.04 * rng.standard_normal(y.shape)
    )
    if appearance.shirt is not None:
        picture[shirt] = (np.asarray(appearance.shirt) * folds[..., None])[shirt]
    trousers = (np.isin(region, [0, 9]) & (y < waist)) | np.isin(region, [10, 11, 12, 13, 14, 15])
    folds = (
        1
        + 0.08 * _clouds(rng, y.shape, 0.11 / 1.2 * appearance.px_per_m)
        + 0.06 * rng.standard_normal(y.shape)
    )
    if appearance.trousers is not None:
        picture[trousers] = (np.asarray(appearance.trousers) * folds[..., None])[trousers]
    picture[y < _SHOE_TOP_M] = appearance.shoes
    picture[y < 0.014] = appearance.soles


def _face(
    model: BodyModel,
    picture: Floats,
    region: NDArray[np.uint8],
    front: NDArray[np.bool_],
    appearance: Appearance,
) -> None:
    """Brows, eyes, shades of nose and cheek, lips."""
    chart = _Chart(False, appearance)

    def at(point: Floats) -> Floats:
        pixel: Floats = chart.pixels(point[None])[0]
        return pixel

    def blot(
        centre: Floats,
        shift_mm: tuple[float, float],
        axes_mm: tuple[float, float],
        colour: Colour,
        strength: float,
        soft_mm: float,
    ) -> None:
        mask = np.zeros(region.shape, np.float32)
        axes = tuple(max(1, round(a * mm * 16)) for a in axes_mm)
        where = tuple(round(float(c + s * mm) * 16) for c, s in zip(centre, shift_mm, strict=True))
        cv.ellipse(mask, where, axes, 0, 0, 360, 1.0, -1, cv.LINE_AA, 4)
        mask = cv.GaussianBlur(mask, (0, 0), max(0.3, soft_mm * mm))
        weight = (mask * strength * front)[..., None]
        picture[:] += weight * (np.asarray(colour, np.float32) - picture)

    mm = appearance.px_per_m / 1000
    nose = at(_landmark(model, Landmark.NOSE))
    for side in ("left", "right"):
        eye = at(_landmark(model, Landmark.of(side, "eye")))
        out = float(np.sign(eye[0] - nose[0]))
        blot(eye, (0, 14), (12, 6), appearance.shade, 0.25, 4)
        blot(eye, (0, 0), (15, 8), appearance.shade, 0.6, 3)
        blot(eye, (0, 0), (12, 5), appearance.lids, 0.9, 0.8)
        blot(eye, (0, 0.4), (10.5, 3.8), appearance.sclera, 1.0, 0.5)
        blot(eye, (0, 0), (4.6, 4.2), appearance.iris, 1.0, 0.5)
        blot(eye, (0, 0), (2.1, 2.1), appearance.pupil, 1.0, 0.4)
        blot(eye, (-1.2, -1.4), (0.9, 0.9), appearance.glint, 0.9, 0.3)
        blot(eye, (2 * out, -15), (14, 2.6), appearance.brows, 0.85, 1.4)
        blot(eye, (8 * out, 32), (17, 14), appearance.blush, 0.35, 8)
        blot(nose, (6 * out, 6), (3.2, 2.0), appearance.nostrils, 0.7, 1.2)
    blot(nose, (0, 9), (12, 4), appearance.shade, 0.4, 4)
    corners = at(_landmark(model, Landmark.LEFT_MOUTH)), at(_landmark(model, Landmark.RIGHT_MOUTH))
    mouth = (corners[0] + corners[1]) / 2
    half = abs(float(corners[0][0] - mouth[0])) / mm
    blot(mouth, (0, 1), (half * 0.96, 7.5), appearance.lips, 0.8, 1.6)
    blot(mouth, (0, 0), (half * 0.95, 1.1), appearance.mouth, 0.9, 0.6)
    blot(mouth, (0, 14), (14, 3), appearance.shade, 0.3, 3)


def _clouds(rng: np.random.Generator, shape: tuple[int, ...], px: float) -> Floats:
    """Smooth noise about 0, roughly -1..1, with features of ``px`` pixels."""
    small = rng.standard_normal((int(shape[0] / px * 2) + 2, int(shape[1] / px * 2) + 2)).astype(np.float32)
    clouds: Floats = cv.resize(small, (shape[1], shape[0]), interpolation=cv.INTER_CUBIC) * 0.5
    return clouds
