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

from inference.body_model import BONES, BodyModel, rest_normals
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
from inference.silhouette import DistanceField

SETTLE_FRAMES = 90
SIGMA_IMAGE = 0.012  # m, a well seen landmark
SIGMA_WORLD = np.array([0.08, 0.08, 0.07])  # m, world landmarks: the picture knows x and y better
SIGMA_OUTLINE = 0.030  # m, one outline point (there are a hundred)
SIGMA_GIRTH = 0.12
CLOTHES = 0.010  # m, by which worn clothes stand off the body
OUTLINE_POINTS = 700
OUTLINE_REACH = 0.09  # m, an outline point farther from the mask's edge belongs to another edge

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

OPTIMISED = ["pelvis", "spine1", "spine2", "chest", "neck", "head"] + [
    f"{side}_{part}"
    for side in ("left", "right")
    for part in ("clavicle", "upper_arm", "forearm", "hand", "thigh", "shin", "foot")
]

# Standard deviations in rad of local rotation about (x, y, z) body axes, or for hinges
# about (hinge, bone axis, third axis).
FREEDOM: dict[str, tuple[float, float, float]] = {
    "spine1": (0.22, 0.15, 0.12),
    "spine2": (0.22, 0.15, 0.12),
    "chest": (0.18, 0.18, 0.12),
    "neck": (0.35, 0.35, 0.25),
    "head": (0.35, 0.45, 0.30),
    "clavicle": (0.10, 0.18, 0.22),
    "upper_arm": (1.2, 1.2, 1.2),
    "forearm": (1.6, 0.5, 0.08),
    "hand": (0.5, 0.3, 0.5),
    "thigh": (1.2, 0.5, 0.5),
    "shin": (1.6, 0.12, 0.06),
    "foot": (0.4, 0.25, 0.25),
}

GIRTH_GROUPS: dict[str, tuple[str, ...]] = {
    "hips": ("pelvis", "spine1"),
    "waist": ("spine2",),
    "chest": ("chest",),
    "upper_arm": ("left_upper_arm", "left_upper_arm_twist", "right_upper_arm", "right_upper_arm_twist"),
    "forearm": ("left_forearm", "left_forearm_twist", "right_forearm", "right_forearm_twist"),
    "thigh": ("left_thigh", "right_thigh"),
    "shin": ("left_shin", "right_shin"),
}
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
class Intrinsics:
    """Pinhole camera: focal length and principal point, px."""

    focal: float
    cx: float
    cy: float

    @classmethod
    def from_field_of_view(cls, degrees: float, width: int, height: int) -> Intrinsics:
        """``degrees`` is the angle across the longer side of the picture."""
        focal = 0.5 * max(width, height) / float(np.tan(np.radians(degrees) / 2))
        return cls(focal, width / 2, height / 2)

    def project(self, points: Array) -> Array:
        """Camera space (N, 3) metres to px (N, 2)."""
        depth = np.maximum(points[:, 2:3], 0.05)
        return np.asarray(points[:, :2] / depth * self.focal + np.array([self.cx, self.cy]))


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
    """Follows one person; ``reset`` when another one comes."""

    def __init__(self, model: BodyModel, intrinsics: Intrinsics) -> None:
        self.model = model
        self.intrinsics = intrinsics
        self.skeleton = Skeleton(model.parents)
        names = list(BONES)
        self._names = names
        self._joints_used = np.array([names.index(name) for name in OPTIMISED])
        self._mean_joints = np.asarray(model.joints, np.float64)
        self._joint_basis = np.asarray(model.joint_basis, np.float64)
        self._landmark_bone = np.asarray(model.landmark_bone, int)
        self._landmark_basis = np.moveaxis(np.asarray(model.landmark_basis, np.float64), 0, -1)
        self._bone_axis = self._axes()
        self._prior_frame, self._prior_sigma, self._prior_mean, self._hinge = self._priors()
        self._pick_outline()
        self._girth_of_bone = np.full(len(names), -1)
        for index, bones in enumerate(GIRTH_GROUPS.values()):
            for bone in bones:
                self._girth_of_bone[names.index(bone)] = index
        self._centre = self._girth_centres()
        axes = self._bone_axis
        self._across = np.eye(3) - axes[:, :, None] * axes[:, None, :]
        self._joint_basis_last = np.moveaxis(self._joint_basis, 0, -1)
        self.reset()

    # -- constants from the model -------------------------------------------------------------

    def _bone(self, name: str) -> int:
        return self._names.index(name)

    def _axes(self) -> Array:
        """Unit direction (J, 3) along each bone at rest: towards the next joint down the limb."""
        joints = self._mean_joints
        follow = {
            "upper_arm": "forearm",
            "forearm": "hand",
            "upper_arm_twist": "forearm",
            "forearm_twist": "hand",
        }
        follow |= {
            "thigh": "shin",
            "shin": "foot",
            "hand": "fingers",
            "foot": "toes",
            "clavicle": "upper_arm",
        }
        axes = np.tile(np.array([0.0, 1.0, 0.0]), (len(joints), 1))
        for bone, name in enumerate(self._names):
            side, _, part = name.partition("_")
            if part in follow:
                direction = joints[self._bone(f"{side}_{follow[part]}")] - joints[bone]
                axes[bone] = direction / np.linalg.norm(direction)
        return axes

    def _priors(self) -> tuple[Array, Array, Array, NDArray[np.bool_]]:
        """Per optimised joint: frame (n, 3, 3), rows the prior's axes; sigma, mean (n, 3); hinge (n,)."""
        count = len(OPTIMISED)
        frame = np.tile(np.eye(3), (count, 1, 1))
        sigma = np.full((count, 3), 1e3)  # the root is free
        mean = np.zeros((count, 3))
        hinge = np.zeros(count, bool)
        straight = np.zeros(count)
        forward = np.array([0.0, 0.0, 1.0])
        for index, name in enumerate(OPTIMISED):
            part = name.split("_", 1)[1] if "_" in name else name
            if part not in FREEDOM:
                continue
            sigma[index] = FREEDOM[part]
            axis = self._bone_axis[self._bone(name)]
            if part in ("forearm", "shin", "hand", "foot"):
                upper = self._bone_axis[
                    self._bone(name.replace("forearm", "upper_arm").replace("hand", "upper_arm"))
                ]
                bend = np.cross(upper, axis) if part in ("forearm", "hand") else np.cross(forward, axis)
                bend /= np.linalg.norm(bend)
                frame[index] = np.stack([bend, axis, np.cross(bend, axis)])
                hinge[index] = part in ("forearm", "shin")
                if part == "forearm":  # bent at rest already; a hanging arm is nearly straight
                    straight[index] = -np.arccos(np.clip(upper @ axis, -1, 1))
                    mean[index, 0] = straight[index] + 0.3
            if part == "upper_arm":  # arms hang, where nothing shows them
                hang = align(axis, np.array([0.22 * np.sign(axis[0]), -1.0, 0.02]))
                mean[index] = log_so3(hang)
        self._straight = straight
        return frame, sigma, mean, hinge

    def _pick_outline(self) -> None:
        """Vertices that pull on the outline: torso and limbs, evenly spread over the surface."""
        region = np.asarray(self.model.region)
        wanted = ~np.isin(region, (1, 5, 8, 12, 15))  # no head, hands, feet
        dominant = np.asarray(self.model.skin_indices)[
            np.arange(len(region)), np.argmax(self.model.skin_weights, axis=1)
        ]
        candidates = np.flatnonzero(wanted)
        step = np.random.default_rng(0).permutation(candidates)[:OUTLINE_POINTS]
        self._outline = np.sort(step)
        self._outline_bone = dominant[self._outline].astype(int)
        self._outline_basis = np.moveaxis(
            np.asarray(self.model.shape_basis[:, self._outline], np.float64), 0, -1
        )
        self._outline_indices = np.asarray(self.model.skin_indices[self._outline], int)
        self._outline_weights = np.asarray(self.model.skin_weights[self._outline], np.float64)
        normals = rest_normals(self.model.vertices, self.model.faces)
        self._outline_normals = normals[self._outline].astype(np.float64)

    def _girth_centres(self) -> Array:
        """A point (J, 3) on the axis about which each bone's flesh grows."""
        dominant = np.asarray(self.model.skin_indices)[
            np.arange(len(self.model.vertices)), np.argmax(self.model.skin_weights, axis=1)
        ]
        centre = self._mean_joints.copy()
        for bone in range(len(centre)):
            near = self.model.vertices[dominant == bone]
            if self._girth_of_bone[bone] >= 0 and len(near):
                centre[bone] = (near.min(0) + near.max(0)) / 2
                if "_" not in self._names[bone]:
                    centre[bone, 0] = 0.0
        return centre

    # -- state ----------------------------------------------------------------------------------

    def reset(self) -> None:
        """Forget the person."""
        self.shape = np.zeros(self.model.shape_basis.shape[0])
        self.girth = np.zeros(len(GIRTH_GROUPS))
        self.frames = 0
        self.pose: Pose | None = None
        self._world_scale = 1.0
        self._reshape()

    def _reshape(self) -> None:
        self._joints = self._mean_joints + np.tensordot(self.shape, self._joint_basis, 1)
        self._landmark_rest = (
            np.asarray(self.model.mean_landmarks, np.float64) + self._landmark_basis @ self.shape
        )
        self._outline_rest = (
            np.asarray(self.model.vertices[self._outline], np.float64) + self._outline_basis @ self.shape
        )

    # -- one frame --------------------------------------------------------------------------------

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
        iterations = 14 if fresh else 2
        for step in range(iterations):
            outline = field if (not fresh or step >= 7) else None
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
        local = np.tile(np.eye(3), (len(self._names), 1, 1))
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
                bone = self._bone(f"{side}_{part}")
                if weight[[start + base, end + base]].min() < 0.2:
                    prior = OPTIMISED.index(f"{side}_{part}")
                    local[bone] = exp_so3(self._prior_frame[prior].T @ self._prior_mean[prior])
                else:
                    frame = pose.world[self.skeleton.parents[bone]]
                    target = frame.T @ (world[end + base] - world[start + base])
                    local[bone] = align(self._bone_axis[bone], target)
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
        used = self._joints_used
        turns = 3 * len(used)
        shape_count, girth_count = len(self.shape), len(self.girth)
        settling = self.frames < SETTLE_FRAMES
        columns = turns + 3 + (shape_count + girth_count if settling else 0)
        depth = max(float(pose.translation[2]), 0.3)
        normal = np.zeros((columns, columns))
        gradient = np.zeros(columns)

        def add(jacobian: Array, residual: Array, precision: Array) -> None:
            weighted = jacobian * precision[:, None]
            normal.__iadd__(weighted.T @ jacobian)
            gradient.__iadd__(weighted.T @ residual)

        shape_origin = self.skeleton.shape_origin(pose, self._joint_basis) if settling else None
        points = self._landmark_points(pose)
        jacobian = self._point_jacobian(pose, points, self._landmark_bone, columns)
        if shape_origin is not None:
            bone = self._landmark_bone
            joint_part = self._joint_basis_last[bone]
            jacobian[:, :, turns + 3 : turns + 3 + shape_count] = shape_origin[bone] + np.einsum(
                "nij,njk->nik", pose.world[bone], self._landmark_basis - joint_part
            )
        # landmarks in the picture
        pixels, projection = self._projection(points, depth)
        residual = (pixels - landmarks[:, :2]) * (depth / self.intrinsics.focal)
        image_jacobian = np.einsum("nij,njk->nik", projection, jacobian)
        robust = 1.0 / (1.0 + (residual**2).sum(1) / 0.08**2)
        precision = np.repeat(weight * robust / SIGMA_IMAGE**2, 2)
        add(image_jacobian.reshape(66, columns), residual.reshape(66), precision)
        # world landmarks, relative to their weighted mean
        share = (weight + 1e-3) / (weight + 1e-3).sum()
        self._update_world_scale(points, world, weight)
        centred = points - share @ points
        target = self._world_scale * (world - share @ world)
        world_jacobian = jacobian - np.tensordot(share, jacobian, 1)[None]
        world_residual = centred - target
        robust = 1.0 / (1.0 + (world_residual**2).sum(1) / 0.15**2)
        precision = ((weight * robust + 0.02)[:, None] / SIGMA_WORLD**2).reshape(99)
        add(world_jacobian.reshape(99, columns), world_residual.reshape(99), precision)
        if field is not None:
            self._outline_rows(pose, field, depth, columns, shape_origin, add)
        self._prior_rows(pose, previous, dt, columns, settling, add)
        normal[np.diag_indices(columns)] += 1e-3 * np.diag(normal) + 1e-6
        step = -np.linalg.solve(normal, gradient)
        turn = step[:turns].reshape(-1, 3)
        length = np.linalg.norm(turn, axis=1, keepdims=True)
        turn = turn * np.minimum(1.0, 0.6 / np.maximum(length, 1e-9))
        local = self.skeleton.turned(pose, used, np.asarray(turn, np.float64))
        if settling:
            self.shape = np.clip(self.shape + step[turns + 3 : turns + 3 + shape_count], -3.0, 3.0)
            self.girth = np.clip(self.girth + step[turns + 3 + shape_count :], -0.25, 0.45)
            self._reshape()
        translation = pose.translation + np.clip(step[turns : turns + 3], -0.8, 0.8)
        translation[2] = max(translation[2], 0.3)
        return self.skeleton.forward(local, translation, self._joints)

    def _projection(self, points: Array, depth: float) -> tuple[Array, Array]:
        """Pixels (N, 2) and d(pixel * depth / focal) / d point (N, 2, 3)."""
        z = np.maximum(points[:, 2], 0.1)
        projection = np.zeros((len(points), 2, 3))
        projection[:, 0, 0] = projection[:, 1, 1] = depth / z
        projection[:, 0, 2] = -depth * points[:, 0] / z**2
        projection[:, 1, 2] = -depth * points[:, 1] / z**2
        return self.intrinsics.project(points), projection

    def _point_jacobian(self, pose: Pose, points: Array, bone: NDArray[np.integer], columns: int) -> Array:
        used = self._joints_used
        moves = self.skeleton.ancestor[bone][:, used]
        jacobian = np.zeros((len(points), 3, columns))
        turns = 3 * len(used)
        jacobian[:, :, :turns] = rotation_columns(points, pose.origin[used], moves).reshape(
            len(points), 3, turns
        )
        jacobian[:, :, turns : turns + 3] = np.eye(3)
        return jacobian

    def _update_world_scale(self, points: Array, world: Array, weight: Array) -> None:
        ours = theirs = 0.0
        for a, b in SCALE_BONES:
            trust = float(min(weight[a], weight[b]))
            ours += trust * float(np.linalg.norm(points[a] - points[b]))
            theirs += trust * float(np.linalg.norm(world[a] - world[b]))
        if theirs > 0.1:
            self._world_scale += 0.2 * (float(np.clip(ours / theirs, 0.6, 1.6)) - self._world_scale)

    def _girth_matrices(self) -> Array:
        """(J, 3, 3): growth of each bone's flesh across its axis."""
        growth = np.where(self._girth_of_bone >= 0, self.girth[self._girth_of_bone], 0.0)
        return np.asarray(np.eye(3) + growth[:, None, None] * self._across)

    def _matrices(self, pose: Pose) -> Array:
        """Skinning matrices (J, 3, 4): x -> world (c + G (x - c) - joint) + origin."""
        growth = self._girth_matrices()
        centre = self._centre
        linear = pose.world @ growth
        inner = centre - np.einsum("jik,jk->ji", growth, centre) - self._joints
        offset = np.einsum("jik,jk->ji", pose.world, inner) + pose.origin
        return np.concatenate([linear, offset[:, :, None]], axis=2)

    def _outline_rows(
        self,
        pose: Pose,
        field: DistanceField,
        depth: float,
        columns: int,
        shape_origin: Array | None,
        add: object,
    ) -> None:
        matrices = self._matrices(pose)
        blended = np.einsum("nw,nwij->nij", self._outline_weights, matrices[self._outline_indices])
        points = np.einsum("nij,nj->ni", blended[:, :, :3], self._outline_rest) + blended[:, :, 3]
        bone = self._outline_bone
        normals = np.einsum("nij,nj->ni", pose.world[bone], self._outline_normals)
        view = points / np.linalg.norm(points, axis=1, keepdims=True)
        sideways = np.abs((normals * view).sum(1)) < 0.30
        pixels, projection = self._projection(points, depth)
        value, gradient, inside = field.sample(pixels)
        distance = value * depth / self.intrinsics.focal + CLOTHES
        flat = normals[:, :2] / (np.linalg.norm(normals[:, :2], axis=1, keepdims=True) + 1e-9)
        agree = (flat * gradient).sum(1) > 0.6
        use = np.flatnonzero(sideways & inside & agree & (np.abs(distance) < OUTLINE_REACH))
        if len(use) < 8:
            return
        jacobian = self._point_jacobian(pose, points[use], bone[use], columns)
        if shape_origin is not None:
            turns = 3 * len(self._joints_used)
            count = len(self.shape)
            joint_part = self._joint_basis_last[bone[use]]
            jacobian[:, :, turns + 3 : turns + 3 + count] = shape_origin[bone[use]] + np.einsum(
                "nij,njk->nik", pose.world[bone[use]], self._outline_basis[use] - joint_part
            )
            group = self._girth_of_bone[bone[use]]
            grown = group >= 0
            axis = self._bone_axis[bone[use]]
            across = self._outline_rest[use] - self._centre[bone[use]]
            across -= (across * axis).sum(1, keepdims=True) * axis
            moved = np.einsum("nij,nj->ni", pose.world[bone[use]], across)
            rows = np.flatnonzero(grown)
            jacobian[rows, :, turns + 3 + count + group[rows]] = moved[rows]
        row = np.einsum("ni,nij,njk->nk", gradient[use], projection[use], jacobian)
        robust = 1.0 / (1.0 + distance[use] ** 2 / 0.035**2)
        add(row, distance[use], robust / SIGMA_OUTLINE**2)  # type: ignore[operator]

    def _prior_rows(
        self, pose: Pose, previous: Pose | None, dt: float, columns: int, settling: bool, add: object
    ) -> None:
        used = self._joints_used
        parents = np.array([self.skeleton.parents[j] for j in used[1:]])
        vectors = log_so3(pose.local[used[1:]])
        frame = self._prior_frame[1:]
        local = np.einsum("nij,nj->ni", frame, vectors)
        residual = local - self._prior_mean[1:]
        sigma = self._prior_sigma[1:].copy()
        hinge = self._hinge[1:]
        beyond = hinge & (local[:, 0] < self._straight[1:])  # knees and elbows do not bend backwards
        residual[beyond, 0] = (local[:, 0] - self._straight[1:])[beyond]
        sigma[beyond, 0] = 0.06
        # turning joint j by d (camera axes) adds parent_world^T d to its local rotation vector
        to_local = np.einsum("nij,nkj->nik", frame, pose.world[parents])
        count = len(used) - 1
        jacobian = np.zeros((count, 3, columns))
        for index in range(count):
            jacobian[index, :, 3 * index + 3 : 3 * index + 6] = to_local[index]
        add(jacobian.reshape(3 * count, columns), residual.reshape(-1), 1.0 / sigma.reshape(-1) ** 2)  # type: ignore[operator]
        if previous is not None:
            pace = np.sqrt(max(dt, 1e-3) * 30.0)
            change = log_so3(pose.local[used] @ np.swapaxes(previous.local[used], 1, 2))
            rows = np.zeros((len(used), 3, columns))
            rows[0, :, :3] = np.eye(3)
            for index in range(1, len(used)):
                rows[index, :, 3 * index : 3 * index + 3] = pose.world[parents[index - 1]].T
            add(rows.reshape(-1, columns), change.reshape(-1), np.full(3 * len(used), 1 / (0.12 * pace) ** 2))  # type: ignore[operator]
            shift = np.zeros((3, columns))
            shift[:, 3 * len(used) : 3 * len(used) + 3] = np.eye(3)
            moved = pose.translation - previous.translation
            add(shift, moved, 1.0 / (np.array([0.15, 0.15, 0.03]) * pace) ** 2)  # type: ignore[operator]
        if settling:
            shape_count, girth_count = len(self.shape), len(self.girth)
            rows = np.zeros((shape_count + girth_count, columns))
            rows[:, -(shape_count + girth_count) :] = np.eye(shape_count + girth_count)
            values = np.concatenate([self.shape, self.girth])
            spread = np.concatenate([np.ones(shape_count), np.full(girth_count, SIGMA_GIRTH)])
            add(rows, values, 1.0 / spread**2)  # type: ignore[operator]
            # the running estimate stiffens with every frame seen
            add(rows, np.zeros_like(values), self.frames * 4.0 / spread**2)  # type: ignore[operator]

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
            upper, low = self._bone(f"{side}_upper_arm"), self._bone(f"{side}_upper_arm_twist")
            swing, _ = swing_twist(pose.local[upper], self._bone_axis[upper])
            world[upper] = pose.world[self.skeleton.parents[upper]] @ swing
            world[low] = pose.world[upper]
            fore, wrist = self._bone(f"{side}_forearm"), self._bone(f"{side}_forearm_twist")
            _, angle = swing_twist(pose.local[self._bone(f"{side}_hand")], self._bone_axis[fore])
            world[wrist] = pose.world[fore] @ exp_so3(angle * self._bone_axis[fore])
        return Pose(pose.local, pose.translation, world, pose.origin)
