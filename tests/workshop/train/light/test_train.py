"""Training: the set on disk, resuming without loss, and that the network learns."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from inference.body.model import BodyModel
from inference.light.probe import Probe, ProbeMaker
from inference.light.weights import WEIGHTS
from mirror.errors import MirrorError
from mirror.shading.spherical_harmonics import lamp_sh
from workshop.synthetic.light.mannequins import Mannequin, MannequinMaker
from workshop.synthetic.light.scenes import Surroundings, hdr_pictures, shot, training_surroundings
from workshop.train.light import dataset, losses
from workshop.train.light.commands import _history
from workshop.train.light.dataset import DatasetSpec, LightSet, build, load
from workshop.train.light.observer import Observed
from workshop.train.light.train import Schedule, Trainer, _moved, evened, train

pytestmark = pytest.mark.slow

torch.set_num_threads(1)  # threads that wait for one another are slower here
SPEC = DatasetSpec(figures=3, lights=6, seed=4)
FACTS = {"mean_light": "[]"}


@pytest.fixture(scope="module")
def around() -> Surroundings:
    return training_surroundings(None, 4, rooms=6)


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory, model: BodyModel, maker: MannequinMaker, around: Surroundings
) -> Path:
    where = tmp_path_factory.mktemp("set")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset, "MannequinMaker", lambda _: maker)
        patch.setattr(dataset, "_SHARD", 2)
        assert list(build(SPEC, around, where, model)) == [2, 3]
    return where


@pytest.fixture
def data(folder: Path, monkeypatch: pytest.MonkeyPatch) -> LightSet:
    monkeypatch.setattr(dataset, "_SHARD", 2)
    return load(SPEC, folder)


@pytest.fixture(scope="module")
def pairs(model: BodyModel, mannequin: Mannequin, around: Surroundings) -> list[tuple[Probe, Probe]]:
    frame = shot(mannequin, around.draw(np.random.default_rng(1)), np.random.default_rng(2)).frame
    # What is unlabelled is looked at like a photograph: its landmarks are the fit's.
    head = mannequin.fit.bone_transforms[5] @ np.array([0.0, 1.5, 0.1, 1.0])
    fit = dataclasses.replace(mannequin.fit, landmark_points=np.tile(head, (33, 1)))
    person = Observed(mannequin.mask, fit, mannequin.camera)
    return list(dataset.crops(frame, person, ProbeMaker(model), np.random.default_rng(3)))


def test_the_set_is_made_once_and_matches_its_light(data: LightSet, folder: Path, model: BodyModel) -> None:
    """Pictures would be taught with the light of others."""
    assert len(data) == 18
    taken = data.take(np.array([0, 7]))
    assert taken["face"].shape == (2, 48, 48, 3)
    assert not np.array_equal(taken["body_normals"][0], taken["body_normals"][1])
    level = data.sh[:, 0] @ np.array([0.2126, 0.7152, 0.0722])
    person = data.take(np.arange(18))
    bright = np.array([p[m > 127].mean() for p, m in zip(person["body"], person["body_mask"], strict=True)])
    assert np.corrcoef(np.log(level), np.log(bright + 1))[0, 1] > 0.3
    with pytest.raises(MirrorError, match="another spec"):
        next(build(DatasetSpec(figures=9, seed=5), training_surroundings(None, 5, rooms=1), folder, model))


def test_a_damaged_shard_is_named(folder: Path, tmp_path: Path) -> None:
    """A disk that filled up in the night would be trained on."""
    (tmp_path / "000000.npz").write_bytes((folder / "000000.npz").read_bytes()[:9000])
    with pytest.raises(MirrorError, match=r"000000\.npz: missing or damaged"):
        load(SPEC, tmp_path)


def test_held_rooms_are_never_trained_on(tmp_path: Path) -> None:
    """The proof would be an exam with the answers known."""
    import cv2

    for name in ("apartment_1k", "forest", "warehouse_2k"):
        cv2.imwrite(str(tmp_path / f"{name}.hdr"), np.ones((64, 128, 3), np.float32))
    assert [e.name for e in hdr_pictures(tmp_path, held=False)] == ["forest"]
    assert [e.name for e in hdr_pictures(tmp_path, held=True)] == ["apartment_1k", "warehouse_2k"]
    with pytest.raises(MirrorError, match="no such folder"):
        hdr_pictures(tmp_path / "none", held=False)


def test_a_resumed_run_makes_the_same_weights(
    data: LightSet, pairs: list[tuple[Probe, Probe]], tmp_path: Path
) -> None:
    """A power cut would cost the run, or change what it makes."""
    schedule = Schedule(steps=6, steps_planned=6, batch=6, warm_steps=2)
    train(data, pairs, schedule, tmp_path / "whole", facts=FACTS, save_every=3, progress=False)
    first = dataclasses.replace(schedule, steps=3)
    train(data, pairs, first, tmp_path / "parts", facts=FACTS, save_every=3, progress=False)
    train(data, pairs, schedule, tmp_path / "parts", facts=FACTS, save_every=3, progress=False)
    whole, parts = (WEIGHTS.load(tmp_path / n / "light_net.safetensors") for n in ("whole", "parts"))
    for name, values in whole[0].items():
        np.testing.assert_array_equal(values, parts[0][name], err_msg=name)
    assert parts[1]["steps"] == "6"
    assert len((tmp_path / "parts" / "log.jsonl").read_text().splitlines()) == 2
    with pytest.raises(MirrorError, match="made with another seed"):
        train(
            data, [], dataclasses.replace(schedule, seed=1), tmp_path / "parts", facts=FACTS, progress=False
        )
    (tmp_path / "parts" / "checkpoint.pt").write_bytes(b"no checkpoint")
    with pytest.raises(MirrorError, match="not a checkpoint"):
        train(data, [], schedule, tmp_path / "parts", facts=FACTS, progress=False)


def test_a_run_starts_from_the_weights_of_another(data: LightSet, tmp_path: Path) -> None:
    """Training on a larger set would throw away what the smaller one taught, and say nothing."""
    short = Schedule(steps=2, steps_planned=2, batch=6, warm_steps=1)
    train(data, [], short, tmp_path / "first", facts=FACTS, progress=False)
    begun = WEIGHTS.load(tmp_path / "first" / "light_net.safetensors")[0]
    trainer = Trainer(data, [], short)
    trainer.begin_with(begun)
    for name, values in trainer.ema.state_dict().items():
        np.testing.assert_array_equal(values.numpy(), begun[name], err_msg=name)
    with pytest.raises(MirrorError, match="another network's"):
        trainer.begin_with({name: values for name, values in begun.items() if name != "last.bias"})


def test_weights_tell_their_whole_history() -> None:
    """Nobody could make the shipped weights again from what they say of themselves."""
    first = {"command": "mirror light train --figures 8", "steps": "60"}
    second = {"command": "mirror light train --figures 9", "steps": "20", "started_from": _history(first)}
    assert _history(second) == (
        "mirror light train --figures 9 (20 steps); from mirror light train --figures 8 (60 steps)"
    )
    assert _history({}) == "weights of unknown origin"


def test_scenes_are_drawn_from_all_sides_and_seldom_in_strong_casts() -> None:
    """The network would take windows for lamps, and find a cast in every white room."""
    above, beside = (
        np.repeat(lamp_sh(np.array(d))[:, None], 3, 1) for d in ((0.0, -1.0, 0.0), (1.0, 0.0, 0.0))
    )
    red = above * (1.3, 1.0, 0.8)
    chance = evened(np.stack([*[above] * 20, *[red] * 20, *[beside] * 5]).astype(np.float32))
    assert chance.sum() == pytest.approx(1)
    assert chance[-1] > 3 * chance[0]
    assert chance[20] < 0.4 * chance[0]


def test_agreement_has_nothing_to_say_of_the_level() -> None:
    """A photograph trained on for long would be believed ever darker, and so would the garment on it."""
    rng = np.random.default_rng(4)
    first = torch.tensor(rng.normal(0, 0.2, (5, 28)), dtype=torch.float32, requires_grad=True)
    second = torch.tensor(rng.normal(0, 0.2, (5, 28)), dtype=torch.float32)
    apart = losses.agreement(first, second, torch.ones(5))
    apart.backward()  # type: ignore[no-untyped-call]
    assert first.grad is not None
    assert float(first.grad[:, 3:27].abs().max()) > 1e-3
    assert float(first.grad[:, 0].abs().max()) < 1e-5
    brighter = second + torch.nn.functional.one_hot(torch.tensor(0), 28)
    assert float(losses.agreement(brighter, second, torch.ones(5))) < 1e-6


def test_moved_pictures_keep_what_stays_inside() -> None:
    """Pictures would wrap round, and a shoulder would stand above the head."""
    part = np.arange(50, dtype=np.float32).reshape(2, 1, 5, 5)
    moved = _moved(part, 2, -1)
    np.testing.assert_array_equal(moved[:, :, 2:, :4], part[:, :, :3, 1:])
    assert not moved[:, :, :2].any()
    assert not moved[..., 4].any()


def test_the_network_learns_the_light(data: LightSet, pairs: list[tuple[Probe, Probe]]) -> None:
    """A sign or an axis mixed up between picture and truth, and nothing could be learned."""
    trainer = Trainer(data, pairs, Schedule(steps=60, steps_planned=60, batch=16, warm_steps=5))
    terms = [trainer.advance() for _ in range(60)]
    for name, share in (("sphere", 0.85), ("level", 0.9), ("direction", 0.9)):
        early, late = (float(np.mean([t[name] for t in part])) for part in (terms[:8], terms[-8:]))
        assert late < share * early, name
    assert np.isfinite(terms[-1]["agreement"])
