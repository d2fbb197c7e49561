"""Cloth shows its fabric in the room's light, in true scale."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from OpenGL import GL

from render.garments.textures import FabricTextures
from render.garments.worn_garment import OPEN
from tests.render.gpu.shots import LENS, H, Make, W, shot
from tests.render.mannequins import WHITE_LIGHT, cloth, facing_camera, tube

pytestmark = pytest.mark.slow


def test_white_light_shows_the_fabric_as_it_is(make: Make) -> None:
    """A wrong colour space would sell the wrong colour."""
    pixels = shot(make([cloth(tube(0.2, 0.6, 1.4), colour=(200, 120, 40))]), light=WHITE_LIGHT * 0.8)
    expected = _srgb(0.8 * _linear(np.array([40, 120, 200]) / 255)) * 255  # BGR
    assert pixels[H // 2, W // 2, :3] == pytest.approx(expected, abs=4)
    assert pixels[H // 2, W // 2, 3] == 1


def test_light_comes_from_its_side(make: Make) -> None:
    """Light from the wrong side gives the mirror away at once."""
    light = WHITE_LIGHT * 0.4
    light[3] = (0.0, 0.0, 0.5)  # blue from the right of the picture
    row = shot(make([cloth(tube(0.2, 0.6, 1.4))]), light=light)[H // 2].astype(int)
    columns = np.flatnonzero(row[:, 3])
    left, right = row[columns[3], 0], row[columns[-4], 0]
    assert right > left + 60
    assert abs(row[columns[3], 2] - row[columns[-4], 2]) <= 2


def test_light_from_above_needs_the_upright_axis(make: Make) -> None:
    """Camera space has y downwards: light from the ceiling must fall on what faces up."""
    mesh = tube(0.2, 0.6, 1.4)
    up = replace(mesh, normals=np.tile(np.array([0, 1, 0], np.float32), (len(mesh.positions), 1)))
    down = replace(mesh, normals=np.tile(np.array([0, -1, 0], np.float32), (len(mesh.positions), 1)))
    light = WHITE_LIGHT * 0.4
    light[1] = -0.5
    bright, dark = (int(shot(make([cloth(m)]), light=light)[H // 2, W // 2, 0]) for m in (up, down))
    assert bright > dark + 60


def test_relief_tilts_the_light(make: Make) -> None:
    """A weave lit from the wrong side looks embossed inside out."""
    mesh = tube(0.2, 0.6, 1.4)
    light = WHITE_LIGHT * 0.4
    light[3] = 0.4  # from the right of the picture, which is +u of the tube's front
    relief = np.zeros((8, 8, 3), np.uint8)
    values = []
    for x in (128 - 40, 128 + 40):
        relief[:] = (x, 128, 250)
        relief[::2] = (x + 12, 128, 250)  # some contrast, else it counts as smooth
        relief[1::2] = (x - 12, 128, 250)
        values.append(
            int(shot(make([cloth(mesh, relief=relief, repeat_m=(2.0, 2.0))]), light=light)[H // 2, W // 2, 0])
        )
    smooth = int(shot(make([cloth(mesh)]), light=light)[H // 2, W // 2, 0])
    assert values[0] < smooth - 5 < smooth + 5 < values[1]


def test_relief_points_up_the_picture(make: Make) -> None:
    """The green channel of a normal map means up: mixing it up turns ridges into grooves."""
    mesh = tube(0.2, 0.6, 1.4)
    light = WHITE_LIGHT * 0.4
    light[1] = -0.4  # from above
    relief = np.zeros((8, 8, 3), np.uint8)
    relief[:] = (128, 168, 250)
    relief[::2, :, 1] += 12
    relief[1::2, :, 1] -= 12
    tilted = int(
        shot(make([cloth(mesh, relief=relief, repeat_m=(2.0, 2.0))]), light=light)[H // 2, W // 2, 0]
    )
    smooth = int(shot(make([cloth(mesh)]), light=light)[H // 2, W // 2, 0])
    assert tilted > smooth + 5


def test_folds_catch_the_light_and_hold_it_off(make: Make) -> None:
    """A garment's own relief is what makes it cloth: lit from above, its upper slopes must be brighter."""
    plain = tube(0.2, 0.6, 1.4)
    mesh = replace(plain, detail_uv=np.full((len(plain.positions), 2), 0.5, np.float32))
    light = WHITE_LIGHT * 0.4
    light[1] = -0.2  # from above

    def middle(detail: tuple[int, int, int] | None) -> int:
        picture = None if detail is None else np.full((4, 4, 3), detail, np.uint8)
        return int(shot(make([cloth(mesh, detail=picture)]), light=light)[H // 2, W // 2, 0])

    level = middle(None)
    assert middle((128, 128, OPEN)) == level
    assert middle((128, 88, OPEN)) < level - 5 < level + 5 < middle((128, 168, OPEN))
    assert middle((128, 128, OPEN // 2)) == pytest.approx(level / 2, abs=2)


def test_fabric_repeats_at_true_scale(make: Make) -> None:
    """A repeat at the wrong scale turns a pinstripe into an awning."""
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:32] = 255
    garment = replace(cloth(tube(0.2, 0.6, 1.4)), albedo=stripes, repeat_m=(0.1, 0.1))
    column = shot(make([garment]))[:, W // 2]
    bright = column[column[:, 3] > 0, 0].astype(int) > 128
    edges = np.flatnonzero(np.diff(bright.astype(int)))
    surface = 2.0 - 0.2  # distance of the tube's front
    assert np.diff(edges).mean() == pytest.approx(0.05 * LENS[0] / surface, rel=0.06)


def test_the_inside_is_darker(make: Make) -> None:
    """The far inside of a collar as bright as its outside looks like a sticker on the neck."""
    tilt = facing_camera()
    c, s = np.cos(0.5), np.sin(0.5)  # look into the tube from above
    look = np.array([[1, 0, 0], [0, c, -s], [0, s, c]], np.float32)
    tilt[:, :, :3] = look @ tilt[:, :, :3]
    tilt[:, :, 3] = tilt[:, :, 3] @ look.T
    tilt[:, :, 3] += np.array([0, 0, 2.0]) - (tilt[0, :, :3] @ [0, 1, 0] + tilt[0, :, 3])
    pixels = shot(make([cloth(tube(0.2, 0.8, 1.2))]), tilt)
    column = pixels[:, W // 2]
    column = column[column[:, 3] > 0, 0].astype(int)
    assert column[2] < 0.7 * column[-3]  # the top of the picture shows the inside


def _linear(srgb: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def _srgb(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


def test_a_fabric_fades_into_another(make: Make) -> None:
    """Halfway both show at their own scales; at the end nothing of the old one, and its memory is free."""
    mesh = tube(0.2, 0.6, 1.4)
    rng = np.random.default_rng(0)
    pictures = [rng.integers(40, 215, (16, 16, 3), np.uint8) for _ in range(4)]
    old = replace(cloth(mesh, repeat_m=(0.5, 0.5)), albedo=pictures[0], relief=pictures[1])
    new = replace(cloth(mesh, repeat_m=(0.2, 0.3)), albedo=pictures[2], relief=pictures[3])
    plain = replace(new, relief=None)
    light = WHITE_LIGHT * 0.4
    light[3] = 0.3
    for target in (new, plain):
        before, after = (shot(make([worn]), light=light).astype(int) for worn in (old, target))
        renderer = make([old])
        renderer.warm_up()
        renderer.load_fabric(FabricTextures.of(target.albedo, target.relief, target.repeat_m))
        assert np.array_equal(shot(renderer, light=light), before), "it shows before it is faded in"
        renderer.fade(0.5)
        half = shot(renderer, light=light).astype(int)
        assert np.array_equal(half[..., 3], before[..., 3])
        for end in (before, after):
            assert np.abs(half - end)[half[..., 3] > 0].mean() > 5
        assert np.abs(half - (before + after) / 2)[half[..., 3] > 0].mean() < 3
        used = renderer._cloth.garments[0].fabric.albedo._id
        renderer.fade(1.0)
        assert np.array_equal(shot(renderer, light=light), after)
        assert not GL.glIsTexture(used)
        with pytest.raises(ValueError, match="no fabric"):
            renderer.fade(0.5)
