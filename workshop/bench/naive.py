"""The mirror that one would write in an afternoon: the baseline of ``mirror bench``.

One process, one thread: MediaPipe's pose with its mask, a stock pyrender ``OffscreenRenderer``
with the same garment as a rigid textured mesh laid between shoulders and hips, a float blend
with OpenCV. Kept simple on purpose; nothing of the mirror's own renderer is used here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.body.landmarks import HIPS, SHOULDERS
from mirror.errors import MirrorError
from mirror.types import Picture, cv
from render.garments.fabric import Fabric
from render.garments.garment import Garment
from render.gpu import gl  # chooses the OpenGL platform, which pyrender must find chosen

_FOCAL = 0.87  # of the picture's width


def _pyrender() -> Any:
    try:
        import pyrender
    except ImportError as error:
        raise MirrorError(
            f"the naive mirror needs pyrender, which comes with the development set-up ({error})"
        ) from None
    return pyrender


class NaiveMirror:
    """Dresses one picture after another.

    Raises MirrorError where pyrender is not installed, ``gl.GraphicsError`` without OpenGL.
    """

    def __init__(self, width: int, height: int, model: Path, garment: Garment, fabric: Fabric) -> None:
        pyrender = _pyrender()
        import mediapipe as mp
        import trimesh
        from mediapipe.tasks.python import BaseOptions, vision
        from PIL import Image

        self._mp = mp
        self._pose = vision.PoseLandmarker.create_from_options(
            vision.PoseLandmarkerOptions(
                base_options=BaseOptions(model_asset_path=str(model)),
                running_mode=vision.RunningMode.VIDEO,
                output_segmentation_masks=True,
            )
        )
        self._size = (width, height)
        self._rgba = pyrender.RenderFlags.RGBA
        self._scene = pyrender.Scene(bg_color=(0.0, 0.0, 0.0, 0.0), ambient_light=(0.4, 0.4, 0.4))
        lens = pyrender.IntrinsicsCamera(_FOCAL * width, _FOCAL * width, width / 2, height / 2)
        self._scene.add(lens)
        self._scene.add(pyrender.DirectionalLight(intensity=3.0))
        uv = garment.uv / np.asarray(fabric.repeat_m, np.float32)
        visual = trimesh.visual.TextureVisuals(uv=uv, image=Image.fromarray(fabric.albedo))
        surface = trimesh.Trimesh(
            vertices=garment.vertices,
            faces=garment.faces,
            vertex_normals=garment.normals,
            visual=visual,
            process=False,
        )
        self._node = self._scene.add(pyrender.Mesh.from_trimesh(surface))
        anchors = [garment.vertices[garment.anchors[name]] for name in ("left_shoulder", "right_shoulder")]
        self._span = float(np.linalg.norm(anchors[0] - anchors[1]))
        self._top = np.mean(anchors, axis=0)
        with gl.errors_as("naive mirror"):
            self._renderer = pyrender.OffscreenRenderer(width, height)

    def dress(self, frame: Picture, t_ms: int) -> Picture:
        """The dressed, mirrored picture of ``frame`` (H, W, 3) BGR at a time in milliseconds."""
        rgb = cv.cvtColor(frame, cv.COLOR_BGR2RGB)
        image = self._mp.Image(image_format=self._mp.ImageFormat.SRGB, data=rgb)
        result = self._pose.detect_for_video(image, t_ms)
        if not result.pose_landmarks:
            return np.asarray(cv.flip(frame, 1), np.uint8)
        points = np.array([(p.x, p.y) for p in result.pose_landmarks[0]]) * self._size
        person = result.segmentation_masks[0].numpy_view()
        self._scene.set_pose(self._node, self._place(points))
        colour, _depth = self._renderer.render(self._scene, flags=self._rgba)
        alpha = colour[..., 3].astype(np.float32) / 255.0 * person.reshape(person.shape[:2])
        alpha = cv.merge([alpha, alpha, alpha])
        cloth = cv.cvtColor(np.ascontiguousarray(colour[..., :3]), cv.COLOR_RGB2BGR).astype(np.float32)
        blended = cv.multiply(cloth, alpha) + cv.multiply(frame.astype(np.float32), 1.0 - alpha)
        return np.asarray(cv.flip(blended.astype(np.uint8), 1), np.uint8)

    def _place(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pose (4, 4) that lays the garment's shoulders on the landmarks', upright along the trunk."""
        shoulders, hips = points[list(SHOULDERS)].mean(axis=0), points[list(HIPS)].mean(axis=0)
        width_px = max(float(np.linalg.norm(points[SHOULDERS[0]] - points[SHOULDERS[1]])), 1.0)
        focal = _FOCAL * self._size[0]
        depth = focal * self._span / width_px
        down = hips - shoulders
        roll = np.arctan2(down[0], max(float(down[1]), 1.0))
        x, y = (shoulders - np.array(self._size) / 2) / focal * depth
        pose = np.eye(4)
        pose[:2, :2] = [[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]]
        pose[:3, 3] = np.array([x, -y, -depth]) - pose[:3, :3] @ self._top
        return pose

    def close(self) -> None:
        """Free model and renderer."""
        self._renderer.delete()
        self._pose.close()
