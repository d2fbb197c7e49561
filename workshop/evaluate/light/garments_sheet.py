"""A sheet to judge by eye: garments on a rendered person under six lights, lit as the mirror does."""

from __future__ import annotations

import numpy as np

from inference.body.model import BodyModel
from inference.light.network import LightNetwork
from inference.light.tracker import LightTracker
from mirror.types import F64, Picture
from render.compose.camera_match import CameraMatch
from render.compose.compositing import composite
from render.compose.contact_shadow import ContactShadow
from render.garments.fabric import load_fabric
from render.garments.garment import load_garment
from render.garments.mesh import body_surface
from render.garments.outfit import cloth_of
from render.gpu import gl
from render.gpu.renderer import GarmentRenderer
from workshop.synthetic.light.environment import Environment
from workshop.synthetic.light.mannequins import Mannequin, MannequinMaker
from workshop.synthetic.light.procedural_environments import synthetic
from workshop.synthetic.light.scenes import shot
from workshop.train.light.sheet import sphere_bgr

_SIZE = (300, 400)
_WORN = (("long_sleeve", "rib_ecru"), ("tshirt", "jersey_coral"))
_TRIM_M = 0.04
_PERSON = 21  # seed of somebody who stands well
_MADE_UP = 77  # seed of the made-up rooms among the six


def six_lights(
    model: BodyModel, network: LightNetwork, maker: MannequinMaker, rooms: list[Environment], seed: int
) -> Picture:
    """Columns are lights; rows the garments, lit by the estimate, then spheres of truth and estimate."""
    mannequin = maker.make(np.random.default_rng([_PERSON, 2]), _SIZE, plain=True)
    around = [rooms[i % len(rooms)].turned(share) for i, share in enumerate((0.1, 0.3, 0.6))]
    around += [synthetic(np.random.default_rng([_MADE_UP, i])).levelled() for i in range(3)]
    width, height = _SIZE
    context = gl.Context()
    renderer = GarmentRenderer(width, height, body_surface(model))
    columns = []
    try:
        for number, room in enumerate(around):
            scene = shot(mannequin, room, np.random.default_rng([seed, 13, number]))
            tracker = LightTracker(model, mannequin.camera, network)
            light = tracker.estimate(scene.frame, mannequin.mask, None, mannequin.fit).sh
            column = []
            for name, fabric in _WORN:
                renderer.wear([cloth_of(load_garment(name), load_fabric(fabric), "M")])
                column.append(_dressed(renderer, scene.frame, mannequin, light))
            spheres = np.hstack([sphere_bgr(sh, width // 2) for sh in (scene.sh, light)])
            columns.append(np.vstack([*column, spheres]))
    finally:
        renderer.delete()
        context.close()
    return np.hstack(columns)


def _dressed(renderer: GarmentRenderer, frame: Picture, mannequin: Mannequin, light: F64) -> Picture:
    """The frame with the garment that the renderer wears, under a light (9, 3)."""
    camera, fit = mannequin.camera, mannequin.fit
    picture = frame.copy()
    drawing = renderer.draw(
        fit.bone_transforms,
        (camera.focal, camera.focal, camera.cx, camera.cy),
        fit.shape.astype(np.float32),
        light.astype(np.float32),
    )
    if drawing is not None:
        shadow, match = ContactShadow(), CameraMatch()
        shadow.light(light)
        match.watch(picture, drawing.box)
        masks = np.zeros((*mannequin.mask.shape, 3), np.uint8)
        masks[..., 0] = mannequin.mask
        composite(picture, drawing, masks, [True], _TRIM_M * drawing.px_per_m, shadow, match)
    return picture
