"""Options that say which garments are cut, for training and proof alike."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    Path | None, typer.Option("--data", help="Folder of the cut garments, kept from run to run.")
]
Variants = Annotated[int, typer.Option("--variants", help="Garments a kind.")]
Held = Annotated[int, typer.Option("--held", help="Of them kept from training.")]
Instances = Annotated[int, typer.Option("--instances", help="Sizes, bodies and poses of each.")]
