"""Stances, what is kept of a picture, and the trainer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from inference.body.model import BONES, BodyModel
from inference.pose.correction import LandmarkCorrection
from inference.pose.correction_features import COUNT
from mirror.errors import MirrorError
from workshop.synthetic.people.bodies import load_people
from workshop.synthetic.people.stances import Stances
from workshop.train.landmarks import train
from workshop.train.landmarks.dataset import PortraitSet

pytestmark = pytest.mark.slow

MODEL = BodyModel.load()
torch.set_num_threads(1)


def test_stances_stand_on_the_floor_and_are_varied() -> None:
    """The network would learn from people who float, or from one pose only."""
    body = load_people()[0].model
    rng = np.random.default_rng(0)
    stances = Stances(body)
    drawn = [stances.draw(rng) for _ in range(60)]
    soles = [BONES.index(b) for b in BONES if b.endswith(("_foot", "_toes"))]
    for stance in drawn:
        world = stance.world(body)
        low = [world[b, 1] @ [*body.joints[b], 1.0] - body.joints[b, 1] for b in soles]
        assert min(low) == pytest.approx(0.0, abs=1e-6)
        turns = world[:, :, :3]
        np.testing.assert_allclose(
            turns @ np.swapaxes(turns, 1, 2), np.tile(np.eye(3), (len(BONES), 1, 1)), atol=1e-4
        )
    kinds = {word for stance in drawn for word in stance.name.split()}
    assert {"sit", "squat", "walk", "lean"} <= kinds
    assert np.std([stance.yaw for stance in drawn]) > 0.5


def test_what_was_seen_is_kept(tmp_path: Path) -> None:
    """A set that was stopped and goes on would be read back as something else."""
    rng = np.random.default_rng(0)
    looks = PortraitSet(
        person=4,
        landmarks=rng.normal(size=(2, 33, 4)),
        world=rng.normal(size=(2, 33, 3)),
        masks=np.zeros((2, 9, 16), np.uint8),
        skin=np.zeros((2, len(BONES), 3, 4), np.float32),
        joints=MODEL.joints,
        stances=np.array(["sit", "stand"]),
        field_of_view_deg=61.0,
        camera_height_m=1.2,
        size=(1280, 720),
    )
    looks.save(tmp_path / "4-0.npz")
    again = PortraitSet.load(tmp_path / "4-0.npz")
    for name, value in vars(looks).items():
        np.testing.assert_array_equal(getattr(again, name), value)


def test_a_rule_is_learnt_and_runs_alike_without_torch() -> None:
    """The mirror would do something else than what was trained."""
    rng = np.random.default_rng(0)
    values = rng.normal(0.0, 0.3, (600, COUNT))
    picture = np.zeros((600, 12, 2))
    picture[:, 6, 1] = 0.03 + 0.05 * values[:, 200]  # a hip that hangs on the distance alone
    picture[:, 7, 1] = picture[:, 6, 1]
    data = train.Examples(values, picture, np.zeros((600, 12, 3)), np.ones((600, 12)), np.arange(600.0) % 50)
    known = data.person < 40
    weights = train.train(data.take(known), 0, passes=30)
    found = train.figures(data.take(~known), weights)
    assert found["hip_after_cm"] < 0.7 * found["hip_before_cm"]
    net = train.LandmarkNet().eval()
    net.load_state_dict({n: torch.tensor(w) for n, w in weights.items() if "." in n}, strict=False)
    apart = np.clip((values - weights["mean"]) / weights["deviation"], -4, 4)
    flat = net(torch.tensor(apart[:5], dtype=torch.float32))[0].detach().numpy()
    plain = LandmarkCorrection(weights).offsets(values[:5])[0]
    length = np.linalg.norm(flat, axis=-1, keepdims=True) / 0.06
    np.testing.assert_allclose(plain, flat * np.tanh(length) / length, atol=1e-5)


def test_no_pictures_are_said_in_one_line(tmp_path: Path) -> None:
    """A wrong folder would end in a traceback, after the model was loaded."""
    with pytest.raises(MirrorError, match="no pictures"):
        train.examples([tmp_path])
