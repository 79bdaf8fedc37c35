"""A scripted close-up performance: speech-like mouth, glances, a wave, fingers one by one.

It is what the rendered sample shows and, since it is written down, its truth. Everything is a
smooth function of time, so that it can be sampled at any rate.
"""

from __future__ import annotations

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F32, F64
from twinsdk.core.clip import MotionClip
from twinsdk.core.expressions import EXPRESSION_COUNT, expression
from twinsdk.core.humanoid import HUMANOID_NAMES, humanoid_skeleton

__all__ = ["DURATION_S", "close_up"]

DURATION_S = 8.0
_FINGERS = ("Index", "Middle", "Ring", "Little")
_X, _Y, _Z = np.eye(3)


def close_up(fps: float = 30.0) -> MotionClip:
    """Return the performance on the canonical skeleton, expressions included."""
    times = np.arange(round(DURATION_S * fps)) / fps
    skeleton = humanoid_skeleton()
    world = _world_rotations(times)
    local = np.tile(quat.IDENTITY.astype(np.float64), (len(times), len(skeleton), 1))
    total = local.copy()
    for j, name in enumerate(HUMANOID_NAMES):
        above = total[:, skeleton.parents[j]] if j else local[:, 0]
        if name in world:
            total[:, j] = world[name]
            local[:, j] = quat.multiply(quat.conjugate(above), world[name]) if j else world[name]
        elif name in (bends := _finger_bends(times)):
            local[:, j] = bends[name]
            total[:, j] = quat.multiply(above, local[:, j])
        else:
            total[:, j] = above
    root = np.tile(skeleton.rest_translations[0], (len(times), 1))
    root[:, 0] += 0.012 * np.sin(2 * np.pi * times / 5)
    return MotionClip(
        skeleton=skeleton,
        fps=fps,
        rotations=quat.normalize(local).astype(np.float32),
        root_translations=root.astype(np.float32),
        expressions=_expressions(times),
    )


def _world_rotations(times: F64) -> dict[str, F64]:
    """Return world rotations (T, 4) of the joints that are led; the others follow their parents."""
    sway = 0.05 * np.sin(2 * np.pi * times / 4)
    chest = _about(_Y, sway)
    look = _about(_Y, 0.35 * np.sin(2 * np.pi * times / 5.3))
    nod = _about(_X, 0.12 * np.sin(2 * np.pi * times / 2.9))
    tilt = _about(_Z, 0.10 * np.sin(2 * np.pi * times / 6.1))
    head = quat.multiply(look, quat.multiply(nod, tilt))
    rotations = {
        "spine": quat.slerp(_about(_Y, 0 * sway), chest, 0.5),
        "upperChest": chest,
        "neck": quat.slerp(chest, head, 0.5),
        "head": head,
    }
    wave = 0.25 * np.sin(2 * np.pi * times / 1.1) * _bump(times, 0.6, 3.6)
    rotations.update(_arm("left", _bump(times, 0.3, 4.3), wave))
    rotations.update(_arm("right", _bump(times, 3.7, 7.7), 0 * wave))
    return rotations


def _arm(side: str, lifted: F64, wave: F64) -> dict[str, F64]:
    """Return upper arm, forearm and hand: hanging at 0, hand beside the face, palm out, at 1."""
    out = 1.0 if side == "left" else -1.0
    hanging = np.array([0.16 * out, -1.0, 0.05])
    upper = _blend(hanging, np.array([0.34 * out, -0.92, 0.30]), lifted)
    raised = np.stack([(np.sin(wave) - 0.14 * out), np.full_like(wave, 0.95), 0.35 + 0 * wave], -1)
    fore = _blend(np.array([0.10 * out, -1.0, 0.28]), raised, lifted)
    # The back of the hand (rest +Y) points outwards when hanging, away from the camera when lifted.
    back = _blend(np.array([out, 0.15, 0.1]), np.array([0.0, 0.25, -1.0]), lifted)
    return {
        f"{side}UpperArm": _limb(upper, back, out),
        f"{side}LowerArm": _limb(fore, back, out),
        f"{side}Hand": _limb(fore, back, out),
    }


def _finger_bends(times: F64) -> dict[str, F64]:
    """Return local rotations of the finger joints: each finger bows in its own turn."""
    bends: dict[str, F64] = {}
    for side, start, axis in (("left", 1.2, -_Z), ("right", 4.6, _Z)):
        for order, finger in enumerate(_FINGERS):
            amount = 0.12 + 1.15 * _bump(times, start + 0.55 * order, start + 0.55 * order + 0.9)
            for segment, share in (("Proximal", 0.8), ("Intermediate", 1.0), ("Distal", 0.6)):
                bends[f"{side}{finger}{segment}"] = _about(axis, amount * share)
    return bends


def _expressions(times: F64) -> F32:
    """Return (T, 52): four seconds of talking, a smile, raised brows, blinks and glances."""
    weights = np.zeros((len(times), EXPRESSION_COUNT), np.float64)

    def put(names: str, values: F64) -> None:
        for name in names.split():
            weights[:, expression(name)] += values

    talking = _bump(times, 0.2, 4.6)
    syllable = 0.5 + 0.5 * np.sin(2 * np.pi * 2.3 * times)
    vowel = 0.5 + 0.5 * np.sin(2 * np.pi * 0.8 * times + 1)
    put("jawOpen", talking * (0.08 + 0.45 * syllable))
    put("mouthPucker mouthFunnel", talking * 0.45 * vowel * (1 - 0.5 * syllable))
    put("mouthStretchLeft mouthStretchRight", talking * 0.3 * (1 - vowel))
    put("mouthSmileLeft mouthSmileRight", 0.85 * _bump(times, 4.6, 6.6))
    put("cheekSquintLeft cheekSquintRight", 0.5 * _bump(times, 4.6, 6.6))
    put("browInnerUp browOuterUpLeft browOuterUpRight", 0.9 * _bump(times, 2.2, 3.4))
    put("browDownLeft browDownRight", 0.8 * _bump(times, 6.7, 7.8))
    for start in (0.9, 2.6, 4.1, 6.0, 7.2):
        put("eyeBlinkLeft eyeBlinkRight", _bump(times, start, start + 0.30))
    glance = np.sin(2 * np.pi * times / 3.4)
    put("eyeLookOutLeft eyeLookInRight", 0.5 * np.clip(glance, 0, 1))
    put("eyeLookInLeft eyeLookOutRight", 0.5 * np.clip(-glance, 0, 1))
    return np.clip(weights, 0, 1).astype(np.float32)


def _bump(times: F64, start: float, end: float) -> F64:
    """Return 0 outside [start, end], 1 in its middle, with smooth flanks of a third each."""
    flank = min((end - start) / 3, 0.6)
    rise = np.clip((times - start) / flank, 0, 1)
    fall = np.clip((end - times) / flank, 0, 1)
    level = np.minimum(rise, fall)
    return level * level * (3 - 2 * level)


def _about(axis: F64, radians: F64) -> F64:
    return quat.from_axis_angle(np.broadcast_to(axis, (len(radians), 3)), radians)


def _blend(a: F64, b: F64, t: F64) -> F64:
    """Return unit directions on the great circle from `a` (t = 0) to `b` (t = 1)."""
    a, b = np.broadcast_to(a, (len(t), 3)), np.broadcast_to(b, (len(t), 3))
    arc = quat.between(a, b)
    turned = quat.rotate(quat.slerp(np.broadcast_to([0, 0, 0, 1.0], arc.shape), arc, t), a)
    return turned / np.linalg.norm(turned, axis=-1, keepdims=True)


def _limb(direction: F64, back: F64, out: float) -> F64:
    """Return rotations taking the rest limb (+X left, -X right) along `direction`, +Y to `back`."""
    return quat.from_frame(direction * out, back)
