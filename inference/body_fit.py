"""Fit of the skinned body model to one frame's landmarks, world landmarks and person mask.

Gauss-Newton over joint rotations, placement and, while they settle, body shape and girths.
Residuals are in metres at the person's distance divided by their standard deviation:

* landmarks against the projected model points (the strongest),
* the world landmarks for depth and for what the picture does not show,
* the outline of the body against the edge of the person mask, less the clothes' thickness,
* priors: joint limits as soft hinges, natural rest pose, the previous frame.

The shape (coefficients in standard deviations) is a running estimate that stiffens with every
frame seen and holds after ``SETTLE_FRAMES``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.anatomy import GIRTH_GROUPS, GIRTH_NEIGHBOURS, OPTIMISED, SIGMA_GIRTH, Anatomy
from inference.body_model import BONES, BodyModel
from inference.camera import Intrinsics
from inference.equations import NormalEquations
from inference.kinematics import (
    Array,
    Pose,
    Skeleton,
    align,
    exp_so3,
    log_so3,
    rotation_columns,
    swing_twist,
)
from inference.outline import Outline
from inference.silhouette import DistanceField

SETTLE_FRAMES = 90
FIRST_ITERATIONS, ITERATIONS, FAR_ITERATIONS = 14, 1, 4  # on a new person; on a further frame; after a gap
LONG_GAP_S = 0.06
OUTLINE_FROM = 7  # of the first iterations: before, limbs may lie over a wrong edge
QUICK = ("arm", "forearm", "hand", "thigh", "shin", "foot", "head", "neck")
SIGMA_IMAGE = 0.012  # m, a well seen landmark
SIGMA_WORLD = np.array([0.08, 0.08, 0.07])  # m, world landmarks: the picture knows x and y better
SIGMA_OUTLINE = 0.040  # m, one outline point (there are a hundred)
# rad a joint turns in 1/30 s: limbs are quick, the trunk is not, and its turns move everything
SIGMA_TURN = np.array([0.12 if name.split("_")[-1] in QUICK else 0.035 for name in OPTIMISED])[:, None]
SIGMA_SHIFT = np.array([0.15, 0.15, 0.03])  # m the body moves in 1/30 s; depth is the noisy one
STIFFENING = 4.0  # precision that each frame seen adds to the shape
MAX_TURN, MAX_SHIFT = 0.6, 0.8  # rad, m, a step

# Camera space from body space for someone who faces the camera.
FACING = np.diag([1.0, -1.0, -1.0])

LANDMARK_TRUST = np.array(
    [0.7] * 11  # face
    + [1.0] * 2  # shoulders
    + [1.0] * 4  # elbows, wrists
    + [0.5] * 6  # knuckles
    + [0.8] * 2  # hips
    + [1.0] * 4  # knees, ankles
    + [0.5] * 4  # heels, toes
)
# Where the network's landmarks lie against the joints of the body model: bone they move with, and metres
# (outwards, up, forward) at rest on the mean body. It learnt from people who clicked on the tops of
# shoulders, the front of the groin and kneecaps; least squares over rendered people of known pose.
LANDMARK_SHIFT = {
    "shoulder": ("chest", (0.001, 0.031, -0.004)),
    "elbow": ("upper_arm", (-0.0122, 0.0133, -0.0007)),  # along the bone: no twist of the arm moves it
    "hip": ("thigh", (-0.005, -0.040, 0.046)),
    "knee": ("shin", (-0.005, -0.037, 0.010)),
    "ankle": ("foot", (-0.010, 0.018, 0.012)),
}
LEFT_LANDMARK = {"shoulder": 11, "elbow": 13, "hip": 23, "knee": 25, "ankle": 27}  # the right one is next
# World-landmark bones that tell the scale of the world landmarks against the model.
SCALE_BONES = (
    (11, 13),
    (13, 15),
    (12, 14),
    (14, 16),
    (11, 12),
    (11, 23),
    (12, 24),
    (23, 25),
    (24, 26),
    (25, 27),
    (26, 28),
)


@dataclass
class Fit:
    """The body of one frame.

    ``skin`` (J, 3, 4) float32: rest vertices of ``shape`` to camera space, girths included.
    ``landmark_points`` (33, 3): model landmarks, camera space. ``error``: RMS distance in metres
    of the well seen landmarks to the model's.
    """

    skin: NDArray[np.float32]
    shape: Array
    pose: Pose
    landmark_points: Array
    error: float
    settled: float


class BodyFitter:
    """Follows one person; ``reset`` when another one comes.

    Unknowns, in this order: a turn (3) of each joint in ``OPTIMISED``, the translation (3), and while
    the shape settles its K coefficients and the girths.
    """

    def __init__(self, model: BodyModel, intrinsics: Intrinsics) -> None:
        self.model = model
        self.intrinsics = intrinsics
        self.skeleton = Skeleton(model.parents)
        self._anatomy = Anatomy(model)
        self._outline = Outline(model)
        self._used = np.array([BONES.index(name) for name in OPTIMISED])
        self._used_parents = np.array([self.skeleton.parents[j] for j in self._used[1:]])
        self._turns = 3 * len(self._used)
        self._mean_joints = np.asarray(model.joints, np.float64)
        self._joint_basis = np.moveaxis(np.asarray(model.joint_basis, np.float64), 0, -1)  # (J, 3, K)
        self._landmark_bone = np.array(model.landmark_bone, int)
        self._landmark_basis = np.moveaxis(np.asarray(model.landmark_basis, np.float64), 0, -1)
        self._landmark_shift = np.zeros((33, 3))
        for name, (bone, shift) in LANDMARK_SHIFT.items():
            for right, side in enumerate(("left", "right")):
                landmark = LEFT_LANDMARK[name] + right
                self._landmark_shift[landmark] = np.array([-1.0 if right else 1.0, 1.0, 1.0]) * shift
                moving = bone if bone in BONES else f"{side}_{bone}"
                self._landmark_bone[landmark] = BONES.index(moving)
        self._landmark_moves = self.skeleton.ancestor[self._landmark_bone][:, self._used]
        self.reset()

    def reset(self) -> None:
        """Forget the person."""
        self.shape = np.zeros(self.model.components)
        self.girth = np.zeros(len(GIRTH_GROUPS))
        self.frames = 0
        self.pose: Pose | None = None
        self._world_scale = 1.0
        self._reshape()

    def _reshape(self) -> None:
        self._joints = self._mean_joints + self._joint_basis @ self.shape
        self._landmark_rest = (
            np.asarray(self.model.mean_landmarks, np.float64)
            + self._landmark_basis @ self.shape
            + self._landmark_shift
        )
        self._outline.reshape(self.shape)

    def update(self, landmarks: Array, world: Array, field: DistanceField | None, dt: float) -> Fit:
        """Fit one frame.

        ``landmarks`` (33, 3): x px, y px, visibility 0..1; ``world`` (33, 3) metres, MediaPipe's
        hip-centred axes (x right, y down, z away); ``dt`` seconds since the last frame.
        """
        size = np.array([2 * self.intrinsics.cx, 2 * self.intrinsics.cy])
        visible = np.clip((landmarks[:, 2] - 0.15) / 0.5, 0.0, 1.0)
        within = np.all((landmarks[:, :2] > -0.02 * size) & (landmarks[:, :2] < 1.02 * size), axis=1)
        weight = LANDMARK_TRUST * visible * np.where(within, 1.0, 0.25)
        world = self._turn_to_ray(landmarks, world, weight)
        fresh = self.pose is None
        pose = previous = self.pose or self._first_guess(landmarks, world, weight)
        # At a camera's rate one step follows; after a longer gap the pose lies farther off.
        further = ITERATIONS if dt < LONG_GAP_S else FAR_ITERATIONS
        iterations = FIRST_ITERATIONS if fresh else further
        for step in range(iterations):
            outline = field if (not fresh or step >= OUTLINE_FROM) else None
            pose = self._iterate(pose, landmarks, world, weight, outline, None if fresh else previous, dt)
        self.pose = pose
        if fresh:
            # the first frame's shape is a guess made while the pose was still far off
            self.frames = 0
        self.frames += 1
        return self._result(pose, landmarks, weight)

    def _turn_to_ray(self, landmarks: Array, world: Array, weight: Array) -> Array:
        """World landmarks are seen along the ray to the person; turn them into camera axes."""
        total = weight.sum() + 1e-6
        centre = (landmarks[:, :2] * weight[:, None]).sum(0) / total
        if total < 1.0:
            centre = landmarks[[11, 12, 23, 24], :2].mean(0)
        offset = centre - np.array([self.intrinsics.cx, self.intrinsics.cy])
        ray = np.array([offset[0], offset[1], self.intrinsics.focal])
        return np.asarray(world @ align(np.array([0.0, 0.0, 1.0]), ray).T)

    def _first_guess(self, landmarks: Array, world: Array, weight: Array) -> Pose:
        local = np.tile(np.eye(3), (len(BONES), 1, 1))
        up = (world[11] + world[12] - world[23] - world[24]) / 2
        across = (world[11] - world[12]) + 0.5 * (world[23] - world[24])
        if weight[[23, 24]].max() < 0.1:  # hips unseen: stand upright
            up = np.array([0.0, -1.0, 0.0]) * max(float(np.linalg.norm(up)), 0.1)
            across = world[11] - world[12]
        y = up / np.linalg.norm(up)
        x = across - (across @ y) * y
        x /= np.linalg.norm(x) + 1e-9
        local[0] = np.stack([x, y, np.cross(x, y)], axis=1)
        pose = self.skeleton.forward(local, np.array([0.0, 0.0, 2.5]), self._joints)
        for side, base in (("left", 0), ("right", 1)):
            for part, start, end in (
                ("upper_arm", 11, 13),
                ("forearm", 13, 15),
                ("thigh", 23, 25),
                ("shin", 25, 27),
            ):
                bone = self._anatomy.bone(f"{side}_{part}")
                if weight[[start + base, end + base]].min() < 0.2:
                    prior = OPTIMISED.index(f"{side}_{part}")
                    local[bone] = exp_so3(
                        self._anatomy.prior_frame[prior].T @ self._anatomy.prior_mean[prior]
                    )
                else:
                    frame = pose.world[self.skeleton.parents[bone]]
                    target = frame.T @ (world[end + base] - world[start + base])
                    local[bone] = align(self._anatomy.axis[bone], target)
                pose = self.skeleton.forward(local, pose.translation, self._joints)
        translation = self._place(pose, landmarks, weight)
        return self.skeleton.forward(local, translation, self._joints)

    def _place(self, pose: Pose, landmarks: Array, weight: Array) -> Array:
        """Root translation that best projects the posed landmarks (linear least squares)."""
        points = self._landmark_points(pose) - pose.translation
        ray = (landmarks[:, :2] - [self.intrinsics.cx, self.intrinsics.cy]) / self.intrinsics.focal
        rows, right = [], []
        # Trunk points say how far away the person is; a foreshortened arm does not.
        importance = weight * np.where(np.isin(np.arange(33), (0, 11, 12, 23, 24)), 3.0, 0.3) + 1e-4
        for axis in range(2):
            row = np.zeros((33, 3))
            row[:, axis] = 1.0
            row[:, 2] = -ray[:, axis]
            rows.append(row * importance[:, None])
            right.append((ray[:, axis] * points[:, 2] - points[:, axis]) * importance)
        solution = np.linalg.lstsq(np.concatenate(rows), np.concatenate(right), rcond=None)[0]
        solution[2] = np.clip(solution[2], 0.4, 12.0)
        return np.asarray(solution)

    def _landmark_points(self, pose: Pose) -> Array:
        bone = self._landmark_bone
        arm = self._landmark_rest - self._joints[bone]
        return np.asarray(np.einsum("nij,nj->ni", pose.world[bone], arm) + pose.origin[bone])

    def _iterate(
        self,
        pose: Pose,
        landmarks: Array,
        world: Array,
        weight: Array,
        field: DistanceField | None,
        previous: Pose | None,
        dt: float,
    ) -> Pose:
        """One damped Gauss-Newton step; updates shape and girths while they settle."""
        turns, count = self._turns, len(self.shape)
        settling = self.frames < SETTLE_FRAMES
        equations = NormalEquations(turns + 3 + (count + len(self.girth) if settling else 0))
        depth = max(float(pose.translation[2]), 0.3)
        moved = self.skeleton.shape_origin(pose, self._joint_basis) if settling else None
        self._add_landmarks(equations, pose, landmarks, world, weight, depth, moved)
        if field is not None:
            self._add_outline(equations, pose, field, depth, moved)
        self._add_limits(equations, pose)
        if previous is not None:
            self._add_previous(equations, pose, previous, dt)
        if settling:
            spread = np.concatenate([np.ones(count), np.full(len(self.girth), SIGMA_GIRTH)])
            values = np.concatenate([self.shape, self.girth])
            equations.add_diagonal(turns + 3, values, 1.0 / spread**2)
            # the running estimate stiffens with every frame seen
            equations.add_diagonal(turns + 3, np.zeros_like(values), self.frames * STIFFENING / spread**2)
            self._add_girth_neighbours(equations, turns + 3 + count)
        step = equations.solve()
        turn = step[:turns].reshape(-1, 3)
        length = np.linalg.norm(turn, axis=1, keepdims=True)
        turn = np.asarray(turn * np.minimum(1.0, MAX_TURN / np.maximum(length, 1e-9)), np.float64)
        local = self.skeleton.turned(pose, self._used, turn)
        if settling:
            self.shape = np.clip(self.shape + step[turns + 3 : turns + 3 + count], -3.0, 3.0)
            self.girth = np.clip(self.girth + step[turns + 3 + count :], -0.25, 0.45)
            self._reshape()
        translation = pose.translation + np.clip(step[turns : turns + 3], -MAX_SHIFT, MAX_SHIFT)
        translation[2] = max(translation[2], 0.3)
        return self.skeleton.forward(local, translation, self._joints)

    def _add_landmarks(
        self,
        equations: NormalEquations,
        pose: Pose,
        landmarks: Array,
        world: Array,
        weight: Array,
        depth: float,
        moved: Array | None,
    ) -> None:
        points, bone = self._landmark_points(pose), self._landmark_bone
        jacobian = self._point_jacobian(pose, points, self._landmark_moves, equations.columns)
        if moved is not None:
            own = pose.world[bone] @ (self._landmark_basis - self._joint_basis[bone])
            jacobian[:, :, self._turns + 3 : self._turns + 3 + len(self.shape)] = moved[bone] + own
        # in the picture
        projection = self._projection(points, depth)
        residual = (self.intrinsics.project(points) - landmarks[:, :2]) * (depth / self.intrinsics.focal)
        robust = 1.0 / (1.0 + (residual**2).sum(1) / 0.08**2)
        precision = np.repeat(weight * robust / SIGMA_IMAGE**2, 2)
        equations.add((projection @ jacobian).reshape(66, -1), residual.reshape(66), precision)
        # in the world, relative to their weighted mean
        share = (weight + 1e-3) / (weight + 1e-3).sum()
        self._update_world_scale(points, world, weight)
        residual = points - share @ points - self._world_scale * (world - share @ world)
        robust = 1.0 / (1.0 + (residual**2).sum(1) / 0.15**2)
        precision = ((weight * robust + 0.02)[:, None] / SIGMA_WORLD**2).reshape(99)
        jacobian -= np.tensordot(share, jacobian, 1)
        equations.add(jacobian.reshape(99, -1), residual.reshape(99), precision)

    @staticmethod
    def _projection(points: Array, depth: float) -> Array:
        """(N, 2, 3) d(pixel * depth / focal) / d point."""
        z = np.maximum(points[:, 2], 0.1)
        projection = np.zeros((len(points), 2, 3))
        projection[:, 0, 0] = projection[:, 1, 1] = depth / z
        projection[:, 0, 2] = -depth * points[:, 0] / z**2
        projection[:, 1, 2] = -depth * points[:, 1] / z**2
        return projection

    def _point_jacobian(self, pose: Pose, points: Array, moves: NDArray[np.bool_], columns: int) -> Array:
        """(N, 3, columns): turns and translation; ``moves`` (N, n) says which joints move a point."""
        jacobian = np.zeros((len(points), 3, columns))
        turned = rotation_columns(points, pose.origin[self._used], moves)
        jacobian[:, :, : self._turns] = turned.reshape(len(points), 3, self._turns)
        jacobian[:, :, self._turns : self._turns + 3] = np.eye(3)
        return jacobian

    def _update_world_scale(self, points: Array, world: Array, weight: Array) -> None:
        ours = theirs = 0.0
        for a, b in SCALE_BONES:
            trust = float(min(weight[a], weight[b]))
            ours += trust * float(np.linalg.norm(points[a] - points[b]))
            theirs += trust * float(np.linalg.norm(world[a] - world[b]))
        if theirs > 0.1:
            self._world_scale += 0.2 * (float(np.clip(ours / theirs, 0.6, 1.6)) - self._world_scale)

    def _matrices(self, pose: Pose) -> Array:
        """Skinning matrices (J, 3, 4): x -> world (c + G (x - c) - joint) + origin, G the girth."""
        group, centre = self._anatomy.girth_group, self._anatomy.girth_centre
        growth = np.where(group >= 0, self.girth[group], 0.0)
        girth = np.eye(3) + growth[:, None, None] * self._anatomy.across
        inner = centre - np.einsum("jik,jk->ji", girth, centre) - self._joints
        offset = np.einsum("jik,jk->ji", pose.world, inner) + pose.origin
        return np.concatenate([pose.world @ girth, offset[:, :, None]], axis=2)

    def _add_outline(
        self, equations: NormalEquations, pose: Pose, field: DistanceField, depth: float, moved: Array | None
    ) -> None:
        pull = self._outline.pull(pose, self._matrices(pose), field, self.intrinsics, depth)
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
            rows = np.flatnonzero(group >= 0)
            jacobian[rows, :, first + count + group[rows]] = grown[rows]
        outward = pull.direction[:, None] @ self._projection(pull.points, depth)
        robust = 1.0 / (1.0 + pull.distance**2 / 0.035**2)
        precision = pull.trust * robust / SIGMA_OUTLINE**2
        equations.add((outward @ jacobian)[:, 0], pull.distance, precision)

    def _add_girth_neighbours(self, equations: NormalEquations, first: int) -> None:
        names = list(GIRTH_GROUPS)
        rows = np.zeros((len(GIRTH_NEIGHBOURS), equations.columns))
        for row, (one, other, _) in zip(rows, GIRTH_NEIGHBOURS, strict=True):
            row[first + names.index(one)], row[first + names.index(other)] = 1.0, -1.0
        precision = np.array([sigma**-2 for _, _, sigma in GIRTH_NEIGHBOURS])
        equations.add(rows, rows[:, first:] @ self.girth, precision)

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

    def _result(self, bare: Pose, landmarks: Array, weight: Array) -> Fit:
        pose = self._spread_twist(bare)
        points = self._landmark_points(bare)
        miss = (self.intrinsics.project(points) - landmarks[:, :2]) * (
            bare.translation[2] / self.intrinsics.focal
        )
        error = float(np.sqrt(((miss**2).sum(1) * weight).sum() / (weight.sum() + 1e-6)))
        return Fit(
            skin=self._matrices(pose).astype(np.float32),
            shape=self.shape.copy(),
            pose=bare,
            landmark_points=points,
            error=error,
            settled=min(1.0, self.frames / SETTLE_FRAMES),
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
