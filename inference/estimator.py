"""What all live estimators of one followed person have in common."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

__all__ = ["Estimator"]

Estimate_co = TypeVar("Estimate_co", covariant=True)


class Estimator(Protocol[Estimate_co]):
    """A running estimate about one followed person, kept from frame to frame.

    What ``update`` looks at differs (landmarks, a picture, the fit, ...), and so does what it finds; each
    estimator documents its own. None is thread-safe.
    """

    def reset(self) -> None:
        """Forget the person: the next frame shows somebody else."""

    def update(self, *args: Any, **kwargs: Any) -> Estimate_co:
        """Take in one frame, and return what is now believed."""
        ...
