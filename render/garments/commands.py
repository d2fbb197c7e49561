"""``mirror garment list`` and ``mirror fabric list``: what the wardrobe folders hold."""

from __future__ import annotations

from mirror.cli.options import ConfigFile, JsonArray, Settings, load_config
from mirror.cli.tables import print_rows


def list_garments(config: ConfigFile = None, settings: Settings = None, as_json: JsonArray = False) -> int:
    """Print the garments of every wardrobe folder."""
    from render.garments.garment import list_garments as found

    rows = found(load_config(config, settings).wardrobe.folders)
    print_rows(rows, ("name", "kind", "sizes", "default_fabric", "path"), as_json=as_json)
    return 0


def list_fabrics(config: ConfigFile = None, settings: Settings = None, as_json: JsonArray = False) -> int:
    """Print the fabrics of every wardrobe folder."""
    from render.garments.fabric import list_fabrics as found

    rows = found(load_config(config, settings).wardrobe.folders)
    print_rows(rows, ("name", "class", "path"), as_json=as_json)
    return 0
