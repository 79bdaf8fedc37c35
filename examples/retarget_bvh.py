"""One motion file on several avatars, side by side in one picture.

    python examples/retarget_bvh.py walk.bvh default me.vrm figure.glb -o walk.png

Each column is an instant of the clip, each row an avatar. Needs the `avatar` extra.
"""

from __future__ import annotations

import argparse

import numpy as np

import twinsdk as tw
from twinsdk.core import quat
from twinsdk.render import Camera, Renderer, contact_sheet, save_png
from twinsdk.retarget import Retargeter, load_figure

INSTANTS = 6
SIDE_PX = 360


def main() -> None:
    """Draw the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", help=".bvh, .fbx, .amc, .glb, .vrma, .npz")
    parser.add_argument("avatars", nargs="+", help="'default', .vrm or .glb")
    parser.add_argument("-o", "--out", default="retarget.png")
    args = parser.parse_args()
    clip = tw.load_clip(args.clip)
    frames = np.linspace(0.1, 0.9, INSTANTS) * (len(clip) - 1)
    pictures, labels = [], []
    for name in args.avatars:
        avatar = load_figure(name) if "." in name else tw.load_avatar(name)
        if not isinstance(avatar, tw.Avatar):
            parser.error(f"{name} has no mesh to draw")
        made = Retargeter(clip.skeleton, avatar, sample=clip)
        result = made.clip(clip)
        renderer = Renderer(avatar.mesh, SIDE_PX, SIDE_PX, antialias=2)
        skinner = tw.Skinner(avatar)
        for frame in frames.astype(int):
            pose = result[int(frame)]
            pictures.append(renderer.draw(skinner.vertices(pose), camera=view(avatar, pose)))
            labels.append(f"{frame / clip.fps:.1f} s")
        print(name, "legs", round(made.scale, 2), "of the source's;", "; ".join(made.notes))
    save_png(args.out, contact_sheet(pictures, INSTANTS, labels))
    print(args.out)


def view(avatar: tw.Avatar, pose: tw.Pose) -> Camera:
    """Return a camera before the person, from a little to their left, whole figure in view."""
    hips = avatar.skeleton.joint(avatar.roles()["hips"])
    turns, places = pose.world()
    height = float(np.ptp(avatar.mesh.vertices[:, 1]))
    facing = quat.rotate(
        quat.multiply(turns[hips], quat.conjugate(avatar.skeleton.rest_world()[0][hips])),
        np.array([0.45, 0, 1.0]),
    )
    facing[1] = 0.1
    facing /= np.linalg.norm(facing)
    target = np.array([places[hips, 0], 0.5 * height, places[hips, 2]])
    return Camera(
        position=tuple(target + facing * height * 2.4), target=tuple(target), fov_deg=32.0
    )


if __name__ == "__main__":
    main()
