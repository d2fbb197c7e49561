"""Garments and fabrics as the mirror wears them, and their change while it runs."""
