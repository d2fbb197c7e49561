"""Garments made elsewhere: a mesh modelled over the dress form becomes a garment of the wardrobe.

The mesh brings shape and texture coordinates. Skinning and what the body's shape does to it come from
the garment of the wardrobe that it is most like, and beyond that one's hems from the body.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from scipy.spatial import cKDTree

from inference.body.model import BONES, PARENTS, BodyModel
from inference.body.skinning import dense_weights
from inference.body.surface import vertex_normals, welded_normals
from mirror.errors import MirrorError
from mirror.types import F64, I64
from mirror.wardrobe import check_name
from render.garments import glb
from render.garments.garment import Garment, load_garment
from workshop.tailor import measures, panels, shapes
from workshop.tailor.cut_surface import umbrella
from workshop.tailor.cutter import four_weights, size_step, tables, thinned
from workshop.tailor.drape import clear_of, smoothed, smoothstep

#: What a unit of the file is in metres.
UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001}
MESHES = (".glb", ".gltf", ".obj", ".ply", ".stl", ".off")

_WELD_M = 1e-5
_MOST_FACES = 60_000
_OFF_FORM_M = 0.12  # median distance to the body beyond which a mesh doesn't lie on the dress form
_GAP_M = 0.004  # that cloth keeps from the skin
_KNOWN_M, _STRANGE_M = 0.03, 0.08  # from the garment it is like: nearer it tells all, farther the body does
_SMOOTHINGS = 6
_METRES = (0.8, 1.25)  # scale of texture coordinates that are taken to be metres already
# Bones that move no cloth, and what moves it there instead.
_LOOSE = {"head": "neck", "hand": "forearm_twist", "fingers": "forearm_twist", "thumb": "forearm_twist"}
_LOOSE |= {"toes": "foot"}


@dataclass(frozen=True)
class _Mesh:
    """A mesh in metres: ``points`` (P, 3) welded, ``faces`` (F, 3) and ``uv`` (V, 2) over vertices whose
    points are ``old`` (V,).
    """  # noqa: D205

    points: F64
    faces: I64
    old: I64
    uv: F64

    @property
    def welded(self) -> I64:
        return self.old[self.faces]


def import_mesh(
    source: Path,
    name: str,
    garments: Path,
    likes: Sequence[Garment],
    *,
    unit: str = "m",
    facts: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Make a garment folder ``garments``/``name`` of a mesh file.

    source: one of ``MESHES``, over the dress form (the mean body in the rest pose, body space), with
    texture coordinates. likes: garments to take after; the likest is chosen. facts: page entries other
    than the like's (author, licence, default_fabric). Returns facts of the result: path, like, kind,
    vertices, faces, stretch (median and 95th percentile). MirrorError if the file is unreadable, has no
    texture coordinates or does not lie on the form, or if the folder exists.
    """
    folder = garments / check_name("garment", name)
    if folder.exists():
        raise MirrorError(f"{folder}: there is something already; choose another name")
    body = BodyModel.load()
    mesh = _on_form(source, _read(source, UNITS[unit]), body)
    like = min(likes, key=lambda garment: _distance(mesh.points, garment))
    file, anchors, lines = _made_up(source, mesh, like, body)
    head = _page(name, like, source.name, facts or {})
    with tempfile.TemporaryDirectory(prefix="import-") as made:
        glb.write(Path(made, "garment.glb"), name, file, body.joints, list(PARENTS))
        Path(made, "garment.toml").write_text("\n".join([*head, "", *lines]) + "\n", "utf-8")
        load_garment(Path(made))  # what the mirror would refuse must not reach the wardrobe
        _keep(Path(made), folder)
    arrays = file.vertices.astype(np.float64), file.faces.astype(np.int64), file.uv.astype(np.float64)
    stretch = panels.stretch(*arrays)
    return {
        "path": str(folder),
        "like": like.name,
        "kind": like.kind.name,
        "vertices": len(file.vertices),
        "faces": len(file.faces),
        "anchors": sorted(anchors),
        "stretch_median": float(np.median(stretch)),
        "stretch_p95": float(np.percentile(stretch, 95)),
    }


def import_folder(source: Path, name: str, garments: Path) -> dict[str, Any]:
    """Copy a garment folder into a wardrobe's ``garments`` once it has been checked whole."""
    folder = garments / check_name("garment", name)
    if folder.exists():
        raise MirrorError(f"{folder}: there is something already; choose another name")
    garment = load_garment(source)
    _keep(source, folder)
    return {"path": str(folder), "kind": garment.kind.name, "vertices": len(garment.vertices)}


def _keep(made: Path, folder: Path) -> None:
    """Put the two files in place at once, so that a running mirror never lists half a garment."""
    partial = folder.with_name(f".{folder.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for name in ("garment.toml", "garment.glb"):
            shutil.copyfile(made / name, partial / name)
        partial.rename(folder)
    except OSError as error:
        raise MirrorError(f"{folder}: cannot be written ({error.strerror})") from error


def _read(source: Path, metres: float) -> _Mesh:
    """All meshes of a file as one. MirrorError naming the file and what is wrong with it."""
    if source.suffix.lower() not in MESHES:
        raise MirrorError(f"{source}: not a mesh that can be read ({', '.join(MESHES)})")
    try:
        with source.open("rb"):
            scene = trimesh.load_scene(source, process=False)
        parts = [part for part in scene.dump() if isinstance(part, trimesh.Trimesh) and len(part.faces)]
    except OSError as error:
        raise MirrorError(f"{source}: cannot be read ({error.strerror})") from error
    except Exception as error:  # the library lets through whatever its many readers raise
        raise MirrorError(f"{source}: damaged, or not a mesh ({error})") from error
    if not parts:
        raise MirrorError(f"{source}: holds no mesh")
    uvs = [getattr(part.visual, "uv", None) for part in parts]
    if any(uv is None or len(uv) != len(part.vertices) for uv, part in zip(uvs, parts, strict=True)):
        raise MirrorError(
            f"{source}: has no texture coordinates; unwrap it first, so that fabric has a way to lie"
        )
    points = np.concatenate([np.asarray(part.vertices, np.float64) for part in parts]) * metres
    uv = np.concatenate([np.asarray(uv, np.float64) for uv in uvs])
    offsets = np.cumsum([0, *(len(part.vertices) for part in parts)])
    faces = np.concatenate([np.asarray(p.faces, np.int64) + o for p, o in zip(parts, offsets, strict=False)])
    if not (np.isfinite(points).all() and np.isfinite(uv).all()):
        raise MirrorError(f"{source}: holds values that are not numbers")
    if len(faces) > _MOST_FACES:
        raise MirrorError(f"{source}: {len(faces)} triangles; thin it to {_MOST_FACES} at most")
    _, first, old = np.unique((points / _WELD_M).round(), axis=0, return_index=True, return_inverse=True)
    old = old.reshape(-1)
    corner = old[faces]
    whole = (corner[:, 0] != corner[:, 1]) & (corner[:, 1] != corner[:, 2]) & (corner[:, 2] != corner[:, 0])
    used, faces = np.unique(faces[whole], return_inverse=True)
    kept, old = np.unique(old[used], return_inverse=True)
    return _Mesh(points[first][kept], faces.reshape(-1, 3), old.reshape(-1), uv[used])


def _on_form(source: Path, mesh: _Mesh, body: BodyModel) -> _Mesh:
    """The mesh clear of the body, its faces outwards, its texture coordinates in metres, grain upwards."""
    skin = body.vertices.astype(np.float64)
    distance, near = cKDTree(skin).query(mesh.points)
    if np.median(distance) > _OFF_FORM_M:
        tall = np.ptp(mesh.points[:, 1])
        raise MirrorError(
            f"{source}: does not lie on the dress form ({np.median(distance):.2f} m off, {tall:.2f} m tall); "
            "is it in another unit (--unit), or not y up?"
        )
    out = vertex_normals(body.vertices, body.faces).astype(np.float64)
    faces = mesh.faces
    if (vertex_normals(mesh.points, mesh.welded) * out[near]).sum(1).mean() < 0:
        faces = faces[:, ::-1]
    points = clear_of(mesh.points, skin, out, np.full(len(mesh.points), _GAP_M))
    return _Mesh(points, faces, mesh.old, _metres(source, points[mesh.old], faces, mesh.uv))


def _metres(source: Path, points: F64, faces: I64, uv: F64) -> F64:
    """Texture coordinates (V, 2) in metres of fabric, v up along the body where they can be turned so."""
    area = 2 * float(trimesh.triangles.area(points[faces]).sum())
    one, two = uv[faces[:, 1]] - uv[faces[:, 0]], uv[faces[:, 2]] - uv[faces[:, 0]]
    signed = one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0]
    laid = float(np.abs(signed).sum())
    if laid < 1e-9 * area:
        raise MirrorError(f"{source}: its texture coordinates all coincide; unwrap it first")
    scale = np.sqrt(area / laid)
    if not _METRES[0] < scale < _METRES[1]:
        uv = uv * scale
    # Seen from outside, u must run to the right where v runs up: else patterns are mirrored.
    if signed.sum() < 0:
        uv = uv * (-1.0, 1.0)
    height = points[faces]
    up1, up2 = height[:, 1, 1] - height[:, 0, 1], height[:, 2, 1] - height[:, 0, 1]
    one, two = uv[faces[:, 1]] - uv[faces[:, 0]], uv[faces[:, 2]] - uv[faces[:, 0]]
    # How height grows along v, summed over the faces by their area.
    climb = float((one[:, 0] * up2 - two[:, 0] * up1).sum())
    return np.asarray(uv if climb >= 0 else -uv, np.float64)  # half a turn keeps it unmirrored


def _distance(points: F64, garment: Garment) -> float:
    """Mean distance between a mesh's points and a garment, there and back, metres."""
    theirs = garment.vertices.astype(np.float64)
    there, back = cKDTree(theirs).query(points)[0], cKDTree(points).query(theirs)[0]
    return float(there.mean() + back.mean())


def _made_up(
    source: Path, mesh: _Mesh, like: Garment, body: BodyModel
) -> tuple[glb.SkinnedFile, dict[str, int], list[str]]:
    """The skinned garment, its anchors, and the lines of the page that follow from it."""
    points, welded = mesh.points, mesh.welded
    shares, targets, place, steps = _taken_over(mesh, like, body)
    try:
        found = measures.anchors(like.kind, place, welded)
    except ValueError as error:  # no edge where this kind has its neckline, hem or cuffs
        raise MirrorError(
            f"{source}: has no open edges where a {like.kind.name} has neckline, hem or cuffs; "
            "is it closed, or of another kind (--like)?"
        ) from error
    joints, four = four_weights(shares[mesh.old])
    vertices = points[mesh.old].astype(np.float32)
    whole = glb.SkinnedFile(
        vertices=vertices,
        normals=welded_normals(vertices, mesh.faces),
        uv=mesh.uv.astype(np.float32),
        joints=joints,
        weights=four,
        faces=mesh.faces.astype(np.int32),
        bones=BONES,
        targets={
            **{f"shape{k}": t[mesh.old].astype(np.float32) for k, t in enumerate(targets)},
            "size": steps[mesh.old].astype(np.float32),
        },
    )
    first = {int(point): vertex for vertex, point in reversed(list(enumerate(mesh.old.tolist())))}
    file, place_of = thinned(whole, [first[point] for point in found.values()])
    anchors = {name: int(place_of[first[point]]) for name, point in found.items()}
    return file, anchors, tables(like.kind, like.sizes, anchors, place, steps, welded)


def _taken_over(mesh: _Mesh, like: Garment, body: BodyModel) -> tuple[F64, F64, shapes.Place, F64]:
    """What cloth and skin nearby give the points: skinning shares (P, J), shape targets (K, P, 3), their
    places, and what a size up moves them by (P, 3).
    """  # noqa: D205
    points, normals = mesh.points, vertex_normals(mesh.points, mesh.welded)
    skin_normals = vertex_normals(body.vertices, body.faces)
    cloth = _near(points, normals, like.vertices, like.normals)
    skin = _near(points, normals, body.vertices, skin_normals)
    reach = cKDTree(like.vertices.astype(np.float64)).query(points)[0]
    strange = smoothstep(reach, _KNOWN_M, _STRANGE_M)[:, None]
    neighbours = umbrella(mesh.welded, len(points))

    def mixed(of_cloth: Any, of_skin: Any) -> F64:
        values = (1 - strange) * _mixed(cloth, of_cloth) + strange * _mixed(skin, of_skin)
        return smoothed(values, neighbours, _SMOOTHINGS)

    of_skin = dense_weights(body.skin_indices, body.skin_weights, len(BONES)).astype(np.float64)
    for bone, instead in _LOOSE.items():
        for side in ("", "left_", "right_"):
            if side + bone in BONES:
                of_skin[:, BONES.index(side + instead)] += of_skin[:, BONES.index(side + bone)]
                of_skin[:, BONES.index(side + bone)] = 0.0
    shares = mixed(dense_weights(like.joints, like.weights, len(BONES)), of_skin)
    shares /= shares.sum(1, keepdims=True)
    targets = np.stack([mixed(*pair) for pair in zip(like.shape_targets, body.shape_basis, strict=True)])
    place = shapes.Place.of(points, shares, shapes.limbs(body))
    # A lining faces inwards and yet grows outwards: the skin tells where outwards is.
    outward = smoothed(_mixed(skin, skin_normals), neighbours, _SMOOTHINGS)
    outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-9)
    step = (1 - strange) * _mixed(cloth, like.size_target) + strange * size_step(like.kind, place, outward)
    return shares, targets, place, smoothed(step, neighbours, _SMOOTHINGS)


def _near(points: F64, normals: F64, surface: Any, outward: Any) -> tuple[I64, F64]:
    """Indices (P, 8) of a surface's vertices near each point that face its way, and their shares."""
    distance, index = cKDTree(np.asarray(surface, np.float64)).query(points, k=8)
    facing = np.einsum("pki,pi->pk", np.asarray(outward, np.float64)[index], normals)
    share = np.clip(facing, 0.02, 1.0) / (distance**2 + 1e-4)
    return index, share / share.sum(1, keepdims=True)


def _mixed(near: tuple[I64, F64], values: Any) -> F64:
    index, share = near
    return np.asarray(np.einsum("pk,pkc->pc", share, np.asarray(values, np.float64)[index]))


def _page(name: str, like: Garment, source: str, facts: dict[str, str]) -> list[str]:
    """The page's own lines."""
    entries: dict[str, Any] = {
        "name": name,
        "kind": like.kind.name,
        "slot": like.slot,
        "layer": like.layer,
        "default_fabric": facts.get("default_fabric", like.default_fabric),
        "sizes": list(like.sizes),
        "author": facts.get("author", "unknown"),
        "licence": facts.get("licence", "unknown"),
    }
    lines = [f"# Imported from {source.splitlines()[0]}; takes after {like.name}."]
    return lines + [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in entries.items()]
