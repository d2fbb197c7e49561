"""The two short clips of known people that the tests share."""

from __future__ import annotations

from dataclasses import replace

from workshop.synthetic.people.scenes import Scene, chosen


def short_scenes() -> list[Scene]:
    """Somebody who stands still, and somebody who folds their arms; rendered once, then cached."""
    still, crossed = chosen(("still-1", "crossed-1"))
    return [
        replace(still, name="regression-still", limit=42),
        replace(crossed, name="regression-crossed", limit=42),
    ]
