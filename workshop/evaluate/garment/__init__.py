"""The proof of the garment encoder."""
