"""Head, hair and hands in front, on pictures painted from a known body."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from inference.body.landmarks import Landmark
from inference.body.model import REGIONS, BodyModel
from inference.fit.fitter import BodyFitter, Fit
from inference.parts.colour_model import CLOTH, SKIN, ColourModel, colour_bins
from inference.parts.occlusion_masks import OcclusionMasks
from inference.parts.parts_network import Part
from inference.pose.distance_field import distance_field
from tests.inference.people import CAMERA, HEIGHT, WIDTH, Person, person

MODEL = BodyModel.load()
SKIN_BGR, CLOTH_BGR, ROOM_BGR, HAIR_BGR = (120, 150, 205), (150, 60, 30), (190, 190, 185), (25, 30, 40)
HAND_ON_CHEST = {
    "left_upper_arm": (0.0, 0.0, -0.45),
    "right_upper_arm": (-0.3, 0.3, 0.4),
    "right_forearm": (-0.8, 1.3, -0.2),
}


RIGHT_HAND = [Landmark.of("right", part) for part in ("wrist", "pinky", "index", "thumb")]


def painted(seen: Person, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A picture of the body (painter's algorithm) and the region (0 = room) of every pixel."""
    picture = np.full((HEIGHT, WIDTH, 3), ROOM_BGR, np.uint8)
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    pixels = np.rint(CAMERA.project(seen.vertices)).astype(np.int32)
    names = [REGIONS[r] for r in MODEL.region]
    depth = seen.vertices[MODEL.faces].mean(1)[:, 2]
    crown = seen.points[0, 1] - 0.06
    for face in np.argsort(-depth):
        corners = MODEL.faces[face]
        name = names[corners[0]]
        colour = CLOTH_BGR
        if name == "head":
            colour = HAIR_BGR if seen.vertices[corners, 1].mean() < crown else SKIN_BGR
        elif name.endswith("hand") or name == "neck":
            colour = SKIN_BGR
        cv2.fillConvexPoly(picture, pixels[corners], colour)
        cv2.fillConvexPoly(labels, pixels[corners], int(MODEL.region[corners[0]]) + 1)
    noisy = picture.astype(np.int16) + rng.normal(scale=4, size=picture.shape).astype(np.int16)
    return noisy.clip(0, 255).astype(np.uint8), labels


def masks_of(
    turns: dict[str, tuple[float, float, float]],
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], Fit]:
    seen = person(MODEL, turns, place=(0.0, 0.25, 1.6))
    picture, labels = painted(seen, np.random.default_rng(1))
    fitter, maker = BodyFitter(MODEL, CAMERA), OcclusionMasks(MODEL, CAMERA)
    for _ in range(8):
        fit = fitter.update(seen.landmarks, seen.world, distance_field(seen.mask, WIDTH), 1 / 30)
        masks = maker.update(picture, seen.mask, seen.landmarks, fit)
    return masks, labels, fit


def test_head_and_hands_are_found_and_the_chest_is_not() -> None:
    """A garment over the shopper's face or over a hand on the chest is what people laugh at."""
    masks, labels, _ = masks_of(HAND_ON_CHEST)
    assert masks.shape == (HEIGHT, WIDTH, 3)
    head = cv2.erode((labels == REGIONS.index("head") + 1).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    hand = labels == REGIONS.index("right_hand") + 1
    torso = cv2.erode((labels == REGIONS.index("torso") + 1).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    assert hand.sum() > 300
    assert (masks[..., 1][head] > 127).mean() > 0.97
    assert (masks[..., 2][hand] > 127).mean() > 0.9
    assert (masks[..., 1:].max(-1)[torso] > 127).mean() < 0.03


def test_worn_clothes_are_told_from_skin_and_top_from_trousers() -> None:
    """Else the room would show through face, hands or trousers when a worn top is hidden."""
    seen = person(MODEL, place=(0.0, 0.0, 2.6))
    picture, labels = painted(seen, np.random.default_rng(1))
    names = ("left_thigh", "right_thigh", "left_shin", "right_shin")
    legs = np.isin(labels, [REGIONS.index(name) + 1 for name in names])
    picture[legs] = np.array((60, 90, 40)) + np.random.default_rng(2).integers(-8, 9, (int(legs.sum()), 3))
    fitter, maker = BodyFitter(MODEL, CAMERA), OcclusionMasks(MODEL, CAMERA, worn=True)
    for _ in range(8):
        fit = fitter.update(seen.landmarks, seen.world, distance_field(seen.mask, WIDTH), 1 / 30)
        masks = maker.update(picture, seen.mask, seen.landmarks, fit)
    worn = cv2.resize(masks[..., 3], (WIDTH, HEIGHT)).astype(int) - 128

    def part(*names: str) -> NDArray[np.bool_]:
        mask = np.isin(labels, [REGIONS.index(name) + 1 for name in names]).astype(np.uint8)
        return np.asarray(cv2.erode(mask, np.ones((5, 5), np.uint8)) > 0)

    assert np.median(worn[part("torso")]) > 100
    assert np.median(worn[part("left_upper_arm", "right_forearm")]) > 100
    assert np.median(worn[part("left_thigh", "right_thigh")]) < -100
    face = part("head") & (np.abs(picture.astype(int) - SKIN_BGR).max(-1) < 20)
    assert face.sum() > 50
    assert (np.abs(worn[face]) < 60).mean() > 0.95


def test_a_bare_forearm_is_not_taken_for_the_hand() -> None:
    """A long sleeve would end in the middle of a bare forearm."""
    seen = person(MODEL, HAND_ON_CHEST, place=(0.0, 0.25, 1.6))
    picture, labels = painted(seen, np.random.default_rng(1))
    forearm = labels == REGIONS.index("right_forearm") + 1
    picture[forearm] = SKIN_BGR
    fitter, maker = BodyFitter(MODEL, CAMERA), OcclusionMasks(MODEL, CAMERA)
    for _ in range(8):
        fit = fitter.update(seen.landmarks, seen.world, distance_field(seen.mask, WIDTH), 1 / 30)
        masks = maker.update(picture, seen.mask, seen.landmarks, fit)
    assert (masks[..., 2][forearm] > 127).mean() < 0.3


def test_a_hand_that_the_trunk_hides_leaves_no_hole() -> None:
    """From behind, a hand before the belly would cut a patch of the worn clothes into the back."""
    seen = person(MODEL, HAND_ON_CHEST, place=(0.0, 0.25, 1.8), yaw=np.pi)
    picture, labels = painted(seen, np.random.default_rng(1))
    landmarks = seen.landmarks.copy()
    landmarks[RIGHT_HAND, 2] = 0.4  # the network is in two minds
    fitter, maker = BodyFitter(MODEL, CAMERA), OcclusionMasks(MODEL, CAMERA)
    for _ in range(8):
        fit = fitter.update(landmarks, seen.world, distance_field(seen.mask, WIDTH), 1 / 30)
        masks = maker.update(picture, seen.mask, landmarks, fit)
    torso = cv2.erode((labels == REGIONS.index("torso") + 1).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    assert torso.sum() > 3000
    assert (masks[..., 2][torso] > 127).sum() < 30


def test_a_bare_arm_beside_the_hand_is_no_hand() -> None:
    """With arms crossed, patches of bare forearm would show through long sleeves."""
    seen = person(MODEL, HAND_ON_CHEST, place=(0.0, 0.25, 1.6))
    picture, _ = painted(seen, np.random.default_rng(1))
    fitter = BodyFitter(MODEL, CAMERA)
    for _ in range(8):
        fit = fitter.update(seen.landmarks, seen.world, distance_field(seen.mask, WIDTH), 1 / 30)
    # The left forearm, bare, right under the right hand.
    points = seen.landmarks.copy()
    hand = points[RIGHT_HAND[:3], :2].mean(0)
    forearm = [Landmark.LEFT_ELBOW, Landmark.LEFT_WRIST]
    points[forearm, :2] = hand + np.array([[-90.0, 22.0], [70.0, 22.0]])
    elbow, wrist = ((int(points[k, 0]), int(points[k, 1])) for k in forearm)
    cv2.line(picture, elbow, wrist, SKIN_BGR, 24)
    below = np.zeros((HEIGHT, WIDTH), np.uint8)
    x, y = int(hand[0]), int(hand[1])
    cv2.line(below, (x - 30, y + 30), (x + 30, y + 30), 255, 8)
    maker = OcclusionMasks(MODEL, CAMERA)
    for _ in range(6):
        masks = maker.update(picture, seen.mask, points, fit)
    shown = masks[..., 2] > 127
    assert shown[y, x]
    assert shown[below > 0].mean() < 0.5


def test_large_frames_give_small_masks() -> None:
    """A 4K camera would make the masks cost more than the pose network."""
    seen = person(MODEL, place=(0.0, 0.0, 2.6))
    maker = OcclusionMasks(MODEL, CAMERA)
    fit = BodyFitter(MODEL, CAMERA).update(seen.landmarks, seen.world, None, 1 / 30)
    frame = np.zeros((HEIGHT * 3, WIDTH * 3, 3), np.uint8)
    masks = maker.update(frame, np.zeros(frame.shape[:2], np.uint8), seen.landmarks, fit)
    assert max(masks.shape[:2]) == 640


def test_colours_tell_skin_from_cloth_once_learnt() -> None:
    """Without the colour evidence the hand's mask would be a fixed blob around the knuckles."""
    rng = np.random.default_rng(0)

    def noisy(colour: tuple[int, int, int]) -> NDArray[np.uint8]:
        return (np.array(colour) + rng.normal(scale=5, size=(40, 40, 3))).clip(0, 255).astype(np.uint8)

    colours = ColourModel()
    assert not colours.evidence(SKIN, ((CLOTH, 1.0),)).any()
    colours.learn(CLOTH, colour_bins(noisy(CLOTH_BGR)).ravel(), 1.0)
    unseen = colours.evidence(SKIN, ((CLOTH, 1.0),))
    assert np.median(unseen[colour_bins(noisy(CLOTH_BGR))]) < -1.0, "cloth is no skin, even of unknown skin"
    assert np.median(unseen[colour_bins(noisy(SKIN_BGR))]) == 0.0
    colours.learn(SKIN, colour_bins(noisy(SKIN_BGR)).ravel(), 1.0)
    evidence = colours.evidence(SKIN, ((CLOTH, 1.0),))
    assert np.median(evidence[colour_bins(noisy(SKIN_BGR))]) > 1.0
    assert np.median(evidence[colour_bins(noisy(CLOTH_BGR))]) < -1.0


def parts_of(labels: NDArray[np.uint8], picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What a perfect parts network would say of a painted picture."""
    parts = np.zeros((HEIGHT, WIDTH, len(Part)), np.uint8)
    head = labels == REGIONS.index("head") + 1
    hair = head & (np.abs(picture.astype(int) - HAIR_BGR).max(-1) < 20)
    names = ("left_hand", "right_hand", "neck")
    skin = np.isin(labels, [REGIONS.index(name) + 1 for name in names])
    parts[..., Part.BACKGROUND] = 255 * (labels == 0)
    parts[..., Part.HAIR] = 255 * hair
    parts[..., Part.FACE_SKIN] = 255 * (head & ~hair)
    parts[..., Part.BODY_SKIN] = 255 * skin
    parts[..., Part.CLOTHES] = 255 * ((labels > 0) & ~head & ~skin)
    return parts


def test_the_network_tells_what_colours_cannot() -> None:
    """Who wears a skin-coloured top had their hands painted over, and the top's collar stayed."""
    seen = person(MODEL, HAND_ON_CHEST, place=(0.0, 0.25, 1.6))
    picture, labels = painted(seen, np.random.default_rng(1))
    parts = parts_of(labels, picture)
    hair = cv2.ellipse(np.zeros((HEIGHT, WIDTH), np.uint8), (350, 150), (12, 60), 0, 0, 360, 255, -1) > 0
    hair &= (labels > 0) & ~np.isin(labels, [REGIONS.index(n) + 1 for n in ("right_hand", "left_hand")])
    hair &= labels != REGIONS.index("head") + 1
    parts[hair] = 0
    parts[hair, Part.HAIR] = 255  # long hair before the chest, of the clothes' colour
    plain = np.full_like(picture, 150)
    wrist = seen.landmarks[RIGHT_HAND[0], :2]  # fingers that the pose network takes for curled
    seen.landmarks[RIGHT_HAND[1:], :2] = wrist + 0.4 * (seen.landmarks[RIGHT_HAND[1:], :2] - wrist)
    fitter, alone = BodyFitter(MODEL, CAMERA), OcclusionMasks(MODEL, CAMERA, worn=True)
    told = OcclusionMasks(MODEL, CAMERA, worn=True)
    for _ in range(8):
        fit = fitter.update(seen.landmarks, seen.world, distance_field(seen.mask, WIDTH), 1 / 30)
        without = alone.update(plain, seen.mask, seen.landmarks, fit)
        masks = told.update(plain, seen.mask, seen.landmarks, fit, parts)

    def kept(mask: NDArray[np.uint8], channel: int, where: NDArray[np.bool_]) -> float:
        return float((cv2.resize(mask[..., channel], (WIDTH, HEIGHT))[where] > 127).mean())

    hand = labels == REGIONS.index("right_hand") + 1
    assert kept(masks, 2, hand) > 0.95
    assert kept(without, 2, hand) < 0.85
    near = hair & (np.arange(HEIGHT)[:, None] < 200)
    assert kept(masks, 1, near) > 0.9
    assert kept(without, 1, near) < 0.6
    torso = (labels == REGIONS.index("torso") + 1) & ~hair
    torso = cv2.erode(torso.astype(np.uint8), np.ones((17, 17), np.uint8)) > 0
    worn = cv2.resize(masks[..., 3], (WIDTH, HEIGHT)).astype(int) - 128
    assert np.abs(worn[torso]).mean() > 110
    assert (cv2.resize(masks[..., 1:3].max(-1), (WIDTH, HEIGHT))[torso] > 127).mean() < 0.03
