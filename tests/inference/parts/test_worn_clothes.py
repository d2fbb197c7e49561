"""Where worn clothes lie on the body, learnt from pictures painted of a known body."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.body.model import REGIONS
from inference.fit.fitter import BodyFitter, Fit
from inference.parts.colour_model import ColourModel
from inference.parts.occlusion_masks import OcclusionMasks
from inference.parts.skin_tone import SkinTone
from inference.parts.worn_clothes import WornClothes
from inference.pose.distance_field import distance_field
from mirror.messages import Light
from mirror.shading.skin import encoded
from mirror.shading.spherical_harmonics import uniform_sh
from mirror.types import Picture
from tests.inference.parts.test_occlusion_masks import MODEL, SKIN_BGR, painted
from tests.inference.people import CAMERA, WIDTH, person

STEP_S = 0.1
EXPOSED = ("left_forearm", "right_forearm")


@pytest.fixture(scope="module")
def seen() -> tuple[Picture, Picture, Picture, Fit, ColourModel, NDArray[np.uint8]]:
    """Picture in long sleeves, the same in short ones, masks, fit, colours, and the regions' labels."""
    body = person(MODEL, place=(0.0, 0.0, 2.6))
    picture, labels = painted(body, np.random.default_rng(1))
    short = picture.copy()
    arms = np.isin(labels, [REGIONS.index(name) + 1 for name in EXPOSED])
    short[arms] = np.array(SKIN_BGR) + np.random.default_rng(2).integers(-4, 5, (int(arms.sum()), 3))
    fitter, maker = BodyFitter(MODEL, CAMERA), OcclusionMasks(MODEL, CAMERA, worn=True)
    for _ in range(8):
        fit = fitter.update(body.landmarks, body.world, distance_field(body.mask, WIDTH), 1 / 30)
        masks = maker.update(picture, body.mask, body.landmarks, fit)
    return picture, short, masks, fit, maker.colours, labels


def looked(
    worn_clothes: WornClothes, picture: Picture, seen: tuple[object, ...], looks: int
) -> NDArray[np.float64]:
    """Cover (V,) 0..1 after so many looks."""
    _, _, masks, fit, colours, _ = seen
    for _ in range(looks):
        worn_clothes.update(picture, masks, fit, colours)  # type: ignore[arg-type]
        cover = worn_clothes.cover(STEP_S)
    return np.frombuffer(cover, np.uint8) / 255


def mean(cover: NDArray[np.float64], *names: str) -> float:
    return float(cover[np.isin(MODEL.region, [REGIONS.index(name) for name in names])].mean())


def test_long_sleeves_cover_arms_and_short_ones_leave_the_forearm(seen: tuple[Picture, ...]) -> None:
    """Skin painted over a bare forearm, or left out under a sleeve, is what the shopper sees at once."""
    long, short = (looked(WornClothes(MODEL, CAMERA), seen[k], seen, 12) for k in (0, 1))
    arms, hands = ("left_upper_arm", "right_upper_arm"), ("left_hand", "right_hand")
    assert mean(long, *arms) > 0.95
    assert mean(long, *EXPOSED) > 0.95
    assert mean(long, *hands) > 0.95, "a cuff lies over the wrist: the drawn arm must reach under the hand"
    assert mean(short, *arms) > 0.9
    assert mean(short, *EXPOSED) < 0.4  # a sleeve may be taken for one step longer than it is
    assert mean(short, *hands) == 0
    for cover in (long, short):
        assert mean(cover, "head") == 0


def test_a_short_look_changes_nothing_and_changes_are_gradual(seen: tuple[Picture, ...]) -> None:
    """Arms that blink between sleeve and skin are worse than either."""
    worn_clothes = WornClothes(MODEL, CAMERA)
    settled = looked(worn_clothes, seen[0], seen, 12)
    after = looked(worn_clothes, seen[1], seen, 1)
    assert np.abs(after - settled)[MODEL.region == REGIONS.index("left_forearm")].max() == 0
    worn_clothes = WornClothes(MODEL, CAMERA)
    covers = [mean(looked(worn_clothes, seen[0], seen, 1), *EXPOSED) for _ in range(14)]
    assert np.abs(np.diff(covers)).max() <= 0.5
    assert covers[0] < 0.5 < covers[-1]


def test_another_person_begins_anew(seen: tuple[Picture, ...]) -> None:
    """The next shopper's bare arms would be painted over."""
    worn_clothes = WornClothes(MODEL, CAMERA)
    looked(worn_clothes, seen[0], seen, 12)
    worn_clothes.reset()
    assert not any(worn_clothes.cover(STEP_S))


def test_the_tone_is_the_faces_with_its_light_taken_away(seen: tuple[Picture, ...]) -> None:
    """Arms in another colour than the face are nobody's."""
    picture, _, masks, fit, colours, _ = seen
    tone = SkinTone(MODEL, CAMERA)
    light = Light(sh=[(v, v, v) for v in 0.5 * uniform_sh()], direction=(0.0, -1.0, 0.0), confidence=1.0)
    told = []
    for _ in range(8):
        tone.update(picture, masks, fit, light, colours)  # type: ignore[arg-type]
        told.append(tone.tone)
    assert told[2] is None, "a glance is not enough"
    assert told[-1] is not None
    shown = np.array(told[-1]) * encoded(np.array([0.5])) * 255
    assert shown == pytest.approx(np.array(SKIN_BGR[::-1]), abs=6)
    tone.reset()
    assert tone.tone is None


def test_bare_limbs_tell_their_own_tone(seen: tuple[Picture, ...]) -> None:
    """Upper arms drawn in the face's colour above paler real forearms look like gloves."""
    _, short, masks, fit, colours, _ = seen
    worn_clothes, tone = WornClothes(MODEL, CAMERA), SkinTone(MODEL, CAMERA)
    light = Light(sh=[(v, v, v) for v in 0.5 * uniform_sh()], direction=(0.0, -1.0, 0.0), confidence=1.0)
    for _ in range(30):
        pixels, normals = worn_clothes.update(short, masks, fit, colours)  # type: ignore[arg-type]
        paler = np.minimum(pixels.astype(int) + 25, 255).astype(np.uint8)
        tone.update(short, masks, fit, light, colours, (paler, normals))  # type: ignore[arg-type]
    assert len(pixels) > 20
    assert tone.tone is not None
    shown = np.array(tone.tone) * encoded(np.array([0.5])) * 255
    assert shown == pytest.approx(np.array(SKIN_BGR[::-1]) + 25, abs=8)


def test_without_a_face_there_is_no_tone(seen: tuple[Picture, ...]) -> None:
    """Somebody seen from behind has no face to take it from: better no arms than grey ones."""
    picture, _, masks, fit, colours, _ = seen
    dark = np.zeros_like(picture)
    tone = SkinTone(MODEL, CAMERA)
    light = Light(sh=[(v, v, v) for v in 0.5 * uniform_sh()], direction=(0.0, -1.0, 0.0), confidence=1.0)
    for _ in range(8):
        tone.update(dark, masks, fit, light, colours)  # type: ignore[arg-type]
    assert tone.tone is None
