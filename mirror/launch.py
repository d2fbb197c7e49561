"""How one of the project's modules is run by another: same interpreter, same packages."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import mirror

_ROOT = Path(mirror.__file__).resolve().parent.parent


def command(module: str) -> list[str]:
    """The command line that runs ``module``.

    -P: a folder named "capture" where the operator stands must not be taken for the package.
    """
    return [sys.executable, "-P", "-m", module]


def environment() -> dict[str, str]:
    """The environment for it: ours, with the packages' place on the path."""
    paths = [str(_ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return os.environ | {"PYTHONPATH": os.pathsep.join(dict.fromkeys(filter(None, paths)))}
