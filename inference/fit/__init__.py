"""The fit of the body model to one frame: landmarks, outline and what bodies are like."""
