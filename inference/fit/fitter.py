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

from inference.body.camera import Intrinsics, projection_jacobian
from inference.body.kinematics import Pose, Skeleton, rotation_columns
from inference.body.landmarks import HANDS, TRUNK, Landmark
from inference.body.model import BONES, BodyModel
from inference.fit.anatomy import OPTIMISED, Anatomy
from inference.fit.initial_pose import first_guess
from inference.fit.landmark_residuals import (
    FIT_TRUST,
    LANDMARK_SHIFT,
    WORLD_SCALE_RATE,
    add_trunk_lines,
    landmark_weight,
    turn_to_ray,
    world_scale,
)
from inference.fit.normal_equations import NormalEquations
from inference.fit.outline_residuals import Outline
from inference.fit.parameters import FIT
from inference.fit.pose_priors import PosePriors
from inference.fit.shape_estimate import SETTLE_FRAMES, VIEWS, ShapeEstimate
from inference.fit.shape_prior import ShapePrior, describe
from inference.fit.transforms import bone_transforms, spread_twist
from inference.pose.correction import LandmarkCorrection
from inference.pose.distance_field import DistanceField
from mirror.types import F64

__all__ = ["FACING", "BodyFitter", "Fit"]

_HANDS = list(HANDS)
# Camera space from body space for someone who faces the camera.
FACING = np.diag([1.0, -1.0, -1.0])


@dataclass
class Fit:
    """The body of one frame.

    ``bone_transforms`` (J, 3, 4) float32: rest vertices of ``shape`` to camera space, girths included.
    ``landmark_points`` (33, 3): model landmarks, camera space. ``error``, ``trunk_error``: RMS distance in
    metres of the well seen landmarks to the model's, of all and of shoulders and hips.
    """

    bone_transforms: NDArray[np.float32]
    shape: F64
    pose: Pose
    landmark_points: F64
    error: float
    trunk_error: float
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
            [FIT.sigma_outline_arm, FIT.sigma_outline_trunk],
            FIT.sigma_outline,
        )
        self._used = np.array([BONES.index(name) for name in OPTIMISED])
        parents = np.array([self.skeleton.parents[j] for j in self._used[1:]])
        self._priors = PosePriors(self._anatomy, self._used, parents)
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
        if fit.error > FIT.lost and not fresh:
            # One step does not reach who jumps or spins; nor is the shape to learn from where it ended.
            self._person, self.pose = person, None
            self._reshape()
            fit = self._follow(landmarks, world, weight, field, dt)
        elif fit.error > FIT.lagging and not fresh:
            fit = self._follow(landmarks, world, weight, field, max(dt, FIT.long_gap_s))
        return fit

    def _expect(self, shape_prior: ShapePrior, landmarks: F64, world: F64, field: DistanceField) -> None:
        """Learn what the person is like from a frame, until enough has been seen."""
        if self._described >= FIT.describe_frames:
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
        further = FIT.iterations if dt < FIT.long_gap_s else FIT.far_iterations
        iterations = FIT.first_iterations if fresh else further
        for step in range(iterations):
            outline = field if (not fresh or step >= FIT.outline_from) else None
            last = step == iterations - 1  # before, the pose is still far off
            pose = self._iterate(
                pose, landmarks, world, weight, outline, None if fresh else previous, dt, last
            )
        self.pose = pose
        return self._result(pose, landmarks, weight)

    def shifts(self, turns: F64) -> F64:
        """Metres (33, 3) from joint to landmark, with the bones turned by ``turns`` (J, 3, 3)."""
        return np.asarray(np.einsum("nij,nj->ni", turns[self._landmark_bone], self._landmark_shift))

    def bone_transforms(self, pose: Pose) -> F64:
        """(J, 3, 4) of a pose, with the girths and joints of the person's present shape."""
        return bone_transforms(pose, self._anatomy, self.girth, self._joints)

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
        normal_equations = NormalEquations(turns + 3 + (self._person.size if settling else 0))
        depth = max(float(pose.translation[2]), FIT.nearest)
        moved = self.skeleton.shape_origin(pose, self._joint_basis) if settling else None
        self._add_landmarks(normal_equations, pose, landmarks, world, weight, depth, moved)
        if field is not None:
            self._add_outline(normal_equations, pose, field, depth, moved)
        self._priors.add_limits(normal_equations, pose)
        if previous is not None:
            self._priors.add_previous(normal_equations, pose, previous, dt)
        if settling:
            normal, gradient, back = normal_equations.eliminate(turns + 3)
            change = self._person.update(view, normal, gradient, keep=last)
            step = -back @ np.append(change, 1.0)
            self._reshape()
        else:
            step = normal_equations.solve()
        turn = step[:turns].reshape(-1, 3)
        length = np.linalg.norm(turn, axis=1, keepdims=True)
        turn = np.asarray(turn * np.minimum(1.0, FIT.max_turn / np.maximum(length, 1e-9)), np.float64)
        local = self.skeleton.turned(pose, self._used, turn)
        translation = pose.translation + np.clip(step[turns : turns + 3], -FIT.max_shift, FIT.max_shift)
        translation[2] = max(translation[2], FIT.nearest)
        return self.skeleton.forward(local, translation, self._joints)

    def _add_landmarks(
        self,
        normal_equations: NormalEquations,
        pose: Pose,
        landmarks: F64,
        world: F64,
        weight: F64,
        depth: float,
        moved: F64 | None,
    ) -> None:
        points, bone = self._landmark_points(pose), self._landmark_bone
        jacobian = self._point_jacobian(pose, points, self._landmark_moves, normal_equations.columns)
        if moved is not None:
            own = pose.world[bone] @ (self._landmark_basis - self._joint_basis[bone])
            jacobian[:, :, self._turns + 3 : self._turns + 3 + len(self.shape)] = moved[bone] + own
        # in the picture
        projection = projection_jacobian(points, depth)
        residual = (self.intrinsics.project(points) - landmarks[:, :2]) * (depth / self.intrinsics.focal)
        astray = np.full(len(Landmark), FIT.astray_image)
        surely = np.clip((landmarks[_HANDS, 2] - FIT.hand_seen) / FIT.hand_seen_over, 0.0, 1.0)
        astray[_HANDS] += (FIT.astray_hand - FIT.astray_image) * surely
        robust = 1.0 / (1.0 + (residual**2).sum(1) / astray**2)
        precision = np.repeat(weight * robust / FIT.sigma_image**2, 2)
        normal_equations.add((projection @ jacobian).reshape(66, -1), residual.reshape(66), precision)
        # in the world, relative to their weighted mean
        # World landmarks do lie in the joints.
        points = points - self.shifts(pose.world)
        share = (weight + 1e-3) / (weight + 1e-3).sum()
        scale = world_scale(points, world, weight)
        if scale is not None:
            self._world_scale += WORLD_SCALE_RATE * (scale - self._world_scale)
        residual = points - share @ points - self._world_scale * (world - share @ world)
        robust = 1.0 / (1.0 + (residual**2).sum(1) / FIT.astray_world**2)
        precision = ((weight * robust + 0.02)[:, None] / FIT.sigma_world**2).reshape(99)
        add_trunk_lines(normal_equations, points, world, weight, jacobian)
        jacobian -= np.tensordot(share, jacobian, 1)
        normal_equations.add(jacobian.reshape(99, -1), residual.reshape(99), precision)

    def _point_jacobian(self, pose: Pose, points: F64, moves: NDArray[np.bool_], columns: int) -> F64:
        """(N, 3, columns): turns and translation; ``moves`` (N, n) says which joints move a point."""
        jacobian = np.zeros((len(points), 3, columns))
        turned = rotation_columns(points, pose.origin[self._used], moves)
        jacobian[:, :, : self._turns] = turned.reshape(len(points), 3, self._turns)
        jacobian[:, :, self._turns : self._turns + 3] = np.eye(3)
        return jacobian

    def _add_outline(
        self,
        normal_equations: NormalEquations,
        pose: Pose,
        field: DistanceField,
        depth: float,
        moved: F64 | None,
    ) -> None:
        group = self._anatomy.girth_group
        clothes = np.where(group >= 0, self.clothes[group], FIT.clothes_elsewhere)
        pull = self._outline.pull(pose, self.bone_transforms(pose), field, self.intrinsics, depth, clothes)
        if len(pull.index) < FIT.fewest_outline_points:
            return
        bone = self._outline.bone[pull.index]
        moves = self.skeleton.ancestor[bone][:, self._used]
        jacobian = self._point_jacobian(pose, pull.points, moves, normal_equations.columns)
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
        outward = pull.direction[:, None] @ projection_jacobian(pull.points, depth)
        rows = (outward @ jacobian)[:, 0]
        if moved is not None:
            dressed = np.flatnonzero(group >= 0)
            rows[dressed, first + count + len(self.girth) + group[dressed]] = 1.0
        robust = 1.0 / (1.0 + pull.distance**2 / FIT.astray_outline**2)
        precision = pull.trust * robust / self._outline_sigma[pull.index] ** 2
        normal_equations.add(rows, pull.distance, precision)

    def _view(self, pose: Pose) -> int:
        """Which of ``VIEWS`` directions the chest is seen from; 0 is the front."""
        forward, place = pose.world[self._anatomy.bone("chest")][:, 2], pose.origin[0]
        yaw = np.arctan2(forward[0], -forward[2]) - np.arctan2(-place[0], place[2])
        return round(float(yaw) / (2 * np.pi) * VIEWS) % VIEWS

    def _result(self, untwisted: Pose, landmarks: F64, weight: F64) -> Fit:
        pose = spread_twist(untwisted, self.skeleton, self._anatomy)
        points = self._landmark_points(untwisted)
        miss = (self.intrinsics.project(points) - landmarks[:, :2]) * (
            untwisted.translation[2] / self.intrinsics.focal
        )
        miss, trunk = (miss**2).sum(1), list(TRUNK)
        error, trunk_error = (
            float(np.sqrt((part * share).sum() / (share.sum() + 1e-6)))
            for part, share in ((miss, weight), (miss[trunk], weight[trunk]))
        )
        return Fit(
            bone_transforms=self.bone_transforms(pose).astype(np.float32),
            shape=self.shape.copy(),
            pose=untwisted,
            landmark_points=points,
            error=error,
            trunk_error=trunk_error,
            settled=min(1.0, self._person.frames(self._view(untwisted)) / SETTLE_FRAMES),
        )
