"""Thinned-out garments look like the whole ones."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from render.garments.simplify import simplified
from tests.render.mannequins import tube


def test_the_surface_stays_and_is_whole() -> None:
    """A hole, a fold or a dent would show in every frame."""
    mesh = tube(0.15, 0.4, 1.4, around=100, rows=100)
    small, place = simplified(mesh, 0.001, 0.06)
    assert len(small.faces) < 0.5 * len(mesh.faces)
    assert np.array_equal(small.positions[place[place >= 0]], mesh.positions[place >= 0])
    samples = small.positions[small.faces].reshape(-1, 3, 3)
    inner = np.concatenate([samples.mean(axis=1), (samples[:, 0] + samples[:, 1]) / 2])
    assert np.abs(np.hypot(inner[:, 0], inner[:, 2]) - 0.15).max() < 0.002
    corners = small.positions[small.faces].astype(float)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert np.linalg.norm(normals, axis=1).sum() / 2 > 0.99 * 2 * np.pi * 0.15  # no hole
    outward = corners.mean(axis=1) * (1, 0, 1)
    assert (np.einsum("ij,ij->i", normals, outward) > 0).all()  # no fold
    edges = np.sort(
        np.concatenate([small.faces[:, [0, 1]], small.faces[:, [1, 2]], small.faces[:, [2, 0]]]), axis=1
    )
    assert np.unique(edges, axis=0, return_counts=True)[1].max() == 2
    lengths = np.linalg.norm(small.positions[edges[:, 0]] - small.positions[edges[:, 1]], axis=1)
    assert lengths.max() <= 0.06


def test_edges_seams_and_anchors_stay() -> None:
    """A frayed hem, a torn texture, an anchor of the report that jumps."""
    mesh = tube(0.15, 0.4, 1.4, around=60, rows=60)
    anchor = len(mesh.positions) // 2 + 7
    small, place = simplified(mesh, 0.002, 0.06, keep=[anchor])
    assert np.array_equal(small.positions[place[anchor]], mesh.positions[anchor])
    y = mesh.positions[:, 1]
    rim = (y < 0.4001) | (y > 1.3999)
    seam = cKDTree(mesh.positions).query(mesh.positions, k=2)[0][:, 1] < 1e-6
    assert (place[rim | seam] >= 0).all()
    assert small.shape_basis.shape == (1, len(small.positions), 3)
    assert small.texcoords is not None
    assert mesh.texcoords is not None
    assert np.array_equal(small.texcoords[place[anchor]], mesh.texcoords[anchor])
