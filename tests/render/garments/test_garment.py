"""Garments: the wardrobe that comes with the mirror, and what a broken folder says."""

from __future__ import annotations

import dataclasses
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from inference.body.model import BONES, PARENTS, BodyModel
from inference.body.surface import vertex_normals
from mirror.errors import MirrorError
from mirror.wardrobe import PACKAGED
from render.garments import glb
from render.garments.fabric import load_fabric
from render.garments.garment import Garment, list_garments, load_garment

NAMES = ["dress", "long_sleeve", "shorts", "skirt", "tank_top", "trousers", "tshirt"]
TOPS = ["long_sleeve", "tank_top", "tshirt"]


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return BodyModel.load()


@pytest.fixture(scope="module", params=NAMES)
def garment(request: pytest.FixtureRequest) -> Garment:
    return load_garment(request.param)


def _shapes(body: BodyModel, count: int = 3) -> list[np.ndarray]:
    """The mean body and some people, drawn as the model was made: unit deviations."""
    rng = np.random.default_rng(5)
    return [np.zeros(body.components), *rng.normal(0, 0.9, (count, body.components))]


def _heights(points: np.ndarray, surface: np.ndarray, normals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(height over a surface's nearest vertices, distance to the nearest) of points."""
    distance, index = cKDTree(surface).query(points, k=3)
    weight = 1 / (distance + 1e-3)
    weight /= weight.sum(1, keepdims=True)
    near, out = ((a[index] * weight[..., None]).sum(1) for a in (surface, normals))
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    return ((points - near) * out).sum(1), distance[:, 0]


def test_wardrobe_is_complete() -> None:
    """The seven first garments are listed with what a program needs to choose."""
    listed = {g["name"]: g for g in list_garments()}
    assert sorted(listed) == NAMES
    for name, facts in listed.items():
        assert facts["kind"] == name
        assert facts["sizes"] == ["XS", "S", "M", "L", "XL"]
        assert Path(facts["path"], "garment.glb").is_file()


def test_arrays_are_sound(garment: Garment, body: BodyModel) -> None:
    """What the renderer uploads: lengths, unit normals, weights, positive texture area."""
    count = len(garment.vertices)
    assert 1500 < count < 8000
    assert garment.shape_targets.shape == (body.components, count, 3)
    np.testing.assert_allclose(garment.weights.sum(1), 1, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(garment.normals, axis=1), 1, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(garment.tangents[:, :3], axis=1), 1, atol=1e-3)
    assert load_fabric(garment.default_fabric).albedo.size


def test_seams_are_watertight(garment: Garment) -> None:
    """Vertices that meet at a seam must move as one, or the seam opens when the wearer does."""
    _, group, counts = np.unique(garment.vertices.round(6), axis=0, return_inverse=True, return_counts=True)
    group = group.reshape(-1)
    order = np.argsort(group, kind="stable")
    first = order[np.unique(group[order], return_index=True)[1]][group]
    assert counts.max() > 1  # there are seams
    np.testing.assert_allclose(garment.normals, garment.normals[first], atol=1e-4)
    np.testing.assert_allclose(garment.shape_targets, garment.shape_targets[:, first], atol=1e-5)
    np.testing.assert_allclose(garment.size_target, garment.size_target[first], atol=1e-5)
    dense = np.zeros((len(group), len(BONES)))
    np.add.at(dense, (np.arange(len(dense))[:, None], garment.joints), garment.weights)
    np.testing.assert_allclose(dense, dense[first], atol=1e-5)


def test_no_bone_moves_cloth_that_it_should_not(garment: Garment) -> None:
    """A nod must not pull a shirt along, nor a finger a cuff."""
    dense = np.zeros((len(garment.vertices), len(BONES)))
    np.add.at(dense, (np.arange(len(dense))[:, None], garment.joints), garment.weights)
    for bone in (
        "head",
        *(f"{s}_{b}" for s in ("left", "right") for b in ("hand", "fingers", "thumb", "toes")),
    ):
        assert dense[:, BONES.index(bone)].max() < 0.02, bone
    for side, sign in (("left", 1), ("right", -1)):
        arm = dense[
            :, [BONES.index(f"{side}_{b}") for b in ("forearm", "forearm_twist", "upper_arm_twist")]
        ].sum(1)
        assert (sign * garment.vertices[arm > 0.3, 0] > 0.1).all()


def test_cloth_lies_outside_the_body(garment: Garment, body: BodyModel) -> None:
    """Skin that pokes through cloth makes holes in the picture, on every body."""
    for shape in _shapes(body):
        cloth, _ = garment.shaped(shape)
        skin, _ = body.shaped(shape)
        height, distance = _heights(cloth, skin, vertex_normals(skin, body.faces))
        near = distance < 0.05
        assert (height[near] < 0).mean() < 0.02
        assert height[near].min() > -0.006


def test_cloth_is_not_body_paint(garment: Garment, body: BodyModel) -> None:
    """There is room for the wearer: half of the cloth stands off by a finger's breadth or so."""
    height, _ = _heights(garment.vertices, body.vertices, vertex_normals(body.vertices, body.faces))
    assert np.percentile(height, 50) > 0.010


@pytest.mark.parametrize("top", TOPS)
@pytest.mark.parametrize("bottom", ["trousers", "shorts", "skirt"])
def test_top_hangs_over_the_waistband(top: str, bottom: str, body: BodyModel) -> None:
    """No gap between top and bottom, and the top outside, on every body."""
    upper, lower = load_garment(top), load_garment(bottom)
    assert upper.layer > lower.layer
    for shape in _shapes(body):
        over, over_normals = upper.shaped(shape)
        under, _ = lower.shaped(shape)
        hem = over[[upper.anchors["left_hem"], upper.anchors["right_hem"]], 1].mean()
        assert under[:, 1].max() > hem + 0.08
        covered = under[under[:, 1] > hem + 0.015]
        # The turned-in strip faces the body: only the cloth's outside counts.
        outside = ((over_normals * over)[:, [0, 2]]).sum(1) > 0
        height, distance = _heights(covered, over[outside], over_normals[outside])
        assert (height[distance < 0.06] > 0).mean() < 0.01


def test_anchors_are_where_their_names_say(garment: Garment, body: BodyModel) -> None:
    """The report's points are drawn from these; left is the wearer's left."""
    at = {name: garment.vertices[i] for name, i in garment.anchors.items()}
    joint = {b: body.joints[i] for i, b in enumerate(BONES)}
    for name, point in at.items():
        if name != "collar":
            assert (point[0] > 0.03) == name.startswith("left"), name
    if garment.slot != "bottom":
        assert abs(at["collar"][0]) < 0.02
        assert at["collar"][2] > 0.05
        assert joint["left_upper_arm"][1] - 0.05 < at["collar"][1] < joint["neck"][1]
        assert np.linalg.norm(at["left_shoulder"] - joint["left_upper_arm"]) < 0.11
        assert at["left_shoulder"][1] > joint["left_upper_arm"][1]
    if garment.kind.name == "long_sleeve":
        assert np.linalg.norm(at["left_cuff"] - joint["left_hand"]) < 0.07
    if garment.kind.name == "trousers":
        assert np.linalg.norm(at["left_hem"] - joint["left_foot"]) < 0.12


def test_sizes_grow(garment: Garment, body: BodyModel) -> None:
    """L must be larger than S, and by what a label says."""
    small, large = (garment.measurements[s] for s in ("S", "L"))
    girth = "hip" if "hip" in small else "hem"
    assert 3 < large[girth] - small[girth] < 12
    assert np.ptp(garment.shaped(None, "XL")[0][:, 0]) > np.ptp(garment.shaped(None, "XS")[0][:, 0]) + 0.01
    assert garment.size_steps("M") == 0
    with pytest.raises(MirrorError, match="no size 'XXL'; it comes in XS"):
        garment.size_steps("XXL")
    with pytest.raises(ValueError, match="takes"):
        garment.shaped(np.zeros(body.components + 1))


def test_fabric_repeats_at_true_scale(garment: Garment) -> None:
    """A metre of fabric on the pattern is a metre on the body, and the grain runs down."""
    a, b, c = (garment.vertices[garment.faces[:, i]].astype(np.float64) for i in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
    ua, ub, uc = (garment.uv[garment.faces[:, i]].astype(np.float64) for i in range(3))
    along, down = ub - ua, uc - ua
    flat = (along[:, 0] * down[:, 1] - along[:, 1] * down[:, 0]) / 2
    assert flat.sum() == pytest.approx(area.sum(), rel=0.05)
    good = area > 1e-6
    assert (flat[good] > 0).mean() > 0.97  # not mirrored: letters on the cloth can be read
    trunk = good & (np.abs(a[:, 0]) < 0.1) & (garment.normals[garment.faces[:, 0], 2] > 0.8)
    edge, rise = (ub - ua)[trunk], (b - a)[trunk, 1]
    assert np.polyfit(edge[:, 1], rise, 1)[0] > 0.85


# Broken folders.


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    folder = tmp_path / "mine" / "garments" / "copy"
    shutil.copytree(PACKAGED / "garments" / "skirt", folder)
    return folder


def _page(folder: Path, old: str, new: str) -> None:
    page = folder / "garment.toml"
    text = page.read_text()
    assert old in text
    page.write_text(text.replace(old, new))


def _file(folder: Path, **changes: object) -> None:
    """The folder's glb with some arrays changed."""
    body = BodyModel.load()
    file = dataclasses.replace(glb.read(folder / "garment.glb"), **changes)  # type: ignore[arg-type]
    joints, parents = body.joints, list(PARENTS)
    if len(file.bones) < len(BONES):
        joints, parents = joints[: len(file.bones)], parents[: len(file.bones)]
    glb.write(folder / "garment.glb", "skirt", file, joints, parents)


def _cut_short(folder: Path) -> None:
    path = folder / "garment.glb"
    path.write_bytes(path.read_bytes()[:-5000])


def _lie_about_length(folder: Path) -> None:
    path = folder / "garment.glb"
    data = bytearray(path.read_bytes()[:-5000])
    struct.pack_into("<I", data, 8, len(data))
    path.write_bytes(data)


def _not_a_number(folder: Path) -> None:
    normals = glb.read(folder / "garment.glb").normals.copy()
    normals[7] = np.nan
    _file(folder, normals=normals)


def _heavy(folder: Path) -> None:
    _file(folder, weights=glb.read(folder / "garment.glb").weights * 2)


def _one_target_less(folder: Path) -> None:
    targets = glb.read(folder / "garment.glb").targets
    _file(folder, targets={n: t for n, t in targets.items() if n != "size"})


def _other_bone(folder: Path) -> None:
    _file(folder, bones=(*BONES[:-1], "tail"))


def _fewer_bones(folder: Path) -> None:
    _file(folder, bones=BONES[:-1])


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (lambda f: (f / "garment.toml").unlink(), "garment.toml: cannot be read"),
        (lambda f: _page(f, "layer = 1", "layer = "), "garment.toml: not valid TOML"),
        (lambda f: _page(f, "layer = 1", "layer = 1\nlayers = 2"), "unknown field `layers`"),
        (lambda f: _page(f, 'author = "', 'writer = "'), "garment.toml"),
        (lambda f: _page(f, 'kind = "skirt"', 'kind = "cape"'), "cape"),
        (lambda f: _page(f, "left_hem", "left_hen"), "[anchors] lacks left_hem"),
        (lambda f: _page(f, "left_hem = ", "left_hem = 99"), "but the glb has"),
        (lambda f: _page(f, '"XS", "S"', '"XS", "XS"'), "each once"),
        (lambda f: (f / "garment.glb").unlink(), "garment.glb: cannot be read"),
        (lambda f: (f / "garment.glb").write_bytes(b""), "not a glTF binary"),
        (_cut_short, "truncated"),
        (_lie_about_length, "garment.glb"),
        (_not_a_number, "NORMAL holds values that are not numbers"),
        (_heavy, "do not sum to 1"),
        (_one_target_less, "morph targets must be shape0"),
        (_other_bone, "bones that the body lacks: tail"),
        (_fewer_bones, "skin lacks the bones right_toes"),
    ],
)
def test_broken_folders_are_explained(copy: Path, damage: Callable[[Path], None], line: str) -> None:
    """One line that names the file and what is wrong with it."""
    damage(copy)
    with pytest.raises(MirrorError) as caught:
        load_garment(copy)
    assert line in str(caught.value)
    assert str(copy) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_garment_lists_what_there_is() -> None:
    """A typo must be answered with the names to choose from."""
    with pytest.raises(MirrorError, match="no garment 'tee'; there are: dress, long_sleeve"):
        load_garment("tee")


def test_own_wardrobe_comes_first(copy: Path) -> None:
    """A shop's skirt replaces ours, and is found by name."""
    copy.rename(copy.with_name("skirt"))
    root = copy.parents[1]
    assert load_garment("skirt", [root]).path.parent.parent == root
    assert {g["name"] for g in list_garments([root])} == set(NAMES)


def test_written_file_reads_back(copy: Path) -> None:
    """The cutter's writer and the loader must agree on every array."""
    before = glb.read(copy / "garment.glb")
    _file(copy)
    after = glb.read(copy / "garment.glb")
    for field in dataclasses.fields(before):
        a, b = getattr(before, field.name), getattr(after, field.name)
        if isinstance(a, dict):
            assert list(a) == list(b)
            assert all(np.array_equal(a[k], b[k]) for k in a)
        else:
            assert np.array_equal(a, b)
