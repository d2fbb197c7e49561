"""What the doctor asks of the wardrobe: the garments and fabric of the configuration, loaded."""

from __future__ import annotations

from mirror.config import Config
from render.garments.fabric import load_fabric
from render.garments.garment import load_garment


def outfit(config: Config) -> str:
    """The configured outfit; returns what is worn. MirrorError if something of it is missing or broken."""
    wear = config.wardrobe
    for name in wear.garments:
        garment = load_garment(name, wear.folders)
        garment.size_steps(wear.size)
        load_fabric(wear.fabric or garment.default_fabric, wear.folders)
    return f"{', '.join(wear.garments) or 'nothing'} in {wear.size}"
