"""``mirror replay`` and ``mirror demo``: a recording through the real processes.

A private runtime directory and a supervisor that restarts nothing: a death is a failure.
"""

from __future__ import annotations

import contextlib
import importlib.resources
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import typer

from mirror.cli.options import (
    ConfigFile,
    Fabric,
    Garments,
    NeededGarments,
    Record,
    Settings,
    Size,
    Verbose,
    load_config,
)
from mirror.config import Config
from mirror.errors import MirrorError
from mirror.logs import terminal
from mirror.messages import Shown
from mirror.named import resolve
from mirror.report import ReportWriter
from mirror.ring import remove_segments, ring_prefix
from mirror.runtime import lock_owner
from mirror.supervisor import Supervisor, supervisor_lock

#: By name: the spine imports none of the other packages.
DEMO_CLIP = Path(str(importlib.resources.files("capture"))) / "data" / "demo.mp4"
_IMAGE_SUFFIXES = "capture.sources.stills:IMAGE_SUFFIXES"
DEMO_GARMENT = "long_sleeve"
#: Fabrics that the GAN made, and the seconds of the clip at which they come.
DEMO_FABRIC, DEMO_CHANGES = "tartan_green", ["3 denim_indigo", "6 gingham_blue", "11 houndstooth_brown"]
_PREFIX = "fitting-mirror-replay-"


def replay(
    clip: Annotated[str, typer.Argument(metavar="CLIP", help="Clip, folder of images, or image.")],
    garment: NeededGarments,
    config: ConfigFile = None,
    settings: Settings = None,
    fabric: Fabric = None,
    size: Size = None,
    out: Record = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="OUT.jsonl", help="Write one JSON object a frame."),
    ] = None,
    masks: Annotated[
        Path | None, typer.Option("--masks", metavar="DIR", help="Write a garment mask (PNG) a frame.")
    ] = None,
    pace: Annotated[
        Literal["all", "realtime"],
        typer.Option("--pace", help="Every frame, or the clip's rate, dropping what is late."),
    ] = "all",
    no_mirror: Annotated[bool, typer.Option("--no-mirror", help="Do not swap left and right.")] = False,
    window: Annotated[bool, typer.Option("--window", help="Show it in a window as well.")] = False,
    verbose: Verbose = False,
) -> int:
    """Play a clip through the mirror."""
    source = Path(clip).absolute()
    if not source.exists():
        raise MirrorError(f"{clip} does not exist: name a clip, a folder of images or an image")
    values: dict[str, object] = {
        "capture.source": str(source),
        "capture.loop": False,
        "capture.pace": "all" if _is_image(source) else pace,  # in real time, an image never ends
        "render.display": "window" if window else "none",
        "render.out": str(_output_file(out, source)) if out else "",
        "render.masks": str(_output_folder(masks)) if masks else "",
    }
    if no_mirror:
        values["render.mirror"] = False
    settled = load_config(config, settings, values, garment=garment, fabric=fabric, size=size)
    return _play(settled, report, verbose=verbose)


def demo(
    config: ConfigFile = None,
    settings: Settings = None,
    garment: Garments = None,
    fabric: Fabric = None,
    size: Size = None,
    headless: Annotated[
        bool, typer.Option("--headless", help="Write a video, even if there is a display.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="OUT.mp4", help="Where to (default: in the home folder)."),
    ] = None,
    verbose: Verbose = False,
) -> int:
    """Play the built-in clip: to a window where there is a display, else to a video file."""
    if not DEMO_CLIP.is_file():
        raise MirrorError(f"the built-in clip {DEMO_CLIP} is missing: install the project again")
    display = os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY")
    window = bool(display) and not headless
    video = out or (None if window else _demo_file())
    values: dict[str, object] = {
        "capture.source": str(DEMO_CLIP),
        "capture.loop": False,
        "capture.pace": "realtime" if window else "all",
        "render.display": "window" if window else "none",
        "render.out": str(_output_file(video, DEMO_CLIP)) if video else "",
        "render.masks": "",
    }
    if garment is None:
        values["wardrobe.garments"] = [DEMO_GARMENT]
    if fabric is None:
        values |= {"wardrobe.fabric": DEMO_FABRIC, "wardrobe.changes": DEMO_CHANGES}
    settled = load_config(config, settings, values, garment=garment, fabric=fabric, size=size)
    code = _play(settled, None, verbose=verbose)
    if settled.render.out:
        print(f"the video is {settled.render.out}")
    return code


class _Tally:
    """Counts what was shown, writes the report, tells how far it is."""

    def __init__(self, report: ReportWriter | None) -> None:
        self._report = report
        self._told = time.monotonic()
        self._first_ns = 0
        self._last_ns = 0
        self.frames = 0
        self.tracked = 0
        self.ended = False

    def take(self, shown: Shown) -> None:
        self.ended = self.ended or shown.last
        if not shown.valid:
            return
        if self._report is not None:
            self._report.write(shown)
        self._first_ns = self._first_ns or shown.t_display_ns
        self._last_ns = shown.t_display_ns
        self.frames += 1
        self.tracked += shown.tracked
        now = time.monotonic()
        if sys.stderr.isatty() and now - self._told > 0.5:
            self._told = now
            print(f"\rframe {shown.seq}, {self.fps:.1f} frames/s ", end="", file=sys.stderr, flush=True)

    @property
    def fps(self) -> float:
        """Frames a second between the first frame shown and the last."""
        seconds = (self._last_ns - self._first_ns) / 1e9
        return (self.frames - 1) / seconds if seconds > 0 else 0.0

    def summary(self) -> str:
        share = 100.0 * self.tracked / self.frames if self.frames else 0.0
        return f"{self.frames} frames, {self.tracked} tracked ({share:.1f} %), {self.fps:.1f} frames/s"


def _play(config: Config, report: Path | None, *, verbose: bool) -> int:
    log = logging.getLogger("mirror")
    log.handlers = [terminal()] if verbose else [logging.NullHandler()]
    log.setLevel(config.spine.log_level.upper())
    log.propagate = False
    _sweep_killed_replays()
    with contextlib.ExitStack() as stack:
        writer = stack.enter_context(ReportWriter(report)) if report else None
        runtime = stack.enter_context(_private_runtime())
        tally = _Tally(writer)
        supervisor = Supervisor(config, runtime, log, one_shot=True, on_shown=tally.take)
        try:
            supervisor.run()
        finally:
            if sys.stderr.isatty():
                print("\r\033[K", end="", file=sys.stderr, flush=True)
    if supervisor.stopping.is_set():
        raise MirrorError("interrupted")
    if not tally.ended:
        raise MirrorError("the processes ended before the last frame was shown (--verbose prints their logs)")
    print(tally.summary())
    return 0


@contextlib.contextmanager
def _private_runtime() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir="/tmp"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _sweep_killed_replays() -> None:
    """Remove what replays of this user left that were killed outright."""
    for path in Path("/tmp").glob(f"{_PREFIX}*"):  # noqa: S108 - our own names, checked for their owner
        with contextlib.suppress(OSError):  # another's, or just being removed
            lock = supervisor_lock(path)
            if path.stat().st_uid == os.getuid() and lock.exists() and lock_owner(lock) is None:
                remove_segments(ring_prefix(path))
                shutil.rmtree(path)


def _is_image(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in resolve(_IMAGE_SUFFIXES)


def _output_file(path: Path, clip: Path) -> Path:
    path = path.absolute()
    if path.exists() and path.samefile(clip):
        raise MirrorError(f"{path} is the clip itself: name another file for the recording")
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise MirrorError(f"{path} cannot be written: name a file in a folder that exists and is yours")
    return path


def _output_folder(path: Path) -> Path:
    path = path.absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return path
    except OSError as error:
        raise MirrorError(f"folder {path} cannot be written: {error.strerror}") from None


def _demo_file() -> Path:
    home = Path.home()
    if home.is_dir() and os.access(home, os.W_OK):
        return home / "fitting-mirror-demo.mp4"
    return Path("demo-out.mp4")
