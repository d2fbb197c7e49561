"""Landmarks and mask of the one person who is followed, and the network that corrects them."""
