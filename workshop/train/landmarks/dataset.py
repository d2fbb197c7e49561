"""Makes the pictures that the landmark network learns from; run offline, by hand.

Draws dressed Anny people (none of ``mirror evaluate fit``'s) in random stances before random cameras, and
keeps what the pose network sees of each, and the truth: one ``NUMBER-ROUND.npz`` a person and round in DIR.
A run that was stopped goes on. Needs ``torch`` and ``anny`` (see
``workshop/bake/body.py``):

    bake-venv/bin/mirror landmarks dataset DIR [--first 0] [--last 320] [--seed 4000]
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.body.model import BodyModel
from mirror.types import F64
from render.gpu import gl
from workshop.bake.mask_stand_off import AGES, ANNY_SEED, drawn_outfit
from workshop.bake.people import at_rest
from workshop.synthetic.people.bodies import TrueBody, true_body
from workshop.synthetic.people.portraits import observed, portrait
from workshop.synthetic.people.stances import Stances, camera

PICTURES = 14  # of a person in a round


@dataclass(frozen=True)
class PortraitSet:
    """Pictures of one person by one camera.

    ``landmarks`` (N, 33, 4) px, ``world`` (N, 33, 3) metres, ``masks`` (N, h, w) uint8 0..255, as
    ``inference.pose.tracker.Observation`` has them; true ``skin`` (N, J, 3, 4) to camera space of
    rest ``joints`` (J, 3); ``stances`` (N,) names; ``field_of_view_deg`` of a picture of ``size``
    (width, height).
    """

    person: int
    landmarks: F64
    world: F64
    masks: NDArray[np.uint8]
    skin: NDArray[np.float32]
    joints: NDArray[np.float32]
    stances: NDArray[np.str_]
    field_of_view_deg: float
    camera_height_m: float
    size: tuple[int, int]

    def save(self, path: Path) -> None:
        """Whole or not at all."""
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.savez_compressed(file, **vars(self))
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> PortraitSet:
        """What ``save`` wrote."""
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files}
        return cls(
            person=int(arrays.pop("person")),
            field_of_view_deg=float(arrays.pop("field_of_view_deg")),
            camera_height_m=float(arrays.pop("camera_height_m")),
            size=(int(arrays["size"][0]), int(arrays.pop("size")[1])),
            **arrays,
        )


def photographed(body: TrueBody, rng: np.random.Generator) -> PortraitSet:
    """One person in so many stances."""
    height, field, share = camera(rng)
    number = int(rng.integers(100_000))
    scene = portrait(body, number, 9000, drawn_outfit(rng), (height, field, share), rng)
    stances = [Stances(body.model).draw(rng) for _ in range(PICTURES)]
    seen = list(observed(scene, (stance.world(body.model) for stance in stances)))
    return PortraitSet(
        person=body.number,
        landmarks=np.array([found.landmarks for _, found, _ in seen]),
        world=np.array([found.world for _, found, _ in seen]),
        masks=np.array([found.mask for _, found, _ in seen]),
        skin=np.array([skin for _, _, skin in seen]),
        joints=body.model.joints,
        stances=np.array([stances[index].name for index, _, _ in seen]),
        field_of_view_deg=field,
        camera_height_m=height,
        size=scene.camera().size,
    )


def make(out: Path, people: range, rounds: int, seed: int) -> None:
    """Draw these people, render, observe, and keep in ``out`` what a run before has not."""
    out.mkdir(parents=True, exist_ok=True)
    model = BodyModel.load()
    bodies, joints, _, _ = at_rest(model, ANNY_SEED, AGES)
    context = gl.Context()
    for number in people:
        offsets = (bodies[number] - model.vertices).astype(np.float32)
        body = true_body(number, model, offsets, joints[number].astype(np.float32))
        for turn in range(rounds):
            path = out / f"{number}-{turn}.npz"
            if path.exists():
                continue
            portraits = photographed(body, np.random.default_rng([seed, number, turn]))
            if len(portraits.stances):
                portraits.save(path)
            print(f"... {path.name}: {len(portraits.stances)} pictures", flush=True)
    context.close()
