"""What others do, as formulas: each takes a clip and a target of the same joints.

The names of the target are the canonical ones in the canonical order, so that no peer is charged
for a wrong joint map; how names are mapped is a table of its own.
"""

from __future__ import annotations

import re
import time

import numpy as np

from twinsdk.core import quat
from twinsdk.core.humanoid import humanoid_skeleton

CANON = humanoid_skeleton()
# GMR's table for humans: joints with a goal, weight of place and of turn.
IK_GOALS = {
    "hips": (100.0, 10.0),
    **{f"{side}{part}": costs for side in ("left", "right") for part, costs in (
        ("UpperLeg", (0.0, 10.0)), ("LowerLeg", (10.0, 10.0)), ("Foot", (100.0, 10.0)),
        ("UpperArm", (0.0, 10.0)), ("LowerArm", (10.0, 10.0)), ("Hand", (10.0, 10.0)))},
    "upperChest": (0.0, 10.0),
    "head": (0.0, 10.0),
}  # fmt: skip
IK_ROUNDS = 10
IK_FIRST_ROUNDS = 300  # to come from the rest pose to the first frame; not in its time


def leg(skeleton):
    """Return thigh plus shin."""
    return sum(
        float(np.linalg.norm(skeleton.rest_translations[skeleton.joint(name)]))
        for name in ("leftLowerLeg", "leftFoot")
    )


def rotation_copy(clip, target):
    """Copy local rotations."""
    return clip.rotations, clip.root_translations * leg(target) / leg(clip.skeleton)


def rest_delta(clip, target, first=False):
    """Return G_t = G_s inverse(G_s,rest) G_t,rest; with `first`, frame 0 is the source's rest.

    three.js SkeletonUtils, UniVRM's normalised pose and most Blender add-ons.
    """
    turns = clip.world()[0].astype(float)
    rest = turns[0] if first else clip.skeleton.rest_world()[0].astype(float)
    goal = quat.multiply(quat.multiply(turns, quat.conjugate(rest)), target.rest_world()[0])
    local = quat.multiply(quat.conjugate(goal[:, np.maximum(target.parents, 0)]), goal)
    local[:, 0] = goal[:, 0]
    return local, clip.root_translations * leg(target) / leg(clip.skeleton)


class FrameIk:
    """Inverse kinematics frame by frame with mink, goals and weights as GMR sets them.

    GMR has its turns from one file pair to the other written by hand; here they are given exactly
    (`offsets`: (J, 4) how each joint of the target is turned when the body is in the T-pose), as
    a careful hand would, and places in metres.
    """

    def __init__(self, target, offsets, unit):
        import mink
        import mujoco

        self._mink, self._target, self._offsets = mink, target, offsets
        self._model = mujoco.MjModel.from_xml_string(_mjcf(target, unit))
        self.frames_s = 0.0
        # MuJoCo orders joints depth first.
        names = ["free", *(f"b{j}" for j in range(1, len(target)))]
        self._starts = [int(self._model.joint(name).qposadr[0]) for name in names]

    def __call__(self, clip):
        """Return local rotations (T, J, 4) and roots (T, 3) in metres."""
        mink, target = self._mink, self._target
        turns, places = (x.astype(float) for x in clip.world())
        configuration = mink.Configuration(self._model)
        tasks = {
            name: mink.FrameTask(f"j{CANON.joint(name)}", "body", place, turn, lm_damping=1.0)
            for name, (place, turn) in IK_GOALS.items()
        }
        step = float(self._model.opt.timestep)
        rotations = np.zeros((len(clip), len(target), 4))
        roots = np.zeros((len(clip), 3))
        start = time.perf_counter()
        for t in range(len(clip)):
            if t == 1:
                start = time.perf_counter()
            for name, task in tasks.items():
                j = CANON.joint(name)
                x, y, z, w = quat.multiply(turns[t, j], self._offsets[j])
                pose = mink.SE3(wxyz_xyz=np.array([w, x, y, z, *places[t, j]]))
                task.set_target(pose)
            error = np.inf
            for _ in range(IK_ROUNDS if t else IK_FIRST_ROUNDS):
                velocity = mink.solve_ik(configuration, tasks.values(), step, "daqp", 0.5)
                configuration.integrate_inplace(velocity, step)
                now = sum(float(np.linalg.norm(k.compute_error(configuration)))
                          for k in tasks.values())  # fmt: skip
                if error - now < 1e-3:
                    break
                error = now
            rotations[t], roots[t] = _read(configuration.q, target, self._starts)
        self.frames_s = (len(clip) - 1) / (time.perf_counter() - start)
        return rotations, roots


def _mjcf(skeleton, unit):
    """Return a MuJoCo model with a ball at every joint."""
    children = {j: [] for j in range(len(skeleton))}
    for j in range(1, len(skeleton)):
        children[int(skeleton.parents[j])].append(j)

    def body(j):
        place = " ".join(f"{v * unit:.9g}" for v in skeleton.rest_translations[j].astype(float))
        x, y, z, w = skeleton.rest_rotations[j].astype(float)
        kind = '<freejoint name="free"/>' if j == 0 else f'<joint name="b{j}" type="ball"/>'
        inner = "".join(body(child) for child in children[j])
        return (
            f'<body name="j{j}" pos="{place}" quat="{w:.9g} {x:.9g} {y:.9g} {z:.9g}">{kind}'
            f'<inertial pos="0 0 0" mass="1" diaginertia="0.01 0.01 0.01"/>{inner}</body>'
        )

    return f"<mujoco><worldbody>{body(0)}</worldbody></mujoco>"


def _read(q, skeleton, places):
    """Return local rotations and root of MuJoCo's coordinates; `places` (J,) where each begins."""
    out = skeleton.rest_rotations.astype(float)
    w, x, y, z = q[3:7]
    balls = np.stack([q[start : start + 4] for start in places[1:]])[:, [1, 2, 3, 0]]
    out[1:] = quat.multiply(out[1:], balls)
    out[0] = (x, y, z, w)
    return out, q[:3]


# Names as the usual tools write them, lower case and without marks: Mixamo, Unreal, Biped, VRM,
# MotionBuilder, CMU. A list of this kind is what name-based tools ship.
NAMES = {
    "hips": "hips pelvis hip root bip01pelvis lowertorso",
    "spine": "spine spine01 spine1 abdomen bip01spine lowerback torso",
    "chest": "chest spine02 spine2 bip01spine1 uppertorso",
    "upperChest": "upperchest spine03 spine3 bip01spine2 spine1",
    "neck": "neck neck01 neck1 bip01neck",
    "head": "head bip01head head01",
    "Shoulder": "shoulder clavicle collar bip01clavicle shldr",
    "UpperArm": "upperarm arm bip01upperarm uparm shldr humerus",
    "LowerArm": "lowerarm forearm bip01forearm elbow loarm radius",
    "Hand": "hand wrist bip01hand",
    "UpperLeg": "upperleg upleg thigh bip01thigh femur hip upperlegs",
    "LowerLeg": "lowerleg leg calf shin knee bip01calf tibia",
    "Foot": "foot ankle bip01foot",
    "Toes": "toes toe toebase ball bip01toe0",
}


def names_only(skeleton):
    """Return canonical joint -> joint name by looking names up in the list, first match wins."""
    found = {}
    for name in skeleton.names:
        plain = re.sub(r"^.*[:|]", "", name)
        side, rest = _side(plain)
        word = re.sub(r"[^a-z0-9]", "", rest.lower())
        for role, words in NAMES.items():
            sided = role[0].isupper()
            if sided == bool(side) and word in words.split() and side + role not in found:
                found[side + role] = name
                break
    return found


def _side(name):
    for side, pattern in (
        ("left", r"^left|left$|^l[_. ]|[_. ]l$|^l(?=[A-Z])|(?<=[_. ])l[_. ]"),
        ("right", r"^right|right$|^r[_. ]|[_. ]r$|^r(?=[A-Z])|(?<=[_. ])r[_. ]"),
    ):
        if re.search(pattern, name, re.IGNORECASE if side in name.lower() else 0):
            return side, re.sub(pattern, "", name, count=1, flags=re.IGNORECASE)
    return "", name
