"""What a command of the workshop needs around it: PyTorch for training, and no network for footage."""

from __future__ import annotations

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
