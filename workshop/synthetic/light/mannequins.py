"""People to learn light from: bodies posed, painted and dressed at random, ready to be lit at will.

A mannequin is rasterised once, with what each vertex sees of its surroundings along ``RAYS``
directions (precomputed radiance transfer: Sloan, Kautz and Snyder 2002, here in a basis of rays), so that
lighting it anew is one product of matrices, shadows of arms, chin and nose included.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inference.body.camera import Intrinsics
from inference.body.kinematics import Pose, exp_so3
from inference.body.model import BONES, REGIONS, BodyModel
from inference.body.skinning import dense_weights, skin_points
from inference.body.surface import vertex_normals
from inference.fit.fitter import FACING, Fit
from mirror.shading.colour import LINEAR_OF_BYTE
from mirror.types import F32, F64, Picture, cv
from render.garments.fabric import list_fabrics, load_fabric
from render.garments.garment import list_garments, load_garment
from render.garments.mesh import SkinnedMesh
from render.garments.outfit import cloth_of
from render.garments.worn_garment import WornGarment
from workshop.synthetic.light.environment import RAYS, rays
from workshop.synthetic.people.painted_mannequin import COLOURS, DEMO, layers, surface

_PAINT = replace(DEMO, px_per_m=400, strand_px=0.4)
_BEHIND_M = 0.022  # skin is held this far behind cloth
_TEXEL_M = 0.004  # fabrics are looked at from too far to see finer
_SKIN_LAYERS = ("skin", "shade", "blush", "lips")
_ENDS_OF_SKIN = np.array([[244, 208, 186], [222, 176, 146], [186, 132, 100], [128, 84, 60], [66, 44, 36]])


@dataclass(frozen=True)
class Mannequin:
    """One person before a camera. All per covered pixel (P,) or per vertex used (U,).

    ``where`` (P,) indexes the flat picture of ``size`` (w, h); ``vertices``, ``shares`` (P, 3) and ``albedo``
    (P, 3) linear make it up; ``transfer`` (U, RAYS) times the rays' radiance, plus ``bounce`` (U,) times
    its mean, is E/pi; ``gloss`` (U,) of the ray ``mirrored`` (U,) is added. ``rotation``: world to camera.
    ``mask`` (h, w) and ``fit`` are what pose network and fit would say: a little wrong.
    """

    size: tuple[int, int]
    camera: Intrinsics
    rotation: F64
    where: NDArray[np.intp]
    vertices: NDArray[np.intp]
    shares: F32
    albedo: F32
    transfer: F32
    bounce: F32
    gloss: F32
    mirrored: NDArray[np.intp]
    mask: Picture
    fit: Fit

    def lit(self, radiance: F32, background: F32) -> F32:
        """Linear RGB picture (h, w, 3) under the rays' radiance (RAYS, 3), before ``background``."""
        mean = radiance.mean(0)
        shade = self.transfer @ radiance + self.bounce[:, None] * mean
        sheen = self.gloss[:, None] * (_lobes() @ radiance)[self.mirrored]
        corners = np.concatenate([shade, sheen], 1)[self.vertices]
        both = np.einsum("pk,pkc->pc", self.shares, corners)
        picture = background.reshape(-1, 3).copy()
        picture[self.where] = self.albedo * both[:, :3] + both[:, 3:]
        return picture.reshape(self.size[1], self.size[0], 3)


@dataclass(frozen=True)
class _Part:
    """A surface placed in camera space, with the albedo of a point of it."""

    points: F32
    normals: F32
    faces: NDArray[np.int32]
    recede: F32


class MannequinMaker:
    """Makes figures; slow to start (the paint's layers), so keep one."""

    def __init__(self, model: BodyModel) -> None:
        self.model = model
        self._skin, self._back = surface(model)
        self._layers = layers(model, _PAINT)
        self._shares = dense_weights(self._skin.joints, self._skin.weights, len(BONES))
        self._region = np.concatenate([model.region, model.region])
        self._fabrics = [load_fabric(str(page["name"])) for page in list_fabrics()]
        pages = list_garments()
        self._garments = {
            str(page["name"]): (load_garment(str(page["name"])), str(page["slot"])) for page in pages
        }

    def make(
        self, rng: np.random.Generator, size: tuple[int, int] | None = None, plain: bool = False
    ) -> Mannequin:
        """A figure; everything of it from ``rng``, but for a ``size`` (w, h) asked for.

        ``plain``: in painted clothes only.
        """
        drawn = ((256, 192), (256, 144), (192, 256), (144, 256))[int(rng.choice(4, p=[0.45, 0.25, 0.2, 0.1]))]
        size = size or drawn
        camera = Intrinsics.from_field_of_view(60.0, *size)
        shape = np.clip(rng.normal(0, 0.9, self.model.components), -2.2, 2.2)
        rotation = exp_so3(np.array([rng.normal(0, 0.10), 0.0, rng.normal(0, 0.03)])) @ FACING
        turns = _pose(rng)
        transforms, place = self._placed(rng, shape, rotation, turns, camera, size)
        cloths = [] if plain else self._clothes(rng)
        parts = [self._part(self._skin, shape, 0.0, transforms, _BEHIND_M if cloths else 0.0)]
        parts += [self._part(cloth.mesh, shape, cloth.size_steps, transforms, 0.0) for cloth in cloths]
        parts[0].recede[
            np.isin(self._region, [REGIONS.index(r) for r in ("head", "neck", "left_hand", "right_hand")])
        ] = 0
        starts = np.cumsum([0] + [len(p.points) for p in parts])
        points = np.concatenate([p.points for p in parts])
        normals = np.concatenate([p.normals for p in parts])
        faces = np.concatenate([p.faces + start for p, start in zip(parts, starts, strict=False)])
        depth = points[:, 2] + np.concatenate([p.recede for p in parts])
        where, hit, shares = rasterise(camera.project(points.astype(np.float64)), depth, faces, size)
        corners = faces[hit]
        albedo = np.empty((len(where), 3), np.float32)
        part_of = np.searchsorted(starts, corners[:, 0], side="right") - 1
        for number in range(len(parts)):
            on = part_of == number
            local = corners[on] - starts[number]
            if number == 0:
                albedo[on] = self._painted(rng, local, shares[on])
            else:
                albedo[on] = _woven(cloths[number - 1], local, shares[on])
        used, vertices = np.unique(corners, return_inverse=True)
        head = np.zeros(len(points), bool)
        head[: len(self._region)] = np.isin(self._region, [REGIONS.index("head"), REGIONS.index("neck")])
        once = np.ones(len(points), bool)
        once[len(self.model.vertices) : len(self._region)] = False
        middle = points[faces].mean(1)
        visible = visibility(
            points[used], head[used], np.concatenate([points[once], middle]),
            np.concatenate([points[head & once], middle[head[faces[:, 0]]]]),
        )  # fmt: skip
        cosine = np.maximum(normals[used] @ rays().T.astype(np.float32), 0) * np.float32(4 / RAYS)
        view = points[used] / np.linalg.norm(points[used], axis=1, keepdims=True)
        facing = np.clip(-(view * normals[used]).sum(1), 0, 1)
        reflected = view + 2 * facing[:, None] * normals[used]
        bare = used < starts[1]
        gloss = np.where(bare, rng.uniform(0.005, 0.05), 0.004) * (1 + 3 * (1 - facing) ** 3)
        open_ = (visible * cosine).sum(1) / np.maximum(cosine.sum(1), 1e-6)
        mask = np.zeros(size[0] * size[1], np.uint8)
        mask[where] = 255
        return Mannequin(
            size=size,
            camera=camera,
            rotation=rotation,
            where=where,
            vertices=vertices.reshape(corners.shape),
            shares=shares,
            albedo=np.clip(albedo, 0.004, 0.92),
            transfer=(visible * cosine).astype(np.float32),
            bounce=(0.3 * ((1 - visible) * cosine).sum(1)).astype(np.float32),
            gloss=(gloss * open_).astype(np.float32),
            mirrored=np.argmax(reflected @ rays().T, axis=1),
            mask=_roughened(rng, mask.reshape(size[1], size[0])),
            fit=self._guessed(rng, shape, rotation, turns, place),
        )

    def _placed(
        self, rng: np.random.Generator, shape: F64, rotation: F64, turns: F64, camera: Intrinsics,
        size: tuple[int, int],
    ) -> tuple[F32, F64]:  # fmt: skip
        """Bone transforms and the pelvis's place that put head and body where a shopper's are."""
        local = turns.copy()
        local[0] = rotation @ turns[0]
        joints = self.model.shaped_joints(shape)
        transforms = self.model.pose(local, joints, -joints[0])
        crown = transforms[BONES.index("head")] @ np.append(joints[BONES.index("head")] + (0, 0.18, 0), 1.0)
        low, high = ((0.42, 0.8), (0.8, 1.4), (1.5, 2.3))[int(rng.choice(3, p=[0.35, 0.4, 0.25]))]
        span = rng.uniform(low, high)  # metres of the picture's height at the person
        z = camera.focal * span / size[1]
        x = rng.normal(0, 0.12) * size[0] / camera.focal * z
        y = (rng.uniform(0.06, 0.24) * size[1] - camera.cy) / camera.focal * z
        place = np.array([x - crown[0], y - crown[1], z - crown[2]])
        return self.model.pose(local, joints, place - joints[0]), place

    def _guessed(self, rng: np.random.Generator, shape: F64, rotation: F64, turns: F64, place: F64) -> Fit:
        """The fit, wrong by what fits are wrong by: some degrees, a centimetre, half a deviation."""
        local = turns @ exp_so3(rng.normal(0, 0.05, (len(BONES), 3)))
        local[0] = rotation @ exp_so3(rng.normal(0, 0.06, 3)) @ turns[0]
        guess = shape * rng.uniform(0.4, 1.0) + rng.normal(0, 0.2, len(shape))
        joints = self.model.shaped_joints(guess)
        place = place + rng.normal(0, [0.008, 0.008, 0.04])
        transforms = self.model.pose(local, joints, place - joints[0])
        world = transforms[:, :, :3].astype(np.float64)
        pose = Pose(local, place, world, np.zeros((len(BONES), 3)))
        return Fit(transforms, guess, pose, np.zeros((33, 3)), error=0.02, trunk_error=0.02, settled=1.0)

    def _part(self, mesh: SkinnedMesh, shape: F64, steps: float, transforms: F32, recede: float) -> _Part:
        rest = mesh.rest(shape.astype(np.float32), steps)
        shares = self._shares if mesh is self._skin else dense_weights(mesh.joints, mesh.weights, len(BONES))
        points = skin_points(rest, shares, transforms)
        if mesh is self._skin:
            count = len(self.model.vertices)
            normals = np.tile(vertex_normals(points[:count], self.model.faces), (2, 1))
        else:
            turned = (shares @ transforms[:, :, :3].reshape(len(transforms), 9)).reshape(-1, 3, 3)
            normals = np.einsum("nij,nj->ni", turned, mesh.normals)
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
        return _Part(points, normals, mesh.faces, np.full(len(points), recede, np.float32))

    def _clothes(self, rng: np.random.Generator) -> list[WornGarment]:
        if rng.uniform() < 0.4:
            return []  # in what is painted
        by_slot: dict[str, list[str]] = {}
        for name, (_, slot) in self._garments.items():
            by_slot.setdefault(slot, []).append(name)
        if rng.uniform() < 0.15:
            names = [str(rng.choice(by_slot["full"]))]
        else:
            names = [str(rng.choice(by_slot["top"]))]
            names += [str(rng.choice(by_slot["bottom"]))] if rng.uniform() < 0.6 else []
        fabric = [self._fabrics[int(rng.integers(len(self._fabrics)))] for _ in names]
        return [
            cloth_of(self._garments[n][0], f, str(rng.choice(["S", "M", "L"])))
            for n, f in zip(names, fabric, strict=True)
        ]

    def _painted(self, rng: np.random.Generator, corners: NDArray[np.intp], shares: F32) -> F32:
        """Linear albedo of points of the painted skin, in colours at random."""
        uv = self._skin.texcoords
        assert uv is not None  # noqa: S101 - the painted skin has them
        at = np.einsum("pk,pkd->pd", shares, uv[corners])
        height, width = self._layers.shape[:2]
        column = np.clip((at[:, 0] * width).astype(int), 0, width - 1)
        row = np.clip((at[:, 1] * height).astype(int), 0, height - 1)
        mixed = self._layers[row, column] @ _colours(rng)
        return np.asarray(LINEAR_OF_BYTE[np.clip(np.rint(mixed), 0, 255).astype(np.uint8)])


def _pose(rng: np.random.Generator) -> F64:
    """Joint rotations (J, 3, 3) relative to the parents: standing, arms about anywhere."""
    turns = np.tile(np.eye(3), (len(BONES), 1, 1))

    def set_(bone: str, x: float, y: float, z: float) -> None:
        turns[BONES.index(bone)] = exp_so3(np.array([x, y, z]))

    set_("pelvis", rng.normal(0, 0.04), rng.normal(0, 0.30), rng.normal(0, 0.03))
    set_("chest", rng.normal(0, 0.05), rng.normal(0, 0.1), rng.normal(0, 0.05))
    set_("neck", rng.normal(0, 0.07), rng.normal(0, 0.1), rng.normal(0, 0.05))
    set_("head", rng.normal(0, 0.14), rng.normal(0, 0.22), rng.normal(0, 0.08))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        raised = rng.uniform(0.2, 1.6) if rng.uniform() < 0.25 else rng.normal(-0.45, 0.18)
        set_(f"{side}_upper_arm", rng.normal(0, 0.25), rng.normal(0, 0.2), sign * raised)
        bend = abs(rng.normal(0.2, 0.5))
        set_(f"{side}_forearm", -bend, sign * rng.normal(-0.2, 0.4), 0.0)
        set_(f"{side}_thigh", rng.normal(0, 0.08), 0.0, sign * rng.normal(0, 0.05))
    return turns


def _colours(rng: np.random.Generator) -> F32:
    """Colours (n, 3) sRGB 0..255 of the paint's layers, for one person."""
    at = rng.uniform(0, len(_ENDS_OF_SKIN) - 1.001)
    low = int(at)
    skin = _ENDS_OF_SKIN[low] + (at - low) * (_ENDS_OF_SKIN[low + 1] - _ENDS_OF_SKIN[low])
    skin = skin * (1 + rng.normal(0, [0.015, 0.02, 0.04]))
    dark = float(np.clip(1 - skin.mean() / 230, 0, 1))
    hair = np.array([58, 42, 32]) * rng.uniform(0.3, 1.2) + 6
    if rng.uniform() < 0.35 * (1 - dark):
        hair = np.array([168, 130, 86]) * rng.uniform(0.5, 1.25)
    elif rng.uniform() < 0.15:
        hair = np.full(3, rng.uniform(90, 220))
    elif rng.uniform() < 0.12:
        hair = skin * 0.97  # shaved
    cloth = LINEAR_OF_BYTE.searchsorted(
        rng.uniform(0.01, 0.85) * np.clip(1 + rng.uniform(0, 0.5) * rng.standard_normal(3), 0.05, 1.6)
    )
    below = LINEAR_OF_BYTE.searchsorted(
        rng.uniform(0.01, 0.6) * np.clip(1 + 0.2 * rng.standard_normal(3), 0.1, 1.6)
    )
    paint = np.array([1.0, 0.55, 0.55]) if rng.uniform() < 0.2 else np.ones(3)  # lipstick
    palette = {name: np.asarray(getattr(DEMO, name), np.float64) for name in COLOURS} | {
        "skin": skin,
        "shade": skin * (0.74, 0.66, 0.66),
        "blush": skin * (1.0, 0.84, 0.83),
        "lips": skin * (0.86, 0.62, 0.68) * paint,
        "mouth": skin * (0.5, 0.32, 0.36),
        "nostrils": skin * (0.55, 0.45, 0.45),
        "brows": 0.6 * hair + 0.3 * skin * 0.5,
        "hair": hair,
        "iris": np.array([72, 52, 36]) * rng.uniform(0.5, 1)
        + rng.uniform(0, 60) * np.array([0.3, 0.7, 1]) * (1 - dark),
        "sclera": np.array([196, 188, 180]) * rng.uniform(0.85, 1.1),
        "glint": np.full(3, 215.0),
        "shirt": cloth.astype(np.float64),
        "trousers": below.astype(np.float64),
        "shoes": np.full(3, rng.uniform(20, 220)),
    }
    return np.stack([palette[name] for name in COLOURS]).astype(np.float32)


def _woven(cloth: WornGarment, corners: NDArray[np.intp], shares: F32) -> F32:
    """Linear albedo of points of a garment, its folds' shade in it."""
    mesh = cloth.mesh
    assert mesh.texcoords is not None  # noqa: S101 - garments have them
    at = np.einsum("pk,pkd->pd", shares, mesh.texcoords[corners])
    repeat = np.array(cloth.repeat_m)
    size = np.clip(np.rint(repeat / _TEXEL_M), 1, cloth.albedo.shape[1::-1]).astype(int)
    tile = cv.resize(cloth.albedo, tuple(int(n) for n in size), interpolation=cv.INTER_AREA)
    texel = (np.mod(at / repeat, 1.0) * size).astype(int) % size
    albedo = LINEAR_OF_BYTE[tile[texel[:, 1], texel[:, 0]]]
    if cloth.detail is not None and mesh.detail_uv is not None:
        uv = np.einsum("pk,pkd->pd", shares, mesh.detail_uv[corners])
        pixel = np.clip(
            (uv * cloth.detail.shape[1::-1]).astype(int), 0, np.array(cloth.detail.shape[1::-1]) - 1
        )
        albedo = albedo * (cloth.detail[pixel[:, 1], pixel[:, 0], 2:].astype(np.float32) / 240) ** 2.2
    return np.asarray(albedo)


def _roughened(rng: np.random.Generator, mask: Picture) -> Picture:
    """The mask as a segmentation network gives it: soft, a pixel or two off."""
    amount = int(rng.integers(-1, 2))
    kernel = np.ones((3, 3), np.uint8)
    if amount:
        mask = cv.erode(mask, kernel) if amount < 0 else cv.dilate(mask, kernel)
    soft: Picture = cv.GaussianBlur(mask, (0, 0), rng.uniform(0.6, 1.6))
    return soft


def rasterise(
    pixels: F64, depth: F32, faces: NDArray[np.int32], size: tuple[int, int]
) -> tuple[NDArray[np.intp], NDArray[np.intp], F32]:
    """Covered pixels (P,), the nearest face (P,) at each and its barycentric shares (P, 3).

    ``pixels`` (V, 2), ``depth`` (V,); faces whose corners turn clockwise on the screen are seen.
    """
    width, height = size
    corner = pixels[faces]
    edge1, edge2 = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    area = edge1[:, 0] * edge2[:, 1] - edge1[:, 1] * edge2[:, 0]
    low = np.ceil(np.clip(corner.min(1), -1, (width + 1, height + 1)) - 0.5).astype(int).clip(0)
    high = np.floor(np.clip(corner.max(1), -1, (width + 1, height + 1)) - 0.5).astype(int)
    extent = np.minimum(high, (width - 1, height - 1)) - low + 1
    seen = np.flatnonzero((area < -1e-9) & (extent > 0).all(1) & (depth[faces].min(1) > 0.1))
    count = extent[seen].prod(1)
    which = np.repeat(seen, count)
    offset = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    x = low[which, 0] + offset % extent[which, 0]
    y = low[which, 1] + offset // extent[which, 0]
    dx, dy = x + 0.5 - corner[which, 0, 0], y + 0.5 - corner[which, 0, 1]
    b1 = (dx * edge2[which, 1] - dy * edge2[which, 0]) / area[which]
    b2 = (dy * edge1[which, 0] - dx * edge1[which, 1]) / area[which]
    inside = (b1 >= -1e-6) & (b2 >= -1e-6) & (b1 + b2 <= 1 + 1e-6)
    which, b1, b2, at = which[inside], b1[inside], b2[inside], (y * width + x)[inside]
    z = depth[faces[which]]
    z = z[:, 0] + b1 * (z[:, 1] - z[:, 0]) + b2 * (z[:, 2] - z[:, 0])
    order = np.lexsort((z, at))
    where, first = np.unique(at[order], return_index=True)
    chosen = order[first]
    shares = np.stack([1 - b1[chosen] - b2[chosen], b1[chosen], b2[chosen]], 1).astype(np.float32)
    return where, which[chosen], shares


def visibility(points: F32, head: NDArray[np.bool_], body: F32, skull: F32) -> F32:
    """How much (N, RAYS) of each ray's light reaches ``points`` (N, 3), 0..1, past the occluders' points.

    ``body`` (M, 3) casts shadows to within centimetres; among the points marked ``head``, ``skull`` (K, 3)
    to within one.
    """
    visible = _unshadowed(points, body, 0.03, 0.05)
    visible[head] *= _unshadowed(points[head], skull, 0.011, 0.016)
    return visible


def _unshadowed(points: F32, occluders: F32, cell: float, bias: float) -> F32:
    """By depth maps, one along each ray, of square cells (metres); shadows set in at ``bias`` metres."""
    if not len(occluders) or not len(points):
        return np.ones((len(points), RAYS), np.float32)
    across, upright, along = _frames()
    centre = occluders.mean(0)
    half = float(np.abs(occluders - centre).max()) * np.sqrt(3) + cell
    side = int(2 * half / cell) + 2

    def cells(p: F32) -> tuple[NDArray[np.int32], F32]:
        moved = p - centre
        u = ((moved @ across.T + half) / cell).astype(np.int32)
        v = ((moved @ upright.T + half) / cell).astype(np.int32)
        u, v = np.clip(u, 0, side - 1), np.clip(v, 0, side - 1)
        return u * side + v, moved @ along.T

    at, depth = cells(occluders)
    mine, my_depth = cells(points)
    out = np.empty((len(points), RAYS), np.float32)
    for ray in range(RAYS):
        nearest = np.full(side * side, -np.inf, np.float32)
        np.maximum.at(nearest, at[:, ray], depth[:, ray])
        behind = nearest[mine[:, ray]] - my_depth[:, ray]
        out[:, ray] = 1 - np.clip((behind - bias) / bias, 0, 1)
    return out


def _frames() -> tuple[F32, F32, F32]:
    """Across, upright and along (RAYS, 3) of each ray."""
    along = rays()
    other = np.where(np.abs(along[:, 1:2]) < 0.9, (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
    across = np.cross(other, along)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    upright = np.cross(along, across)
    return across.astype(np.float32), upright.astype(np.float32), along.astype(np.float32)


def _lobes() -> F32:
    """Weights (RAYS, RAYS) of a glossy lobe about each ray."""
    directions = rays()
    weight = np.maximum(directions @ directions.T, 0) ** 14
    return np.asarray(weight / weight.sum(1, keepdims=True), np.float32)
