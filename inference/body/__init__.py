"""The body model, its skeleton and surface, and the camera before it; render knows it too."""
