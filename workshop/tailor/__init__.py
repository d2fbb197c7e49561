"""Garments made: patterns, cutter, drape, relief; import and export; fabrics for the wardrobe."""
