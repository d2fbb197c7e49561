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
STYLE = 32  # length of the style vector
#: The design, drawn from the style at full resolution: profiles along each pattern vector (stripes and
#: setts) as Fourier series of so many harmonics, and motifs of both vectors (dots and flowers).
PROFILES, PROFILE_HARMONICS = 4, 16
MOTIFS, MOTIF_REACH = 6, 7.5
MOTIF_HARMONICS: tuple[tuple[int, int], ...] = tuple(
    (m, n)
    for m in range(int(MOTIF_REACH) + 1)
    for n in range(-int(MOTIF_REACH), int(MOTIF_REACH) + 1)
    if 0 < m * m + n * n <= MOTIF_REACH**2 and (m > 0 or n > 0)
)
DESIGN = 2 * PROFILES + MOTIFS  # channels


def design_harmonics() -> tuple[tuple[tuple[int, int], ...], ...]:
    """Combinations of the two pattern vectors in the series of each group: two of profiles, the motifs."""
    return (
        tuple((n, 0) for n in range(1, PROFILE_HARMONICS + 1)),
        tuple((0, n) for n in range(1, PROFILE_HARMONICS + 1)),
        MOTIF_HARMONICS,
    )
