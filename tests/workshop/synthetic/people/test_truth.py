from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from mirror.errors import MirrorError
from tests.workshop.evaluate.fit.clips import short_scenes
from workshop.synthetic.people import bodies, mannequins
from workshop.synthetic.people.scenes import all_scenes
from workshop.synthetic.people.truth import BOTTOM_SHOWN, IDEAL, TOP_SHOWN, TOP_WHOLE, TrueClip, clip_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folded() -> TrueClip:
    return clip_of(short_scenes()[1])


def test_truth_is_drawn_once(folded: TrueClip) -> None:
    """Every run would cost minutes, or measure another truth."""
    said: list[str] = []
    again = clip_of(folded.scene, said.append)
    assert said == []
    assert again.folder == folded.folder
    assert len(again) == 42


def test_what_lies_before_the_garment_hides_it(folded: TrueClip) -> None:
    """Cloth over the folded arms would be called right."""
    truth = folded.truth(41)
    labels, in_top, bits = (truth[..., i] for i in range(3))
    shown, whole = (bits & TOP_SHOWN) > 0, (bits & TOP_WHOLE) > 0
    assert not (shown & ~whole).any()
    arms = np.isin(in_top, (mannequins.HAND, mannequins.SKIN)) & whole & ~shown
    assert np.count_nonzero(arms) > 500
    depth = folded.depth(41)
    assert np.median(depth[arms]) < np.median(depth[(labels == mannequins.TOP) & ~arms]) + 0.02
    assert np.isinf(depth[labels == mannequins.ROOM]).mean() > 0.99
    assert np.isfinite(depth[labels == mannequins.FACE]).all()
    assert np.count_nonzero(labels == mannequins.FACE) > 200
    assert not ((bits & BOTTOM_SHOWN) > 0)[(bits & IDEAL) == 0].any()


def test_named_points_lie_on_the_true_garment(folded: TrueClip) -> None:
    """Trembling and trailing would be measured against another place."""
    for index in (0, 41):
        whole = (folded.truth(index)[..., 2] & TOP_WHOLE).astype(np.uint8)
        away = cv2.distanceTransform(1 - whole // TOP_WHOLE, cv2.DIST_L2, 5)
        for name, points in folded.anchors.items():
            column, row = np.rint(points[index]).astype(int)
            assert away[row, column] < 6, name


def test_scenes_are_as_varied_as_promised() -> None:
    """A proof on one body, one camera or one motion proves little."""
    scenes = all_scenes()
    motions = {s.actors[0].motion for s in scenes}
    assert {"crossed", "hips", "face", "overhead", "turn", "walk", "sit", "lean"} <= motions
    assert {"passed_before", "passed_behind", "still"} <= motions
    heights, fields = [s.camera_height_m for s in scenes], [s.field_of_view_deg for s in scenes]
    assert (min(heights), max(heights)) == (0.8, 2.0)
    assert (min(fields), max(fields)) == (45, 90)
    assert len({s.actors[0].body for s in scenes}) >= 10
    assert len({s.name for s in scenes}) == len({s.key for s in scenes}) == len(scenes)


def test_missing_people_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout without the file would end in a traceback."""
    damaged = tmp_path / "people.safetensors"
    damaged.write_bytes(b"no tensors")
    bodies.load_people.cache_clear()
    for path in (damaged, tmp_path / "none"):
        monkeypatch.setattr(bodies, "_PEOPLE", path)
        with pytest.raises(MirrorError, match="missing or damaged"):
            bodies.load_people()
    monkeypatch.undo()
    assert len(bodies.load_people()) == 12
