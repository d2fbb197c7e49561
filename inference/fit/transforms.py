"""From a fitted pose to the transforms that carry the surface: girths, and turns spread along the limbs."""

from __future__ import annotations

import numpy as np

from inference.body.kinematics import Pose, Skeleton, exp_so3, swing_twist
from inference.fit.anatomy import Anatomy
from mirror.types import F64


def bone_transforms(pose: Pose, anatomy: Anatomy, girth: F64, joints: F64) -> F64:
    """(J, 3, 4): x -> world (c + G (x - c) - joint) + origin, G the growth by ``girth`` (G,) across the bone.

    ``joints`` (J, 3) metres at rest.
    """
    group, centre = anatomy.girth_group, anatomy.girth_centre
    growth = np.where(group >= 0, girth[group], 0.0)
    grown = np.eye(3) + growth[:, None, None] * anatomy.across
    inner = centre - np.einsum("jik,jk->ji", grown, centre) - joints
    offset = np.einsum("jik,jk->ji", pose.world, inner) + pose.origin
    return np.concatenate([pose.world @ grown, offset[:, :, None]], axis=2)


def spread_twist(pose: Pose, skeleton: Skeleton, anatomy: Anatomy) -> Pose:
    """Give limbs their turn along the bone bit by bit, so that sleeves do not wring.

    The body's weights fade from each limb bone (no turn) to its twist bone (all of it).
    """
    world = pose.world.copy()
    for side in ("left", "right"):
        upper, low = anatomy.bone(f"{side}_upper_arm"), anatomy.bone(f"{side}_upper_arm_twist")
        swing, _ = swing_twist(pose.local[upper], anatomy.axis[upper])
        world[upper] = pose.world[skeleton.parents[upper]] @ swing
        world[low] = pose.world[upper]
        fore, wrist = anatomy.bone(f"{side}_forearm"), anatomy.bone(f"{side}_forearm_twist")
        _, angle = swing_twist(pose.local[anatomy.bone(f"{side}_hand")], anatomy.axis[fore])
        world[wrist] = pose.world[fore] @ exp_so3(angle * anatomy.axis[fore])
    return Pose(pose.local, pose.translation, world, pose.origin)
