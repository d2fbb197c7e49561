"""The proof: how well the network knows the light, beside the analytic estimator and plainer guesses.

On rendered people in HDR rooms that training refuses (made-up rooms of another seed where there are
none), then on real clips and pictures (the packaged clip where there are none).

A diffuse sphere's picture is compared over the half that faces the camera. True spheres are scaled so that
their 90th percentile is 0.8; ``rmse`` takes the prediction at the truth's scale, ``si_rmse`` at the
scale that fits best, ``rgb_angle_deg`` is the mean angle between colours (the protocol of Weber et al.
2022 and StyleLight, Wang et al. 2022, whose figures are of another data set).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from inference.body.model import BodyModel
from inference.light.analytic import AnalyticLight
from inference.light.network import LightNetwork
from inference.light.tracker import LightTracker
from inference.light.weights import WEIGHTS
from mirror.shading.colour import LINEAR_OF_BYTE
from mirror.shading.spherical_harmonics import angle_deg, main_direction, sh_basis, sphere_normals, uniform_sh
from mirror.types import F64, Picture
from workshop.evaluate.light import clips, lamps
from workshop.synthetic.light.environment import Environment
from workshop.synthetic.light.mannequins import Mannequin, MannequinMaker
from workshop.synthetic.light.procedural_environments import synthetic
from workshop.synthetic.light.scenes import Surroundings, hdr_pictures, shot
from workshop.train.light import sheet

_SEED = 7_000_003  # apart from any training seed
_REFLECTANCE = 0.4  # of a frame as a whole, for the guess from its mean colour
_SPHERE = 48  # px
_SHEET = 18  # scenes on the sheet

_NORMALS, _INSIDE = sphere_normals(_SPHERE)
_BASIS = sh_basis(_NORMALS[_INSIDE])


#: What the proof wants: at most these errors (StyleLight reports such ones of the sphere on its own data) ...
GOALS = {"direction_error_deg_median": 20.0, "sphere_si_rmse": 0.11, "sphere_rgb_angle_deg": 2.5}
GOAL_BELOW_ANALYTIC = 0.4  # ... and so much less than the analytic estimator's;
GOAL_MIRRORED = 0.9  # share of frames whose mirrored light is the mirror of their light;
GOAL_STEP_DEG = 2.0  # of direction from frame to frame in light that stands still;
GOAL_FOLLOWED_S = 0.5  # until a lamp that is turned has been followed


@dataclass
class Errors:
    """Errors of one way to guess, a value a scene."""

    direction: list[float] = field(default_factory=list)
    rmse: list[float] = field(default_factory=list)
    si_rmse: list[float] = field(default_factory=list)
    rgb_angle: list[float] = field(default_factory=list)

    def add(self, guess: F64, truth: F64, directed: bool = True) -> None:
        """Compare light (9, 3) with the truth; ``directed``: whether the guess has a main direction."""
        if directed:
            self.direction.append(angle_deg(main_direction(guess), main_direction(truth)))
        rmse, si_rmse, angle = sphere_errors(guess, truth)
        self.rmse.append(rmse)
        self.si_rmse.append(si_rmse)
        self.rgb_angle.append(angle)

    def summary(self, ending: str) -> dict[str, float]:
        """Flat figures with an ending to their names."""
        out = {
            f"sphere_rmse{ending}": float(np.mean(self.rmse)),
            f"sphere_si_rmse{ending}": float(np.mean(self.si_rmse)),
            f"sphere_rgb_angle_deg{ending}": float(np.mean(self.rgb_angle)),
        }
        if self.direction:
            out[f"direction_error_deg_median{ending}"] = float(np.median(self.direction))
            out[f"direction_error_deg_p90{ending}"] = float(np.quantile(self.direction, 0.9))
        return out


def sphere_errors(guess: F64, truth: F64) -> tuple[float, float, float]:
    """RMSE, scale-invariant RMSE and RGB angle (degrees) of a diffuse sphere; see the module's head."""
    ours, theirs = (np.maximum(_BASIS @ np.asarray(sh, np.float64), 0.0) for sh in (guess, truth))
    scale = 0.8 / max(float(np.quantile(theirs, 0.9)), 1e-9)
    ours, theirs = ours * scale, theirs * scale
    rmse = float(np.sqrt(np.mean((ours - theirs) ** 2)))
    best = float((ours * theirs).sum() / max(float((ours * ours).sum()), 1e-12))
    si_rmse = float(np.sqrt(np.mean((best * ours - theirs) ** 2)))
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    lit = lengths > 1e-9
    cosine = (ours * theirs).sum(1)[lit] / lengths[lit]
    return rmse, si_rmse, float(np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean())


def evaluate(
    weights: Path,
    footage: Path | None,
    *,
    figures: int = 60,
    lights: int = 5,
    frames: int = 80,
    seed: int = 0,
    out: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """All figures: ``summary`` of flat numbers, ``notes`` in words, and what they come from."""
    arrays, facts = WEIGHTS.load(weights)
    network, model = LightNetwork(arrays), BodyModel.load()
    folder = footage / "hdr" if footage is not None and (footage / "hdr").is_dir() else None
    rooms = hdr_pictures(folder, held=True)
    what = f"HDR rooms never trained on: {', '.join(r.name for r in rooms)}"
    if not rooms:
        rooms = [synthetic(np.random.default_rng([_SEED, seed, i])).levelled() for i in range(24)]
        what = "made-up rooms of another seed (no HDR pictures here)"
    say(f"{figures} people, {lights} lights each, in {what}")
    maker = MannequinMaker(model)
    errors, shown, counted = _rendered(network, model, maker, rooms, facts, figures, lights, seed)
    say("a lamp is turned")
    mannequin = maker.make(np.random.default_rng([seed, 11]))
    turns = [
        lamps.rendered_turn(network, model, mannequin, rooms[0], seed, room_too) for room_too in (True, False)
    ]
    real_turns = lamps.real_turns(clips.still_clips(footage), network, model, say)
    say("clips and pictures")
    real = clips.real_footage(network, model, footage, frames, say)
    summary = errors["network"].summary("")
    for name in ("analytic", "mean_light", "frame_colour"):
        summary |= errors[name].summary(f"_{name}")
    summary |= real.summary | {
        "lamp_followed_s": turns[0].followed_s,
        "lamp_on_person_followed_s": turns[1].followed_s,
    }
    if real_turns:
        summary["real_lamp_followed_s_median"] = float(np.median([t.followed_s for t in real_turns]))
        summary["real_lamp_followed_s_worst"] = max(t.followed_s for t in real_turns)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        sheet.write(out / "rendered.png", _sheet(shown))
        clips.write_sheets(out, real, [*turns, *real_turns])
        from workshop.evaluate.light.garments_sheet import six_lights

        sheet.write(out / "six_lights.png", six_lights(model, network, maker, rooms, seed))
    return {
        "summary": {name: round(float(value), 5) for name, value in summary.items()},
        "notes": [
            f"rendered people: {counted} scenes in {what}",
            f"the network itself answered in {real.by_network_share:.0%} of real frames",
            *_shortfalls(summary),
            "sphere figures are of our own scenes; StyleLight has 0.11 and 2.41 on another set, Laval Indoor",
        ],
        "surroundings": what,
        "scenes": counted,
        "clips": real.told,
        "lamps": [
            {
                "name": t.name,
                "followed_s": t.followed_s,
                "share_after_half_a_second": t.level_share,
                "direction_error_deg": None if np.isnan(t.direction_error) else t.direction_error,
            }
            for t in [*turns, *real_turns]
        ],
        "weights": facts,
    }


def _shortfalls(summary: dict[str, float]) -> list[str]:
    """The goals that were missed, in words."""
    missed = [
        f"{name} {summary[name]:.3f}, goal {goal}" for name, goal in GOALS.items() if summary[name] > goal
    ]
    for name in GOALS:
        ratio = summary[name] / max(summary[f"{name}_analytic"], 1e-9)
        if 1 - ratio < GOAL_BELOW_ANALYTIC:
            missed.append(
                f"{name} {1 - ratio:.0%} below the analytic estimator's, goal {GOAL_BELOW_ANALYTIC:.0%}"
            )
    if summary["mirror_consistency"] < GOAL_MIRRORED:
        missed.append(f"mirror_consistency {summary['mirror_consistency']:.2f}, goal {GOAL_MIRRORED:g}")
    if summary["direction_step_deg_p95"] >= GOAL_STEP_DEG:
        missed.append(
            f"direction_step_deg_p95 {summary['direction_step_deg_p95']:.2f}, goal below {GOAL_STEP_DEG:g}"
        )
    missed += [
        f"{name} {summary[name]:.2f}, goal {GOAL_FOLLOWED_S:g}"
        for name in ("lamp_followed_s", "lamp_on_person_followed_s", "real_lamp_followed_s_worst")
        if not summary.get(name, 0.0) <= GOAL_FOLLOWED_S
    ]
    return [f"not reached: {text}" for text in missed] or ["all goals reached"]


Shown = list[tuple[Picture, list[F64]]]


def _rendered(
    network: LightNetwork,
    model: BodyModel,
    maker: MannequinMaker,
    rooms: list[Environment],
    facts: dict[str, str],
    figures: int,
    lights: int,
    seed: int,
) -> tuple[dict[str, Errors], Shown, int]:
    """Errors by way to guess; some frames with true, predicted and analytic light; number of scenes."""
    errors = {name: Errors() for name in ("network", "analytic", "mean_light", "frame_colour")}
    around = Surroundings(rooms, 0, seed)
    mean_light = np.array(json.loads(facts["mean_light"]), np.float64)
    shown: Shown = []
    for number in range(figures):
        mannequin = maker.make(np.random.default_rng([_SEED, seed, 2, number]))
        for light in range(lights):
            rng = np.random.default_rng([_SEED, seed, 3, number, light])
            scene = shot(mannequin, around.draw(rng), rng)
            ours, analytic = _guesses(network, model, mannequin, scene.frame)
            errors["network"].add(ours, scene.sh)
            errors["analytic"].add(analytic, scene.sh)
            errors["mean_light"].add(mean_light, scene.sh)
            errors["frame_colour"].add(_frame_colour(scene.frame), scene.sh, directed=False)
            if len(shown) < _SHEET and light == number % lights:
                shown.append((scene.frame, [scene.sh, ours, analytic]))
    return errors, shown, figures * lights


def _guesses(
    network: LightNetwork, model: BodyModel, mannequin: Mannequin, frame: Picture
) -> tuple[F64, F64]:
    """What the live mirror and the analytic estimator would say of one frame."""
    tracker = LightTracker(model, mannequin.camera, network)
    analytic = AnalyticLight(model, mannequin.camera)
    ours = tracker.estimate(frame, mannequin.mask, None, mannequin.fit).sh
    return ours, analytic.estimate(frame, mannequin.mask, None, mannequin.fit)[0]


def _frame_colour(frame: Picture) -> F64:
    """Light from everywhere of the frame's mean colour, at a middle reflectance."""
    mean = LINEAR_OF_BYTE[frame].reshape(-1, 3).mean(0)[::-1] / _REFLECTANCE
    return np.asarray(uniform_sh()[:, None] * mean)


def _sheet(shown: Shown) -> Picture:
    """Three scenes a row, each with spheres: truth, network, analytic."""
    cells = [sheet.beside(_squared(frame), lights, 150) for frame, lights in shown]
    cells += [np.zeros_like(cells[0])] * (-len(cells) % 3)
    return np.vstack([np.hstack(cells[i : i + 3]) for i in range(0, len(cells), 3)])


def _squared(frame: Picture) -> Picture:
    """The frame on a grey square."""
    side = max(frame.shape[:2])
    square = np.full((side, side, 3), 24, np.uint8)
    y, x = (side - frame.shape[0]) // 2, (side - frame.shape[1]) // 2
    square[y : y + frame.shape[0], x : x + frame.shape[1]] = frame
    return square
