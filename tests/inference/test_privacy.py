"""The process that sees people cannot speak to a network, and works all the same."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


PROGRAM = """
import json, socket, sys
from mirror.seccomp import deny_network
deny_network()
import numpy as np
from skimage import data
from inference.pose.tracker import PoseTracker
from mirror import models
refused = {}
for name in ("AF_INET", "AF_INET6"):
    try:
        socket.socket(getattr(socket, name), socket.SOCK_STREAM).close()
        refused[name] = False
    except OSError:
        refused[name] = True
socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).close()
POSE, FACE = "pose_landmarker_full.task", "face_detection_full_range_sparse.tflite"
tracker = PoseTracker(models.path(POSE), models.path(FACE))
frame = np.full((512, 768, 3), 150, np.uint8)
frame[:, 128:640] = data.astronaut()[:, :, ::-1]
seen = tracker.observe(frame, 0)
try:
    socket.create_connection(("127.0.0.1", 9), timeout=1).close()
    refused["connect"] = False
except OSError as error:
    refused["connect"] = error.errno in (1, 13)
tracker.close()
print(json.dumps({"refused": refused, "found": seen is not None}))
"""


def test_pose_works_with_every_network_socket_refused() -> None:
    """MediaPipe reports usage to its maker: from a shop's mirror nothing at all may leave."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout.strip().splitlines()[-1])
    assert said == {"refused": {"AF_INET": True, "AF_INET6": True, "connect": True}, "found": True}
