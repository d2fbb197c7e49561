"""Arms that cross the trunk, drawn wholly before or behind it."""

from __future__ import annotations

import numpy as np
import pytest

from inference.body.kinematics import exp_so3
from inference.body.model import BONES, BodyModel
from mirror.types import F32, F64
from render.compose.arm_order import ArmOrder

MODEL = BodyModel.load()
JOINTS = MODEL.joints
SHAPE = np.zeros(MODEL.components, np.float32)
LENS = 900.0
CHEST = BONES.index("chest")


def posed(turns: dict[str, tuple[float, float, float]], yaw: float = 0.0) -> F32:
    """Skinning matrices of somebody 2.5 m away who faces the camera, or is turned by ``yaw`` rad."""
    rotations = np.tile(np.eye(3, dtype=np.float32), (len(BONES), 1, 1))
    rotations[0] = np.diag([1.0, -1.0, -1.0]) @ exp_so3(np.array([0.0, yaw, 0.0]))
    for bone, turn in turns.items():
        rotations[BONES.index(bone)] = exp_so3(np.array(turn))
    place = np.array([0.0, 0.0, 2.5], np.float32)
    return MODEL.pose(rotations, JOINTS, place - JOINTS[0])


def joint(skin: F32, name: str) -> F64:
    bone = BONES.index(name)
    return np.asarray(skin[bone, :, :3] @ JOINTS[bone] + skin[bone, :, 3], np.float64)


def moved_to(skin: F32, side: str, depth_m: float) -> F32:
    """The forearm before the middle of the chest, its joints ``depth_m`` nearer than the chest's."""
    out = skin.copy()
    middle = joint(skin, "chest")
    across = 0.03 if side == "left" else -0.03
    elbow = middle + np.array([across, 0.02, -depth_m])
    for bone in ("upper_arm_twist", "forearm", "forearm_twist", "hand", "fingers", "thumb"):
        out[BONES.index(f"{side}_{bone}"), :, 3] += elbow - joint(skin, f"{side}_forearm")
    return out


def surface(skin: F32) -> tuple[float, float]:
    """Depth of the trunk's front and back, at the height of the chest's joint."""
    vertices = MODEL.skinned(MODEL.vertices, skin)
    middle = joint(skin, "chest")
    near = (np.abs(vertices[:, 0] - middle[0]) < 0.1) & (np.abs(vertices[:, 1] - middle[1]) < 0.05)
    trunk = vertices[near & (MODEL.region == 0), 2]
    return float(trunk.min()), float(trunk.max())


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_forearm_sunk_into_the_chest_comes_before_it(side: str) -> None:
    """The shirt would swallow the shopper's own forearm."""
    skin = posed({})
    front, _ = surface(skin)
    sunk = moved_to(skin, side, joint(skin, "chest")[2] - front - 0.03)
    assert joint(sunk, f"{side}_forearm")[2] > front
    cleared = ArmOrder(MODEL).cleared(sunk, SHAPE)
    assert joint(cleared, f"{side}_forearm")[2] < front - 0.01
    # It is seen where it was.
    before, after = (joint(s, f"{side}_forearm") for s in (sunk, cleared))
    assert np.allclose(LENS * before[:2] / before[2], LENS * after[:2] / after[2], atol=0.01)


def test_an_arm_behind_the_back_stays_behind() -> None:
    """Hands folded behind the back would come through the shirt."""
    skin = posed({})
    front, back = surface(skin)
    behind = moved_to(skin, "left", joint(skin, "chest")[2] - back + 0.02)
    cleared = ArmOrder(MODEL).cleared(behind, SHAPE)
    assert joint(cleared, "left_forearm")[2] > back + 0.01
    assert front < back


def test_arms_beside_the_trunk_are_left_alone() -> None:
    """Hanging sleeves would jump before and behind the flanks."""
    for yaw in (0.0, 0.6):
        skin = posed({"left_upper_arm": (0.0, 0.0, 0.5), "right_upper_arm": (0.0, 0.0, -0.5)}, yaw)
        cleared = ArmOrder(MODEL).cleared(skin, SHAPE)
        assert np.abs(joint(cleared, "left_hand") - joint(skin, "left_hand")).max() < 0.02
        trunk = [BONES.index(n) for n in ("pelvis", "chest", "head", "left_upper_arm", "left_thigh")]
        assert np.array_equal(cleared[trunk], skin[trunk])


def test_no_jump_where_front_turns_to_back() -> None:
    """An arm that passes from before to behind would flicker between the two."""
    skin = posed({})
    front, back = surface(skin)
    order = ArmOrder(MODEL)
    depths = np.linspace(front - 0.08, back + 0.08, 60)
    middle = joint(skin, "chest")[2]
    out = np.array(
        [joint(order.cleared(moved_to(skin, "left", middle - d), SHAPE), "left_forearm")[2] for d in depths]
    )
    assert np.abs(np.diff(out)).max() < 0.05
    assert out[0] == pytest.approx(depths[0], abs=0.03)
