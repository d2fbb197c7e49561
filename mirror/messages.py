"""Every message that crosses a process border.

Messages are msgspec structs, encoded as MessagePack with a type tag; a payload that does
not decode to the type its topic promises is rejected and counted (``mirror.bus``), never
guessed at. Each carries a sequence number, monotonic times and validity.
"""

from __future__ import annotations

import msgspec

SCHEMA_VERSION = 2

Vec3 = tuple[float, float, float]
Rgb = tuple[float, float, float]


class SlotRef(msgspec.Struct, frozen=True, array_like=True):
    """Where a picture lies in a shared-memory ring.

    A reader that finds another ``generation`` in the slot has been overtaken by the writer.
    """

    ring: str
    slot: int
    generation: int
    height: int
    width: int
    channels: int


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What every message carries.

    ``seq``: for frame-bound messages the frame number in the source, from 0; otherwise a
    per-sender count. ``t_ns``: ``time.monotonic_ns()`` at sending. ``valid``: whether the
    facts may be used (a message can be sent to say that there are none).
    """

    seq: int
    t_ns: int
    valid: bool = True
    version: int = SCHEMA_VERSION


class Frame(Message, frozen=True, kw_only=True, tag="frame"):
    """A camera or clip frame (BGR, 8 bit, unmirrored) lies in the ring.

    ``t_capture_ns`` is the monotonic time at which the frame came in; ``t_source_ns`` is its
    time in the source (presentation time of a clip, capture time of a camera): filters use
    this one, so that a replay does not depend on the machine's speed. ``last`` marks the
    end of the source; such a message may have no picture (``valid`` false).
    ``dropped`` counts the frames the source gave that were never published.
    """

    t_capture_ns: int
    t_source_ns: int
    image: SlotRef | None
    last: bool = False
    dropped: int = 0


class Light(msgspec.Struct, frozen=True, kw_only=True):
    """Light as real spherical harmonics of *irradiance*, order 2, linear RGB, camera space.

    ``sh[i]`` multiplies the i-th basis function below, evaluated at the unit normal
    ``n = (x, y, z)`` in camera space (x right, y down, z forward). Orthonormal real basis,
    order by band then degree (m = -l..l):

    ==  =====================================
    0   0.282095
    1   0.488603 y
    2   0.488603 z
    3   0.488603 x
    4   1.092548 x y
    5   1.092548 y z
    6   0.315392 (3 z^2 - 1)
    7   1.092548 x z
    8   0.546274 (x^2 - y^2)
    ==  =====================================

    The sum is E(n)/pi: a white Lambertian surface with normal n shows that linear colour in
    the frame (1.0 = the frame's white). ``direction`` is the unit vector *towards* the main
    light; ``confidence`` is 0..1.
    """

    sh: list[Rgb]
    direction: Vec3
    confidence: float


class Body(Message, frozen=True, kw_only=True, tag="body"):
    """The fitted body of one frame, with the frame itself, so that the two cannot part.

    ``masks`` refers to an 8-bit picture of 3 or 4 channels, of the frame's aspect but of its own
    resolution: channel 0 is the person mask, channel 1 what of the head and its hair stays in
    front of a garment's trunk (an arm may pass before it), channel 2 the hands, which stay in
    front of everything; channel 3, only where worn clothes are to be hidden, what of the person has
    the worn clothes' colours: 255 the top's, 0 those of what the legs wear, 128 neither; then head and
    hands are without what surely has them.
    ``bone_transforms`` holds float32 (J, 3, 4) row-major little-endian skinning matrices that take
    body-space rest vertices of the given ``shape`` to camera space (metres, OpenCV axes);
    J and the bone order are the body model's. ``shape`` holds the K shape coefficients.
    ``intrinsics`` is (fx, fy, cx, cy) in px of the frame.
    ``landmarks``: 33 x (x_px, y_px, visibility).
    Only where worn clothes are to be hidden: ``cover`` holds a byte for each vertex of the body model,
    how far worn cloth covers it (255 wholly); ``skin_tone`` is the sRGB colour (1.0 = the frame's white)
    of skin on which a light of 1 falls, None until enough of a face was seen.
    """

    t_capture_ns: int
    t_source_ns: int
    image: SlotRef | None
    masks: SlotRef | None
    tracked: bool
    last: bool = False
    person: int = 0
    landmarks: list[Vec3] | None = None
    bone_transforms: bytes = b""
    shape: list[float] = []
    intrinsics: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    light: Light | None = None
    cover: bytes = b""
    skin_tone: Rgb | None = None
    stage_ms: dict[str, float] = {}
    dropped: int = 0


class Shown(Message, frozen=True, kw_only=True, tag="shown"):
    """What the render process showed for one frame: a line of the report."""

    t_capture_ns: int
    t_display_ns: int
    tracked: bool
    landmarks: list[Vec3] | None
    garments: list[str]
    garment_bbox: tuple[int, int, int, int] | None
    anchors: dict[str, tuple[float, float]]
    light: Light | None
    size: str
    stage_ms: dict[str, float]
    last: bool = False


class Heartbeat(Message, frozen=True, kw_only=True, tag="heartbeat"):
    """A process lives. ``state``: starting, ready, degraded (with ``detail``) or stopping."""

    process: str
    pid: int
    state: str
    detail: str = ""
    counters: dict[str, float] = {}


class Credit(Message, frozen=True, kw_only=True, tag="credit"):
    """Lock-step replay: render has finished frame ``seq``; capture may send another."""


class OutfitRequest(Message, frozen=True, kw_only=True, tag="outfit_request"):
    """Somebody wants to see other clothes. ``request`` names it, and its answer in ``Worn``.

    ``garments``: names or folders, from the skin outwards; none keeps those that are worn.
    ``fabric``: name or folder; "" keeps the fabric.
    """

    request: str
    garments: list[str] = []
    fabric: str = ""


class WeaveRequest(Message, frozen=True, kw_only=True, tag="weave"):
    """A fabric is to be woven and worn.

    ``palette`` as in ``mirror fabric sample``; a ``fabric_class`` of "" leaves class and palette
    to the seed.
    """

    request: str
    fabric_class: str = ""
    palette: str = ""
    seed: int = 0


class Woven(Message, frozen=True, kw_only=True, tag="woven"):
    """What was woven for a ``WeaveRequest``; ``valid`` false, with the reason in ``detail``, if nothing was.

    ``pictures`` has six channels: albedo and normal, RGB each, as ``render.garments.fabric.Fabric``'s;
    ``repeat_m``: metres that they cover, across and along the grain.
    """

    request: str
    fabric_class: str = ""
    made_by: str = ""
    repeat_m: tuple[float, float] = (1.0, 1.0)
    pictures: SlotRef | None = None
    detail: str = ""


class Worn(Message, frozen=True, kw_only=True, tag="worn"):
    """What is worn, sent whenever that changes or a request is answered, and from time to time.

    ``request`` is the request last answered; ``valid`` is false if it could not be met, for the reason
    in ``detail``. ``fabric`` is "" where each garment is of its own. ``fading``: the fabric has
    begun to show and the one before has not gone.
    """

    request: str
    garments: list[str]
    fabric: str
    fading: bool = False
    detail: str = ""
