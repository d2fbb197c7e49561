"""What is worn: garments and fabrics from the wardrobe, as the renderer draws them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mirror.config import WardrobeConfig
from mirror.errors import MirrorError
from render.garments.fabric import Fabric, list_fabrics, load_fabric
from render.garments.garment import Garment, list_garments, load_garment
from render.garments.kinds import clash
from render.garments.mesh import SkinnedMesh
from render.garments.simplify import LONGEST_M, TOLERANCE_M, simplified
from render.garments.worn_garment import WornGarment

__all__ = ["OutfitRack", "check_outfit", "cloth_of"]

# Heavier garments, not of our cutter, are thinned out when they are loaded.
_MANY_FACES = 6000


def cloth_of(garment: Garment, fabric: Fabric, size: str) -> WornGarment:
    """A garment in a fabric and a size, ready to draw. MirrorError if it isn't made in that size."""
    mesh = SkinnedMesh(
        positions=garment.vertices,
        normals=garment.normals,
        faces=garment.faces,
        joints=garment.joints,
        weights=garment.weights,
        shape_basis=garment.shape_targets,
        size_step=garment.size_target,
        # The garment's v runs up the grain, a picture's rows run down.
        texcoords=garment.uv * np.array([1, -1], np.float32),
        tangents=garment.tangents * np.array([1, 1, 1, -1], np.float32),
        detail_uv=garment.detail_uv,
    )
    anchors = dict(garment.anchors)
    if len(mesh.faces) > _MANY_FACES:
        mesh, place = simplified(mesh, TOLERANCE_M, LONGEST_M, keep=anchors.values())
        anchors = {name: int(place[vertex]) for name, vertex in anchors.items()}
    return WornGarment(
        name=garment.name,
        mesh=mesh,
        albedo=fabric.albedo,
        relief=fabric.normal,
        repeat_m=fabric.repeat_m,
        layer=garment.layer,
        trimmed=garment.kind.trimmed,
        size_steps=garment.size_steps(size),
        anchors=anchors,
        detail=garment.detail,
    )


class OutfitRack:
    """The outfits and fabrics that the mirror can show, and which of them it is to show.

    Outfits: the configured one first, then each garment alone, which takes the place of the
    configured garments that it would clash with. ``loaded`` and ``fabric_named`` may be called
    in any thread.
    """

    def __init__(self, config: WardrobeConfig) -> None:
        self._config = config
        self._first = tuple(config.garments)
        self._outfits = [self._first, *self._others()]
        self._at = 0
        self._chosen: tuple[str, ...] | None = None  # garments that stand in no row
        self._bolts = [str(page["name"]) for page in list_fabrics(config.folders)]
        self._bolt = config.fabric

    @property
    def names(self) -> tuple[str, ...]:
        """Garments of the present outfit, as configured."""
        return self._outfits[self._at] if self._chosen is None else self._chosen

    def turn(self, steps: int) -> None:
        """Go to another outfit, around the rack."""
        self._at = (self._at + steps) % len(self._outfits)
        self._chosen = None

    def choose(self, names: Sequence[str]) -> None:
        """Go to these garments, whether or not they stand on the rack together."""
        self._chosen = tuple(names)

    def turn_fabric(self, steps: int) -> str:
        """The name of the fabric so many places on from the one last turned to or chosen."""
        at = self._bolts.index(self._bolt) + steps if self._bolt in self._bolts else min(steps, 0)
        self._bolt = self._bolts[at % len(self._bolts)] if self._bolts else ""
        return self._bolt

    def choose_fabric(self, name: str) -> None:
        """Turn on from this fabric."""
        self._bolt = name

    def fabric_named(self, name: str) -> Fabric:
        """A fabric by name or folder. MirrorError names what is missing or broken."""
        return load_fabric(name, self._config.folders)

    def loaded(self, names: Sequence[str], fabric: Fabric | None = None) -> list[WornGarment]:
        """Garments of one fabric, by default the configured one or their own, in the configured size.

        MirrorError names what is missing or broken.
        """
        return [self._load(name, fabric) for name in names]

    def _load(self, name: str, fabric: Fabric | None) -> WornGarment:
        garment = load_garment(name, self._config.folders)
        if fabric is None:
            fabric = self.fabric_named(self._config.fabric or garment.default_fabric)
        return cloth_of(garment, fabric, self._config.size)

    def _others(self) -> list[tuple[str, ...]]:
        rack = {str(page["name"]): str(page["slot"]) for page in list_garments(self._config.folders)}
        worn = [(name, rack.get(name, "")) for name in self._first]
        outfits = []
        for name, slot in rack.items():
            if (name,) == self._first:
                continue
            kept = [other for other, place in worn if place and not clash(place, slot)]
            outfits.append((name, *kept))
        return outfits


def check_outfit(cloths: Sequence[WornGarment], components: int) -> None:
    """Raise MirrorError unless every garment follows as many shape coefficients as the body has."""
    for cloth in cloths:
        if len(cloth.mesh.shape_basis) != components:
            raise MirrorError(
                f"garment {cloth.name} has {len(cloth.mesh.shape_basis)} shape targets, "
                f"the body model {components}: cut it again for this body"
            )
