"""The proof of garments alike, as it is called."""

from __future__ import annotations

import pytest

from mirror.cli.app import main


def test_one_held_garment_a_kind_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Minutes of cutting ended in a stack trace, for one garment of a kind has nothing to be found by."""
    assert main(["evaluate", "garment", "--held", "1"]) == 1
    err = capsys.readouterr().err
    assert "--held: 2 at least" in err
    assert err.count("\n") == 1
