"""The light on footage: whether it mirrors, scales and stands still.

Truth is unknown in real clips; what is measured is what must hold whatever the light is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from capture.sources.clip import Clip
from inference.body.model import BodyModel
from inference.light.network import LightNetwork
from inference.light.tracker import Estimate, LightTracker
from mirror.config import InferenceConfig
from mirror.shading.colour import LINEAR_OF_BYTE, LUMINANCE_RGB, to_srgb
from mirror.shading.spherical_harmonics import angle_deg, main_direction
from mirror.types import F64, Picture, cv
from workshop.evaluate.light.lamps import Turn
from workshop.train.light import sheet
from workshop.train.light.observer import Observer, read_picture

_PACKAGED = Path(__file__).resolve().parents[3] / "capture" / "data" / "demo.mp4"
#: Clips whose light stands still and who is in them faces the camera.
_STILL_LIGHT = ("asl_", "webcam_", "lowkey_", "demo")
_EVERY = 20  # frames between those that are mirrored and darkened
_GAIN = 0.6  # of linear light
_MIRRORED_DEG = 15.0
_WARM_S = 1.0  # at the start of a clip that steadiness does not count


@dataclass
class Footage:
    """What was found on real clips and pictures."""

    mirror_deg: list[float] = field(default_factory=list)
    gain_error: list[float] = field(default_factory=list)
    steps_deg: list[float] = field(default_factory=list)
    by_network: list[bool] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)
    shown: list[tuple[Picture, list[F64]]] = field(default_factory=list)

    @property
    def by_network_share(self) -> float:
        """Share of estimates that the network itself gave."""
        return float(np.mean(self.by_network)) if self.by_network else 0.0

    @property
    def summary(self) -> dict[str, float]:
        """Flat figures."""
        return {
            "mirror_consistency": float(np.mean(np.array(self.mirror_deg) <= _MIRRORED_DEG)),
            "mirror_deg_median": float(np.median(self.mirror_deg)),
            "gain_error": float(np.median(self.gain_error)),
            "direction_step_deg_p95": float(np.quantile(self.steps_deg, 0.95)),
        }


def still_clips(footage: Path | None) -> list[Path]:
    """Clips whose light stands still: the packaged one and those of ``footage``."""
    clips = [_PACKAGED] + (sorted((footage / "video").glob("*")) if footage is not None else [])
    return [path for path in clips if path.stem.startswith(_STILL_LIGHT)]


def real_footage(
    network: LightNetwork, model: BodyModel, footage: Path | None, frames: int, say: Callable[[str], None]
) -> Footage:
    """Run the clips and pictures of ``footage`` and the packaged clip through pose, fit and light."""
    found = Footage()
    with Observer(model, InferenceConfig()) as observer:
        for path in still_clips(footage):
            say(path.stem)
            _clip(path, network, model, observer, frames, found)
        stills = sorted((footage / "stills").glob("*")) if footage is not None else []
        for path in stills:
            frame = read_picture(path)
            if (estimate := _estimate(frame, network, model, observer)) is not None:
                found.shown.append((frame, [estimate.sh]))
                _compare(frame, estimate, network, model, observer, found)
    return found


def _clip(
    path: Path, network: LightNetwork, model: BodyModel, observer: Observer, frames: int, found: Footage
) -> None:
    clip = Clip(path)
    tracker: LightTracker | None = None
    last: F64 | None = None
    begun_ns: int | None = None
    steps: list[float] = []
    chosen: list[Picture] = []
    begin_ns = observer.forget()
    for number in range(frames):
        source = clip.read()
        if source is None:
            break
        person = observer.observe(source.image, begin_ns + source.t_source_ns)
        if person is None:
            tracker, last = None, None
            continue
        if tracker is None:
            tracker, begun_ns = LightTracker(model, person.camera, network), source.t_source_ns
        light = tracker.update(source.image, person.mask, None, person.fit, source.t_source_ns)
        direction = np.array(light.direction)
        if last is not None and begun_ns is not None and (source.t_source_ns - begun_ns) / 1e9 > _WARM_S:
            steps.append(angle_deg(direction, last))
        last = direction
        if number % _EVERY == _EVERY // 2:
            chosen.append(source.image.copy())
    clip.close()
    found.steps_deg += steps
    p95 = round(float(np.quantile(steps, 0.95)), 3) if steps else None
    found.told[path.stem] = {"frames": len(steps), "direction_step_deg_p95": p95}
    for frame in chosen:
        if (estimate := _estimate(frame, network, model, observer)) is not None:
            _compare(frame, estimate, network, model, observer, found)
            if frame is chosen[len(chosen) // 2]:
                found.shown.append((frame, [estimate.sh]))


def _estimate(frame: Picture, network: LightNetwork, model: BodyModel, observer: Observer) -> Estimate | None:
    person = observer.still(frame)
    if person is None:
        return None
    return LightTracker(model, person.camera, network).estimate(frame, person.mask, None, person.fit)


def _compare(
    frame: Picture,
    plain: Estimate,
    network: LightNetwork,
    model: BodyModel,
    observer: Observer,
    found: Footage,
) -> None:
    """Mirror and darken a frame; pose, fit and light start anew each time.

    Who is not seen in the mirror image counts as lit from the opposite side.
    """
    found.by_network.append(plain.by_network)
    flipped = _estimate(np.ascontiguousarray(frame[:, ::-1]), network, model, observer)
    there = main_direction(plain.sh) * (-1, 1, 1)
    found.mirror_deg.append(180.0 if flipped is None else angle_deg(there, main_direction(flipped.sh)))
    dark = np.rint(255 * to_srgb(_GAIN * LINEAR_OF_BYTE[frame])).astype(np.uint8)
    darker = _estimate(dark, network, model, observer)
    if darker is not None:
        levels = [float(e.sh[0] @ LUMINANCE_RGB) for e in (darker, plain)]
        found.gain_error.append(abs(levels[0] / levels[1] / _GAIN - 1))


def write_sheets(out: Path, real: Footage, lamps: Sequence[Turn]) -> None:
    """``footage.png`` and ``lamp.png``: frames with the spheres of their estimates."""
    cells = [sheet.beside(_fitted(frame), lights, 240) for frame, lights in real.shown]
    if cells:
        cells += [np.zeros_like(cells[0])] * (-len(cells) % 3)
        sheet.write(
            out / "footage.png", np.vstack([np.hstack(cells[i : i + 3]) for i in range(0, len(cells), 3)])
        )
    sheet.write(
        out / "lamp.png",
        np.vstack(
            [np.hstack([sheet.beside(_fitted(frame), [sh], 240) for frame, sh in t.frames]) for t in lamps]
        ),
    )


def _fitted(frame: Picture) -> Picture:
    """The frame on a 4:3 ground."""
    height, width = 480, 640
    scale = min(width / frame.shape[1], height / frame.shape[0])
    small = cv.resize(frame, (round(frame.shape[1] * scale), round(frame.shape[0] * scale)))
    ground = np.full((height, width, 3), 24, np.uint8)
    y, x = (height - small.shape[0]) // 2, (width - small.shape[1]) // 2
    ground[y : y + small.shape[0], x : x + small.shape[1]] = small
    return ground
