"""Garments as data for learning: channels of a mesh, an encoder, what it finds alike, what cloth suits."""
