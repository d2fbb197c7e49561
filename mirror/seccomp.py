"""No network for the processes that see pictures, enforced by the kernel.

A system-call filter is set on the whole process (every thread, every later child, for good)
before any library that might call home is loaded. Only Unix-domain sockets can be made.
"""

from __future__ import annotations

import errno
import socket

from mirror.errors import MirrorError


def deny_network() -> None:
    """Make every socket but an AF_UNIX one fail with EACCES in this process from now on.

    io_uring is refused as well: it can make sockets past the filter. Calls of another
    architecture's numbering kill the process (libseccomp's default). Raises MirrorError if
    the filter cannot be set or does not bite; the caller must not go on then.
    """
    try:
        import pyseccomp
    except (ImportError, OSError, RuntimeError) as error:
        raise MirrorError(
            f"libseccomp is missing ({error}): apt install libseccomp2, pip install pyseccomp"
        ) from None
    try:
        rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
        rules.set_attr(pyseccomp.Attr.CTL_TSYNC, 1)  # threads that libraries have started already, too
        refuse = pyseccomp.ERRNO(errno.EACCES)
        rules.add_rule(refuse, "socket", pyseccomp.Arg(0, pyseccomp.NE, int(socket.AF_UNIX)))
        rules.add_rule(refuse, "io_uring_setup")
        rules.load()
    except (OSError, RuntimeError) as error:
        raise MirrorError(f"the network filter cannot be set on this kernel: {error}") from None
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.socket(family, socket.SOCK_STREAM).close()
        except PermissionError:
            continue
        raise MirrorError(f"the network filter does not bite: {family.name} sockets still open")
