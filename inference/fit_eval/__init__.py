"""The proof of the fit: people whose bodies are known, seen by the mirror, measured against the truth."""
