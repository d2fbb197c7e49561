"""``mirror doctor``: what the mirror needs, each with its verdict and the mend."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from mirror import launch
from mirror.cli.options import ConfigFile, JsonObject, Runtime, Settings, load_config
from mirror.cli.probe import attempt
from mirror.config import Config, dump
from mirror.errors import MirrorError
from mirror.logs import log_file
from mirror.runtime import lock_owner, open_runtime, runtime_dir

PROBE_S = 30.0
SHM = Path("/dev/shm")  # noqa: S108 - only looked at
LAYERS_BYTES = 4 * 1024 * 1024  # the masks' ring beside the frames'
DISK_BYTES = 500_000_000
MEMORY_KB = 1_500_000


class Check(msgspec.Struct, frozen=True):
    """One line. ``verdict``: ok; warn (the mirror runs, with a lack); fail (it cannot run)."""

    name: str
    verdict: Literal["ok", "warn", "fail"]
    detail: str
    mend: str = ""


def doctor(
    config: ConfigFile = None,
    settings: Settings = None,
    runtime: Runtime = None,
    as_json: JsonObject = False,
) -> int:
    """Print every check; 1 if something needed is broken."""
    checks = list(examine(load_config(config, settings, runtime=runtime)))
    failed = [check for check in checks if check.verdict == "fail"]
    if as_json:
        print(json.dumps({"ok": not failed, "checks": msgspec.to_builtins(checks)}))
    else:
        for check in checks:
            print(f"{check.verdict:<5} {check.name:<14} {check.detail}")
            if check.mend and check.verdict != "ok":
                print(f"{'':<20} mend: {check.mend}")
    return 1 if failed else 0


def examine(config: Config) -> Iterator[Check]:
    """Every check of this machine for this configuration."""
    running = _running(config)
    with tempfile.TemporaryDirectory(prefix="fm-doctor-") as folder:
        page = Path(folder) / "mirror.toml"
        page.write_text(dump(config), encoding="utf-8")
        yield _source(config, page, running)
        yield _probed("gl", page, "install Mesa's drivers: apt install libegl1 libgl1-mesa-dri")
        yield _probed("network", page, "apt install libseccomp2; the kernel needs seccomp filters")
    yield from _models(config)
    yield _garments(config)
    yield _display(config)
    yield _runtime(config, running)
    yield _shared_memory(config)
    yield _disk(config)
    yield _memory()


def _probe(what: str, page: Path) -> tuple[bool, str]:
    command = [*launch.command("mirror"), "probe", what, str(page)]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PROBE_S,
            env=launch.environment(),
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False, f"no answer within {PROBE_S:g} s"
    if done.returncode < 0:
        return False, f"the driver crashed (signal {-done.returncode})"
    lines = (done.stdout.strip() or done.stderr.strip()).splitlines()
    said = lines[-1].removeprefix("mirror: ") if lines else f"exit code {done.returncode}"
    return done.returncode == 0, said


def _probed(what: str, page: Path, mend: str) -> Check:
    sound, detail = _probe(what, page)
    if what == "gl" and sound and "llvmpipe" in detail:
        return Check(what, "ok", f"{detail} (software: no GPU is used)")
    return Check(what, "ok" if sound else "fail", detail, mend)


def _source(config: Config, page: Path, running: int | None) -> Check:
    name = config.capture.source
    camera = name.isdecimal() or name.startswith("/dev/")
    if camera and running:
        return Check("source", "ok", f"{name} is in use by the mirror that runs (pid {running})")
    sound, detail = _probe("source", page)
    if sound and not camera and not any(Path("/dev").glob("video*")):
        return Check("source", "warn", f"{detail}; no camera", "plug a camera in for the live mirror")
    path = Path(f"/dev/video{name}" if name.isdecimal() else name)
    if not sound and camera and path.exists() and not os.access(path, os.R_OK | os.W_OK):
        mend = "join the video group: sudo usermod -aG video $USER, then log in again"
        return Check("source", "fail", f"{name} may not be opened", mend)
    mend = "plug the camera in, or name another source with --source or capture.source"
    return Check("source", "ok" if sound else "fail", detail, mend)


def _models(config: Config) -> Iterator[Check]:
    from mirror.models import status

    broken = [(name, detail) for name, sound, detail in status() if not sound]
    mend = "`mirror models` fetches and checks them"
    if broken:
        names = ", ".join(name for name, _ in broken)
        yield Check("models", "fail", f"{names}: {broken[0][1]}", mend)
    else:
        yield Check("models", "ok", f"{len(status())} models sound")
    if own := config.inference.pose_model:
        readable = os.access(own, os.R_OK)
        yield Check("pose_model", "ok" if readable else "fail", own, "name a .task file that exists")


def _garments(config: Config) -> Check:
    try:
        return Check("wardrobe", "ok", attempt("wardrobe", config))
    except MirrorError as error:
        mend = "`mirror garment list` and `mirror fabric list` show all"
        return Check("wardrobe", "fail", str(error), mend)


def _display(config: Config) -> Check:
    if config.render.display == "none":
        return Check("display", "ok", "none wanted")
    for name in ("WAYLAND_DISPLAY", "DISPLAY"):
        if value := os.environ.get(name):
            return Check("display", "ok", f"{name}={value}")
    mend = "start the mirror in the desktop session, or set DISPLAY; --display none runs without"
    return Check("display", "fail", "no DISPLAY and no WAYLAND_DISPLAY", mend)


def _runtime(config: Config, running: int | None) -> Check:
    runtime = runtime_dir(config)
    there = runtime.exists()
    try:
        open_runtime(runtime)
        with tempfile.TemporaryFile(dir=runtime):
            detail = f"{runtime} is private and writable"
        if not there:
            runtime.rmdir()
    except (MirrorError, OSError) as error:
        return Check("runtime", "fail", str(error), "set spine.runtime_dir to a folder of your own")
    return Check("runtime", "ok", f"{detail}; mirror pid {running}" if running else detail)


def _shared_memory(config: Config) -> Check:
    capture = config.capture
    # A change of resolution holds two rings for a moment.
    needed = 2 * capture.ring_slots * capture.width * capture.height * 3 + LAYERS_BYTES
    mend = "give /dev/shm more room (containers: --shm-size=256m), or lower capture.ring_slots"
    try:
        free = shutil.disk_usage(SHM).free
    except OSError as error:
        return Check("shared_memory", "fail", f"{SHM}: {error.strerror}", "mount a tmpfs at /dev/shm")
    detail = f"{_mb(free)} free in {SHM}, {_mb(needed)} needed"
    if not os.access(SHM, os.W_OK):
        return Check("shared_memory", "fail", f"{SHM} cannot be written", "chmod 1777 /dev/shm")
    return Check("shared_memory", "ok" if free >= needed else "fail", detail, mend)


def _disk(config: Config) -> Check:
    place = log_file(runtime_dir(config)).parent
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    detail = f"{_mb(free)} free at {place}"
    if not os.access(place, os.W_OK):
        return Check("disk", "fail", f"{place} cannot be written: no logs", "set XDG_STATE_HOME")
    return Check(
        "disk", "ok" if free >= DISK_BYTES else "warn", detail, "free some space for logs and videos"
    )


def _memory() -> Check:
    facts = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text("ascii").splitlines())
    free_kb = int(facts["MemAvailable"].split()[0])
    detail = f"{_mb(free_kb * 1024)} available"
    return Check("memory", "ok" if free_kb >= MEMORY_KB else "warn", detail, "close other programs")


def _running(config: Config) -> int | None:
    from mirror.supervisor import supervisor_lock

    return lock_owner(supervisor_lock(runtime_dir(config)))


def _mb(count: float) -> str:
    return f"{count / 1e6:.0f} MB"
