"""The real processes under the real supervisor: a recording in, a dressed person out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import pytest

from mirror.cli.replay import DEMO_CLIP
from mirror.processes import PROCESSES
from mirror.report import KEYS, TIMES
from mirror.ring import SHM, ring_prefix
from mirror.runtime import is_alive
from mirror.status import Status, read_status
from tests.mirror.fakes import until

pytestmark = pytest.mark.slow

FRAMES = 8
LONG_S = 180
COMMAND = [sys.executable, "-P", "-m", "mirror"]


@pytest.fixture(scope="module")
def stills(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the first frames of the built-in clip, halved: a photo of a person."""
    folder = tmp_path_factory.mktemp("stills")
    with av.open(str(DEMO_CLIP)) as clip:
        for number, frame in enumerate(clip.decode(video=0)):
            if number == FRAMES:
                break
            image = cv2.resize(frame.to_ndarray(format="bgr24"), None, fx=0.5, fy=0.5)
            cv2.imwrite(str(folder / f"{number:03d}.png"), image)
    return folder


def mirror(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=LONG_S, check=False)


def report(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_two_replays_agree_and_write_everything(stills: Path, tmp_path: Path) -> None:
    """Scores of a clip would change from run to run; masks, video or lines would be missing."""
    first, second, out, masks = (tmp_path / name for name in ("1.jsonl", "2.jsonl", "out.mp4", "masks"))
    done = mirror(
        "replay",
        stills,
        "--garment",
        "tshirt",
        "--report",
        first,
        "--out",
        out,
        "--masks",
        masks,
        "--no-mirror",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{FRAMES} frames, {FRAMES} tracked (100.0 %), ")
    done = mirror("replay", stills, "--garment", "tshirt", "--report", second)
    assert done.returncode == 0, done.stderr

    lines = report(first)
    assert [line["seq"] for line in lines] == list(range(FRAMES))
    assert all(set(line) == set(KEYS) for line in lines)
    assert all(line["garments"] == ["tshirt"] for line in lines)
    assert all(line["t_display_ns"] > line["t_capture_ns"] > 0 for line in lines)
    others = [{key: value for key, value in line.items() if key not in TIMES} for line in lines]
    again = [{key: value for key, value in line.items() if key not in TIMES} for line in report(second)]
    assert others == again

    with av.open(str(out)) as video:
        shown = [frame.to_ndarray(format="bgr24") for frame in video.decode(video=0)]
    assert len(shown) == FRAMES
    assert sorted(path.name for path in masks.iterdir()) == [f"{seq:06d}.png" for seq in range(FRAMES)]
    for line in lines:
        mask = cv2.imread(str(masks / f"{line['seq']:06d}.png"), cv2.IMREAD_UNCHANGED)
        assert mask is not None
        assert mask.shape == shown[0].shape[:2]
        x0, y0, x1, y1 = line["garment_bbox"]
        assert mask.any()
        mask[y0 : y1 + 1, x0 : x1 + 1] = 0
        assert not mask.any(), "garment pixels lie outside the reported box"


@pytest.mark.parametrize(
    ("name", "options", "line"),
    [
        ("text.mp4", ["--garment", "tshirt"], "text.mp4 is not a video"),
        ("zero.mp4", ["--garment", "tshirt"], "is empty (0 bytes)"),
        ("", ["--garment", "nonesuch"], "no garment 'nonesuch'; there are: "),
        ("", ["--garment", "tshirt", "--size", "XXXL"], "no size 'XXXL'"),
        ("", ["--garment", "tshirt", "--fabric", "nonesuch"], "no fabric 'nonesuch'; there are: "),
    ],
)
def test_bad_input_is_one_line(
    stills: Path, tmp_path: Path, name: str, options: list[str], line: str
) -> None:
    """The operator would read a traceback, or wait."""
    (tmp_path / "text.mp4").write_text("not a video\n")
    (tmp_path / "zero.mp4").touch()
    done = mirror("replay", tmp_path / name if name else stills, *options)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("mirror: ")
    assert line in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_missing_camera_is_told(runtime_dir: Path) -> None:
    """The mirror would stay dark without a word."""
    runtime = runtime_dir / "run"
    done = mirror("start", "--runtime", runtime, "--source", "/dev/video77", "--display", "none")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("mirror: no camera at /dev/video77")
    assert len(done.stderr.splitlines()) == 1
    assert not runtime.exists()


@pytest.fixture
def live(stills: Path, runtime_dir: Path) -> Iterator[Path]:
    """The runtime directory of a mirror that runs on the looping stills."""
    runtime = runtime_dir / "run"
    options = [
        "--source",
        stills,
        "--set",
        "capture.loop=true",
        "--set",
        "capture.fps=15",
        "--display",
        "none",
    ]
    done = mirror("start", "--runtime", runtime, *options)
    assert done.returncode == 0, done.stderr
    status = of(runtime)
    yield runtime
    if is_alive(status.pid):
        os.kill(status.pid, signal.SIGKILL)


def of(runtime: Path) -> Status:
    status = read_status(runtime)
    assert status is not None
    return status


def test_killed_processes_come_back_one_by_one(live: Path) -> None:
    """One crash would end the show, take other processes with it, or leak shared memory."""
    for number in range(len(PROCESSES)):
        before = of(live)
        victim = before.processes[number]
        os.kill(victim.pid or 0, signal.SIGKILL)
        until(lambda: (now := of(live)).processes[number].restarts == 1 and now.healthy)  # noqa: B023
        frames = of(live).frames
        until(lambda: of(live).frames > frames)  # noqa: B023
        for earlier, later in zip(before.processes, of(live).processes, strict=True):
            assert (earlier.pid == later.pid) is (earlier.name != victim.name)
        writers = {str(process.pid) for process in of(live).processes}
        left = {path.name.split("-")[-2] for path in SHM.glob(f"{ring_prefix(live)}*")}
        assert left <= writers, "the killed process's shared memory is left"
    pids = [process.pid or 0 for process in of(live).processes]
    assert mirror("stop", "--runtime", live).returncode == 0
    assert not any(is_alive(pid) for pid in pids)
    assert not live.exists()
    assert not list(SHM.glob(f"{ring_prefix(live)}*"))


def test_the_operator_changes_clothes(live: Path) -> None:
    """The commands would do nothing, hang, or disturb the picture; a woven fabric could not be kept."""
    at = ("--runtime", live)
    before = of(live)
    done = mirror("fabric", "wear", "tartan_red", *at)
    assert (done.returncode, done.stdout) == (0, "wearing tshirt in tartan_red\n"), done.stderr
    done = mirror("garment", "wear", "long_sleeve,trousers", *at)
    assert (done.returncode, done.stdout) == (0, "wearing long_sleeve, trousers in tartan_red\n"), done.stderr
    weave = ("fabric", "weave", "--class", "tartan", "--palette", "#7a1f1f,#10243f", "--seed", "7", *at)
    done = mirror(*weave)
    assert done.returncode == 0, done.stderr
    assert "class tartan, palette #7a1f1f,#10243f, seed 7" in done.stdout
    for arguments, line in (
        (("fabric", "wear", "nonesuch"), "mirror: no fabric 'nonesuch'; there are: "),
        (("garment", "wear", "toga"), "mirror: no garment 'toga'; there are: "),
        (("fabric", "weave", "--class", "lace", "--palette", "#123"), "mirror: no fabric class 'lace'"),
        (("fabric", "weave", "--class", "plain", "--palette", "#123", "--keep", "tartan_red"), "already"),
        (("fabric", "weave", "--class", "plain", "--palette", "#123", "--keep", "../up"), "fabric name"),
    ):
        done = mirror(*arguments, *at)
        assert (done.returncode, done.stdout) == (1, "")
        assert line in done.stderr
        assert len(done.stderr.splitlines()) == 1
    (weaver,) = (process for process in of(live).processes if process.name == "weaver")
    os.kill(weaver.pid or 0, signal.SIGKILL)
    done = mirror(*weave)  # served once it is back
    assert done.returncode == 0, done.stderr
    after = of(live)
    assert [p.restarts for p in after.processes if p.name != "weaver"] == [0, 0, 0]
    assert after.frames > before.frames
    assert mirror("stop", "--runtime", live).returncode == 0
    assert not live.exists()
    assert not list(SHM.glob(f"{ring_prefix(live)}*"))
    done = mirror(*weave)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"mirror: no mirror runs in {live}; `mirror start` starts one\n"


def test_a_woven_fabric_is_kept(stills: Path, runtime_dir: Path, tmp_path: Path) -> None:
    """What a shopper liked would be lost, or another fabric stand under its name."""
    runtime, wardrobe = runtime_dir / "run", tmp_path / "wardrobe"
    folders = ("--set", f"wardrobe.folders={wardrobe}")
    options = ("--source", stills, "--set", "capture.loop=true", "--display", "none", *folders)
    assert mirror("start", "--runtime", runtime, *options).returncode == 0
    what = ("--class", "denim", "--palette", "#20304a,#e8e8e0", "--seed", "3")
    done = mirror("fabric", "weave", *what, "--keep", "house denim", "--runtime", runtime)
    assert done.returncode == 0, done.stderr
    done = mirror("fabric", "wear", "house denim", "--runtime", runtime)
    assert done.stdout == "wearing tshirt in house denim\n", done.stderr
    assert mirror("stop", "--runtime", runtime).returncode == 0
    assert mirror("fabric", "sample", *what, "--out", tmp_path / "same").returncode == 0
    kept = wardrobe / "fabrics" / "house denim"
    for name in ("albedo.png", "normal.png"):
        assert (kept / name).read_bytes() == (tmp_path / "same" / name).read_bytes()


def test_running_processes_have_no_network_socket(live: Path) -> None:
    """Pictures, or word of them, would leave the machine."""
    for process in of(live).processes:
        files = Path(f"/proc/{process.pid}/fd").iterdir()
        own = {str(path.readlink()) for path in files if path.is_symlink()}
        inodes = {name.removeprefix("socket:[").rstrip("]") for name in own if name.startswith("socket:[")}
        for table in ("tcp", "tcp6", "udp", "udp6", "raw", "raw6"):
            lines = Path(f"/proc/{process.pid}/net/{table}").read_text().splitlines()[1:]
            assert not inodes & {line.split()[9] for line in lines}
        status = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        assert "Seccomp:\t2" in status, f"{process.name} runs without the filter"
    assert mirror("stop", "--runtime", live).returncode == 0
