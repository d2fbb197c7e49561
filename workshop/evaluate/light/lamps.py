"""Turning a lamp: how soon the running estimate follows a light that changes side and brightness at once.

On a rendered clip, whose room changes with the person or doesn't, and on real clips, relit half-way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capture.sources.clip import Clip
from inference.body.landmarks import FACE
from inference.body.model import BodyModel
from inference.light.network import LightNetwork
from inference.light.tracker import LightTracker
from mirror.config import InferenceConfig
from mirror.shading.colour import LINEAR_OF_BYTE, LUMINANCE_RGB, to_srgb
from mirror.shading.spherical_harmonics import angle_deg, lamp_sh, main_direction, uniform_sh
from mirror.types import F32, F64, Picture, cv
from workshop.synthetic.light.camera_response import Response
from workshop.synthetic.light.environment import Environment, rays
from workshop.synthetic.light.mannequins import Mannequin
from workshop.train.light.observer import Observed, Observer

_FPS = 25
_TURNED_S, _LENGTH_S = 2.0, 4.0
_MEASURED_S = 0.6  # before the turn and at the end: where the light came from and went to
_FOLLOWED = 0.8  # of the way
_DIMMED = 0.55  # the second lamp over the first one, on real clips
_SIDE = 0.45  # how far the lit side is above the middle, and the other one below
_LONGEST = 120  # frames of a clip
_SETTLED_S = 0.5  # after the turn: how far the light has come by then is measured
# The rendered turn: directions in camera axes and strengths of both lamps, how bright the room is, and how
# much of that is left with the second lamp where the room darkens too.
_LAMPS = (((-0.8, -0.4, -0.45), 1.0), ((0.8, -0.4, -0.45), 0.5))
_ROOM, _ROOM_AFTER = 0.5, 0.6
_CAMERA = Response(gains=np.full(3, 0.5), contrast=0.2, blur=0.6, read=0.004, shot=0.01, quality=85)
_AMBIENT = 0.35  # share of a lamp's light that comes evenly from all around
_BEAM = 12  # power of the cosine from a lamp's middle


@dataclass(frozen=True)
class Turn:
    """One turned lamp.

    ``followed_s``: until level and direction have come four fifths of the way, seconds (inf: never).
    ``level_share``: how far they have come after half a second. ``direction_error``: degrees then, NaN
    where the truth is unknown. ``frames``: before, half a second after, and at the end.
    """

    name: str
    followed_s: float
    level_share: float
    direction_error: float
    frames: list[tuple[Picture, F64]]


def rendered_turn(
    network: LightNetwork,
    model: BodyModel,
    mannequin: Mannequin,
    room: Environment,
    seed: int,
    room_too: bool,
) -> Turn:
    """A rendered person whose lamp goes out on one side and another, weaker one on at the other.

    ``room_too``: whether the room darkens with it.
    """
    tracker = LightTracker(model, mannequin.camera, network)
    behind = room.seen(mannequin.rotation, mannequin.camera.focal, mannequin.size) * _ROOM
    lamps = [_lamp(*lamp) for lamp in _LAMPS]
    found: list[tuple[float, F64, Picture]] = []
    for number in range(round(_LENGTH_S * _FPS)):
        t = number / _FPS
        after = t >= _TURNED_S
        linear = mannequin.lit(lamps[after][0], behind * (_ROOM_AFTER if after and room_too else 1.0))
        frame = _CAMERA.taken(linear, np.random.default_rng([seed, 12, number]))
        light = tracker.update(frame, mannequin.mask, None, mannequin.fit, round(t * 1e9))
        found.append((t, np.array(light.sh), frame))
    name = "rendered, room and person" if room_too else "rendered, person alone"
    return judged(name, found, _TURNED_S, main_direction(lamps[1][1]))


def real_turns(
    paths: Sequence[Path], network: LightNetwork, model: BodyModel, say: Callable[[str], None]
) -> list[Turn]:
    """Real clips relit half-way, each twice: the whole frame, and the person alone.

    Clips that are too short, or in which nobody is seen from before the change to the end, are left out.
    """
    turns = []
    with Observer(model, InferenceConfig()) as observer:
        for path in paths:
            say(f"a lamp is turned in {path.stem}")
            for whole in (True, False):
                turn = _relit(path, network, model, observer, whole)
                if turn is not None:
                    turns.append(turn)
    return turns


def _relit(
    path: Path, network: LightNetwork, model: BodyModel, observer: Observer, whole: bool
) -> Turn | None:
    times = [t for t, _ in _frames(path)]
    if not times:
        return None
    turned_s = times[len(times) // 2]
    if turned_s < _MEASURED_S or times[-1] - turned_s < _SETTLED_S + _MEASURED_S / 2:
        return None
    begin_ns = observer.forget()
    tracker: LightTracker | None = None
    found: list[tuple[float, F64, Picture]] = []
    where: Observed | None = None
    for t, plain in _frames(path):
        # Where the person is, the frame before this one told.
        frame = plain if where is None else relit(plain, where, t >= turned_s, whole)
        seen_before, where = where is not None, observer.observe(frame, begin_ns + round(t * 1e9))
        if where is None:
            tracker, found = None, []
            continue
        if not seen_before:
            continue
        tracker = tracker or LightTracker(model, where.camera, network)
        light = tracker.update(frame, where.mask, None, where.fit, round(t * 1e9))
        found.append((t, np.array(light.sh), frame))
    if not found or found[0][0] > turned_s - _MEASURED_S / 2:
        return None
    part = "room and person" if whole else "person alone"
    return judged(f"{path.stem}, {part}", found, turned_s, None)


def _frames(path: Path) -> Iterator[tuple[float, Picture]]:
    """A clip's first frames with their times in seconds; valid until the next one."""
    clip = Clip(path)
    begun_ns: int | None = None
    for _ in range(_LONGEST):
        source = clip.read()
        if source is None:
            break
        begun_ns = source.t_source_ns if begun_ns is None else begun_ns
        yield (source.t_source_ns - begun_ns) / 1e9, source.image
    clip.close()


def relit(frame: Picture, person: Observed, after: bool, whole: bool) -> Picture:
    """A frame (H, W, 3) with its light from the left, or ``after`` weaker and from the right.

    Linear light is multiplied by a ramp across the head. ``whole``: the room's too, else the person's.
    """
    height, width = frame.shape[:2]
    head = person.camera.project(person.fit.landmark_points[list(FACE)])
    middle = float(head[:, 0].mean())
    reach = max(1.5 * float(np.ptp(head[:, 0])), 8.0)
    side = np.clip((np.arange(width) + 0.5 - middle) / reach, -1, 1)
    gain = (_DIMMED if after else 1.0) * (1 + (_SIDE if after else -_SIDE) * side)
    gains = np.broadcast_to(gain, (height, width))
    if not whole:
        person = cv.resize(person.mask, (width, height), interpolation=cv.INTER_LINEAR) / 255.0
        gains = 1 + (gains - 1) * person
    lit = np.clip(LINEAR_OF_BYTE[frame] * gains[..., None], 0, 1).astype(np.float32)
    return np.asarray(np.rint(255 * to_srgb(lit)), np.uint8)


def judged(
    name: str, found: Sequence[tuple[float, F64, Picture]], turned_s: float, truly: F64 | None
) -> Turn:
    """What times (s), lights (9, 3) and frames say of a lamp turned at ``turned_s``, towards ``truly``."""
    times: NDArray[np.float64] = np.array([t for t, _, _ in found])
    lights = np.stack([sh for _, sh, _ in found]) @ LUMINANCE_RGB
    before = lights[(times >= turned_s - _MEASURED_S) & (times < turned_s)].mean(0)
    end = lights[times > times[-1] - _MEASURED_S].mean(0)
    way = end - before
    share = (lights - before) @ way / max(float(way @ way), 1e-12)
    late = int(np.argmax(times >= turned_s + 0.5 - 1e-9))
    followed = times[(times >= turned_s) & (share >= _FOLLOWED)] - turned_s
    kept = [found[int(np.argmax(times >= turned_s)) - 1], found[late], found[-1]]
    return Turn(
        name,
        float(followed[0]) if len(followed) else float("inf"),
        float(share[late]),
        float("nan") if truly is None else angle_deg(main_direction(found[late][1]), truly),
        [(frame, sh) for _, sh, frame in kept],
    )


def _lamp(towards: tuple[float, float, float], strength: float) -> tuple[F32, F64]:
    """Radiance (RAYS, 3) of a soft lamp in camera axes over an even ground, and about its light (9, 3)."""
    direction = np.array(towards) / np.linalg.norm(towards)
    weight = np.maximum(rays() @ direction, 0) ** _BEAM
    radiance = strength * (
        _AMBIENT + (1 - _AMBIENT) * np.pi * weight / (weight.sum() * 4 * np.pi / len(weight))
    )
    sh = strength * (_AMBIENT * uniform_sh() + (1 - _AMBIENT) * lamp_sh(direction))
    return np.repeat(radiance[:, None], 3, axis=1).astype(np.float32), np.repeat(sh[:, None], 3, axis=1)
