"""The network filter: what the processes that see pictures cannot do."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mirror import seccomp
from mirror.errors import MirrorError

_SCRIPT = """
import ctypes, errno, os, socket, subprocess, sys, threading
go, results = threading.Event(), {}

def attempt(name, family, kind=socket.SOCK_STREAM):
    try:
        socket.socket(family, kind).close()
        results[name] = "open"
    except OSError as error:
        results[name] = errno.errorcode[error.errno]

def earlier_thread():
    go.wait()
    attempt("thread", socket.AF_INET)

thread = threading.Thread(target=earlier_thread)
thread.start()
if sys.argv[1] == "filtered":
    from mirror.seccomp import deny_network
    deny_network()
go.set()
thread.join()
attempt("inet", socket.AF_INET)
attempt("inet6", socket.AF_INET6)
attempt("datagram", socket.AF_INET, socket.SOCK_DGRAM)
attempt("netlink", socket.AF_NETLINK, socket.SOCK_RAW)
attempt("unix", socket.AF_UNIX)
try:
    socket.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)
    socket.create_connection(("127.0.0.1", 9), timeout=2)
    results["connect"] = "open"
except OSError as error:
    results["connect"] = type(error).__name__
child = "import socket; socket.socket(socket.AF_INET)"
results["child"] = subprocess.run([sys.executable, "-c", child], stderr=subprocess.DEVNULL).returncode
libc = ctypes.CDLL(None, use_errno=True)
room = ctypes.create_string_buffer(256)
if libc.syscall(425, 4, room) < 0:  # io_uring_setup: can make sockets past a filter
    results["io_uring"] = errno.errorcode[ctypes.get_errno()]
print(results)
"""


def attempts(how: str) -> dict[str, object]:
    done = subprocess.run([sys.executable, "-c", _SCRIPT, how], capture_output=True, text=True, check=True)
    results: dict[str, object] = eval(done.stdout)
    return results


def test_network_sockets_fail_and_unix_sockets_work() -> None:
    """Pictures, or word of them, could leave the machine through a library."""
    seen = attempts("filtered")
    assert seen["inet"] == seen["inet6"] == seen["datagram"] == seen["netlink"] == "EACCES"
    assert seen["thread"] == "EACCES", "a thread started earlier gets past the filter"
    assert seen["child"] != 0, "a child gets past the filter"
    assert seen["connect"] == "PermissionError"
    assert seen["io_uring"] == "EACCES"
    assert seen["unix"] == "open"


def test_the_same_attempts_succeed_without_the_filter() -> None:
    """The test above would pass on a machine that has no network sockets at all."""
    seen = attempts("free")
    assert seen["inet"] == seen["unix"] == seen["thread"] == "open"
    assert seen["child"] == 0


def test_missing_library_stops_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mirror would run without its filter."""
    monkeypatch.setitem(sys.modules, "pyseccomp", None)
    with pytest.raises(MirrorError, match="apt install libseccomp2"):
        seccomp.deny_network()
