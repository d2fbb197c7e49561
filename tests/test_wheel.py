"""The wheel: what is in it, and that it runs where there is no checkout."""

from __future__ import annotations

import email
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("capture", "inference", "mirror", "render", "workshop")
DATA_ONLY = "wardrobe"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built from a copy: a build leaves files behind."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    ignore = shutil.ignore_patterns("__pycache__")
    for name in (*PACKAGES, DATA_ONLY, "systemd", "tests"):
        shutil.copytree(ROOT / name, source / name, ignore=ignore)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(source)], check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs' folder of a fresh environment that has the wheel.

    Its dependencies are those of the environment of the tests: a .pth line leads to them, and
    not to this checkout.
    """
    folder = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(folder, symlinks=True)
    programs = folder / "bin"
    command = [sys.executable, "-m", "pip", "--python", str(programs / "python"), "install", "--quiet"]
    subprocess.run([*command, "--no-deps", "--no-index", str(wheel)], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return programs


def run(folder: Path, *command: object) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [*map(str, command)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_wheel_holds_the_mirror_and_no_more(wheel: Path) -> None:
    """A garment, a shader or a weight left out would be missed at the first frame; logs are dead weight."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    shipped = [
        path.relative_to(ROOT)
        for package in (*PACKAGES, DATA_ONLY)
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    logs = Path("workshop", "train", "logs")
    missing = [str(path) for path in shipped if logs not in path.parents and str(path) not in names]
    assert not missing
    assert not [name for name in names if name.startswith((f"{logs}/", "tests/"))]
    assert {f"{package}/py.typed" for package in PACKAGES} <= names
    templates = {Path(name).name for name in names if "/share/fitting-mirror/systemd/" in name}
    assert templates == {path.name for path in (ROOT / "systemd").iterdir()}


def test_wheel_asks_for_nothing_of_development(wheel: Path) -> None:
    """A plain install would end at pyrender's pin of an old PyOpenGL, or fetch PyTorch for every mirror."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        asked = email.message_from_bytes(archive.read(name)).get_all("Requires-Dist", [])
    always = [line for line in asked if "extra ==" not in line]
    assert any(line.startswith("pyopengl>=3.1.10") for line in always)
    assert not [line for line in asked if line.startswith("pyrender")]
    assert not [line for line in always if line.startswith(("torch", "pytest"))]


def test_installed_wheel_runs_the_demo(installed: Path, tmp_path: Path) -> None:
    """Who installs with pip would get a mirror that runs only in its checkout."""
    where = run(
        tmp_path, installed / "python", "-c", "import mirror, render; print(mirror.__file__, render.__file__)"
    )
    assert all(Path(path).is_relative_to(installed.parent) for path in where.stdout.split()), where
    video = tmp_path / "demo.mp4"
    done = run(tmp_path, installed / "mirror", "demo", "--headless", "--out", video)
    assert done.returncode == 0, done.stderr
    assert video.stat().st_size > 10_000


def test_installed_wheel_finds_its_data(installed: Path, tmp_path: Path) -> None:
    """The wardrobe would be empty, the units could not be installed, the models not be fetched."""
    garments = run(tmp_path, installed / "mirror", "garment", "list")
    assert "tshirt" in garments.stdout, garments.stderr
    code = "from mirror.units import templates; print(templates())"
    templates = Path(run(tmp_path, installed / "python", "-c", code).stdout.strip())
    assert templates.is_relative_to(installed.parent)
    models = run(tmp_path, installed / "mirror", "models")
    assert models.returncode == 0, models.stderr
