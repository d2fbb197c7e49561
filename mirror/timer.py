"""How long the stages of one frame take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["StageTimer"]


class StageTimer:
    """Milliseconds of the stages that one frame passes: ``with timer("fit"): ...``."""

    def __init__(self) -> None:
        self._ms: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time what is done within; a stage that is entered again adds to its time."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add(stage, 1e3 * (time.perf_counter() - start))

    def add(self, stage: str, ms: float) -> None:
        """Count milliseconds that were measured elsewhere."""
        self._ms[stage] = self._ms.get(stage, 0.0) + ms

    @property
    def stage_ms(self) -> dict[str, float]:
        """Milliseconds by stage, as messages carry them."""
        return dict(self._ms)
