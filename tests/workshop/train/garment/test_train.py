from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mirror.cli.app import main
from mirror.errors import MirrorError
from workshop.tailor.alike import encoder
from workshop.tailor.alike.encoder import GarmentEncoder
from workshop.train.garment import pipeline, train
from workshop.train.garment.dataset import Instances, Plan, build
from workshop.train.garment.network import contrastive_loss
from workshop.train.garment.pipeline import UNSEEN, WEIGHTS

pytestmark = pytest.mark.slow

torch.set_num_threads(1)  # on these small pictures a second one only waits

_SCHEDULE = train.Schedule(steps=4, garments=4, seed=5, warm_steps=2)


def _run(data: Instances, out: Path, until: int | None = None) -> train.Trainer:
    rows = np.arange(len(data))
    return train.train(
        data,
        rows[data.number == 0],
        rows[data.number == 1],
        _SCHEDULE,
        out,
        facts={"trained_on": "a test"},
        save_every=1,
        until=until,
        progress=False,
    )


def test_resumed_run_equals_uninterrupted(noise: Instances, tmp_path: Path) -> None:
    """Training killed at any moment goes on as if nothing had happened."""
    whole = _run(noise, tmp_path / "whole")
    _run(noise, tmp_path / "cut", until=2)
    # What a kill leaves beside a checkpoint: half a next one, and log lines past it.
    (tmp_path / "cut" / "checkpoint.part").write_bytes(b"half")
    with (tmp_path / "cut" / "log.jsonl").open("a") as log:
        log.write('{"step": 3, "variants": 9.0}\n')
    resumed = _run(noise, tmp_path / "cut")
    first, second = whole.network.state_dict(), resumed.network.state_dict()
    assert all(torch.equal(first[k], second[k]) for k in first)
    lines = [json.loads(line) for line in (tmp_path / "cut" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    assert {"variants", "kinds", "kind_first", "variant_first"} < set(lines[0])
    arrays, facts = encoder.WEIGHTS.load(tmp_path / "cut" / "garment_encoder.safetensors")
    assert np.array_equal(arrays["mix.2.bias"], second["mix.2.bias"].numpy().astype(np.float16))
    assert facts["trained_on"] == "a test"
    assert facts["steps"] == "4"


def test_checkpoint_of_another_run(noise: Instances, tmp_path: Path) -> None:
    """Going on with another schedule or a damaged file would quietly spoil the run."""
    trainer = train.Trainer(noise, np.arange(42), _SCHEDULE)
    path = tmp_path / "checkpoint.pt"
    trainer.save(path)
    with pytest.raises(MirrorError, match="another schedule or data"):
        train.Trainer(noise, np.arange(42), replace(_SCHEDULE, steps=9)).load(path)
    with pytest.raises(MirrorError, match="another schedule or data"):
        train.Trainer(noise, np.arange(12), _SCHEDULE).load(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(MirrorError, match="damaged"):
        trainer.load(path)
    with pytest.raises(MirrorError, match="nothing to train on"):
        train.Trainer(noise, np.arange(3), _SCHEDULE)


def test_training_tells_garments_apart(noise: Instances) -> None:
    """The network must learn: a sign lost in the loss would go unnoticed until the run had ended."""
    trainer = train.Trainer(noise, np.arange(42), replace(_SCHEDULE, steps=40, garments=8))
    history = [trainer.advance()["variants"] for _ in range(25)]
    assert np.mean(history[-3:]) < 0.6 * np.mean(history[:3])


def test_loss_is_its_formula() -> None:
    """Against the sums written out; a row with no other of its label counts for nothing."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(7, 5))
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    labels = [0, 0, 1, 1, 1, 2, 0]
    t, terms = 0.2, []
    for i in range(7):
        others = [a for a in range(7) if a != i]
        whole = sum(np.exp(z[i] @ z[a] / t) for a in others)
        alike = [p for p in others if labels[p] == labels[i]]
        if alike:
            terms.append(-np.mean([np.log(np.exp(z[i] @ z[p] / t) / whole) for p in alike]))
    found = contrastive_loss(torch.from_numpy(z), torch.tensor(labels), t)
    assert float(found) == pytest.approx(np.mean(terms), rel=1e-9)
    alone = contrastive_loss(torch.from_numpy(z), torch.arange(7), t)
    assert float(alone) == 0


def test_whole_pipeline_in_one_command(
    noise: Instances, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One command makes both encoders, their logs, and says what they were trained on and how."""
    monkeypatch.setattr(pipeline, "build", lambda *_, **__: noise)
    out = tmp_path / "run"
    words = ["--variants", "2", "--held", "1", "--instances", "3", "--steps", "2", "--save-every", "1"]
    assert main(["garment", "train", "--out", str(out), *words, "--quiet"]) == 0
    written = capsys.readouterr().out.split()
    assert [Path(p).name for p in written] == [
        "garment_encoder.safetensors",
        "garment_encoder.log.jsonl",
        "garment_encoder_unseen.safetensors",
        "garment_encoder_unseen.log.jsonl",
    ]
    whole, without = GarmentEncoder(out / WEIGHTS).facts, GarmentEncoder(out / UNSEEN).facts
    assert whole["without_kind"] == ""
    assert without["without_kind"] == "dress"
    assert without["trained_on"].startswith("6 garments")
    assert "--held-kind dress" in without["command"]
    assert str(tmp_path) not in without["command"]


def test_install_puts_the_weights_where_the_mirror_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--install must replace all four files, or the proof would be of other weights than the mirror's."""
    for name in (WEIGHTS, UNSEEN, *pipeline.LOGS):
        (tmp_path / name).write_text(name)
    (tmp_path / "data").mkdir()
    (tmp_path / "logs").mkdir()
    monkeypatch.setattr(pipeline, "SHIPPED", tmp_path / "data" / WEIGHTS)
    monkeypatch.setattr(pipeline, "LOG_FOLDER", tmp_path / "logs")
    assert [p.read_text() for p in pipeline.install(tmp_path)] == [WEIGHTS, UNSEEN, *pipeline.LOGS]
    assert sorted(p.name for p in (tmp_path / "data").iterdir()) == sorted([WEIGHTS, UNSEEN])
    assert sorted(p.name for p in (tmp_path / "logs").iterdir()) == sorted(pipeline.LOGS)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--held", "22"], "needs variants to train on"),
        (["--instances", "1"], "two instances of each"),
        (["--held-kind", "kimono"], "no kind 'kimono' to hold out"),
        (["--steps", "0"], "--steps and --save-every"),
    ],
)
def test_command_refuses_in_a_line(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is cut, which takes minutes."""
    assert main(["garment", "train", "--out", str(tmp_path), *words]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_folder_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A full disk or a file where the folder should be ends in a line."""
    (tmp_path / "file").write_text("")
    assert main(["garment", "train", "--out", str(tmp_path / "run"), "--data", str(tmp_path / "file")]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_data_is_found_again(held: Instances, cut_folder: Path, tmp_path: Path) -> None:
    """Cutting takes minutes: what was made for this plan is used again, for another it is not."""
    plan = Plan(variants=18, held=2, instances=3, kinds=("skirt", "shorts"), only_held=True)
    stamp = (cut_folder / "held" / "geometry.npy").stat().st_mtime_ns
    again = build(cut_folder, plan, progress=False)
    assert (cut_folder / "held" / "geometry.npy").stat().st_mtime_ns == stamp
    assert np.array_equal(again.plain, held.plain)
    assert len(held) == 12
    assert sorted(set(held.number.tolist())) == [16, 17]
    assert np.isfinite(held.geometry).all()
    # Another seed wears the same cut garments otherwise.
    (tmp_path / "variants").symlink_to(cut_folder / "variants")
    other = build(tmp_path, replace(plan, seed=1, instances=2), progress=False)
    assert len(other) == 8
    assert not np.array_equal(other.plain[:2], held.plain[:2])
