"""Scenes of known light: surroundings, figures in them, cameras before them."""
