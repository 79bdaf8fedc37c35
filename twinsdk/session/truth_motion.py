"""Motion to film: written performances, fingers and a face for clips that have none, and windows.

Everything follows from a seed, so that a take can be made again.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F32, F64, Array
from twinsdk.core.clip import MotionClip
from twinsdk.core.expressions import EXPRESSION_COUNT, expression
from twinsdk.core.humanoid import HUMANOID_NAMES, humanoid_skeleton

__all__ = ["PERFORMANCES", "perform", "resampled", "with_face_and_fingers"]

PERFORMANCES = ("gestures", "steps", "seated", "still")

_X, _Y, _Z = np.eye(3)
_SIDES = (("left", 1.0), ("right", -1.0))
_FINGERS = ("Index", "Middle", "Ring", "Little")
_THIGH_M, _SHANK_M, _ANKLE_M = 0.415, 0.41, 0.075
_HIP_M = np.array([0.09, -0.035, 0.0])  # of the thigh's joint, from the pelvis
_SEAT_M = 0.53  # height of the pelvis of somebody sitting
_STEP_S = 0.9
_LIFT_M = 0.07


def perform(
    kind: str, rng: np.random.Generator, *, duration_s: float, fps: float = 30.0
) -> MotionClip:
    """Return a performance on the canonical skeleton, without face and fingers.

    Args:
        kind: "gestures" (standing, arms and trunk move, knees bend), "steps" (the same and feet
            that step about), "seated", or "still": standing with hanging arms, held exactly.
        rng: Decides everything else.
        duration_s: How long.
        fps: Frames a second.
    """
    times = np.arange(round(duration_s * fps)) / fps
    if kind == "still":
        return _still(rng, times, fps)
    seated, stepping = kind == "seated", kind == "steps"
    feet = _footsteps(times, rng) if stepping else _standing(times, rng, seated=seated)
    between = (feet["left"] + feet["right"]) / 2
    heading = 0.25 * _wander(times, rng, 5.0) * (0.3 if seated else 1.0)
    crouch = 0.0 if seated else 0.25 * rng.random() * np.clip(_wander(times, rng, 3.0), 0, 1)
    height = (_SEAT_M if seated else 0.925) - crouch
    sway = np.stack([_wander(times, rng, 4.0), _wander(times, rng, 4.0)], -1) * 0.02
    root = np.stack(
        [
            between[:, 0] + sway[:, 0],
            np.broadcast_to(height, times.shape),
            (between[:, 2] - 0.42 if seated else between[:, 2]) + sway[:, 1],
        ],
        -1,
    )
    world = _trunk(times, rng, heading)
    world |= _legs(root, feet, heading)
    for side, out in _SIDES:
        world |= _arm(times, rng, side, out, world["upperChest"], low=seated)
    return MotionClip(
        skeleton=humanoid_skeleton(),
        fps=fps,
        rotations=_local(world, len(times)),
        root_translations=root.astype(np.float32),
    )


def with_face_and_fingers(
    clip: MotionClip, rng: np.random.Generator, *, still: bool = False
) -> MotionClip:
    """Return a canonical clip with living fingers (where it has none) and a speaking face.

    Args:
        clip: What moves already is left as it is.
        rng: Decides how fingers and face move.
        still: Whether fingers are only bent, not moved, and the face does nothing but blink.
    """
    times = np.arange(len(clip)) / clip.fps
    rotations = clip.rotations.copy()
    names = clip.skeleton.names
    moving = [j for j, name in enumerate(names) if any(f in name for f in ("Thumb", *_FINGERS))]
    if not np.abs(rotations[:, moving, :3]).max(initial=0) > 0.05:
        for name, bend in _fingers(0 * times if still else times, rng).items():
            rotations[:, names.index(name)] = bend
    weights = clip.expressions if clip.expressions is not None else _face(times, rng)
    if still:
        blinks = [expression(f"eyeBlink{side}") for side in ("Left", "Right")]
        weights = weights * np.isin(np.arange(EXPRESSION_COUNT), blinks)
    return replace(clip, rotations=quat.positive(rotations), expressions=weights)


def resampled(clip: MotionClip, fps: float) -> MotionClip:
    """Return the clip at another rate, rotations by slerp between the nearest two frames."""
    count = max(1, int((len(clip) - 1) * fps / clip.fps) + 1)
    at = np.minimum(np.arange(count) * clip.fps / fps, len(clip) - 1)
    below = np.minimum(at.astype(int), max(len(clip) - 2, 0))
    above = np.minimum(below + 1, len(clip) - 1)
    share = (at - below).astype(np.float32)[:, None]
    roots = clip.root_translations
    faces = clip.expressions
    return MotionClip(
        skeleton=clip.skeleton,
        fps=fps,
        rotations=quat.slerp(clip.rotations[below], clip.rotations[above], share),
        root_translations=roots[below] * (1 - share) + roots[above] * share,
        expressions=None if faces is None else faces[below] * (1 - share) + faces[above] * share,
    )


def _still(rng: np.random.Generator, times: F64, fps: float) -> MotionClip:
    """Return one natural standing pose, held: arms hang, a little bent."""
    first = times[:1]
    feet = _standing(first, rng, seated=False)
    root = np.array([[0.0, 0.925, 0.0]]) + (feet["left"] + feet["right"]) / 2 * (1, 0, 1)
    world = _trunk(first, rng, np.zeros(1)) | _legs(root, feet, np.zeros(1))
    for side, out in _SIDES:
        along, back = np.array([0.2, -1.0 * out, 0.1 * out]), np.array([out, 0.3, 0.0])
        upper = quat.from_frame(along[None], back[None])
        elbow = _about(-out * _Y, rng.uniform(0.2, 0.6, 1))
        fore = quat.multiply(upper, elbow)
        world |= {f"{side}UpperArm": upper, f"{side}LowerArm": fore, f"{side}Hand": fore}
    return MotionClip(
        skeleton=humanoid_skeleton(),
        fps=fps,
        rotations=np.repeat(_local(world, 1), len(times), 0),
        root_translations=np.repeat(root.astype(np.float32), len(times), 0),
    )


def _wander(times: F64, rng: np.random.Generator, period_s: float) -> F64:
    """Return a smooth wandering in about [-1, 1]: three sines near the period."""
    rates = rng.uniform(0.6, 1.7, 3) / period_s
    phases = rng.uniform(0, 2 * np.pi, 3)
    shares = rng.dirichlet((2.0, 2.0, 2.0))
    return np.asarray(np.sin(2 * np.pi * times[:, None] * rates + phases) @ shares)


def _keys(times: F64, rng: np.random.Generator, draw: Array) -> F64:
    """Return rotations (T, 4) that go from one of `draw` (K, 4) to the next, with pauses."""
    out = np.empty((len(times), 4))
    start, at, goal = 0.0, draw[0], 0
    while start < times[-1] + 1e-9:
        move, rest = rng.uniform(0.35, 1.1), rng.uniform(0.0, 0.6)
        goal += 1
        to = draw[goal % len(draw)]
        rows = (times >= start - 1e-9) & (times <= start + move + rest)
        share = np.clip((times[rows] - start) / move, 0, 1)
        share = share**3 * (10 - 15 * share + 6 * share**2)  # least jerk (Flash and Hogan 1985)
        out[rows] = quat.slerp(np.tile(at, (len(share), 1)), np.tile(to, (len(share), 1)), share)
        start, at = start + move + rest, to
    return out


def _trunk(times: F64, rng: np.random.Generator, heading: F64) -> dict[str, F64]:
    hips = _about(_Y, heading)
    bow = _about(_X, 0.10 + 0.16 * _wander(times, rng, 4.0))
    lean = _about(_Z, 0.12 * _wander(times, rng, 4.0))
    turn = _about(_Y, 0.3 * _wander(times, rng, 4.5))
    chest = quat.multiply(hips, quat.multiply(turn, quat.multiply(bow, lean)))
    nod = _about(_X, 0.2 * _wander(times, rng, 2.5))
    look = _about(_Y, 0.5 * _wander(times, rng, 3.5))
    tilt = _about(_Z, 0.15 * _wander(times, rng, 4.0))
    head = quat.multiply(hips, quat.multiply(look, quat.multiply(nod, tilt)))
    return {
        "hips": hips,
        "spine": quat.slerp(hips, chest, 0.33),
        "chest": quat.slerp(hips, chest, 0.66),
        "upperChest": chest,
        "neck": quat.slerp(chest, head, 0.5),
        "head": head,
    }


def _arm(
    times: F64, rng: np.random.Generator, side: str, out: float, chest: F64, *, low: bool
) -> dict[str, F64]:
    """Return upper arm, forearm and hand going from gesture to gesture."""
    count = 24
    along = np.stack(
        [
            out * rng.uniform(0.15, 1.0, count),
            rng.uniform(-1.0, 0.2 if low else 0.7, count),
            rng.uniform(-0.1, 0.9, count),
        ],
        -1,
    )
    hanging = rng.random(count) < 0.35
    along[hanging] = [0.18 * out, -1.0, 0.08]
    # Rest +Y of an upper arm is what faces outwards and up when the arm hangs.
    back = np.array([out * 0.7, 0.9, 0.0]) + rng.uniform(-0.4, 0.4, (count, 3))
    upper = quat.from_frame(along * out, back)
    bend = np.where(hanging, rng.uniform(0.1, 0.5, count), rng.uniform(0.2, 2.1, count))
    elbow = quat.from_axis_angle(np.tile(-out * _Y, (count, 1)), bend)
    roll = quat.from_axis_angle(np.tile(_X, (count, 1)), rng.uniform(-1.0, 1.0, count))
    wrist = quat.from_axis_angle(np.tile(_Z, (count, 1)), rng.uniform(-0.6, 0.6, count))
    state = rng.bit_generator.state
    moved = []
    for keys in (upper, elbow, roll, wrist):  # of one arm, all set out and arrive together
        rng.bit_generator.state = state
        moved.append(_keys(times, rng, keys))
    shoulder = quat.multiply(chest, moved[0])
    fore = quat.multiply(shoulder, quat.multiply(moved[1], moved[2]))
    return {
        f"{side}UpperArm": shoulder,
        f"{side}LowerArm": fore,
        f"{side}Hand": quat.multiply(fore, moved[3]),
    }


def _standing(times: F64, rng: np.random.Generator, *, seated: bool) -> dict[str, F64]:
    """Return the ankles (T, 3) of feet that stay."""
    apart, fore = rng.uniform(0.09, 0.2), rng.uniform(-0.06, 0.06)
    places = {
        "left": (apart, _ANKLE_M, fore + 0.02 * seated),
        "right": (-apart, _ANKLE_M, -fore),
    }
    return {side: np.tile(np.array(place), (len(times), 1)) for side, place in places.items()}


def _footsteps(times: F64, rng: np.random.Generator) -> dict[str, F64]:
    """Return the ankles (T, 3) of feet that step in turns, about a metre around."""
    feet = _standing(times, rng, seated=False)
    here = {side: feet[side][0].copy() for side, _ in _SIDES}
    middle = np.zeros(3)
    for step in range(int(times[-1] / _STEP_S) + 1):
        side, out = _SIDES[step % 2]
        if step % 2 == 0:
            middle = np.clip(middle + rng.uniform(-0.3, 0.3, 3) * (1, 0, 1), -0.7, 0.7)
        aside = np.array([out * rng.uniform(0.08, 0.16), _ANKLE_M, rng.uniform(-0.05, 0.05)])
        to = middle + aside
        share = np.clip((times - step * _STEP_S - 0.15) / 0.55, 0, 1)
        smooth = (share * share * (3 - 2 * share))[:, None]
        after = times >= step * _STEP_S
        path = here[side] + (to - here[side]) * smooth
        path[:, 1] += _LIFT_M * np.sin(np.pi * share) ** 2
        feet[side][after] = path[after]
        here[side] = to
    return feet


def _legs(root: F64, feet: dict[str, F64], heading: F64) -> dict[str, F64]:
    """Return thighs, shanks and feet that put the ankles where `feet` says, soles level."""
    out: dict[str, F64] = {}
    turn = _about(_Y, heading)
    for side, sign in _SIDES:
        hip = root + quat.rotate(turn, np.tile(_HIP_M * (sign, 1, 1), (len(root), 1)))
        way = feet[side] - hip
        far = np.linalg.norm(way, axis=-1, keepdims=True)
        reach = np.minimum(far, 0.999 * (_THIGH_M + _SHANK_M))
        along = way / far
        front = quat.rotate(turn, np.tile(_Z + 0.15 * sign * _X, (len(root), 1)))
        front = front - (front * along).sum(-1, keepdims=True) * along
        front /= np.linalg.norm(front, axis=-1, keepdims=True)
        near = (_THIGH_M**2 + reach**2 - _SHANK_M**2) / (2 * reach)
        knee = near * along + np.sqrt(np.maximum(_THIGH_M**2 - near**2, 0)) * front
        out[f"{side}UpperLeg"] = _hanging(knee, front)
        out[f"{side}LowerLeg"] = _hanging(reach * along - knee, front)
        out[f"{side}Foot"] = quat.multiply(turn, _about(_Y, 0.15 * sign + 0 * heading))
    return out


def _hanging(direction: F64, front: F64) -> F64:
    """Return rotations (T, 4) taking rest -Y along `direction` and +Z towards `front`."""
    up = -direction / np.linalg.norm(direction, axis=-1, keepdims=True)
    return np.asarray(quat.from_frame(np.cross(up, front), up))


def _local(world: dict[str, F64], count: int) -> F32:
    """Return local rotations (T, 55, 4) of led joints' world rotations; the others follow."""
    skeleton = humanoid_skeleton()
    local = np.tile(quat.IDENTITY.astype(np.float64), (count, len(skeleton), 1))
    total = local.copy()
    for j, name in enumerate(HUMANOID_NAMES):
        above = total[:, skeleton.parents[j]] if j else local[:, 0]
        total[:, j] = world.get(name, above)
        local[:, j] = quat.multiply(quat.conjugate(above), total[:, j])
    out: F32 = quat.positive(quat.normalize(local)).astype(np.float32)
    return out


def _fingers(times: F64, rng: np.random.Generator) -> dict[str, F64]:
    bends: dict[str, F64] = {}
    for side, out in _SIDES:
        fist = 0.5 + 0.5 * _wander(times, rng, 2.5)
        for order, finger in enumerate(_FINGERS):
            own = np.clip(0.15 + 0.9 * fist + 0.5 * _wander(times, rng, 1.8), 0.05, 1.5)
            spread = _about(_Y, out * (order - 1.3) * 0.08 + 0 * own)
            for segment, share in (("Proximal", 0.8), ("Intermediate", 1.0), ("Distal", 0.6)):
                bend = _about(-out * _Z, own * share)
                first = segment == "Proximal"
                name = f"{side}{finger}{segment}"
                bends[name] = quat.multiply(spread, bend) if first else bend
        thumb = 0.25 + 0.25 * _wander(times, rng, 2.0)
        for segment, share in (("Metacarpal", 0.3), ("Proximal", 0.7), ("Distal", 0.9)):
            bends[f"{side}Thumb{segment}"] = _about(_Y, out * share * thumb)
    return bends


def _face(times: F64, rng: np.random.Generator) -> F32:
    """Return (T, 52): talk with pauses, smiles, brows, a frown, blinks and glances."""
    weights = np.zeros((len(times), EXPRESSION_COUNT))

    def put(names: str, values: F64) -> None:
        for name in names.split():
            weights[:, expression(name)] += np.clip(values, 0, 1)

    talking = np.clip(1.2 * _wander(times, rng, 4.0) + 0.6, 0, 1)
    syllable = 0.5 + 0.5 * _wander(times, rng, rng.uniform(0.35, 0.5))
    vowel = _wander(times, rng, 1.1)
    put("jawOpen", talking * 0.6 * syllable)
    put("mouthPucker mouthFunnel", talking * 0.5 * np.clip(vowel, 0, 1))
    put("mouthStretchLeft mouthStretchRight", talking * 0.4 * np.clip(-vowel, 0, 1))
    put("mouthSmileLeft mouthSmileRight", 1.4 * _wander(times, rng, 4.0) - 0.3)
    put("mouthFrownLeft mouthFrownRight", 1.4 * _wander(times, rng, 5.0) - 0.7)
    put("browInnerUp browOuterUpLeft browOuterUpRight", 1.5 * _wander(times, rng, 3.0) - 0.4)
    put("browDownLeft browDownRight", 1.5 * _wander(times, rng, 3.5) - 0.6)
    put("eyeSquintLeft eyeSquintRight", 1.2 * _wander(times, rng, 4.0) - 0.6)
    at = rng.uniform(0.5, 1.5)
    while at < times[-1]:
        put("eyeBlinkLeft eyeBlinkRight", np.clip(1.5 - np.abs(times - at) / 0.1, 0, 1))
        at += rng.uniform(1.2, 3.5)
    across, up = _wander(times, rng, 2.5), _wander(times, rng, 3.0)
    put("eyeLookOutLeft eyeLookInRight", 0.7 * across)
    put("eyeLookInLeft eyeLookOutRight", -0.7 * across)
    put("eyeLookUpLeft eyeLookUpRight", 0.5 * up)
    put("eyeLookDownLeft eyeLookDownRight", -0.5 * up)
    return np.clip(weights, 0, 1).astype(np.float32)


def _about(axis: F64, radians: F64) -> F64:
    return np.asarray(quat.from_axis_angle(np.tile(axis, (len(radians), 1)), radians))
