"""The training of the light network."""
