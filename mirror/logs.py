"""Structured logs: one JSON object a line, ``time``, ``level``, ``process``, ``message`` and facts."""

from __future__ import annotations

import datetime
import json
import logging
import os
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TextIO

from mirror.errors import MirrorError
from mirror.runtime import runtime_id

MAX_BYTES = 4_000_000
BACKUPS = 3
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """A record as one JSON line; what was given as ``extra`` stands beside the message."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its newline. A record that brings its ``line`` has been formatted before."""
        if isinstance(line := getattr(record, "line", None), str):
            return line
        when = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        entry: dict[str, object] = {
            "time": when.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "process": record.name,
            "message": record.getMessage(),
        }
        entry |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if record.exc_info:
            entry["trace"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str, ensure_ascii=False)


def open_log(name: str, level: str, stream: TextIO | None = None) -> logging.Logger:
    """The logger of a process: JSON lines on ``stream`` (None: standard error)."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter())
    return _logger(name, level, handler)


def open_log_file(name: str, level: str, path: Path) -> logging.Logger:
    """A logger of JSON lines into a file that turns over at 4 MB, three old ones kept.

    Raises MirrorError if the file cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handler = RotatingFileHandler(path, maxBytes=MAX_BYTES, backupCount=BACKUPS, encoding="utf-8")
    except OSError as error:
        raise MirrorError(f"log file {path} cannot be written: {error.strerror}") from None
    handler.setFormatter(JsonFormatter())
    return _logger(name, level, handler)


def _logger(name: str, level: str, handler: logging.Handler) -> logging.Logger:
    log = logging.getLogger(name)
    log.handlers = [handler]
    log.setLevel(level.upper())
    log.propagate = False
    return log


def log_as(log: logging.Logger, process: str, level: int, message: str) -> None:
    """Log what another process said, under its name."""
    if log.isEnabledFor(level):
        log.handle(log.makeRecord(process, level, "", 0, "%s", (message,), None))


def log_file(runtime: Path) -> Path:
    """Where the supervisor of this runtime directory logs; it outlives the directory."""
    base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return base / "fitting-mirror" / f"mirror-{runtime_id(runtime)}.log"


def readable(line: str) -> str:
    """A JSON log line as a person reads it; any other line as it is."""
    try:
        entry = json.loads(line)
        when, level = str(entry.pop("time"))[11:23], str(entry.pop("level"))
        process, message = entry.pop("process"), entry.pop("message")
    except (ValueError, KeyError, AttributeError, TypeError):
        return line
    trace = entry.pop("trace", "")
    facts = "".join(f" {key}={value}" for key, value in entry.items())
    return f"{when} {level:<7} {process}: {message}{facts}" + (f"\n{trace}" if trace else "")


class _ReadableFormatter(JsonFormatter):
    def format(self, record: logging.LogRecord) -> str:
        return readable(super().format(record))


def terminal(level: int = logging.NOTSET) -> logging.Handler:
    """A handler to standard error: readable on a terminal, else JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_ReadableFormatter() if sys.stderr.isatty() else JsonFormatter())
    handler.setLevel(level)
    return handler
