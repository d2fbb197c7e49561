"""The fabric generator at work: classes, palettes, weights, sampling; NumPy alone."""
