"""One frame and its body in, the composed frame out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from inference.body.model import BONES, BodyModel
from mirror.messages import Body, Light, Rgb
from mirror.shading.spherical_harmonics import SH_CONSTANTS
from mirror.types import Picture
from render.compose.arm_order import ArmOrder
from render.compose.background_model import BackgroundModel
from render.compose.camera_match import CameraMatch
from render.compose.compositing import Blend, composite
from render.compose.contact_shadow import ContactShadow
from render.compose.exposed_skin import show_exposed_skin
from render.garments.mesh import body_surface, covered_by, leg_share
from render.garments.outfit import check_outfit
from render.garments.textures import FabricTextures
from render.garments.worn_garment import WornGarment
from render.gpu import gl
from render.gpu.garment import GpuGarment
from render.gpu.renderer import GarmentRenderer

__all__ = ["ComposedFrame", "FrameComposer"]


@dataclass(frozen=True)
class ComposerParameters:
    """What is cut, and when skin shows. Set by hand.

    trim_m: cloth may stand off the person's outline by this much. cuff_m: as far over the hand as cuffs
    reach. nose_m: from the head's joint to what passes before the face, on the mean body. fade_s: in which
    skin comes and goes.
    """

    trim_m: float = 0.04
    cuff_m: float = 0.065
    nose_m: float = 0.12
    fade_s: float = 0.3


PARAMETERS = ComposerParameters()
_HEAD = BONES.index("head")
# With no estimate yet: even, a little below white.
_EVEN_LIGHT = np.zeros((9, 3), np.float32)
_EVEN_LIGHT[0] = 0.6 / SH_CONSTANTS[0]


@dataclass
class ComposedFrame:
    """What was drawn into a frame; empty where nothing was."""

    garments: list[str] = field(default_factory=list)
    anchors: dict[str, tuple[float, float]] = field(default_factory=dict)
    blend: Blend | None = None


class FrameComposer:
    """Renderer and compositor of one process. Needs the thread's OpenGL context.

    ``begin`` starts drawing, ``finish`` blends: what lies between costs no time where the
    drawing has cores of its own. ``hide_worn``: whether worn clothes that show beside garments are
    to give way to the background, once that is known.
    """

    def __init__(self, model: BodyModel, hide_worn: bool = False) -> None:
        self._model = model
        self._context = gl.Context()
        self._contact_shadow = ContactShadow()
        self._camera_match = CameraMatch()
        self._arms = ArmOrder(model)
        self._body = body_surface(model, PARAMETERS.cuff_m if hide_worn else 0.0)
        self._renderer = GarmentRenderer(16, 16, self._body, body_ids=hide_worn)
        self._background = BackgroundModel() if hide_worn else None
        self._legs = leg_share(self._body.joints, self._body.weights) > 0.5
        self._covers = (False, False)  # trunk or arms, legs
        self._told: tuple[bytes, Rgb | None, float] = b"", None, 0.0  # cover, tone and share of skin drawn
        self._shown = 0.0  # how far skin is shown
        self._unlearnt: tuple[Picture, Picture, int] | None = None
        self._t_ns = 0

    @property
    def device(self) -> str:
        """The name of what draws."""
        return self._context.renderer

    def prepare(self, garments: Sequence[WornGarment]) -> list[GpuGarment]:
        """Make garments ready to ``wear``; in any thread. MirrorError if one is for another body model."""
        check_outfit(garments, self._model.components)
        ready = [GpuGarment(garment) for garment in garments]
        if self._background is not None:
            for garment in ready:
                garment.covers = covered_by(self._body, garment.mesh)
        return ready

    def wear(self, garments: Sequence[GpuGarment]) -> None:
        """Change clothes."""
        self._context.make_current()
        self._renderer.wear(garments)
        self._covers = _covered(self._renderer.garments)
        self._told = b"", None, 0.0

    def warm_up(self) -> None:
        """Draw once in every way, out of sight: the first time takes long."""
        self._context.make_current()
        self._renderer.warm_up()

    def load_fabric(self, fabric: FabricTextures) -> None:
        """Have a fabric ready that all garments are to be of."""
        self._context.make_current()
        self._renderer.load_fabric(fabric)

    def fade(self, share: float) -> None:
        """Show so much of the fabric that is ready, 0..1; at 1 it has taken the old one's place."""
        self._context.make_current()
        self._renderer.fade(share)

    def begin(self, body: Body, height: int, width: int) -> None:
        """Start drawing the garments of a tracked body for its frame of this size."""
        self._context.make_current()  # the display may have a context of its own
        self._renderer.resize(width, height, self._camera_match.resolution)
        elapsed_s = max(0.0, (body.t_source_ns - self._t_ns) / 1e9)
        self._t_ns = body.t_source_ns
        transforms = np.frombuffer(body.bone_transforms, "<f4").reshape(-1, 3, 4)
        shape = np.asarray(body.shape, np.float32)
        head = transforms[_HEAD, :, :3] @ self._model.joints[_HEAD] + transforms[_HEAD, :, 3]
        transforms = self._arms.cleared(transforms, shape)
        light = _coefficients(body.light)
        self._contact_shadow.light(light)
        if self._background is not None:
            self._expose_skin(body, elapsed_s)
        # The body's ids tell where something may be hidden, which needs a background to show.
        known = self._background is not None and self._background.is_known
        face_depth = float(head[2]) - PARAMETERS.nose_m
        self._renderer.submit(
            transforms, body.intrinsics, shape, light, face_depth, body_ids=known or self._shown > 0
        )

    def _expose_skin(self, body: Body, elapsed_s: float) -> None:
        """Where the garments expose what the shopper's own clothes cover, skin is to be drawn.

        Not before the background is known: what is left of wide sleeves beside bare arms is worse than the
        sleeves.
        """
        step = float(np.clip(elapsed_s / PARAMETERS.fade_s, 0.0, 1.0))
        known = self._background is not None and self._background.is_known
        self._shown = float(np.clip(self._shown + (step if known else -step), 0.0, 1.0))
        source = self._body.source
        if source is None or len(body.cover) <= int(source.max(initial=0)) or not self._shown:
            self._renderer.expose_skin(np.zeros(len(self._body.positions), np.float32), None)
            self._told = b"", None, 0.0
            return
        cover = np.frombuffer(body.cover, np.uint8)[source].astype(np.float32) * (self._shown / 255)
        if self._told == (body.cover, body.skin_tone, self._shown):
            return
        self._told = body.cover, body.skin_tone, self._shown
        upper, lower = self._covers
        if not (upper and lower):  # what only the other half of the body wears stays on
            cover = cover * np.where(self._legs, lower, upper)
        self._renderer.expose_skin(cover.astype(np.float32), body.skin_tone)

    def finish(self, frame: Picture, masks: Picture | None, stage_ms: dict[str, float]) -> ComposedFrame:
        """Blend what ``begin`` started into ``frame`` (H, W, 3) BGR, in place.

        masks: (h, w, 4) as in ``messages.Body``. Adds the stages' milliseconds to ``stage_ms``.
        """
        start = time.perf_counter()
        drawing = self._renderer.collect()
        drawn = time.perf_counter()
        stage_ms["draw_wait"] = 1e3 * (drawn - start)
        if drawing is None:
            return ComposedFrame()
        worn = self._renderer.garments
        self._camera_match.watch(
            frame, drawing.frame_box
        )  # the camera's own picture, before anything is restored
        margin_px = PARAMETERS.trim_m * drawing.px_per_m
        if self._background is not None and masks is not None:
            if self._background.is_due(self._t_ns, followed=True):
                self._unlearnt = frame.copy(), masks[..., 0].copy(), self._t_ns
            self._background.restore(frame, drawing, masks, self._covers)
            restored = time.perf_counter()
            show_exposed_skin(frame, drawing, masks, margin_px, self._camera_match)
            stage_ms["exposed_skin"] = 1e3 * (time.perf_counter() - restored)
            stage_ms["background"] = 1e3 * (time.perf_counter() - drawn)
            drawn = time.perf_counter()
        trimmed = [garment.trimmed for garment in worn]
        blend = composite(frame, drawing, masks, trimmed, margin_px, self._contact_shadow, self._camera_match)
        stage_ms["blend"] = 1e3 * (time.perf_counter() - drawn)
        if blend is None or not blend.garment_ids:
            return ComposedFrame(blend=blend)
        names = [worn[number - 1].name for number in blend.garment_ids]
        return ComposedFrame(garments=names, anchors=self._renderer.anchors(), blend=blend)

    def learn(self) -> None:
        """Learn the background from the frame just finished, or go on with it; call it when that is shown."""
        if self._background is None:
            return
        waiting, self._unlearnt = self._unlearnt, None
        if waiting is None:
            self._background.guess()
        else:
            self._background.learn(*waiting)

    def watch(self, frame: Picture, t_ns: int) -> None:
        """Learn the background from a frame (H, W, 3) BGR, of source time ``t_ns``, without anybody."""
        if self._background is not None:
            self._background.learn(frame, None, t_ns)

    def forget(self) -> None:
        """Know nothing of background and shopper, as a mirror just switched on."""
        if self._background is not None:
            self._background = BackgroundModel()
        self._unlearnt, self._shown, self._told = None, 0.0, (b"", None, 0.0)

    def close(self) -> None:
        """Free the renderer and its context, whichever context is current."""
        self._context.make_current()
        self._renderer.delete()
        self._context.close()


def _covered(garments: Sequence[WornGarment]) -> tuple[bool, bool]:
    """Whether a garment is worn on trunk or arms, and whether one is on the legs."""
    shares = [leg_share(garment.mesh.joints, garment.mesh.weights) for garment in garments]
    return any(share.mean() < 0.4 for share in shares), any(share.mean() > 0.2 for share in shares)


def _coefficients(light: Light | None) -> NDArray[np.float32]:
    return _EVEN_LIGHT if light is None else np.asarray(light.sh, np.float32)
