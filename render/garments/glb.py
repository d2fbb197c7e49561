"""Skinned garments in glTF 2.0 binaries: reading and writing the one shape of file we use.

One mesh of one primitive: POSITION, NORMAL, TEXCOORD_0 (metres of fabric), JOINTS_0, WEIGHTS_0,
indices; POSITION morph targets named ``shape0`` .. and ``size``; a skin over the body's bones.
Where the material has a normal texture, it and the occlusion texture are the garment's own folds
and shade, as embedded PNG pictures over TEXCOORD_1.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pygltflib as gltf
from numpy.typing import NDArray

from mirror.errors import MirrorError
from mirror.types import F32

__all__ = ["SkinnedFile", "describe", "read", "write"]

_DTYPES = {
    5120: np.int8,
    5121: np.uint8,
    5122: np.int16,
    5123: np.uint16,
    5125: np.uint32,
    5126: np.float32,
}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
_TRANSFORM = "KHR_texture_transform"
# What a damaged file can make the library or our own reading of it raise.
_BROKEN = (ValueError, KeyError, IndexError, TypeError, AttributeError, struct.error, AssertionError)


@dataclass(frozen=True)
class SkinnedFile:
    """Arrays of one file: metres, body space; ``joints`` index ``bones``; targets by name (V, 3).

    ``detail_uv`` (V, 2), 0..1 across and down the pictures ``normal_map`` (H, W, 3) uint8 RGB, +y
    up, and ``occlusion_map`` (H, W) uint8: all three or none.
    """

    vertices: F32
    normals: F32
    uv: F32
    joints: NDArray[np.uint8]
    weights: F32
    faces: NDArray[np.int32]
    bones: tuple[str, ...]
    targets: dict[str, F32]
    detail_uv: F32 | None = None
    normal_map: NDArray[np.uint8] | None = None
    occlusion_map: NDArray[np.uint8] | None = None


def read(path: Path) -> SkinnedFile:
    """Read a garment's glb. MirrorError naming the file and what is wrong with it."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MirrorError(f"{path}: cannot be read ({error.strerror})") from error
    _check_container(path, data)
    try:
        document = gltf.GLTF2.load_from_bytes(data)
        if document is None:
            raise MirrorError(f"{path}: not a glTF 2.0 binary")
        return _arrays(path, document, document.binary_blob())
    except _BROKEN as error:
        raise MirrorError(f"{path}: damaged or not a skinned garment ({error})") from error


def _check_container(path: Path, data: bytes) -> None:
    """The library reads past a short file without a word, so the lengths are checked first."""
    if len(data) < 20 or data[:4] != b"glTF":
        raise MirrorError(f"{path}: not a glTF binary (.glb)")
    version, length = struct.unpack_from("<II", data, 4)
    if version != 2:
        raise MirrorError(f"{path}: glTF version {version}, only 2 is read")
    if length != len(data):
        raise MirrorError(f"{path}: truncated ({len(data)} of {length} bytes)")


def _arrays(path: Path, document: Any, blob: bytes) -> SkinnedFile:
    if len(document.meshes) != 1 or len(document.meshes[0].primitives) != 1:
        raise MirrorError(f"{path}: needs exactly one mesh with one primitive")
    if not document.skins:
        raise MirrorError(f"{path}: has no skin")
    mesh = document.meshes[0]
    primitive = mesh.primitives[0]

    def accessor(index: int | None, what: str) -> NDArray[Any]:
        if index is None:
            raise MirrorError(f"{path}: has no {what}")
        a = document.accessors[index]
        view = document.bufferViews[a.bufferView]
        dtype, width = np.dtype(_DTYPES[a.componentType]), _WIDTHS[a.type]
        start = (view.byteOffset or 0) + (a.byteOffset or 0)
        stride = view.byteStride or dtype.itemsize * width
        if start + stride * (a.count - 1) + dtype.itemsize * width > len(blob):
            raise MirrorError(f"{path}: {what} reaches past the end of the file")
        array = np.ndarray((a.count, width), dtype, blob, start, (stride, dtype.itemsize))
        if a.normalized and dtype.kind == "u":
            return array / np.float32(2 ** (8 * dtype.itemsize) - 1)
        return array.copy()

    attributes = primitive.attributes
    names = ("POSITION", "NORMAL", "TEXCOORD_0", "JOINTS_0", "WEIGHTS_0")
    found = {name: accessor(getattr(attributes, name, None), name) for name in names}
    labels = (mesh.extras or {}).get("targetNames", [])
    targets = primitive.targets or []
    if len(labels) != len(targets):
        raise MirrorError(
            f"{path}: {len(targets)} morph targets but {len(labels)} names in extras.targetNames"
        )

    def position(target: Any) -> int | None:
        found: int | None = target["POSITION"] if isinstance(target, dict) else target.POSITION
        return found

    detail_uv, normal_map, occlusion_map = None, None, None
    material = document.materials[primitive.material] if primitive.material is not None else None
    if material is not None and material.normalTexture is not None:
        for texture in (material.normalTexture, material.occlusionTexture):
            if texture is None or texture.texCoord != 1:
                raise MirrorError(
                    f"{path}: needs a normal and an occlusion texture over TEXCOORD_1, or neither"
                )
        normal_map = _picture(path, document, blob, material.normalTexture.index)
        occlusion_map = _picture(path, document, blob, material.occlusionTexture.index)[..., 0]
        if normal_map.shape[:2] != occlusion_map.shape:
            raise MirrorError(f"{path}: normal and occlusion textures differ in size")
        detail_uv = accessor(attributes.TEXCOORD_1, "TEXCOORD_1").astype(np.float32)
    return SkinnedFile(
        vertices=found["POSITION"].astype(np.float32),
        normals=found["NORMAL"].astype(np.float32),
        uv=found["TEXCOORD_0"].astype(np.float32),
        joints=found["JOINTS_0"].astype(np.uint8),
        weights=found["WEIGHTS_0"].astype(np.float32),
        faces=accessor(primitive.indices, "indices").astype(np.int32).reshape(-1, 3),
        bones=tuple(str(document.nodes[j].name) for j in document.skins[0].joints),
        targets={
            str(n): accessor(position(t), f"target {n}").astype(np.float32)
            for n, t in zip(labels, targets, strict=True)
        },
        detail_uv=detail_uv,
        normal_map=normal_map,
        occlusion_map=occlusion_map,
    )


def _picture(path: Path, document: Any, blob: bytes, texture: int) -> NDArray[np.uint8]:
    """An embedded picture (H, W, 3) uint8 RGB."""
    view = document.bufferViews[document.images[document.textures[texture].source].bufferView]
    start = view.byteOffset or 0
    data = np.frombuffer(blob[start : start + view.byteLength], np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    if picture is None:
        raise MirrorError(f"{path}: an embedded texture is not a picture, or damaged")
    out: NDArray[np.uint8] = np.ascontiguousarray(picture[..., ::-1])
    return out


@dataclass(frozen=True)
class GlbMesh:
    """A fabric to show on a garment in other programs: ``albedo`` (H, W, 3) uint8 RGB, one ``repeat_m``."""

    albedo: NDArray[np.uint8]
    repeat_m: tuple[float, float]


def write(
    path: Path,
    name: str,
    file: SkinnedFile,
    joints: F32,
    parents: list[int],
    cloth: GlbMesh | None = None,
) -> None:
    """Write a garment's glb; ``joints`` (J, 3) are the bones' mean rest joints, in ``file.bones`` order.

    ``cloth`` is for programs that draw glTF; the mirror reads past it.
    """
    document = gltf.GLTF2(asset=gltf.Asset(version="2.0", generator="fitting-mirror cutter"))
    blob = bytearray()

    def add(array: NDArray[Any], kind: str, component: int, target: int | None, bounds: bool = False) -> int:
        blob.extend(b"\0" * (-len(blob) % 4))
        view = gltf.BufferView(buffer=0, byteOffset=len(blob), byteLength=array.nbytes, target=target)
        blob.extend(np.ascontiguousarray(array).tobytes())
        document.bufferViews.append(view)
        accessor = gltf.Accessor(
            bufferView=len(document.bufferViews) - 1,
            componentType=component,
            count=array.size // _WIDTHS[kind],
            type=kind,
        )
        if bounds:
            accessor.min, accessor.max = array.min(0).tolist(), array.max(0).tolist()
        document.accessors.append(accessor)
        return len(document.accessors) - 1

    def add_picture(picture: NDArray[np.uint8]) -> int:
        _, png = cv2.imencode(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, 9])
        blob.extend(b"\0" * (-len(blob) % 4))
        document.bufferViews.append(gltf.BufferView(buffer=0, byteOffset=len(blob), byteLength=len(png)))
        blob.extend(png.tobytes())
        document.images.append(gltf.Image(bufferView=len(document.bufferViews) - 1, mimeType="image/png"))
        document.textures.append(gltf.Texture(source=len(document.images) - 1))
        return len(document.textures) - 1

    vertex, index = gltf.ARRAY_BUFFER, gltf.ELEMENT_ARRAY_BUFFER
    attributes = gltf.Attributes(
        POSITION=add(file.vertices, "VEC3", gltf.FLOAT, vertex, bounds=True),
        NORMAL=add(file.normals, "VEC3", gltf.FLOAT, vertex),
        TEXCOORD_0=add(file.uv, "VEC2", gltf.FLOAT, vertex),
        JOINTS_0=add(file.joints, "VEC4", gltf.UNSIGNED_BYTE, vertex),
        WEIGHTS_0=add(file.weights, "VEC4", gltf.FLOAT, vertex),
    )
    material = gltf.Material(name="fabric", doubleSided=True)
    if file.detail_uv is not None and file.normal_map is not None and file.occlusion_map is not None:
        attributes.TEXCOORD_1 = add(file.detail_uv, "VEC2", gltf.FLOAT, vertex)
        material.normalTexture = gltf.NormalMaterialTexture(index=0, texCoord=1)
        material.occlusionTexture = gltf.OcclusionTextureInfo(index=1, texCoord=1)
        for picture in (file.normal_map[..., ::-1], file.occlusion_map):
            add_picture(picture)
    if cloth is not None:
        # Texture coordinates are metres, v up; glTF's count repeats, v down.
        scale = [1.0 / cloth.repeat_m[0], -1.0 / cloth.repeat_m[1]]
        texture = gltf.TextureInfo(
            index=add_picture(cloth.albedo[..., ::-1]),
            extensions={_TRANSFORM: {"scale": scale}},
        )
        material.pbrMetallicRoughness = gltf.PbrMetallicRoughness(
            baseColorTexture=texture, metallicFactor=0.0, roughnessFactor=0.9
        )
        document.extensionsUsed = [_TRANSFORM]
    targets = [
        {"POSITION": add(delta, "VEC3", gltf.FLOAT, vertex, bounds=True)} for delta in file.targets.values()
    ]
    primitive = gltf.Primitive(
        attributes=attributes,
        indices=add(file.faces.astype(np.uint32).ravel(), "SCALAR", gltf.UNSIGNED_INT, index),
        material=0,
        targets=targets,
    )
    document.meshes = [
        gltf.Mesh(name=name, primitives=[primitive], extras={"targetNames": list(file.targets)})
    ]
    document.materials = [material]
    inverse = np.tile(np.eye(4, dtype=np.float32), (len(joints), 1, 1))
    inverse[:, 3, :3] = -joints  # column-major: the translation lies in the last row
    document.skins = [
        gltf.Skin(
            joints=list(range(1, len(joints) + 1)),
            inverseBindMatrices=add(inverse.reshape(-1, 16), "MAT4", gltf.FLOAT, None),
            skeleton=1,
        )
    ]
    document.nodes = [gltf.Node(name=name, mesh=0, skin=0)]
    for bone, joint, parent in zip(file.bones, joints, parents, strict=True):
        offset = joint - (joints[parent] if parent >= 0 else 0)
        document.nodes.append(gltf.Node(name=bone, translation=offset.tolist(), children=[]))
    for child, parent in enumerate(parents):
        if parent >= 0:
            document.nodes[parent + 1].children.append(child + 1)
    document.scenes, document.scene = [gltf.Scene(nodes=[0, 1])], 0
    document.buffers = [gltf.Buffer(byteLength=len(blob))]
    document.set_binary_blob(bytes(blob))
    path.write_bytes(b"".join(document.save_to_bytes()))


def describe(path: Path) -> dict[str, Any]:
    """The glb's JSON, for looking at a file by hand."""
    data = path.read_bytes()
    _check_container(path, data)
    (length,) = struct.unpack_from("<I", data, 12)
    out: dict[str, Any] = json.loads(data[20 : 20 + length])
    return out
