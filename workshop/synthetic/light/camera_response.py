"""A camera: exposure, white balance, tone curve, blur, noise and JPEG between light and a frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mirror.shading.colour import LUMINANCE_RGB, to_srgb
from mirror.types import F32, F64, Picture, cv


@dataclass(frozen=True)
class Response:
    """One camera's settings for one picture.

    ``gains`` (3,) linear RGB: exposure and white balance; they belong to the light as the frame
    shows it. ``contrast`` bends the tone curve, ``blur`` px, ``read`` and ``shot`` noise, ``quality`` JPEG.
    """

    gains: F64
    contrast: float
    blur: float
    read: float
    shot: float
    quality: int

    def taken(self, radiance: F32, rng: np.random.Generator) -> Picture:
        """The frame (h, w, 3) BGR of linear RGB ``radiance`` (h, w, 3)."""
        linear = (radiance * self.gains).astype(np.float32)
        linear = cv.GaussianBlur(linear, (0, 0), self.blur)
        deviation = np.sqrt(self.read**2 + self.shot**2 * np.clip(linear, 0, 1))
        linear = linear + deviation * rng.standard_normal(linear.shape, np.float32)
        encoded = to_srgb(np.clip(linear, 0, 1))
        bent = encoded + self.contrast * encoded * (1 - encoded) * (encoded - 0.45)
        frame = np.rint(np.clip(bent, 0, 1) * 255).astype(np.uint8)[..., ::-1]
        done, packed = cv.imencode(".jpg", frame, [cv.IMWRITE_JPEG_QUALITY, self.quality])
        assert done  # noqa: S101 - JPEG takes any 8-bit picture
        picture: Picture = cv.imdecode(packed, cv.IMREAD_COLOR)
        return picture


def response(radiance: F32, person: NDArray[np.bool_], illuminant: F64, rng: np.random.Generator) -> Response:
    """What a camera would choose for this picture, more or less well.

    Exposure: between frame and person to a middle grey; white balance: a share of the way from
    the light's colour and the frame's mean to neutral, with an error of some percent.
    """
    luminance = radiance @ LUMINANCE_RGB.astype(np.float32)
    frame = float(np.minimum(luminance, np.quantile(luminance, 0.97)).mean())
    mine = float(luminance[person].mean()) if person.any() else frame
    weight = rng.uniform(0.2, 0.9)
    metered = frame ** (1 - weight) * mine**weight
    exposure = rng.uniform(0.13, 0.27) * np.exp(rng.normal(0, 0.25)) / max(metered, 1e-6)
    mean = radiance.reshape(-1, 3).mean(0).astype(np.float64)
    guess = (illuminant / illuminant.mean()) ** 0.75 * (mean / mean.mean()) ** 0.25
    balance = guess ** -rng.uniform(0.55, 1.0) * np.exp(rng.normal(0, [0.035, 0.012, 0.035]))
    balance /= float(balance @ LUMINANCE_RGB)
    return Response(
        gains=exposure * balance,
        contrast=rng.uniform(-0.4, 1.0),
        blur=rng.uniform(0.3, 1.1),
        read=10 ** rng.uniform(-3.2, -2.1),
        shot=10 ** rng.uniform(-2.6, -1.5),
        quality=int(rng.integers(55, 97)),
    )
