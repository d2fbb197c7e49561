"""Light and colour as mathematics, for the estimators and the renderer alike."""
