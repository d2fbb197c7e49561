"""Other clothes in the running mirror: what is worn when, and what whoever asked is told."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mirror.bus import Collector, Dispatcher, Newest
from mirror.config import load
from mirror.errors import MirrorError
from mirror.messages import Message, OutfitRequest, WeaveRequest, Worn, Woven
from mirror.process import Context
from mirror.ring import RingWriter, ring_prefix
from render.changes import FADE_NS, Changes
from render.garments.textures import FabricTextures
from render.garments.worn_garment import WornGarment

pytestmark = pytest.mark.slow


MS = 1_000_000
WAIT_S = 30.0


class Rail:
    """In the frame composer's place: keeps what it is told to do."""

    def __init__(self) -> None:
        self.worn: list[tuple[str, ...]] = []
        self.cloths: list[WornGarment] = []
        self.loaded: list[FabricTextures] = []
        self.shares: list[float] = []
        self.warm = 0

    def prepare(self, cloths: list[WornGarment]) -> list[WornGarment]:
        return list(cloths)

    def wear(self, garments: list[WornGarment]) -> None:
        self.worn.append(tuple(cloth.name for cloth in garments))
        self.cloths = garments

    def warm_up(self) -> None:
        self.warm += 1

    def load_fabric(self, fabric: FabricTextures) -> None:
        self.loaded.append(fabric)

    def fade(self, share: float) -> None:
        self.shares.append(share)


class Stage:
    """Changes over a rail, with whoever asks and listens."""

    def __init__(self, runtime: Path, **settings: object) -> None:
        config = load(None, {"wardrobe.garments": ["tshirt"], **settings})
        self.context = Context("render", config, runtime, logging.getLogger("test"))
        self.rail = Rail()
        rail: Any = self.rail
        self.changes = Changes(self.context, rail)
        self.answers = Newest[Worn](runtime, "worn", lossless=True)
        self.ports = {topic: Dispatcher(runtime, topic) for topic in ("outfit_request", "woven")}
        self.advancing = False
        self.until(lambda _: True)
        self.advancing = True

    def ask(self, topic: str, message: Message) -> None:
        self.ports[topic].send(message)

    def request(self, name: str, **what: Any) -> None:
        self.ask("outfit_request", OutfitRequest(seq=0, t_ns=time.monotonic_ns(), request=name, **what))

    def until(self, heard: Any) -> Worn:
        """Tend as the mirror does between frames, until it says what is waited for."""
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end:
            self.changes.tend()
            if self.advancing:
                self.changes.advance(0)
            worn = self.answers.receive(5)
            if worn is not None and heard(worn):
                return worn
        raise AssertionError("it was never said")

    def answer(self, name: str) -> Worn:
        return self.until(lambda worn: worn.request == name)

    def close(self) -> None:
        for port in (self.answers, *self.ports.values()):
            port.close()
        self.changes.close()
        self.context.close()


@pytest.fixture
def stages() -> Iterator[list[Stage]]:
    made: list[Stage] = []
    yield made
    for stage in made:
        stage.close()


def test_a_fabric_fades_in_and_the_operator_is_told(stages: list[Stage], runtime_dir: Path) -> None:
    """The new fabric would jump, never be complete, or the operator wait for ever."""
    stage = Stage(runtime_dir)
    stages.append(stage)
    assert stage.rail.warm == 1, "the first fade would wait for its shader"
    stage.request("a", fabric="tartan_red")
    worn = stage.answer("a")
    assert (worn.valid, worn.garments, worn.fabric, worn.fading) == (True, ["tshirt"], "tartan_red", True)
    whole = stage.until(lambda worn: worn.request == "a" and not worn.fading)
    # The fade begins just before the word of it is stamped.
    assert whole.t_ns - worn.t_ns >= 0.9 * FADE_NS
    shares = stage.rail.shares
    assert shares == sorted(shares)
    assert len({round(share, 3) for share in shares}) > 5
    assert shares[-1] == 1.0
    assert len(stage.rail.loaded) == 1
    assert len(stage.rail.worn) == 1, "the garment was loaded again for a fabric alone"


def test_in_lock_step_the_plan_follows_the_clip(stages: list[Stage], runtime_dir: Path) -> None:
    """Two replays of one clip would differ in when and how far a fabric has come."""
    stage = Stage(
        runtime_dir, **{"capture.pace": "all", "wardrobe.changes": ["0.5 denim_indigo", "1 tartan_red"]}
    )
    stages.append(stage)
    seen = []
    for n in range(40):
        before = len(stage.rail.shares)
        stage.changes.advance(7_000 * MS + n * 40 * MS)  # a clip's times need not begin at 0
        seen.append((stage.changes.fabric, stage.rail.shares[before:]))
    assert [name for name, _ in seen] == [""] * 13 + ["denim_indigo"] * 12 + ["tartan_red"] * 15
    ways = [(n * 40 - 500) / 400 for n in range(13, 23)]
    assert [shares for _, shares in seen[:13]] == [[]] * 13
    assert [shares[0] for _, shares in seen[13:23]] == pytest.approx([w * w * (3 - 2 * w) for w in ways])
    assert seen[23:25] == [("denim_indigo", [1.0]), ("denim_indigo", [])]
    assert [shares[0] for _, shares in seen[25:36]] == pytest.approx(
        [w * w * (3 - 2 * w) for w in np.arange(10) / 10] + [1.0]
    )


def test_a_plan_with_a_slip_stops_the_start(runtime_dir: Path) -> None:
    """A long replay would end in the middle."""
    with pytest.raises(MirrorError, match="no fabric 'tartn'"):
        Stage(runtime_dir, **{"wardrobe.changes": ["3 tartn"]})


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ({"fabric": "nonesuch"}, "no fabric 'nonesuch'; there are: "),
        ({"garments": ["toga"]}, "no garment 'toga'; there are: "),
        ({}, "it names neither garments nor a fabric"),
    ],
)
def test_a_wish_that_cannot_be_met_is_refused(
    stages: list[Stage], runtime_dir: Path, what: dict[str, Any], line: str
) -> None:
    """One slip of the operator would undress the shopper, or end the mirror."""
    stage = Stage(runtime_dir)
    stages.append(stage)
    stage.request("a", **what)
    worn = stage.answer("a")
    assert not worn.valid
    assert line in worn.detail
    assert (worn.garments, worn.fabric) == (["tshirt"], "")
    assert (len(stage.rail.worn), stage.rail.loaded) == (1, [])
    stage.request("b", fabric="tartan_red")
    assert stage.answer("b").valid


def test_of_several_fabrics_in_a_row_the_last_is_worn(stages: list[Stage], runtime_dir: Path) -> None:
    """Someone who leafs through the rack would watch every fabric on the way come and go."""
    stage = Stage(runtime_dir)
    stages.append(stage)
    names = ["denim_black", "dots_navy", "gingham_red", "tartan_green"]
    for name in names:
        stage.request(name, fabric=name)
    answers = {name: stage.answer(name) for name in names[:1] + names[-1:]}
    assert answers["denim_black"].valid or "another request" in answers["denim_black"].detail
    assert answers["tartan_green"].fabric == "tartan_green"
    assert len(stage.rail.loaded) < len(names)


def test_garments_keep_the_fabric_that_was_chosen(stages: list[Stage], runtime_dir: Path) -> None:
    """Trousers chosen after a fabric would come in another one; keys and requests go on from each other."""
    stage = Stage(runtime_dir)
    stages.append(stage)
    stage.request("a", fabric="tartan_red")
    stage.request("b", garments=["long_sleeve", "trousers"])
    worn = stage.answer("b")
    assert (worn.garments, worn.fabric) == (["long_sleeve", "trousers"], "tartan_red")
    assert stage.rail.worn[-1] == ("long_sleeve", "trousers")
    (bolt,) = stage.rail.loaded
    assert all(np.array_equal(c.albedo, bolt.albedo.levels[0][..., :3]) for c in stage.rail.cloths)
    stage.changes.turn_fabric(1)
    stage.until(lambda worn: worn.fabric == "twill_camel")  # the next on the rack
    stage.changes.turn_fabric(-1)
    stage.until(lambda worn: worn.fabric == "tartan_red")
    stage.request("c", garments=["tshirt"], fabric="denim_indigo")
    worn = stage.answer("c")
    assert (worn.garments, worn.fabric, worn.fading) == (["tshirt"], "denim_indigo", False)
    stage.changes.turn(1)
    worn = stage.until(lambda worn: worn.garments != ["tshirt"])
    assert worn.fabric == "denim_indigo"


def test_what_the_weaver_made_is_worn(stages: list[Stage], runtime_dir: Path) -> None:
    """Albedo and normals would be mixed up, a torn picture worn, or a refusal never told."""
    stage = Stage(runtime_dir)
    stages.append(stage)
    ring = RingWriter("fabrics", 2, ring_prefix(runtime_dir))
    both = np.random.default_rng(0).integers(0, 255, (64, 64, 6), np.uint8)

    def woven(name: str, **facts: Any) -> None:
        facts = {"made_by": f"by {name}", "repeat_m": (0.2, 0.1)} | facts
        stage.ask("woven", Woven(seq=0, t_ns=0, request=name, **facts))

    woven("a", pictures=ring.write(both))
    worn = stage.answer("a")
    assert (worn.valid, worn.fabric) == (True, "by a")
    (bolt,) = stage.rail.loaded
    assert np.array_equal(bolt.albedo.levels[0][..., :3], both[..., :3])
    assert np.array_equal(bolt.relief.levels[0][..., :3], both[..., 3:])
    assert bolt.repeat_m == (0.2, 0.1)

    woven("b", valid=False, detail="no fabric class 'tartn'")
    assert stage.answer("b").detail == "no fabric class 'tartn'"
    late = ring.write(both)
    for _ in range(2):
        ring.write(both)
    woven("c", pictures=late)
    assert "ask again" in stage.answer("c").detail
    assert len(stage.rail.loaded) == 1
    ring.close()


def test_the_key_asks_the_weaver(stages: list[Stage], runtime_dir: Path) -> None:
    """The shopper's key would do nothing, or always ask for the same."""
    stage = Stage(runtime_dir)
    stages.append(stage)
    with Collector[WeaveRequest](runtime_dir, "weave") as requests:
        seeds = []
        for _ in range(2):
            stage.changes.weave()
            request = requests.receive(1e3 * WAIT_S)
            assert request is not None
            assert (request.fabric_class, request.palette) == ("", "")
            seeds.append(request.seed)
    assert len(set(seeds)) == 2
