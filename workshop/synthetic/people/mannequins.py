"""Draws a known person with the mirror's own renderer: dressed as they came, and as they should look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from inference.body.model import REGIONS, BodyModel
from inference.body.surface import welded_normals
from mirror.types import F32, F64
from render.garments.fabric import load_fabric
from render.garments.garment import load_garment
from render.garments.mesh import INWARD_M, SkinnedMesh
from render.garments.outfit import cloth_of
from render.garments.worn_garment import WornGarment
from render.gpu.id_buffer import Box
from render.gpu.passes import ClothParameters
from render.gpu.renderer import GarmentRenderer
from render.gpu.view import PARAMETERS as VIEW
from workshop.synthetic.people.bodies import TrueBody, cloth_on
from workshop.synthetic.people.painted_mannequin import Appearance, hairiness, painted

# What a pixel shows.
ROOM, FACE, HEAD, HAND, SKIN, TOP, BOTTOM, OTHER, PROP = range(9)
PARTS = (FACE, HEAD, HAND, SKIN)

_UNDER_M = 0.055  # skin this near to cloth outside it lies under it
_ASIDE_M = 0.022
_STOOL_M = (0.2, 0.19)  # half width, half depth


class TruthRenderer(GarmentRenderer):
    """The mirror's renderer without its allowance for errors of the fit, with depth to read."""

    def __init__(self, width: int, height: int) -> None:
        super().__init__(width, height, None, cloth=ClothParameters(recede_m=0.0))

    def depth(self, box: Box) -> F32:
        """Metres along the view of the pixels in ``box`` of what was drawn last; inf where nothing was."""
        buffer = self.target.read_depth(box)
        near, far = VIEW.near_m, VIEW.far_m
        metres = 2 * far * near / (far + near - (2.0 * buffer - 1.0) * (far - near))
        return np.asarray(np.where(buffer < 1.0, metres, np.inf), np.float32)


@dataclass(frozen=True)
class Seen:
    """A drawn mannequin at full frame size: what each pixel shows (0: none of it), metres to it or None."""

    labels: NDArray[np.uint8]
    depth: F32 | None


class Mannequin:
    """A body in some clothes, ready to draw. Needs a current ``gl.Context``."""

    def __init__(
        self,
        size: tuple[int, int],
        body: TrueBody,
        appearance: Appearance | None,
        cloths: Sequence[WornGarment],
    ) -> None:
        self._size = size
        parts = body_parts(body.model, appearance, cloths)
        self.renderer = TruthRenderer(*size)
        self.renderer.wear([*parts.values(), *cloths])
        names = {cloth.name: label for label, cloth in parts.items()}
        self._labels = np.zeros(256, np.uint8)
        for number, cloth in enumerate(self.renderer.garments, start=1):
            self._labels[number] = names.get(cloth.name, BOTTOM if cloth.layer < 2 else TOP)
        self._shape = np.zeros(body.model.components, np.float32)

    def draw(
        self,
        bone_transforms: F32,
        lens: tuple[float, float, float, float],
        light: F64,
        onto: NDArray[np.uint8] | None = None,
        depth: bool = False,
    ) -> Seen:
        """Draw a frame, and blend it into ``onto`` (H, W, 3) BGR where given."""
        from render.compose.compositing import composite

        width, height = self._size
        labels = np.zeros((height, width), np.uint8)
        metres = np.full((height, width), np.inf, np.float32) if depth else None
        drawing = self.renderer.draw(bone_transforms, lens, self._shape, light.astype(np.float32))
        if drawing is not None:
            x0, y0, x1, y1 = drawing.box
            labels[y0:y1, x0:x1] = self._labels[drawing.picture[..., 3]]
            if metres is not None:
                metres[y0:y1, x0:x1] = self.renderer.depth(drawing.box)
            if onto is not None:
                composite(onto, drawing)
        return Seen(labels, metres)

    def delete(self) -> None:
        """Free what is held in OpenGL."""
        self.renderer.delete()


class Alone:
    """A garment on a body, drawn without the body: what of it there is to be hidden."""

    def __init__(self, size: tuple[int, int], body: TrueBody, cloth: WornGarment) -> None:
        self._size = size
        self.renderer = TruthRenderer(*size)
        self.renderer.wear([cloth])
        self._shape = np.zeros(body.model.components, np.float32)

    def mask(self, bone_transforms: F32, lens: tuple[float, float, float, float]) -> NDArray[np.bool_]:
        """Where (H, W) any of it is in view."""
        out = np.zeros(self._size[::-1], bool)
        drawing = self.renderer.draw(bone_transforms, lens, self._shape, np.zeros((9, 3), np.float32))
        if drawing is not None:
            x0, y0, x1, y1 = drawing.box
            out[y0:y1, x0:x1] = drawing.picture[..., 3] > 0
        return out

    def delete(self) -> None:
        """Free what is held in OpenGL."""
        self.renderer.delete()


def dressed(body: TrueBody, garment: str, fabric: str | None = None, bulk_m: float = 0.0) -> WornGarment:
    """A wardrobe's garment on this body, standing off by ``bulk_m`` more than it is cut to."""
    page = load_garment(garment)
    cloth = cloth_on(body, page, cloth_of(page, load_fabric(fabric or page.default_fabric), "M"))
    if not bulk_m:
        return cloth
    mesh = cloth.mesh
    place = mesh.positions.astype(np.float64)
    # Thick cloth is uneven: it hangs in soft bulges.
    wave = np.sin(23 * place[:, 1] + 9 * place[:, 0]) + np.sin(17 * place[:, 0] - 11 * place[:, 2] + 1)
    off = bulk_m * (1 + 0.12 * wave)[:, None].astype(np.float32)
    positions = (mesh.positions + off * mesh.normals).astype(np.float32)
    return replace(
        cloth, mesh=replace(mesh, positions=positions, normals=welded_normals(positions, mesh.faces))
    )


def body_parts(
    model: BodyModel, appearance: Appearance | None, cloths: Sequence[WornGarment]
) -> dict[int, WornGarment]:
    """The painted mannequin cut into ``PARTS``; skin under cloth is drawn in, lest it poke through."""
    whole = painted(model, appearance)
    count = len(model.vertices)
    inward = np.array([INWARD_M.get(r, 0.0) for r in range(len(REGIONS))], np.float32)[model.region]
    inward = inward * under(model, cloths)
    normals = welded_normals(model.vertices, model.faces)
    positions = whole.mesh.positions - np.tile(inward[:, None] * normals, (2, 1))
    base = replace(whole.mesh, positions=positions.astype(np.float32))

    region = model.region[base.faces % count]
    middle = model.vertices[base.faces % count].mean(1).astype(np.float64)
    front = normals[base.faces % count].mean(1)[:, 2] > 0.25
    head = (region == REGIONS.index("head")).all(1)
    bare = hairiness(model, middle[:, 0], middle[:, 1], middle[:, 2]) < 0
    face = head & bare & front
    head = head | (region == REGIONS.index("neck")).all(1)
    hand = np.isin(region, [REGIONS.index("left_hand"), REGIONS.index("right_hand")]).all(1)
    chosen = {FACE: face, HEAD: head & ~face, HAND: hand, SKIN: ~(head | face | hand)}
    return {
        label: replace(
            whole, name=f"part{label}", mesh=_only(base, faces), layer=label - 10, trimmed=False, anchors={}
        )
        for label, faces in chosen.items()
    }


def under(model: BodyModel, cloths: Sequence[WornGarment]) -> F32:
    """How far (V,), 0 to 1, each point of the skin lies under cloth."""
    if not cloths:
        return np.zeros(len(model.vertices), np.float32)
    points = np.concatenate([c.mesh.positions for c in cloths])
    normals = welded_normals(model.vertices, model.faces)
    index = cKDTree(points).query(model.vertices)[1]
    gap = points[index] - model.vertices
    outward = (gap * normals).sum(1)
    aside = np.linalg.norm(gap - outward[:, None] * normals, axis=1)
    out: F32 = ((outward > -0.01) & (outward < _UNDER_M) & (aside < _ASIDE_M)).astype(np.float32)
    return out


def _only(mesh: SkinnedMesh, faces: NDArray[np.bool_]) -> SkinnedMesh:
    """Some faces of a mesh, with the vertices that they need."""
    used, index = np.unique(mesh.faces[faces], return_inverse=True)
    return replace(
        mesh,
        positions=mesh.positions[used],
        normals=mesh.normals[used],
        faces=index.reshape(-1, 3).astype(np.int32),
        joints=mesh.joints[used],
        weights=mesh.weights[used],
        shape_basis=mesh.shape_basis[:, used],
        texcoords=None if mesh.texcoords is None else mesh.texcoords[used],
    )


def stool(hip_m: float, components: int) -> WornGarment:
    """A box to sit on, its top ``hip_m`` high; bound to bone 0."""
    half, deep = _STOOL_M
    corners = np.array([(x, y, z) for y in (0.0, hip_m) for z in (-deep, deep) for x in (-half, half)])
    quads = ((0, 1, 3, 2), (4, 6, 7, 5), (2, 3, 7, 6), (0, 4, 5, 1), (1, 5, 7, 3), (0, 2, 6, 4))
    points = np.concatenate([corners[list(q)] for q in quads]).astype(np.float32)
    faces = np.concatenate([[[4 * i, 4 * i + 1, 4 * i + 2], [4 * i, 4 * i + 2, 4 * i + 3]] for i in range(6)])
    joints = np.zeros((24, 4), np.uint8)
    weights = np.tile(np.array([1, 0, 0, 0], np.float32), (24, 1))
    mesh = SkinnedMesh(
        positions=points,
        normals=welded_normals(points + 1e-4 * np.arange(24)[:, None] // 4, faces),
        faces=faces.astype(np.int32),
        joints=joints,
        weights=weights,
        shape_basis=np.zeros((components, 24, 3), np.float32),
        texcoords=np.tile(np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32), (6, 1)),
    )
    paint = np.full((8, 8, 3), (96, 84, 72), np.uint8)
    return WornGarment("stool", mesh, paint, None, (1.0, 1.0), trimmed=False)
