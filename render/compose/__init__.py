"""What becomes of a drawing and its frame: blending, shadow, skin, the background behind worn clothes."""
