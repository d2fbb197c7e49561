"""The analytic light estimator: the lit face and body as a light probe.

Brightness at surface points whose normals the fit knows gives the main direction and how
strong it is against the ambient light; face and room give level and tint. The result is order-2
irradiance (see ``mirror.messages.Light``): a uniform part plus a distant lamp convolved with
the clamped cosine (Ramamoorthi and Hanrahan 2001, "An efficient representation for irradiance
environment maps").
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inference.body.camera import Intrinsics
from inference.body.model import REGIONS, BodyModel
from inference.body.surface_points import SurfacePoints
from inference.fit.fitter import Fit
from inference.resize import resize
from mirror.messages import Light
from mirror.shading.colour import LINEAR_OF_BYTE, LUMINANCE_BGR, LUMINANCE_RGB
from mirror.shading.spherical_harmonics import lamp_sh, sh_basis, uniform_sh
from mirror.types import F64, Picture, cv

__all__ = ["AnalyticLight", "estimate_probe", "light_message"]

PERIOD_S = 0.2  # how often the light is estimated
SMOOTH_S = 0.35  # time constant of the running estimate
PROBES = 500
WORK_SIDE = 176  # px of the longer side of what is looked at
FACE_REFLECTANCE = 0.42  # linear luminance of lit skin, a middle value over skin tones
ROOM_REFLECTANCE = 0.40  # of what rooms are made of
TINT_TRUST = 0.6  # cameras balance white themselves: only part of a cast is the light's
SKIN_TINT = np.array([0.66, 0.92, 1.42])  # linear B, G, R of skin under white light, mean 1


def estimate_probe(
    normals: F64, brightness: F64, group: NDArray[np.integer], weight: F64
) -> tuple[F64, float]:
    """Main direction (3,) and the lamp's share 0..1 from relative brightness at surface points.

    ``brightness`` (N,) linear luminance, ``group`` (N,) points of one albedo, ``weight`` (N,).
    """
    relative = brightness.astype(np.float64).copy()
    for kind in np.unique(group):
        chosen = group == kind
        relative[chosen] /= max(float(np.median(relative[chosen])), 1e-4)
    relative = np.clip(relative, 0.0, 3.0)
    design = np.concatenate([np.ones((len(normals), 1)), normals], axis=1)
    robust = weight.astype(np.float64).copy()
    ridge = np.diag([1e-6, 1.0, 1.0, 4.0]) * 0.02 * weight.sum()
    # Lamps are above more often than not; only a hint, the picture overrules it.
    prior = np.array([0.0, -0.08, -0.35])
    coefficients = np.zeros(4)
    for _ in range(3):
        left = design.T @ (design * robust[:, None]) + ridge
        right = design.T @ (relative * robust) + ridge @ np.concatenate([[0.0], prior])
        coefficients = np.linalg.solve(left, right)
        residual = relative - design @ coefficients
        robust = weight / (1.0 + (residual / 0.25) ** 2)
    gradient = coefficients[1:]
    strength = float(np.linalg.norm(gradient))
    direction = gradient / max(strength, 1e-6)
    # For ambient a plus lamp b the linear fit over the seen side has slope/level about
    # (b / 2) / (a + b / 4).
    slope = strength / max(float(coefficients[0]), 0.15)
    share = float(np.clip(slope / (0.5 + 0.75 * slope), 0.0, 0.9))
    return direction, share


class AnalyticLight:
    """Running estimate of the light on the followed person."""

    def __init__(self, model: BodyModel, intrinsics: Intrinsics) -> None:
        self.intrinsics = intrinsics
        region = np.asarray(model.region)
        rng = np.random.default_rng(1)
        face = np.flatnonzero(region == REGIONS.index("head"))
        face = face[model.vertices[face, 2] > np.quantile(model.vertices[face, 2], 0.55)]
        trunk = np.flatnonzero(np.isin(region, [REGIONS.index(n) for n in ("torso", "hips")]))
        picked = [rng.permutation(group)[: PROBES // 2] for group in (face, trunk)]
        self._group = np.repeat([0, 1], [len(p) for p in picked])
        self._surface = SurfacePoints.at_vertices(model, np.concatenate(picked))
        self.reset()

    def reset(self) -> None:
        """Forget the light."""
        self._sh: F64 | None = None
        self._confidence = 0.0
        self._time_ns = -(10**18)

    def update(
        self, frame: Picture, mask: Picture, hands: Picture | None, fit: Fit, t_source_ns: int
    ) -> Light:
        """Light of the frame (H, W, 3) BGR; estimated every PERIOD_S of source time, smoothed.

        ``mask`` (H, W) is the person; ``hands`` (h, w), any resolution, marks hands before the body.
        """
        since = (t_source_ns - self._time_ns) / 1e9
        if self._sh is not None and 0.0 <= since < PERIOD_S:
            return light_message(self._sh, self._confidence)
        fresh, confidence = self.estimate(frame, mask, hands, fit)
        blend = 1.0 if self._sh is None else float(1.0 - np.exp(-max(since, PERIOD_S) / SMOOTH_S))
        self._sh = fresh if self._sh is None else self._sh + blend * (fresh - self._sh)
        self._confidence += blend * (confidence - self._confidence)
        self._time_ns = t_source_ns
        return light_message(self._sh, self._confidence)

    def estimate(self, frame: Picture, mask: Picture, hands: Picture | None, fit: Fit) -> tuple[F64, float]:
        """Light (9, 3) of one frame by itself, and how sure it is, 0..1; arguments as for ``update``."""
        height, width = frame.shape[:2]
        scale = min(1.0, WORK_SIDE / max(height, width))
        small = resize(frame, (max(8, round(width * scale)), max(8, round(height * scale))))
        rows, columns = small.shape[:2]
        person = resize(mask, (columns, rows))
        linear = LINEAR_OF_BYTE[small]
        posed = self._surface.posed(fit)
        normals = posed.normals
        pixels = np.rint(self.intrinsics.project(posed.points.astype(np.float64)) * scale).astype(int)
        inside = (
            (posed.facing() < -0.25)
            & (pixels[:, 0] >= 0)
            & (pixels[:, 0] < columns)
            & (pixels[:, 1] >= 0)
            & (pixels[:, 1] < rows)
        )
        x, y = np.clip(pixels[:, 0], 0, columns - 1), np.clip(pixels[:, 1], 0, rows - 1)
        inside &= person[y, x] > 220
        if hands is not None:
            front = cv.resize(hands, (columns, rows), interpolation=cv.INTER_AREA)
            inside &= front[y, x] < 60
        colour = linear[y, x].astype(np.float64)
        luminance = colour @ LUMINANCE_BGR
        inside &= luminance < 0.98  # burnt out pixels know no direction
        room = linear[(person < 40)].astype(np.float64)
        frame_level = float(np.mean(linear.reshape(-1, 3) @ LUMINANCE_BGR))
        room_level = float(np.mean(np.minimum(room @ LUMINANCE_BGR, 1.0))) if len(room) > 200 else frame_level
        face = inside & (self._group == 0)
        direction, share, confidence = np.array([0.0, -0.5, -0.866]), 0.35, 0.1
        if np.count_nonzero(inside) >= 60:
            weight = np.where(self._group == 0, 1.0, 0.35)[inside]
            direction, share = estimate_probe(normals[inside], luminance[inside], self._group[inside], weight)
            confidence = 0.35 if np.count_nonzero(face) < 40 else 0.8
        tint = _tint(room)
        if np.count_nonzero(face) >= 40:
            skin = np.median(colour[face], axis=0)
            skin_level = float(skin @ LUMINANCE_BGR)
            # The dearer of two guesses would burn the garment out; their geometric mean is steady.
            level = np.sqrt(
                max(skin_level / FACE_REFLECTANCE, 0.02) * max(room_level / ROOM_REFLECTANCE, 0.02)
            )
            skin_tint = skin / max(float(skin.mean()), 1e-4) / SKIN_TINT
            tint = np.sqrt(tint * skin_tint / max(float(skin_tint.mean()), 1e-4))
        else:
            level = max(room_level / ROOM_REFLECTANCE, 0.02)
        tint = np.maximum(tint, 0.05)  # a black face has no colour
        tint = (tint / tint.mean()) ** TINT_TRUST
        level = float(np.clip(level, 0.03, 1.6))
        shading = (1.0 - share) * uniform_sh() + share * lamp_sh(direction)
        seen = float(np.mean(sh_basis(normals[inside]) @ shading)) if np.any(inside) else 1.0
        sh = shading[:, None] * (level / max(seen, 0.2)) * tint[::-1][None]  # BGR to RGB
        return np.asarray(sh), confidence


def _tint(room: F64) -> F64:
    """Colour cast (3,) BGR, mean 1, of the room by the grey-world assumption on its middle tones."""
    if len(room) < 200:
        return np.ones(3)
    level = room @ LUMINANCE_BGR
    low, high = np.quantile(level, [0.4, 0.97])
    chosen = room[(level >= low) & (level <= high) & (room.max(1) < 0.98)]
    if len(chosen) < 100:
        return np.ones(3)
    mean = chosen.mean(0) + 1e-3
    return np.asarray(np.clip(mean / mean.mean(), 0.6, 1.6))


def light_message(sh: F64, confidence: float) -> Light:
    """The message of light (9, 3), its main direction that of the luminance's first band."""
    grey = sh @ LUMINANCE_RGB
    direction = grey[[3, 1, 2]]
    direction = direction / max(float(np.linalg.norm(direction)), 1e-9)
    return Light(
        sh=[(float(r), float(g), float(b)) for r, g, b in sh],
        direction=(float(direction[0]), float(direction[1]), float(direction[2])),
        confidence=float(confidence),
    )
