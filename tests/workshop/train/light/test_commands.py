"""``mirror light estimate`` and ``mirror evaluate light`` as a shell sees them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data

pytestmark = pytest.mark.slow


def mirror(*words: str | Path) -> subprocess.CompletedProcess[str]:
    program = "import sys; from mirror.cli.app import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", program, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture
def astronaut(tmp_path: Path) -> Path:
    path = tmp_path / "astronaut.png"
    cv2.imwrite(str(path), data.astronaut()[..., ::-1])
    return path


def test_estimate_prints_one_object_and_draws_a_sphere(astronaut: Path, tmp_path: Path) -> None:
    """What other programs read would have another shape than the contract's."""
    drawn = tmp_path / "sphere.png"
    done = mirror("light", "estimate", astronaut, "--json", "--out", drawn)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    told = json.loads(done.stdout)
    assert np.array(told["sh"]).shape == (9, 3)
    assert np.linalg.norm(told["direction"]) == pytest.approx(1, abs=1e-3)
    assert told["direction"][1] < 0.2  # studio light does not come from below
    assert 2500 < told["colour_temperature_k"] < 12000
    assert 0 < told["confidence"] <= 1
    picture = cv2.imread(str(drawn))
    assert picture is not None
    assert picture.shape[1] == 2 * picture.shape[0]


def test_pictures_that_cannot_be_judged_end_in_one_line(astronaut: Path, tmp_path: Path) -> None:
    """Half a download or an empty room would be given a light all the same."""
    cut = tmp_path / "cut.jpg"
    whole = cv2.imencode(".jpg", data.astronaut()[..., ::-1])[1].tobytes()
    cut.write_bytes(whole[: len(whole) // 2])
    empty = tmp_path / "empty.png"
    cv2.imwrite(str(empty), np.full((240, 320, 3), 120, np.uint8))
    other = tmp_path / "other.safetensors"
    other.write_bytes(b"weights of nothing")
    for words, said in (
        ((cut,), "cut"),
        ((empty,), "nobody is seen"),
        ((tmp_path / "none.png",), "none.png cannot be read"),
        ((astronaut, "--weights", other), "not weights of a light network"),
    ):
        done = mirror("light", "estimate", *words)
        assert done.returncode == 1
        assert said in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert mirror("light", "estimate").returncode == 2
    assert mirror("light", "train").returncode == 2


def test_evaluate_writes_every_promised_figure(tmp_path: Path) -> None:
    """The figures that others compare would be missing or under other names."""
    empty = tmp_path / "footage"
    (empty / "video").mkdir(parents=True)
    (empty / "stills").mkdir()
    out, sheets = tmp_path / "light.json", tmp_path / "sheets"
    few = ("--figures", "1", "--lights", "2", "--frames", "34", "--footage", str(empty))
    done = mirror("evaluate", "light", *few, "--json", out, "--out", sheets)
    assert done.returncode == 0, done.stderr
    summary = json.loads(out.read_text())["summary"]
    for name in ("direction_error_deg_median", "sphere_si_rmse", "sphere_rgb_angle_deg"):
        for ending in ("", "_analytic", "_mean_light"):
            assert summary[name + ending] >= 0
    lamps = ("lamp_followed_s", "lamp_on_person_followed_s", "real_lamp_followed_s_worst")
    for name in ("mirror_consistency", "direction_step_deg_p95", *lamps):
        assert np.isfinite(summary[name])
    assert {p.name for p in sheets.iterdir()} == {"rendered.png", "footage.png", "lamp.png", "six_lights.png"}
