"""``mirror demo-clip``: the built-in clip, made anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mirror.errors import MirrorError


def demo_clip(
    out: Annotated[
        Path | None, typer.Argument(metavar="OUT.mp4", help="Where to (default: the built-in clip's place).")
    ] = None,
) -> int:
    """Draw the clip's frames and encode them."""
    try:
        import skimage.data  # noqa: F401
    except ImportError as error:
        raise MirrorError("the clip needs scikit-image: pip install 'fitting-mirror[dev]'") from error
    from workshop.synthetic.demo_clip import OUT, write_clip

    write_clip(out or OUT)
    print(out or OUT)
    return 0
