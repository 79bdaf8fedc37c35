"""Retargeting with a known answer: one body under many rigs, against the formulas others use.

    python benchmarks/retarget/compare.py              # writes results/retarget.json and .md
    python benchmarks/retarget/compare.py walk.bvh ... # also foot slide of these files

The body is the canonical skeleton's; a rig gives it another rest pose, bone rolls, world and unit,
so the right answer is where the joints were. Motion: random poses, and a walk whose feet stand
still. Peers (peers.py): local rotations copied; the rest-pose delta in the world (three.js,
UniVRM, most add-ons); the same from the first frame; inverse kinematics a frame at a time as GMR
does, where mink is installed (pip install mink daqp); a list of names. Nothing here needs data
that may not be passed on.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import peers
from scipy.ndimage import gaussian_filter1d

from twinsdk.core import quat
from twinsdk.core.clip import MotionClip
from twinsdk.core.humanoid import HUMANOID_NAMES, HUMANOID_PARENTS, humanoid_skeleton, mirrored
from twinsdk.core.skeleton import Skeleton
from twinsdk.errors import NotHumanoidError
from twinsdk.formats import load_clip, save_clip
from twinsdk.retarget import RetargetConfig, Retargeter, humanoid_map, measure
from twinsdk.retarget.ik import two_bone

CANON = humanoid_skeleton()
HEIGHT_M = 1.70
FINGERS = ("Thumb", "Index", "Middle", "Ring", "Little")
RESULT = Path(__file__).parents[1] / "results" / "retarget.json"
LIMBS = [
    (side + a, side + b)
    for side in ("left", "right")
    for a, b in (
        ("UpperArm", "LowerArm"),
        ("LowerArm", "Hand"),
        ("UpperLeg", "LowerLeg"),
        ("LowerLeg", "Foot"),
    )
]
# name: (degrees about Z by left joint, random bone rolls, Z-up world facing sideways, unit)
RIGS = {
    "T-pose": ({}, False, False, 1.0),
    "T-pose, rolled bones": ({}, True, False, 1.0),
    "A-pose": ({"UpperArm": 45.0}, True, False, 1.0),
    "arms down": ({"UpperArm": 85.0}, True, False, 1.0),
    "thighs splayed": ({"UpperLeg": -20.0, "Foot": 20.0}, True, False, 1.0),
    "A-pose, Z-up, sideways, cm": ({"UpperArm": 45.0}, True, True, 100.0),
}


def rig(bends, rolled, turned, unit, seed=0):
    """Return a skeleton of the same body, with the canonical names in the canonical order."""
    local = np.tile(quat.IDENTITY.astype(float), (len(CANON), 1))
    for joint, degrees in bends.items():
        for side, sign in (("left", -1.0), ("right", 1.0)):
            axis = np.array([0, 0, sign])
            local[CANON.joint(side + joint)] = quat.from_axis_angle(axis, np.radians(degrees))
    turns, places = (x.astype(float) for x in CANON.forward(local, CANON.rest_translations[0]))
    toes = CANON.joint("leftToes")
    places[:, 1] += CANON.rest_world()[1][toes, 1] - places[toes, 1]
    if turned:
        up = quat.from_axis_angle(np.array([1.0, 0, 0]), np.pi / 2)
        world = quat.multiply(up, quat.from_axis_angle(np.array([0, 1.0, 0]), np.pi / 2))
        turns, places = quat.multiply(world, turns), quat.rotate(world, places)
    if rolled:
        rng = np.random.default_rng(seed)
        turns = quat.multiply(turns, quat.normalize(rng.normal(size=(len(CANON), 4))))
    above = np.maximum(CANON.parents, 0)
    back = quat.conjugate(turns[above])
    rotations = quat.multiply(back, turns)
    offsets = quat.rotate(back, places - places[above])
    rotations[0], offsets[0] = turns[0], places[0]
    return Skeleton(
        names=CANON.names,
        parents=CANON.parents,
        rest_translations=offsets * unit,
        rest_rotations=rotations,
    )


def random_clip(frames=300, seed=1, smooth=0):
    """Return random poses, limbs anywhere; flowing into one another with `smooth` frames."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(frames, len(CANON), 3)) * 0.5
    roots = rng.normal(size=(frames, 3)) * 0.3 + [0, 0.9, 0]
    if smooth:
        spread = (2 * smooth * np.sqrt(np.pi)) ** 0.5  # what the filter takes away
        vectors = gaussian_filter1d(vectors, smooth, axis=0) * spread
        roots = gaussian_filter1d(roots, smooth, axis=0)
    turns = quat.from_rotation_vector(vectors)
    return MotionClip(skeleton=CANON, fps=30, rotations=turns, root_translations=roots)


def walk(seconds=10.0, speed=0.7, fps=60):
    """Return a walk made from feet that stand exactly still for 55 % of each stride."""
    count = int(seconds * fps)
    t, period = np.arange(count) / fps, 1.1
    pose = np.tile(CANON.rest_rotations.astype(float), (count, 1, 1))
    roots = np.stack([0 * t, 0 * t + CANON.rest_translations[0, 1] - 0.08, speed * t], -1)
    for side, phase in (("left", 0.0), ("right", 0.5)):
        whole, part = np.floor(t / period + phase), (t / period + phase) % 1
        swing = np.clip((part - 0.55) / 0.45, 0, 1)
        z = speed * period * (whole - phase + 0.275 + swing**2 * (3 - 2 * swing))
        upper, lower, foot = (CANON.joint(side + p) for p in ("UpperLeg", "LowerLeg", "Foot"))
        hip = roots + CANON.rest_translations[upper]
        knee = hip + CANON.rest_translations[lower]
        ankle = knee + CANON.rest_translations[foot]
        goal = np.stack([ankle[:, 0], 0.075 + 0.08 * np.sin(np.pi * swing) ** 2, z], axis=-1)
        first, second, _ = two_bone(hip, knee, ankle, goal, np.tile([1.0, 0, 0], (count, 1)))
        pose[:, upper] = first
        pose[:, lower] = quat.multiply(quat.conjugate(first), second)
        pose[:, foot] = quat.conjugate(second)
    return MotionClip(skeleton=CANON, fps=fps, rotations=pose, root_translations=roots)


def ours(clip, target):
    """Return twinsdk's result without planting: the same body needs none."""
    made = Retargeter(clip.skeleton, target, RetargetConfig(plant_feet=False)).clip(clip)
    return made.rotations, made.root_translations


METHODS = {
    "twinsdk": ours,
    "rest-pose delta": peers.rest_delta,
    "frame-0 delta": lambda clip, target: peers.rest_delta(clip, target, first=True),
    "rotation copy": peers.rotation_copy,
}


def same_body(clip):
    """Return {rig: {method: (mean limb degrees, worst, position error in % of height)}}."""
    truth = clip.world()[1].astype(float)
    table = {}
    for name, description in RIGS.items():
        target, unit = rig(*description), description[3]
        row = {}
        for method, run in METHODS.items():
            rotations, roots = run(clip, target)
            places = target.forward(rotations, roots)[1].astype(float) / unit
            angles = np.degrees(np.concatenate([_angle(truth, places, a, b) for a, b in LIMBS]))
            # Positions about the hips: where a method puts the root is another question.
            away = (places - places[:, :1]) - (truth - truth[:, :1])
            error = 100 * np.linalg.norm(away, axis=-1).mean() / HEIGHT_M
            row[method] = [round(float(x), 3) for x in (angles.mean(), angles.max(), error)]
        table[name] = row
    return table


def frame_ik(clip):
    """Return {rig: (mean limb degrees, worst, position error %, frames/s)}, None without mink."""
    try:
        import mink  # noqa: F401
    except ImportError:
        return None
    truth = clip.world()[1].astype(float)
    table = {}
    for name, description in RIGS.items():
        target, unit = rig(*description), description[3]
        made = Retargeter(CANON, target)
        solver = peers.FrameIk(target, made.target.tpose.world, 1 / unit)
        rotations, roots = solver(clip)
        places = target.forward(rotations, roots * unit)[1].astype(float) / unit
        angles = np.degrees(np.concatenate([_angle(truth, places, a, b) for a, b in LIMBS]))
        away = (places - places[:, :1]) - (truth - truth[:, :1])
        error = 100 * np.linalg.norm(away, axis=-1).mean() / HEIGHT_M
        values = (angles.mean(), angles.max(), error, solver.frames_s)
        table[name] = [round(float(x), 3) for x in values]
    return table


def reading(frames=20_000):
    """Return frames a second of reading a BVH of 31 joints, best and median of seven."""
    kept = [n for n in HUMANOID_NAMES if not any(f in n for f in (*FINGERS, "Eye", "jaw"))]
    chosen = [CANON.joint(n) for n in kept]
    parents = [-1 if HUMANOID_PARENTS[n] is None else kept.index(HUMANOID_PARENTS[n]) for n in kept]
    extra = 31 - len(kept)  # a chain on the head, to the 31 joints of the CMU's files
    parents += [kept.index("head") if i == 0 else len(kept) + i - 1 for i in range(extra)]
    offsets = np.concatenate([CANON.rest_translations[chosen], np.full((extra, 3), 0.02)])
    skeleton = Skeleton(
        names=[*kept, *(f"hair{i}" for i in range(extra))],
        parents=parents,
        rest_translations=offsets,
        rest_rotations=np.tile([0.0, 0, 0, 1], (31, 1)),
    )
    rng = np.random.default_rng(0)
    clip = MotionClip(
        skeleton=skeleton,
        fps=120,
        rotations=quat.from_rotation_vector(rng.normal(size=(frames, 31, 3)) * 0.3),
        root_translations=rng.normal(size=(frames, 3)),
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.bvh"
        save_clip(clip, path)
        times = []
        for _ in range(7):
            start = time.perf_counter()
            load_clip(path)
            times.append(time.perf_counter() - start)
    return {"best": round(frames / min(times)), "median": round(frames / np.median(times))}


def cycles(clip):
    """Return the worst joint's degrees after going to each rig and back."""
    out = {}
    for name, description in RIGS.items():
        there = Retargeter(CANON, rig(*description), RetargetConfig(plant_feet=False)).clip(clip)
        back = Retargeter(there.skeleton, CANON, RetargetConfig(plant_feet=False)).clip(there)
        out[name] = round(float(np.degrees(quat.angle(back.rotations, clip.rotations)).max()), 4)
    return out


def slides(clip):
    """Return foot speed in contact, cm/s, on bodies of other shape: planted, not, and source."""
    out = {}
    shapes = {"long thighs": (1.25, 0.8), "long shins": (0.8, 1.2), "tall": (1.3, 1.3)}
    for name, (thigh, shin) in shapes.items():
        offsets = CANON.rest_translations.copy()
        for side in ("left", "right"):
            offsets[CANON.joint(f"{side}LowerLeg")] *= thigh
            offsets[CANON.joint(f"{side}Foot")] *= shin
        offsets[0, 1] += 0.415 * thigh + 0.41 * shin - 0.825
        target = Skeleton(
            names=CANON.names,
            parents=CANON.parents,
            rest_translations=offsets,
            rest_rotations=CANON.rest_rotations,
        )
        out[name] = _slide(clip, target)
    return out


def _slide(clip, target):
    row = {}
    for label, plant in (("planted", True), ("not planted", False)):
        made = Retargeter(clip.skeleton, target, RetargetConfig(plant_feet=plant), sample=clip)
        found = measure(made, clip, made.clip(clip))
        row[label] = None if found.slide_m_s is None else round(100 * found.slide_m_s, 2)
        if found.source_slide_m_s is not None:
            row["source"] = round(100 * found.source_slide_m_s, 2)
    return row


def mapping(count=200):
    """Return how many of the core roles are found on renamed, re-ordered, thinned rigs.

    By twinsdk and by a list of names, on names without meaning or of the wrong side; and by the
    list on the canonical names, which is what it is made for.
    """
    right = total = listed = 0
    core = [n for n in HUMANOID_NAMES if not any(f in n for f in (*FINGERS, "Eye", "jaw"))]
    for seed in range(count):
        rng = np.random.default_rng(seed)
        base = rig({"UpperArm": float(rng.uniform(0, 85))}, True, False, 1.0, seed)
        gone = {n for n in ("upperChest", "chest", "neck", "jaw") if rng.random() < 0.3}
        if "chest" in gone:
            gone.add("upperChest")
        kept = [n for n in CANON.names if n not in gone]
        alias = {n: f"b{rng.integers(10**6)}_{i}" for i, n in enumerate(kept)}
        if rng.random() < 0.5:  # names that say the wrong side
            alias = {n: mirrored(n) for n in kept}
        turns, places = base.rest_world()
        parents, offsets, rotations = [], [], []
        for n in kept:
            above = HUMANOID_PARENTS[n]
            while above is not None and above in gone:
                above = HUMANOID_PARENTS[above]
            j, p = CANON.joint(n), -1 if above is None else CANON.joint(above)
            back = quat.conjugate(turns[p]) if p >= 0 else quat.IDENTITY
            parents.append(-1 if above is None else kept.index(above))
            offsets.append(quat.rotate(back, places[j] - (places[p] if p >= 0 else 0)))
            rotations.append(quat.multiply(back, turns[j]))
        skeleton = Skeleton(
            names=[alias[n] for n in kept],
            parents=parents,
            rest_translations=np.array(offsets),
            rest_rotations=quat.normalize(np.array(rotations)),
        )
        try:
            found = humanoid_map(skeleton).roles
        except NotHumanoidError:
            found = {}
        wanted = [n for n in core if n in alias]
        total += len(wanted)
        right += sum(found.get(n) == alias[n] for n in wanted)
        by_name = peers.names_only(skeleton)
        listed += sum(by_name.get(n) == alias[n] for n in wanted)
    plain = peers.names_only(CANON)
    return {
        "roles": total,
        "twinsdk": right,
        "list of names": listed,
        "list of names, canonical names": f"{sum(plain.get(n) == n for n in core)} of {len(core)}",
    }


def speeds():
    """Return frames a second: transfer alone, with planting, and microseconds a live step."""
    clip, target = walk(60.0), rig(*RIGS["A-pose"])
    out = {}
    for label, contacts in (("transfer", False), ("with contacts and IK", True)):
        config = RetargetConfig(plant_feet=contacts, keep_touch=contacts)
        made = Retargeter(CANON, target, config)
        made.clip(clip)
        times = []
        for _ in range(9):
            start = time.perf_counter()
            made.clip(clip)
            times.append(time.perf_counter() - start)
        out[f"{label}, median"] = round(len(clip) / float(np.median(times)))
        out[f"{label}, best"] = round(len(clip) / min(times))
    made, poses = Retargeter(CANON, target), list(clip[:600])
    for label, step in (("step", None), ("step, planted", 1 / 60)):
        times = []
        for pose in [*poses] * 5:
            start = time.perf_counter_ns()
            made.step(pose, step)
            times.append(time.perf_counter_ns() - start)
        for kind, share in (("median", 50), ("p99", 99)):
            out[f"{label}, {kind} us"] = round(float(np.percentile(times, share)) / 1e3, 1)
    return out


def _angle(truth, places, a, b):
    i, j = CANON.joint(a), CANON.joint(b)
    u, v = truth[:, j] - truth[:, i], places[:, j] - places[:, i]
    return np.arctan2(np.linalg.norm(np.cross(u, v), axis=-1), np.einsum("ti,ti->t", u, v))


def main(files):
    """Measure, print and write Markdown, write JSON."""
    clip, stroll = random_clip(), walk()
    result = {
        "same_body": same_body(clip),
        "frame_ik": frame_ik(random_clip(120, smooth=10)),
        "cycle_worst_deg": cycles(clip),
        "slide_cm_s": slides(stroll),
        "mapping": mapping(),
        "speed": speeds(),
        "bvh_frames_s": reading(),
        "files": {Path(f).name: _slide(load_clip(f), CANON) for f in files},
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, shared",
        "commit": _commit(),
        "numpy": np.__version__,
    }
    text = markdown(result)
    print(text)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    RESULT.with_suffix(".md").write_text(text + "\n")


def markdown(result):
    """Return the tables of a result."""
    ik = result["frame_ik"]
    columns = [*METHODS, *(["IK a frame at a time (mink)"] if ik else [])]
    lines = [
        f"# Retargeting, {result['machine']}, commit {result['commit']}",
        "",
        "Mean (worst) limb direction error in degrees, mean joint position error over height; the",
        "same body under other rigs, so the right answer is 0. The IK is given the right turns",
        "and a motion that flows (120 frames), since it starts from the frame before.",
        "",
        "| rig of the same body | " + " | ".join(columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for name, row in result["same_body"].items():
        cells = [f"{m:.2f} ({w:.1f}), {e:.2f} %" for m, w, e in row.values()]
        if ik:
            mean, worst, error, _ = ik[name]
            cells.append(f"{mean:.2f} ({worst:.1f}), {error:.2f} %")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    cycle = ", ".join(f"{k} {v}" for k, v in result["cycle_worst_deg"].items())
    lines += ["", f"There and back (A to B to A), worst joint, degrees: {cycle}."]
    lines += ["", "Speed of feet in contact, cm/s, on bodies of other shape:", ""]
    lines += ["| body | source, scaled | twinsdk | not planted |", "|---|---|---|---|"]
    for table in ("slide_cm_s", "files"):
        for name, row in result[table].items():
            cells = [row.get(k) for k in ("source", "planted", "not planted")]
            lines.append(f"| {name} | " + " | ".join(str(c) for c in cells) + " |")
    counts = result["mapping"]
    lines += [
        "",
        "Joint map, core roles found on 200 random rigs (nonsense or mirrored names, joints left",
        f"out, other rest poses and rolls): twinsdk {counts['twinsdk']}, a list of names "
        f"{counts['list of names']}, of {counts['roles']};",
        f"the list on the names it is made for: {counts['list of names, canonical names']}.",
        "",
        "| speed | |",
        "|---|---|",
    ]
    lines += [f"| {name} | {value} |" for name, value in _speed_rows(result)]
    return "\n".join(lines)


def _speed_rows(result):
    for name, value in result["speed"].items():
        yield name if name.endswith("us") else f"{name}, frames/s", value
    if result["frame_ik"]:
        rates = [row[3] for row in result["frame_ik"].values()]
        yield "IK a frame at a time (mink), median, frames/s", round(float(np.median(rates)))
    for kind, value in result["bvh_frames_s"].items():
        yield f"BVH of 31 joints read, {kind}, frames/s", value


def _commit():
    command = ["git", "rev-parse", "--short", "HEAD"]
    here = Path(__file__).parent
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    main(sys.argv[1:])
