"""Garments made elsewhere: they hang, move and wear fabric like our own, or one line says why not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray

from inference.body.kinematics import Skeleton, exp_so3
from inference.body.model import BONES, BodyModel
from inference.body.skinning import dense_weights, skin_points
from mirror.errors import MirrorError
from mirror.wardrobe import PACKAGED
from render.garments.garment import Garment, list_garments, load_garment
from workshop.tailor.garment_import import import_folder, import_mesh
from workshop.tailor.panels import stretch

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tshirt() -> Garment:
    return load_garment("tshirt")


@pytest.fixture(scope="module")
def likes(tshirt: Garment) -> list[Garment]:
    return [tshirt, load_garment("trousers"), load_garment("dress")]


def made_elsewhere(garment: Garment, path: Path, *, scale: float = 1.0, inside_out: bool = False) -> Path:
    """The garment as another program has it: shuffled, one texture sheet, vertices of its own."""
    rng = np.random.default_rng(3)
    order = rng.permutation(len(garment.vertices))
    back = np.argsort(order)
    faces = back[garment.faces][rng.permutation(len(garment.faces))]
    uv = garment.uv[order]
    uv = (uv - uv.min(0)) / np.ptp(uv, axis=0).max()
    mesh = trimesh.Trimesh(
        garment.vertices[order] * scale,
        faces[:, ::-1] if inside_out else faces,
        visual=trimesh.visual.TextureVisuals(uv=uv),
        process=False,
    )
    mesh.export(path)
    return path


def bent_arms(body: BodyModel) -> NDArray[np.float32]:
    """Skinning matrices (J, 3, 4) of someone who lifts both arms and one knee."""
    skeleton = Skeleton(body.parents)
    local = np.tile(np.eye(3), (len(BONES), 1, 1))
    for bone, turn in (
        ("left_upper_arm", (0, 0, 0.7)),
        ("right_upper_arm", (0.4, 0, -0.7)),
        ("left_forearm", (-1.0, 0, 0)),
        ("left_thigh", (-0.8, 0, 0)),
        ("spine1", (0.2, 0.3, 0)),
    ):
        local[BONES.index(bone)] = exp_so3(np.array(turn, np.float64))
    joints = body.joints.astype(np.float64)
    pose = skeleton.forward(local, np.zeros(3), joints)
    offset = pose.origin - np.einsum("jik,jk->ji", pose.world, joints)
    return np.concatenate([pose.world, offset[:, :, None]], axis=2).astype(np.float32)


def posed(garment: Garment, skin: NDArray[np.float32]) -> NDArray[np.float32]:
    return skin_points(garment.vertices, dense_weights(garment.joints, garment.weights, len(BONES)), skin)


@pytest.mark.parametrize(
    ("file", "unit", "scale", "inside_out"),
    [("shirt.obj", "cm", 100.0, False), ("shirt.glb", "m", 1.0, True)],
)
def test_an_imported_shirt_moves_like_the_one_it_was_made_from(
    tmp_path: Path,
    tshirt: Garment,
    likes: list[Garment],
    file: str,
    unit: str,
    scale: float,
    inside_out: bool,
) -> None:
    """Cloth that stays behind when an arm is lifted, or swells with no body in it, cannot be sold."""
    source = made_elsewhere(tshirt, tmp_path / file, scale=scale, inside_out=inside_out)
    facts = import_mesh(source, "shirt", tmp_path / "garments", likes, unit=unit)
    assert (facts["like"], facts["kind"]) == ("tshirt", "tshirt")
    shirt = load_garment("shirt", [tmp_path])
    near = np.linalg.norm(shirt.vertices[:, None] - tshirt.vertices[None], axis=2)
    index = near.argmin(1)
    assert np.median(near.min(1)) < 0.002
    skin = bent_arms(BodyModel.load())
    off = np.linalg.norm(posed(shirt, skin) - posed(tshirt, skin)[index], axis=1)
    assert np.median(off) < 0.004
    assert np.percentile(off, 95) < 0.015
    for ours, theirs in zip(shirt.shape_targets, tshirt.shape_targets, strict=True):
        assert np.abs(ours - theirs[index]).mean() < 0.15 * np.abs(theirs).mean() + 0.0005
    # Outwards is outwards, whichever way the file had it.
    assert (shirt.normals * tshirt.normals[index]).sum(1).mean() > 0.9
    for name, vertex in shirt.anchors.items():
        assert np.linalg.norm(shirt.vertices[vertex] - tshirt.vertices[tshirt.anchors[name]]) < 0.04, name
    for size, row in shirt.measurements.items():
        for measure, value in row.items():
            assert value == pytest.approx(tshirt.measurements[size][measure], rel=0.05), (size, measure)


def test_fabric_lies_in_true_scale_and_upright(tmp_path: Path, tshirt: Garment, likes: list[Garment]) -> None:
    """A texture sheet is 0..1: left so, a tartan's check would be a metre wide, or upside down."""
    source = made_elsewhere(tshirt, tmp_path / "shirt.obj")
    import_mesh(source, "shirt", tmp_path / "garments", likes)
    shirt = load_garment("shirt", [tmp_path])
    points, uv = shirt.vertices.astype(np.float64), shirt.uv.astype(np.float64)
    assert np.median(stretch(points, shirt.faces.astype(np.int64), uv)) < 0.1
    # Slopes of v up the front and of u across it, beside those of the panels it was made from.
    ours, theirs = (
        np.linalg.lstsq(np.c_[garment.vertices[front], np.ones(front.sum())], garment.uv[front], rcond=None)[
            0
        ]
        for garment in (shirt, tshirt)
        for front in [(garment.vertices[:, 2] > 0.08) & (np.abs(garment.vertices[:, 0]) < 0.1)]
    )
    assert theirs[1, 1] > 0.7
    assert theirs[0, 0] > 0.7
    np.testing.assert_allclose(ours[:2], theirs[:2], atol=0.1)


def test_a_longer_sleeve_than_any_follows_the_arm(
    tmp_path: Path, tshirt: Garment, likes: list[Garment]
) -> None:
    """Beyond the hem of what it is like, cloth must hang on the body and not on that hem."""
    long = load_garment("long_sleeve")
    source = made_elsewhere(long, tmp_path / "long.obj")
    import_mesh(source, "long", tmp_path / "garments", [tshirt])
    made = load_garment("long", [tmp_path])
    index = np.linalg.norm(made.vertices[:, None] - long.vertices[None], axis=2).argmin(1)
    skin = bent_arms(BodyModel.load())
    off = np.linalg.norm(posed(made, skin) - posed(long, skin)[index], axis=1)
    assert np.percentile(off, 95) < 0.03
    dense = dense_weights(made.joints, made.weights, len(BONES))
    assert dense[:, [BONES.index(b) for b in ("head", "left_fingers", "right_hand")]].max() < 0.02


def test_a_mesh_that_cannot_be_worn_is_explained(
    tmp_path: Path, tshirt: Garment, likes: list[Garment]
) -> None:
    """A merchandiser must learn what to change; the wardrobe must stay as it was."""
    good = made_elsewhere(tshirt, tmp_path / "good.glb")
    whole = good.read_bytes()
    bare = tmp_path / "bare.ply"
    trimesh.Trimesh(tshirt.vertices, tshirt.faces, process=False).export(bare)
    cut = tmp_path / "cut.glb"
    cut.write_bytes(whole[: len(whole) // 2])
    empty = tmp_path / "empty.obj"
    empty.write_text("# nothing\n")
    ball = trimesh.creation.icosphere(subdivisions=4, radius=0.25)
    ball.apply_translation([0.0, 1.2, 0.0])
    ball.visual = trimesh.visual.TextureVisuals(uv=ball.vertices[:, :2])
    ball.export(tmp_path / "ball.obj")
    flat = trimesh.Trimesh(tshirt.vertices, tshirt.faces, process=False)
    flat.visual = trimesh.visual.TextureVisuals(uv=np.zeros((len(flat.vertices), 2)))
    flat.export(tmp_path / "flat.obj")
    dense = trimesh.creation.icosphere(subdivisions=6)
    dense.visual = trimesh.visual.TextureVisuals(uv=dense.vertices[:, :2])
    dense.export(tmp_path / "dense.obj")
    (tmp_path / "note.txt").write_text("hello")
    garments = tmp_path / "garments"
    for file, unit, name, line in (
        ("good.glb", "cm", "shirt", "another unit"),
        ("bare.ply", "m", "shirt", "no texture coordinates"),
        ("cut.glb", "m", "shirt", "damaged, or not a mesh"),
        ("empty.obj", "m", "shirt", "no mesh|not a mesh"),
        ("flat.obj", "m", "shirt", "coincide"),
        ("ball.obj", "m", "shirt", "open edges"),
        ("dense.obj", "m", "shirt", "thin it"),
        ("note.txt", "m", "shirt", "not a mesh that can be read"),
        ("missing.glb", "m", "shirt", "cannot be read"),
        ("good.glb", "m", "../shirt", "name"),
    ):
        with pytest.raises(MirrorError, match=line) as caught:
            import_mesh(tmp_path / file, name, garments, likes, unit=unit)
        assert "\n" not in str(caught.value), file
    assert not garments.exists() or not list(garments.iterdir())


def test_a_folder_is_checked_before_it_is_copied(tmp_path: Path) -> None:
    """A garment that another shop sends must not break the wardrobe of this one."""
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "garment.toml").write_bytes((PACKAGED / "garments" / "tshirt" / "garment.toml").read_bytes())
    (broken / "garment.glb").write_bytes(b"glTF")
    garments = tmp_path / "garments"
    with pytest.raises(MirrorError, match="not a glTF binary"):
        import_folder(broken, "broken", garments)
    assert not garments.exists()
    import_folder(PACKAGED / "garments" / "tshirt", "tee", garments)
    assert "tee" in [row["name"] for row in list_garments([tmp_path])]
    with pytest.raises(MirrorError, match="something already"):
        import_folder(PACKAGED / "garments" / "tshirt", "tee", garments)
