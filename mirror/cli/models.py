"""``mirror models`` and ``mirror shipped-config``: files that the mirror runs with, made sound or anew."""

from __future__ import annotations


def models() -> int:
    """Set up the cache of models and say where it is."""
    from mirror.models import ensure

    print(f"models ready in {ensure()}")
    return 0


def shipped_config() -> int:
    """Write the shipped configuration from the defaults."""
    from mirror.config import SHIPPED, Config, dump

    SHIPPED.write_text(dump(Config()), encoding="utf-8")
    print(SHIPPED)
    return 0
