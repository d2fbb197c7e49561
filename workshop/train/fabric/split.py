"""Which swatches a training may see, and which the proof keeps to itself: the split's one home.

``data/held_swatches.txt`` lists the held-out files by their SHA-256 (as ``sha256sum`` writes it). Training
leaves them out wherever they lie and under whatever name; the proof measures against them, and checks the
list of files that the weights say they were trained on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Protocol, TypeVar

from mirror.errors import MirrorError

LIST = Path(__file__).resolve().parent / "data" / "held_swatches.txt"


class Hashed(Protocol):
    """Something made from a file whose SHA-256 is known."""

    @property
    def name(self) -> str:
        """The file's name."""

    @property
    def digest(self) -> str:
        """SHA-256 of the file, in hex."""


S = TypeVar("S", bound=Hashed)


@cache
def held_digests(path: Path = LIST) -> frozenset[str]:
    """The digests of the list. MirrorError if it is missing or a line is none of ``sha256sum``'s."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise MirrorError(f"{path}: the list of held-out swatches cannot be read") from error
    digests = [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]
    if any(len(d) != 64 or set(d) - set("0123456789abcdef") for d in digests):
        raise MirrorError(f"{path}: not a list of SHA-256 sums")
    return frozenset(digests)


def trainable(swatches: Iterable[S]) -> list[S]:
    """The swatches that are not held out."""
    held = held_digests()
    return [s for s in swatches if s.digest not in held]


def halves(swatches: Sequence[S]) -> tuple[list[S], list[S]]:
    """(training part, held-out part) of swatches in order.

    By the list where it holds any of them; a folder that it knows nothing of is split by alternates.
    """
    train = trainable(swatches)
    if len(train) < len(swatches):
        held = held_digests()
        return train, [s for s in swatches if s.digest in held]
    return list(swatches[0::2]), list(swatches[1::2])


def seen_in_training(facts: Mapping[str, str], held: Iterable[Hashed]) -> list[str]:
    """Names of held-out swatches that weights with the metadata ``facts`` say they were trained on."""
    seen = set(json.loads(facts.get("trained_on_sha256", "[]")))
    return [s.name for s in held if s.digest in seen]
