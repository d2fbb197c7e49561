"""Renders the scenes of the proof into the user's cache folder, and reads them back.

A scene's folder holds ``frames/*.jpg`` (what the camera sees), ``truth/*.png``, ``depth/*.png`` (16 bit,
millimetres, 0 for none), ``room.png`` (the room with nobody in it) and ``facts.npz``. The three channels
of a truth picture are: what each pixel of the frame shows (``mannequins.ROOM`` and on); what it would show
if the followed person wore nothing but the virtual top (same numbers); and the bits below.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.body.model import BONES
from mirror import models
from mirror.types import F64, Picture, cv
from render.compose.compositing import composite
from render.garments.garment import load_garment
from render.gpu import gl
from workshop.synthetic.people.backdrops import Backdrop, Camera
from workshop.synthetic.people.mannequins import BOTTOM as BOTTOM_LABEL
from workshop.synthetic.people.mannequins import (
    OTHER,
    PROP,
    ROOM,
    TOP,
    Alone,
    Mannequin,
    TruthRenderer,
    dressed,
    stool,
)
from workshop.synthetic.people.motions import FPS, MOTIONS, Choreography
from workshop.synthetic.people.scenes import Scene, backdrop_room

# Bits of the third channel: the garments as they should show, all of the top before anything hides it,
# and the followed person in both virtual garments and nothing else.
TOP_SHOWN, TOP_WHOLE, BOTTOM_SHOWN, IDEAL = 1, 2, 4, 16

_RENDERING = 1  # raise it when scenes are drawn differently, so that old ones are drawn anew
_NOISE = 1.8  # sensor noise, grey levels
_JPEG = 93


@dataclass(frozen=True)
class TrueClip:
    """One rendered scene.

    ``bone_transforms`` (T, J, 3, 4): the true ones, to camera space; ``anchors``: name to (T, 2) px of the
    true garment's named points.
    """

    scene: Scene
    folder: Path
    bone_transforms: NDArray[np.float32]
    anchors: dict[str, F64]
    camera: Camera

    def __len__(self) -> int:
        return len(self.bone_transforms)

    def frame(self, index: int) -> Picture:
        """What the camera saw, (H, W, 3) BGR."""
        return _read(self.folder / "frames" / f"{index:06d}.jpg", cv.IMREAD_COLOR)

    def truth(self, index: int) -> Picture:
        """The three channels (H, W, 3) that the module's docstring names."""
        return _read(self.folder / "truth" / f"{index:06d}.png", cv.IMREAD_COLOR)

    def depth(self, index: int) -> F64:
        """Metres to each pixel (H, W), inf where there is only the room."""
        millimetres = _read(self.folder / "depth" / f"{index:06d}.png", cv.IMREAD_UNCHANGED)
        return np.where(millimetres > 0, millimetres / 1000.0, np.inf)

    @cached_property
    def room(self) -> Picture:
        """The room with nobody in it."""
        return _read(self.folder / "room.png", cv.IMREAD_COLOR)

    def time_ns(self, index: int) -> int:
        """When a frame was taken."""
        return round((index + 1) * 1e9 / FPS)


def clip_of(scene: Scene, say: Callable[[str], None] = lambda _: None) -> TrueClip:
    """The rendered scene, from the cache or rendered now. MirrorError if a garment is missing."""
    folder = models.folder().parent / "fit" / f"{scene.name}-{_key(scene)}"
    if not (folder / "facts.npz").is_file():
        say(f"rendering {scene.name}: {scene.frames} frames")
        _drop_old(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".rendering-") as scratch:
            draft = Path(scratch) / "clip"
            _Stage(scene).render(draft)
            shutil.rmtree(folder, ignore_errors=True)
            draft.replace(folder)
    with np.load(folder / "facts.npz") as facts:
        anchors = {str(n): facts["anchors"][:, i] for i, n in enumerate(facts["anchor_names"])}
        return TrueClip(scene, folder, facts["skin"], anchors, scene.camera())


def _key(scene: Scene) -> str:
    """Changes with the scene, with the garments' files and with the way of drawing."""
    digest = hashlib.sha256(f"{_RENDERING} {scene.key}".encode())
    names = {scene.top, scene.bottom, *(w.garment for a in scene.actors for w in a.worn)}
    for name in sorted(names):
        digest.update((load_garment(name).path / "garment.glb").read_bytes())
    for actor in range(len(scene.actors)):
        digest.update(scene.body(actor).model.vertices.tobytes())
    return digest.hexdigest()[:16]


def _drop_old(folder: Path) -> None:
    """Scenes of the same name, drawn from other data."""
    for old in folder.parent.glob(f"{folder.name.rsplit('-', 1)[0]}-*"):
        shutil.rmtree(old, ignore_errors=True)


class _Stage:
    """Everything that one scene is drawn with."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._camera = scene.camera()
        size = self._camera.size
        self._context = gl.Context()
        self._light = scene.light_sh(self._camera)
        self._backdrop = Backdrop(backdrop_room(scene), self._camera, scene.brightness, np.array(scene.tint))
        away = float(np.linalg.norm(-self._camera.rotation.T @ self._camera.translation))
        half_view = 0.5 * size[0] / self._camera.focal * away
        self._moves = [
            Choreography(MOTIONS[actor.motion], scene.body(i).model, half_view)
            for i, actor in enumerate(scene.actors)
        ]
        self._came = [
            Mannequin(
                size,
                scene.body(i),
                scene.appearance(i),
                [dressed(scene.body(i), w.garment, w.fabric, w.bulk_m) for w in actor.worn],
            )
            for i, actor in enumerate(scene.actors)
        ]
        body = scene.body(0)
        top, bottom = dressed(body, scene.top), dressed(body, scene.bottom)
        self._in_top, self._in_bottom = (Mannequin(size, body, None, [c]) for c in (top, bottom))
        self._top = Alone(size, body, top)
        self._stool: TruthRenderer | None = None

    def render(self, folder: Path) -> None:
        """Draw all frames into ``folder``."""
        for name in ("frames", "truth", "depth"):
            (folder / name).mkdir(parents=True)
        _write(folder / "room.png", self._backdrop.shaded([]))
        rng = np.random.default_rng(self._scene.seed)
        width, height = self._camera.size
        grain = rng.normal(0, _NOISE, (height + 64, width + 64, 3)).astype(np.float32)
        transforms, anchors = [], []
        names: list[str] = []
        for index in range(self._scene.frames):
            t = index / FPS
            bones = [move.matrices(t) for move in self._moves]
            for actor, b in zip(self._scene.actors, bones, strict=True):
                b[:, 0, 3] += actor.offset_m[0]
                b[:, 2, 3] += actor.offset_m[1]
            frame, truth, depth = self._frame(bones)
            x, y = (int(v) for v in rng.integers(0, 64, 2))
            noisy = frame + grain[y : y + height, x : x + width]
            _write(
                folder / "frames" / f"{index:06d}.jpg",
                noisy.clip(0, 255).astype(np.uint8),
                [cv.IMWRITE_JPEG_QUALITY, _JPEG],
            )
            _write(folder / "truth" / f"{index:06d}.png", truth, [cv.IMWRITE_PNG_COMPRESSION, 3])
            _write(folder / "depth" / f"{index:06d}.png", depth, [cv.IMWRITE_PNG_COMPRESSION, 1])
            transforms.append(self._camera.place(bones[0]))
            named = self._top.renderer.anchors()
            names = list(named)
            anchors.append([named[n] for n in names])
        self._delete()
        np.savez(
            folder / "facts.npz",
            skin=np.stack(transforms),
            anchors=np.array(anchors, np.float64),
            anchor_names=np.array(names),
        )

    def _frame(self, bones: list[F64]) -> tuple[Picture, Picture, NDArray[np.uint16]]:
        camera, lens = self._camera, self._camera.lens
        feet = [
            b[BONES.index(f)] @ [*move.model.joints[BONES.index(f)], 1]
            for b, move in zip(bones, self._moves, strict=True)
            for f in ("left_foot", "right_foot")
        ]
        picture = self._backdrop.shaded(feet)
        labels = np.full(picture.shape[:2], ROOM, np.uint8)
        depth = np.full(picture.shape[:2], np.inf, np.float32)
        if self._scene.stool:
            self._draw_stool(picture, labels, bones[0])
        transforms = [camera.place(b) for b in bones]
        nearer_other = np.zeros(labels.shape, bool)
        # The far one first: people pass with room between them.
        for actor in sorted(range(len(transforms)), key=lambda i: -float(transforms[i][0, 2, 3])):
            seen = self._came[actor].draw(transforms[actor], lens, self._light, picture, depth=True)
            drawn = seen.labels > 0
            labels[drawn] = OTHER if actor else seen.labels[drawn]
            if seen.depth is not None:
                depth = np.where(drawn, seen.depth, depth)
            if actor == 0:
                nearer_other[:] = False
            else:
                nearer_other |= drawn
        in_top = self._in_top.draw(transforms[0], lens, self._light).labels
        in_bottom = self._in_bottom.draw(transforms[0], lens, self._light).labels
        shown = (in_top == TOP) & ~nearer_other, (in_bottom == BOTTOM_LABEL) & ~nearer_other
        bits = (
            TOP_SHOWN * shown[0]
            + TOP_WHOLE * self._top.mask(transforms[0], lens)
            + BOTTOM_SHOWN * shown[1]
            + IDEAL * ((in_top > 0) | (in_bottom > 0))
        ).astype(np.uint8)
        in_top[nearer_other] = OTHER
        millimetres = np.where(np.isfinite(depth), depth * 1000, 0).clip(0, 65535).astype(np.uint16)
        return picture, np.dstack([labels, in_top, bits]), millimetres

    def _draw_stool(self, picture: Picture, labels: Picture, bones: F64) -> None:
        model = self._moves[0].model
        hip = bones[BONES.index("pelvis")] @ [*model.joints[BONES.index("left_thigh")], 1]
        if self._stool is None:
            self._stool = TruthRenderer(*self._camera.size)
            self._stool.wear([stool(float(hip[1]) - 0.10, model.components)])
        place = np.tile(np.eye(4)[:3], (len(BONES), 1, 1))
        place[:, 2, 3] = -0.05
        drawing = self._stool.draw(
            self._camera.place(place),
            self._camera.lens,
            np.zeros(model.components, np.float32),
            self._light.astype(np.float32),
        )
        if drawing is not None:
            x0, y0, x1, y1 = drawing.box
            labels[y0:y1, x0:x1][drawing.picture[..., 3] > 0] = PROP
            composite(picture, drawing)

    def _delete(self) -> None:
        drawn: list[Mannequin | Alone] = [*self._came, self._in_top, self._in_bottom, self._top]
        for thing in drawn:
            thing.delete()
        if self._stool is not None:
            self._stool.delete()
        self._context.close()


def _read(path: Path, mode: int) -> Picture:
    picture = cv.imread(str(path), mode)
    if picture is None:
        raise OSError(f"{path} cannot be read: remove {path.parent.parent}")
    return np.asarray(picture)


def _write(path: Path, picture: NDArray[np.generic], options: list[int] | None = None) -> None:
    if not cv.imwrite(str(path), picture, options or []):
        raise OSError(f"{path} cannot be written; is the disk full?")
