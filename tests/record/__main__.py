"""Records the messages' fingerprint and writes the tables of docs/architecture.md from the code."""

from tests.docs import tables
from tests.mirror import recorded_schema

recorded_schema.record()
tables.write()
