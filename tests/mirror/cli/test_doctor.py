"""The doctor: each lack is found and comes with its mend."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mirror import launch
from mirror.cli import doctor
from mirror.cli.app import main
from mirror.config import Config, dump, load

pytestmark = pytest.mark.slow


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "mirror.toml"
    path.write_text(dump(Config()))
    return path


def test_report_of_this_machine(
    tmp_path: Path, runtime_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The doctor would skip something, or its exit code not follow its verdicts."""
    image = tmp_path / "image.png"
    cv2.imwrite(str(image), np.zeros((48, 64, 3), np.uint8))
    settings = [f"capture.source={image}", "render.display=none", f"spine.runtime_dir={runtime_dir}"]
    options = [part for setting in settings for part in ("--set", setting)]
    code = main(["doctor", "--json", *options])
    answer = json.loads(capsys.readouterr().out)
    checks = {check["name"]: check for check in answer["checks"]}
    names = {
        "source",
        "gl",
        "network",
        "models",
        "wardrobe",
        "display",
        "runtime",
        "shared_memory",
        "disk",
        "memory",
    }
    assert set(checks) == names
    assert answer["ok"] is all(check["verdict"] != "fail" for check in answer["checks"])
    assert code == (0 if answer["ok"] else 1)
    assert checks["source"]["detail"].startswith(f"{image} gives 64x48")
    assert checks["network"]["verdict"] == "ok"
    assert checks["gl"]["verdict"] == "ok"
    assert ", draws" in checks["gl"]["detail"]
    for check in answer["checks"]:
        assert check["verdict"] == "ok" or check["mend"]


def test_missing_camera_fails_only_if_it_is_the_source(page: Path, tmp_path: Path) -> None:
    """The doctor would pass a mirror that cannot see."""
    config = load(page, {"capture.source": "/dev/video77"})
    page.write_text(dump(config))
    check = doctor._source(config, page, None)
    assert check.verdict == "fail"
    assert "/dev/video77" in check.detail
    assert doctor._source(config, page, 123).verdict == "ok", "a camera in use by the mirror is not broken"


@pytest.mark.parametrize(
    ("code", "detail"),
    [
        ("import os; os.kill(os.getpid(), 11)", "the driver crashed (signal 11)"),
        ("import time; time.sleep(100)", "no answer within 1 s"),
        ("print('no screens'); raise SystemExit(1)", "no screens"),
        ("raise SystemExit(3)", "exit code 3"),
    ],
)
def test_broken_driver_is_told(page: Path, monkeypatch: pytest.MonkeyPatch, code: str, detail: str) -> None:
    """The doctor itself would crash or hang with the driver."""
    monkeypatch.setattr(launch, "command", lambda _module: [sys.executable, "-c", code])
    monkeypatch.setattr(doctor, "PROBE_S", 1.0)
    check = doctor._probed("gl", page, "apt install libegl1")
    assert (check.verdict, check.detail, check.mend) == ("fail", detail, "apt install libegl1")


@pytest.mark.parametrize(
    ("drawn", "detail"),
    [
        ("None", "the driver draws nothing"),
        ("replace(right, picture=right.picture * 0)", "the driver draws wrongly: 0 pixels of cloth"),
        ("replace(right, picture=right.picture | 255)", "the driver draws wrongly: "),
        (
            "replace(right, picture=right.picture[..., [2, 1, 0, 3]])",
            "the driver draws wrongly: cloth of colour",
        ),
    ],
)
def test_broken_drawing_is_told(page: Path, monkeypatch: pytest.MonkeyPatch, drawn: str, detail: str) -> None:
    """A driver that gives a context but wrong pictures would pass, and the mirror show no garment."""
    script = (
        "import sys\nfrom dataclasses import replace\nfrom mirror.cli.app import main\n"
        "from render.gpu import probe\ndraw = probe.GarmentRenderer.draw\n"
        f"def broken(*given):\n    right = draw(*given)\n    return {drawn}\n"
        "probe.GarmentRenderer.draw = broken\nsys.exit(main(sys.argv[1:]))"
    )
    monkeypatch.setattr(launch, "command", lambda _module: [sys.executable, "-c", script])
    check = doctor._probed("gl", page, "apt install libegl1")
    assert (check.verdict, check.mend) == ("fail", "apt install libegl1")
    assert check.detail.startswith(detail)


def test_missing_display_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mirror would start and show nothing."""
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert doctor._display(load(None, {"render.display": "window"})).verdict == "fail"
    assert doctor._display(load(None, {"render.display": "none"})).verdict == "ok"
    monkeypatch.setenv("DISPLAY", ":7")
    assert doctor._display(load(None, {"render.display": "window"})).verdict == "ok"


def test_small_shared_memory_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container with 64 MB of shared memory the mirror would die of SIGBUS."""
    config = load(None, {"capture.width": 1920, "capture.height": 1080})
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: _Usage(64_000_000))
    check = doctor._shared_memory(config)
    assert check.verdict == "fail"
    assert "--shm-size" in check.mend
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: _Usage(256_000_000))
    assert doctor._shared_memory(config).verdict == "ok"


class _Usage:
    def __init__(self, free: int) -> None:
        self.free = free


def test_unusable_runtime_directory_is_told(runtime_dir: Path) -> None:
    """The mirror would not start, and the doctor say that all is well."""
    config = load(None, {"spine.runtime_dir": str(runtime_dir)})
    assert doctor._runtime(config, None).verdict == "ok"
    runtime_dir.chmod(0o755)
    assert doctor._runtime(config, None).verdict == "fail"
    absent = runtime_dir / "absent"
    runtime_dir.chmod(0o700)
    assert doctor._runtime(load(None, {"spine.runtime_dir": str(absent)}), None).verdict == "ok"
    assert not absent.exists(), "the doctor leaves traces"


def test_unknown_garment_is_told() -> None:
    """The mirror would not start, and the doctor say that all is well."""
    check = doctor._garments(load(None, {"wardrobe.garments": ["nonesuch"]}))
    assert check.verdict == "fail"
    assert "nonesuch" in check.detail
