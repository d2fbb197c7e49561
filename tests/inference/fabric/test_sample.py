from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from inference.fabric.classes import COLOURS, NAMES
from inference.fabric.generator import SHIPPED, FabricGenerator, whole_cycles
from inference.fabric.lattice import LEVELS, NOISE, STYLE
from inference.fabric.palette import parse_palette
from inference.fabric.sample import Blend, fill_palette, interpolate, normal_map, sample
from inference.fabric.weights import WEIGHTS
from mirror.cli.app import main
from mirror.errors import MirrorError
from mirror.shading.colour import delta_e, to_lab
from render.garments.fabric import load_fabric

pytestmark = pytest.mark.slow


_PALETTE = parse_palette("#7a1f1f,#10243f,#d8d0c0")
_COLOURS = parse_palette("#7a1f1f,#10243f,#d8d0c0,#c9b030")


def test_numpy_generator_is_the_trained_network(shipped: FabricGenerator) -> None:
    """The kiosk weaves what was trained: both implementations agree on the shipped weights."""
    import torch

    from workshop.train.fabric.network import Generator

    class Given(Generator):
        def embed(self, *_: torch.Tensor) -> torch.Tensor:
            return torch.from_numpy(recipe.condition)[None]

    network = Given()
    arrays, _ = WEIGHTS.load(SHIPPED)
    network.load_state_dict(
        {k.removeprefix("net."): torch.from_numpy(v) for k, v in arrays.items() if k.startswith("net.")}
    )
    recipe = shipped.recipe("tartan", _PALETTE[:3], 11)
    rng = np.random.default_rng(0)
    noise = {s: rng.standard_normal((n, 64 // s, 96 // s), np.float32) for s, n in NOISE.items()}
    albedo, height = shipped.render(recipe, _PALETTE, noise)
    palette = torch.zeros(1, 4, 3)
    palette[0, :3] = torch.from_numpy(_PALETTE)
    with torch.no_grad():
        made = network(
            torch.tensor([0]),
            palette,
            torch.tensor([3]),
            torch.zeros(1, STYLE),
            torch.from_numpy(whole_cycles(recipe.lattice, 64, 96))[None],
            [torch.from_numpy(noise[s])[None] for s in NOISE],
        )[0].numpy()
    assert np.abs(made[:3].transpose(1, 2, 0) - albedo).max() < 2e-4
    assert np.abs(made[3] - height).max() < 2e-4


def test_a_picture_is_woven_in_its_own_colours(shipped: FabricGenerator) -> None:
    """Denim's photographed designs are blue: asked for in blue they are likely, in lilac and green not."""
    index = NAMES.index("denim")
    pictured = shipped._pictured[index]
    assert pictured.any()
    assert not pictured.all()
    own = shipped._palettes[index, np.flatnonzero(pictured)[0], :2]
    for palette, likely in ((own, True), (parse_palette("#c9a0ff,#30e050"), False)):
        odds = shipped.odds(index, palette)
        assert odds.sum() == pytest.approx(1)
        assert (odds[pictured].sum() > 0.3) == likely
        assert len(set(odds[~pictured].round(12)) - {0.0}) == 1
    # Designs taught with as many colours, or any where a class has none of so many.
    odds = shipped.odds(NAMES.index("plain"), own)
    assert (odds[shipped._counts[NAMES.index("plain")] != 2] == 0).all()
    assert (shipped.odds(NAMES.index("jersey"), own) > 0).any()


@pytest.mark.parametrize("name", ["floral", "tartan", "plain"])
def test_one_seed_and_the_next_are_of_different_designs(shipped: FabricGenerator, name: str) -> None:
    """A shopper who asks for another floral must not be shown the same one."""
    palette = _COLOURS[: COLOURS[name][1]]
    recipes = [shipped.recipe(name, palette, seed) for seed in range(8)]
    apart = [np.linalg.norm(a.condition - b.condition) for a, b in itertools.pairwise(recipes)]
    size = np.mean(
        [np.linalg.norm(r.condition - np.mean([q.condition for q in recipes], 0)) for r in recipes]
    )
    assert min(apart) > 0.3 * size


def test_the_torus_has_no_seam(shipped: FabricGenerator) -> None:
    """Exact tiling: noise moved round the torus moves the fabric and changes nothing else.

    The waves stay where they are, so they are taken out; every other part must not know the border.
    """
    from dataclasses import replace

    recipe = replace(shipped.recipe("melange", _PALETTE[:2], 3), lattice=np.zeros((3, 2, 2), np.float32))
    shipped_learned = shipped._net["learned.weight"], shipped._net["learned.bias"]
    shipped._net["learned.weight"] = np.zeros_like(shipped_learned[0])
    shipped._net["learned.bias"] = np.zeros_like(shipped_learned[1])
    try:
        rng = np.random.default_rng(1)
        noise = {s: rng.standard_normal((n, 96 // s, 64 // s), np.float32) for s, n in NOISE.items()}
        moved = {s: np.roll(v, (LEVELS[0] * 3 // s, LEVELS[0] * 5 // s), (1, 2)) for s, v in noise.items()}
        first, height = shipped.render(recipe, _PALETTE[:2], noise)
        second, height_moved = shipped.render(recipe, _PALETTE[:2], moved)
    finally:
        shipped._net["learned.weight"], shipped._net["learned.bias"] = shipped_learned
    assert first.std() > 0.01
    assert np.abs(np.roll(first, (24, 40), (0, 1)) - second).max() < 1e-4
    assert np.abs(np.roll(height, (24, 40), (0, 1)) - height_moved).max() < 1e-4


@pytest.mark.parametrize("size", [(64, 64), (200, 328)])
def test_lattice_closes_on_any_torus(shipped: FabricGenerator, size: tuple[int, int]) -> None:
    """Every wave makes whole turns, and a weave's yarns stay in step with its interlacing."""
    for name in NAMES:
        recipe = shipped.recipe(name, _COLOURS[: COLOURS[name][1]], 5)
        vectors = shipped._wave_vectors(recipe, *size)
        assert np.array_equal(vectors, np.rint(vectors))
    twill = whole_cycles(shipped.recipe("twill", _PALETTE[:2], 5).lattice, *size)
    assert np.array_equal(np.abs(twill[2]), np.abs(twill[1]) * 4)


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_fabric(shipped: FabricGenerator, name: str) -> None:
    """A reorder of "tartan, seed 7" is the same cloth; another seed is another."""
    palette = _COLOURS[: COLOURS[name][1]]
    first, again, other = (sample(shipped, name, palette, seed, (64, 64)) for seed in (7, 7, 8))
    assert np.array_equal(first.albedo, again.albedo)
    assert np.array_equal(first.normal, again.normal)
    assert not np.array_equal(first.albedo, other.albedo)


def test_palette_is_obeyed(shipped: FabricGenerator) -> None:
    """A shopper who picks bottle green gets bottle green."""
    for text in ("#0b3d2e", "#d94f70", "#e8e2d0"):
        palette = parse_palette(text)
        made = sample(shipped, "jersey", palette, 1, (128, 128))
        mean = to_lab(made.albedo / 255.0).mean((0, 1))
        assert float(delta_e(mean, to_lab(palette[0]))) < 8


def test_command_writes_a_fabric(tmp_path: Path) -> None:
    """`fabric sample` leaves a folder that the mirror wears at true scale."""
    out = tmp_path / "my_tartan"
    arguments = ["fabric", "sample", "--class", "tartan", "--palette", "#7a1f1f,#10243f", "--seed", "7"]
    assert main([*arguments, "--size", "256x128", "--out", str(out)]) == 0
    fabric = load_fabric(out)
    assert (fabric.name, fabric.fabric_class) == ("my_tartan", "tartan")
    assert fabric.albedo.shape == fabric.normal.shape == (128, 256, 3)
    assert fabric.repeat_m[0] == pytest.approx(2 * fabric.repeat_m[1], rel=1e-3)
    assert "seed 7" in fabric.made_by
    # Normals are of unit length and look out of the cloth.
    normal = fabric.normal.astype(np.float32) / 127.5 - 1
    assert np.abs(np.linalg.norm(normal, axis=2) - 1).max() < 0.02
    assert normal[..., 2].min() > 0
    assert (
        main([*arguments, "--size", "128", "--to-class", "gingham", "--share", "0.5", "--out", str(out)]) == 0
    )
    assert "half" not in fabric.made_by
    assert "class gingham" in load_fabric(out).made_by


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"--class": "tweed"}, "no fabric class 'tweed'"),
        ({"--palette": "crimson"}, "'crimson' is no colour"),
        ({"--class": "denim", "--palette": "#000,#111,#222"}, "denim takes 2 colours at most"),
        ({"--size": "100"}, "multiples of 8"),
        ({"--size": "big"}, "size 'big'"),
        ({"--seed": "-1"}, "seed -1"),
        ({"--weights": "missing.safetensors"}, "no fabric weights there"),
        ({"--to-class": "tweed"}, "no fabric class 'tweed'"),
        ({"--to-seed": "2", "--share": "3"}, "share 3"),
        ({"--name": "a/b"}, "fabric name"),
    ],
)
def test_bad_requests_give_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, str], complaint: str
) -> None:
    """The operator reads one line that says what to mend, and nothing is written."""
    request = {"--class": "tartan", "--palette": "#7a1f1f,#10243f", "--seed": "7", "--size": "128"}
    request |= {"--out": str(tmp_path / "f")} | change
    assert main(["fabric", "sample", *(word for pair in request.items() for word in pair)]) == 1
    said = capsys.readouterr().err
    assert complaint in said
    assert said.count("\n") == 1
    assert not (tmp_path / "f").exists()


def test_weights_of_another_version(tmp_path: Path) -> None:
    """Weights of a later program must be refused, not woven into noise."""
    arrays, facts = WEIGHTS.load(SHIPPED)
    path = tmp_path / "other.safetensors"
    save_file(arrays, str(path), facts | {"version": "99"})
    with pytest.raises(MirrorError, match="version 99"):
        FabricGenerator(path)
    save_file(arrays, str(path), {"format": "a cake"})
    with pytest.raises(MirrorError, match="not the weights of a fabric"):
        FabricGenerator(path)
    path.write_bytes(SHIPPED.read_bytes()[:500])
    with pytest.raises(MirrorError, match="damaged"):
        FabricGenerator(path)


def test_does_not_overwrite_other_things(shipped: FabricGenerator, tmp_path: Path) -> None:
    """`--out ~` must not strew pictures over somebody's home."""
    from inference.fabric.sample import write_fabric

    (tmp_path / "letter.txt").write_text("dear")
    made = sample(shipped, "plain", _PALETTE[:1], 0, (64, 64))
    with pytest.raises(MirrorError, match="something else"):
        write_fabric(made, tmp_path)


def test_interpolation_goes_from_one_to_the_other(shipped: FabricGenerator) -> None:
    """A slider between two designs starts at the one and ends at the other."""
    start, end = shipped.recipe("stripe", _PALETTE[:2], 1), shipped.recipe("gingham", _PALETTE[:2], 9)
    assert np.allclose(interpolate(start, end, 0).condition, start.condition, atol=1e-5)
    assert np.allclose(interpolate(start, end, 1).condition, end.condition, atol=1e-5)
    assert np.allclose(interpolate(start, end, 0.5).lattice, (start.lattice + end.lattice) / 2)
    plain = sample(shipped, "stripe", _PALETTE[:2], 1, (64, 64))
    still = sample(shipped, "stripe", _PALETTE[:2], 1, (64, 64), Blend(0.0, "gingham", 9))
    moved = sample(shipped, "stripe", _PALETTE[:2], 1, (64, 64), Blend(0.7, "gingham", 9))
    assert np.array_equal(plain.albedo, still.albedo)
    assert not np.array_equal(plain.albedo, moved.albedo)


def test_large_sample_does_not_repeat(shipped: FabricGenerator) -> None:
    """A tile larger than the training crop is not the crop over and over."""
    made = sample(shipped, "melange", _PALETTE[:2], 3, (256, 256)).albedo.astype(np.float32)
    quarters = [made[y : y + 128, x : x + 128] for y in (0, 128) for x in (0, 128)]
    spread = made.std((0, 1)).mean()
    for k in range(1, 4):
        assert np.abs(quarters[0] - quarters[k]).mean() > 0.1 * spread


def test_fill_palette() -> None:
    """One colour asked of a two-colour cloth gets a tint beside it that can be told apart."""
    for text in ("#10243f", "#f0ead8"):
        filled = fill_palette(parse_palette(text), "gingham")
        assert len(filled) == 2
        assert np.array_equal(filled[0], parse_palette(text)[0])
        assert float(delta_e(*to_lab(filled))) > 20


def test_normal_map_points_uphill_the_right_way() -> None:
    """OpenGL's way: cloth that rises to the right tips its normal left; rising up the picture, down."""
    x = np.sin(np.arange(64) * 2 * np.pi / 64).astype(np.float32)
    across = normal_map(np.tile(x, (64, 1)), 8.0).astype(int)
    assert across[5, 0, 0] < 120
    assert across[5, 32, 0] > 135
    up = normal_map(np.tile(x[::-1, None], (1, 64)), 8.0).astype(int)
    assert up[63, 5, 1] < 120
