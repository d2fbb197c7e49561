"""People who are not among those of the proof, before a camera: what the fit's priors are measured on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.pose.tracker import Observation, PoseTracker
from mirror import models
from mirror.types import F64
from workshop.synthetic.people.backdrops import Backdrop
from workshop.synthetic.people.bodies import TrueBody
from workshop.synthetic.people.mannequins import Mannequin, dressed
from workshop.synthetic.people.motions import Choreography, Motion
from workshop.synthetic.people.scenes import BRIGHTNESS, Actor, Scene, Wear, backdrop_room


@dataclass(frozen=True)
class Portrait(Scene):
    """A scene of somebody who is not among the people of the proof."""

    person: TrueBody | None = None

    def body(self, number: int) -> TrueBody:  # noqa: ARG002 - there is but one
        """The only person."""
        assert self.person is not None  # noqa: S101 - given to each
        return self.person


def portrait(
    body: TrueBody,
    number: int,
    seed: int,
    worn: tuple[Wear, ...],
    camera: tuple[float, float, float],
    rng: np.random.Generator,
) -> Portrait:
    """Somebody in these clothes, in a random light.

    ``number`` chooses appearance and room; ``camera``: its height in metres, its field of view in degrees,
    and the share of the picture's height that the person takes.
    """
    height, field_of_view, share = camera
    return Portrait(
        name="portrait",
        actors=(Actor(0, "still", number, worn),),
        camera_height_m=height,
        field_of_view_deg=field_of_view,
        share=share,
        room=500 + number,
        brightness=float(rng.uniform(*BRIGHTNESS)),
        tint=(1.0, 1.0, 1.0),
        light=(float(rng.uniform(-0.8, 0.8)), 0.6, 0.7),
        top="tshirt",
        bottom="trousers",
        seed=seed + number,
        person=body,
    )


def observed_motions(
    scene: Portrait, motions: Iterable[Motion]
) -> Iterator[tuple[Motion, Observation, NDArray[np.float32]]]:
    """Each motion, what the pose network sees of its first moment, and the true skin (J, 3, 4).

    In camera space, metres. Moments in which nobody is found are left out.
    """
    moved = list(motions)
    model = scene.body(0).model
    for index, seen, skin in observed(scene, (Choreography(m, model).matrices(0.0) for m in moved)):
        yield moved[index], seen, skin


def observed(
    scene: Portrait, worlds: Iterable[F64]
) -> Iterator[tuple[int, Observation, NDArray[np.float32]]]:
    """The number of each stance, what the pose network sees of it, and the true skin (J, 3, 4).

    ``worlds``: skinning matrices (J, 3, 4) into the world. The skin is in camera space, metres. Stances in
    which nobody is found are left out.
    """
    body, camera = scene.body(0), scene.camera()
    backdrop = Backdrop(backdrop_room(scene), camera, scene.brightness, np.array(scene.tint))
    cloths = [dressed(body, w.garment, w.fabric, w.bulk_m) for w in scene.actors[0].worn]
    mannequin = Mannequin(camera.size, body, scene.appearance(0), cloths)
    light = scene.light_sh(camera)
    tracker = PoseTracker(
        models.path("pose_landmarker_full.task"), models.path("face_detection_full_range_sparse.tflite")
    )
    for index, world in enumerate(worlds):
        skin = np.asarray(camera.place(world), np.float32)
        picture = backdrop.shaded([])
        mannequin.draw(skin, camera.lens, light, picture)
        seen = tracker.observe(picture, (index + 1) * 5_000_000_000)  # so long apart: a new person each time
        if seen is not None:
            yield index, seen, skin
    tracker.close()
    mannequin.delete()
