"""The times of a frame's stages."""

from __future__ import annotations

import time

import pytest

from mirror.timer import StageTimer


def test_stages_add_up_and_are_told_even_when_one_fails() -> None:
    """The report would blame the wrong stage for a slow mirror."""
    timer = StageTimer()
    for _ in range(2):
        with timer("fit"):
            time.sleep(0.01)
    with pytest.raises(ValueError, match="no body"), timer("light"):
        raise ValueError("no body")
    timer.add("wait", 3.5)
    told = timer.stage_ms
    assert 20.0 <= told["fit"] < 200.0
    assert set(told) == {"fit", "light", "wait"}
    assert told["wait"] == 3.5
