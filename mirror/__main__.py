"""``python -m mirror``: the command line."""

from __future__ import annotations

from mirror.cli.app import run

if __name__ == "__main__":
    run()
