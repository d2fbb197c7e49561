"""The training of the garment encoder."""
