"""What others do, as formulas: each takes a clip, the body it is on and the body it goes to.

Except for the list of names, peers are told which joint is which, so that none is charged for a
wrong joint map; how names are mapped is a table of its own.
"""

from __future__ import annotations

import re
import time

import numpy as np

from twinsdk.core import quat
from twinsdk.core.clip import MotionClip

# GMR's table for humans: joints with a goal, weight of place and of turn.
IK_GOALS = {
    "hips": (100.0, 10.0),
    **{f"{side}{part}": costs for side in ("left", "right") for part, costs in (
        ("UpperLeg", (0.0, 10.0)), ("LowerLeg", (10.0, 10.0)), ("Foot", (100.0, 10.0)),
        ("UpperArm", (0.0, 10.0)), ("LowerArm", (10.0, 10.0)), ("Hand", (10.0, 10.0)))},
    "neck": (0.0, 10.0),
}  # fmt: skip
IK_ROUNDS = 10
IK_FIRST_ROUNDS = 300  # to come from the rest pose to the first frame; not in its time


def pairs(source_roles, source, target_roles, target):
    """Return {joint of the target: joint of the source} of the roles both have."""
    found = {}
    for role, name in target_roles.items():
        if role in source_roles:
            found[target.joint(name)] = source.joint(source_roles[role])
    return found


def rotation_copy(clip, source, target):
    """Copy local rotations."""
    rotations = np.tile(target.skeleton.rest_rotations, (len(clip), 1, 1))
    joints = pairs(source.roles, source.skeleton, target.roles, target.skeleton)
    for j, i in joints.items():
        rotations[:, j] = clip.rotations[:, i]
    return _made(clip, source, target, rotations)


def rest_delta(clip, source, target, *, first=False, roles=None):
    """Return G_t = G_s inverse(G_s,rest) G_t,rest; with `first`, frame 0 is the source's rest.

    three.js SkeletonUtils, UniVRM's normalised pose and most Blender add-ons. Joints without a
    partner keep their local rest. `roles` are the maps of source and target, right ones where None.
    """
    of_source, of_target = roles or (source.roles, target.roles)
    joints = pairs(of_source, source.skeleton, of_target, target.skeleton)
    turns = clip.world()[0].astype(float)
    rest = turns[0] if first else source.skeleton.rest_world()[0].astype(float)
    here, own = target.skeleton, target.skeleton.rest_world()[0].astype(float)
    world = np.zeros((len(clip), len(here), 4))
    local = np.tile(here.rest_rotations.astype(float), (len(clip), 1, 1))
    for j, above in enumerate(here.parents.tolist()):
        if j in joints:
            i = joints[j]
            delta = quat.multiply(turns[:, i], quat.conjugate(rest[i]))
            world[:, j] = quat.multiply(delta, own[j])
            back = quat.conjugate(world[:, above]) if above >= 0 else quat.IDENTITY
            local[:, j] = quat.multiply(back, world[:, j])
        else:
            world[:, j] = quat.multiply(world[:, above], local[:, j]) if above >= 0 else local[:, j]
    return _made(clip, source, target, local)


def frame_0_delta(clip, source, target):
    """Return the delta from the first frame."""
    return rest_delta(clip, source, target, first=True)


def by_names(clip, source, target):
    """Return the rest-pose delta with joints found by a list of names, as Blender add-ons do."""
    roles = names_only(source.skeleton), names_only(target.skeleton)
    return rest_delta(clip, source, target, roles=roles)


def _made(clip, source, target, rotations):
    return MotionClip(
        skeleton=target.skeleton,
        fps=clip.fps,
        rotations=quat.normalize(rotations),
        root_translations=clip.root_translations * source.metres / target.metres,
    )


class FrameIk:
    """Inverse kinematics frame by frame with mink, goals and weights as GMR sets them.

    GMR has its turns from one file pair to the other written by hand; here they are known exactly,
    as a careful hand would have them, from how both bodies stand in the reference pose.
    """

    def __init__(self):
        self.frames_s = []

    def __call__(self, clip, source, target):
        """Return the clip on the target."""
        import mink
        import mujoco

        model = mujoco.MjModel.from_xml_string(_mjcf(target.skeleton, target.metres))
        # MuJoCo orders joints depth first.
        joints = ["free", *(f"b{j}" for j in range(1, len(target.skeleton)))]
        starts = [int(model.joint(name).qposadr[0]) for name in joints]
        turns, places = (x.astype(float) for x in clip.world())
        places *= source.metres
        here = {role: target.skeleton.joint(name) for role, name in target.roles.items()}
        there = {role: source.skeleton.joint(name) for role, name in source.roles.items()}
        configuration, tasks, goals = mink.Configuration(model), [], []
        for role in (role for role in IK_GOALS if role in here and role in there):
            place, turn = IK_GOALS[role]
            tasks.append(mink.FrameTask(f"j{here[role]}", "body", place, turn, lm_damping=1.0))
            offset = quat.multiply(
                quat.conjugate(source.reference[there[role]]), target.reference[here[role]]
            )
            goals.append((there[role], offset))
        rotations = np.zeros((len(clip), len(target.skeleton), 4))
        roots = np.zeros((len(clip), 3))
        start = time.process_time()
        for t in range(len(clip)):
            if t == 1:
                start = time.process_time()
            for task, (i, offset) in zip(tasks, goals, strict=True):
                x, y, z, w = quat.multiply(turns[t, i], offset)
                task.set_target(mink.SE3(wxyz_xyz=np.array([w, x, y, z, *places[t, i]])))
            _solve(mink, configuration, tasks, model, IK_ROUNDS if t else IK_FIRST_ROUNDS)
            rotations[t], roots[t] = _read(configuration.q, target.skeleton, starts)
        self.frames_s.append((len(clip) - 1) / (time.process_time() - start))
        return MotionClip(
            skeleton=target.skeleton,
            fps=clip.fps,
            rotations=quat.normalize(rotations),
            root_translations=roots / target.metres,
        )


def _solve(mink, configuration, tasks, model, rounds):
    step, error = float(model.opt.timestep), np.inf
    for _ in range(rounds):
        velocity = mink.solve_ik(configuration, tasks, step, "daqp", 0.5)
        configuration.integrate_inplace(velocity, step)
        now = sum(float(np.linalg.norm(k.compute_error(configuration))) for k in tasks)
        if error - now < 1e-3:
            break
        error = now


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
