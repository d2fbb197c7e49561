"""The one exception that stands for a failure explained to the operator."""

from __future__ import annotations


class MirrorError(Exception):
    """An explained failure: one clear line, with the mend where there is one.

    The command line prints the line and exits 1; a process logs it and exits 1. Anything
    else that escapes is a defect and keeps its traceback.
    """

    def __str__(self) -> str:
        return " ".join(super().__str__().split())
