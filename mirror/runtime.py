"""The runtime directory: sockets, locks and status of one running mirror, private to its user."""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
from pathlib import Path
from types import TracebackType
from typing import Self

from mirror.config import Config
from mirror.errors import MirrorError

_IPC_LIMIT = 107  # sun_path is 108 bytes with its closing zero
_LONGEST_NAME = len("/heartbeat.sock")


def runtime_dir(config: Config) -> Path:
    """Where this configuration's mirror keeps its runtime files (not created here)."""
    if config.spine.runtime_dir:
        return Path(config.spine.runtime_dir).absolute()
    if base := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(base) / "fitting-mirror"
    return Path(f"/tmp/fitting-mirror-{os.getuid()}")  # noqa: S108 - checked by open_runtime


def runtime_id(runtime: Path) -> str:
    """Eight hexadecimal digits that name this runtime directory elsewhere, e.g. in log names."""
    return hashlib.sha256(str(runtime.absolute()).encode()).hexdigest()[:8]


def open_runtime(runtime: Path) -> Path:
    """Create the directory (0700) or check the one there; return it absolute.

    Raises MirrorError if it cannot be made, is open to others, belongs to somebody else, or
    if its path is too long for a Unix socket. The mode of a directory that exists is not
    changed: it might be somebody's.
    """
    runtime = runtime.absolute()
    if len(os.fsencode(runtime)) + _LONGEST_NAME > _IPC_LIMIT:
        limit = _IPC_LIMIT - _LONGEST_NAME
        raise MirrorError(f"runtime directory {runtime}: longer than {limit} bytes; set spine.runtime_dir")
    try:
        runtime.parent.mkdir(parents=True, exist_ok=True)
        runtime.mkdir(mode=0o700, exist_ok=True)
        facts = runtime.stat()
    except OSError as error:
        raise MirrorError(f"runtime directory {runtime}: {error.strerror}; set spine.runtime_dir") from None
    if facts.st_uid != os.getuid():
        raise MirrorError(f"runtime directory {runtime} belongs to another user; set spine.runtime_dir")
    if stat.S_IMODE(facts.st_mode) & 0o077:
        raise MirrorError(
            f"runtime directory {runtime} is open to others; chmod 700 it, or set spine.runtime_dir"
        )
    return runtime


class FileLock:
    """An exclusive lock on a file, held until ``release`` or the death of the process.

    The file holds the owner's pid as text. Raises MirrorError(``busy``) if another holds it.
    """

    def __init__(self, path: Path, busy: str) -> None:
        self.path = path
        while True:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(self._fd)
                raise MirrorError(busy) from None
            try:  # an earlier owner may have unlinked the file between our open and our lock
                if os.fstat(self._fd).st_ino == path.stat().st_ino:
                    break
            except FileNotFoundError:
                pass
            os.close(self._fd)
        os.ftruncate(self._fd, 0)
        os.write(self._fd, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Unlink the file and let the lock go; calling it again does nothing."""
        if self._fd >= 0:
            self.path.unlink(missing_ok=True)
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def lock_owner(path: Path) -> int | None:
    """The pid that holds the lock at ``path``, or None if nobody does."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
        return int(text) if text.isdigit() else 0
    finally:
        os.close(fd)
    return None


def is_alive(pid: int) -> bool:
    """Whether the process lives; one that has ended but not been waited for does not."""
    try:
        facts = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return facts.rpartition(")")[2].split()[0] not in "ZX"
