from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from safetensors import safe_open

from inference.body.kinematics import exp_so3
from inference.body.model import BONES, BodyModel
from mirror.cli.app import main
from mirror.errors import MirrorError
from render.garments.garment import load_garment
from tests.workshop.tailor.alike.conftest import HEIGHT, RADIUS, Tube
from workshop.tailor.alike.augment import at_rest, draw_setting, dress, rest
from workshop.tailor.alike.features import CHANNELS, VIEWS, Placement, Tailor, sheet

pytestmark = pytest.mark.slow


C = {name: k for k, name in enumerate(CHANNELS)}


def test_geometry_image_of_a_tube(body: BodyModel) -> None:
    """Each pixel of the flat cloth knows where on the body it is worn."""
    found = Tailor(Tube(), body).features()
    picture = found.geometry
    cloth = picture[C["cloth"]] > 0
    wide = 2 * np.pi * RADIUS
    assert cloth.sum() * found.geometry_m**2 == pytest.approx(wide * HEIGHT, rel=0.05)
    rows, columns = np.nonzero(cloth)
    middle = (rows.min() + rows.max()) // 2
    at = picture[:, middle, columns.min() : columns.max() + 1]
    turn = 2 * np.pi * (np.arange(at.shape[1]) + 0.5) / at.shape[1]
    assert at[C["x"]] == pytest.approx(RADIUS * np.sin(turn), abs=0.02)
    assert at[C["z"]] == pytest.approx(RADIUS * np.cos(turn), abs=0.02)
    assert at[C["y"]] == pytest.approx(1, abs=0.02)
    assert at[C["nx"]] == pytest.approx(np.sin(turn), abs=0.1)
    assert at[C["bend_most"]] == pytest.approx(1 / RADIUS, rel=0.03)
    assert at[C["seam"]] == pytest.approx(
        np.minimum(RADIUS * np.minimum(turn, 2 * np.pi - turn), 0.5), abs=0.02
    )
    assert set(at[C["panel"]]) == {1}
    assert (picture[:, ~cloth] == 0).all()
    top = picture[C["y"], rows.min(), columns[rows == rows.min()]]
    assert top == pytest.approx(1 + HEIGHT / 2, abs=0.03)


def test_views_of_a_tube(body: BodyModel) -> None:
    """From the front one sees the front: its left on the right hand, nearest cloth first."""
    found = Tailor(Tube(), body).features()
    front, left, back = (found.views[k] for k in range(3))
    assert list(VIEWS) == ["front", "left", "back"]
    row = front[:, 24, front[0, 24] > 0]
    assert row.shape[1] * found.view_m == pytest.approx(2 * RADIUS, abs=2 * found.view_m)
    assert (np.diff(row[C["x"]]) > 0).all()
    assert (row[C["z"]] >= -0.01).all()
    assert front[C["y"], 10, 24] > front[C["y"], 40, 24]
    assert (np.diff(left[C["z"], 24, left[0, 24] > 0]) < 0).all()
    assert left[C["nx"], 24, 24] == pytest.approx(1, abs=0.02)
    assert (np.diff(back[C["x"], 24, back[0, 24] > 0]) < 0).all()


def test_a_larger_size_is_larger_cloth(body: BodyModel) -> None:
    """A size up: worn wider, and its flat panels graded with it."""
    tailor = Tailor(Tube(), body)
    base = at_rest("M", body)
    medium, large = (tailor.features(replace(base, size=s)) for s in ("M", "L"))
    assert medium.geometry[C["x"]].max() == pytest.approx(RADIUS, rel=0.02)
    assert large.geometry[C["x"]].max() == pytest.approx(1.1 * RADIUS, rel=0.02)
    assert large.geometry_m / medium.geometry_m == pytest.approx(np.sqrt(1.1), rel=0.001)
    assert large.geometry[C["bend_most"], 32, 32] == pytest.approx(1 / (1.1 * RADIUS), rel=0.03)


def test_placement_moves_the_panels_only(body: BodyModel) -> None:
    """Where a panel lies in its picture says nothing; what is in it must stay the same."""
    tailor = Tailor(Tube(), body)
    plain, moved = tailor.features(), tailor.features(placement=Placement(0.8, (0.0, 1.0)))
    assert moved.geometry[0].sum() == pytest.approx(0.64 * plain.geometry[0].sum(), rel=0.06)
    rows, columns = np.nonzero(moved.geometry[0])
    assert columns.min() <= 1
    assert rows.max() >= 40
    assert np.array_equal(plain.views, moved.views)
    assert moved.geometry_m == pytest.approx(plain.geometry_m / 0.8)


def test_dressing_is_the_body_models_skinning(body: BodyModel) -> None:
    """A pose in training must be the pose that the mirror would show."""
    model = body

    class Skin:
        vertices, faces = model.vertices, model.faces
        joints, weights = model.skin_indices, model.skin_weights
        shape_targets = model.shape_basis
        uv, sizes = model.vertices[:, :2], ("M",)

        def shaped(self, shape: np.ndarray | None = None, size: str = "M") -> tuple[np.ndarray, np.ndarray]:
            return model.shaped(shape)[0], model.vertices

    setting = draw_setting(("M",), model, np.random.default_rng(2))
    assert np.abs(setting.turns[BONES.index("left_upper_arm")]).max() > 0.01
    matrices = model.pose(exp_so3(setting.turns), model.shaped_joints(setting.shape))
    wanted = model.skinned(model.shaped(setting.shape)[0], matrices)
    assert dress(Skin(), setting, model) == pytest.approx(wanted, abs=1e-4)


def test_settings_are_drawn_alike_from_a_seed(body: BodyModel) -> None:
    """The data must come out the same on every machine, and differ from instance to instance."""
    first, again, other = (
        draw_setting(("S", "M", "L"), body, np.random.default_rng(seed)) for seed in (7, 7, 8)
    )
    assert first.size == again.size
    assert np.array_equal(first.turns, again.turns)
    assert not np.array_equal(first.turns, other.turns)
    assert np.abs(other.shape).max() <= 2
    sizes = {draw_setting(("S", "M", "L"), body, np.random.default_rng(s)).size for s in range(20)}
    assert sizes == {"S", "M", "L"}


def test_arms_and_knees_bend_the_right_way(body: BodyModel) -> None:
    """A knee bent forwards would teach the encoder of no person: feet go back, hands come up."""
    garment = load_garment("trousers")
    turns = np.zeros((len(BONES), 3))
    turns[BONES.index("left_shin")] = np.deg2rad((40, 0, 0))
    bent = dress(garment, replace(at_rest("M", body), turns=turns), body)
    moved = bent - garment.vertices
    hem = garment.anchors["left_hem"]
    assert moved[hem, 2] < -0.05
    assert moved[garment.anchors["right_hem"]] == pytest.approx(0, abs=1e-4)
    sleeves = load_garment("long_sleeve")
    turns = np.zeros((len(BONES), 3))
    turns[BONES.index("right_forearm")] = np.deg2rad((-60, 0, 0))
    bent = dress(sleeves, replace(at_rest("M", body), turns=turns), body)
    assert (bent - sleeves.vertices)[sleeves.anchors["right_cuff"], 1] > 0.1


def test_garment_of_another_body(body: BodyModel) -> None:
    """A garment whose shape targets are another body model's fits the mean body, and no other."""
    tube, mean = Tube(components=4), at_rest("M", body)
    assert np.array_equal(rest(tube, mean), tube.vertices)
    with pytest.raises(MirrorError, match="4 shape targets, the body 10"):
        rest(tube, replace(mean, shape=np.ones(10, np.float32)))


def test_texture_coordinates_without_area(body: BodyModel) -> None:
    """An imported mesh may have none to speak of: said in a line, not a division by zero."""
    tube = Tube()
    object.__setattr__(tube, "uv", np.zeros_like(tube.uv))
    with pytest.raises(MirrorError, match="cover no area"):
        Tailor(tube, body)


@pytest.mark.parametrize("name", ["tshirt", "dress"])
def test_real_garment_needs_no_pictures_of_its_folds(name: str, body: BodyModel) -> None:
    """Panels are laid out anew: a garment without an atlas of its own gives the same features."""
    garment = load_garment(name)
    bare = replace(garment, detail=None, detail_uv=None)
    whole, without = Tailor(garment, body).features(), Tailor(bare, body).features()
    assert np.array_equal(whole.geometry, without.geometry)
    assert np.isfinite(whole.geometry).all()
    assert np.isfinite(whole.views).all()
    assert whole.geometry[C["panel"]].max() == {"tshirt": 4, "dress": 2}[name]
    assert 0.15 < (whole.geometry[0] > 0).mean() < 1
    assert sheet(whole).ndim == 3


def test_command_writes_channels_and_sheet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a person looks at, and what a program reads with its units."""
    line = ["garment", "features", "skirt", "--out", str(tmp_path / "new"), "--side", "64", "--size", "L"]
    assert main([*line, "--seed", "3"]) == 0
    data, picture = (Path(p) for p in capsys.readouterr().out.split())
    with safe_open(str(data), framework="numpy") as held:
        facts, geometry = held.metadata(), held.get_tensor("geometry")
        assert held.get_tensor("views").shape == (3, 11, 64, 64)
    assert geometry.shape == (11, 64, 64)
    assert json.loads(facts["channels"]) == list(CHANNELS)
    assert facts["size"] == "L"
    assert 0.005 < json.loads(facts["metres_per_pixel"])["geometry"] < 0.05
    shown = cv2.imread(str(picture))
    assert shown is not None
    assert shown.shape[1] > 6 * 256
    assert shown.std() > 20


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["skirt", "--size", "XXXL"], "has no size 'XXXL'"),
        (["skirt", "--side", "4"], "--side: 16 to 2048"),
        (["kimono"], "no garment 'kimono'"),
    ],
)
def test_command_refuses_in_a_line(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A typing mistake is told, not traced back."""
    assert main(["garment", "features", *words, "--out", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_output_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file where the folder should be: one line, exit code 1."""
    (tmp_path / "file").write_text("")
    assert main(["garment", "features", "skirt", "--out", str(tmp_path / "file")]) == 1
    assert "cannot be written" in capsys.readouterr().err
