"""Cuts garments from the body model's blocks: a page of TOML in, a skinned ``garment.glb`` out.

    mirror garment cut wardrobe/garments/tshirt [MORE ...]

Reads ``garment.toml`` (its ``[cut]`` table is described in ``workshop.tailor.cut_page``) and writes
``garment.glb`` beside it, and the page's ``[anchors]`` and ``[measurements]`` below a marked line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, identity
from scipy.sparse.csgraph import connected_components

from inference.body.model import BONES, PARENTS, BodyModel
from inference.body.surface import welded_normals
from mirror.types import F64, I64
from mirror.wardrobe import read_page
from render.garments import glb
from render.garments.garment import BASE_SIZE, GarmentPage
from render.garments.kinds import GarmentKind, kind_of
from render.garments.mesh import SkinnedMesh
from render.garments.simplify import LONGEST_M, TOLERANCE_M, simplified
from workshop.tailor import blocks as cut_blocks
from workshop.tailor import cut_page, measures, shapes
from workshop.tailor import detail as cut_detail
from workshop.tailor import panels as cut_panels
from workshop.tailor.cut_surface import CutSurface, clipped, edges_of, split
from workshop.tailor.drape import smoothstep

_MARK = "# Below this line the cutter writes"
_FOLD_THICKNESS_M = 0.0025
_SCRAP_FACES = 30
# Shape targets are half the difference of two bodies this far to either side of the mean.
_SPREAD = 1.5


@dataclass(frozen=True)
class Pattern:
    """A cut garment before it is made up: everything that does not depend on the body's shape.

    ``surface``: the outer cloth, mixtures of the base surface's vertices; ``cloth`` (F, 3) its faces
    cut open along seams, over ``old`` (W,), the outer vertex of each; ``uv`` (W, 2) metres.
    """

    drape: shapes.Drape
    surface: CutSurface
    cloth: I64
    old: I64
    uv: F64
    stretch: F64
    place: shapes.Place


def make_pattern(kind: GarmentKind, cut: cut_page.Cut, model: BodyModel) -> Pattern:
    """Drape the block on the mean body, clip it, split it along its seams and lay the panels flat."""
    blocks = cut_blocks.load()
    base = cut_blocks.base_surface(kind.cutting.block)
    drape = shapes.Drape(kind, cut, base, model)
    mean = drape.on(blocks.vertices, model.vertices.astype(np.float64))
    base_weights = base.at(blocks.weights)
    axes = shapes.limbs(model)

    def place(mesh: CutSurface) -> shapes.Place:
        return shapes.Place.of(mesh.at(mean), mesh.at(base_weights), axes)

    mesh = CutSurface(identity(len(mean), format="csr"), base.faces, np.zeros(len(mean), np.int64))
    line = 1
    for k in range(len(shapes.cuts(kind, cut, place(mesh)))):
        mesh = clipped(mesh, shapes.cuts(kind, cut, place(mesh))[k], line)
        line <<= 1
    for k in range(len(shapes.seams(kind, cut, place(mesh)))):
        mesh, _, _ = split(mesh, shapes.seams(kind, cut, place(mesh))[k], line)
        line <<= 1
    here = place(mesh)
    panel = _panels(kind, cut, mesh, here)
    cloth, old = cut_panels.wedges(mesh.faces, _seam_edges(mesh, panel, here))
    uv, stretch = _layout(kind, here, cloth, old, panel)
    return Pattern(drape, mesh, cloth, old, uv, stretch, here)


def _panels(kind: GarmentKind, cut: cut_page.Cut, mesh: CutSurface, place: shapes.Place) -> I64:
    """Panel of each face (F,): a number of which bit k tells the side of seam k."""
    out = np.zeros(len(mesh.faces), np.int64)
    for k, field in enumerate(shapes.seams(kind, cut, place)):
        out |= (field[mesh.faces].sum(1) > 0).astype(np.int64) << k
    return _without_scraps(mesh.faces, out)


def _without_scraps(faces: I64, panel: I64) -> I64:
    """Panels (F,) with stray pieces of a few faces given to the panel beside them."""
    sides = np.sort(np.stack([faces, np.roll(faces, -1, axis=1)], axis=-1).reshape(-1, 2), axis=1)
    order = np.lexsort((sides[:, 1], sides[:, 0]))
    twin = np.flatnonzero((sides[order[:-1]] == sides[order[1:]]).all(1))
    pairs = np.stack([order[twin], order[twin + 1]], axis=1) // 3
    for _ in range(4):
        same = pairs[panel[pairs[:, 0]] == panel[pairs[:, 1]]]
        graph = coo_matrix((np.ones(len(same)), (same[:, 0], same[:, 1])), (len(faces), len(faces)))
        _, piece = connected_components(graph, directed=False)
        scrap = np.bincount(piece)[piece] < _SCRAP_FACES
        if not scrap.any():
            break
        new = panel.copy()
        for p in np.unique(piece[scrap]):
            across = pairs[(piece[pairs] == p).sum(1) == 1]
            beside = across[piece[across] != p]
            new[piece == p] = np.bincount(panel[beside]).argmax()
        panel = new
    return panel


def _seam_edges(mesh: CutSurface, panel: I64, place: shapes.Place) -> set[tuple[int, int]]:
    """Edges between different panels; the halves of a sleeve stay joined along its top."""
    top = np.cos(place.under()) < 0
    owner: dict[tuple[int, int], int] = {}
    seam: set[tuple[int, int]] = set()
    for f, face in enumerate(mesh.faces.tolist()):
        for k in range(3):
            edge = (min(face[k], face[k - 1]), max(face[k], face[k - 1]))
            if edge in owner and panel[owner[edge]] != panel[f]:
                sleeve = panel[owner[edge]] & panel[f] & 2
                if not (sleeve and place.armness[list(edge)].min() > 0.1 and top[list(edge)].all()):
                    seam.add(edge)
            owner[edge] = f
    return seam


def _layout(kind: GarmentKind, place: shapes.Place, cloth: I64, old: I64, panel: I64) -> tuple[F64, F64]:
    """Flat patterns (W, 2) of all panels, and each face's stretch (F,)."""
    points = place.points[old]
    piece = cut_panels.pieces(cloth)
    uv = np.zeros((len(old), 2))
    of_sleeve = np.zeros(len(old), bool)
    for p in range(int(piece.max()) + 1):
        which = np.flatnonzero(piece == p)
        index = np.full(len(old), -1)
        index[which] = np.arange(len(which))
        mask = piece[cloth[:, 0]] == p
        faces = index[cloth[mask]]
        at = points[which]
        sleeve = kind.sleeved and float((panel[mask] >> 1 & 1).mean()) > 0.5
        of_sleeve[which] = sleeve
        if sleeve:
            along = place.limb("arm")[old[which]]
            under = place.under()[old[which]]
            # Laid out from the top of the sleeve; seen from outside, the left one's front lies left.
            ahead = np.zeros(len(which))
            np.add.at(ahead, faces.ravel(), np.repeat(np.where(panel[mask] & 1, 1.0, -1.0), 3))
            turn = np.where(ahead > 0, 1.0, -1.0) * (np.pi - np.abs(under))
            turn = turn * (-1.0 if at[:, 0].mean() > 0 else 1.0)
            start, upward = np.stack([0.06 * turn, -along], axis=1), -along
        else:
            in_front = float((panel[mask] & 1).mean()) > 0.5
            start = np.stack([at[:, 0] if in_front else -at[:, 0], at[:, 1]], axis=1)
            upward = at[:, 1]
        flat = cut_panels.unroll(at, faces, start)
        flat = cut_panels.aligned(flat, upward, np.array([0.0, float(upward.mean())]))
        uv[which] = flat
    # Stripes meet at side, inner and underarm seams; at shoulders and armholes they cannot.
    meets = of_sleeve | (points[:, 1] < shapes.ARMPIT_Y) | (kind.legged)
    point = np.where(meets, 2 * old + of_sleeve, -1)
    _, join, copies = np.unique(point, return_inverse=True, return_counts=True)
    uv = cut_panels.matched(uv, cloth, np.where(meets & (copies[join] > 1), join, -1))
    return uv, cut_panels.stretch(points, cloth, uv)


def make_up(
    pattern: Pattern, kind: GarmentKind, cut: cut_page.Cut, model: BodyModel, *, detailed: bool = True
) -> glb.SkinnedFile:
    """The finished garment: folded edges, skinning, shape and size targets.

    Without ``detailed`` it has no pictures of its folds and shade, which take most of the time.
    """
    blocks = cut_blocks.load()
    fold = cut_panels.Fold(pattern.surface.faces, cut.fold / 100, _FOLD_THICKNESS_M)
    strip, rim = cut_panels.fold_faces(pattern.cloth, pattern.old, len(pattern.old))
    ring_of = np.searchsorted(fold.rim, pattern.old[rim])

    def finished(outer: F64) -> F64:
        """All vertices for the outer cloth's points: the cut-open cloth, then the folds' rings."""
        normals = welded_normals(outer.astype(np.float32), pattern.surface.faces).astype(np.float64)
        rings = fold.rings(outer, normals)
        return np.concatenate([outer[pattern.old], *(r[ring_of] for r in rings)])

    def outer_on(coefficients: F64) -> F64:
        block = blocks.vertices + np.tensordot(coefficients, blocks.basis, 1)
        skin = model.shaped(coefficients)[0].astype(np.float64)
        return pattern.surface.at(pattern.drape.on(block, skin))

    mean = outer_on(np.zeros(model.components))
    vertices = finished(mean)
    targets = {}
    for k in range(model.components):
        step = np.zeros(model.components)
        step[k] = _SPREAD
        targets[f"shape{k}"] = (finished(outer_on(step)) - finished(outer_on(-step))) / (2 * _SPREAD)
    normals = welded_normals(mean.astype(np.float32), pattern.surface.faces).astype(np.float64)
    targets["size"] = finished(mean + size_step(kind, pattern.place, normals)) - vertices

    base = pattern.drape.base
    rest = pattern.drape.on(blocks.vertices, model.vertices.astype(np.float64))
    joints_at = model.joints.astype(np.float64)
    weights = shapes.cleaned_weights(base.at(blocks.weights), rest, base.faces, kind, joints_at)
    dense = pattern.surface.at(weights)
    if kind.slot == "top":
        dense = shapes.hem_weights(mean, dense)
    if kind.flared:
        dense = shapes.skirt_weights(mean, dense)
    joints, four = four_weights(np.concatenate([dense[pattern.old], *([dense[pattern.old[rim]]] * 3)]))
    faces = np.concatenate([pattern.cloth, strip]).astype(np.int32)
    uv = np.concatenate(
        [
            pattern.uv,
            cut_panels.fold_uv(
                pattern.uv, pattern.cloth, pattern.old, rim, cut.fold / 100, _FOLD_THICKNESS_M
            ),
        ]
    )
    plain = glb.SkinnedFile(
        vertices=vertices.astype(np.float32),
        normals=welded_normals(vertices.astype(np.float32), faces),
        uv=uv.astype(np.float32),
        joints=joints,
        weights=four,
        faces=faces,
        bones=BONES,
        targets={n: t.astype(np.float32) for n, t in targets.items()},
    )
    if not detailed:
        return plain
    detail = cut_detail.make(
        kind,
        cut,
        pattern.place,
        pattern.surface.faces,
        faces.astype(np.int64),
        pattern.old,
        uv,
        (model.vertices.astype(np.float64), model.faces.astype(np.int64)),
        shapes.limbs(model),
    )
    return replace(plain, detail_uv=detail.uv, normal_map=detail.normal, occlusion_map=detail.occlusion)


def thinned(file: glb.SkinnedFile, keep: Sequence[int]) -> tuple[glb.SkinnedFile, NDArray[np.int64]]:
    """The garment with as few faces as its shape needs, and where each vertex is now (V,), -1 if dropped.

    Cutting wants fine meshes; drawing, on machines without a GPU, few faces.
    """
    names = list(file.targets)
    mesh = SkinnedMesh(
        positions=file.vertices,
        normals=file.normals,
        faces=file.faces,
        joints=file.joints,
        weights=file.weights,
        shape_basis=np.stack([file.targets[name] for name in names]),
        texcoords=file.uv,
        detail_uv=file.detail_uv,
    )
    small, place = simplified(mesh, TOLERANCE_M, LONGEST_M, keep=keep)
    kept = np.flatnonzero(place >= 0)
    smaller = replace(
        file,
        vertices=file.vertices[kept],
        normals=file.normals[kept],
        uv=file.uv[kept],
        joints=file.joints[kept],
        weights=file.weights[kept],
        faces=small.faces,
        targets={name: file.targets[name][kept] for name in names},
        detail_uv=None if file.detail_uv is None else file.detail_uv[kept],
    )
    return smaller, place


def size_step(kind: GarmentKind, place: shapes.Place, normals: F64) -> F64:
    """What one size up moves the outer cloth by (V, 3): wider, and longer towards the hems."""
    y, x = place.points[:, 1], np.abs(place.points[:, 0])
    wide = np.full(len(y), kind.cutting.size_step)
    longer = np.zeros((len(y), 3))
    on_arm = smoothstep(place.armness, 0.3, 0.8)
    if kind.legged:
        wide = wide * (1 - 0.55 * smoothstep(y, 0.9, 1.02)) * (0.3 + 0.7 * smoothstep(x, 0.0, 0.05))
        longer[:, 1] = -0.008 * np.clip(place.limb("leg") / 0.8, 0, 1)
    else:
        wide = wide * (1 - 0.7 * smoothstep(y, 1.28, 1.38) * (1 - on_arm)) * (1 - 0.4 * on_arm)
        if kind.slot == "bottom":
            wide = wide * (1 - 0.55 * smoothstep(y, 0.85, 0.95))
        top = 1.0 if kind.slot == "bottom" else 1.3
        longer[:, 1] = -0.012 * np.clip((top - y) / 0.45, 0, 1.5) * (1 - on_arm)
        way = np.clip(place.limb("arm") / 0.48, 0, 1) * on_arm * 0.008
        side = np.where(place.points[:, 0] > 0, 1.0, -1.0)
        longer += way[:, None] * np.stack([side * 0.65, np.full(len(y), -0.65), np.full(len(y), 0.4)], axis=1)
    return wide[:, None] * normals + longer


def four_weights(weights: F64) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The four largest weights a vertex, summing to 1: bone indices and weights, each (V, 4)."""
    order = np.argsort(-weights, axis=1, kind="stable")[:, :4]
    top = np.take_along_axis(weights, order, 1)
    top = np.where(top < 5e-3, 0.0, top)
    top /= top.sum(1, keepdims=True)
    return np.where(top > 0, order, 0).astype(np.uint8), top.astype(np.float32)


def tables(
    kind: GarmentKind,
    sizes: Sequence[str],
    anchors: dict[str, int],
    place: shapes.Place,
    step: F64,
    faces: I64,
) -> list[str]:
    """A page's [anchors] and [measurements] as lines; ``step`` (V, 3): what a size up moves the cloth by."""
    lines = ["[anchors]", *(f"{name} = {vertex}" for name, vertex in anchors.items())]
    base = sizes.index(BASE_SIZE) if BASE_SIZE in sizes else len(sizes) // 2
    for n, size in enumerate(sizes):
        values = measures.measurements(kind, place.points + (n - base) * step, place, faces)
        lines += ["", f"[measurements.{size}]", *(f"{name} = {value:.1f}" for name, value in values.items())]
    return lines


def cut(folder: Path) -> dict[str, float]:
    """Cut the garment of a folder: writes its ``garment.glb`` and the tables below the page's mark.

    Returns facts of the result: vertices, faces, stretch (median and 95th percentile).
    MirrorError if the page is missing or wrong.
    """
    page = read_page(folder, "garments", GarmentPage)
    path = folder / "garment.toml"
    parameters = cut_page.parse(page.cut, str(path))
    model = BodyModel.load()
    kind = kind_of(page.kind)
    pattern = make_pattern(kind, parameters, model)
    whole = make_up(pattern, kind, parameters, model)
    anchors = measures.anchors(kind, pattern.place, pattern.surface.faces)
    first = {int(v): w for w, v in reversed(list(enumerate(pattern.old.tolist())))}
    file, place = thinned(whole, [first[vertex] for vertex in anchors.values()])
    glb.write(folder / "garment.glb", page.name, file, model.joints, list(PARENTS))
    step = whole.targets["size"][: len(pattern.old)]
    outer = np.zeros_like(pattern.place.points)
    outer[pattern.old] = step
    here = {name: int(place[first[vertex]]) for name, vertex in anchors.items()}
    lines = [_MARK, "", *tables(kind, page.sizes, here, pattern.place, outer, pattern.surface.faces)]
    text = path.read_text("utf-8").split(_MARK)[0].rstrip()
    path.write_text(text + "\n\n" + "\n".join(lines) + "\n", "utf-8")
    return {
        "vertices": len(file.vertices),
        "faces": len(file.faces),
        "edges": len(edges_of(pattern.surface.faces)),
        "stretch_median": float(np.median(pattern.stretch)),
        "stretch_p95": float(np.percentile(pattern.stretch, 95)),
    }
