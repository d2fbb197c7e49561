"""The classes of fabric that the generator knows, and the colours that each is woven with."""

from __future__ import annotations

from mirror.errors import MirrorError

#: Class to pixels per metre of the training tiles. A tile of 128 px shows the yarns of a plain
#: cloth and one sett of a tartan; both cannot be had at one scale.
CLASSES: dict[str, float] = {
    "plain": 3400.0,
    "twill": 3400.0,
    "satin": 4000.0,
    "rib": 3000.0,
    "jersey": 3400.0,
    "stripe": 1800.0,
    "gingham": 1800.0,
    "tartan": 1300.0,
    "houndstooth": 1800.0,
    "dots": 1600.0,
    "floral": 1300.0,
    "denim": 3000.0,
    "melange": 2600.0,
}
NAMES = tuple(CLASSES)
#: Classes whose tile is a design on the cloth; of the others only the grain of the yarns differs.
PATTERNED = frozenset({"stripe", "gingham", "tartan", "houndstooth", "dots", "floral"})
#: Fewest and most colours that a class is woven with.
COLOURS: dict[str, tuple[int, int]] = {
    "plain": (1, 2),
    "twill": (1, 2),
    "satin": (1, 2),
    "rib": (1, 1),
    "jersey": (1, 1),
    "stripe": (2, 4),
    "gingham": (2, 2),
    "tartan": (2, 4),
    "houndstooth": (2, 2),
    "dots": (2, 3),
    "floral": (3, 4),
    "denim": (2, 2),
    "melange": (2, 3),
}


def check_class(name: str) -> str:
    """The name itself. MirrorError listing the classes if it is none of them."""
    if name not in CLASSES:
        raise MirrorError(f"no fabric class {name!r}; there are: {', '.join(NAMES)}")
    return name
