"""``mirror replay`` and ``mirror demo``: a recording through the real processes.

A private runtime directory and a supervisor that restarts nothing: a death is a failure.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import capture
from mirror.cli.app import load_config
from mirror.config import Config
from mirror.errors import MirrorError
from mirror.logs import terminal
from mirror.messages import Shown
from mirror.report import ReportWriter
from mirror.ring import remove_segments, ring_prefix
from mirror.runtime import lock_owner
from mirror.supervisor import Supervisor, supervisor_lock

DEMO_CLIP = Path(capture.__file__).resolve().parent / "data" / "demo.mp4"
DEMO_GARMENT = "long_sleeve"
#: Fabrics that the GAN made, and the seconds of the clip at which they come.
DEMO_FABRIC, DEMO_CHANGES = "tartan_green", ["3 denim_indigo", "6 gingham_blue", "11 houndstooth_brown"]
_PREFIX = "fitting-mirror-replay-"


def replay(options: argparse.Namespace) -> int:
    """Play ``options.clip`` through the mirror."""
    clip = Path(options.clip).absolute()
    if not clip.exists():
        raise MirrorError(f"{options.clip} does not exist: name a clip, a folder of images or an image")
    settings: dict[str, object] = {
        "capture.source": str(clip),
        "capture.loop": False,
        "capture.pace": "all" if _is_image(clip) else options.pace,  # in real time, an image never ends
        "render.display": "window" if options.window else "none",
        "render.out": str(_output_file(options.out, clip)) if options.out else "",
        "render.masks": str(_output_folder(options.masks)) if options.masks else "",
    }
    if options.no_mirror:
        settings["render.mirror"] = False
    return _play(load_config(options, settings), options.report, verbose=options.verbose)


def demo(options: argparse.Namespace) -> int:
    """Play the built-in clip: to a window where there is a display, else to a video file."""
    if not DEMO_CLIP.is_file():
        raise MirrorError(f"the built-in clip {DEMO_CLIP} is missing: install the project again")
    display = os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY")
    window = bool(display) and not options.headless
    out = options.out or (None if window else _demo_file())
    settings: dict[str, object] = {
        "capture.source": str(DEMO_CLIP),
        "capture.loop": False,
        "capture.pace": "realtime" if window else "all",
        "render.display": "window" if window else "none",
        "render.out": str(_output_file(out, DEMO_CLIP)) if out else "",
        "render.masks": "",
    }
    if options.garment is None:
        settings["wardrobe.garments"] = [DEMO_GARMENT]
    if options.fabric is None:
        settings |= {"wardrobe.fabric": DEMO_FABRIC, "wardrobe.changes": DEMO_CHANGES}
    config = load_config(options, settings)
    code = _play(config, None, verbose=options.verbose)
    if config.render.out:
        print(f"the video is {config.render.out}")
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
    from capture.sources.stills import IMAGE_SUFFIXES

    return path.is_file() and path.suffix.lower() in IMAGE_SUFFIXES


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
