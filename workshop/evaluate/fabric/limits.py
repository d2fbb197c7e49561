"""What counts as good: definitions of the proof's figures, not fitted to anything."""

from __future__ import annotations

#: Gradient across a tile's border over that inside it, within which a border does not show.
BORDER_RATIO = (0.9, 1.1)
#: Largest CIEDE2000 from a colour asked for to the nearest dominant one.
DELTA_E = 12.0
#: Share of the pixels from which a colour counts as dominant.
LEAST_SHARE = 0.02
#: Swatches that make a folder a reference; samples of a class over which its variety is measured.
LEAST_SWATCHES, LEAST_OF_CLASS = 4, 4
