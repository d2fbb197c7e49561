"""The light on footage: whether it mirrors, scales, stands still, and follows a lamp that is turned.

Truth is unknown in real clips; what is measured is what must hold whatever the light is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from capture.clip import Clip
from inference.body_model import BodyModel
from inference.kinematics import Array
from inference.light import TO_LINEAR, lamp_sh, uniform_sh
from inference.light_net import sheet
from inference.light_net.environment import F32, Environment, rays
from inference.light_net.figures import FigureMaker
from inference.light_net.follower import Estimate, LightFollower
from inference.light_net.forward import Network
from inference.light_net.look import Looker, read_picture
from inference.light_net.response import Response, encode
from inference.light_net.spherical import LUMINANCE_RGB, angle_deg, main_direction
from inference.shrink import Picture, cv
from mirror.config import InferenceConfig

_PACKAGED = Path(__file__).resolve().parents[2] / "capture" / "data" / "demo.mp4"
#: Clips whose light stands still and who is in them faces the camera.
_STILL_LIGHT = ("asl_", "webcam_", "lowkey_", "demo")
_EVERY = 20  # frames between those that are mirrored and darkened
_GAIN = 0.6  # of linear light
_MIRRORED_DEG = 15.0
_WARM_S = 1.0  # at the start of a clip that steadiness does not count
_FPS = 25
_TURNED_S, _LENGTH_S = 2.0, 4.0


@dataclass
class Footage:
    """What was found on real clips and pictures."""

    mirror_deg: list[float] = field(default_factory=list)
    gain_error: list[float] = field(default_factory=list)
    steps_deg: list[float] = field(default_factory=list)
    by_network: list[bool] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)
    shown: list[tuple[Picture, list[Array]]] = field(default_factory=list)

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


def real_footage(
    network: Network, model: BodyModel, footage: Path | None, frames: int, say: Callable[[str], None]
) -> Footage:
    """Run the clips and pictures of ``footage`` and the packaged clip through pose, fit and light."""
    found = Footage()
    clips = [_PACKAGED] + (sorted((footage / "video").glob("*")) if footage is not None else [])
    with Looker(model, InferenceConfig()) as looker:
        for path in (p for p in clips if p.stem.startswith(_STILL_LIGHT)):
            say(path.stem)
            _clip(path, network, model, looker, frames, found)
        stills = sorted((footage / "stills").glob("*")) if footage is not None else []
        for path in stills:
            frame = read_picture(path)
            if (estimate := _estimate(frame, network, model, looker)) is not None:
                found.shown.append((frame, [estimate.sh]))
                _compare(frame, estimate, network, model, looker, found)
    return found


def _clip(
    path: Path, network: Network, model: BodyModel, looker: Looker, frames: int, found: Footage
) -> None:
    clip = Clip(path)
    follower: LightFollower | None = None
    last: Array | None = None
    begun_ns: int | None = None
    steps: list[float] = []
    chosen: list[Picture] = []
    begin_ns = looker.forget()
    for number in range(frames):
        source = clip.read()
        if source is None:
            break
        look = looker.look(source.image, begin_ns + source.t_source_ns)
        if look is None:
            follower, last = None, None
            continue
        if follower is None:
            follower, begun_ns = LightFollower(model, look.camera, network), source.t_source_ns
        light = follower.update(source.image, look.mask, None, look.fit, source.t_source_ns)
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
        if (estimate := _estimate(frame, network, model, looker)) is not None:
            _compare(frame, estimate, network, model, looker, found)
            if frame is chosen[len(chosen) // 2]:
                found.shown.append((frame, [estimate.sh]))


def _estimate(frame: Picture, network: Network, model: BodyModel, looker: Looker) -> Estimate | None:
    look = looker.still(frame)
    if look is None:
        return None
    return LightFollower(model, look.camera, network).estimate(frame, look.mask, None, look.fit)


def _compare(
    frame: Picture, plain: Estimate, network: Network, model: BodyModel, looker: Looker, found: Footage
) -> None:
    """Mirror and darken a frame; pose, fit and light start anew each time."""
    found.by_network.append(plain.by_network)
    flipped = _estimate(np.ascontiguousarray(frame[:, ::-1]), network, model, looker)
    if flipped is not None:
        there = main_direction(plain.sh) * (-1, 1, 1)
        found.mirror_deg.append(angle_deg(there, main_direction(flipped.sh)))
    dark = np.rint(255 * encode(_GAIN * TO_LINEAR[frame])).astype(np.uint8)
    darker = _estimate(dark, network, model, looker)
    if darker is not None:
        levels = [float(e.sh[0] @ LUMINANCE_RGB) for e in (darker, plain)]
        found.gain_error.append(abs(levels[0] / levels[1] / _GAIN - 1))


@dataclass(frozen=True)
class LampTurn:
    """A lamp goes out on one side and another, weaker one on at the other.

    ``followed_s``: until level and direction have come four fifths of the way, seconds (inf: never).
    ``level_share``: how far the level has come after half a second; ``direction_error``: degrees then.
    """

    followed_s: float
    level_share: float
    direction_error: float
    frames: list[tuple[Picture, Array]]


def lamp_turn(
    follower_class: type[LightFollower],
    network: Network,
    model: BodyModel,
    maker: FigureMaker,
    rooms: list[Environment],
    seed: int,
) -> LampTurn:
    """A rendered clip whose light changes side and brightness half-way; the running estimate follows."""
    figure = maker.make(np.random.default_rng([seed, 11]))
    follower = follower_class(model, figure.camera, network)
    room = rooms[0]
    behind = room.seen(figure.rotation, figure.camera.focal, figure.size) * 0.5
    lamps = [_lamp((-0.8, -0.4, -0.45), 1.0), _lamp((0.8, -0.4, -0.45), 0.5)]
    took: list[tuple[float, Array]] = []
    kept: list[tuple[Picture, Array]] = []
    for number in range(round(_LENGTH_S * _FPS)):
        t = number / _FPS
        after = t >= _TURNED_S
        radiance, _ = lamps[after]
        linear = figure.lit(radiance, behind * (0.6 if after else 1.0))
        camera = Response(np.full(3, 0.5), 0.2, 0.6, 0.004, 0.01, 85)
        frame = camera.taken(linear, np.random.default_rng([seed, 12, number]))
        light = follower.update(frame, figure.mask, None, figure.fit, round(t * 1e9))
        took.append((t, np.array(light.sh)))
        if number in {
            round(_TURNED_S * _FPS) - 1,
            round((_TURNED_S + 0.5) * _FPS),
            round(_LENGTH_S * _FPS) - 1,
        }:
            kept.append((frame, np.array(light.sh)))
    before = np.mean([sh for t, sh in took if _TURNED_S - 0.6 <= t < _TURNED_S], axis=0)
    end = np.mean([sh for t, sh in took if t > _LENGTH_S - 0.6], axis=0)

    def share(sh: Array) -> float:
        """How far of the way from before to the end, by the luminance of all coefficients."""
        way = (end - before) @ LUMINANCE_RGB
        return float(((sh - before) @ LUMINANCE_RGB) @ way / max(float(way @ way), 1e-12))

    truly = main_direction(lamps[1][1])
    late = next(sh for t, sh in took if t >= _TURNED_S + 0.5 - 1e-9)
    followed = [t - _TURNED_S for t, sh in took if t >= _TURNED_S and share(sh) >= 0.8]
    return LampTurn(
        followed[0] if followed else float("inf"), share(late), angle_deg(main_direction(late), truly), kept
    )


def _lamp(towards: tuple[float, float, float], strength: float) -> tuple[F32, Array]:
    """Radiance (RAYS, 3) of a soft lamp in camera axes over an even ground, and about its light (9, 3)."""
    direction = np.array(towards) / np.linalg.norm(towards)
    weight = np.maximum(rays() @ direction, 0) ** 12
    radiance = strength * (0.35 + 0.65 * np.pi * weight / (weight.sum() * 4 * np.pi / len(weight)))
    sh = strength * (0.35 * uniform_sh() + 0.65 * lamp_sh(direction))
    return np.repeat(radiance[:, None], 3, axis=1).astype(np.float32), np.repeat(sh[:, None], 3, axis=1)


def write_sheets(out: Path, real: Footage, lamp: LampTurn) -> None:
    """``footage.png`` and ``lamp.png``: frames with the spheres of their estimates."""
    cells = [sheet.beside(_fitted(frame), lights, 240) for frame, lights in real.shown]
    if cells:
        cells += [np.zeros_like(cells[0])] * (-len(cells) % 3)
        sheet.write(
            out / "footage.png", np.vstack([np.hstack(cells[i : i + 3]) for i in range(0, len(cells), 3)])
        )
    sheet.write(
        out / "lamp.png", np.hstack([sheet.beside(_fitted(frame), [sh], 240) for frame, sh in lamp.frames])
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
