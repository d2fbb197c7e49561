"""The cutter's blocks: the body model's tights and skirt geometry, and surfaces to cut from them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from safetensors import safe_open
from scipy.spatial import cKDTree

from inference.body.model import BONES
from mirror.types import F64, I64
from render.garments.kinds import Block
from workshop.tailor.cut_surface import CutSurface, boundary_edges, clipped, subdivided, surface

_FILE = Path(__file__).resolve().parent / "data" / "blocks.safetensors"
# Height (mean body, metres) at which a dress goes over from the tights block to the skirt's.
_JOIN_M = 0.965


@dataclass(frozen=True)
class Blocks:
    """Both blocks as one set of B vertices (tights first), on the mean body in the rest pose.

    ``vertices`` (B, 3) metres, ``basis`` (K, B, 3), ``weights`` (B, J) dense skinning weights,
    ``tights`` and ``skirt``: quads (Q, 4) into them.
    """

    vertices: F64
    basis: F64
    weights: F64
    tights: I64
    skirt: I64


@lru_cache(maxsize=1)
def load() -> Blocks:
    """The blocks that were baked with the body model."""
    with safe_open(_FILE, framework="numpy") as file:
        if tuple(json.loads(file.metadata()["facts"])["bones"]) != BONES:
            raise ValueError(f"{_FILE} was baked for other bones")
        a: dict[str, Any] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    weights = []
    for block in ("tights", "skirt"):
        dense = np.zeros((len(a[f"{block}.vertices"]), len(BONES)))
        np.add.at(
            dense, (np.arange(len(dense))[:, None], a[f"{block}.skin_indices"]), a[f"{block}.skin_weights"]
        )
        weights.append(dense)
    return Blocks(
        vertices=np.concatenate([a["tights.vertices"], a["skirt.vertices"]]).astype(np.float64),
        basis=np.concatenate([a["tights.shape_basis"], a["skirt.shape_basis"]], axis=1).astype(np.float64),
        weights=np.concatenate(weights),
        tights=a["tights.quads"].astype(np.int64),
        skirt=a["skirt.quads"].astype(np.int64) + len(a["tights.vertices"]),
    )


def base_surface(which: Block) -> CutSurface:
    """The surface a garment is cut from: ``tights``, ``skirt`` or ``dress`` (one joined to the other)."""
    blocks = load()
    count = len(blocks.vertices)
    if which == "dress":
        return _dress(blocks)
    quads = {"tights": blocks.tights, "skirt": blocks.skirt}[which]
    used, index = np.unique(quads, return_inverse=True)
    rows, fine = subdivided(index.reshape(-1, 4), len(used))
    pick = sp.csr_matrix((np.ones(len(used)), (np.arange(len(used)), used)), (len(used), count))
    return surface(rows @ pick, fine)


def _loop(faces: I64, points: F64, height: float) -> I64:
    """The open edge's vertices at a height, in order around the body."""
    edges = boundary_edges(faces)
    edges = edges[np.abs(points[edges, 1] - height).max(1) < 1e-6]
    following = dict(edges.tolist())
    loop = [int(edges[0, 0])]
    while (nxt := int(following[loop[-1]])) != loop[0]:
        loop.append(nxt)
    return np.array(loop)


def _dress(blocks: Blocks) -> CutSurface:
    """The tights block's upper body, lofted on downwards along the skirt block."""
    torso = base_surface("tights")
    points = torso.at(blocks.vertices)
    # Clean edges first: legs away, at one height, along an exact line.
    torso = clipped(torso, points[:, 1] - _JOIN_M, 1)
    points = torso.at(blocks.vertices)
    loop = _loop(torso.faces, points, _JOIN_M)
    skirt = base_surface("skirt")
    skirt_points = skirt.at(blocks.vertices)
    bottom = float(skirt_points[:, 1].min()) + 0.01
    heights = np.linspace(_JOIN_M, bottom, round((_JOIN_M - bottom) / 0.025) + 1)[1:]
    centre = np.array([0.0, 0.03])
    turn = np.arctan2(points[loop, 0], points[loop, 2] - centre[1])
    place = np.arctan2(skirt_points[:, 0], skirt_points[:, 2] - centre[1])
    here = np.stack([skirt_points[:, 1], 0.15 * np.cos(place), 0.15 * np.sin(place)], axis=1)
    tree = cKDTree(here)
    rings = []
    for height in heights:
        spots = np.stack([np.full(len(loop), height), 0.15 * np.cos(turn), 0.15 * np.sin(turn)], axis=1)
        distance, index = tree.query(spots, k=6)
        weight = np.exp(-((distance / (distance[:, :1] + 0.01)) ** 2))
        weight /= weight.sum(1, keepdims=True)
        mix = sp.csr_matrix(
            (weight.ravel(), (np.repeat(np.arange(len(loop)), 6), index.ravel())),
            (len(loop), len(skirt_points)),
        )
        rings.append(mix @ skirt.rows)
    rows = sp.vstack([torso.rows, *rings]).tocsr()
    start = torso.rows.shape[0]
    faces = [torso.faces]
    upper = loop
    for k in range(len(heights)):
        lower = start + k * len(loop) + np.arange(len(loop))
        a, b = upper, np.roll(upper, -1)
        c, d = lower, np.roll(lower, -1)
        # The open edge runs with the torso on its left: the skirt lies on its right.
        faces += [np.stack([b, a, c], 1), np.stack([b, c, d], 1)]
        upper = lower
    return CutSurface(rows, np.concatenate(faces), np.zeros(rows.shape[0], np.int64))
