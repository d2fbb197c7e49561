from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from inference.fabric.lattice import STYLE
from inference.fabric.weights import WEIGHTS
from mirror.cli.app import main
from mirror.errors import MirrorError
from workshop.train.fabric import losses, train
from workshop.train.fabric.network import Discriminator, Encoder, Recogniser
from workshop.train.fabric.swatches import SwatchSet, load_swatches

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def small(swatches: SwatchSet) -> SwatchSet:
    """Crops of 32 px: a step of them takes a tenth of a second."""
    return SwatchSet(
        np.ascontiguousarray(swatches.albedo[:, :32, :32]),
        np.ascontiguousarray(swatches.height[:, :32, :32]),
        swatches.classes,
        swatches.palette,
        swatches.count,
        np.rint(swatches.cycles / 4),
        swatches.phased,
        swatches.source,
    )


_SCHEDULE = train.Schedule(batch=4, warm_steps=1, crop=32, r1_every=2, seed=5)


def _run(data: SwatchSet, steps: int, out: Path) -> train.Trainer:
    return train.train(
        data,
        replace(_SCHEDULE, steps=steps),
        out,
        facts={"trained_on": "a test"},
        save_every=1,
        sheet_every=99,
        progress=False,
    )


def _state(trainer: train.Trainer) -> dict[str, torch.Tensor]:
    parts = (trainer.generator, trainer.discriminator, trainer.recogniser, trainer.encoder, trainer.ema)
    return {f"{i}.{k}": v.clone() for i, part in enumerate(parts) for k, v in part.state_dict().items()}


def test_resumed_run_equals_uninterrupted(small: SwatchSet, tmp_path: Path) -> None:
    """A night's training killed at any moment goes on as if nothing had happened."""
    whole = _run(small, 4, tmp_path / "whole")
    _run(small, 2, tmp_path / "cut")
    # What a kill leaves beside a checkpoint: half a next one, and log lines past it.
    (tmp_path / "cut" / "checkpoint.part").write_bytes(b"half")
    with (tmp_path / "cut" / "log.jsonl").open("a") as log:
        log.write('{"step": 3, "generator": 9.0}\n')
    resumed = _run(small, 4, tmp_path / "cut")
    first, second = _state(whole), _state(resumed)
    assert all(torch.equal(first[k], second[k]) for k in first)
    lines = [json.loads(line) for line in (tmp_path / "cut" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4]
    arrays, facts = WEIGHTS.load(tmp_path / "cut" / "fabric_gan.safetensors")
    assert facts["trained_on"] == "a test"
    assert facts["steps"] == "4"
    assert np.array_equal(arrays["net.out.weight"], resumed.ema.out.weight.numpy())
    assert list((tmp_path / "cut" / "samples").glob("*.png"))


def test_checkpoint_of_another_run(small: SwatchSet, tmp_path: Path) -> None:
    """Going on with another batch size or a damaged file would quietly spoil the run."""
    trainer = train.Trainer(small, _SCHEDULE)
    path = tmp_path / "checkpoint.pt"
    trainer.save(path)
    with pytest.raises(MirrorError, match="another batch"):
        train.Trainer(small, replace(_SCHEDULE, batch=2)).load(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(MirrorError, match="damaged"):
        trainer.load(path)


def test_training_reconstructs(small: SwatchSet) -> None:
    """The networks must learn: a sign lost in a loss would go unnoticed until an hour had gone."""
    schedule = replace(_SCHEDULE, warm_steps=99, rate_generator=4e-3)
    trainer = train.Trainer(small.take(np.array([3, 3])), schedule)
    history = [trainer.advance()["reconstruction"] for _ in range(40)]
    assert np.mean(history[-5:]) < 0.7 * np.mean(history[:5])


def test_losses_are_their_formulas() -> None:
    """Non-saturating: 2 ln 2 and ln 2 for an undecided judge; a sure judge pays nothing."""
    zero, sure = [torch.zeros(2, 3, 3)], [torch.full((2, 3, 3), 40.0)]
    assert float(losses.discriminator_loss(zero, zero)) == pytest.approx(2 * np.log(2), abs=1e-6)
    assert float(losses.generator_loss(zero)) == pytest.approx(np.log(2), abs=1e-6)
    assert float(losses.discriminator_loss(sure, [-sure[0]])) == pytest.approx(0, abs=1e-6)
    assert float(losses.kl_loss(torch.zeros(2, 8), torch.zeros(2, 8))) == 0
    assert float(losses.kl_loss(torch.ones(2, 8), torch.zeros(2, 8))) == pytest.approx(4)


def test_reconstruction_is_told_apart_by_fabric(small: SwatchSet) -> None:
    """A tartan's sett must count for more than a jersey's fuzz, so each fabric has a loss of its own."""
    real = torch.rand(3, 4, 16, 16)
    made = real.clone()
    made[1] += 0.1
    assert losses.reconstruction_loss(made, real).tolist() == pytest.approx([0, 0.3, 0], abs=1e-5)
    assert losses.reconstruction_loss(made[:0], real[:0]).shape == (0,)
    plain, drawn = np.isin(small.classes, [0, 4]), np.isin(small.classes, [7, 10])
    for rows, name in ((plain, "reconstruction_plain"), (drawn, "reconstruction_joined")):
        other = ({"reconstruction_plain", "reconstruction_joined"} - {name}).pop()
        data = small.take(np.flatnonzero(rows))
        weights = []
        for field in ("", name, other):
            schedule = replace(_SCHEDULE, warm_steps=0)
            if field:
                schedule = replace(schedule, **{field: 50.0})  # type: ignore[arg-type]
            trainer = train.Trainer(data, schedule)
            trainer.advance()
            weights.append(trainer.generator.out.weight.grad.clone())  # type: ignore[union-attr]
        assert not torch.equal(weights[0], weights[1])
        assert torch.equal(weights[0], weights[2])


def test_recognition_is_cross_entropy() -> None:
    """The generator is asked to be recognised: sure and right costs nothing, clueless log of the classes."""
    right = torch.full((2, 13), -30.0)
    right[0, 3] = right[1, 7] = 30.0
    assert float(losses.recognition_loss(right, torch.tensor([3, 7]))) == pytest.approx(0, abs=1e-6)
    assert float(losses.recognition_loss(torch.zeros(2, 13), torch.tensor([3, 7]))) == pytest.approx(
        np.log(13)
    )


def test_recogniser_does_not_see_relief() -> None:
    """A class told by height alone would be none to a shopper, who sees the albedo first."""
    torch.manual_seed(0)
    network, fabric = Recogniser(), torch.rand(2, 4, 32, 32)
    raised = torch.cat([fabric[:, :3], torch.rand(2, 1, 32, 32)], 1)
    assert torch.equal(network(fabric), network(raised))
    assert not torch.allclose(network(fabric)[0], network(fabric)[1])


def test_reduced_precision_is_the_same_training(small: SwatchSet) -> None:
    """bfloat16 halves the cost of a product; the losses must be those of full precision but for rounding."""
    first, second = (
        train.Trainer(small, replace(_SCHEDULE, bfloat16=low, warm_steps=0)).advance()
        for low in (False, True)
    )
    assert first.keys() == second.keys()
    for name in first.keys() - {"r1"}:
        assert second[name] == pytest.approx(first[name], rel=0.05, abs=0.01), name


def test_palette_loss_wants_every_colour_somewhere() -> None:
    """A floral whose leaves stay unwoven costs; one small patch of each colour is enough."""
    mix = torch.zeros(1, 4, 10, 10)
    mix[:, 0] = 1
    assert float(losses.palette_loss(mix, torch.tensor([1]))) == 0
    assert float(losses.palette_loss(mix, torch.tensor([2]))) == pytest.approx(0.5)
    mix[0, 1, 0], mix[0, 0, 0] = 1, 0
    assert float(losses.palette_loss(mix, torch.tensor([2]))) == 0


def test_r1_is_the_gradient_penalty() -> None:
    """R1 against a judge whose gradient is known: D = sum of w * x, one patch."""

    class Linear(Discriminator):
        def forward(self, fabric: torch.Tensor, classes: torch.Tensor) -> list[torch.Tensor]:
            return [(3.0 * fabric).sum((1, 2, 3))[:, None, None] + classes[:, None, None] * 0]

    found = losses.r1_penalty(Linear(), torch.rand(2, 4, 8, 8), torch.zeros(2, dtype=torch.long))
    assert float(found) == pytest.approx(9.0 * 4 * 64)


def test_augmentation_keeps_relief_and_gradient() -> None:
    """DiffAugment must pass gradients to the generator, and must not recolour the height."""
    fabric = torch.rand(3, 4, 16, 16, requires_grad=True)
    out = losses.augment(fabric, torch.Generator().manual_seed(1), 16)
    out.sum().backward()  # type: ignore[no-untyped-call]
    assert fabric.grad is not None
    assert float(fabric.grad.abs().min()) > 0
    assert torch.equal(out[:, 3], fabric[:, 3])
    assert not torch.allclose(out[:, :3].std((1, 2, 3)), fabric[:, :3].std((1, 2, 3)), rtol=1e-3)


def test_crops_stay_inside_the_photo() -> None:
    """A photo does not wrap: a crop across its border would teach the generator seams."""
    y, x = torch.meshgrid(torch.arange(24.0), torch.arange(24.0), indexing="ij")
    fabric = torch.stack([x / 24, x / 24, x / 24, y / 24])[None].repeat(40, 1, 1, 1)
    out = losses.augment(fabric, torch.Generator().manual_seed(1), 8)
    assert out.shape == (40, 4, 8, 8)
    assert torch.allclose(out[..., 1:, :][:, 3] - out[..., :-1, :][:, 3], torch.tensor(1 / 24), atol=1e-6)
    tops = (out[:, 3, 0, 0] * 24).round()
    assert float(tops.min()) < 3
    assert 13 < float(tops.max()) <= 16


def test_texture_loss_asks_for_the_same_grain() -> None:
    """The mean of all fuzz is a blur: the same cloth elsewhere costs nothing, a blurred one much."""
    chance = torch.Generator().manual_seed(0)
    fabric = torch.rand(2, 4, 64, 64, generator=chance)
    moved = torch.roll(fabric, (17, 5), (2, 3))
    blurred = torch.nn.functional.avg_pool2d(fabric, 3, 1, 1)
    assert float(losses.texture_loss(fabric, fabric)) == 0
    assert float(losses.texture_loss(moved, fabric)) < 0.05
    assert float(losses.texture_loss(blurred, fabric)) > 0.5


def test_batches_mix_pictures_and_weaves(small: SwatchSet) -> None:
    """Twenty pictures among thousands of woven tiles must still be seen, by half or as asked."""
    mixed = replace(small, source=np.where(np.arange(len(small)) == 3, 0, -1))
    trainer = train.Trainer(mixed, replace(_SCHEDULE, batch=400, real_share=0.25))
    rows = trainer._draw(np.random.default_rng(0))
    assert np.mean(rows == 3) == pytest.approx(0.25, abs=0.06)
    assert len(np.unique(rows)) > 10
    priors = trainer.priors()
    counts = priors.counts[small.classes[3]]
    assert (priors.counts > 0).all()
    # Of this class, with one woven tile fewer than the others' none, every design is the picture's.
    assert set(counts.tolist()) == {int(small.count[3])}
    assert priors.styles.shape == (13, counts.size, 2, STYLE)
    assert (priors.styles[:, :, 1] > 0).all()


def test_rates_fall_at_the_end(small: SwatchSet) -> None:
    """The last steps settle the weights; a run lengthened before then is the same run."""
    trainer = train.Trainer(small, replace(_SCHEDULE, steps=100, decay=0.2, rate_generator=0.01))
    for step, rate in ((0, 0.01), (80, 0.01), (90, 0.005), (100, 0.0005)):
        trainer.step = step
        trainer._set_rates()
        assert trainer.make_optimiser.param_groups[0]["lr"] == pytest.approx(rate)


def test_the_judge_sees_texture_alone() -> None:
    """Dye and lamp must not drown the weave: the same cloth brighter and paler is judged the same."""
    fabric = torch.rand(2, 4, 32, 32)
    dimmed = torch.cat([0.2 + 0.5 * fabric[:, :3], fabric[:, 3:]], 1)
    assert torch.allclose(losses.standardise(fabric), losses.standardise(dimmed), atol=0.3)
    assert torch.allclose(losses.standardise(fabric).mean((2, 3)), torch.zeros(2, 4), atol=1e-5)


def test_style_does_not_hold_the_dye(swatches: SwatchSet) -> None:
    """The same weave in other colours has the same style: a seed's design survives a change of palette."""
    torch.manual_seed(0)
    encoder = Encoder()
    palette = torch.tensor([[[0.1, 0.1, 0.1], [0.9, 0.9, 0.9], [0, 0, 0], [0, 0, 0]]])
    other = torch.tensor([[[0.9, 0.1, 0.1], [0.1, 0.9, 0.9], [0, 0, 0], [0, 0, 0]]])
    choice = (torch.arange(64) // 8 % 2).bool().expand(64, 64)
    relief = torch.rand(1, 1, 64, 64)

    def dyed(p: torch.Tensor) -> torch.Tensor:
        colour = torch.where(choice, p[0, 1, :, None, None], p[0, 0, :, None, None])
        return torch.cat([colour[None], relief], 1)

    count, classes = torch.tensor([2]), torch.tensor([4])
    first = encoder(dyed(palette), palette, count, classes)[0]
    second = encoder(dyed(other), other, count, classes)[0]
    assert torch.allclose(first, second, atol=0.02)


def test_two_processes_under_torchrun(tmp_path: Path) -> None:
    """A firm's cluster runs the same script: two processes keep the same weights, and one writes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    script = tmp_path / "run.py"
    script.write_text(
        "import sys, hashlib\n"
        "from pathlib import Path\n"
        "from mirror.cli.app import main\n"
        "from workshop.train.fabric import train\n"
        "made = []\n"
        "trainer = train.train\n"
        "train.train = lambda *a, **k: made.append(trainer(*a, **k))\n"
        "status = main(sys.argv[1:])\n"
        "import os\n"
        "weights = b''.join(p.detach().numpy().tobytes() for p in made[0].generator.parameters())\n"
        "Path(os.environ['HASHES'], os.environ['RANK']).write_text(hashlib.sha256(weights).hexdigest())\n"
        "sys.exit(status)\n"
    )
    out = tmp_path / "run"
    command = [sys.executable, str(script), "fabric", "train", "--out", str(out), "--procedural", "1"]
    command += ["--steps", "2", "--batch", "2", "--set", "warm_steps=1", "--threads", "1", "--quiet"]
    hashes = tmp_path / "hashes"
    hashes.mkdir()
    processes = []
    for rank in range(2):
        environment = os.environ | {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": "2",
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "HASHES": str(hashes),
            "PYTHONPATH": str(Path(__file__).resolve().parents[4]),
        }
        processes.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True))
    for process in processes:
        _, complaint = process.communicate(timeout=240)
        assert process.returncode == 0, complaint
    assert (hashes / "0").read_text() == (hashes / "1").read_text()
    assert WEIGHTS.load(out / "fabric_gan.safetensors")[1]["processes"] == "2"
    assert len(load_swatches(out / "swatches.npz")) == 13


@pytest.mark.parametrize(
    ("setting", "said"),
    [("bfloat16=yes", "give true or false"), ("r1=much", "is no float"), ("steps=3", "no such field")],
)
def test_bad_settings_give_one_line(
    setting: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A slip in --set must be told before hours of training with another schedule than meant."""
    words = ["fabric", "train", "--out", str(tmp_path / "run"), "--procedural", "1", "--quiet"]
    words += ["--set", setting]
    assert main(words) == 1
    assert said in capsys.readouterr().err


def test_nothing_to_train_on(tmp_path: Path) -> None:
    """An empty swatch folder is named at once, not after an hour."""
    (tmp_path / "empty").mkdir()
    arguments = ["fabric", "train", "--out", str(tmp_path / "run"), "--swatches", str(tmp_path / "empty")]
    assert main([*arguments, "--procedural", "1", "--quiet"]) == 1
