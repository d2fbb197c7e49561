"""The inference process, run as it is in a mirror: ``python -m inference`` and its sockets."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data

from inference.body.landmarks import Landmark
from inference.body.model import BONES, BodyModel
from inference.person_estimator import PersonEstimator
from inference.pose.tracker import Observation, PoseTracker
from inference.process import LONGEST_WAIT_MS, SourceInterval
from mirror import models
from mirror.bus import Newest, Streamer
from mirror.config import dump, load
from mirror.messages import Body, Frame, SlotRef
from mirror.ring import SHM, RingReader, RingWriter, ring_prefix
from mirror.timer import StageTimer
from tests.inference.people import HEIGHT, WIDTH, person

pytestmark = pytest.mark.slow


FRAME_NS = 40_000_000


def astronaut(shift: int = 0) -> NDArray[np.uint8]:
    """A 640x480 wall with a woman before it, ``shift`` px right of the middle."""
    frame = np.full((480, 640, 3), 150, np.uint8)
    small = cv2.resize(data.astronaut()[:, :, ::-1], (440, 440), interpolation=cv2.INTER_AREA)
    frame[40:, 100 + shift : 540 + shift] = small
    return frame


class Feeder:
    """Plays the capture process: writes frames, reads bodies."""

    def __init__(self, runtime: Path) -> None:
        self.runtime = runtime
        self.ring = RingWriter("frames", 8, ring_prefix(runtime))
        self.stream = Streamer(runtime, "frame")
        config = load(None, {"capture.pace": "all"})
        path = runtime / "mirror.toml"
        path.write_text(dump(config))
        command = [sys.executable, "-m", "inference", "--config", str(path), "--runtime", str(runtime)]
        self.process = subprocess.Popen(command)
        self.bodies: Newest[Body] = Newest(runtime, "body", lossless=True)
        self.seq = 0
        assert self.stream.wait_for_readers(1, 60.0)

    def send(
        self, picture: NDArray[np.uint8] | None, last: bool = False, image: SlotRef | None = None
    ) -> Body:
        if picture is not None:
            image = self.ring.write(picture)
        now = time.monotonic_ns()
        self.stream.send(
            Frame(
                seq=self.seq,
                t_ns=now,
                valid=image is not None,
                t_capture_ns=now,
                t_source_ns=self.seq * FRAME_NS,
                image=image,
                last=last,
            )
        )
        self.seq += 1
        body = self.bodies.receive(20_000)
        assert body is not None
        return body

    def close(self) -> None:
        self.bodies.close()
        self.process.kill()
        self.process.wait()
        self.stream.close()
        self.ring.close()
        for left in SHM.glob(f"{ring_prefix(self.runtime)}*"):
            left.unlink()


@pytest.fixture
def feeder(runtime_dir: Path) -> Iterator[Feeder]:
    feeder = Feeder(runtime_dir)
    yield feeder
    feeder.close()


def test_a_person_becomes_a_body_with_masks_and_light(feeder: Feeder) -> None:
    """Render would have nothing to dress, or the wrong frame's body."""
    for index in range(4):
        body = feeder.send(astronaut(2 * index))
        assert body.seq == index
    assert body.tracked
    assert body.person == 1
    assert body.landmarks is not None
    assert len(body.landmarks) == 33
    bones = np.frombuffer(body.bone_transforms, np.float32).reshape(len(BONES), 3, 4)
    assert np.isfinite(bones).all()
    head = bones[BONES.index("head")] @ np.append(BodyModel.load().mean_landmarks[Landmark.NOSE], 1.0)
    x = head[0] / head[2] * body.intrinsics[0] + body.intrinsics[2]
    assert abs(x - body.landmarks[Landmark.NOSE][0]) < 20
    assert body.masks is not None
    masks = RingReader().read(body.masks)
    assert masks.shape[2] == 4
    assert (masks[..., 0] > 127).mean() > 0.15
    assert (masks[..., 1] > 127).any()
    assert body.light is not None
    assert len(body.light.sh) == 9
    assert {"pose", "fit", "masks", "light"} <= set(body.stage_ms)


def test_the_end_of_the_clip_comes_through_and_ends_the_process(feeder: Feeder) -> None:
    """A replay would hang for ever on its last frame."""
    assert feeder.send(astronaut()).tracked
    final = feeder.send(None, last=True)
    assert final.last
    assert not final.valid
    feeder.bodies.close()
    assert feeder.process.wait(10) == 0
    assert not list(SHM.glob(f"{ring_prefix(feeder.runtime)}masks*"))


def test_nobody_in_view_is_said_and_a_new_size_is_taken(feeder: Feeder) -> None:
    """An empty shop, or a camera that changes its resolution, must not end the process."""
    empty = feeder.send(np.full((480, 640, 3), 150, np.uint8))
    assert empty.valid
    assert not empty.tracked
    assert empty.masks is None
    large = np.asarray(cv2.resize(astronaut(), (960, 720)), np.uint8)
    body = feeder.send(large)
    assert body.tracked
    assert body.intrinsics[2:] == (480.0, 360.0)


def test_a_stop_signal_leaves_nothing_behind(feeder: Feeder) -> None:
    """Every restart of the shop's mirror would leave a piece of shared memory."""
    assert feeder.send(astronaut()).tracked
    feeder.process.send_signal(signal.SIGTERM)
    assert feeder.process.wait(10) == 143
    assert not list(SHM.glob(f"{ring_prefix(feeder.runtime)}masks*"))


def test_another_person_starts_from_the_mean_body() -> None:
    """The next shopper would wear the last one's size for some seconds."""
    tracker = PoseTracker(
        models.path("pose_landmarker_full.task"), models.path("face_detection_full_range_sparse.tflite")
    )
    frame = astronaut()
    seen = tracker.observe(frame, 0)
    tracker.close()
    assert seen is not None
    used, fresh = PersonEstimator(BodyModel.load(), 60.0), PersonEstimator(BodyModel.load(), 60.0)
    for index in range(5):
        used.update(frame, seen, index * FRAME_NS, StageTimer())
    object.__setattr__(seen, "person", 2)
    again = used.update(frame, seen, 5 * FRAME_NS, StageTimer())
    first = fresh.update(frame, seen, 5 * FRAME_NS, StageTimer())
    assert again is not None
    assert first is not None
    np.testing.assert_array_equal(again.shape, first.shape)


def test_landmarks_of_two_people_dress_nobody() -> None:
    """Where a passer-by hides the shopper, the garment would lie across a face for a frame or two."""
    model = BodyModel.load()
    estimator = PersonEstimator(model, 60.0)
    alone = person(model)
    mixed = alone.landmarks.copy()
    right = [Landmark.of("right", part) for part in ("shoulder", "elbow", "wrist", "hip")]
    mixed[right, 0] += (
        150.0,
        -120.0,
        190.0,
        -140.0,
    )
    frame = np.full((HEIGHT, WIDTH, 3), 120, np.uint8)
    shown = []
    for index in range(11):
        points = mixed if index in (4, 5) else alone.landmarks
        landmarks = np.insert(points, 2, 0.0, axis=1)
        seen = Observation(landmarks, alone.world, alone.mask, 1)
        shown.append(estimator.update(frame, seen, index * FRAME_NS, StageTimer()) is not None)
        estimator.learn()
    assert shown == [True] * 4 + [False] * 5 + [True] * 2


@pytest.mark.parametrize(("age_ms", "waits"), [(20.0, False), (150.0, False), (250.0, True), (400.0, False)])
def test_only_an_old_frame_waits_for_the_next(age_ms: float, waits: bool) -> None:
    """Fitting a frame that is nearly over shows the shopper late; waiting for each one halves the rate."""
    interval_ns, source = 300_000_000, SourceInterval()
    now = time.monotonic_ns()
    for seq, back_ns in ((0, 2 * interval_ns), (1, interval_ns), (2, 0)):
        t_ns = now - int(age_ms * 1e6) - back_ns
        wait_ms = source.until_next_ms(
            Frame(seq=seq, t_ns=t_ns, t_capture_ns=t_ns, t_source_ns=t_ns, image=None)
        )
    if waits:
        assert 0.0 < wait_ms <= LONGEST_WAIT_MS
    else:
        assert wait_ms == 0.0
