"""What becomes of a drawing and its frame: blending, shadow, skin, the room behind worn clothes."""
