"""From frames to the fitted body, what is in front of it and the light. Knows the spine alone."""
