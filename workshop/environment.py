"""What a command of the workshop needs around it: PyTorch for training, and no network for footage."""

from __future__ import annotations

import importlib.util
import os
import sys
from types import ModuleType

from mirror.errors import MirrorError
from mirror.seccomp import deny_network


def require_torch() -> ModuleType:
    """The torch module. MirrorError with the mend where it is not installed."""
    try:
        import torch
    except ImportError as error:
        raise MirrorError("training needs PyTorch: pip install 'fitting-mirror[train]'") from error
    return torch


def require_anny() -> None:
    """Raise MirrorError with the mend unless Anny, which people are drawn with, is installed."""
    require_torch()
    if importlib.util.find_spec("anny") is None:
        raise MirrorError("drawing people needs Anny: pip install anny fast-simplification")


def shut_in() -> None:
    """No network for a command that loads the pose network, nor its log on the terminal; for good.

    MirrorError if the kernel cannot refuse sockets.
    """
    deny_network()  # mediapipe would report its use
    sys.stderr.flush()
    kept = os.dup(sys.stderr.fileno())
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 2)
    os.close(quiet)
    sys.stderr = os.fdopen(kept, "w", buffering=1)
