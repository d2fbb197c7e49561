"""Rendered people of known bodies: shapes, poses, clothes, rooms, motions."""
