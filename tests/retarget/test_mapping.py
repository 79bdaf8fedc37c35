"""The map finds the body, whatever its joints are called and whatever hangs from it."""

from __future__ import annotations

import json
from contextlib import suppress

import numpy as np
import pytest

from twinsdk.core import quat
from twinsdk.core.humanoid import HUMANOID_NAMES, REQUIRED_JOINTS, mirrored
from twinsdk.core.skeleton import Skeleton
from twinsdk.errors import FormatError, NotHumanoidError
from twinsdk.retarget import humanoid_map, load_map, save_map

FINGERS = ("Thumb", "Index", "Middle", "Ring", "Little")
CORE = [*REQUIRED_JOINTS, "neck", "leftToes", "rightToes", "leftShoulder", "rightShoulder"]

CONVENTIONS = {
    "mixamo": {
        "hips": "mixamorig:Hips", "spine": "mixamorig:Spine", "chest": "mixamorig:Spine1",
        "upperChest": "mixamorig:Spine2", "neck": "mixamorig:Neck", "head": "mixamorig:Head",
        "Shoulder": "mixamorig:{S}Shoulder", "UpperArm": "mixamorig:{S}Arm",
        "LowerArm": "mixamorig:{S}ForeArm", "Hand": "mixamorig:{S}Hand",
        "UpperLeg": "mixamorig:{S}UpLeg", "LowerLeg": "mixamorig:{S}Leg",
        "Foot": "mixamorig:{S}Foot", "Toes": "mixamorig:{S}ToeBase",
    },
    "joints": {
        "hips": "Hips", "spine": "Chest", "chest": "Chest2", "upperChest": "Chest3",
        "neck": "Neck", "head": "Head", "Shoulder": "{S}Collar", "UpperArm": "{S}Shoulder",
        "LowerArm": "{S}Elbow", "Hand": "{S}Wrist", "UpperLeg": "{S}Hip", "LowerLeg": "{S}Knee",
        "Foot": "{S}Ankle", "Toes": "{S}Toe",
    },
    "engine": {
        "hips": "pelvis", "spine": "spine_01", "chest": "spine_02", "upperChest": "spine_03",
        "neck": "neck_01", "head": "head", "Shoulder": "clavicle_{s}", "UpperArm": "upperarm_{s}",
        "LowerArm": "lowerarm_{s}", "Hand": "hand_{s}", "UpperLeg": "thigh_{s}",
        "LowerLeg": "calf_{s}", "Foot": "foot_{s}", "Toes": "ball_{s}",
    },
    "one joint off": {
        "hips": "Hips", "spine": "Spine", "chest": "Spine1", "upperChest": "Spine2",
        "neck": "Neck", "head": "Head", "Shoulder": "{S}Shoulder", "UpperArm": "{S}Elbow",
        "LowerArm": "{S}Wrist", "Hand": "{S}Palm", "UpperLeg": "{S}Knee", "LowerLeg": "{S}Ankle",
        "Foot": "{S}Toe", "Toes": "{S}ToeTip",
    },
}  # fmt: skip


def named(convention):
    """Return canonical name -> name in a convention, or nonsense."""
    names = {}
    for i, role in enumerate(HUMANOID_NAMES):
        side = "left" if role.startswith("left") else "right" if role.startswith("right") else ""
        pattern = CONVENTIONS.get(convention, {}).get(role.removeprefix(side))
        if pattern is None:
            names[role] = f"node{i * 37 % 101:03d}"
        else:
            names[role] = pattern.format(S=side.capitalize(), s=side[:1])
    return names


def with_extras(skeleton, rng):
    """Return the skeleton below a root, with twist, hair and prop joints, in another order."""
    joints = [("world_root", None, np.zeros(3), quat.IDENTITY)]
    for j, name in enumerate(skeleton.names):
        above = skeleton.names[skeleton.parents[j]] if skeleton.parents[j] >= 0 else "world_root"
        joints.append((name, above, skeleton.rest_translations[j], skeleton.rest_rotations[j]))
    count = len(joints)
    for k in range(8):
        name, _, _, _ = joints[int(rng.integers(1, count))]
        joints.append((f"x{k}", name, rng.normal(size=3) * 0.04, quat.IDENTITY))
    head = joints[1 + int(rng.integers(count - 1))][0]  # hair, or a tail, anywhere
    for side in (-0.05, 0.05):
        above = head
        for k in range(4):
            joints.append(
                (
                    f"strand{side}{k}",
                    above,
                    np.array([side if k == 0 else 0, -0.09, -0.03]),
                    quat.IDENTITY,
                )
            )
            above = f"strand{side}{k}"
    placed, order = set(), []
    while len(order) < len(joints):
        ready = [e for e in joints if e[0] not in placed and (e[1] is None or e[1] in placed)]
        chosen = ready[int(rng.integers(len(ready)))]
        placed.add(chosen[0])
        order.append(chosen)
    index = {e[0]: i for i, e in enumerate(order)}
    return Skeleton(
        names=tuple(e[0] for e in order),
        parents=[-1 if e[1] is None else index[e[1]] for e in order],
        rest_translations=np.array([e[2] for e in order]),
        rest_rotations=np.array([e[3] for e in order]),
    )


RESTS = ({}, {"UpperArm": 45.0}, {"UpperArm": 85.0}, {"UpperLeg": -20.0, "UpperArm": 10.0})


def variant(bodies, seed):
    rng = np.random.default_rng(seed)
    convention = [*CONVENTIONS, "nonsense"][seed % (len(CONVENTIONS) + 1)]
    optional = [
        r
        for r in ("upperChest", "chest", "neck", "jaw", "leftEye", "rightEye")
        if rng.random() < 0.3
    ]
    if "chest" in optional and "upperChest" not in optional:
        optional.append("upperChest")
    for part in ("Shoulder", "Toes"):
        if rng.random() < 0.2:
            optional += [f"left{part}", f"right{part}"]
    if rng.random() < 0.5:
        optional += [
            n
            for n in HUMANOID_NAMES
            if n not in CORE and n.startswith(("left", "right")) and not n.endswith("Eye")
        ]
    names = named(convention)
    if rng.random() < 0.25 and not any("Toes" in name for name in optional):
        # Sides named the wrong way round: the feet tell.
        names = {
            role: names[
                ("right" + role[4:])
                if role.startswith("left")
                else ("left" + role[5:])
                if role.startswith("right")
                else role
            ]
            for role in names
        }
    body = bodies.other_rig(
        bodies.rest_bend(RESTS[int(rng.integers(len(RESTS)))]),
        seed=seed,
        drop=tuple(set(optional)),
        scale=float(rng.uniform(0.5, 100)),
        names=names,
    )
    if convention == "nonsense" and any("Toes" in name for name in optional):
        return None  # neither names nor feet: nothing tells left from right
    skeleton = with_extras(body.skeleton, rng) if rng.random() < 0.6 else body.skeleton
    truth = {role: names[role] for role in body.joints}
    return skeleton, truth, convention


def test_core_joints_are_found_on_random_variants(bodies):
    right = total = 0
    wrong = []
    for seed in range(100):
        made = variant(bodies, seed)
        if made is None:
            continue
        skeleton, truth, convention = made
        try:
            roles = humanoid_map(skeleton).roles
        except NotHumanoidError as error:
            roles = {}
            wrong.append((seed, convention, str(error)[:60]))
        for role in CORE:
            if role in truth:
                total += 1
                right += roles.get(role) == truth[role]
                if roles and roles.get(role) != truth[role]:
                    wrong.append((seed, convention, role, roles.get(role), truth[role]))
    assert total > 1200
    assert right / total >= 0.98, (right, total, wrong[:60])


@pytest.mark.parametrize("convention", [*CONVENTIONS, "nonsense"])
def test_all_roles_of_a_plain_rig_are_found_under_any_naming(bodies, convention):
    names = named(convention)
    face = ("leftEye", "rightEye", "jaw")  # nothing but a name tells an eye
    body = bodies.other_rig(names=names)
    roles = humanoid_map(body.skeleton).roles
    expected = {r: names[r] for r in HUMANOID_NAMES if r not in face}
    assert {r: j for r, j in roles.items() if r not in face} == expected


@pytest.mark.parametrize("tip", ["{}_leaf", "{}_extra", "other{}"])
def test_joints_at_finger_tips_do_not_move_the_fingers_up(canon, tip):
    names, parents = list(canon.names), canon.parents.tolist()
    offsets = canon.rest_translations.tolist()
    for name in canon.names:
        if name.endswith("Distal"):
            names.append(tip.format(name))
            parents.append(canon.joint(name))
            offsets.append([0.02 if name.startswith("left") else -0.02, 0, 0])
    skeleton = Skeleton(
        names=names,
        parents=parents,
        rest_translations=offsets,
        rest_rotations=np.tile(quat.IDENTITY, (len(names), 1)),
    )
    assert dict(humanoid_map(skeleton).roles) == {name: name for name in canon.names}


def test_bones_in_the_palm_are_no_fingers(canon):
    names, parents = list(canon.names), canon.parents.tolist()
    offsets = canon.rest_translations.tolist()
    for side in ("left", "right"):
        for finger in FINGERS[1:]:
            knuckle = canon.joint(f"{side}{finger}Proximal")
            palm = np.array(offsets[knuckle]) * [0.3, 1, 0.5]
            names.append(f"{side}{finger}0")
            parents.append(canon.joint(f"{side}Hand"))
            offsets.append(palm.tolist())
            parents[knuckle] = len(names) - 1
            offsets[knuckle] = (np.array(offsets[knuckle]) - palm).tolist()
    order = sorted(range(len(names)), key=lambda j: _depth(parents, j))
    place = {j: i for i, j in enumerate(order)}
    skeleton = Skeleton(
        names=[names[j] for j in order],
        parents=[-1 if parents[j] < 0 else place[parents[j]] for j in order],
        rest_translations=[offsets[j] for j in order],
        rest_rotations=np.tile(quat.IDENTITY, (len(names), 1)),
    )
    assert dict(humanoid_map(skeleton).roles) == {name: name for name in canon.names}


def _depth(parents, joint):
    depth = 0
    while parents[joint] >= 0:
        joint, depth = parents[joint], depth + 1
    return depth


def test_sides_named_the_wrong_way_round_are_put_right_with_less_confidence(bodies):
    names = named("engine")
    swapped = {role: names[mirrored(role)] for role in names}
    found = humanoid_map(bodies.other_rig(names=swapped).skeleton)
    assert found.roles["leftHand"] == "hand_r"
    assert found.confidence["leftHand"] < 0.7
    straight = humanoid_map(bodies.other_rig(names=names).skeleton)
    assert straight.confidence["leftHand"] > 0.9


def test_a_four_legged_animal_is_refused(bodies):
    joints = {
        "pelvis": (None, (0, 0.6, -0.4)), "spine": ("pelvis", (0, 0.62, -0.1)),
        "chest": ("spine", (0, 0.6, 0.3)), "neck": ("chest", (0, 0.75, 0.45)),
        "head": ("neck", (0, 0.85, 0.6)),
    }  # fmt: skip
    for side, x in (("left", 0.1), ("right", -0.1)):
        for end, above, z in (("Arm", "chest", 0.3), ("Leg", "pelvis", -0.4)):
            joints[f"{side}Upper{end}"] = (above, (x, 0.58, z))
            joints[f"{side}Lower{end}"] = (f"{side}Upper{end}", (x, 0.3, z - 0.03))
            joints[f"{side}{'Hand' if end == 'Arm' else 'Foot'}"] = (
                f"{side}Lower{end}",
                (x, 0.05, z),
            )
    names = list(joints)
    skeleton = Skeleton(
        names=names,
        parents=[-1 if above is None else names.index(above) for above, _ in joints.values()],
        rest_translations=[
            np.subtract(at, joints[above][1] if above else (0, 0, 0))
            for above, at in joints.values()
        ],
        rest_rotations=np.tile(quat.IDENTITY, (len(names), 1)),
    )
    with pytest.raises(NotHumanoidError, match="four legs under a level trunk"):
        humanoid_map(skeleton)


@pytest.mark.timeout(60)
def test_a_strange_tree_of_many_joints_is_judged_soon():
    rng = np.random.default_rng(0)
    parents = [-1, *(int(rng.integers(0, max(1, j // 3))) for j in range(1, 1500))]
    skeleton = Skeleton(
        names=[f"j{j}" for j in range(1500)],
        parents=parents,
        rest_translations=rng.normal(size=(1500, 3)),
        rest_rotations=np.tile(quat.IDENTITY, (1500, 1)),
    )
    with suppress(NotHumanoidError):  # among so many joints something like a body may well be
        assert set(REQUIRED_JOINTS) <= set(humanoid_map(skeleton).roles)


def test_joints_all_in_one_place_are_refused(bodies, canon):
    flat = Skeleton(
        names=[f"n{j}" for j in range(len(canon))],
        parents=canon.parents,
        rest_translations=np.zeros((len(canon), 3)),
        rest_rotations=canon.rest_rotations,
    )
    with pytest.raises(NotHumanoidError):
        humanoid_map(flat)


def test_a_map_written_and_read_is_the_same(tmp_path, canon):
    found = humanoid_map(canon)
    path = tmp_path / "map.json"
    save_map(path, found)
    assert load_map(path) == dict(found.roles)
    path.write_text(json.dumps(dict(found.roles)))  # as people write it by hand
    assert load_map(path) == dict(found.roles)
    path.write_text('{"roles": {"nose": "x"}}')
    with pytest.raises(FormatError, match="expected humanoid joints, got \\['nose'\\]"):
        load_map(path)
    path.write_text("{")
    with pytest.raises(FormatError, match="expected JSON"):
        load_map(path)


def test_a_limb_ends_at_the_wrist_and_not_at_a_hand_joint_or_a_thumb_beyond(bodies, canon):
    fingers = [name for name in HUMANOID_NAMES if any(f in name for f in FINGERS)]
    short = {"UpperArm": "humerus", "LowerArm": "radius", "Hand": "wrist"}
    names = {s + p: s[0] + short[p] for s in ("left", "right") for p in short}
    body = bodies.other_rig(drop=tuple(fingers), names=names)
    base = body.skeleton
    joints = list(base.names)
    parents, offsets = base.parents.tolist(), base.rest_translations.tolist()
    for s, sign in (("l", 1), ("r", -1)):
        wrist = joints.index(f"{s}wrist")
        for name, above, reach in ((f"{s}hand", wrist, 0.1), (f"{s}thumb", wrist, 0.1)):
            joints.append(name)
            parents.append(above)
            offsets.append([sign * reach, 0, 0.05 if "thumb" in name else 0])
        joints.append(f"{s}fingers")
        parents.append(joints.index(f"{s}hand"))
        offsets.append([sign * 0.04, 0, 0])
    skeleton = Skeleton(
        names=joints,
        parents=parents,
        rest_translations=offsets,
        rest_rotations=np.tile(quat.IDENTITY, (len(joints), 1)),
    )
    roles = humanoid_map(skeleton).roles
    assert (roles["leftHand"], roles["rightHand"]) == ("lwrist", "rwrist")


def test_a_shoulder_before_an_arm_is_no_upper_arm_in_two_bones(canon):
    # "Shoulder" names an upper arm elsewhere; a real clavicle and a bent arm, all in centimetres.
    offsets = canon.rest_translations.copy()
    for side, sign in (("left", 1), ("right", -1)):
        offsets[canon.joint(f"{side}Shoulder")] = [sign * 0.061, 0.091, 0.007]
        offsets[canon.joint(f"{side}UpperArm")] = [sign * 0.127, -0.003, -0.026]
        offsets[canon.joint(f"{side}LowerArm")] = [sign * 0.274, -0.01, -0.014]
        offsets[canon.joint(f"{side}Hand")] = [sign * 0.276, -0.007, 0.016]
    names = named("mixamo")
    skeleton = Skeleton(
        names=[names[name] for name in canon.names],
        parents=canon.parents,
        rest_translations=offsets,
        rest_rotations=canon.rest_rotations,
    )
    roles = humanoid_map(skeleton).roles
    for side in ("left", "right"):
        for part in ("Shoulder", "UpperArm", "LowerArm", "Hand"):
            assert roles[side + part] == names[side + part]
