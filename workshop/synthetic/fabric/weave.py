"""The procedural weave source: cloth with exact labels, unlimited and licence-free.

Every swatch is one tile of a torus, rendered at twice its size and averaged down in linear
light. Albedo is sRGB; a palette colour is the mean colour of the yarn dyed with it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from inference.fabric.classes import CLASSES, COLOURS, check_class
from mirror.errors import MirrorError
from mirror.shading.colour import to_linear, to_srgb
from mirror.types import F32
from workshop.synthetic.fabric.yarns import YarnSurface, fuzz, interlacing, knitted, smooth_noise, woven


@dataclass(frozen=True)
class WovenSwatch:
    """One swatch. ``albedo`` (N, N, 3) uint8 sRGB, ``height`` (N, N) float32 0..1; both tile.

    ``palette`` (k, 3) sRGB 0..1. ``cycles`` (3, 2, 2): wave vectors in whole cycles a tile, (x, y):
    of the pattern, of the weave's repeat and of the yarns, two each. A class with no pattern has
    the weave's repeat there.
    """

    fabric_class: str
    palette: F32
    albedo: NDArray[np.uint8]
    height: F32
    cycles: F32
    pixels_per_metre: float

    @property
    def repeat_m(self) -> tuple[float, float]:
        """Metres of one pattern repeat across and along."""
        metres = len(self.height) / self.pixels_per_metre
        return metres / float(abs(self.cycles[0, 0, 0])), metres / float(abs(self.cycles[0, 1, 1]))


def weave(fabric_class: str, palette: ArrayLike, size: int, rng: np.random.Generator) -> WovenSwatch:
    """Weave one tile of ``size`` px (a multiple of 32) in the colours of ``palette`` (k, 3) sRGB 0..1.

    Yarn counts, setts and motifs are drawn from ``rng``. MirrorError on an unknown class or a
    number of colours that the class is not woven with.
    """
    check_class(fabric_class)
    colours = np.asarray(palette, np.float32).reshape(-1, 3)
    fewest, most = COLOURS[fabric_class]
    if not fewest <= len(colours) <= most:
        raise MirrorError(f"{fabric_class} is woven with {fewest} to {most} colours, not {len(colours)}")
    loom = _Loom(rng, size, len(colours))
    cloth, mix, fuzziness = getattr(loom, f"_{fabric_class}")()
    # Soft light fills the gaps between the yarns, hard light deepens them.
    depth = rng.uniform(0.6, 1.15)
    gain = np.maximum(1 + depth * (cloth.shade - 1), 0.05) * fuzz(rng, 2 * size, fuzziness)
    # Yarns are translucent and their fibres stray into the neighbours.
    mix = ndimage.gaussian_filter(mix, (0.8, 0.8, 0), mode="wrap")
    linear = (mix @ to_linear(colours)) * (gain / gain.mean())[..., None]
    albedo = to_srgb(_photographed(rng, _halve(linear)))
    height = _halve(cloth.height[..., None])[..., 0] + 0.02 * smooth_noise(rng, size, 0.6, 0.6)
    return WovenSwatch(
        fabric_class,
        colours,
        np.rint(albedo * 255).astype(np.uint8),
        np.clip(height / 1.1, 0.0, 1.0).astype(np.float32),
        loom.cycles,
        CLASSES[fabric_class],
    )


def _halve(picture: NDArray[np.floating]) -> NDArray[np.floating]:
    h, w, c = picture.shape
    out: NDArray[np.floating] = picture.reshape(h // 2, 2, w // 2, 2, c).mean((1, 3))
    return out


def _photographed(rng: np.random.Generator, linear: NDArray[np.floating]) -> NDArray[np.floating]:
    """The cloth (N, N, 3) in linear light as a swatch photo has it: lens blur, a cast of the dye, grain."""
    size = len(linear)
    blur = rng.uniform(0.0, 0.75)
    out = ndimage.gaussian_filter(linear, (blur, blur, 0), mode="wrap")
    grain = rng.uniform(0.004, 0.03)
    light = smooth_noise(rng, size, 0.5, 0.5)[..., None]
    colour = np.stack([smooth_noise(rng, size, 1.4, 1.4) for _ in range(3)], -1)
    return np.asarray(np.maximum(out * (1 + grain * (light + 0.5 * colour)), 0.0))


class _Loom:
    """Draws one swatch's counts and patterns; every method returns (cloth, mix (N, N, k), fuzziness)."""

    def __init__(self, rng: np.random.Generator, size: int, colours: int) -> None:
        self.rng, self.tile, self.size, self.k = rng, size, 2 * size, colours
        self.cycles = np.zeros((3, 2, 2), np.float32)

    def _set(
        self, pattern: tuple[float, float], repeat: tuple[float, float], yarn: tuple[float, float]
    ) -> None:
        for level, (x, y) in enumerate((pattern, repeat, yarn)):
            self.cycles[level] = np.diag([x, y])

    def _count(self, least_px: float, most_px: float, multiple: int) -> int:
        """Yarns on the tile for a pitch drawn between the bounds, a multiple of ``multiple``."""
        pitch = self.rng.uniform(least_px, most_px)
        return max(multiple, round(self.tile / pitch / multiple) * multiple)

    def _shaded(self, cloth: YarnSurface, gain: NDArray[np.floating]) -> YarnSurface:
        shade = np.asarray(cloth.shade * gain, np.float32)
        return replace(cloth, shade=shade / shade.mean())

    def _slubbed(self, cloth: YarnSurface, strength: float) -> YarnSurface:
        """Yarns lighter and darker along their length, weft and warp: the streaks of a slub yarn."""
        long, fine = self.size / 5, 1.6
        streaks = smooth_noise(self.rng, self.size, fine, long) + 0.6 * smooth_noise(
            self.rng, self.size, long, fine
        )
        return self._shaded(cloth, np.exp(strength * streaks))

    def _waled(self, cloth: YarnSurface, strength: float) -> YarnSurface:
        """The diagonal ridges that a twill's floats stand up in."""
        grid = (np.arange(self.size, dtype=np.float32) + 0.5) / self.size
        across, along = self.cycles[1, 0, 0], self.cycles[1, 1, 1]
        turn = across * grid[None, :] - along * grid[:, None]
        return self._shaded(cloth, 1 + strength * np.cos(2 * np.pi * turn))

    def _mix(self, index: NDArray[np.integer]) -> F32:
        return np.asarray(np.eye(self.k, dtype=np.float32)[index % self.k])

    def _yarn_dyed(self, cloth: YarnSurface, warp: NDArray[np.integer], weft: NDArray[np.integer]) -> F32:
        """Mix by the colour index of each warp and weft yarn."""
        return self._mix(np.where(cloth.warp_up, warp[cloth.across], weft[cloth.along]))

    def _solid(
        self, kind: str, pitch: tuple[float, float], steps: int = 4, **loom: float
    ) -> tuple[YarnSurface, F32]:
        plan = interlacing(kind, steps)
        repeat = len(plan)
        warps = self._count(*pitch, repeat)
        wefts = max(repeat, round(warps * self.rng.uniform(0.75, 1.1) / repeat) * repeat)
        hand = 1
        if self.rng.random() < 0.5 and kind in {"twill", "denim"}:
            # A left-hand twill is the mirror image, and so is its lattice.
            plan, hand = plan[:, ::-1], -1
        cloth = woven(self.rng, self.size, warps, wefts, plan, **loom)
        turns = (hand * warps / repeat, wefts / repeat)
        self._set(turns, turns, (hand * warps, wefts))
        return cloth, self._mix(np.where(cloth.warp_up, 0, 1))

    def _plain(self) -> tuple[YarnSurface, F32, float]:
        slub = self.rng.choice([0.08, 0.3, 0.45])
        # Two dyes are woven fine, as a chambray is; coarse they would be a chequerboard.
        pitch = (2.4, 6.0) if self.k == 1 else (1.7, 3.2)
        cloth, mix = self._solid("plain", pitch, slub=slub, wander=0.1 + 0.4 * slub)
        return self._slubbed(cloth, 0.3 * slub), mix, 1.0

    def _twill(self) -> tuple[YarnSurface, F32, float]:
        cloth, mix = self._solid("twill", (2.4, 4.6) if self.k == 1 else (2.0, 3.6))
        return self._waled(cloth, 0.16), mix, 0.9

    def _satin(self) -> tuple[YarnSurface, F32, float]:
        steps = int(self.rng.choice([5, 8]))
        cloth, mix = self._solid("satin", (1.6, 2.6), steps, relief=0.5, slub=0.05, wander=0.06)
        if self.k == 2:
            # Neighbouring floats close over the weft: it glints through, it makes no dots.
            weft = 0.5 * mix[..., 1:]
            mix = np.concatenate([1 - weft, weft], -1)
        # Long floats lie as one smooth, lustrous face: streaks of light along the warp.
        lustre = smooth_noise(self.rng, self.size, self.size / 6, 1.5)
        lustre = lustre + 0.7 * smooth_noise(self.rng, self.size, self.size / 9, 5.0)
        return self._shaded(cloth, np.exp(0.07 * lustre)), mix, 0.35

    def _denim(self) -> tuple[YarnSurface, F32, float]:
        cloth, mix = self._solid("denim", (2.0, 3.6), slub=0.3, wander=0.16)
        # Ring-dyed warp: the white core shows in streaks along single warp yarns where they rub.
        fade = smooth_noise(self.rng, self.size, self.size / 10, 1.2)
        worn = np.clip(0.12 + 0.13 * fade, 0.0, 0.55) * (0.4 + 0.6 * cloth.height)
        mix = mix.copy()
        mix[..., 1] = np.where(cloth.warp_up, worn, mix[..., 1])
        mix[..., 0] = 1 - mix[..., 1]
        return cloth, mix, 1.5

    def _jersey(self) -> tuple[YarnSurface, F32, float]:
        wales, courses = self._count(4.5, 9.0, 2), 0
        courses = max(2, round(wales * self.rng.uniform(1.1, 1.4) / 2) * 2)
        cloth = knitted(self.rng, self.size, wales, courses)
        cloth = self._shaded(cloth, cloth.shade**0.6)
        self._set((wales, courses), (wales, courses), (wales, courses))
        return cloth, self._mix(np.zeros(cloth.height.shape, int)), 1.0

    def _rib(self) -> tuple[YarnSurface, F32, float]:
        rib = int(self.rng.integers(1, 4))
        wales = self._count(4.0, 6.5, 2 * rib)
        courses = max(2, round(wales * self.rng.uniform(1.0, 1.3)))
        cloth = knitted(self.rng, self.size, wales, courses, rib)
        self._set((wales / (2 * rib), courses), (wales / (2 * rib), courses), (wales, courses))
        return cloth, self._mix(np.zeros(cloth.height.shape, int)), 1.0

    def _melange(self) -> tuple[YarnSurface, F32, float]:
        wales = self._count(3.2, 5.0, 2)
        courses = max(2, round(wales * self.rng.uniform(1.1, 1.4)))
        cloth = knitted(self.rng, self.size, wales, courses)
        self._set((wales, courses), (wales, courses), (wales, courses))
        # Fibres of several dyes spun together: flecks along the courses, a loop or two long, the ground
        # most of them.
        share = self.rng.dirichlet([6.0] + [3.0] * (self.k - 1))
        lean = np.stack(
            [
                smooth_noise(self.rng, self.size, 1.2, 6.0)
                + 0.6 * smooth_noise(self.rng, self.size, 1.3, 1.8)
                for _ in range(self.k)
            ],
            -1,
        )
        score = np.exp(1.3 * lean + np.log(share))
        return cloth, (score / score.sum(-1, keepdims=True)).astype(np.float32), 1.3

    def _bands(self, repeats: int, yarns: int, widths: list[float], order: list[int]) -> NDArray[np.int64]:
        """Colour index of each of ``yarns`` yarns: ``repeats`` runs of bands of relative widths."""
        edges = np.cumsum(widths) / sum(widths)
        t = ((np.arange(yarns) + 0.5) * repeats / yarns) % 1.0
        band = np.searchsorted(edges, t, side="right").clip(max=len(order) - 1)
        return np.asarray(np.asarray(order, np.int64)[band])

    def _stripe(self) -> tuple[YarnSurface, F32, float]:
        repeats = int(self.rng.choice([2, 3, 4, 5, 6, 8]))
        kind = str(self.rng.choice(["plain", "twill"]))
        repeat = len(interlacing(kind))
        warps, wefts = self._count(1.2, 2.4, 4), self._count(1.2, 2.4, 4)
        cloth = woven(self.rng, self.size, warps, wefts, interlacing(kind), relief=0.7)
        order: list[int] = []
        widths: list[float] = []
        for c in range(1, self.k):
            order += [0, c]
            widths += [self.rng.uniform(0.6, 2.0), self.rng.uniform(0.3, 1.2)]
        colour = self._bands(repeats, warps, widths, order)
        # A striped cloth takes its weft from the warp's ground; shown along the warp, as shirts are cut.
        mix = self._yarn_dyed(cloth, colour, np.zeros(wefts, int))
        if self.rng.random() < 0.6:
            mix = self._mix(colour[cloth.across])
        self._set((repeats, wefts / repeat), (warps / repeat, wefts / repeat), (warps, wefts))
        return cloth, mix, 0.8

    def _checked(self, kind: str, repeats: int, warps: int, wefts: int) -> YarnSurface:
        plan = interlacing(kind)
        cloth = woven(self.rng, self.size, warps, wefts, plan, relief=0.7, slub=0.1)
        self._set((repeats, repeats), (warps / len(plan), wefts / len(plan)), (warps, wefts))
        return cloth

    def _gingham(self) -> tuple[YarnSurface, F32, float]:
        repeats = int(self.rng.choice([2, 3, 4, 5, 6, 8]))
        yarns = self._count(1.15, 2.2, 4)
        cloth = self._checked("plain", repeats, yarns, yarns)
        colour = self._bands(repeats, yarns, [1.0, 1.0], [0, 1])
        return cloth, self._yarn_dyed(cloth, colour, colour), 0.8

    def _tartan(self) -> tuple[YarnSurface, F32, float]:
        repeats = int(self.rng.choice([1, 1, 2, 2, 3]))
        yarns = self._count(1.1, 2.0, 4)
        cloth = self._checked("twill", repeats, yarns, yarns)
        order, widths = [0], [self.rng.uniform(2.5, 4)]
        for c in range(1, self.k):
            order += [c, 0] if self.rng.random() < 0.5 else [c]
            # Broad bands and overlines of a few yarns alike.
            broad = self.rng.uniform(0.5, 2.2) if self.rng.random() < 0.6 else self.rng.uniform(0.12, 0.3)
            widths += [broad, self.rng.uniform(0.5, 1.8)][: len(order) - len(widths)]
        if self.rng.random() < 0.7:
            order += [0, int(self.rng.integers(1, self.k))]
            widths += [self.rng.uniform(0.3, 1.5), 0.18]
        # A sett turns at its pivots: the bands run out and back again.
        order, widths = order + order[-2:0:-1], widths + widths[-2:0:-1]
        colour = self._bands(repeats, yarns, widths, order)
        return cloth, self._yarn_dyed(cloth, colour, colour), 1.1

    def _houndstooth(self) -> tuple[YarnSurface, F32, float]:
        # Four dark and four light yarns both ways in 2/2 twill make the tooth.
        repeats = int(self.rng.choice([4, 5, 6, 7, 8]))
        yarns = repeats * 8
        cloth = self._checked("twill", repeats, yarns, yarns)
        colour = (np.arange(yarns) % 8 < 4).astype(np.int64)
        return cloth, self._yarn_dyed(cloth, colour, colour), 0.9

    def _ground(self) -> tuple[YarnSurface, int, int]:
        warps, wefts = self._count(1.3, 2.6, 2), self._count(1.3, 2.6, 2)
        return woven(self.rng, self.size, warps, wefts, interlacing("plain"), relief=0.55), warps, wefts

    def _dots(self) -> tuple[YarnSurface, F32, float]:
        cloth, warps, wefts = self._ground()
        repeats = int(self.rng.choice([2, 3, 4, 5, 6]))
        grid = (np.arange(self.size, dtype=np.float32) + 0.5) / self.size * repeats
        x, y = np.meshgrid(grid, grid)
        edge = 0.0025 * repeats * smooth_noise(self.rng, self.size, 2.0, 2.0)
        index = np.zeros(x.shape, np.int64)
        radius = self.rng.uniform(0.13, 0.24)
        for place, (ox, oy) in enumerate(((0.25, 0.25), (0.75, 0.75))):
            far = np.hypot((x - ox + 0.5) % 1 - 0.5, (y - oy + 0.5) % 1 - 0.5)
            index = np.where(far + edge < radius, 1 + (place if self.k == 3 else 0), index)
        self._set((repeats, repeats), (warps / 2, wefts / 2), (warps, wefts))
        return cloth, self._mix(index), 0.8

    def _floral(self) -> tuple[YarnSurface, F32, float]:
        cloth, warps, wefts = self._ground()
        repeats = int(self.rng.choice([2, 3]))
        index = floral_print(self.rng, self.size, repeats, self.k)
        self._set((repeats, repeats), (warps / 2, wefts / 2), (warps, wefts))
        return cloth, self._mix(index), 0.8


def floral_print(rng: np.random.Generator, size: int, repeats: int, colours: int) -> NDArray[np.int64]:
    """Colour index (size, size) of a flower print: 0 ground, 1 petals, 2 hearts and leaves, 3 leaves.

    Flowers stand on a half-drop lattice, two to a repeat, each turned, sized and shifted on its own; the
    repeats are alike, as a screen prints them.
    """
    grid = np.arange(size, dtype=np.float32) + 0.5
    index = np.zeros((size, size), np.int64)
    pitch = size / repeats
    petals = int(rng.integers(4, 8))
    leaf = 3 if colours > 3 else 2
    flowers = [
        (
            *(place + rng.normal(0, 0.04, 2)),
            rng.uniform(0.2, 0.29),
            rng.uniform(0, 2 * np.pi),
            rng.normal(0, 0.3, 2),
        )
        for place in (0.25, 0.75)
    ]
    places = [(r, c, *flower) for r in range(repeats) for c in range(repeats) for flower in flowers]
    for row, col, y, x, share, turn, lean in places:
        cy, cx, radius = (row + y) * pitch, (col + x) * pitch, pitch * share
        dy = ((grid - cy + size / 2) % size - size / 2)[:, None]
        dx = ((grid - cx + size / 2) % size - size / 2)[None, :]
        far, angle = np.hypot(dy, dx), np.arctan2(dy, dx) + turn
        for k in range(2):
            a = turn + 1.9 + k * np.pi + lean[k]
            along, across = dx * np.cos(a) + dy * np.sin(a), -dx * np.sin(a) + dy * np.cos(a)
            t = along / (radius * 1.75)
            inside = (
                (t > 0.2)
                & (t < 1)
                & (np.abs(across) < radius * 0.5 * np.sin(np.pi * np.clip(t, 0, 1)) ** 0.8)
            )
            index[inside] = leaf
        edge = radius * (0.62 + 0.38 * np.abs(np.cos(angle * petals / 2)) ** 0.7)
        index[far < edge] = 1
        index[far < radius * 0.24] = 2
    return index
