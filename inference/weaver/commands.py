"""``mirror fabric weave``: a new fabric in the mirror that runs.

Sends topic ``weave``; the answer comes on topic ``worn``.
"""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import Annotated

import typer

from mirror.cli.options import ConfigFile, Runtime, Settings, load_config
from mirror.cli.wear import answer, new_request, running_mirror, worn_line
from mirror.config import Config, load
from mirror.errors import MirrorError
from mirror.messages import WeaveRequest


def weave(
    fabric_class: Annotated[str, typer.Option("--class", help="Such as tartan or denim.")],
    palette: Annotated[str, typer.Option("--palette", help='One to four colours: "#7a1f1f,#10243f".')],
    config: ConfigFile = None,
    settings: Settings = None,
    runtime: Runtime = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", min=0, metavar="N", help="The same one weaves the same again."),
    ] = None,
    keep: Annotated[
        str | None, typer.Option("--keep", metavar="NAME", help="Keep it in the wardrobe under this name.")
    ] = None,
) -> int:
    """Have the weaver make a fabric, the running mirror wear it; keep it where asked to."""
    seed = secrets.randbelow(2**31) if seed is None else seed
    settled = load_config(config, settings, runtime=runtime)
    mirror = running_mirror(settled)
    folder = _place(mirror, settled, keep) if keep else None
    request = WeaveRequest(
        seq=0,
        t_ns=time.monotonic_ns(),
        request=new_request(),
        fabric_class=fabric_class,
        palette=palette,
        seed=seed,
    )
    print(worn_line(answer(mirror, "weave", request, request.request)))
    if folder is not None:
        from inference.fabric.generator import FabricGenerator
        from inference.fabric.sample import write_fabric
        from inference.weaver.process import woven

        print(write_fabric(woven(FabricGenerator(), request), folder))  # the same: the seed decides all
    return 0


def _place(runtime: Path, config: Config, name: str) -> Path:
    """The folder that a fabric of this name is to be kept in, in the first of the mirror's wardrobes."""
    from mirror.wardrobe import check_name, list_folders, roots

    written = runtime / "mirror.toml"  # the configuration that the supervisor's processes run with
    folders = (load(written) if written.exists() else config).wardrobe.folders
    if check_name("fabric", name) in list_folders("fabrics", folders):
        raise MirrorError(f"there is a fabric {name!r} already; name it otherwise")
    return roots(folders)[0] / "fabrics" / name
