"""What the messages look like on the wire, as a fingerprint that a change of any of them changes."""

from __future__ import annotations

import hashlib
import inspect
import json
from pathlib import Path
from typing import Any

import msgspec

from mirror import messages

RECORD = Path(__file__).parent / "recorded_schema.json"


def structs() -> dict[str, type[msgspec.Struct]]:
    """Every struct of ``mirror.messages`` by its name."""
    members = vars(messages).items()
    return {
        name: item for name, item in members if inspect.isclass(item) and issubclass(item, msgspec.Struct)
    }


def fingerprint(types: dict[str, type[msgspec.Struct]]) -> str:
    """A hash of names, types, defaults and tags of the fields; not of what the docstrings say.

    The version's own default is left out: raising it alone must not look like a change.
    """
    _, components = msgspec.json.schema_components(types.values(), ref_template="{name}")
    # An array-like struct's schema does not name its fields, and their order is what counts.
    fields = {name: [field.encode_name for field in msgspec.structs.fields(types[name])] for name in types}
    told = json.dumps([_bare(components), fields], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _bare(schema: Any) -> Any:
    """The schema without its prose, and without the number of the version."""
    if isinstance(schema, list):
        return [_bare(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _bare(value) for key, value in schema.items() if key not in ("description", "title")}
    if "properties" in kept and "version" in kept["properties"]:
        kept["properties"]["version"].pop("default", None)
    return kept


def recorded() -> dict[str, str]:
    """The fingerprint of each version so far."""
    return dict(json.loads(RECORD.read_text(encoding="utf-8")))


def record() -> None:
    """Note the messages' fingerprint for ``SCHEMA_VERSION``. ValueError if that version looked otherwise."""
    known, version, now = recorded(), str(messages.SCHEMA_VERSION), fingerprint(structs())
    if known.get(version, now) != now:
        raise ValueError(f"version {version} of the messages is recorded and differs: raise SCHEMA_VERSION")
    known[version] = now
    RECORD.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
