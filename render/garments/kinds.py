"""The kinds of garment there are: one record each, in one registry.

To add a kind, add a record to ``KINDS``: nothing else names a kind. What the mirror asks of a kind
(slot, anchors, whether it stands away from the legs) and what the workshop's cutter asks (``Cutting``) are
told by the same record. ``Cutting`` is data alone and nothing live reads it; it stands here so that a kind
has one home, and is made from the kind's shape where a record does not set it.

A kind's place in ``KINDS`` seeds the garments that the encoder is trained on: new kinds go to the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mirror.errors import MirrorError

Slot = Literal["top", "bottom", "full"]
#: Of sleeves, or of legs: none at all, ending above elbow or knee, ending at wrist or ankle.
Length = Literal["none", "short", "long"]
#: Surfaces that garments are cut from: the body model's two blocks, and one joined to the other.
Block = Literal["tights", "skirt", "dress"]

_HIGH_ANCHORS = ("collar", "left_shoulder", "right_shoulder")
_HEM_ANCHORS = ("left_hem", "right_hem")
_CUFF_ANCHORS = ("left_cuff", "right_cuff")


@dataclass(frozen=True)
class Band:
    """A worked edge: ``width`` metres from it a row of stitches; ``ribs``: metres from rib to rib, or 0."""

    width: float
    ribs: float = 0.0
    raised: float = 0.0  # metres that it is thicker than the cloth


@dataclass(frozen=True)
class Cutting:
    """How a kind is cut and hung; lengths in metres, set by eye on the mean body against photographs.

    ``trunk_top``: height at which the cloth around the trunk begins. ``trunk_rise``: how fast that cloth may
    narrow upwards from what bulges, metres a metre. ``trunk_folds``: depth of the trunk's folds, 1 as of a
    T-shirt. ``size_step``: how much further out a size up lies (0.0055 is 3.5 cm of girth). ``upper_band``:
    of waistband or neckline; ``cuff_band``: of sleeves; ``hem_band``: of the open edges below.
    """

    block: Block
    trunk_top: float
    trunk_rise: float
    upper_band: Band
    cuff_band: Band | None = None
    hem_band: Band = Band(0.022)
    trunk_folds: float = 1.0
    size_step: float = 0.0055


@dataclass(frozen=True)
class GarmentKind:
    """One kind of garment. ``flared``: a skirt hangs from it and stands away from the legs."""

    name: str
    slot: Slot
    sleeves: Length = "none"
    legs: Length = "none"
    flared: bool = False
    cut: Cutting | None = None

    @property
    def sleeved(self) -> bool:
        """Whether it has sleeves."""
        return self.sleeves != "none"

    @property
    def legged(self) -> bool:
        """Whether each leg has its own tube of cloth."""
        return self.legs != "none"

    @property
    def trimmed(self) -> bool:
        """Whether it is drawn no further than the person's outline: cloth that stands away is."""
        return not self.flared

    @property
    def anchors(self) -> tuple[str, ...]:
        """Names of the points that its page must have."""
        return anchors_of(self, self.slot)

    @property
    def measurements(self) -> tuple[str, ...]:
        """Names of the measurements that a tailor takes of it."""
        if self.legged:
            return ("waist", "hip", "outer_length", "inseam", "leg_hem")
        upper = ("waist",) if self.slot == "bottom" else ("chest", "waist")
        return (*upper, "hem", "length", *(("sleeve",) if self.sleeved else ()))

    @property
    def cutting(self) -> Cutting:
        """What the cutter goes by: the record's own, or that of garments of this shape."""
        return self.cut or _cutting(self)


def _cutting(kind: GarmentKind) -> Cutting:
    if kind.slot == "bottom":
        waistband = Band(0.035, raised=0.0010)
        if kind.flared:
            return Cutting("skirt", trunk_top=0.99, trunk_rise=0.8, upper_band=waistband)
        return Cutting("tights", trunk_top=1.12, trunk_rise=0.6, upper_band=waistband)
    upper, cuff = Band(0.012, raised=0.0008), None  # bound edges
    if kind.sleeves == "short":
        upper, cuff = Band(0.019, 0.0055, 0.0008), Band(0.02)
    elif kind.sleeves == "long":
        upper, cuff = Band(0.020, 0.0055, 0.0008), Band(0.045, 0.0055, 0.0004)
    if kind.flared:
        return Cutting(
            "dress", trunk_top=1.395, trunk_rise=0.6, upper_band=upper, cuff_band=cuff, trunk_folds=0.55
        )
    rise = 0.12 if kind.slot == "top" else 0.6
    return Cutting("tights", trunk_top=1.395, trunk_rise=rise, upper_band=upper, cuff_band=cuff)


_KINDS = (
    GarmentKind("tshirt", "top", sleeves="short"),
    GarmentKind("long_sleeve", "top", sleeves="long"),
    GarmentKind("tank_top", "top"),
    GarmentKind("trousers", "bottom", legs="long"),
    GarmentKind("shorts", "bottom", legs="short"),
    GarmentKind("skirt", "bottom", flared=True),
    GarmentKind("dress", "full", flared=True),
)
KINDS: dict[str, GarmentKind] = {kind.name: kind for kind in _KINDS}


def kind_of(name: str) -> GarmentKind:
    """The kind of that name. MirrorError names those there are."""
    if name not in KINDS:
        raise MirrorError(f"no kind of garment {name!r}; there are: {', '.join(KINDS)}")
    return KINDS[name]


def anchors_of(kind: GarmentKind, slot: Slot) -> tuple[str, ...]:
    """Names of the points of a garment of a kind that is worn in ``slot``, as its page may say."""
    high = () if slot == "bottom" else _HIGH_ANCHORS
    return (*high, *_HEM_ANCHORS, *(_CUFF_ANCHORS if kind.sleeved else ()))


def clash(slot: str, other: str) -> bool:
    """Whether garments of two slots cannot be worn together."""
    return slot == other or "full" in (slot, other)
