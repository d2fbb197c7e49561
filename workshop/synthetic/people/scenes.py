"""The scenes of the proof: who does what, dressed how, before which camera, in which room. Seeds fixed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mirror.types import F64
from workshop.synthetic.people.backdrops import BackdropRoom, Camera
from workshop.synthetic.people.bodies import TrueBody, load_people
from workshop.synthetic.people.motions import MOTIONS, Motion
from workshop.synthetic.people.painted_mannequin import Appearance

WIDTH, HEIGHT = 1280, 720

# skin, shade, lips, blush: light to dark; sRGB
_SKINS = (
    ((226, 184, 160), (176, 122, 104), (186, 104, 100), (224, 150, 134)),
    ((205, 158, 130), (150, 100, 84), (168, 92, 88), (206, 128, 108)),
    ((172, 122, 92), (120, 76, 58), (142, 76, 70), (178, 104, 82)),
    ((122, 82, 60), (82, 50, 38), (112, 62, 58), (132, 76, 60)),
    ((92, 60, 46), (58, 36, 28), (92, 50, 48), (104, 60, 50)),
)
_HAIRS = ((52, 36, 28), (26, 22, 22), (150, 112, 66), (96, 60, 38), (150, 148, 146))


@dataclass(frozen=True)
class Wear:
    """One worn garment: which, in what fabric, and how thick (metres) it stands off."""

    garment: str
    fabric: str
    bulk_m: float


BRIGHTNESS = (0.7, 1.05)  # of the light on people: least and most
_AMBIENT = 0.45  # share of the light that comes evenly from the room; the rest from a window


@dataclass(frozen=True)
class Actor:
    """One person of a scene; ``offset_m`` (x, z) is added to the motion's way over the floor."""

    body: int
    motion: str
    look: int
    worn: tuple[Wear, ...]
    offset_m: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Scene:
    """One clip. The first actor is the one to follow.

    ``camera``: height in metres, field of view in degrees; ``share``: of the picture's height that a
    standing person takes; ``top``, ``bottom``: virtual garments whose true pixels are known; ``limit``:
    frames at most.
    """

    name: str
    actors: tuple[Actor, ...]
    camera_height_m: float
    field_of_view_deg: float
    share: float
    room: int
    brightness: float
    tint: tuple[float, float, float]
    light: tuple[float, float, float]
    top: str
    bottom: str
    seed: int
    bulky: bool = False
    stool: bool = False
    limit: int = 1000

    @property
    def motion(self) -> Motion:
        """What the followed person does."""
        return MOTIONS[self.actors[0].motion]

    @property
    def frames(self) -> int:
        """Length of the clip."""
        return min(self.motion.frames, self.limit)

    @property
    def key(self) -> str:
        """Changes whenever anything here does."""
        return hashlib.sha256(repr((self, self.motion)).encode()).hexdigest()[:16]

    def camera(self) -> Camera:
        """Far enough off that the person takes ``share`` of the picture's height."""
        height = self.body(0).height_m
        focal = 0.5 * WIDTH / float(np.tan(np.radians(self.field_of_view_deg) / 2))
        away = focal * height / (self.share * HEIGHT)
        rng = np.random.default_rng(self.seed)
        centre = np.array([rng.uniform(-0.15, 0.15), self.camera_height_m, away])
        middle = 0.52 * height if self.share < 1.0 else height * (1 - 0.44 / self.share)
        target = np.array([rng.uniform(-0.1, 0.1), middle, 0.0])
        return Camera.looking(
            centre, target, self.field_of_view_deg, (WIDTH, HEIGHT), float(rng.normal(0, 0.008))
        )

    def body(self, number: int) -> TrueBody:
        """An actor's body."""
        return load_people()[self.actors[number].body]

    def appearance(self, number: int) -> Appearance:
        """An actor's skin and hair; no clothes painted on."""
        actor = self.actors[number]
        skin, shade, lips, blush = _SKINS[actor.look % len(_SKINS)]
        hair = _HAIRS[(actor.look * 3 + 1) % len(_HAIRS)]
        model = self.body(number).model
        return replace(
            Appearance(),
            skin=skin,
            shade=shade,
            lips=lips,
            blush=blush,
            hair=hair,
            brows=(hair[0] * 3 // 5, hair[1] * 3 // 5, hair[2] * 3 // 5),
            shirt=None,
            trousers=None,
            px_per_m=420,
            half_m=float(np.abs(model.vertices[:, 0]).max()) + 0.05,
            height_m=float(model.vertices[:, 1].max()) + 0.06,
        )

    def light_sh(self, camera: Camera) -> F64:
        """(9, 3) irradiance as in ``messages.Light``: a window and a room around."""
        from mirror.shading.spherical_harmonics import lamp_sh, uniform_sh

        towards = camera.rotation @ (np.array(self.light) / np.linalg.norm(self.light))
        level = _AMBIENT * uniform_sh() + (1 - _AMBIENT) * lamp_sh(towards)
        return np.asarray(level[:, None] * np.array(self.tint) * self.brightness)


_COATS = (
    (Wear("long_sleeve", "melange_grey", 0.034), Wear("trousers", "denim_washed", 0.022)),
    (Wear("long_sleeve", "tartan_red", 0.045), Wear("trousers", "twill_camel", 0.028)),
)
_WORN = (
    (Wear("tshirt", "jersey_navy", 0.012), Wear("trousers", "denim_indigo", 0.003)),
    (Wear("long_sleeve", "stripe_breton", 0.013), Wear("trousers", "denim_black", 0.003)),
    (Wear("tshirt", "poplin_white", 0.013), Wear("shorts", "linen_sage", 0.003)),
    (Wear("long_sleeve", "rib_forest", 0.016), Wear("skirt", "tartan_grey", 0.003)),
    (Wear("tank_top", "jersey_coral", 0.012), Wear("trousers", "twill_olive", 0.003)),
    (Wear("tshirt", "tartan_green", 0.014), Wear("trousers", "melange_grey", 0.004)),
)

# name, motion, body, camera height, field of view, share of the picture's height, top, bottom, worn
_PLAN: tuple[tuple[str, int, float, float, float, str, str, int], ...] = (
    ("still", 0, 1.3, 60, 0.84, "long_sleeve", "trousers", 0),
    ("crossed", 5, 1.5, 60, 0.84, "tshirt", "trousers", 1),
    ("crossed", 3, 1.2, 70, 1.25, "long_sleeve", "trousers", 2),
    ("hips", 6, 1.0, 52, 0.86, "tshirt", "skirt", 3),
    ("hips", 2, 1.6, 60, 0.80, "long_sleeve", "trousers", 0),
    ("face", 7, 1.4, 65, 1.3, "long_sleeve", "trousers", 5),
    ("overhead", 8, 1.1, 75, 0.68, "tshirt", "trousers", 4),
    ("turn", 9, 1.4, 58, 0.82, "long_sleeve", "trousers", 5),
    ("turn", 11, 0.9, 68, 0.84, "tshirt", "skirt", 1),
    ("walk", 10, 1.5, 62, 0.80, "long_sleeve", "trousers", 2),
    ("sit", 4, 1.2, 60, 0.95, "long_sleeve", "trousers", 0),
    ("lean", 1, 1.7, 60, 0.82, "long_sleeve", "trousers", 4),
    ("passed_before", 8, 1.5, 64, 0.72, "long_sleeve", "trousers", 1),
    ("passed_behind", 3, 1.4, 64, 0.80, "tshirt", "trousers", 5),
    ("wave", 11, 2.0, 55, 0.84, "long_sleeve", "trousers", 2),
    ("sway", 0, 0.8, 90, 0.84, "long_sleeve", "skirt", 4),
    ("bulky_arms", 7, 1.5, 60, 0.84, "long_sleeve", "trousers", -1),
    ("bulky_turn", 6, 1.3, 45, 0.84, "tshirt", "trousers", -2),
)
_PASSERS = {"passed_before": (10, 0.55, 3), "passed_behind": (5, -0.75, 0)}
QUICK = ("still-1", "crossed-1", "sway-1")


def all_scenes() -> list[Scene]:
    """Every scene, in the order of the table."""
    out: list[Scene] = []
    seen: dict[str, int] = {}
    for number, (motion, body, height, field, share, top, bottom, worn) in enumerate(_PLAN):
        rng = np.random.default_rng(100 + number)
        seen[motion] = seen.get(motion, 0) + 1
        clothes = _COATS[-worn - 1] if worn < 0 else _WORN[worn]
        actors = [Actor(body, motion, number % len(_SKINS), clothes)]
        if motion in _PASSERS:
            other, z, other_worn = _PASSERS[motion]
            actors.append(Actor(other, "cross_by", (number + 2) % len(_SKINS), _WORN[other_worn], (0.0, z)))
        warm = float(rng.uniform(-0.1, 0.1))
        out.append(
            Scene(
                name=f"{motion}-{seen[motion]}",
                actors=tuple(actors),
                camera_height_m=height,
                field_of_view_deg=field,
                share=share,
                room=200 + number,
                brightness=float(rng.uniform(*BRIGHTNESS)),
                tint=(1 + warm, 1.0, 1 - warm),
                light=(
                    float(rng.uniform(-0.8, 0.8)),
                    float(rng.uniform(0.4, 0.9)),
                    float(rng.uniform(0.3, 1)),
                ),
                top=top,
                bottom=bottom,
                seed=300 + number,
                bulky=worn < 0,
                stool=motion == "sit",
            )
        )
    return out


def backdrop_room(scene: Scene) -> BackdropRoom:
    """The room of a scene, deep enough for who passes behind."""
    return BackdropRoom(scene.room, back_m=2.2 if len(scene.actors) > 1 else 1.5)


def chosen(names: Sequence[str]) -> list[Scene]:
    """The scenes of these names."""
    return [scene for scene in all_scenes() if scene.name in names]
