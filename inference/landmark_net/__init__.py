"""A small network that corrects the pose network's landmarks, trained on rendered people."""
