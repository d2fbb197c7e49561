"""The person's own skin tone: what face and hands look like, with the light that falls on them taken away."""

from __future__ import annotations

import numpy as np

from inference.body.camera import Intrinsics
from inference.body.landmarks import EYES, MOUTH
from inference.body.model import REGIONS, BodyModel
from inference.body.surface_points import SurfacePoints
from inference.fit.fitter import Fit
from inference.parts.colour_model import UNLIKE, ColourModel, colour_bins
from mirror.messages import Light, Rgb
from mirror.shading.skin import encoded, skin_light
from mirror.shading.spherical_harmonics import sh_basis
from mirror.types import F64, Picture

_RATE = 0.06  # of a new look in the running tone
_FOLLOW = 0.15  # of the way to what is seen, a look
_LOOKS = 4  # before the tone is told
_FACING = -0.35  # cosine to the line of sight of a point that is seen well
_LEAST = 12  # points of face or hands that must be seen
_CLOTH = 32  # of 127: likelier worn clothes are no hand
_LEVEL = 1.15  # by which hands may be brighter or darker than the face
_BY_HANDS = 0.5  # of the tone, where they were seen
_RANGE = (18, 248)  # grey levels within which a pixel tells a colour
_LIMITS = (0.05, 1.6)  # of a tone: beyond it the light is mistaken


class SkinTone:
    """Running tone of one person; ``reset`` when another one comes."""

    def __init__(self, model: BodyModel, intrinsics: Intrinsics) -> None:
        self._intrinsics = intrinsics
        head = np.flatnonzero(np.asarray(model.region) == REGIONS.index("head"))
        place = model.vertices[head]
        eyes, mouth = (model.mean_landmarks[list(pair)].mean(0) for pair in (EYES, MOUTH))
        # Cheeks and nose: no beard, no brows, no hair; glasses do not cover half of it.
        span = float(eyes[1] - mouth[1])
        low, high = float(mouth[1]) + 0.1 * span, float(eyes[1]) - 0.15 * span
        front = place[:, 2] > float(mouth[2]) - 0.05
        face = head[(place[:, 1] > low) & (place[:, 1] < high) & front]
        self._surface = SurfacePoints.at_vertices(model, face, bone=int(model.skin_indices[face[0], 0]))
        self.reset()

    def reset(self) -> None:
        """Forget the person."""
        self._face, self._hand, self._limbs = _Running(), _Running(), _Running()
        self._tone: F64 | None = None

    @property
    def tone(self) -> Rgb | None:
        """What skin shows under light of 1, sRGB 0..1 and more; None until enough of a face was seen."""
        if self._tone is None:
            return None
        red, green, blue = (float(v) for v in self._tone)
        return red, green, blue

    def _seen(self) -> F64 | None:
        face, hands, limbs = self._face.mean, self._hand.mean, self._limbs.mean
        if face is None:
            return None
        if limbs is not None:  # what is drawn goes on in them
            return limbs
        # Drawn arms end at the real hands.
        if hands is None:
            return face
        level = float(hands.mean() / face.mean())  # what differs more is lit otherwise than the light says
        hands = hands * (np.clip(level, 1 / _LEVEL, _LEVEL) / level)
        return np.asarray(face ** (1 - _BY_HANDS) * hands**_BY_HANDS)

    def update(
        self,
        picture: Picture,
        masks: Picture,
        fit: Fit,
        light: Light,
        colours: ColourModel,
        exposed: tuple[Picture, F64] | None = None,
    ) -> None:
        """Learn from a frame (H, W, 3) BGR that the intrinsics hold for, with what goes with it.

        ``exposed``: pixels and normals of exposed limbs, as ``WornClothes.update`` gives them.
        """
        sh = skin_light(np.asarray(light.sh))
        self._learn_face(picture, masks, fit, sh)
        if exposed is not None and len(exposed[0]):
            self._limbs.take(exposed[0], encoded(sh_basis(exposed[1]) @ sh))
        step = (slice(None, None, 2), slice(None, None, 2))
        hands, worn = masks[step][..., 2], masks[step][..., 3].astype(int)
        rows, columns = np.nonzero((hands > 220) & (np.abs(worn - 128) < _CLOTH))
        height, width = picture.shape[:2]
        x, y = columns * 2 * width // masks.shape[1], rows * 2 * height // masks.shape[0]
        # Of cuffs and of what is held the mask of the hands may have its share.
        cloth, skin, _ = (
            colours.densities(colour_bins(picture[y, x][None])[0]) if len(x) else np.zeros((3, 0))
        )
        x, y = x[skin > np.maximum(cloth, UNLIKE)], y[skin > np.maximum(cloth, UNLIKE)]
        # Hands turn every way: on the average they are seen as if they faced the camera.
        self._hand.take(picture[y, x], encoded(sh_basis(np.array([[0.0, 0.0, -1.0]])) @ sh))
        seen = self._seen()
        if seen is not None:  # arms must not change colour at once when another part tells it better
            self._tone = seen if self._tone is None else self._tone + _FOLLOW * (seen - self._tone)

    def _learn_face(self, picture: Picture, masks: Picture, fit: Fit, sh: F64) -> None:
        posed = self._surface.posed(fit)
        points, normals = posed.points, posed.normals
        pixels = np.floor(self._intrinsics.project(points)).astype(int)
        height, width = picture.shape[:2]
        seen = ((pixels >= 0) & (pixels < (width, height))).all(axis=1) & (points[:, 2] > 0.2)
        seen &= posed.facing() < _FACING
        x, y = pixels[seen].T
        there = masks[y * masks.shape[0] // height, x * masks.shape[1] // width]
        clear = (there[:, 0] > 200) & (there[:, 2] < 60)
        self._face.take(picture[y[clear], x[clear]], encoded(sh_basis(normals[seen][clear]) @ sh))


class _Running:
    """A tone seen again and again; ``mean`` (3,) RGB is None until it was seen some times."""

    def __init__(self) -> None:
        self._mean = np.zeros(3)
        self._looks = 0

    @property
    def mean(self) -> F64 | None:
        return self._mean if self._looks >= _LOOKS else None

    def take(self, colours: Picture, shown: F64) -> None:
        """Of pixels (n, 3) BGR, with the renderer's picture of the light (n or 1, 3) on them."""
        colour = colours[:, ::-1].astype(np.float64)
        usable = (colour.max(1) < _RANGE[1]) & (colour.max(1) > _RANGE[0])
        if np.count_nonzero(usable) < _LEAST:
            return
        tone = np.median((colour / 255.0 / np.maximum(shown, 0.05))[usable], axis=0)
        if tone.min() < _LIMITS[0] or tone.max() > _LIMITS[1]:
            return
        self._mean += max(_RATE, 1.0 / (self._looks + 1)) * (tone - self._mean)
        self._looks += 1
