from __future__ import annotations

import numpy as np
import pytest

from workshop.evaluate.fit import masks
from workshop.evaluate.fit.footage import annotated_clips, score_labels


def box(x0: int, y0: int, x1: int, y1: int) -> masks.Mask:
    out = np.zeros((120, 160), bool)
    out[y0:y1, x0:x1] = True
    return out


def test_overlap() -> None:
    """The headline figure would be of something else."""
    assert masks.overlap(box(0, 0, 20, 10), box(10, 0, 30, 10)) == pytest.approx(1 / 3)
    assert masks.overlap(box(0, 0, 0, 0), box(0, 0, 0, 0)) == 1.0
    assert masks.overlap(box(0, 0, 5, 5), box(50, 50, 60, 60)) == 0.0


def test_outline_within_the_tolerance_is_found() -> None:
    """A hem two pixels off would count as lost, or one of twenty as found."""
    truth = box(40, 30, 100, 90)
    assert masks.boundary_f(truth, truth, 1.0) == 1.0
    assert masks.boundary_f(box(42, 30, 102, 90), truth, 2.5) == 1.0
    far = masks.boundary_f(box(60, 50, 120, 110), truth, 2.5)
    assert far < 0.1
    assert masks.boundary_f(box(0, 0, 0, 0), truth, 2.5) == 0.0


def test_layering_counts_both_sides_of_the_edge() -> None:
    """A garment that swallows the hand, or that the hand eats into, would go unseen."""
    whole = box(40, 20, 120, 100)
    hand = box(60, 50, 90, 70)
    shown = whole & ~hand
    right, exact, total = masks.layering(shown, shown, whole, hand, 4, 3)
    assert right == exact == total > 600
    swallowed = masks.layering(whole, shown, whole, hand, 4, 3)
    # The whole hand is wrong, the cloth around it is right: no edge of ours is near.
    assert total - swallowed[0] == total - swallowed[1] == 600
    eaten = masks.layering(shown & ~masks.grown(hand, 2), shown, whole, hand, 4, 3)
    assert eaten[0] == total
    assert 150 < total - eaten[1] < 300
    assert masks.layering(shown, whole, whole, box(0, 0, 0, 0), 4, 3) == (0, 0, 0)


def test_only_edges_out_of_place_are_forgiven() -> None:
    """A forearm lost in the chest, or a torn hole, would pass as an edge a little off."""
    whole = box(20, 20, 140, 100)
    arm = box(0, 50, 100, 62)
    shown = whole & ~arm
    total = masks.layering(shown, shown, whole, arm, 6, 4)[2]
    moved = masks.layering(whole & ~box(0, 53, 100, 65), shown, whole, arm, 6, 4)
    assert moved[0] == total
    assert moved[1] < 0.85 * total
    # Half of it is sunk in: all but what lies next to where ours ends counts.
    sunk = masks.layering(whole & ~box(0, 50, 60, 62), shown, whole, arm, 6, 4)
    assert 36 * 12 <= total - sunk[0] < 40 * 12
    hole = masks.layering(shown & ~box(100, 46, 124, 66), shown, whole, arm, 6, 4)
    assert hole[0] < total
    # All of a thin finger, narrower than the tolerance.
    finger = box(60, 50, 90, 53)
    gone = masks.layering(whole, whole & ~finger, whole, finger, 6, 4)
    assert gone[2] - gone[0] == 90


def test_worn_clothes_are_gone_when_covered_or_replaced() -> None:
    """A shirt painted over with the room would still count as showing."""
    room = np.full((120, 160, 3), 90, np.uint8)
    frame = room.copy()
    worn = box(40, 20, 80, 60)
    frame[worn] = (20, 20, 200)
    cloth = box(40, 20, 60, 60)
    shown = frame.copy()
    shown[cloth] = (200, 10, 10)
    assert masks.worn_left(worn, cloth, shown, frame, room) == (800, 1600)
    restored = np.where((worn & ~cloth)[..., None], room + 3, shown).astype(np.uint8)
    assert masks.worn_left(worn, cloth, restored, frame, room) == (0, 1600)
    nothing = np.zeros_like(worn)
    off, painted, wanted = masks.restored_error(worn, nothing, cloth, restored, frame, room)
    assert off == pytest.approx(3 * 640)
    assert painted == wanted == 640  # all but what the cloth's soft edge may have touched
    assert masks.restored_error(worn, nothing, cloth, shown, frame, room) == (0.0, 0, 640)


def test_labels_of_real_clips() -> None:
    """The figures on real clips would say nothing about heads, hands or spill."""
    labels = np.zeros((200, 200), np.uint8)
    labels[60:180, 60:140] = 2
    labels[20:60, 80:120] = 3
    labels[100:120, 40:60] = 4
    good = score_labels(labels, labels == 2)
    assert good["coverage"] == good["head_kept"] == good["hands_kept"] == 1.0
    assert good["spill"] == 0.0
    everything = score_labels(labels, np.ones(labels.shape, bool))
    assert everything["head_kept"] == everything["hands_kept"] == 0.0
    assert everything["spill"] > 0.5
    assert score_labels(labels, np.zeros(labels.shape, bool))["coverage"] == 0.0


def test_a_folder_without_clips_has_none(tmp_path: object) -> None:
    """The proof would fail where there is no footage."""
    from pathlib import Path

    assert annotated_clips(Path(str(tmp_path))) == {}


def test_skin_is_held_against_the_true_skin() -> None:
    """Orange arms would pass as well as the shopper's own, or arms that are not drawn at all."""
    frame = np.full((120, 160, 3), 60, np.uint8)
    truth, ours = frame.copy(), frame.copy()
    arm = box(40, 20, 80, 60)
    truth[arm] = 150
    nothing = np.zeros_like(arm)
    assert masks.skin_error(arm, arm, nothing, ours, frame, truth)[1:] == (0, 1600)
    ours[arm] = 160
    off, painted, wanted = masks.skin_error(arm, arm, nothing, ours, frame, truth)
    assert (painted, wanted) == (1600, 1600)
    assert off / painted == 10
    assert masks.skin_error(arm, nothing, nothing, ours, frame, truth) == (0.0, 0, 0)
