"""A message that changes unnoticed is read wrongly by a process of another version."""

from __future__ import annotations

import msgspec
import pytest

from mirror import messages
from tests.mirror.recorded_schema import fingerprint, record, recorded, structs


def test_schema_version_goes_up_with_every_change_of_a_message() -> None:
    """Else a process of the version before takes a changed message for its own, in the midst of an update."""
    known = recorded().get(str(messages.SCHEMA_VERSION))
    assert known == fingerprint(structs()), (
        "messages changed: raise SCHEMA_VERSION in mirror/messages.py (once a release) and record the new "
        "fingerprint by: python -m tests.record"
    )


def test_each_version_looks_otherwise_than_those_before() -> None:
    """A version raised for nothing would part mirrors that understand each other."""
    known = recorded()
    assert len(set(known.values())) == len(known)
    assert max(int(version) for version in known) == messages.SCHEMA_VERSION


class Told(msgspec.Struct, frozen=True, array_like=True):
    """A message before."""

    height: int
    width: int


class Turned(msgspec.Struct, frozen=True, array_like=True):
    """A message whose fields have changed places."""

    width: int
    height: int


class Longer(msgspec.Struct, frozen=True, array_like=True):
    """A message with a field more."""

    height: int
    width: int
    depth: int = 0


class Reworded(msgspec.Struct, frozen=True, array_like=True):
    """A message described in other words."""

    height: int
    width: int


@pytest.mark.parametrize("after", [Turned, Longer])
def test_fingerprint_sees_fields(after: type[msgspec.Struct]) -> None:
    """A field that is new or stands elsewhere makes another message, also of an array without names."""
    assert fingerprint({"Told": Told}) != fingerprint({"Told": after})


def test_fingerprint_does_not_read_docstrings() -> None:
    """Who mends a docstring need not raise the version."""
    assert _same_name(Told) == _same_name(Reworded)


def _same_name(struct: type[msgspec.Struct]) -> str:
    fields = [(f.encode_name, f.type) for f in msgspec.structs.fields(struct)]
    again = msgspec.defstruct("Same", fields, array_like=True, namespace={"__doc__": struct.__doc__})
    return fingerprint({"Same": again})


def test_a_recorded_version_is_never_recorded_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recording must not be a way around raising the version."""
    monkeypatch.setattr(messages, "SCHEMA_VERSION", 1)
    with pytest.raises(ValueError, match="raise SCHEMA_VERSION"):
        record()
