"""A puppet: a person of known pose, and the landmarks a tracker without error would see.

Its forward kinematics is written here, in rotation matrices and joint names, on purpose apart from
the package's: the laws compare the two.
"""

from __future__ import annotations

import numpy as np
import pytest

from twinsdk.core.humanoid import HUMANOID_NAMES, HUMANOID_PARENTS, humanoid_skeleton
from twinsdk.core.landmarks import BODY_NAMES, HAND_NAMES, ImageLandmarks, Landmarks
from twinsdk.core.observation import Observation
from twinsdk.motion.fitting import body

# Points fixed to a joint: offset from it in the rest pose, left side, metres.
RIGID = {
    "nose": ("head", (0, 0.030, 0.118)),
    "leftEyeInner": ("head", (0.016, 0.066, 0.090)),
    "leftEye": ("head", (0.032, 0.066, 0.086)),
    "leftEyeOuter": ("head", (0.047, 0.065, 0.076)),
    "leftEar": ("head", (0.078, 0.045, 0.0)),
    "mouthLeft": ("head", (0.026, -0.004, 0.088)),
    "leftHeel": ("leftFoot", (0, -0.024, -0.05)),
    "leftFootIndex": ("leftFoot", (0, -0.075, 0.19)),
}
AT_JOINT = {
    "leftShoulder": "leftUpperArm",
    "leftElbow": "leftLowerArm",
    "leftWrist": "leftHand",
    "leftPinky": "leftLittleProximal",
    "leftIndex": "leftIndexProximal",
    "leftThumb": "leftThumbDistal",
    "leftHip": "leftUpperLeg",
    "leftKnee": "leftLowerLeg",
    "leftAnkle": "leftFoot",
}
TIPS = {"thumb": 0.028, "index": 0.022, "middle": 0.023, "ring": 0.022, "little": 0.018}


def rotation(x=0.0, y=0.0, z=0.0):
    """Rx(x) Ry(y) Rz(z), radians."""
    cx, sx, cy, sy, cz, sz = np.cos(x), np.sin(x), np.cos(y), np.sin(y), np.cos(z), np.sin(z)
    rx = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    ry = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    rz = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return rx @ ry @ rz


def about(vector):
    """Rotation matrix of a rotation vector, by the exponential series: no code shared with ours."""
    k = np.array(
        [[0, -vector[2], vector[1]], [vector[2], 0, -vector[0]], [-vector[1], vector[0], 0]]
    )
    out, term = np.eye(3), np.eye(3)
    for n in range(1, 40):
        term = term @ k / n
        out = out + term
    return out


def swing(u, d):
    """Shortest arc from unit u to unit d."""
    axis = np.cross(u, d)
    sine = np.linalg.norm(axis)
    if sine < 1e-12:
        return np.eye(3)
    return about(axis / sine * np.arctan2(sine, np.dot(u, d)))


def other_side(name):
    for a, b in (("left", "right"), ("Left", "Right")):
        if name.startswith(a):
            return b + name[len(a) :]
        if name.endswith(a):
            return name[: -len(a)] + b
    return name


class Puppet:
    rotation = staticmethod(rotation)
    about = staticmethod(about)
    swing = staticmethod(swing)

    def __init__(self, offsets=None, carried=None):
        skeleton = humanoid_skeleton()
        self.offsets = dict(
            zip(HUMANOID_NAMES, skeleton.rest_translations.astype(float), strict=True)
        ) | (offsets or {})
        self.carried = carried or {}

    def kinematics(self, local, root=(0.0, 0.0, 0.0)):
        """World rotation and position of every joint from local matrices by name."""
        rotations, positions = {}, {}
        for name, parent in HUMANOID_PARENTS.items():
            own = local.get(name, np.eye(3))
            if parent is None:
                rotations[name], positions[name] = own, np.array(root, float)
            else:
                rotations[name] = rotations[parent] @ own
                positions[name] = positions[parent] + rotations[parent] @ self.offsets[name]
        return rotations, positions

    def body_points(self, local):
        """The 33 points, origin between the hips."""
        rotations, positions = self.kinematics(local)
        points = {}
        for name, (joint, offset) in RIGID.items():
            points[name] = positions[joint] + rotations[joint] @ np.array(offset, float)
            mirror = other_side(name)
            if mirror != name:
                j = other_side(joint)
                points[mirror] = positions[j] + rotations[j] @ (np.array(offset) * (-1, 1, 1))
        for name, joint in AT_JOINT.items():
            points[name] = positions[joint]
            points[other_side(name)] = positions[other_side(joint)]
        for name, (joint, offset) in self.carried.items():
            points[name] = positions[joint] + rotations[joint] @ offset
        centre = (points["leftHip"] + points["rightHip"]) / 2
        return np.array([points[name] - centre for name in BODY_NAMES])

    def hand_points(self, local, side):
        rotations, positions = self.kinematics(local)
        sign = 1 if side == "left" else -1
        points = {"wrist": positions[f"{side}Hand"]}
        for finger, tip in TIPS.items():
            label = finger.capitalize()
            joints = ("Metacarpal", "Proximal", "Distal") if finger == "thumb" else (
                "Proximal", "Intermediate", "Distal")  # fmt: skip
            marks = ("Cmc", "Mcp", "Ip") if finger == "thumb" else ("Mcp", "Pip", "Dip")
            for joint, mark in zip(joints, marks, strict=True):
                points[f"{finger}{mark}"] = positions[f"{side}{label}{joint}"]
            last = f"{side}{label}Distal"
            along = (
                np.array([sign, 0, 1]) / np.sqrt(2) if finger == "thumb" else np.array([sign, 0, 0])
            )
            points[f"{finger}Tip"] = positions[last] + rotations[last] @ (along * tip)
        array = np.array([points[name] for name in HAND_NAMES])
        return array - array.mean(0)

    def body(self, local, visibility=None, points=None):
        points = self.body_points(local) if points is None else points
        seen = np.ones(33) if visibility is None else visibility
        return Landmarks(names=BODY_NAMES, positions=points, visibility=seen)

    def hand(self, local, side):
        return Landmarks(
            names=HAND_NAMES, positions=self.hand_points(local, side), visibility=np.ones(21)
        )

    def image(self, points, where=(0.0, 1.0, 3.0), size=(640, 640), fov=60.0, visibility=None):
        """The points seen by a level camera at the origin; `where` is right, up, away, metres."""
        focal = 0.5 / np.tan(np.radians(fov) / 2) * size[0]
        away = where[2] - points[:, 2]
        u = 0.5 + focal * (points[:, 0] + where[0]) / away / size[0]
        v = 0.5 - focal * (points[:, 1] + where[1]) / away / size[1]
        return ImageLandmarks(
            names=BODY_NAMES, uv=np.stack([u, v], 1), size_px=size, visibility=visibility
        )

    def sight(self, points, where):
        """The axes (3, 3) that look at the trunk, in the camera's."""
        trunk = [
            BODY_NAMES.index(f"{s}{p}") for s in ("left", "right") for p in ("Shoulder", "Hip")
        ]
        right, up, away = points[trunk].mean(0) * (1, 1, -1) + where
        yaw, pitch = np.arctan2(right, away), np.arctan2(up, np.hypot(right, away))
        return rotation(y=-yaw) @ rotation(x=pitch)

    def observation(
        self, local, seconds, *, noise=None, visibility=None, hands=True, where=None, turn=None,
        expressions=None,
    ):  # fmt: skip
        """What a perfect tracker sees; `turn` (3, 3) is the camera's axes from the world's.

        A tracker looks at a cut-out: its points in space lie along the line of sight.
        """
        if turn is not None:
            local = local | {"hips": turn @ local.get("hips", np.eye(3))}
        points, where = self.body_points(local), where or (0.0, 0.0, 3.0)
        image = self.image(points, where, visibility=visibility)
        sight = self.sight(points, where)
        points = points @ sight
        if noise is not None:
            points = points + noise
        left, right = (
            Landmarks(
                names=HAND_NAMES,
                positions=self.hand_points(local, side) @ sight,
                visibility=np.ones(21),
            )
            for side in ("left", "right")
        )
        return Observation(
            timestamp_ns=round(seconds * 1e9) + 1_000_000_000,
            body=self.body(local, visibility, points),
            left_hand=left if hands else None,
            right_hand=right if hands else None,
            image_body=image,
            expressions=expressions,
        )

    def random_pose(self, rng, *, straight=False):
        """A pose within a person's range that keeps the fit's stated conventions."""
        local = {}
        local["hips"] = rotation(*rng.uniform((-0.5, -3, -0.3), (0.5, 3, 0.3)))
        bend = about(np.array([0.0, rng.uniform(-0.6, 0.6), rng.uniform(-0.4, 0.4)]) / 3)
        local["spine"] = local["chest"] = local["upperChest"] = bend
        turn = rng.uniform((-0.7, -1.0, -0.4), (0.7, 1.0, 0.4))
        local["neck"], local["head"] = about(0.4 * turn), about(0.6 * turn)
        for side, s in (("left", 1.0), ("right", -1.0)):
            self._arm(local, side, s, rng, straight)
            self._leg(local, side, s, rng, straight)
            self._hand(local, side, s, rng)
        return local

    def _arm(self, local, side, s, rng, straight):
        arm = np.array([rng.uniform(0.2, 1), rng.uniform(-1, 0.9), rng.uniform(-0.3, 0.9)])
        arm = arm / np.linalg.norm(arm) * (1, 1, 1)
        raise_ = (0.35 if arm[1] > 0 else 0.05) * arm[1]
        collar = about(np.array([0.0, -0.16 * arm[2] * s, raise_ * s]))
        seen = collar.T @ (arm * (s, 1, 1))
        rest = np.array([s, 0.0, 0.0])
        roll = 0.0 if straight else rng.uniform(-1.4, 1.4)
        bend = 0.0 if straight else rng.uniform(0.65, 2.3)
        twist, wrist = rng.uniform(-1.2, 1.2), rng.uniform((-0.5, -0.3), (0.9, 0.3))
        local[f"{side}Shoulder"] = collar
        local[f"{side}UpperArm"] = swing(rest, seen) @ rotation(x=roll)
        half = rotation(x=twist / 2)
        local[f"{side}LowerArm"] = about(np.array([0, -s * bend, 0.0])) @ half
        local[f"{side}Hand"] = half @ about(np.array([0.0, wrist[1], wrist[0]]))

    def _leg(self, local, side, s, rng, straight):
        thigh = np.array([s * rng.uniform(-0.2, 0.7), -1, rng.uniform(-0.4, 1.5)])
        rest = np.array([0.0, -1.0, 0.0])
        roll = rng.uniform(-0.6, 0.6)
        knee = 0.0 if straight else rng.uniform(0.65, 2.2)
        # With the knee straight its roll is read off the foot, which then has no turn of its own.
        yaw = 0.0 if straight else rng.uniform(-0.4, 0.4)
        local[f"{side}UpperLeg"] = swing(rest, thigh / np.linalg.norm(thigh)) @ rotation(y=roll)
        local[f"{side}LowerLeg"] = rotation(x=knee)
        local[f"{side}Foot"] = rotation(x=rng.uniform(-0.3, 0.7)) @ rotation(y=yaw)

    def _hand(self, local, side, s, rng):
        for finger in ("Index", "Middle", "Ring", "Little"):
            first = np.array([0.0, rng.uniform(-0.2, 0.2), -rng.uniform(0, 1.4)]) * (1, s, s)
            local[f"{side}{finger}Proximal"] = about(first)
            for part, most in (("Intermediate", 1.8), ("Distal", 1.2)):
                local[f"{side}{finger}{part}"] = about(np.array([0, 0, -s * rng.uniform(0, most)]))
        thumb = np.array([s, 0.0, 1.0]) / np.sqrt(2)
        for part in ("Metacarpal", "Proximal", "Distal"):
            d = thumb + rng.uniform(-0.35, 0.35, 3)
            local[f"{side}Thumb{part}"] = swing(thumb, d / np.linalg.norm(d))

    def moving_pose(self, t, *, straight=False):
        """A smooth motion, no joint faster than about 200 degrees a second; keeps conventions."""
        sin = np.sin
        local = {"hips": rotation(x=0.1 * sin(1.1 * t)) @ rotation(y=0.6 * sin(0.7 * t))}
        bend = about(np.array([0, 0.3 * sin(0.9 * t), 0.15 * sin(1.3 * t)]) / 3)
        local["spine"] = local["chest"] = local["upperChest"] = bend
        turn = np.array([0.3 * sin(1.2 * t), 0.5 * sin(0.8 * t), 0.1 * sin(t)])
        local["neck"], local["head"] = about(0.4 * turn), about(0.6 * turn)
        for side, s, late in (("left", 1.0, 0.0), ("right", -1.0, 1.3)):
            at = t + late
            arm = np.array(
                [0.6 + 0.3 * sin(1.1 * at), 0.7 * sin(1.7 * at) - 0.3, 0.4 * sin(at) + 0.4]
            )
            arm = arm / np.linalg.norm(arm)
            raise_ = (0.35 if arm[1] > 0 else 0.05) * arm[1]
            collar = about(np.array([0.0, -0.16 * arm[2] * s, raise_ * s]))
            bend = 0.05 + 0.05 * sin(2 * at) if straight else 0.9 + 0.85 * sin(1.5 * at)
            half = rotation(x=0.3 * sin(1.3 * at))
            local[f"{side}Shoulder"] = collar
            local[f"{side}UpperArm"] = swing(np.array([s, 0.0, 0.0]), collar.T @ (arm * (s, 1, 1)))
            local[f"{side}LowerArm"] = about(np.array([0, -s * bend, 0.0])) @ half
            local[f"{side}Hand"] = half @ about(np.array([0.0, 0.2 * sin(at), 0.3 * sin(1.4 * at)]))
            thigh = np.array([0.15 * s, -1, 0.4 * sin(1.5 * at)])
            thigh = thigh / np.linalg.norm(thigh)
            knee = 0.03 + 0.03 * sin(at) if straight else 0.45 + 0.45 * sin(1.5 * at + 0.8)
            local[f"{side}UpperLeg"] = swing(np.array([0.0, -1.0, 0.0]), thigh)
            local[f"{side}LowerLeg"] = rotation(x=knee)
            local[f"{side}Foot"] = rotation(x=0.2 * sin(1.5 * at))
            for finger in ("Index", "Middle", "Ring", "Little"):
                for part in ("Proximal", "Intermediate", "Distal"):
                    curl = -s * (0.5 + 0.4 * sin(1.2 * at))
                    local[f"{side}{finger}{part}"] = about(np.array([0, 0, curl]))
        return local

    def noise(self, rng, count, fps, *, across, deep):
        """Errors (count, 33, 3) as a tracker makes them: mostly slow, far larger in depth.

        Points of one hand, one foot and the face err together, and a fifth as much apart.
        """
        mix = np.eye(33)
        groups = {"nose": list(BODY_NAMES[1:11])}
        for side in ("left", "right"):
            groups[f"{side}Wrist"] = [f"{side}{p}" for p in ("Pinky", "Index", "Thumb")]
            groups[f"{side}Ankle"] = [f"{side}{p}" for p in ("Heel", "FootIndex")]
        for lead, others in groups.items():
            for other in others:
                mix[BODY_NAMES.index(other)] *= 0.2
                mix[BODY_NAMES.index(other), BODY_NAMES.index(lead)] = 1
        keep = 0.9 ** (30 / fps)
        slow = rng.normal(size=(33, 3))
        out = np.zeros((count, 33, 3))
        for k in range(count):
            slow = keep * slow + np.sqrt(1 - keep * keep) * rng.normal(size=(33, 3))
            out[k] = mix @ (0.97 * slow + 0.25 * rng.normal(size=(33, 3)))
        return out * (across, across, deep)

    def angles(self, local, quaternions):
        """Angle in degrees between each joint of `local` and the fitted (55, 4) xyzw."""
        out = {}
        for name, (x, y, z, w) in zip(HUMANOID_NAMES, np.asarray(quaternions, float), strict=True):
            fitted = np.array(
                [
                    [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                    [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                    [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
                ]
            )
            apart = fitted.T @ local.get(name, np.eye(3))
            axis = np.array(
                [apart[2, 1] - apart[1, 2], apart[0, 2] - apart[2, 0], apart[1, 0] - apart[0, 1]]
            )
            out[name] = np.degrees(np.arctan2(np.linalg.norm(axis), np.trace(apart) - 1))
        return out


@pytest.fixture(scope="session")
def puppet():
    return Puppet()


@pytest.fixture(scope="session")
def person():
    """The mean person the fitter begins with, and a tracker's points where they lie on them."""
    carried = {
        BODY_NAMES[point]: (body.JOINTS[joint], offset)
        for point, joint, offset in zip(
            body.POINTS, body.MODEL.point_joints, body.POINT_OFFSETS, strict=True
        )
    }
    offsets = dict(zip(body.JOINTS[1:], body.OFFSETS[1:], strict=True))
    return Puppet(offsets, carried)
