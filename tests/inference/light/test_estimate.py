"""Probe, network and tracker: exact symmetries, the shipped weights, and what happens without evidence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from inference.body.model import BodyModel
from inference.fit.fitter import Fit
from inference.light import weights
from inference.light.network import LightNetwork
from inference.light.probe import STATISTICS, Probe, ProbeMaker, mirrored, normalised
from inference.light.tracker import Estimate, LightTracker
from inference.resize import resize
from mirror.errors import MirrorError
from mirror.shading.colour import LINEAR_OF_BYTE, to_srgb
from mirror.shading.spherical_harmonics import MIRROR_SIGNS, angle_deg, lamp_sh, main_direction
from workshop.evaluate.light import lamps
from workshop.evaluate.light.evaluate import Errors, _guesses
from workshop.synthetic.light.mannequins import Mannequin, MannequinMaker
from workshop.synthetic.light.procedural_environments import synthetic
from workshop.synthetic.light.scenes import HELD, shot
from workshop.train.light.observer import Observed

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def network() -> LightNetwork:
    return LightNetwork.shipped()


@pytest.fixture(scope="module")
def frame(mannequin: Mannequin) -> NDArray[np.uint8]:
    room = synthetic(np.random.default_rng([1, 4])).levelled()
    return shot(mannequin, room, np.random.default_rng(2)).frame


def probe_of(model: BodyModel, mannequin: Mannequin, frame: NDArray[np.uint8]) -> Probe:
    return ProbeMaker(model).make(frame, mannequin.mask, mannequin.fit, mannequin.camera)


def darkened(frame: NDArray[np.uint8], gain: float) -> NDArray[np.uint8]:
    return np.rint(255 * to_srgb(gain * LINEAR_OF_BYTE[frame])).astype(np.uint8)


def test_the_probe_shows_the_face_and_its_normals(
    model: BodyModel, mannequin: Mannequin, frame: NDArray[np.uint8]
) -> None:
    """The network would look past the person."""
    probe = probe_of(model, mannequin, frame)
    assert probe.has_face
    assert probe.is_exposed
    middle = probe.face_normals[16:32, 16:32].astype(float) / 127
    assert middle[..., 2].mean() < -0.5  # towards the camera
    left, right = probe.face_normals[12:36, :20, 0], probe.face_normals[12:36, 28:, 0]
    assert left[left != 0].mean() < 0 < right[right != 0].mean()
    assert probe.body_mask.mean() > 40


def test_a_darker_picture_is_the_same_picture_in_darker_light(
    model: BodyModel, mannequin: Mannequin, frame: NDArray[np.uint8], network: LightNetwork
) -> None:
    """The garment would not follow a dimmer, or change its colour with it."""
    plain, dark = (probe_of(model, mannequin, f).arrays() for f in (frame, darkened(frame, 0.5)))
    first, second = network.light(plain)[0][0], network.light(dark)[0][0]
    np.testing.assert_allclose(second, 0.5 * first, atol=0.03 * float(np.abs(first).max()))


def test_the_mirrored_picture_has_the_mirrored_light(
    model: BodyModel, mannequin: Mannequin, frame: NDArray[np.uint8], network: LightNetwork
) -> None:
    """Left and right would be lit by two opinions."""
    arrays = probe_of(model, mannequin, frame).arrays()
    inputs, statistics, gains = normalised(arrays)
    turned, turned_statistics = mirrored(*mirrored(inputs, statistics))
    for once, twice in zip(inputs, turned, strict=True):
        np.testing.assert_array_equal(once, twice)
    np.testing.assert_array_equal(statistics, turned_statistics)
    flipped = {}
    for name, values in arrays.items():
        other = values[:, :, ::-1].copy()
        if name.endswith("normals"):
            other = other * np.array([-1, 1, 1], np.int8)
        flipped[name] = other
    here, there = network.light(arrays)[0][0], network.light(flipped)[0][0]
    np.testing.assert_allclose(there, here * MIRROR_SIGNS[:, None], atol=1e-4 * float(gains[0] + 1))
    assert statistics.shape == (1, STATISTICS)
    _, mirrored_statistics = mirrored(inputs, statistics)
    np.testing.assert_allclose(normalised(flipped)[1], mirrored_statistics, atol=0.02)


def test_numpy_gives_what_pytorch_gives(
    model: BodyModel, mannequin: Mannequin, frame: NDArray[np.uint8]
) -> None:
    """The mirror would run another network than was trained."""
    import torch

    from workshop.train.light.network import LightNet

    torch.manual_seed(3)
    net = LightNet().eval()
    state = {name: value.numpy() for name, value in net.state_dict().items()}
    inputs, statistics, _ = normalised(probe_of(model, mannequin, frame).arrays())
    with torch.no_grad():
        theirs = net([torch.from_numpy(x) for x in inputs], torch.from_numpy(statistics)).numpy()
    np.testing.assert_allclose(LightNetwork(state).run(inputs, statistics), theirs, atol=1e-4)


def test_the_shipped_network_beats_the_analytic_estimator(
    model: BodyModel, maker: MannequinMaker, network: LightNetwork
) -> None:
    """Weights that were mixed up, or of another input, would still load."""
    ours, analytic = Errors(), Errors()
    for number in range(5):
        person = maker.make(np.random.default_rng([990, number]))
        for light in range(4):
            rng = np.random.default_rng([991, number, light])
            scene = shot(person, synthetic(rng).levelled(), rng)
            for errors, sh in zip(
                (ours, analytic), _guesses(network, model, person, scene.frame), strict=True
            ):
                errors.add(sh, scene.sh)
    assert np.median(ours.direction) < 30
    assert np.median(ours.direction) < 0.7 * np.median(analytic.direction)
    assert np.mean(ours.si_rmse) < 0.85 * np.mean(analytic.si_rmse)


@pytest.mark.parametrize("level", [0, 255])
def test_black_and_burnt_out_frames_are_left_to_the_analytic_estimator(
    model: BodyModel, mannequin: Mannequin, network: LightNetwork, level: int
) -> None:
    """A covered or blinded camera would set the garment alight, or crash the mirror."""
    light_tracker = LightTracker(model, mannequin.camera, network)
    blank = np.full((mannequin.size[1], mannequin.size[0], 3), level, np.uint8)
    found = light_tracker.estimate(blank, mannequin.mask, None, mannequin.fit)
    assert not found.by_network
    assert found.confidence <= 0.05
    assert np.isfinite(found.sh).all()
    bright = float(found.sh[0].mean()) * 0.282
    assert bright < 0.1 if level == 0 else bright > 0.5


def turned_round(fit: Fit) -> Fit:
    """The fit of somebody who shows their back, about the vertical through the pelvis."""
    about = np.diag([-1.0, 1.0, -1.0])
    place = fit.pose.translation
    skin = about @ fit.bone_transforms
    skin[:, :, 3] += place - about @ place
    return replace(
        fit, bone_transforms=skin.astype(np.float32), pose=replace(fit.pose, world=about @ fit.pose.world)
    )


def test_without_a_face_the_analytic_estimator_answers(
    model: BodyModel, mannequin: Mannequin, frame: NDArray[np.uint8], network: LightNetwork
) -> None:
    """Somebody who turned round would be lit by what the network makes of the back of a head."""
    light_tracker = LightTracker(model, mannequin.camera, network)
    found = light_tracker.estimate(frame, mannequin.mask, None, turned_round(mannequin.fit))
    assert not found.by_network
    assert found.confidence <= 0.3


def test_a_mask_without_the_head_is_no_reason_to_guess(
    model: BodyModel, mannequin: Mannequin, frame: NDArray[np.uint8], network: LightNetwork
) -> None:
    """The garment would be lit from elsewhere whenever the mask loses the head for a moment."""
    mask = mannequin.mask.copy()
    rows = np.flatnonzero(mask.max(1))
    mask[: int(rows[0] + 0.3 * len(rows))] = 0
    light_tracker = LightTracker(model, mannequin.camera, network)
    whole, headless = (light_tracker.estimate(frame, m, None, mannequin.fit) for m in (mannequin.mask, mask))
    assert headless.by_network
    assert angle_deg(main_direction(whole.sh), main_direction(headless.sh)) < 40


def test_no_face_throws_back_more_light_than_there_is(
    model: BodyModel,
    mannequin: Mannequin,
    frame: NDArray[np.uint8],
    network: LightNetwork,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A white shirt below a bright face would look grey."""
    light_tracker = LightTracker(model, mannequin.camera, network)
    usual = light_tracker.estimate(frame, mannequin.mask, None, mannequin.fit)
    answer = network.light

    def too_dark(arrays: dict[str, NDArray[np.generic]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        light, error = answer(arrays)
        return light / 20, error

    monkeypatch.setattr(network, "light", too_dark)
    mended = light_tracker.estimate(frame, mannequin.mask, None, mannequin.fit)
    assert mended.by_network
    reflectance = ProbeMaker(model).make(frame, mannequin.mask, mannequin.fit, mannequin.camera).reflectance
    assert reflectance(usual.sh / 20) > 0.6  # type: ignore[operator]
    assert reflectance(mended.sh) == pytest.approx(0.45, abs=0.01)
    np.testing.assert_allclose(main_direction(mended.sh), main_direction(usual.sh), atol=1e-6)


@pytest.mark.parametrize("room_too", [True, False])
def test_a_turned_lamp_is_followed_within_half_a_second(
    model: BodyModel, maker: MannequinMaker, network: LightNetwork, room_too: bool
) -> None:
    """The garment would stay lit by a lamp that has gone out, or that lit nobody but the shopper."""
    room = synthetic(np.random.default_rng([5, 1])).levelled()
    person = maker.make(np.random.default_rng([0, 11]))
    turn = lamps.rendered_turn(network, model, person, room, 0, room_too)
    assert turn.followed_s <= 0.5
    assert turn.direction_error < 45


def test_a_relit_frame_is_lit_from_the_other_side(mannequin: Mannequin, frame: NDArray[np.uint8]) -> None:
    """The clip that proves how soon a lamp is followed would show no lamp that is turned."""
    head = mannequin.fit.bone_transforms[5] @ np.array([0.0, 1.5, 0.1, 1.0])
    look = Observed(
        mannequin.mask, replace(mannequin.fit, landmark_points=np.tile(head, (33, 1))), mannequin.camera
    )
    flat = np.full_like(frame, 120)
    middle = round(float(mannequin.camera.project(head[None])[0, 0]))
    before, after = (
        lamps.relit(flat, look, later, whole=True)[10, :, 0].astype(int) for later in (False, True)
    )
    assert before[middle - 20] > before[middle + 20] + 20
    assert after[middle + 20] > after[middle - 20] + 20
    assert after.mean() < before.mean() - 15
    alone = lamps.relit(flat, look, True, whole=False)
    assert (alone[mannequin.mask == 0] == 120).all()
    assert (alone[mannequin.mask == 255] != 120).mean() > 0.9


def test_how_soon_a_light_was_followed_is_told_in_seconds(frame: NDArray[np.uint8]) -> None:
    """A mirror that lags, or never follows, would pass for one that does."""
    old, new = (np.repeat(lamp_sh(np.array([x, 0.0, -0.6]))[:, None], 3, 1) for x in (-0.8, 0.8))

    def turn(lag: float, way: float) -> lamps.Turn:
        times = np.arange(0, 4, 0.04)
        shares = np.where(times < 2 + lag, 0.0, way)
        # The end is where the light went, even if it went there late.
        shares[times > 3.3] = 1.0
        found = [(float(t), old + s * (new - old), frame) for t, s in zip(times, shares, strict=True)]
        return lamps.judged("clip", found, 2.0, main_direction(new))

    assert turn(0.2, 1.0).followed_s == pytest.approx(0.2, abs=0.05)
    assert turn(0.2, 1.0).direction_error < 1
    assert turn(0.9, 1.0).followed_s == pytest.approx(0.9, abs=0.05)
    assert turn(0.2, 0.5).followed_s > 1.2
    assert turn(0.2, 0.5).level_share == pytest.approx(0.5, abs=0.01)


def test_still_light_stands_still(model: BodyModel, mannequin: Mannequin, network: LightNetwork) -> None:
    """The garment's shade would crawl with the camera's noise."""
    room = synthetic(np.random.default_rng([1, 4])).levelled()
    light_tracker = LightTracker(model, mannequin.camera, network)
    clean = shot(mannequin, room, np.random.default_rng(2)).frame
    rng = np.random.default_rng(0)
    seen = []
    for number in range(40):
        noisy = np.clip(clean + rng.normal(0, 4, clean.shape), 0, 255).astype(np.uint8)
        light = light_tracker.update(noisy, mannequin.mask, None, mannequin.fit, number * 40_000_000)
        seen.append(light.direction)
    steps = np.array(seen[1:]) - np.array(seen[:-1])
    assert np.degrees(np.quantile(np.linalg.norm(steps, axis=1), 0.95)) < 1.0


def test_who_moves_in_still_light_does_not_flicker(
    model: BodyModel, mannequin: Mannequin, network: LightNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One wrong look at somebody who bends down would flash the garment at twice its brightness."""
    room = synthetic(np.random.default_rng([1, 4])).levelled()
    frame = shot(mannequin, room, np.random.default_rng(2)).frame
    light_tracker = LightTracker(model, mannequin.camera, network)
    right = light_tracker.estimate(frame, mannequin.mask, None, mannequin.fit)
    wrong = replace(right, sh=2 * right.sh)

    def brightest(after: Estimate) -> float:
        looks = iter([right, right, after, after, right, right, right])
        monkeypatch.setattr(light_tracker, "estimate", lambda *_: next(looks))
        light_tracker.reset()
        times = range(0, 1_300_000_000, 40_000_000)
        seen = [light_tracker.update(frame, mannequin.mask, None, mannequin.fit, t) for t in times]
        return max(light.sh[0][0] for light in seen) / float(right.sh[0, 0])

    assert brightest(wrong) < 1.45
    # The same look where the room was lit up with the person, and where the face was.
    assert brightest(replace(wrong, room=2 * right.room)) > 1.8
    assert brightest(replace(wrong, face=right.face + np.float32(np.log(2)))) > 1.8


def test_a_mask_of_any_resolution_gives_the_same_light(
    model: BodyModel, mannequin: Mannequin, frame: NDArray[np.uint8], network: LightNetwork
) -> None:
    """A large frame comes with a smaller mask: the light would be judged by another part of it."""
    light_tracker = LightTracker(model, mannequin.camera, network)
    small = resize(mannequin.mask, (160, 213))
    whole, coarse = (light_tracker.estimate(frame, m, None, mannequin.fit) for m in (mannequin.mask, small))
    assert coarse.by_network
    assert angle_deg(main_direction(whole.sh), main_direction(coarse.sh)) < 6
    np.testing.assert_allclose(coarse.sh[0], whole.sh[0], rtol=0.08)


def test_weights_that_cannot_be_used_are_one_clear_line(tmp_path: Path) -> None:
    """The mirror would start with random light, or with a page of traceback."""
    arrays, facts = weights.WEIGHTS.load(weights.SHIPPED)
    assert set(HELD) == {"apartment", "warehouse"}
    for room in HELD:
        assert room in facts["held_out"]
        assert room not in facts["surroundings"]
    path = tmp_path / "light.safetensors"
    with pytest.raises(MirrorError, match="no weights of the light network there"):
        weights.WEIGHTS.load(path)
    path.write_bytes(weights.SHIPPED.read_bytes()[:5000])
    with pytest.raises(MirrorError, match="damaged"):
        weights.WEIGHTS.load(path)
    save_file(arrays, str(path), {"format": weights.WEIGHTS.format, "version": "0"})
    with pytest.raises(MirrorError, match="version 0, but this program reads version 3"):
        weights.WEIGHTS.load(path)
    save_file(arrays, str(path), {"format": "another"})
    with pytest.raises(MirrorError, match="not the weights of a light network"):
        weights.WEIGHTS.load(path)
