"""The garments and fabrics that the mirror ships with: data alone, found by ``mirror.wardrobe``."""
