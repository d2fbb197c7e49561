from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from inference.fabric.classes import NAMES
from inference.fabric.generator import FabricGenerator
from inference.fabric.weights import WEIGHTS
from mirror.cli.app import main
from workshop.train.fabric import train
from workshop.train.fabric.design_choice import Choice, Loom, _in_turn, _unevenness, choose, spread
from workshop.train.fabric.network import Recogniser
from workshop.train.fabric.swatches import SwatchSet, procedural_swatches
from workshop.train.fabric.weights import PRIORS

pytestmark = pytest.mark.slow


def test_spread_takes_the_most_unlike_first() -> None:
    """Florals kept for their class alone would all be the surest one's twins."""
    points = np.array([[0, 0], [0.1, 0], [9, 0], [9.1, 0], [4, 8]], np.float32)
    assert spread(points, 3).tolist() == [0, 3, 4]
    assert sorted(spread(points, 9).tolist()) == [0, 1, 2, 3, 4]
    assert sorted(spread(np.zeros((4, 2), np.float32), 4).tolist()) == [0, 1, 2, 3]


def test_designs_of_every_number_of_colours_are_kept() -> None:
    """Were the surest plains all of two colours, a plain of one would have no design of its own."""
    assert _in_turn(np.array([2, 2, 2, 1, 2, 1])).tolist() == [0, 3, 1, 5, 2, 4]


class _Reader(Recogniser):
    """Sure of the class by how rough the cloth is: what it is surest of is known beforehand."""

    def describe(self, fabric: torch.Tensor) -> torch.Tensor:
        rough = (fabric[:, :3, 1:] - fabric[:, :3, :-1]).abs().mean((1, 2, 3))
        return rough[:, None] * torch.ones(256)


def _small(data: SwatchSet) -> SwatchSet:
    return replace(data, albedo=data.albedo[:, :32, :32].copy(), height=data.height[:, :32, :32].copy())


def test_the_surest_are_kept() -> None:
    """A design that the recogniser takes for another class is what a shopper would send back."""
    data = _small(procedural_swatches(1, 4).take(np.arange(6)))
    data.classes[:] = NAMES.index("dots")
    data.source[4:], data.palette[4:], data.count[4:] = 0, data.palette[4], data.count[4]
    trainer = train.Trainer(data, train.Schedule(batch=2, crop=32))
    reader = _Reader()
    with torch.no_grad():
        data.cycles[:] = np.minimum(np.abs(data.cycles), 9)
        reader.out.weight.zero_()
        reader.out.bias.zero_()
        reader.out.weight[NAMES.index("dots"), 0] = 1.0
    loom = Loom(trainer.ema, trainer.ema_encoder, reader, trainer.device)
    said: list[str] = []
    picked = choose(data, loom, Choice(share=0.5, kept=0.5), said.append)
    assert picked.shape == (len(NAMES), PRIORS)
    dots = picked[NAMES.index("dots")]
    assert (np.delete(picked, NAMES.index("dots"), 0) == -1).all()
    # Half of four woven tiles and half of two pictures.
    assert len(set(dots[dots < 4])) == 2
    assert len(set(dots[dots >= 4])) == 1
    assert said == ["dots: 2 pictured, 1.00 told, 1.00 level", "dots: 4 woven, 1.00 told, 1.00 level"]
    assert np.array_equal(picked, choose(data, loom, Choice(share=0.5, kept=0.5)))


def test_a_blotchy_cloth_is_left_out() -> None:
    """A picture of plain cloth with a shadow on it would come out as camouflage."""
    grid = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    level = (0.5 + 0.1 * grid).expand(1, 4, 64, 64)
    shadow = torch.ones(64, 64)
    shadow[:32, :32] = 0.8
    found = _unevenness(torch.cat([level, level * shadow, 0.5 * level]))
    assert float(found[1]) > 3 * float(found[0])
    assert float(found[2]) == pytest.approx(float(found[0]), rel=0.3)


def test_choose_writes_weights_that_weave(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command's file must be what the kiosk loads, and tell how its designs came about."""
    data = _small(procedural_swatches(1, 3))
    run = tmp_path / "run"
    schedule = train.Schedule(steps=1, batch=2, crop=32, warm_steps=1)
    train.train(data, schedule, run, facts={"trained_on": "a test"}, progress=False)
    data.save(run / "swatches.npz")
    before, _ = WEIGHTS.load(run / "fabric_gan.safetensors")
    out = tmp_path / "chosen.safetensors"
    assert main(["fabric", "choose", str(run), "--out", str(out), "--seed", "2"]) == 0
    arrays, facts = WEIGHTS.load(out)
    assert np.array_equal(arrays["net.out.weight"], before["net.out.weight"])
    assert facts["trained_on"] == "a test"
    assert facts["designs"] == "mirror fabric choose DIR --share 0.3 --seed 2"
    assert FabricGenerator(out).facts["steps"] == "1"
    assert main(["fabric", "choose", str(run), "--share", "1.5"]) == 1
    assert main(["fabric", "choose", str(tmp_path / "none")]) == 1
    said = capsys.readouterr().err
    assert "give a share from 0 to 1" in said
    assert "not a set of swatches" in said
