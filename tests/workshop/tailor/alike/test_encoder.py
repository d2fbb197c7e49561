from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from mirror.cli.app import main
from mirror.errors import MirrorError
from tests.workshop.tailor.alike.conftest import HEIGHT, RADIUS, Tube
from workshop.evaluate.garment.evaluate import embed_instances, evaluate
from workshop.tailor.alike.encoder import EMBEDDING, SHIPPED, WEIGHTS, GarmentEncoder, prepared
from workshop.tailor.alike.features import CHANNELS
from workshop.tailor.alike.surface import PanelSurface
from workshop.train.garment.dataset import Instances
from workshop.train.garment.pipeline import UNSEEN
from workshop.train.garment.plain_descriptors import nearest_by, pattern_descriptor, plain_descriptor
from workshop.train.garment.retrieval import found_first, precision, same_label_first

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def encoder() -> GarmentEncoder:
    return GarmentEncoder()


def test_numpy_is_torch(noise: Instances, tmp_path: Path) -> None:
    """What is trained must be what runs: the same embeddings to rounding."""
    import torch

    from workshop.train.garment.network import Encoder

    torch.manual_seed(3)
    network = Encoder()
    path = tmp_path / "weights.safetensors"
    WEIGHTS.save({k: v.numpy() for k, v in network.state_dict().items()}, {}, path)
    arrays, _ = WEIGHTS.load(path)
    network.load_state_dict({k: torch.from_numpy(v) for k, v in arrays.items()})
    geometry, views = noise.geometry[:5].astype(np.float32), noise.views[:5].astype(np.float32)
    geometry[:, :, :7] = 0  # some of it is no cloth
    views[1] = 0  # and a garment may be out of sight
    with torch.no_grad():
        wanted = network(torch.from_numpy(geometry), torch.from_numpy(views)).numpy()
    found = GarmentEncoder(path).embed_prepared(geometry, views)
    assert found == pytest.approx(wanted, abs=1e-5)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1, abs=1e-5)


def test_channels_come_in_about_one() -> None:
    """A channel in other units would drown the others; where there is no cloth there is nothing."""
    raw = np.zeros((len(CHANNELS), 2, 2), np.float32)
    raw[:, 0, 0] = (1, 0.4, 1.4, -0.2, 0, 1, 0, 800, -20, 8, 0.5)
    found = prepared(raw)
    assert found[:, 0, 0] == pytest.approx([1, 1, 1, -1, 0, 1, 0, 1, -np.tanh(1), 1, 1], abs=1e-5)
    assert (found[:, 1] == 0).all()
    assert raw[7, 0, 0] == 800


def test_weights_of_another_sort(tmp_path: Path) -> None:
    """A wrong, old or damaged file is told in a line that names it."""
    path = tmp_path / "w.safetensors"
    with pytest.raises(MirrorError, match="no garment weights there"):
        GarmentEncoder(path)
    path.write_bytes(b"x" * 100)
    with pytest.raises(MirrorError, match="damaged"):
        GarmentEncoder(path)
    save_file({"a": np.zeros(1, np.float32)}, str(path), {"format": "another"})
    with pytest.raises(MirrorError, match="not the weights of a garment encoder"):
        GarmentEncoder(path)
    WEIGHTS.save({"a": np.zeros(1, np.float32)}, {"version": "99"}, path)
    with pytest.raises(MirrorError, match="version 99"):
        GarmentEncoder(path)


def test_shipped_weights_find_garments_never_seen(held: Instances, encoder: GarmentEncoder) -> None:
    """Skirts find skirts, and each garment itself, in other sizes and poses."""
    table = embed_instances(encoder, held)
    assert table.shape == (12, EMBEDDING)
    assert same_label_first(table, held.kind, held.variant) >= 0.9
    assert same_label_first(table, held.variant) >= 0.9


def test_shipped_weights_say_what_made_them(encoder: GarmentEncoder) -> None:
    """Weights are small, ours, and come with command, seed and data; the second never saw a kind."""
    unseen = SHIPPED.with_name(UNSEEN)
    assert SHIPPED.stat().st_size + unseen.stat().st_size < 1_000_000
    for facts in (encoder.facts, GarmentEncoder(unseen).facts):
        assert facts["command"].startswith("mirror garment train")
        assert {"seed", "trained_on", "plan", "cutter", "steps"} <= set(facts)
    assert GarmentEncoder(unseen).facts["without_kind"] == "dress"


def test_retrieval_figures() -> None:
    """On a line: 0 and 1 are one garment, 1.5 another of the same kind, 4 and 5 of another kind."""
    table = np.array([[0.0], [1.0], [1.5], [4.0], [5.0]], np.float32)
    variant, kind = np.array([1, 1, 2, 3, 4]), np.array([0, 0, 0, 1, 1])
    assert found_first(table, variant).tolist() == [True, False, False, False, False]
    assert same_label_first(table, kind, variant) == 1
    assert precision(table, kind, 0, variant) == (1, 1)
    far = np.array([[0.0], [1.0], [9.0], [4.0], [5.0]], np.float32)
    assert precision(far, kind, 0, variant) == (0, 0)


def test_baselines_measure_what_they_say() -> None:
    """A weak baseline would flatter the encoder: its numbers are the garment's."""
    tube = Tube(cuts=2)
    cloth = PanelSurface.of(tube.vertices, tube.faces, tube.uv)
    plain = plain_descriptor(tube.vertices, cloth)
    assert plain[:3] == pytest.approx([2 * RADIUS, HEIGHT, 2 * RADIUS], rel=0.01)
    assert plain[3:5] == pytest.approx([1 - HEIGHT / 2, 1 + HEIGHT / 2])
    assert plain[5] == pytest.approx(2 * np.pi * RADIUS * HEIGHT, rel=0.01)
    assert plain[6:] == pytest.approx(2 * RADIUS, rel=0.01)
    pattern = pattern_descriptor(cloth, 1.5)
    assert pattern[:4] == pytest.approx([1.5 * np.pi * RADIUS, 1.5 * HEIGHT] * 2, rel=0.01)
    assert (pattern[4:] == 0).all()
    assert nearest_by(np.array([[1.0, 5], [3, 5]], np.float32)).tolist() == [[-1, 0], [1, 0]]


def test_evaluation_command(
    noise: Instances, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The figures for programs, with both baselines and the kind that was never seen beside them."""
    import json

    monkeypatch.setattr("workshop.train.garment.dataset.build", lambda *_, **__: noise)
    out = tmp_path / "out.json"
    assert main(["evaluate", "garment", "--json", str(out), "--out", str(tmp_path), "--quiet"]) == 0
    result = json.loads(out.read_text())
    names = {"kind_top1", "kind_precision", "variant_top1", "unseen_top1", "unseen_precision"}
    assert names | {f"{n}{e}" for n in names for e in ("_plain", "_pattern")} < set(result["summary"])
    assert result["unseen_kind"] == "dress"
    assert result["garments"] == 14
    assert result["chance"]["variant"] == pytest.approx(1 / 14, abs=1e-4)
    assert result["summary"]["wardrobe_kind_top1"] <= 1
    assert f"{result['summary']['kind_top1']:.4f}" in capsys.readouterr().out
    assert (tmp_path / "alike.png").is_file()


def test_evaluation_needs_an_encoder_that_missed_a_kind(noise: Instances, encoder: GarmentEncoder) -> None:
    """The same weights twice would prove nothing, silently."""
    with pytest.raises(MirrorError, match="seen every kind"):
        evaluate(encoder, encoder, replace(noise))
