"""``mirror bench``: the mirror's speed and latency, beside what they are to be measured against.

At each size, in one run: the pose network alone, the mirror (its real processes, live, from a
source that is a little faster than the pose network), and the naive mirror. Figures of one
run belong together; from one machine to another only the ratios mean something.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np

import capture
from mirror import launch, models
from mirror.config import Config, load
from mirror.errors import MirrorError
from mirror.messages import Shown
from mirror.supervisor import Supervisor
from mirror.types import Picture, cv
from render.garments.fabric import load_fabric
from render.garments.garment import load_garment

CLIP = Path(capture.__file__).resolve().parent / "data" / "demo.mp4"
_FASTER = 1.25  # the source's rate over the pose network's: the mirror never waits for a frame
_WARM_UP = 0.2  # share of the time that is not counted, at least a second
_POSE_MODEL = "pose_landmarker_full.task"


@dataclass(frozen=True)
class SpeedOptions:
    """What is measured: frame sizes in pixels, seconds of each measurement."""

    clip: Path
    garment: str
    seconds: float
    sizes: tuple[tuple[int, int], ...]
    window: bool


@dataclass
class Run:
    """What one contestant did: frames a second, latencies and stages in milliseconds."""

    fps: float
    latency_ms: list[float] = field(default_factory=list)
    stage_ms: dict[str, float] = field(default_factory=dict)

    def percentile(self, share: float) -> float:
        """A percentile of the latency, ms; NaN where none was measured."""
        return float(np.percentile(self.latency_ms, share)) if self.latency_ms else float("nan")


def run(options: SpeedOptions, report: Path | None = None) -> int:
    """Run the benchmark, print the table, write the report where one is wanted; returns the exit code."""
    load_garment(options.garment)  # a slip should show now, not in a minute
    if report and not report.absolute().parent.is_dir():
        raise MirrorError(f"{report} cannot be written: its folder does not exist")
    results = {}
    with scratch() as folder:
        for width, height in options.sizes:
            results[f"{width}x{height}"] = _at_size(options, folder, width, height)
    told = summarise(results)
    print(table(results, told["summary"]))
    if report:
        try:
            report.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise MirrorError(f"{report} cannot be written: {error.strerror}") from None
    return 0


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A private folder, short enough in path for sockets; it and its copies of the clip go at the end."""
    path = Path(tempfile.mkdtemp(prefix="fitting-mirror-bench-", dir="/tmp"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


# The contestants ----------------------------------------------------------------------------------


def _at_size(options: SpeedOptions, folder: Path, width: int, height: int) -> dict[str, Run]:
    name = f"{width}x{height}"
    clip = folder / f"{name}.mp4"
    print(f"{name}: preparing the clip", file=sys.stderr)
    frames = fit_clip(options.clip, clip, width, height)
    print(f"{name}: pose network alone", file=sys.stderr)
    pose = _worker("pose", clip, options)
    rate = pose.fps * _FASTER
    set_rate(clip, rate)
    print(f"{name}: the mirror, source of {frames} frames at {rate:.0f} a second", file=sys.stderr)
    mirror = _mirror(options, folder, clip, width, height)
    mirror.stage_ms["source_interval"] = 1e3 / rate
    print(f"{name}: the naive mirror", file=sys.stderr)
    return {"mirror": mirror, "naive": _worker("naive", clip, options), "pose": pose}


# A camera's pictures cost little to take; the recording that stands in for one should not cost more.
_EASY_TO_DECODE = {"crf": "22", "preset": "veryfast", "tune": "fastdecode"}


def fit_clip(source: Path, target: Path, width: int, height: int) -> int:
    """Write the middle of every frame of a clip, scaled to a size, to another clip; returns their number."""
    count = 0
    try:
        with av.open(str(source)) as reader, av.open(str(target), "w") as writer:
            stream: Any = writer.add_stream("libx264", rate=30, options=_EASY_TO_DECODE)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            for frame in reader.decode(video=0):
                picture = _cropped(np.asarray(frame.to_ndarray(format="bgr24"), np.uint8), width, height)
                writer.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
                count += 1
            writer.mux(stream.encode(None))
    except (av.error.FFmpegError, OSError, IndexError) as error:
        raise MirrorError(f"{source} is not a video that can be read ({error})") from None
    return count


def _cropped(picture: Picture, width: int, height: int) -> Picture:
    scale = max(width / picture.shape[1], height / picture.shape[0])
    w, h = min(round(width / scale), picture.shape[1]), min(round(height / scale), picture.shape[0])
    x, y = (picture.shape[1] - w) // 2, (picture.shape[0] - h) // 2
    how = cv.INTER_AREA if scale < 1 else cv.INTER_LINEAR
    return np.asarray(cv.resize(picture[y : y + h, x : x + w], (width, height), interpolation=how), np.uint8)


def set_rate(clip: Path, rate: float) -> None:
    """Rewrite a clip's times so that it plays at ``rate`` frames a second."""
    part = clip.with_suffix(".part.mp4")
    with av.open(str(clip)) as reader, av.open(str(part), "w") as writer:
        source = reader.streams.video[0]
        target = writer.add_stream_from_template(source)
        base = source.time_base
        if base is None:
            raise MirrorError(f"{clip} has no times")
        step = max(1, round(1 / (rate * float(base))))
        old = round(float(1 / source.average_rate) / float(base)) if source.average_rate else step
        for packet in reader.demux(source):
            if packet.dts is None or packet.pts is None:
                continue
            packet.pts, packet.dts = packet.pts * step // old, packet.dts * step // old
            packet.duration = step
            packet.stream = target
            writer.mux(packet)
    part.replace(clip)


def _mirror(options: SpeedOptions, folder: Path, clip: Path, width: int, height: int) -> Run:
    """The mirror's own processes under their supervisor, live."""
    config = _config(options, clip, width, height)
    log = logging.getLogger("mirror.bench")
    log.propagate = False
    shown: list[Shown] = []
    warm_up = max(1.0, _WARM_UP * options.seconds)
    begin_ns = 0

    def take(frame: Shown) -> None:
        nonlocal begin_ns
        if frame.tracked and not begin_ns:
            begin_ns = frame.t_display_ns + int(warm_up * 1e9)
        if begin_ns and frame.valid and frame.t_display_ns >= begin_ns:
            shown.append(frame)
            if frame.t_display_ns - begin_ns > options.seconds * 1e9:
                supervisor.stopping.set()

    supervisor = Supervisor(config, folder / "run", log, one_shot=True, on_shown=take)
    supervisor.run()
    if len(shown) < 2:
        raise MirrorError("the mirror showed no frames to measure; does the clip hold a person?")
    span_s = (shown[-1].t_display_ns - shown[0].t_display_ns) / 1e9
    dressed = [frame for frame in shown if frame.garments]
    stages = sorted({name for frame in dressed for name in frame.stage_ms})
    return Run(
        fps=(len(shown) - 1) / span_s,
        latency_ms=[(frame.t_display_ns - frame.t_capture_ns) / 1e6 for frame in shown],
        stage_ms={s: float(np.median([f.stage_ms.get(s, 0.0) for f in dressed])) for s in stages},
    )


def _config(options: SpeedOptions, clip: Path, width: int, height: int) -> Config:
    return load(
        None,
        {
            "capture.source": str(clip),
            "capture.loop": True,
            "capture.pace": "realtime",
            "capture.width": width,
            "capture.height": height,
            "render.display": "window" if options.window else "none",
            "render.out": "",
            "render.masks": "",
            "wardrobe.garments": [options.garment],
        },
    )


def _worker(what: str, clip: Path, options: SpeedOptions) -> Run:
    """One of the others, in a process of its own."""
    command = [*launch.command("workshop.bench"), what, str(clip), options.garment, str(options.seconds)]
    done = subprocess.run(command, env=launch.environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise MirrorError(f"the {what} measurement failed: {lines[-1] if lines else 'without a word'}")
    return Run(**json.loads(done.stdout.splitlines()[-1]))


# In the workers -----------------------------------------------------------------------------------


def work(what: str, clip: Path, garment: str, seconds: float) -> int:
    """Measure one contestant on a clip, ``"pose"`` or ``"naive"``, and print its run as JSON."""
    from mirror.seccomp import deny_network

    deny_network()  # mediapipe would report its use
    os.environ.setdefault("GLOG_minloglevel", "2")
    run = _pose_alone(clip, seconds) if what == "pose" else _naive(clip, garment, seconds)
    print(json.dumps({"fps": run.fps, "latency_ms": run.latency_ms, "stage_ms": run.stage_ms}))
    return 0


def _looped(clip: Path) -> Iterator[Picture]:
    while True:
        with av.open(str(clip)) as reader:
            for frame in reader.decode(video=0):
                yield np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)


def _pose_alone(clip: Path, seconds: float) -> Run:
    """The pose network with the mirror's options; decoding and conversion are not counted."""
    import mediapipe as mp
    from mediapipe.tasks.python import BaseOptions, vision

    landmarker = vision.PoseLandmarker.create_from_options(
        vision.PoseLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=str(models.path(_POSE_MODEL))),
            running_mode=vision.RunningMode.VIDEO,
            output_segmentation_masks=True,
        )
    )
    times: list[float] = []
    begin = time.perf_counter()
    for number, frame in enumerate(_looped(clip)):
        rgb = cv.cvtColor(frame, cv.COLOR_BGR2RGB)
        start = time.perf_counter()
        image = mp.Image(image_format=mp.ImageFormat.SRGB, data=rgb)
        landmarker.detect_for_video(image, number * 33)
        if start - begin > max(1.0, _WARM_UP * seconds):
            times.append(1e3 * (time.perf_counter() - start))
        if sum(times) > 1e3 * seconds:
            break
    landmarker.close()
    return Run(fps=1e3 / float(np.mean(times)), latency_ms=times)


def _naive(clip: Path, garment: str, seconds: float) -> Run:
    """The naive mirror; its latency runs from the decoded frame to the finished picture."""
    from workshop.bench.naive import NaiveMirror

    worn = load_garment(garment)
    fabric = load_fabric(worn.default_fabric)
    mirror: NaiveMirror | None = None
    ends: list[float] = []
    latencies: list[float] = []
    begin = time.perf_counter()
    for number, frame in enumerate(_looped(clip)):
        start = time.perf_counter()
        if mirror is None:
            mirror = NaiveMirror(frame.shape[1], frame.shape[0], models.path(_POSE_MODEL), worn, fabric)
        mirror.dress(frame, number * 33)
        end = time.perf_counter()
        if start - begin > max(1.0, _WARM_UP * seconds):
            ends.append(end)
            latencies.append(1e3 * (end - start))
            if len(ends) > 1 and ends[-1] - ends[0] > seconds:
                break
    if mirror is not None:
        mirror.close()
    return Run(fps=(len(ends) - 1) / (ends[-1] - ends[0]), latency_ms=latencies)


# The figures --------------------------------------------------------------------------------------


def summarise(results: dict[str, dict[str, Run]]) -> dict[str, Any]:
    """The report: ``summary`` holds the flat figures, ``runs`` every contestant at every size."""
    summary: dict[str, float] = {}
    for size, runs in results.items():
        mirror, naive, pose = runs["mirror"], runs["naive"], runs["pose"]
        lines = f"{size.split('x')[1]}p"
        summary[f"fps_{lines}"] = mirror.fps
        summary[f"naive_ratio_{lines}"] = mirror.fps / naive.fps
        summary[f"pose_only_ratio_{lines}"] = mirror.fps / pose.fps
        interval_ms = mirror.stage_ms["source_interval"]
        summary[f"latency_p95_over_pose_{lines}"] = (mirror.percentile(95) - interval_ms) / pose.percentile(
            50
        )
        summary[f"pose_ms_{lines}"] = pose.percentile(50)
        for share in (50, 95, 99):
            summary[f"latency_p{share}_ms_{lines}"] = mirror.percentile(share)
        summary["latency_p95_over_pose"] = summary[f"latency_p95_over_pose_{lines}"]
    return {
        "summary": {name: round(value, 3) for name, value in summary.items()},
        "cores": os.cpu_count(),
        "runs": {
            size: {
                name: {
                    "fps": round(run.fps, 2),
                    "latency_ms": {f"p{share}": round(run.percentile(share), 2) for share in (50, 95, 99)},
                    "stage_ms": {stage: round(ms, 2) for stage, ms in run.stage_ms.items()},
                }
                for name, run in runs.items()
            }
            for size, runs in results.items()
        },
    }


def table(results: dict[str, dict[str, Run]], summary: dict[str, float]) -> str:
    """The figures to read."""
    lines = []
    for size, runs in results.items():
        lines += [f"{size:12}  frames/s   latency p50   p95   p99 ms"]
        for name, title in (("mirror", "mirror"), ("naive", "naive"), ("pose", "pose alone")):
            run = runs[name]
            latency = "  ".join(f"{run.percentile(share):6.1f}" for share in (50, 95, 99))
            lines.append(f"  {title:10}  {run.fps:8.1f}        {latency}")
        stages = ", ".join(f"{stage} {ms:.1f}" for stage, ms in runs["mirror"].stage_ms.items())
        lines += [f"  median ms: {stages}", ""]
    lines += [f"{name:28} {value:8.3f}" for name, value in summary.items()]
    return "\n".join(lines)
