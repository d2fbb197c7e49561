"""How good: each part of the mirror against truth or held data, beside its baselines."""
