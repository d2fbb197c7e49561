"""Fit of the skinned body model to one frame's landmarks, world landmarks and person mask.

Gauss-Newton over joint rotations, placement and, while they settle, body shape and girths.
Residuals are in metres at the person's distance divided by their standard deviation:

* landmarks against the projected model points (the strongest),
* the world landmarks for depth, for what the picture does not show, and for where the trunk faces,
* the outline of the body against the edge of the person mask, less the clothes' thickness,
* priors: joint limits as soft hinges, natural rest pose, the previous frame.

The shape is a running estimate (``inference/fit/shape_estimate.py``), gathered view by view, that holds once
the present view has been seen for ``SETTLE_FRAMES``.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.body.camera import Intrinsics
from inference.body.kinematics import Pose, Skeleton, exp_so3, log_so3, rotation_columns, swing_twist
from inference.body.landmarks import HANDS, Landmark
from inference.body.model import BONES, BodyModel
from inference.fit.anatomy import OPTIMISED, Anatomy
from inference.fit.initial_pose import first_guess
from inference.fit.landmark_residuals import (
    FIT_TRUST,
    LANDMARK_SHIFT,
    SCALE_BONES,
    add_trunk_lines,
    landmark_weight,
    turn_to_ray,
)
from inference.fit.normal_equations import NormalEquations
from inference.fit.outline_residuals import Outline
from inference.fit.shape_estimate import SETTLE_FRAMES, VIEWS, ShapeEstimate
from inference.fit.shape_prior import ShapePrior, describe
from inference.pose.correction import LandmarkCorrection
from inference.pose.distance_field import DistanceField
from mirror.types import F64

FIRST_ITERATIONS, ITERATIONS, FAR_ITERATIONS = 10, 1, 4  # on a new person; on a further frame; after a gap
LONG_GAP_S = 0.06
DESCRIBE_FRAMES = 40  # from which it is learnt what a person is like
OUTLINE_FROM = 6  # of the first iterations: before, limbs may lie over a wrong edge
QUICK = ("arm", "forearm", "hand", "thigh", "shin", "foot", "head", "neck")
SIGMA_IMAGE = 0.016  # m, a well seen landmark
SIGMA_WORLD = np.array([0.11, 0.11, 0.10])  # m, world landmarks: the picture knows x and y better
# m beyond which a landmark counts less, in the picture and in the world; a hand is quick, and one that is
# surely seen would be lost by less than the last
ASTRAY_IMAGE, ASTRAY_WORLD, ASTRAY_HAND = 0.08, 0.15, 0.15
LOST_M = 0.1  # m: a body that a step leaves farther from its landmarks is fitted from the start
CLOTHES_ELSEWHERE = 0.02  # m, by which clothes stand off where there is no girth
# m, one outline point of an arm, and of what two legs or a skirt make an outline of (there are a hundred)
SIGMA_OUTLINE_ARM, SIGMA_OUTLINE_TRUNK, SIGMA_OUTLINE = 0.025, 0.025, 0.050
# rad a joint turns in 1/30 s: limbs are quick, the trunk is not, and its turns move everything; but people
# do turn round
SIGMA_TURN = np.array([[0.12 if name.split("_")[-1] in QUICK else 0.06] * 3 for name in OPTIMISED])
SIGMA_TURN[OPTIMISED.index("pelvis"), 1] = 0.10
SIGMA_SHIFT = np.array([0.15, 0.15, 0.03])  # m the body moves in 1/30 s; depth is the noisy one
MAX_TURN, MAX_SHIFT = 0.6, 0.8  # rad, m, a step

_HANDS = list(HANDS)
# Camera space from body space for someone who faces the camera.
FACING = np.diag([1.0, -1.0, -1.0])


@dataclass
class Fit:
    """The body of one frame.

    ``bone_transforms`` (J, 3, 4) float32: rest vertices of ``shape`` to camera space, girths included.
    ``landmark_points`` (33, 3): model landmarks, camera space. ``error``: RMS distance in metres
    of the well seen landmarks to the model's.
    """

    bone_transforms: NDArray[np.float32]
    shape: F64
    pose: Pose
    landmark_points: F64
    error: float
    settled: float


class BodyFitter:
    """Follows one person; ``reset`` when another one comes.

    Unknowns, in this order: a turn (3) of each joint in ``OPTIMISED``, the translation (3), and while
    the shape settles its K coefficients and the girths. ``correction`` of the pose network's landmarks;
    ``shape_prior``: what is expected of a person's shape and clothes, instead of what people are like.
    """

    def __init__(
        self,
        model: BodyModel,
        intrinsics: Intrinsics,
        correction: LandmarkCorrection | None = None,
        shape_prior: ShapePrior | None = None,
    ) -> None:
        self.model = model
        self._correction = correction
        self._shape_prior = shape_prior
        self.intrinsics = intrinsics
        self.skeleton = Skeleton(model.parents)
        self._anatomy = Anatomy(model)
        self._outline = Outline(model)
        self._outline_sigma = np.select(
            [self._outline.on_arm, self._outline.on_trunk],
            [SIGMA_OUTLINE_ARM, SIGMA_OUTLINE_TRUNK],
            SIGMA_OUTLINE,
        )
        self._used = np.array([BONES.index(name) for name in OPTIMISED])
        self._used_parents = np.array([self.skeleton.parents[j] for j in self._used[1:]])
        self._turns = 3 * len(self._used)
        self._mean_joints = np.asarray(model.joints, np.float64)
        self._joint_basis = np.moveaxis(np.asarray(model.joint_basis, np.float64), 0, -1)  # (J, 3, K)
        self._landmark_bone = np.array(model.landmark_bone, int)
        self._landmark_basis = np.moveaxis(np.asarray(model.landmark_basis, np.float64), 0, -1)
        self._landmark_shift = np.zeros((len(Landmark), 3))
        for name, (bone, shift) in LANDMARK_SHIFT.items():
            for right, side in enumerate(("left", "right")):
                landmark = Landmark.of(side, name)
                self._landmark_shift[landmark] = np.array([-1.0 if right else 1.0, 1.0, 1.0]) * shift
                moving = bone if bone in BONES else f"{side}_{bone}"
                self._landmark_bone[landmark] = BONES.index(moving)
        self._landmark_moves = self.skeleton.ancestor[self._landmark_bone][:, self._used]
        self.reset()

    def reset(self) -> None:
        """Forget the person."""
        self._person = ShapeEstimate(self.model.components)
        self._described, self._likely = 0, np.zeros(self._person.size)
        self.pose: Pose | None = None
        self._offsets: F64 | None = None
        self._world_scale = 1.0
        self._reshape()

    @property
    def shape(self) -> F64:
        """Coefficients (K,) of the person's shape."""
        return self._person.shape

    @property
    def girth(self) -> F64:
        """Relative growth (G,) of the groups of ``GIRTH_GROUPS``."""
        return self._person.girth

    @property
    def clothes(self) -> F64:
        """Metres (G,) by which the worn clothes stand off the groups of ``GIRTH_GROUPS``."""
        return self._person.clothes

    def _reshape(self) -> None:
        self._joints = self._mean_joints + self._joint_basis @ self.shape
        self._landmark_rest = (
            np.asarray(self.model.mean_landmarks, np.float64)
            + self._landmark_basis @ self.shape
            + self._landmark_shift
        )
        self._outline.reshape(self.shape)

    def update(self, landmarks: F64, world: F64, field: DistanceField | None, dt: float) -> Fit:
        """Fit one frame.

        ``landmarks`` (33, 3): x px, y px, visibility 0..1; ``world`` (33, 3) metres, MediaPipe's
        hip-centred axes (x right, y down, z away); ``dt`` seconds since the last frame.
        """
        if self._shape_prior is not None and field is not None:
            self._expect(self._shape_prior, landmarks, world, field)
        weight = landmark_weight(landmarks, self.intrinsics)
        turn = turn_to_ray(landmarks, weight, self.intrinsics)
        if self.pose is None:
            self._offsets = None
        if self._correction is not None:
            landmarks, world, self._offsets = self._correction.corrected(
                landmarks, world, weight, field, self.intrinsics, self._offsets, dt
            )
        world = world @ turn.T
        weight = weight * FIT_TRUST
        fresh, person = self.pose is None, copy.deepcopy(self._person)
        fit = self._follow(landmarks, world, weight, field, dt)
        if fit.error > LOST_M and not fresh:
            # One step does not reach who jumps or spins; nor is the shape to learn from where it ended.
            self._person, self.pose = person, None
            self._reshape()
            fit = self._follow(landmarks, world, weight, field, dt)
        return fit

    def _expect(self, shape_prior: ShapePrior, landmarks: F64, world: F64, field: DistanceField) -> None:
        """Learn what the person is like from a frame, until enough has been seen."""
        if self._described >= DESCRIBE_FRAMES:
            return
        features = describe(landmarks, world, field)
        if features is None:
            return
        self._described += 1
        likely = shape_prior.expect(features)
        self._likely += (likely - self._likely) / self._described
        self._person.expect(self._likely, shape_prior.precision)

    def _follow(self, landmarks: F64, world: F64, weight: F64, field: DistanceField | None, dt: float) -> Fit:
        """``update`` from the last pose, or, where there is none, from a first guess."""
        fresh = self.pose is None
        pose = previous = self.pose or first_guess(
            self.skeleton, self._anatomy, self.intrinsics, self._joints, self._landmark_points,
            landmarks, world, weight,
        )  # fmt: skip
        # At a camera's rate one step follows; after a longer gap the pose lies farther off.
        further = ITERATIONS if dt < LONG_GAP_S else FAR_ITERATIONS
        iterations = FIRST_ITERATIONS if fresh else further
        for step in range(iterations):
            outline = field if (not fresh or step >= OUTLINE_FROM) else None
            last = step == iterations - 1  # before, the pose is still far off
            pose = self._iterate(
                pose, landmarks, world, weight, outline, None if fresh else previous, dt, last
            )
        self.pose = pose
        return self._result(pose, landmarks, weight)

    def shifts(self, turns: F64) -> F64:
        """Metres (33, 3) from joint to landmark, with the bones turned by ``turns`` (J, 3, 3)."""
        return np.asarray(np.einsum("nij,nj->ni", turns[self._landmark_bone], self._landmark_shift))

    def _landmark_points(self, pose: Pose) -> F64:
        bone = self._landmark_bone
        arm = self._landmark_rest - self._joints[bone]
        return np.asarray(np.einsum("nij,nj->ni", pose.world[bone], arm) + pose.origin[bone])

    def _iterate(
        self,
        pose: Pose,
        landmarks: F64,
        world: F64,
        weight: F64,
        field: DistanceField | None,
        previous: Pose | None,
        dt: float,
        last: bool,
    ) -> Pose:
        """One damped Gauss-Newton step; updates shape and girths while they settle."""
        turns = self._turns
        view = self._view(pose)
        settling = self._person.frames(view) < SETTLE_FRAMES
        equations = NormalEquations(turns + 3 + (self._person.size if settling else 0))
        depth = max(float(pose.translation[2]), 0.3)
        moved = self.skeleton.shape_origin(pose, self._joint_basis) if settling else None
        self._add_landmarks(equations, pose, landmarks, world, weight, depth, moved)
        if field is not None:
            self._add_outline(equations, pose, field, depth, moved)
        self._add_limits(equations, pose)
        if previous is not None:
            self._add_previous(equations, pose, previous, dt)
        if settling:
            normal, gradient, back = equations.eliminate(turns + 3)
            change = self._person.update(view, normal, gradient, keep=last)
            step = -back @ np.append(change, 1.0)
            self._reshape()
        else:
            step = equations.solve()
        turn = step[:turns].reshape(-1, 3)
        length = np.linalg.norm(turn, axis=1, keepdims=True)
        turn = np.asarray(turn * np.minimum(1.0, MAX_TURN / np.maximum(length, 1e-9)), np.float64)
        local = self.skeleton.turned(pose, self._used, turn)
        translation = pose.translation + np.clip(step[turns : turns + 3], -MAX_SHIFT, MAX_SHIFT)
        translation[2] = max(translation[2], 0.3)
        return self.skeleton.forward(local, translation, self._joints)

    def _add_landmarks(
        self,
        equations: NormalEquations,
        pose: Pose,
        landmarks: F64,
        world: F64,
        weight: F64,
        depth: float,
        moved: F64 | None,
    ) -> None:
        points, bone = self._landmark_points(pose), self._landmark_bone
        jacobian = self._point_jacobian(pose, points, self._landmark_moves, equations.columns)
        if moved is not None:
            own = pose.world[bone] @ (self._landmark_basis - self._joint_basis[bone])
            jacobian[:, :, self._turns + 3 : self._turns + 3 + len(self.shape)] = moved[bone] + own
        # in the picture
        projection = self._projection(points, depth)
        residual = (self.intrinsics.project(points) - landmarks[:, :2]) * (depth / self.intrinsics.focal)
        astray = np.full(len(Landmark), ASTRAY_IMAGE)
        surely = np.clip((landmarks[_HANDS, 2] - 0.9) / 0.08, 0.0, 1.0)
        astray[_HANDS] += (ASTRAY_HAND - ASTRAY_IMAGE) * surely
        robust = 1.0 / (1.0 + (residual**2).sum(1) / astray**2)
        precision = np.repeat(weight * robust / SIGMA_IMAGE**2, 2)
        equations.add((projection @ jacobian).reshape(66, -1), residual.reshape(66), precision)
        # in the world, relative to their weighted mean
        # World landmarks do lie in the joints.
        points = points - self.shifts(pose.world)
        share = (weight + 1e-3) / (weight + 1e-3).sum()
        self._update_world_scale(points, world, weight)
        residual = points - share @ points - self._world_scale * (world - share @ world)
        robust = 1.0 / (1.0 + (residual**2).sum(1) / ASTRAY_WORLD**2)
        precision = ((weight * robust + 0.02)[:, None] / SIGMA_WORLD**2).reshape(99)
        add_trunk_lines(equations, points, world, weight, jacobian)
        jacobian -= np.tensordot(share, jacobian, 1)
        equations.add(jacobian.reshape(99, -1), residual.reshape(99), precision)

    @staticmethod
    def _projection(points: F64, depth: float) -> F64:
        """(N, 2, 3) d(pixel * depth / focal) / d point."""
        z = np.maximum(points[:, 2], 0.1)
        projection = np.zeros((len(points), 2, 3))
        projection[:, 0, 0] = projection[:, 1, 1] = depth / z
        projection[:, 0, 2] = -depth * points[:, 0] / z**2
        projection[:, 1, 2] = -depth * points[:, 1] / z**2
        return projection

    def _point_jacobian(self, pose: Pose, points: F64, moves: NDArray[np.bool_], columns: int) -> F64:
        """(N, 3, columns): turns and translation; ``moves`` (N, n) says which joints move a point."""
        jacobian = np.zeros((len(points), 3, columns))
        turned = rotation_columns(points, pose.origin[self._used], moves)
        jacobian[:, :, : self._turns] = turned.reshape(len(points), 3, self._turns)
        jacobian[:, :, self._turns : self._turns + 3] = np.eye(3)
        return jacobian

    def _update_world_scale(self, points: F64, world: F64, weight: F64) -> None:
        ours = theirs = 0.0
        for a, b in SCALE_BONES:
            trust = float(min(weight[a], weight[b]))
            ours += trust * float(np.linalg.norm(points[a] - points[b]))
            theirs += trust * float(np.linalg.norm(world[a] - world[b]))
        if theirs > 0.1:
            self._world_scale += 0.2 * (float(np.clip(ours / theirs, 0.6, 1.6)) - self._world_scale)

    def _matrices(self, pose: Pose) -> F64:
        """Skinning matrices (J, 3, 4): x -> world (c + G (x - c) - joint) + origin, G the girth."""
        group, centre = self._anatomy.girth_group, self._anatomy.girth_centre
        growth = np.where(group >= 0, self.girth[group], 0.0)
        girth = np.eye(3) + growth[:, None, None] * self._anatomy.across
        inner = centre - np.einsum("jik,jk->ji", girth, centre) - self._joints
        offset = np.einsum("jik,jk->ji", pose.world, inner) + pose.origin
        return np.concatenate([pose.world @ girth, offset[:, :, None]], axis=2)

    def _add_outline(
        self, equations: NormalEquations, pose: Pose, field: DistanceField, depth: float, moved: F64 | None
    ) -> None:
        group = self._anatomy.girth_group
        clothes = np.where(group >= 0, self.clothes[group], CLOTHES_ELSEWHERE)
        pull = self._outline.pull(pose, self._matrices(pose), field, self.intrinsics, depth, clothes)
        if len(pull.index) < 8:
            return
        bone = self._outline.bone[pull.index]
        moves = self.skeleton.ancestor[bone][:, self._used]
        jacobian = self._point_jacobian(pose, pull.points, moves, equations.columns)
        if moved is not None:
            first, count = self._turns + 3, len(self.shape)
            own = pose.world[bone] @ (self._outline.basis[pull.index] - self._joint_basis[bone])
            jacobian[:, :, first : first + count] = moved[bone] + own
            group, axis = self._anatomy.girth_group[bone], self._anatomy.axis[bone]
            across = self._outline.rest[pull.index] - self._anatomy.girth_centre[bone]
            across -= (across * axis).sum(1, keepdims=True) * axis
            grown = np.einsum("nij,nj->ni", pose.world[bone], across)
            own = np.flatnonzero(group >= 0)
            jacobian[own, :, first + count + group[own]] = grown[own]
        outward = pull.direction[:, None] @ self._projection(pull.points, depth)
        rows = (outward @ jacobian)[:, 0]
        if moved is not None:
            dressed = np.flatnonzero(group >= 0)
            rows[dressed, first + count + len(self.girth) + group[dressed]] = 1.0
        robust = 1.0 / (1.0 + pull.distance**2 / 0.035**2)
        precision = pull.trust * robust / self._outline_sigma[pull.index] ** 2
        equations.add(rows, pull.distance, precision)

    def _view(self, pose: Pose) -> int:
        """Which of ``VIEWS`` directions the chest is seen from; 0 is the front."""
        forward, place = pose.world[self._anatomy.bone("chest")][:, 2], pose.origin[0]
        yaw = np.arctan2(forward[0], -forward[2]) - np.arctan2(-place[0], place[2])
        return round(float(yaw) / (2 * np.pi) * VIEWS) % VIEWS

    def _add_limits(self, equations: NormalEquations, pose: Pose) -> None:
        """Soft limits of the joints around their natural rest; the root is free."""
        body = self._anatomy
        frame = body.prior_frame[1:]
        local = np.einsum("nij,nj->ni", frame, log_so3(pose.local[self._used[1:]]))
        residual, sigma = local - body.prior_mean[1:], body.prior_sigma[1:].copy()
        beyond = body.hinge[1:] & (local[:, 0] < body.straight[1:])  # knees and elbows bend one way
        residual[beyond, 0] = (local[:, 0] - body.straight[1:])[beyond]
        sigma[beyond, 0] = 0.06
        # turning joint j by d (camera axes) adds parent_world^T d to its local rotation vector
        jacobian = frame @ np.swapaxes(pose.world[self._used_parents], 1, 2)
        equations.add_blocks(3, jacobian, residual, 1.0 / sigma**2)

    def _add_previous(self, equations: NormalEquations, pose: Pose, previous: Pose, dt: float) -> None:
        """Bodies move smoothly: the noise of one frame's landmarks is not followed."""
        pace = max(dt, 1e-3) * 30.0
        used = self._used
        change = log_so3(pose.local[used] @ np.swapaxes(previous.local[used], 1, 2))
        frames = np.concatenate([np.eye(3)[None], np.swapaxes(pose.world[self._used_parents], 1, 2)])
        equations.add_blocks(0, frames, change, np.broadcast_to(1.0 / (SIGMA_TURN**2 * pace), change.shape))
        shift = pose.translation - previous.translation
        equations.add_diagonal(self._turns, shift, 1.0 / (SIGMA_SHIFT**2 * pace))

    def _result(self, untwisted: Pose, landmarks: F64, weight: F64) -> Fit:
        pose = self._spread_twist(untwisted)
        points = self._landmark_points(untwisted)
        miss = (self.intrinsics.project(points) - landmarks[:, :2]) * (
            untwisted.translation[2] / self.intrinsics.focal
        )
        error = float(np.sqrt(((miss**2).sum(1) * weight).sum() / (weight.sum() + 1e-6)))
        return Fit(
            bone_transforms=self._matrices(pose).astype(np.float32),
            shape=self.shape.copy(),
            pose=untwisted,
            landmark_points=points,
            error=error,
            settled=min(1.0, self._person.frames(self._view(untwisted)) / SETTLE_FRAMES),
        )

    def _spread_twist(self, pose: Pose) -> Pose:
        """Give limbs their turn along the bone bit by bit, so that sleeves do not wring.

        The body's weights fade from each limb bone (no turn) to its twist bone (all of it).
        """
        world = pose.world.copy()
        for side in ("left", "right"):
            upper, low = (
                self._anatomy.bone(f"{side}_upper_arm"),
                self._anatomy.bone(f"{side}_upper_arm_twist"),
            )
            swing, _ = swing_twist(pose.local[upper], self._anatomy.axis[upper])
            world[upper] = pose.world[self.skeleton.parents[upper]] @ swing
            world[low] = pose.world[upper]
            fore, wrist = self._anatomy.bone(f"{side}_forearm"), self._anatomy.bone(f"{side}_forearm_twist")
            _, angle = swing_twist(pose.local[self._anatomy.bone(f"{side}_hand")], self._anatomy.axis[fore])
            world[wrist] = pose.world[fore] @ exp_so3(angle * self._anatomy.axis[fore])
        return Pose(pose.local, pose.translation, world, pose.origin)
