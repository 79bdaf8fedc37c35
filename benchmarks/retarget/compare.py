"""Retargeting with a known answer: twinsdk's evaluation, and peers on the same bodies.

    python benchmarks/retarget/compare.py                        # results/retarget.json and .md
    python benchmarks/retarget/compare.py --data MOCAP --out build/with_files.json

The measures are those of `twinsdk evaluate retarget` (twinsdk/retarget/evaluation). Peers
(peers.py): local rotations copied; the rest-pose delta in the world (three.js, UniVRM, most
add-ons); the same from the first frame, and with joints found by a list of names; inverse
kinematics a frame at a time as GMR does, where mink is installed (pip install mink daqp). Nothing
here needs data that may not be passed on.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
from dataclasses import asdict
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import peers

from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.retarget.evaluation import (
    CORE_ROLES,
    KINDS,
    canonical_bodies,
    canonical_body,
    ours,
    random_clip,
    score_maps,
    transfer_error,
)
from twinsdk.session.retarget_bodies import makehuman_bodies, makehuman_pairs
from twinsdk.session.retarget_evaluation import evaluate_retargeting
from twinsdk.session.retarget_table import markdown, table

RESULT = Path(__file__).parents[1] / "results" / "retarget.json"
METHODS = {
    "twinsdk": ours,
    "rest-pose delta": peers.rest_delta,
    "frame-0 delta": peers.frame_0_delta,
    "rotation copy": peers.rotation_copy,
    "names, rest-pose delta": peers.by_names,
}
IK = "IK a frame at a time (mink)"


def all_pairs():
    """Return (source, target) of everything measured."""
    plain = canonical_body()
    return [
        *((plain, body) for body in canonical_bodies()),
        *makehuman_pairs(makehuman_bodies()),
    ]


def compare():
    """Return {pair: {method: error}} and frames a second of the IK."""
    motion, flowing = random_clip(), random_clip(120, smooth=10)
    solver, rows = peers.FrameIk(), {}
    for source, target in all_pairs():
        row = {
            name: asdict(transfer_error(motion, source, target, run))
            for name, run in METHODS.items()
        }
        if find_spec("mink"):
            row[IK] = asdict(transfer_error(flowing, source, target, solver))
        rows[f"{source.name} to {target.name}"] = row
    return rows, solver.frames_s


def maps():
    """Return core roles found by a list of names, on random skeletons and on the usual names."""
    found = {kind: asdict(score_maps(kind, mapper=peers.names_only)) for kind in KINDS}
    plain = peers.names_only(humanoid_skeleton())
    return found, f"{sum(plain.get(role) == role for role in CORE_ROLES)} of {len(CORE_ROLES)}"


def peer_tables(rows, ik_rates, list_maps, usual):
    """Return the tables of the peers."""
    methods = list(dict.fromkeys(name for row in rows.values() for name in row))
    lines = [(name, *(_cell(row.get(method)) for method in methods)) for name, row in rows.items()]
    text = (
        "Mean (worst) limb direction error in degrees and mean joint position error over height, "
        "the same body under two skeletons. Peers are told the joint map, but for the list of "
        "names; the IK is told every turn as well, and gets a motion that flows (120 frames), "
        "since it starts from the frame before.\n\n"
    )
    text += table(("skeletons", *methods), lines)
    right, total = (sum(row[key] for row in list_maps.values()) for key in ("right", "total"))
    text += (
        f"\n\nA list of names finds {right} of {total} core roles on the random skeletons below, "
        f"and {usual} on the names it is made for."
    )
    if ik_rates:
        text += f" The IK does {np.median(ik_rates):.0f} frames/s (median of {len(ik_rates)} runs)."
    return text


def _cell(error):
    if error is None:
        return "-"
    mean, worst, share = (error[k] for k in ("limb_mean_deg", "limb_worst_deg", "joint_share"))
    return f"{mean:.2f} ({worst:.1f}), {100 * share:.2f} %"


def _commit():
    command = ["git", "rev-parse", "--short", "HEAD"]
    here = Path(__file__).parent
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def main():
    """Measure, print and write Markdown, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="motion files to measure besides")
    parser.add_argument("--out", type=Path, default=RESULT, help="JSON; the tables go beside it")
    args = parser.parse_args()
    rows, ik_rates = compare()
    list_maps, usual = maps()
    result = evaluate_retargeting(args.data)
    names = ("numpy", "scipy", *(("mink", "mujoco") if ik_rates else ()))
    about = {
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, shared",
        "load": round(os.getloadavg()[0], 1),
        "commit": _commit(),
        "versions": {name: metadata.version(name) for name in names},
    }
    kept = {**about, "peers": rows, "ik_frames_s": ik_rates, "list_of_names": list_maps, **result}
    args.out.write_text(json.dumps(kept, indent=1) + "\n")
    title = f"# Retargeting, {about['machine']}, load {about['load']}, commit {about['commit']}"
    text = "\n\n".join(
        [title, peer_tables(rows, ik_rates, list_maps, usual), "## twinsdk", markdown(result)]
    )
    print(text)
    args.out.with_suffix(".md").write_text(text + "\n")


if __name__ == "__main__":
    main()
