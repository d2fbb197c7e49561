"""The proof of the fabric generator."""
