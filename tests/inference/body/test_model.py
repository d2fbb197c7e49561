"""The baked body: its arrays, its axes and how it bends."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inference.body.landmarks import Landmark
from inference.body.model import BONES, PARENTS, REGIONS, BodyModel
from inference.body.surface import vertex_normals
from mirror.errors import MirrorError

NAMES = [mark.label for mark in Landmark]


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return BodyModel.load()


def _rotation(axis: tuple[float, float, float], degrees: float) -> np.ndarray:
    x, y, z = np.array(axis) / np.linalg.norm(axis)
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(degrees)
    turned: np.ndarray = np.eye(3) + np.sin(angle) * skew + (1 - np.cos(angle)) * skew @ skew
    return turned


def test_file_stays_small_enough_to_ship() -> None:
    """A body file that outgrows its budget slows every clone and start."""
    path = Path(__file__).parents[3] / "inference" / "body" / "data" / "body.safetensors"
    assert path.stat().st_size < 6_000_000


def test_arrays_agree(body: BodyModel) -> None:
    """Renderer and fit index these arrays by each other; one wrong length is a crash or a torn body."""
    count = len(body.vertices)
    assert 4000 < count <= 7000
    assert body.shape_basis.shape == (body.components, count, 3)
    assert body.joints.shape == (len(BONES), 3) == (30, 3)
    assert body.joint_basis.shape == (body.components, 30, 3)
    assert body.mean_landmarks.shape == (33, 3) == (len(Landmark), 3)
    assert body.skin_indices.max() < len(BONES)
    np.testing.assert_allclose(body.skin_weights.sum(1), 1, atol=1e-5)
    assert body.region.max() < len(REGIONS)
    assert set(np.unique(body.region)) == set(range(len(REGIONS)))
    assert tuple(body.parents) == PARENTS
    assert all(p < j for j, p in enumerate(PARENTS))


def test_surface_is_closed_and_faces_outwards(body: BodyModel) -> None:
    """A hole lets cloth behind the body show through; an inside-out face does the same."""
    sides = np.stack([body.faces, np.roll(body.faces, -1, axis=1)], axis=-1).reshape(-1, 2)
    _, counts = np.unique(np.sort(sides, axis=1), axis=0, return_counts=True)
    assert (counts == 2).all()
    a, b, c = (body.vertices[body.faces[:, i]].astype(np.float64) for i in range(3))
    volume = np.einsum("fi,fi->f", a, np.cross(b, c)).sum() / 6
    assert 0.04 < volume < 0.09  # cubic metres: a person, right side out
    normals = vertex_normals(body.vertices, body.faces)
    across = np.cross(b - a, c - a)
    flipped = np.einsum("fi,fi->f", across, normals[body.faces].sum(1)) < 0
    # The slit of the closed mouth folds in on itself; nothing else may.
    assert (body.region[body.faces[flipped]] == REGIONS.index("head")).all()


def test_axes(body: BodyModel) -> None:
    """A mirrored or turned body puts the left sleeve on the right arm."""
    at = {b: body.joints[i] for i, b in enumerate(BONES)}
    mark = {n: body.mean_landmarks[i] for i, n in enumerate(NAMES)}
    assert at["left_hand"][0] > 0.3 > -0.3 > at["right_hand"][0]
    assert mark["left_ear"][0] > 0 > mark["right_ear"][0]
    assert at["head"][1] > at["pelvis"][1] > at["left_foot"][1] > 0
    assert mark["nose"][2] > mark["left_ear"][2] + 0.05
    assert mark["left_foot_index"][2] > mark["left_heel"][2] + 0.1
    assert abs(float(body.vertices[:, 1].min())) < 0.005
    for name in NAMES:
        if name.startswith("left_"):
            twin = mark[name.replace("left_", "right_")]
            np.testing.assert_allclose(mark[name] * [-1, 1, 1], twin, atol=0.004)


def test_landmarks_lie_in_or_on_the_body(body: BodyModel) -> None:
    """A landmark off the body bends the fit towards a pose that nobody has."""
    rng = np.random.default_rng(1)
    for shape in (np.zeros(body.components), rng.normal(0, 1, body.components)):
        vertices, _ = body.shaped(shape)
        gap = np.linalg.norm(body.landmarks(shape)[:, None] - vertices[None], axis=2).min(1)
        assert gap.max() < 0.11, NAMES[int(gap.argmax())]
        face = [i for i, n in enumerate(NAMES) if n.split("_")[-1] in ("nose", "inner", "outer", "mouth")]
        assert gap[face].max() < 0.012


def test_shape_changes_measures_as_a_tailor_would_find(body: BodyModel) -> None:
    """The size advice rests on these: the surface itself must agree with them."""
    for sign in (-1.0, 1.0):
        shape = np.zeros(body.components)
        shape[0] = sign
        vertices, joints = body.shaped(shape)
        measures = body.measures(shape)
        assert measures["height"] == pytest.approx(float(np.ptp(vertices[:, 1])), abs=0.01)
        arm = np.linalg.norm(
            np.diff(joints[[BONES.index(f"left_{b}") for b in ("upper_arm", "forearm", "hand")]], axis=0),
            axis=1,
        )
        assert measures["arm"] == pytest.approx(float(arm.sum()), abs=0.005)
        assert measures["waist"] < measures["chest"]
        assert 0.40 < measures["inseam"] / measures["height"] < 0.52
    assert body.measures()["height"] == pytest.approx(1.65, abs=0.08)


def test_bones_keep_their_rest_directions_in_every_shape(body: BodyModel) -> None:
    """Rest frames are axis-aligned for all: a shape that turned a limb would turn its sleeve."""
    rng = np.random.default_rng(2)
    for bone, tip in (
        ("left_upper_arm", "left_forearm"),
        ("right_forearm", "right_hand"),
        ("left_thigh", "left_shin"),
    ):
        i, k = BONES.index(bone), BONES.index(tip)
        mean = body.joints[k] - body.joints[i]
        joints = body.shaped_joints(rng.normal(0, 1, body.components))
        turned = joints[k] - joints[i]
        cosine = mean @ turned / np.linalg.norm(mean) / np.linalg.norm(turned)
        assert np.degrees(np.arccos(min(1.0, float(cosine)))) < 0.5


def test_rest_pose_moves_nothing(body: BodyModel) -> None:
    """Identity rotations must give the rest body, whatever its shape."""
    shape = np.linspace(-1, 1, body.components)
    vertices, joints = body.shaped(shape)
    matrices = body.pose(np.tile(np.eye(3), (30, 1, 1)), joints)
    np.testing.assert_allclose(body.skinned(vertices, matrices), vertices, atol=1e-5)
    np.testing.assert_allclose(
        body.posed_landmarks(body.landmarks(shape), matrices), body.landmarks(shape), atol=1e-5
    )


def test_bent_elbow_moves_the_forearm_alone(body: BodyModel) -> None:
    """Weights merged onto the wrong bone would drag the chest along with a lifted hand."""
    vertices, joints = body.shaped()
    rotations = np.tile(np.eye(3), (30, 1, 1))
    rotations[BONES.index("left_forearm")] = _rotation((0.3, -1, 0.9), 80)
    matrices = body.pose(rotations, joints)
    moved = np.linalg.norm(body.skinned(vertices, matrices) - vertices, axis=1)
    assert np.median(moved[body.region == REGIONS.index("left_hand")]) > 0.1
    for still in ("torso", "head", "right_hand", "left_thigh"):
        assert moved[body.region == REGIONS.index(still)].max() < 1e-4
    wrist = Landmark.LEFT_WRIST
    hand = body.posed_landmarks(body.landmarks(), matrices)[wrist]
    elbow = joints[BONES.index("left_forearm")]
    reach = np.linalg.norm(joints[BONES.index("left_hand")] - elbow)
    assert np.linalg.norm(hand - elbow) == pytest.approx(float(reach), abs=1e-3)


def test_twist_spreads_along_the_forearm(body: BodyModel) -> None:
    """A twist taken at one place wrings the sleeve like a sweet's wrapper."""
    near, far = (BONES.index(f"left_{b}") for b in ("forearm", "forearm_twist"))
    dense = np.zeros((len(body.vertices), 30))
    np.add.at(dense, (np.arange(len(dense))[:, None], body.skin_indices), body.skin_weights)
    axis = body.joints[BONES.index("left_hand")] - body.joints[near]
    along = (body.vertices - body.joints[near]) @ axis / (axis @ axis)
    share = dense[:, far] / np.maximum(dense[:, near] + dense[:, far], 1e-6)
    limb = (body.region == REGIONS.index("left_forearm")) & (dense[:, near] + dense[:, far] > 0.8)
    middle = share[limb & (np.abs(along - 0.5) < 0.05)]
    assert 0.3 < middle.mean() < 0.7
    assert share[limb & (along < 0.15)].mean() < 0.2
    assert share[limb & (along > 0.85)].mean() > 0.8


def test_wrong_shape_length_is_refused(body: BodyModel) -> None:
    """Coefficients of another bake must not be broadcast into nonsense."""
    with pytest.raises(ValueError, match="shape"):
        body.shaped(np.zeros(body.components + 1))


def test_missing_and_damaged_files_are_explained(tmp_path: Path) -> None:
    """The operator sees one line that names the file, not a traceback."""
    with pytest.raises(MirrorError, match="no body model"):
        BodyModel.load(tmp_path / "none.safetensors")
    broken = tmp_path / "body.safetensors"
    whole = (Path(__file__).parents[3] / "inference" / "body" / "data" / "body.safetensors").read_bytes()
    broken.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MirrorError, match="damaged"):
        BodyModel.load(broken)
