"""The renderer puts cloth where the body is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from OpenGL import GL

from inference.body.model import BONES
from inference.body.skinning import dense_weights, skin_points
from render.compose.compositing import composite
from render.garments.mesh import coarsened, near_openings
from render.gpu import gl
from render.gpu.id_buffer import BEFORE_FACE, BODY
from render.gpu.renderer import GarmentRenderer
from render.gpu.view import project
from tests.render.gpu.shots import LENS, SHAPE, H, Make, W, shot, whole
from tests.render.mannequins import WHITE_LIGHT, cloth, facing_camera, tube

pytestmark = pytest.mark.slow


def bent() -> NDArray[np.float32]:
    """The upper half turned by 40 degrees to the wearer's left about the middle."""
    skin = facing_camera()
    c, s = np.cos(0.7), np.sin(0.7)
    turn = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]], np.float32)
    pivot = np.array([0, 1, 0], np.float32)
    skin[1, :, :3] = skin[1, :, :3] @ turn
    skin[1, :, 3] += facing_camera()[1, :, :3] @ (pivot - turn @ pivot)
    return skin


def test_skinning_follows_the_bones(make: Make) -> None:
    """A garment that isn't carried by the bones would stay behind when the wearer leans."""
    mesh = tube(0.2, 0.6, 1.4)
    pixels = shot(make([cloth(mesh)]), bent())
    camera = skin_points(mesh.positions, dense_weights(mesh.joints, mesh.weights, 30), bent())
    points = project(camera, LENS)
    rows, columns = np.nonzero(pixels[..., 3])
    drawn = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert drawn == pytest.approx([*points.min(axis=0), *points.max(axis=0)], abs=1.0)


@pytest.mark.parametrize("skin", [facing_camera(), bent(), facing_camera(0.6)], ids=["still", "bent", "near"])
def test_the_box_cuts_nothing_off(
    make: Make, monkeypatch: pytest.MonkeyPatch, skin: NDArray[np.float32]
) -> None:
    """A box that is too small shows as a straight cut through a sleeve."""
    renderer = make([cloth(tube(0.2, 0.6, 1.4))])
    boxed = shot(renderer, skin)
    bounds = renderer._bounds
    monkeypatch.setattr(renderer, "_bounds", lambda: replace(bounds(), box=(0, 0, W, H)))
    assert np.array_equal(boxed, shot(renderer, skin))
    assert boxed[..., 3].any()


def test_nothing_is_left_of_the_last_frame(make: Make) -> None:
    """Pixels of an earlier frame would trail behind a moving wearer."""
    renderer = make([cloth(tube(0.2, 0.6, 1.4))])
    away = facing_camera()
    away[:, 0, 3] += 0.3
    first = shot(renderer)
    shot(renderer, away)
    assert np.array_equal(first, shot(renderer))


def test_out_of_view_draws_nothing(make: Make) -> None:
    """A wearer who has left must not cost a frame, nor leave cloth at the edge."""
    away = facing_camera()
    away[:, 0, 3] += 10.0
    assert make([cloth(tube(0.2, 0.6, 1.4))]).draw(away, LENS, SHAPE, WHITE_LIGHT) is None


def test_the_inside_is_drawn_where_one_can_look_in(make: Make) -> None:
    """A neckline without the back of its collar shows the old shirt in its place."""
    mesh = tube(0.2, 0.2, 1.8, rows=80)
    near = near_openings(mesh.positions, mesh.faces, 0.12)
    height = mesh.positions[mesh.faces].mean(axis=1)[:, 1]
    assert near[(height > 1.7) | (height < 0.3)].all()
    assert not near[(height < 1.6) & (height > 0.4)].any()
    closed = tube(0.2, 0.2, 1.8, closed=True)
    assert not near_openings(closed.positions, closed.faces, 0.12).any()


def test_a_limb_before_the_garment_hides_it(make: Make) -> None:
    """A forearm across the chest must stay before the shirt."""
    arm = tube(0.05, 0.9, 1.1, closed=True)
    body = replace(arm, positions=arm.positions + np.array([0, 0, 0.4], np.float32))
    tags = shot(make([cloth(tube(0.2, 0.6, 1.4))], body))[..., 3]
    assert tags[H // 2, W // 2] == 0
    assert tags[H // 2 - 40, W // 2] == 1


def test_skin_does_not_poke_through(make: Make) -> None:
    """A body a little fuller than the shirt would show as holes in the cloth."""
    garment = cloth(tube(0.2, 0.6, 1.4))
    fuller = tube(0.205, 0.2, 1.6, closed=True, inward=0.02)
    holes = shot(make([garment], replace(fuller, inward=np.zeros_like(fuller.inward))))[..., 3]
    assert holes[H // 2, W // 2] == 0  # without the pull the skin does win
    assert np.array_equal(shot(make([garment], fuller))[..., 3] > 0, shot(make([garment]))[..., 3] > 0)


def test_a_sleeve_before_the_face_is_marked(make: Make) -> None:
    """Without the mark the face would cut a hole into an arm that is raised before it."""
    arm = tube(0.05, 0.6, 1.4)
    forearm = BONES.index("left_forearm")
    arm = replace(arm, joints=np.full_like(arm.joints, forearm))
    near = facing_camera()
    near[forearm, 2, 3] -= 0.5
    renderer = make([cloth(arm)])

    def tag(skin: NDArray[np.float32]) -> int:
        return int(whole(renderer.draw(skin, LENS, SHAPE, WHITE_LIGHT, face_depth=1.7))[H // 2, W // 2, 3])

    assert tag(near) == 1 + BEFORE_FACE
    assert tag(facing_camera()) == 1
    trunk = make([cloth(tube(0.05, 0.6, 1.4))])
    close = facing_camera(1.5)
    assert whole(trunk.draw(close, LENS, SHAPE, WHITE_LIGHT, face_depth=1.7))[H // 2, W // 2, 3] == 1


def test_the_outer_garment_lies_on_the_inner_one(make: Make) -> None:
    """Trousers flickering through the shirt over them."""
    inner = cloth(tube(0.203, 0.6, 1.4), layer=1, name="trousers")
    outer = cloth(tube(0.2, 0.9, 1.4), layer=2, name="shirt")
    renderer = make([outer, inner])
    assert [c.name for c in renderer.garments] == ["trousers", "shirt"]
    tags = shot(renderer)[..., 3]
    assert tags[H // 2 - 20, W // 2] == 2
    assert tags[H // 2 + 40, W // 2] == 1


def test_shape_and_size_widen_the_garment(make: Make) -> None:
    """The garment must grow with the wearer and with its size."""
    mesh = tube(0.2, 0.6, 1.4)

    def width(renderer: GarmentRenderer, shape: float) -> int:
        return int(np.count_nonzero(shot(renderer, shape=np.array([shape], np.float32))[H // 2, :, 3]))

    renderer = make([cloth(mesh)])
    assert width(renderer, 5.0) == pytest.approx(width(renderer, 0.0) * 1.25, abs=3)
    larger = make([cloth(mesh, size_steps=5.0)])
    assert width(larger, 0.0) == pytest.approx(width(renderer, 5.0), abs=1)


def test_a_settled_shape_is_not_uploaded_again(make: Make) -> None:
    """Uploading a hardly changed body in every frame would cost frames for nothing."""
    renderer = make([cloth(tube(0.2, 0.6, 1.4))])
    shot(renderer, shape=np.array([1.0], np.float32))
    before = renderer._cloth.garments[0].rest
    shot(renderer, shape=np.array([1.04], np.float32))  # 0.4 mm
    assert renderer._cloth.garments[0].rest is before
    shot(renderer, shape=np.array([1.06], np.float32))  # 0.6 mm
    assert renderer._cloth.garments[0].rest is not before


def test_anchors_lie_where_the_vertex_is_drawn(make: Make) -> None:
    """The report's anchors measure jitter and lag: they must be the drawn points."""
    mesh = tube(0.2, 0.6, 1.4)
    lowest = int(np.argmin(mesh.positions[:, 1] - mesh.positions[:, 2]))
    renderer = make([cloth(mesh, anchors={"left_hem": lowest})])
    tags = shot(renderer, bent())[..., 3]
    x, y = renderer.anchors()["left_hem"]
    rows = np.flatnonzero(tags[:, round(x)])
    assert rows.max() + 1 == pytest.approx(y, abs=1.5)


def test_frames_of_another_size(make: Make) -> None:
    """A camera may change its resolution while the mirror runs."""
    renderer = make([cloth(tube(0.2, 0.6, 1.4))])
    shot(renderer)
    renderer.resize(2 * W, 2 * H)
    drawing = renderer.draw(facing_camera(), (600.0, 600.0, W, H), SHAPE, WHITE_LIGHT)
    assert drawing is not None
    box = np.argwhere(drawing.picture[..., 3] > 0).max(axis=0) - np.argwhere(drawing.picture[..., 3] > 0).min(
        axis=0
    )
    small = np.argwhere(shot(make([cloth(tube(0.2, 0.6, 1.4))]))[..., 3] > 0)
    assert box == pytest.approx(2 * (small.max(axis=0) - small.min(axis=0)), abs=3)


@pytest.mark.parametrize("resolution", [(3, 4), (2, 3), (3, 5), (1, 2)])
def test_a_coarse_drawing_covers_the_same_frame_pixels(make: Make, resolution: tuple[int, int]) -> None:
    """The garment would shift or grow by pixels whenever the shopper comes near."""
    mesh = tube(0.2, 0.6, 1.4)
    lowest = int(np.argmin(mesh.positions[:, 1] - mesh.positions[:, 2]))
    renderer = make([cloth(mesh, anchors={"left_hem": lowest})])
    grey = np.full((H + 1, W + 3, 3), 128, np.uint8)  # of no whole number of steps

    def seen() -> tuple[NDArray[np.uint8], tuple[float, float], float]:
        drawing = renderer.draw(bent(), LENS, SHAPE, WHITE_LIGHT)
        assert drawing is not None
        blend = composite(grey.copy(), drawing)
        assert blend is not None
        return blend.mask(*grey.shape[:2]), renderer.anchors()["left_hem"], drawing.px_per_m

    renderer.resize(W + 3, H + 1)
    fine, anchor, scale = seen()
    renderer.resize(W + 3, H + 1, resolution)
    coarse, coarse_anchor, coarse_scale = seen()
    different = (fine != coarse).sum() / (fine > 0).sum()
    assert different < 0.03
    for axis in (0, 1):
        where = [np.flatnonzero((mask > 0).any(axis=axis)) for mask in (fine, coarse)]
        assert where[1][[0, -1]] == pytest.approx(where[0][[0, -1]], abs=2)
    assert coarse_anchor == pytest.approx(anchor, abs=0.01)
    assert coarse_scale == pytest.approx(scale)


def test_opengl_errors_are_explained(make: Make) -> None:
    """A driver error must stop the process with a line, not show garbage for hours."""
    renderer = make([cloth(tube(0.2, 0.6, 1.4))])
    with pytest.raises(gl.GraphicsError, match=r"drawing.*GL_INVALID"), gl.errors_as("drawing"):
        GL.glEnable(0x1234)
    assert gl.error_line(0x0507).startswith("the graphics driver lost the OpenGL context")
    renderer._cloth.garments[0].vertices.delete()
    with pytest.raises((gl.GraphicsError, ValueError)):
        shot(renderer)


def test_no_egl_device_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a driver the operator needs to know what to install."""
    monkeypatch.setattr(gl.Context, "_devices", staticmethod(list))
    with pytest.raises(gl.GraphicsError, match="install libegl1"):
        gl.Context()


def test_contexts_end_one_by_one(make: Make, gl_context: gl.Context) -> None:
    """Closing one context must not take another's with it."""
    renderer = make([cloth(tube(0.2, 0.6, 1.4))])
    before = shot(renderer)
    other = gl.Context()
    other.close()
    other.close()
    gl_context.make_current()
    assert np.array_equal(before, shot(renderer))


def test_the_bare_body_is_marked_and_the_garment_drawn_alike(gl_context: gl.Context) -> None:
    """Unmarked arms would be painted over by the room; marks in the picture would be blended as cloth."""
    body, shirt = tube(0.1, 0.5, 1.5, closed=True), cloth(tube(0.2, 0.8, 1.2))
    renderers = [GarmentRenderer(W, H, body, body_ids=marked) for marked in (False, True)]
    drawings = []
    for renderer in renderers:
        renderer.wear([shirt])
        drawings.append(renderer.draw(facing_camera(), LENS, SHAPE, WHITE_LIGHT))
    plain, marked = drawings
    assert plain is not None
    assert marked is not None
    assert plain.ids is None
    assert marked.ids is not None
    assert marked.garment_ids is not None
    tags = marked.garment_ids
    alike = whole(plain)
    marked.picture[..., 3] = tags
    assert (alike == whole(marked)).all()
    assert (marked.ids[tags > 0] == tags[tags > 0]).all()
    bare = marked.ids[tags == 0]
    assert set(np.unique(bare)) == {0, BODY}
    assert (bare == BODY).sum() > 50
    for renderer in renderers:
        renderer.delete()


def test_coarsening_keeps_what_it_is_told_to(make: Make) -> None:
    """Merging the vertices of an arm would tear the outline it cuts into the cloth."""
    mesh = tube(0.2, 0.6, 1.4)
    keep = mesh.positions[:, 1] > 1.0
    coarse = coarsened(mesh, np.where(keep, 0.0, 0.1).astype(np.float32))
    kept = {tuple(p) for p in mesh.positions[keep].tolist()}
    assert kept <= {tuple(p) for p in coarse.positions.tolist()}
    assert len(coarse.faces) < 0.7 * len(mesh.faces)
    lost = shot(make([cloth(mesh)]))[..., 3].astype(bool) ^ shot(make([cloth(coarse)]))[..., 3].astype(bool)
    assert lost.mean() < 0.02
