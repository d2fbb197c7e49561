"""What is in front of a garment and worn under it: occlusion masks, worn clothes, skin tone."""
