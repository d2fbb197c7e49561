"""The proof of the light: rendered scenes of known light, clips, photographs, turned lamps."""
