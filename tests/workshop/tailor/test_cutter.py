"""The cutter: clean edges, seams that close, patterns that lie flat, pages that are checked."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.spatial import cKDTree

from inference.body.model import BodyModel
from mirror.cli.app import main
from mirror.errors import MirrorError
from mirror.wardrobe import PACKAGED, read_page
from render.garments import glb
from render.garments.garment import GarmentPage, load_garment
from render.garments.kinds import kind_of
from workshop.tailor import blocks, cut_page, cut_surface, cutter, panels
from workshop.tailor.drape import Hang, Limb, Tube

pytestmark = pytest.mark.slow


def _grid(n: int = 12) -> tuple[cut_surface.CutSurface, np.ndarray]:
    """A flat square of n x n vertices, counter-clockwise from +z."""
    y, x = np.mgrid[0:n, 0:n] / (n - 1)
    points = np.stack([x.ravel(), y.ravel(), np.zeros(n * n)], axis=1)
    k = np.arange(n * n).reshape(n, n)
    quads = np.stack([k[:-1, :-1], k[:-1, 1:], k[1:, 1:], k[1:, :-1]], axis=-1).reshape(-1, 4)
    return cut_surface.surface(sp.identity(n * n, format="csr"), quads), points


@pytest.fixture(scope="module")
def pattern() -> cutter.Pattern:
    page = read_page(PACKAGED / "garments" / "tshirt", "garments", GarmentPage)
    return cutter.make_pattern(kind_of(page.kind), cut_page.parse(page.cut, "page"), BodyModel.load())


def test_clip_leaves_a_smooth_edge_and_no_slivers() -> None:
    """A saw-tooth neckline is the first thing that one sees."""
    mesh, points = _grid()
    field = 0.4 - np.linalg.norm(points[:, :2] - (0.52, 0.47), axis=1)
    kept = cut_surface.clipped(mesh, field, 1)
    at = kept.at(points)
    rim = np.unique(cut_surface.boundary_edges(kept.faces))
    radius = np.linalg.norm(at[rim, :2] - (0.52, 0.47), axis=1)
    np.testing.assert_allclose(radius, 0.4, atol=0.006)
    assert np.linalg.norm(at[:, :2] - (0.52, 0.47), axis=1).max() < 0.406
    a, b, c = (at[kept.faces[:, i]] for i in range(3))
    area = np.cross(b - a, c - a)[:, 2] / 2
    assert area.min() > 0.02 * np.median(area)
    assert area.sum() == pytest.approx(np.pi * 0.16, rel=0.02)


def test_splitting_keeps_the_surface_whole() -> None:
    """Two seams that cross must leave neither gap nor overlap."""
    mesh, points = _grid()
    for line, normal in ((1, (1.0, 0.3)), (2, (-0.2, 1.0))):
        at = mesh.at(points)
        mesh, field, side = cut_surface.split(mesh, (at[:, :2] - 0.503) @ np.array(normal), line)
        assert np.abs(field[mesh.lines & line > 0]).max() == 0
        assert (side > 0).any()
        assert (side < 0).any()
    at = mesh.at(points)
    a, b, c = (at[mesh.faces[:, i]] for i in range(3))
    area = np.cross(b - a, c - a)[:, 2] / 2
    assert area.min() > 0
    assert area.sum() == pytest.approx(1.0, abs=1e-6)
    assert (mesh.lines == 3).sum() == 1  # the seams meet in one vertex
    np.testing.assert_allclose(np.asarray(mesh.rows.sum(1)).ravel(), 1)


def test_subdivision_keeps_flat_cloth_flat() -> None:
    """Wrong weights would pull the whole block in or out."""
    mesh, points = _grid(6)
    del mesh
    k = np.arange(36).reshape(6, 6)
    quads = np.stack([k[:-1, :-1], k[:-1, 1:], k[1:, 1:], k[1:, :-1]], axis=-1).reshape(-1, 4)
    rows, fine = cut_surface.subdivided(quads, 36)
    at = rows @ points
    np.testing.assert_allclose(np.asarray(rows.sum(1)).ravel(), 1)
    np.testing.assert_allclose(at[:, 2], 0)
    assert len(fine) == 4 * len(quads)
    a, b, c, d = (at[fine[:, i], :2] for i in range(4))
    x, y = c - a, d - b
    assert ((x[:, 0] * y[:, 1] - x[:, 1] * y[:, 0]) > 0).all()


def test_unrolled_tube_lies_flat_in_metres() -> None:
    """The fabric's scale comes from the pattern: a sleeve of 31 cm girth must lie 31 cm wide."""
    rows, around = 12, 40
    t, y = np.meshgrid(np.linspace(-np.pi, np.pi, around), np.linspace(0, 0.4, rows))
    points = np.stack([0.05 * np.sin(t), y, 0.05 * np.cos(t)], axis=-1).reshape(-1, 3)
    k = np.arange(rows * around).reshape(rows, around)
    quads = np.stack([k[:-1, :-1], k[:-1, 1:], k[1:, 1:], k[1:, :-1]], axis=-1).reshape(-1, 4)
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    start = np.stack([0.04 * t.ravel(), 1.3 * points[:, 1]], axis=1)
    flat = panels.unroll(points, faces, start, rounds=200)
    flat = panels.aligned(flat, points[:, 1], np.zeros(2))
    assert np.ptp(flat[:, 0]) == pytest.approx(0.314, rel=0.01)
    assert np.ptp(flat[:, 1]) == pytest.approx(0.4, rel=0.01)
    assert np.percentile(panels.stretch(points, faces, flat), 95) < 0.01


def test_cloth_falls_straight_from_what_bulges() -> None:
    """A shirt must hang from the chest, not follow the small of the back."""
    y, t = np.meshgrid(np.linspace(0, 0.5, 60), np.linspace(-np.pi, np.pi, 80, endpoint=False), indexing="ij")
    radius = 0.15 - 0.04 * np.exp(-(((y - 0.25) / 0.06) ** 2))
    points = np.stack([radius * np.sin(t), -y, radius * np.cos(t)], axis=-1).reshape(-1, 3)
    axis = Limb(np.zeros(3), np.array([0, -0.25, 0.0]), np.array([0, -0.5, 0.0]), np.array([0.0, 0.0, 1.0]))
    along, angle = axis.coordinates(points)
    np.testing.assert_allclose(along, y.ravel(), atol=1e-6)
    tube = Tube(along, angle, np.ones(len(points), bool), 0.0, 0.5)
    hung = points + tube.push(points, Hang(fall=0.05, rise=1.0), upright=True)
    reach = np.linalg.norm(hung[:, [0, 2]], axis=1).reshape(y.shape)
    waist = reach[np.abs(y[:, 0] - 0.25) < 0.02]
    assert waist.min() > 0.13  # the hollow was 0.11
    clings = points + tube.push(points, Hang(fall=5.0, rise=5.0), upright=True)
    assert np.linalg.norm(clings[:, [0, 2]], axis=1).min() < 0.118


def test_pattern_lies_flat(pattern: cutter.Pattern) -> None:
    """Stretch shows as fabric of varying scale; a fold as letters back to front."""
    assert panels.pieces(pattern.cloth).max() + 1 == 4  # front, back, two sleeves
    assert np.median(pattern.stretch) < 0.04
    assert np.percentile(pattern.stretch, 95) < 0.12
    a, b, c = (pattern.uv[pattern.cloth[:, i]] for i in range(3))
    area = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    assert (area > 0).mean() > 0.999  # a sliver in the armpit may turn over


def test_four_clean_openings(pattern: cutter.Pattern) -> None:
    """Neck, hem and two cuffs, each one smooth loop; any further edge is a hole."""
    edges = cut_surface.boundary_edges(pattern.surface.faces)
    following = {int(a): int(b) for a, b in edges}
    assert len(following) == len(edges)
    loops = []
    while following:
        ids = [next(iter(following))]
        while (nxt := following.pop(ids[-1])) != ids[0]:
            ids.append(nxt)
        loops.append(np.array(ids))
    assert len(loops) == 4
    for loop in loops:
        ring = pattern.place.points[loop]
        step = np.roll(ring, -1, axis=0) - ring
        step /= np.linalg.norm(step, axis=1, keepdims=True)
        turn = np.degrees(np.arccos(np.clip((step * np.roll(step, 1, axis=0)).sum(1), -1, 1)))
        assert np.percentile(turn, 90) < 30  # saw-teeth turn by 60 degrees and more
    hem = min(loops, key=lambda loop: pattern.place.points[loop, 1].mean())
    assert np.ptp(pattern.place.points[hem, 1]) < 0.004


def test_left_and_right_are_alike(pattern: cutter.Pattern) -> None:
    """One sleeve longer than the other would be seen at once."""
    points = pattern.place.points
    left, right = points[points[:, 0] > 0], points[points[:, 0] < 0] * (-1, 1, 1)
    np.testing.assert_allclose(left.max(0), right.max(0), atol=0.003)
    np.testing.assert_allclose(left.min(0), right.min(0), atol=0.003)


def test_cutting_again_gives_the_committed_garment(tmp_path: Path) -> None:
    """The wardrobe must be what the pages say: page, cutter and glb may not drift apart."""
    folder = tmp_path / "skirt"
    shutil.copytree(PACKAGED / "garments" / "skirt", folder)
    (folder / "garment.glb").unlink()
    page = (folder / "garment.toml").read_text()
    facts = cutter.cut(folder)
    assert facts["stretch_p95"] < 0.05
    assert (folder / "garment.toml").read_text() == page
    made, kept = (glb.read(f / "garment.glb") for f in (folder, PACKAGED / "garments" / "skirt"))
    np.testing.assert_array_equal(made.faces, kept.faces)
    np.testing.assert_allclose(made.vertices, kept.vertices, atol=1e-4)
    np.testing.assert_allclose(made.targets["shape0"], kept.targets["shape0"], atol=1e-3)


def test_a_page_of_toml_is_a_new_garment(tmp_path: Path) -> None:
    """The point of the cutter: a merchandiser writes a page, and wears it."""
    folder = tmp_path / "vneck"
    folder.mkdir()
    text = (PACKAGED / "garments" / "tank_top" / "garment.toml").read_text().split("[cut]")[0]
    (folder / "garment.toml").write_text(
        text.replace('name = "tank_top"', 'name = "vneck"')
        + '[cut]\nstrap = 13\nhem = -8\nneckline = { shape = "v", width = 16, front = 16, back = 2 }\n'
    )
    assert main(["garment", "cut", str(folder)]) == 0
    cut, tank = load_garment(folder), load_garment("tank_top")
    low, high = cut.vertices[:, 1].min(), tank.vertices[:, 1].min()
    assert low == pytest.approx(high + 0.11, abs=0.01)  # hem 8 cm above the hip instead of 3 below
    collar = [g.vertices[g.anchors["collar"]][1] for g in (cut, tank)]
    assert collar[0] < collar[1] - 0.02


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ("slevee = 3", "unknown field `slevee`"),
        ("hem = 400", "hem"),
        ('neckline = { shape = "heart" }', "heart"),
        ("ease = { chest = 'wide' }", "chest"),
    ],
)
def test_wrong_cut_is_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], table: str, line: str
) -> None:
    """A mistyped page must be answered with its name and the key, and exit 1."""
    folder = tmp_path / "odd"
    folder.mkdir()
    text = (PACKAGED / "garments" / "skirt" / "garment.toml").read_text().split("[cut]")[0]
    (folder / "garment.toml").write_text(f"{text}[cut]\n{table}\n")
    assert main(["garment", "cut", str(folder)]) == 1
    error = capsys.readouterr().err
    assert line in error
    assert str(folder) in error
    with pytest.raises(MirrorError):
        cutter.cut(folder)


def test_blocks_share_the_bodys_shape_space() -> None:
    """Blocks of another bake would dress everybody in someone else's shape."""
    assert len(blocks.load().basis) == BodyModel.load().components


@pytest.mark.parametrize(
    "name", ["tshirt", "long_sleeve", "tank_top", "dress", "skirt", "trousers", "shorts"]
)
def test_stripes_meet_at_the_side_seams_of_what_is_shipped(name: str) -> None:
    """A check that jumps at the side seam is the mark of a cheap garment."""
    garment = load_garment(name)
    low = garment.vertices[:, 1] < 1.2  # below the armholes
    _, point, copies = np.unique(garment.vertices.round(5), axis=0, return_inverse=True, return_counts=True)
    point = point.ravel()
    seam = np.flatnonzero(low & (copies[point] > 1))
    order = seam[np.argsort(point[seam], kind="stable")]
    same = point[order[1:]] == point[order[:-1]]
    a, b = order[:-1][same], order[1:][same]
    assert len(a) > 20
    heights = garment.vertices[a, 1]
    assert np.ptp(heights) > 0.6 * np.ptp(garment.vertices[low, 1]), "the seams are not all there"
    assert np.abs(garment.uv[a, 1] - garment.uv[b, 1]).max() < 0.001


@pytest.mark.parametrize("name", ["tshirt", "long_sleeve", "trousers", "shorts"])
def test_left_and_right_panels_are_mirror_images(name: str) -> None:
    """Checks on the two sleeves or legs would sit at other heights, or off by some of a repeat."""
    page = read_page(PACKAGED / "garments" / name, "garments", GarmentPage)
    made = cutter.make_pattern(kind_of(page.kind), cut_page.parse(page.cut, "page"), BodyModel.load())
    points = made.place.points[made.old]
    piece = panels.pieces(made.cloth)
    count = int(piece.max()) + 1
    middle = np.array([points[piece == p].mean(0) for p in range(count)])
    pairs = [
        (left, right)
        for left in range(count)
        for right in range(count)
        if middle[left, 0] > 0.05 and np.linalg.norm(middle[left] * (-1, 1, 1) - middle[right]) < 0.02
    ]
    assert len(pairs) == (2 if kind_of(page.kind).legged else 1)
    for left, right in pairs:
        tree = cKDTree(points[piece == right])
        distance, near = tree.query(points[piece == left] * (-1, 1, 1))
        exact = distance < 0.0005
        assert exact.sum() > 30
        there, here = made.uv[piece == right][near[exact]], made.uv[piece == left][exact]
        assert np.percentile(np.abs(here * (-1, 1) - there), 95) < 0.006
