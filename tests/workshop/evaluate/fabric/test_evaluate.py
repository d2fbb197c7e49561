from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from inference.fabric.sample import choose_cut
from mirror.errors import MirrorError
from workshop.evaluate.fabric.evaluate import _reference, border_ratio, palette_error
from workshop.evaluate.fabric.features import Classifier, distances, kid, pairwise
from workshop.synthetic.fabric.quilting import quilt
from workshop.synthetic.fabric.weave import weave
from workshop.tailor.swatch_photos.photographs import file_digest

pytestmark = pytest.mark.slow


def test_weights_trained_on_the_held_half_are_not_measured(tmp_path: Path) -> None:
    """Measured against what it has seen, any generator looks real."""
    rng = np.random.default_rng(0)
    for k in range(4):
        picture = rng.integers(0, 256, (128, 128, 3)).astype(np.uint8)
        cv2.imwrite(str(tmp_path / f"denim{k}.png"), picture)
    sums = [file_digest(tmp_path / f"denim{k}.png") for k in range(4)]
    train, held, said = _reference(tmp_path, 0, {"trained_on_sha256": json.dumps([sums[0], sums[2]])})
    assert len(train) == len(held) == 24
    assert "2 of them held out, none of which the weights were trained on" in said
    assert "don't say" in _reference(tmp_path, 0, {})[2]
    with pytest.raises(MirrorError, match=r"trained on held-out swatches \(denim1\.png\)"):
        _reference(tmp_path, 0, {"trained_on_sha256": json.dumps([sums[0], sums[1]])})


def test_border_ratio_tells_a_seam() -> None:
    """The tiling figure must see a seam: noise wraps with a ratio of 1, a ramp does not."""
    noise = np.random.default_rng(1).integers(90, 160, (96, 96, 3)).astype(np.uint8)
    assert border_ratio(noise) == pytest.approx(1, abs=0.1)
    ramp = (noise * np.linspace(0.4, 1, 96)[None, :, None]).astype(np.uint8)
    assert border_ratio(ramp) > 1.2


def test_the_cut_is_typical() -> None:
    """A check cut in the gap between two squares shows a line at every repeat of the tile."""
    check = np.kron(np.indices((8, 8)).sum(0) % 2, np.ones((16, 16)))[..., None].repeat(3, 2)
    soft = (0.3 + 0.4 * check + np.random.default_rng(0).normal(0, 0.03, check.shape)).astype(np.float32)
    row, column = choose_cut(soft)
    cut = np.roll(soft, (-row, -column), (0, 1))
    as_picture = [np.rint(p.clip(0, 1) * 255).astype(np.uint8) for p in (soft, cut)]
    before, after = (border_ratio(p) for p in as_picture)
    assert before > 1.5
    assert abs(after - 1) < 0.5 * abs(before - 1)


def test_palette_error_is_to_the_worst_colour() -> None:
    """A tartan that forgot its third colour is not obedient."""
    palette = np.array([[0.5, 0.1, 0.1], [0.1, 0.15, 0.3], [0.9, 0.8, 0.3]], np.float32)
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:32], picture[32:] = np.rint(palette[0] * 255), np.rint(palette[1] * 255)
    assert palette_error(picture, palette[:2]) < 1
    assert palette_error(picture, palette) > 30


def test_kid_is_small_between_alike_and_grows_with_the_shift() -> None:
    """The realism figure orders sets by how far they lie from the real ones."""
    rng = np.random.default_rng(0)
    real, alike = (rng.normal(size=(120, 64)).astype(np.float32) for _ in range(2))
    near, far = (rng.normal(size=(120, 64)).astype(np.float32) + shift for shift in (0.3, 0.8))
    assert abs(kid(alike, real)[0]) < 0.02
    assert 0.02 < kid(near, real)[0] < kid(far, real)[0]


def test_distances() -> None:
    """Diversity and copying are measured in these."""
    table = np.array([[0, 0], [3, 4], [0, 8]], np.float32)
    assert distances(table, table)[0].tolist() == pytest.approx([0, 5, 8])
    assert pairwise(table) == pytest.approx((5 + 8 + 5) / 3)


def test_classifier_learns() -> None:
    """The judge of classes has to be one: right on examples that it was not taught."""
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    table = (rng.normal(size=(90, 20)) + 5 * np.eye(3, 20)[labels]).astype(np.float32)
    judge = Classifier(table[:60], labels[:60], 3)
    assert (judge.predict(table[60:]) == labels[60:]).mean() > 0.9


def test_quilting_lays_real_patches_without_steps() -> None:
    """A weak baseline would flatter the generator: the quilt keeps the swatch's own statistics."""
    palette = np.array([[0.2, 0.3, 0.5], [0.8, 0.8, 0.75]], np.float32)
    source = weave("denim", palette, 128, np.random.default_rng(3)).albedo
    made = quilt(source, 160, np.random.default_rng(0))
    assert made.shape == (160, 160, 3)
    assert np.abs(made.mean((0, 1)) - source.mean((0, 1))).max() < 6
    inner = np.abs(np.diff(made.astype(float), axis=1)).mean()
    assert inner < 1.1 * np.abs(np.diff(source.astype(float), axis=1)).mean()
    first, again = (quilt(source, 96, np.random.default_rng(4)) for _ in range(2))
    assert np.array_equal(first, again)
