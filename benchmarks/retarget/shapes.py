"""How well slabs and capsules fit the trunks of avatars: distance from the outline of the skin.

    python benchmarks/retarget/shapes.py default me.vrm figure.glb

For every trunk joint the elliptic slab the product uses, and the capsule that fits best (radius
and place free, axis upright), against the outermost skin all around, at four heights.
"""

from __future__ import annotations

import sys
from itertools import pairwise

import numpy as np

import twinsdk as tw
from twinsdk.retarget import Retargeter, load_figure
from twinsdk.retarget.shapes import _standing, outline, trunk_and_head, trunk_skin


def misses(avatar):
    """Return (slab, capsule) mean distance of trunk skin from the shapes, metres."""
    rig = Retargeter(avatar.skeleton, avatar).target
    upright, at = _standing(rig, avatar)
    slab_off, capsule_off = [], []
    for shape in trunk_and_head(rig, avatar):
        if shape.round:
            continue
        place = upright - at[shape.joint] - shape.middle
        low, high = -shape.half[1], shape.half[1]
        mine = trunk_skin(rig, avatar)
        cuts = np.linspace(low, high, 5)
        rings = [
            outline(rows)
            for a, b in pairwise(cuts)
            if len(rows := place[mine & (place[:, 1] >= a) & (place[:, 1] < b)][:, [0, 2]]) > 24
        ]
        if not rings:
            continue
        rows, half = np.concatenate(rings), shape.half[[0, 2]]
        # To first order, |f| over its gradient. Source: Taubin 1991.
        radius = np.maximum(np.linalg.norm(rows / half, axis=-1), 1e-6)
        slope = np.linalg.norm(rows / half**2, axis=-1) / radius
        slab_off.append(np.abs(radius - 1) / slope)
        # The best circle in the least-squares sense. Source: Kasa 1976.
        system = np.column_stack([2 * rows, np.ones(len(rows))])
        x, z, c = np.linalg.lstsq(system, (rows**2).sum(1), rcond=None)[0]
        circle = np.linalg.norm(rows - [x, z], axis=-1) - np.sqrt(c + x * x + z * z)
        capsule_off.append(np.abs(circle))
    return float(np.concatenate(slab_off).mean()), float(np.concatenate(capsule_off).mean())


def main(names):
    """Print a line an avatar."""
    for name in names or ["default"]:
        slab, capsule = misses(load_figure(name) if "." in name else tw.load_avatar(name))
        print(f"{name}: slabs {1000 * slab:.1f} mm, capsules {1000 * capsule:.1f} mm from the skin")


if __name__ == "__main__":
    main(sys.argv[1:])
