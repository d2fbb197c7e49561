"""What the generator's periodic coordinates and noise grids are: shared by training and by sampling."""

from __future__ import annotations

#: Harmonics (combinations of a level's two wave vectors) of the pattern, the repeat and the yarns.
HARMONICS: tuple[tuple[tuple[float, float], ...], ...] = (
    ((1, 0), (0, 1), (2, 0), (0, 2), (3, 0), (0, 3), (1, 1), (1, -1)),
    ((1, 0), (0, 1), (1, 1), (1, -1)),
    ((1, 0), (0, 1)),
)
LEARNED = 4  # waves whose vectors are learned
REACH = 0.12  # their highest frequency, cycles a px
LEVELS = (8, 4, 2)  # strides of the grids, px; the finest gives 2 x 2 px
#: Channels of local noise at each stride (px); the last enters the finest grid as sub-pixels.
NOISE = {8: 8, 4: 4, 1: 3}
STYLE = 24  # length of the style vector
