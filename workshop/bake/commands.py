"""``mirror bake body|people|landmark-offsets|mask-stand-off``: what ships, computed offline, by hand."""

from __future__ import annotations

from typing import Annotated

import typer

from mirror.cli.options import Seed
from workshop.environment import require_anny

People = Annotated[int, typer.Option("--people", min=1, help="People drawn.")]


def body() -> int:
    """Bake the body model and the blocks that garments are cut from."""
    require_anny()
    from workshop.bake.body import bake_body

    bake_body()
    return 0


def people() -> int:
    """Bake the people that the fit is measured on."""
    require_anny()
    from workshop.bake.people import bake_people

    bake_people()
    return 0


def landmark_offsets(number: People = 24, seed: Seed = 7) -> int:
    """Measure where the pose network's landmarks lie on a body."""
    from workshop.bake.landmark_offsets import measure

    measure(number, seed)
    return 0


def mask_stand_off(number: People = 140, seed: Seed = 1000) -> int:
    """Measure how far the person mask stands off the flesh."""
    require_anny()
    from workshop.bake.mask_stand_off import measure

    measure(number, seed)
    return 0
