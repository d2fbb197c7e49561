from __future__ import annotations

import numpy as np
import pytest

from tests.workshop.tailor.alike.conftest import HEIGHT, RADIUS, Tube
from workshop.tailor.alike.raster import rasterise
from workshop.tailor.alike.surface import SEAM_REACH_M, PanelSurface

pytestmark = pytest.mark.slow


def _cloth(tube: Tube) -> PanelSurface:
    return PanelSurface.of(tube.vertices, tube.faces, tube.uv)


def test_a_tube_bends_around_and_not_along() -> None:
    """Curvature is what tells a sleeve from a skirt: 1/r around a tube, none along it."""
    tube = Tube()
    cloth = _cloth(tube)
    bends = cloth.curvatures(tube.vertices, cloth.normals(tube.vertices))
    assert bends[:, 0] == pytest.approx(1 / RADIUS, rel=0.02)
    assert bends[:, 1] == pytest.approx(0, abs=0.02 / RADIUS)
    inside = PanelSurface.of(tube.vertices, tube.faces[:, ::-1], tube.uv)
    turned = inside.curvatures(tube.vertices, inside.normals(tube.vertices))
    assert turned[:, 1] == pytest.approx(-1 / RADIUS, rel=0.02)


def test_a_saddle_bends_both_ways() -> None:
    """Armholes and crotches are saddles; a sign lost would make them look like bulges."""
    x, z = np.meshgrid(np.linspace(-0.1, 0.1, 21), np.linspace(-0.1, 0.1, 21))
    points = np.stack([x, 1.5 * (z**2 - x**2), z], -1).reshape(-1, 3).astype(np.float32)
    a = (np.arange(20)[:, None] * 21 + np.arange(20)).ravel()
    faces = np.concatenate([np.stack([a, a + 21, a + 22], 1), np.stack([a, a + 22, a + 1], 1)])
    cloth = PanelSurface.of(points, faces, points[:, [0, 2]])
    bends = cloth.curvatures(points, cloth.normals(points))[220]
    # y = 1.5 (z^2 - x^2) bulges upwards along x: 2 * 1.5 there, the opposite along z.
    assert bends == pytest.approx([3, -3], abs=0.15)


def test_seams_and_panels() -> None:
    """A tube of one panel is sewn along one line, of three along three; its hems are no seams."""
    one, three = _cloth(Tube()), _cloth(Tube(cuts=3))
    assert one.panels == 1
    assert len(one.seam_edges) == 2 * 24
    assert three.panels == 3
    assert len(three.seam_edges) == 3 * 2 * 24
    assert set(np.unique(three.panel)) == {0, 1, 2}


def test_the_largest_panel_is_the_first() -> None:
    """Numbers of panels must not depend on the order of a file's vertices."""
    tube = Tube(cuts=2)
    uv = tube.uv.copy()
    uv[len(uv) // 2 :] *= 1.2
    assert PanelSurface.of(tube.vertices, tube.faces, uv).panel[-1] == 0


def test_seam_distance_runs_along_the_cloth() -> None:
    """Opposite the seam a tube's cloth is half its girth away from it, though 2 r as the crow flies."""
    tube = Tube()
    cloth = _cloth(tube)
    u = np.linspace(0, 2 * np.pi * RADIUS, 41)
    found = cloth.seam_distance(np.stack([u, np.full(41, HEIGHT / 3)], 1), np.zeros(41, int))
    assert found == pytest.approx(np.minimum(np.minimum(u, 2 * np.pi * RADIUS - u), SEAM_REACH_M), abs=0.002)


def test_seams_of_other_panels_do_not_count() -> None:
    """Panels lie over each other in metres of cloth; each one's seams are its own."""
    tube = Tube(cuts=2)
    uv = tube.uv.copy()
    uv[len(uv) // 2 :, 0] += 0.3
    cloth = PanelSurface.of(tube.vertices, tube.faces, uv)
    middle = np.pi * RADIUS / 2
    found = cloth.seam_distance(np.array([[middle, 0.4]]), cloth.panel[:1])
    assert found[0] == pytest.approx(middle, abs=0.002)


def test_cloth_without_seams() -> None:
    """A flat scarf has no seam: everywhere as far from one as can be told."""
    points = np.array([[0, 1, 0], [0.3, 1, 0], [0, 1.3, 0]], np.float32)
    cloth = PanelSurface.of(points, np.array([[0, 1, 2]]), points[:, :2])
    assert cloth.seam_distance(points[:, :2], cloth.panel) == pytest.approx(SEAM_REACH_M)


def test_triangles_leave_no_holes_and_the_nearest_wins() -> None:
    """A hole between two triangles would be a hole in the cloth; the back must not show in front."""
    corners = np.array([[0, 0], [8, 0], [8, 8], [0, 8]], float)
    faces = np.array([[0, 1, 2], [2, 0, 3]])  # one each way round
    assert rasterise(corners, faces, (8, 8)).covered.all()
    stacked = np.concatenate([corners, corners])
    depth = np.repeat([5.0, 2.0], 4)
    found = rasterise(stacked, np.concatenate([faces, faces + 4]), (8, 8), depth)
    assert set(np.unique(found.face)) == {2, 3}
    x = found.of_vertices(stacked, np.concatenate([faces, faces + 4]))
    assert x.reshape(8, 8, 2)[3, 5] == pytest.approx([5.5, 3.5], abs=1e-4)


def test_outside_the_picture_and_collapsed() -> None:
    """Cloth that reaches past the picture's edge is cut there; a triangle of no area draws nothing."""
    corners = np.array([[-20, -20], [40, -20], [-20, 40], [3, 3]], float)
    found = rasterise(corners, np.array([[0, 1, 2], [3, 3, 3]]), (6, 9))
    assert found.face.shape == (6, 9)
    assert (found.face == 0).all()
