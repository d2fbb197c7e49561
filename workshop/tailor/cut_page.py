"""The ``[cut]`` table of a garment's page: what the cutter can be told. Lengths in centimetres."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import msgspec.structs
from msgspec import Meta

from mirror.errors import MirrorError

Cm = Annotated[float, Meta(ge=-20.0, le=150.0)]


class Neckline(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``shape``: round, v, square or boat. ``width``: across, where it meets the shoulders.

    ``front`` and ``back``: how far it lies below the neck's side point (the T-shirt's crew neck:
    width 15, front 7, back 2).
    """

    shape: Literal["round", "v", "square", "boat"] = "round"
    width: Cm = 15.0
    front: Cm = 7.0
    back: Cm = 2.0


class Ease(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Room between body and cloth by region, as a distance (a girth grows by 6.3 times as much)."""

    shoulder: Cm = 0.2
    chest: Cm = 0.7
    waist: Cm = 1.2
    hip: Cm = 1.2
    sleeve: Cm = 0.6
    cuff: Cm = 1.0
    thigh: Cm = 0.8
    leg_hem: Cm = 1.0


class Cut(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One garment's cut on the mean body.

    Tops and dresses: ``neckline``; ``sleeve``: length along the arm from the shoulder joint (the
    wrist is at 48), 0 for none; without sleeves ``strap``: the shoulder strap's outer edge from the
    middle, and ``armhole``: its depth below the armpit; ``hem``: of tops, below the hip joint.
    Bottoms: ``waist``: height of the waist above the hip joint; ``leg``: length from the hip joint
    (the ankle is at 79). Skirts and dresses: ``length``: from the hip joint down; ``flare``:
    widening to a side per length below the hip. ``fall``: how fast cloth may narrow below what
    bulges (0: hangs straight, 1: clings); ``taper``: the same for sleeves and legs; ``fold``: width
    of the strip turned in at the edges; ``folds``: how deep the cloth's folds are (1: as usual).
    """

    neckline: Neckline = Neckline()
    sleeve: Cm = 0.0
    strap: Cm = 12.0
    armhole: Cm = 1.5
    hem: Cm = 3.0
    waist: Cm = 15.0
    leg: Cm = 80.0
    length: Cm = 40.0
    flare: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.1
    fall: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.15
    taper: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.04
    fold: Annotated[float, Meta(ge=0.5, le=3.0)] = 1.2
    folds: Annotated[float, Meta(ge=0.0, le=3.0)] = 1.0
    ease: Ease = Ease()


#: The keys of ``Cut`` that are one number.
MEASURES = tuple(f.name for f in msgspec.structs.fields(Cut) if isinstance(f.default, float))


def parse(table: dict[str, Any], where: str) -> Cut:
    """The checked table. MirrorError naming ``where`` and the key."""
    try:
        return msgspec.convert(table, Cut)
    except msgspec.ValidationError as error:
        raise MirrorError(f"{where}: [cut]: {error}") from error
