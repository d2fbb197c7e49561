"""Makes the built-in clip, ``capture/data/demo.mp4``: ``mirror demo-clip``.

First scikit-image's astronaut photo (public domain, NASA), moved and zoomed as a hand-held
camera would; then an empty room of computed planks and scikit-image's brick texture (CC0), into
which the project's own body model walks, painted and dressed plainly. Needs the ``dev`` extra.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import skimage.data
from numpy.typing import NDArray

from inference.body.kinematics import align
from inference.body.model import BONES, BodyModel
from mirror.shading.spherical_harmonics import COSINE, SH_CONSTANTS
from mirror.types import F64, Floats, Picture, cv
from render.compose.compositing import composite
from render.gpu import gl
from render.gpu.renderer import GarmentRenderer
from workshop.synthetic.people.painted_mannequin import painted

WIDTH, HEIGHT, FPS = 1280, 720, 25
PHOTO_S, FIGURE_S = 5.0, 10.0
_EMPTY_S, _ARRIVED_S = 0.6, 2.2  # when the mannequin begins to walk in, when it stands before the camera
OUT = Path(__file__).resolve().parents[2] / "capture" / "data" / "demo.mp4"
_OVERSAMPLING = 2
_FOCAL = 0.87 * WIDTH  # px: a camera of about 60 degrees
_WALL_Z = -1.5  # metres behind the mannequin
_PX_PER_M = 220  # of the room's textures
_ROOM_M = (9.0, 3.6, 6.0)  # width, height, depth


def write_clip(out: Path = OUT) -> None:
    """Write the clip."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(out), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=FPS, options={"crf": "25", "preset": "veryslow"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.gop_size = 2 * FPS
        for picture in frames():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))


def frames() -> Iterator[Picture]:
    """All frames (720, 1280, 3) BGR."""
    yield from _photo()
    yield from _mannequin()


# The photo ----------------------------------------------------------------------------------------


def _photo() -> Iterator[Picture]:
    photo = skimage.data.astronaut()[..., ::-1]
    side, border = photo.shape[0], 260
    # The picture goes on to both sides as an out-of-focus background does.
    wide = cv.copyMakeBorder(photo, 0, 0, border, border, cv.BORDER_REFLECT_101).astype(np.float32)
    soft = cv.GaussianBlur(wide, (0, 0), 28)
    wall = cv.GaussianBlur(wide, (0, 0), 90).mean(axis=(0, 1)) * 0.8
    outside = np.maximum(border - np.arange(wide.shape[1]), np.arange(wide.shape[1]) - (border + side - 1))
    veil = np.clip(outside / 18.0, 0, 1)[None, :, None]
    distance = np.clip((outside - 30) / 150.0, 0, 1)[None, :, None]
    canvas = wide + veil * (soft + distance * (wall - soft) - wide)
    centre = np.array([border + 0.46 * side, 0.5 * side])
    for i in range(round(PHOTO_S * FPS)):
        t = i / FPS
        zoom = 1.74 + 0.16 * _smooth(t, 1.0, 3.2) - 0.10 * _smooth(t, 3.6, 4.8)
        roll = np.deg2rad(0.8 * np.sin(1.1 * t) + 0.3 * np.sin(3.7 * t + 1))
        sway = np.array(
            [16 * np.sin(0.9 * t) + 3 * np.sin(4.3 * t), 4 * np.sin(1.3 * t + 0.5) + 1.5 * np.sin(5.1 * t)]
        )
        turn = zoom * np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
        move = np.array([WIDTH / 2, HEIGHT / 2]) + sway - turn @ centre
        matrix = np.concatenate([turn, move[:, None]], axis=1)
        yield (
            cv.warpAffine(
                canvas, matrix, (WIDTH, HEIGHT), flags=cv.INTER_CUBIC, borderMode=cv.BORDER_REPLICATE
            )
            .clip(0, 255)
            .astype(np.uint8)
        )


def _smooth(t: float, start: float, end: float) -> float:
    """0 before ``start``, 1 after ``end``, smooth between."""
    x = min(max((t - start) / (end - start), 0.0), 1.0)
    return x * x * (3 - 2 * x)


# The mannequin ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Camera:
    """World (metres; x to the mannequin's left, y up, z out of its chest) to camera space."""

    rotation: Floats
    translation: Floats

    def homography(self, origin: Floats, right: Floats, down: Floats) -> Floats:
        """Texture pixels to frame pixels (oversampled), of a plane spanned in metres a pixel."""
        scale = _OVERSAMPLING
        lens = np.array(
            [[_FOCAL * scale, 0, WIDTH * scale / 2], [0, _FOCAL * scale, HEIGHT * scale / 2], [0, 0, 1]]
        )
        columns = [self.rotation @ right, self.rotation @ down, self.rotation @ origin + self.translation]
        matrix: Floats = lens @ np.stack(columns, axis=1)
        return matrix


def _mannequin() -> Iterator[Picture]:
    model = BodyModel.load()
    context = gl.Context()
    width, height = WIDTH * _OVERSAMPLING, HEIGHT * _OVERSAMPLING
    renderer = GarmentRenderer(width, height, None)
    renderer.wear([painted(model)])
    wall, floor = _wall(), _floor()
    lens = (_FOCAL * _OVERSAMPLING, _FOCAL * _OVERSAMPLING, width / 2, height / 2)
    rng = np.random.default_rng(3)
    grain = rng.normal(0, 1.6, (HEIGHT + 64, WIDTH + 64, 1)).astype(np.float32)
    shape = np.zeros(model.components, np.float32)
    shape[0] = 0.5
    for i in range(round(FIGURE_S * FPS)):
        t = i / FPS
        camera = _camera(t)
        bones = _pose(model, shape, t)
        view = np.einsum("ab,jbc->jac", camera.rotation, bones)
        view[:, :, 3] += camera.translation
        feet = [
            bones[BONES.index(f"{s}_foot")] @ [*model.joints[BONES.index(f"{s}_foot")], 1]
            for s in ("left", "right")
        ]
        picture = _room(camera, wall, floor, feet, (width, height))
        drawing = renderer.draw(view.astype(np.float32), lens, shape, _light(camera))
        if drawing is not None:
            composite(picture, drawing)
        small = cv.resize(picture, (WIDTH, HEIGHT), interpolation=cv.INTER_AREA).astype(np.float32)
        x, y = (int(v) for v in rng.integers(0, 64, 2))
        yield (small + grain[y : y + HEIGHT, x : x + WIDTH]).clip(0, 255).astype(np.uint8)
    renderer.delete()
    context.close()


def _camera(t: float) -> _Camera:
    """A hand-held camera before the mannequin, a little above its waist."""
    yaw, pitch = 0.012 * np.sin(0.8 * t), 0.045 + 0.006 * np.sin(1.1 * t + 1)
    roll = 0.008 * np.sin(0.7 * t + 2)
    centre = np.array(
        [0.03 * np.sin(0.6 * t), 1.08 + 0.01 * np.sin(1.7 * t), 2.95 - 0.25 * _smooth(t, 2.0, 5.0)]
    )
    flip = np.diag([1.0, -1.0, -1.0])
    turn = _about("z", roll) @ _about("x", pitch) @ _about("y", yaw)
    rotation = turn @ flip
    return _Camera(rotation, -rotation @ centre)


def _about(axis: str, angle: float) -> Floats:
    vector = np.zeros(3)
    vector["xyz".index(axis)] = angle
    rotation: Floats = cv.Rodrigues(vector)[0]
    return rotation


def _pose(model: BodyModel, shape: Floats, t: float) -> Floats:
    """Skinning matrices (J, 3, 4) at time t, feet on the floor."""
    joints = model.shaped_joints(shape).astype(np.float64)
    rotations = np.tile(np.eye(3), (len(BONES), 1, 1))
    away = 1 - _smooth(t, _EMPTY_S, _ARRIVED_S)
    turned = 1.15 * (1 - _smooth(t, _ARRIVED_S - 0.7, _ARRIVED_S + 0.1))
    phase = 2 * np.pi * 1.0 * t
    t -= _ARRIVED_S - 0.6
    walking = 1 - _smooth(t, 2.2, 2.8)
    yaw = (
        0.06 * np.sin(0.9 * t)
        + 0.5 * _smooth(t, 6.2, 6.8)
        - 0.95 * _smooth(t, 6.9, 7.7)
        + 0.45 * _smooth(t, 7.8, 8.4)
    )

    def set_bone(name: str, rotation: Floats) -> None:
        rotations[BONES.index(name)] = rotation

    set_bone("pelvis", _about("y", yaw + turned + 0.08 * walking * np.sin(phase)))
    set_bone("chest", _about("y", -0.1 * walking * np.sin(phase)) @ _about("x", 0.02 * np.sin(1.6 * t)))
    set_bone("head", _about("y", -0.4 * yaw) @ _about("x", 0.05 * np.sin(0.7 * t)))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        lift = walking * max(0.0, sign * np.sin(phase))
        set_bone(f"{side}_thigh", _about("x", -0.75 * lift))
        set_bone(f"{side}_shin", _about("x", 1.15 * lift))
        set_bone(f"{side}_foot", _about("x", -0.2 * lift))
        _set_arm(model, rotations, side, *_arm(t, sign, walking * np.sin(phase)))
    bones = model.pose(rotations, joints).astype(np.float64)
    soles = [b for b in BONES if b.endswith(("_foot", "_toes"))]
    drops = [
        bones[BONES.index(b), 1] @ [*joints[BONES.index(b)], 1] - joints[BONES.index(b), 1] for b in soles
    ]
    bones[:, 1, 3] -= min(drops)
    bones[:, 0, 3] -= 2.4 * away
    return bones


def _arm(t: float, sign: float, swing: float) -> tuple[F64, F64]:
    """Directions of upper arm and forearm in body space, mirrored for the right by ``sign``."""
    upper = np.array([0.24, -1.0, 0.02 - 0.35 * sign * swing])
    lower = np.array([0.10, -1.0, 0.32 - 0.35 * sign * swing])
    raised = _smooth(t, 2.6, 3.3) - _smooth(t, 4.2, 4.8)
    high = _smooth(t, 3.3, 3.8) - _smooth(t, 3.8, 4.3)
    up = np.array([1.0, -0.05 + 0.85 * high, 0.12])
    upper, lower = upper + raised * (up - upper), lower + raised * (up + np.array([0.0, 0.1, 0.1]) - lower)
    if sign > 0:
        crossed = _smooth(t, 4.7, 5.3) - _smooth(t, 6.1, 6.7)
        upper = upper + crossed * (np.array([0.25, -0.9, 0.42]) - upper)
        lower = lower + crossed * (np.array([-0.95, 0.16, 0.45]) - lower)
    mirror = np.array([sign, 1.0, 1.0])
    return upper * mirror, lower * mirror


def _set_arm(model: BodyModel, rotations: Floats, side: str, upper: F64, lower: F64) -> None:
    """Turn upper arm and forearm from their rest directions to these, relative to the chest."""
    rest = {b: model.joints[BONES.index(f"{side}_{b}")] for b in ("upper_arm", "forearm", "hand")}
    first = align(rest["forearm"] - rest["upper_arm"], upper)
    second = align(rest["hand"] - rest["forearm"], lower)
    rotations[BONES.index(f"{side}_upper_arm")] = first
    rotations[BONES.index(f"{side}_forearm")] = first.T @ second


def _light(camera: _Camera) -> NDArray[np.float32]:
    """A window high on the mannequin's left, a bright room around: (9, 3) as in messages.Light."""
    towards = camera.rotation @ np.array([0.55, 0.6, 0.58])
    x, y, z = towards / np.linalg.norm(towards)
    basis = SH_CONSTANTS * [1, y, z, x, x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y]
    window = 0.62 * 4 * (basis * COSINE)[:, None] * np.array([1.0, 0.98, 0.93]) * 0.78
    window[0] += 0.42 / SH_CONSTANTS[0] * np.array([0.97, 0.98, 1.0])
    light: NDArray[np.float32] = window.astype(np.float32)
    return light


# The room -----------------------------------------------------------------------------------------


def _room(camera: _Camera, wall: Floats, floor: Floats, feet: list[Floats], size: tuple[int, int]) -> Picture:
    """Wall and floor seen by the camera, with the mannequin's soft shadow."""
    step = 1.0 / _PX_PER_M
    width, height = _ROOM_M[:2]
    on_wall = camera.homography(
        np.array([-width / 2, height, _WALL_Z]), np.array([step, 0, 0]), np.array([0, -step, 0])
    )
    on_floor = camera.homography(
        np.array([-width / 2, 0, _WALL_Z]), np.array([step, 0, 0]), np.array([0, 0, step])
    )
    shaded = floor.copy()
    for foot in feet:
        low = 1.0 / (1.0 + 8.0 * max(0.0, float(foot[1]) - 0.08))
        for spread, strength in ((0.09, 0.45), (0.3, 0.30)):
            _darken(shaded, float(foot[0]) - 0.06, float(foot[2]) + 0.03, spread / low, strength * low)
    picture: Floats = cv.warpPerspective(wall, on_wall, size, flags=cv.INTER_LINEAR)
    # The floor ends where the wall begins; the same row of pixels belongs to both.
    ground = cv.warpPerspective(shaded, on_floor, size, flags=cv.INTER_LINEAR)
    seen = cv.warpPerspective(np.ones(floor.shape[:2], np.float32), on_floor, size)[..., None]
    room: Picture = (picture * (1 - seen) + ground * seen).clip(0, 255).astype(np.uint8)
    return room


def _darken(floor: Floats, x: float, z: float, spread: float, strength: float) -> None:
    reach = 3 * spread
    columns = np.array([(x + _ROOM_M[0] / 2 + d) * _PX_PER_M for d in (-reach, reach)]).astype(int)
    rows = np.array([(z - _WALL_Z + d) * _PX_PER_M for d in (-reach, reach)]).astype(int)
    columns, rows = columns.clip(0, floor.shape[1]), rows.clip(0, floor.shape[0])
    across = (np.arange(*columns) / _PX_PER_M - _ROOM_M[0] / 2 - x) / spread
    along = (np.arange(*rows) / _PX_PER_M + _WALL_Z - z) / spread
    shade = 1 - strength * np.exp(-0.5 * (across[None] ** 2 + along[:, None] ** 2))
    floor[rows[0] : rows[1], columns[0] : columns[1]] *= shade[..., None]


def _wall() -> Floats:
    """Painted brick, a skirting board, a poster, and the window's light falling off."""
    width, height = round(_ROOM_M[0] * _PX_PER_M), round(_ROOM_M[1] * _PX_PER_M)
    tile = cv.resize(skimage.data.brick(), None, fx=0.62, fy=0.62, interpolation=cv.INTER_AREA)
    relief = np.tile(tile, (height // tile.shape[0] + 1, width // tile.shape[1] + 1))[:height, :width]
    relief = (relief.astype(np.float32) - relief.mean()) / 255.0
    wall = np.array([196, 205, 208], np.float32) * (1 + 0.35 * relief[..., None])
    board = round(0.11 * _PX_PER_M)
    wall[-board:] = (214, 218, 220)
    wall[-board - 2 : -board] = (150, 154, 156)
    x, y = round(2.55 * _PX_PER_M), round(1.15 * _PX_PER_M)
    w, h = round(0.6 * _PX_PER_M), round(0.85 * _PX_PER_M)
    wall[y - 8 : y + h + 8, x - 8 : x + w + 8] = (60, 66, 72)
    columns, rows = np.meshgrid(np.linspace(-1, 1, w), np.linspace(-1, 1, h))
    hill = (rows > 0.25 + 0.3 * np.sin(2.5 * columns + 0.6))[..., None]
    sky = np.stack([190 - 40 * rows, 160 + 30 * rows, 120 + 70 * rows], axis=-1)
    wall[y : y + h, x : x + w] = np.where(hill, (70, 96, 84), sky)
    column, row = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    fall_off = 0.72 + 0.34 * np.exp(-(((column - 0.68) / 0.3) ** 2) - ((row - 0.4) / 0.5) ** 2)
    lit: Floats = (wall * fall_off[..., None]).astype(np.float32)
    return lit


def _floor() -> Floats:
    """Planks along the wall."""
    rng = np.random.default_rng(11)
    width, depth = round(_ROOM_M[0] * _PX_PER_M), round(_ROOM_M[2] * _PX_PER_M)
    plank, length = round(0.16 * _PX_PER_M), round(1.4 * _PX_PER_M)
    grain = (
        cv.GaussianBlur(rng.standard_normal((depth, width)).astype(np.float32), (0, 0), 18, sigmaY=0.8) * 5
    )
    floor = np.array([92, 124, 158], np.float32) * (1 + 0.10 * grain[..., None])
    for top in range(0, depth, plank):
        start = int(rng.integers(-length, 0))
        for left in range(start, width, length):
            floor[top : top + plank, max(left, 0) : left + length] *= rng.uniform(0.88, 1.08)
            floor[top : top + plank, max(left, 0) : max(left + 2, 0)] *= 0.6
        floor[top : top + 2] *= 0.6
    column = np.linspace(0, 1, width)[None, :]
    row = np.linspace(0, 1, depth)[:, None]
    fall_off = 0.75 + 0.3 * np.exp(-(((column - 0.62) / 0.28) ** 2) - ((row - 0.35) / 0.5) ** 2)
    lit: Floats = floor * fall_off[..., None].astype(np.float32)
    return lit
