"""A person's labelled points as motion: joint centres from markers, rotations from joint centres.

Knows joint-centre labels (OpenPose, Sports2D, Theia and the like) and the Plug-in Gait marker set.
What points do not show, the twist of a bone about itself, comes from the bend of the joint below
it, and where that is straight from the bone above.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F64, Array
from twinsdk.core.clip import MotionClip
from twinsdk.core.skeleton import Skeleton
from twinsdk.errors import NotHumanoidError
from twinsdk.formats.c3d import read_c3d
from twinsdk.formats.guard import reading
from twinsdk.formats.markers import Markers, filled, read_trc

__all__ = ["clip_of_markers", "joint_centres", "read_c3d_clip", "read_trc_clip"]

# Stems of labels, best first; several in one tuple are averaged. A side is put before or behind.
_SIDED = {
    "UpperLeg": (("hjc",), ("hip",), ("upperleg",), ("upleg",), ("thigh",)),
    "LowerLeg": (("kjc",), ("kne", "knm"), ("kne", "mkne"), ("knee",), ("lowerleg",), ("kne",)),
    "Foot": (("ajc",), ("ank", "med"), ("ank", "mank"), ("ankle",), ("foot",), ("ank",)),
    "Toes": (("bigtoe", "smalltoe"), ("toes",), ("toe",), ("toebase",), ("bigtoe",)),
    "UpperArm": (("sjc",), ("shoulder",), ("upperarm",), ("arm",), ("sho",)),
    "LowerArm": (("ejc",), ("elb", "elm"), ("elbow",), ("lowerarm",), ("forearm",), ("elb",)),
    "Hand": (("wjc",), ("wra", "wrb"), ("wrist",), ("hand",), ("wra",)),
}
_CENTRE = {
    "neck": (("neck",), ("c7", "clav"), ("cervicale",)),
    "head": (("lfhd", "rfhd", "lbhd", "rbhd"), ("lfhd", "rfhd"), ("head",), ("nose",)),
}
# Where a forearm is labelled so, points are joints of a skeleton, whose "shoulder" is the clavicle.
_SKELETON_ARMS = (("upperarm", "lowerarm"), ("arm", "forearm"))
# Bell, Brand and Pedersen 1989: hip joint centres as shares of the distance between the ASIS.
_BELL = (0.36, -0.30, -0.19)
_PARENTS = {
    "hips": None, "spine": "hips", "neck": "spine", "head": "neck",
    **{f"{s}UpperLeg": "hips" for s in ("left", "right")},
    **{f"{s}LowerLeg": f"{s}UpperLeg" for s in ("left", "right")},
    **{f"{s}Foot": f"{s}LowerLeg" for s in ("left", "right")},
    **{f"{s}Toes": f"{s}Foot" for s in ("left", "right")},
    **{f"{s}UpperArm": "spine" for s in ("left", "right")},
    **{f"{s}LowerArm": f"{s}UpperArm" for s in ("left", "right")},
    **{f"{s}Hand": f"{s}LowerArm" for s in ("left", "right")},
}  # fmt: skip
_ANKLE_HEIGHT_M = 0.08
_SPINE_SHARE = 0.12
_STRAIGHT, _BENT = 0.10, 0.30  # sine of the bend below and above which it is not, is, believed


def read_trc_clip(path: str | Path) -> MotionClip:
    """Read a .trc whose markers are a person's; see `clip_of_markers`."""
    markers = read_trc(path)
    with reading(path, "TRC"):
        return clip_of_markers(markers)


def read_c3d_clip(path: str | Path) -> MotionClip:
    """Read a .c3d whose markers are a person's; see `clip_of_markers`."""
    markers = read_c3d(path)
    with reading(path, "C3D"):
        return clip_of_markers(markers)


def clip_of_markers(markers: Markers) -> MotionClip:
    """Return the motion of a person's markers on a skeleton of their own bone lengths.

    Joints have VRM's names and identity rest rotations in a T-pose; +Y is up, whichever axis the
    file had up.

    Raises:
        NotHumanoidError: Hips, knees, ankles, shoulders, elbows or wrists are not labelled.
    """
    joints = joint_centres(markers)
    turn = _upright(joints)
    joints = {name: points @ turn.T for name, points in joints.items()}
    skeleton = _skeleton(joints)
    world = _world(joints)
    parents = skeleton.parents
    turns = np.stack([quat.from_matrix(world[name]) for name in skeleton.names], axis=1)
    local = turns.copy()
    local[:, 1:] = quat.multiply(quat.conjugate(turns[:, parents[1:]]), turns[:, 1:])
    return MotionClip(
        skeleton=skeleton,
        fps=markers.fps,
        rotations=quat.positive(local).astype(np.float32),
        root_translations=joints["hips"].astype(np.float32),
    )


def joint_centres(markers: Markers) -> dict[str, F64]:
    """Return joint centres (T, 3) by VRM's names, in the file's axes, metres, gaps bridged.

    Raises:
        NotHumanoidError: One that a person needs is not labelled.
    """
    points = filled(markers.positions.astype(np.float64))
    known: dict[str, F64] = {}
    for m, label in enumerate(markers.names):
        if np.isfinite(points[:, m]).all():
            known.setdefault(_plain(label), points[:, m])
    joints: dict[str, F64] = {}
    for side in ("left", "right"):
        for part, choices in _SIDED.items():
            found = _first(known, [[_forms(stem, side) for stem in stems] for stems in choices])
            if found is not None:
                joints[f"{side}{part}"] = found
        for upper, lower in _SKELETON_ARMS:
            both = [_first(known, [[_forms(stem, side)]]) for stem in (upper, lower)]
            if both[0] is not None and both[1] is not None:
                joints[f"{side}UpperArm"], joints[f"{side}LowerArm"] = both[0], both[1]
                break
    for name, stem_sets in _CENTRE.items():
        found = _first(known, [[(stem,) for stem in stems] for stems in stem_sets])
        if found is not None:
            joints[name] = found
    _hips_from_pelvis(known, joints)
    needed = [f"{side}{part}" for side in ("left", "right") for part in _SIDED if part != "Toes"]
    missing = [name for name in needed if name not in joints]
    if missing:
        raise NotHumanoidError(
            f"markers: expected labels for {', '.join(missing[:4])}, "
            f"got {', '.join(markers.names[:8])}, ..."
        )
    joints["hips"] = (joints["leftUpperLeg"] + joints["rightUpperLeg"]) / 2
    joints.setdefault("neck", (joints["leftUpperArm"] + joints["rightUpperArm"]) / 2)
    if "head" not in joints:
        joints["head"] = joints["neck"] + 0.4 * (joints["neck"] - joints["hips"])
    return joints


def _plain(label: str) -> str:
    return re.sub(r"[^a-z0-9]", "", label.rsplit(":", 1)[-1].lower())


def _forms(stem: str, side: str) -> tuple[str, ...]:
    return (f"{side}{stem}", f"{side[0]}{stem}", f"{stem}{side}", f"{stem}{side[0]}")


def _first(known: dict[str, F64], choices: list[list[tuple[str, ...]]]) -> F64 | None:
    for stems in choices:
        found = [next((known[f] for f in forms if f in known), None) for forms in stems]
        whole = [points for points in found if points is not None]
        if len(whole) == len(stems):
            return np.mean(whole, axis=0)
    return None


def _hips_from_pelvis(known: dict[str, F64], joints: dict[str, F64]) -> None:
    """Plug-in Gait has no hip markers: joint centres follow from the pelvis."""
    left, right = known.get("lasi"), known.get("rasi")
    back = [known[name] for name in ("lpsi", "rpsi", "sacr") if name in known]
    if "leftUpperLeg" in joints or left is None or right is None or not back:
        return
    middle = (left + right) / 2
    x = _unit(left - right)
    z = middle - np.mean(back, axis=0)
    z = _unit(z - (z * x).sum(-1, keepdims=True) * x)
    y = np.cross(z, x)
    width = np.linalg.norm(left - right, axis=-1).mean()
    for side, sign in (("left", 1), ("right", -1)):
        across, down, backward = _BELL
        offset = sign * across * x + down * y + backward * z
        joints[f"{side}UpperLeg"] = middle + width * offset


def _upright(joints: dict[str, F64]) -> F64:
    """Return the rotation (3, 3) that takes the file's up axis onto +Y."""
    feet = (joints["leftFoot"] + joints["rightFoot"]) / 2
    up = (joints["neck"] - feet).mean(0)
    axis = int(np.argmax(np.abs(up)))
    row = np.zeros(3)
    row[axis] = np.sign(up[axis])
    # Z-up becomes (x, z, -y), the usual turn; X-up becomes (-y, x, z).
    sideways = np.eye(3)[0] if axis != 0 else -row[0] * np.eye(3)[1]
    return np.stack([sideways, row, np.cross(sideways, row)])


def _length(joints: dict[str, F64], a: str, b: str) -> float:
    return float(np.median(np.linalg.norm(joints[a] - joints[b], axis=-1)))


def _both(joints: dict[str, F64], a: str, b: str) -> float:
    """Return the mean of left and right: a body is measured better than a side."""
    return (_length(joints, f"left{a}", f"left{b}") + _length(joints, f"right{a}", f"right{b}")) / 2


def _skeleton(joints: dict[str, F64]) -> Skeleton:
    thigh, shin = _both(joints, "UpperLeg", "LowerLeg"), _both(joints, "LowerLeg", "Foot")
    upper, fore = _both(joints, "UpperArm", "LowerArm"), _both(joints, "LowerArm", "Hand")
    back = _length(joints, "hips", "neck")
    up = _unit(joints["neck"] - joints["hips"])
    shoulders = (joints["leftUpperArm"] + joints["rightUpperArm"]) / 2
    drop = float(np.median(((shoulders - joints["neck"]) * up).sum(-1)))
    hips, chest = _length(joints, "leftUpperLeg", "rightUpperLeg") / 2, _SPINE_SHARE * back
    wide = _length(joints, "leftUpperArm", "rightUpperArm") / 2
    offsets: dict[str, tuple[float, float, float]] = {
        "hips": (0, thigh + shin + _ANKLE_HEIGHT_M, 0),
        "spine": (0, chest, 0),
        "neck": (0, back - chest, 0),
        "head": (0, _length(joints, "neck", "head"), 0),
    }
    for side, sign in (("left", 1), ("right", -1)):
        offsets[f"{side}UpperLeg"] = (sign * hips, 0, 0)
        offsets[f"{side}LowerLeg"] = (0, -thigh, 0)
        offsets[f"{side}Foot"] = (0, -shin, 0)
        offsets[f"{side}UpperArm"] = (sign * wide, back - chest + drop, 0)
        offsets[f"{side}LowerArm"] = (sign * upper, 0, 0)
        offsets[f"{side}Hand"] = (sign * fore, 0, 0)
        if f"{side}Toes" in joints:
            reach = max(_length(joints, f"{side}Foot", f"{side}Toes"), 1e-3)
            down = min(0.06, 0.9 * reach)
            offsets[f"{side}Toes"] = (0, -down, float(np.sqrt(reach**2 - down**2)))
    names = [name for name in _PARENTS if name in offsets]
    parents = [names.index(above) if (above := _PARENTS[name]) else -1 for name in names]
    return Skeleton(
        names=tuple(names),
        parents=np.array(parents, np.int32),
        rest_translations=np.array([offsets[name] for name in names], np.float32),
        rest_rotations=np.tile(quat.IDENTITY, (len(names), 1)),
    )


def _world(joints: dict[str, F64]) -> dict[str, F64]:
    """Return the turn from rest of every joint, (T, 3, 3), in the world."""
    up = joints["neck"] - joints["hips"]
    world = {
        "hips": _frame(0, joints["leftUpperLeg"] - joints["rightUpperLeg"], 1, up),
        "spine": _frame(1, up, 0, joints["leftUpperArm"] - joints["rightUpperArm"]),
    }
    world["neck"] = _frame(1, joints["head"] - joints["neck"], 0, world["spine"][..., 0])
    world["head"] = world["neck"]
    for side, sign in (("left", 1.0), ("right", -1.0)):
        _leg(joints, side, world)
        _arm(joints, side, sign, world)
    return world


def _leg(joints: dict[str, F64], side: str, world: dict[str, F64]) -> None:
    thigh = joints[f"{side}LowerLeg"] - joints[f"{side}UpperLeg"]
    shin = joints[f"{side}Foot"] - joints[f"{side}LowerLeg"]
    # A knee bends about the person's left: thigh x shin points there.
    hinge = _believed(np.cross(_unit(thigh), _unit(shin)), world["hips"][..., 0])
    world[f"{side}UpperLeg"] = _frame(1, -thigh, 0, hinge)
    world[f"{side}LowerLeg"] = _frame(1, -shin, 0, hinge)
    world[f"{side}Foot"] = world[f"{side}LowerLeg"]
    if f"{side}Toes" in joints:
        toes = joints[f"{side}Toes"] - joints[f"{side}Foot"]
        reach = max(float(np.median(np.linalg.norm(toes, axis=-1))), 1e-3)
        down = min(0.06, 0.9 * reach)
        pitch = np.arcsin(down / reach)
        level = _frame(2, toes, 0, hinge)
        c, s = np.cos(-pitch), np.sin(-pitch)
        # At rest the toes point down by `pitch`; undo that about the foot's own X.
        tilt = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
        world[f"{side}Foot"] = level @ tilt
        world[f"{side}Toes"] = world[f"{side}Foot"]


def _arm(joints: dict[str, F64], side: str, sign: float, world: dict[str, F64]) -> None:
    upper = joints[f"{side}LowerArm"] - joints[f"{side}UpperArm"]
    fore = joints[f"{side}Hand"] - joints[f"{side}LowerArm"]
    chest = quat.from_matrix(world["spine"])
    outward = sign * world["spine"][..., 0]
    # An arm that hangs straight keeps the twist of the shortest way there from the T-pose.
    carried = quat.multiply(quat.between(outward, _unit(upper)), chest)
    straight = quat.rotate(carried, np.broadcast_to([0.0, 1.0, 0.0], upper.shape))
    hinge = _believed(-sign * np.cross(_unit(upper), _unit(fore)), straight)
    world[f"{side}UpperArm"] = _frame(0, sign * upper, 1, hinge)
    world[f"{side}LowerArm"] = _frame(0, sign * fore, 1, hinge)
    world[f"{side}Hand"] = world[f"{side}LowerArm"]


def _believed(bend: F64, straight: F64) -> F64:
    """Return the hinge axis: the bend's own where there is one, else `straight`, eased between."""
    sine = np.linalg.norm(bend, axis=-1, keepdims=True)
    share = np.clip((sine - _STRAIGHT) / (_BENT - _STRAIGHT), 0, 1)
    share = share * share * (3 - 2 * share)
    agrees = (bend * straight).sum(-1, keepdims=True) > 0
    share = np.where(agrees, share, 0)  # an elbow or knee does not bend backwards
    return share * _unit(bend) + (1 - share) * _unit(straight)


def _frame(first: int, primary: Array, second: int, secondary: Array) -> F64:
    """Return (T, 3, 3): column `first` is `primary`, column `second` leans to `secondary`."""
    columns: list[F64] = [np.zeros_like(primary)] * 3
    a = _unit(np.asarray(primary, np.float64))
    b = np.asarray(secondary, np.float64)
    b = _unit(b - (b * a).sum(-1, keepdims=True) * a)
    third = 3 - first - second
    even = (first, second) in ((0, 1), (1, 2), (2, 0))
    columns[first], columns[second] = a, b
    columns[third] = np.cross(a, b) if even else np.cross(b, a)
    return np.stack(columns, axis=-1)


def _unit(v: Array) -> F64:
    length = np.linalg.norm(v, axis=-1, keepdims=True)
    return np.asarray(v / np.maximum(length, 1e-9), np.float64)
