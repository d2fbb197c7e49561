"""The service manager's notification socket (sd_notify), without its library."""

from __future__ import annotations

import contextlib
import os
import socket


def notify(*facts: str) -> None:
    """Tell systemd facts such as ``READY=1``; does nothing when not run by it, never blocks."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    port = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    # A manager too busy to listen loses this notice, and gets the next.
    with port, contextlib.suppress(OSError):
        port.sendto("\n".join(facts).encode(), address)
