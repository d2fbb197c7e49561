"""``python -m tests.record``: writes what tests hold messages and docs to, after a change that is meant."""
