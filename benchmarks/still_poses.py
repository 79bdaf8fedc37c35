"""Poses to photograph: frames of captured motion, and arms and legs put where people put them.

Captured motion has few arms that are crossed, point at the camera or touch the face, and hardly
anybody who sits. Such poses are drawn here: wrists go to places known by name, or anywhere in
reach, with elbows where they fall; legs stand, sit or step, or are a captured frame's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from twinsdk.core import quat
from twinsdk.core.humanoid import HUMANOID_NAMES

__all__ = ["SKIPPED", "captured", "designed", "windows"]

SKIPPED = {"013", "014", "015", "13", "09", "94"}  # motions of the takes to judge by

# Places of a wrist, metres from the upper chest's joint at 1.70 m, x to the wrist's own side; the
# way the elbow points.
_DOWN, _OUT, _BACK = (0.5, -0.9, -0.3), (0.9, -0.3, -0.4), (0.5, -0.5, -0.8)
_PLACES = {
    "hanging": ((0.24, -0.40, 0.04), _BACK),
    "t": ((0.66, 0.09, 0.02), _DOWN),
    "a": ((0.52, -0.26, 0.03), _BACK),
    "forward": ((0.17, 0.07, 0.48), _DOWN),
    "together": ((0.03, 0.02, 0.45), _DOWN),
    "overhead": ((0.20, 0.56, 0.05), _OUT),
    "diagonal": ((0.50, 0.42, 0.05), _DOWN),
    "crossed": ((-0.13, -0.06, 0.20), _DOWN),
    "hip": ((0.19, -0.30, 0.05), _OUT),
    "pocket": ((0.21, -0.38, 0.08), _BACK),
    "behind": ((0.02, -0.30, -0.15), _OUT),
    "belly": ((0.02, -0.26, 0.21), _DOWN),
    "clap": ((0.02, -0.02, 0.28), _DOWN),
    "chin": ((0.03, 0.20, 0.20), _DOWN),
    "cheek": ((0.09, 0.26, 0.16), _DOWN),
    "ear": ((0.14, 0.30, 0.08), _DOWN),
    "crown": ((0.10, 0.44, 0.06), _OUT),
    "neck": ((0.08, 0.24, -0.08), _OUT),
    "lap": ((0.13, -0.36, 0.28), _DOWN),
    "desk": ((0.14, -0.22, 0.34), _DOWN),
    "wave": ((0.32, 0.24, 0.14), _DOWN),
    "stop": ((0.24, 0.10, 0.36), _DOWN),
    "other shoulder": ((-0.14, 0.10, 0.16), _DOWN),
}
_UPPER_M, _FORE_M = 0.268, 0.231
_SHOULDER = np.array([0.173, 0.071, 0.02])
_SIDES = (("left", 1.0), ("right", -1.0))
_X, _Y, _Z = np.eye(3)


def captured(paths: list[str], wanted: Callable[[str], bool]) -> np.ndarray:
    """Return rotations (T, 55, 4) of the clips whose subject `wanted(subject)` takes."""
    return np.concatenate([rotations for rotations, _ in _clips(paths, wanted)])


def windows(
    paths: list[str], wanted: Callable[[str], bool], count: int, *, widest_m: float = 2.5
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return stretches of `count` frames, a second apart, in which a person stays about a place.

    Each is rotations (count, 55, 4) and the hips' places (count, 3) at a height of 1.70 m.
    """
    found = []
    for rotations, roots in _clips(paths, wanted):
        for start in range(0, len(roots) - count + 1, 30):
            rows = slice(start, start + count)
            if np.ptp(roots[rows, ::2], axis=0).max() < widest_m:
                found.append((rotations[rows], roots[rows]))
    return found


def _clips(
    paths: list[str], wanted: Callable[[str], bool]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield rotations (T, 55, 4) and places of the hips (T, 3) of each clip that is wanted."""
    for path in paths:
        data = np.load(path)
        rows = [HUMANOID_NAMES.index(name) for name in data["joint_names"].tolist()]
        starts, quats, roots = data["clip_start"], data["quats"], data["root"]
        split = data["split"] if "split" in data.files else None
        for c, subject in enumerate(data["subject"].tolist()):
            if not wanted(subject) or (split is not None and split[c] != "train"):
                continue
            frames = slice(starts[c], starts[c + 1])
            wxyz = quats[frames].astype(np.float32)
            one = np.tile(np.float32([0, 0, 0, 1]), (len(wxyz), len(HUMANOID_NAMES), 1))
            one[:, rows] = quat.normalize(wxyz[:, :, [1, 2, 3, 0]])
            yield one, roots[frames]


def designed(rng: np.random.Generator, legs: np.ndarray) -> tuple[np.ndarray, str]:
    """Return rotations (55, 4) and what the arms do.

    Args:
        rng: Decides all.
        legs: (55, 4) a captured frame, whose legs may be taken.
    """
    local = np.tile([0.0, 0.0, 0.0, 1.0], (len(HUMANOID_NAMES), 1))
    seated = _legs(local, rng, legs)
    strict = rng.random() < 0.12
    swing = 0.02 if strict else 1.0
    bow = (0.12 if seated else 0.06) + 0.12 * swing * rng.normal()
    turn = np.array([bow * (not strict), 0.22 * swing * rng.normal(), 0.10 * swing * rng.normal()])
    chest = np.array([0.0, 0.0, 0.0, 1.0])
    for name in ("spine", "chest", "upperChest"):
        local[_at(name)] = quat.from_rotation_vector(turn / 3)
        chest = quat.multiply(chest, local[_at(name)])
    nod = swing * rng.normal(0, 1, 3) * (0.22, 0.4, 0.14)
    local[_at("neck")], local[_at("head")] = (
        quat.from_rotation_vector(share * nod) for share in (0.4, 0.6)
    )
    names = list(_PLACES)
    both = str(rng.choice(["t", "t", "a"])) if strict else str(rng.choice(names))
    label = both
    for side, out in _SIDES:
        if not strict and out < 0 and rng.random() < 0.5:
            both = str(rng.choice(names))
            label += f" {both}"
        anywhere = not strict and rng.random() < 0.3
        wrist, elbow = (np.array(v) for v in _PLACES[both])
        if anywhere:
            way = rng.normal((0.3, -0.1, 0.5), 1.0)
            wrist = _SHOULDER + way / np.linalg.norm(way) * rng.uniform(0.2, 0.49)
        wrist = wrist + rng.normal(0, 0.004 if strict else 0.04, 3)
        elbow = elbow + rng.normal(0, 0.05 if strict else 0.3, 3)
        if not strict and rng.random() < 0.15 and both in ("forward", "t", "overhead", "diagonal"):
            wrist = _SHOULDER + (wrist - _SHOULDER) * rng.uniform(1.0, 1.1)
        _arm(local, side, out, wrist, elbow, rng, swing)
    return local, label


def _arm(
    local: np.ndarray,
    side: str,
    out: float,
    wrist: np.ndarray,
    elbow: np.ndarray,
    rng: np.random.Generator,
    swing: float,
) -> None:
    """Put the wrist where it shall be from the upper chest, the elbow pointing about `elbow`."""
    way = wrist - _SHOULDER
    far = np.linalg.norm(way)
    along = way / far
    far = np.clip(far, 0.12, 0.998 * (_UPPER_M + _FORE_M))
    pole = elbow - (elbow @ along) * along
    pole /= np.linalg.norm(pole) + 1e-9
    near = (_UPPER_M**2 + far**2 - _FORE_M**2) / (2 * far)
    joint = near * along + np.sqrt(max(_UPPER_M**2 - near**2, 0)) * pole
    upper, fore = joint / _UPPER_M, (far * along - joint) / _FORE_M
    bend = np.arccos(np.clip(upper @ fore, -1, 1))
    inward = fore - (fore @ upper) * upper if bend > 0.05 else -pole + (pole @ upper) * upper
    inward /= np.linalg.norm(inward) + 1e-9
    flip = np.array([out, 1.0, 1.0])
    x, z = upper * flip * out, inward * flip
    world = quat.from_matrix(np.stack([x, np.cross(z, x), z], -1))
    up, ahead = upper[1], upper[2]
    raised = (0.35 if up > 0 else 0.05) * up + 0.06 * swing * rng.normal()
    collar = quat.from_rotation_vector(
        np.array([0.0, out * (-0.16 * ahead + 0.05 * swing * rng.normal()), out * raised])
    )
    local[_at(f"{side}Shoulder")] = collar
    # The targets are the chest's, so the chest's own turn cancels out.
    local[_at(f"{side}UpperArm")] = quat.multiply(quat.conjugate(collar), world)
    hinge = quat.from_rotation_vector(np.array([0.0, -out * bend, 0.0]))
    roll = quat.from_rotation_vector(np.array([swing * rng.uniform(-1.0, 1.0), 0.0, 0.0]))
    local[_at(f"{side}LowerArm")] = quat.multiply(hinge, roll)
    local[_at(f"{side}Hand")] = quat.from_rotation_vector(swing * rng.normal(0, 0.25, 3))
    curl = rng.uniform(0.0, 1.4) * rng.random()
    for finger in ("Index", "Middle", "Ring", "Little"):
        for part in ("Proximal", "Intermediate", "Distal"):
            local[_at(f"{side}{finger}{part}")] = quat.from_rotation_vector(
                np.array([0.0, 0.0, -out * curl * rng.uniform(0.6, 1.1)])
            )


def _legs(local: np.ndarray, rng: np.random.Generator, captured: np.ndarray) -> bool:
    """Set the legs and the hips' lean; return whether the person sits."""
    kind = rng.random()
    rows = [_at(f"{s}{p}") for s, _ in _SIDES for p in ("UpperLeg", "LowerLeg", "Foot")]
    if kind < 0.35:
        local[rows], local[0] = captured[rows], captured[0]
        return False
    seated = kind > 0.65
    lean = rng.normal(-0.1 if seated else 0.0, 0.12)
    local[0] = quat.from_rotation_vector(np.array([lean, 0.0, rng.normal(0, 0.04)]))
    wild = 0.55 < kind < 0.65
    for side, out in _SIDES:
        lift, apart, knee = -lean + rng.normal(-0.03, 0.06), rng.normal(0.06, 0.07), 0.0
        if seated:
            lift, apart = lift + rng.normal(-1.4, 0.15), rng.normal(0.15, 0.2)
            knee = rng.normal(1.35, 0.3)
        elif wild:
            lift, apart, knee = rng.uniform(-1.6, 0.3), rng.uniform(-0.1, 0.7), rng.uniform(0, 1.7)
        else:
            bent = max(rng.normal(0.02, 0.12), 0.0)
            lift, knee = lift - bent, 2 * bent
        twist = out * rng.normal(0.15, 0.2)
        turn = np.array([0.0, twist, out * apart])
        local[_at(f"{side}UpperLeg")] = quat.multiply(
            quat.from_rotation_vector(np.array([lift, 0.0, 0.0])), quat.from_rotation_vector(turn)
        )
        local[_at(f"{side}LowerLeg")] = quat.from_rotation_vector(
            np.array([float(np.clip(knee, 0, 2.4)), 0.0, 0.0])
        )
        local[_at(f"{side}Foot")] = quat.from_rotation_vector(
            np.array([-lift - knee - lean + rng.normal(0, 0.12), rng.normal(0, 0.1), 0.0])
        )
    return seated


def _at(name: str) -> int:
    return HUMANOID_NAMES.index(name)
