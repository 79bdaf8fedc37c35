"""`twinsdk avatar`: make, inspect, convert and picture avatars."""

from __future__ import annotations

import argparse
from pathlib import Path

from twinsdk.errors import OutputError, UsageError

__all__ = ["EXAMPLES", "SUMMARY", "add_arguments", "run"]

SUMMARY = "Make, inspect, convert and picture avatars."
EXAMPLES = """examples:
  twinsdk avatar new -o me.vrm
  twinsdk avatar new --height 172 --style casual --seed 7 --name Ada -o ada.vrm
  twinsdk avatar info ada.vrm
  twinsdk avatar convert ada.vrm -o ada.glb
  twinsdk avatar render ada.vrm -o ada.png
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `avatar`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    new = actions.add_parser("new", help="generate an avatar")
    new.add_argument("-o", "--out", required=True, metavar="FILE", help=".vrm, .glb or .npz")
    new.add_argument("--height", type=float, metavar="CM", help="body height, 120 to 220")
    new.add_argument("--style", help="clothes, see the documentation")
    new.add_argument("--seed", type=int, help="which of many looks")
    new.add_argument("--name", help="name written into the file")
    new.add_argument("--author", help="author written into the file")
    new.add_argument("--spec", metavar="FILE.json", help="a whole specification")
    info = actions.add_parser("info", help="what an avatar consists of")
    info.add_argument("avatar", help=".vrm or .glb, or 'default'")
    convert = actions.add_parser("convert", help="write an avatar in another format")
    convert.add_argument("avatar", help=".vrm or .glb, or 'default'")
    convert.add_argument("-o", "--out", required=True, metavar="FILE", help=".vrm, .glb or .npz")
    render = actions.add_parser("render", help="a picture from the front, the side and the back")
    render.add_argument("avatar", help=".vrm or .glb, or 'default'")
    render.add_argument("-o", "--out", required=True, metavar="FILE.png")


def run(args: argparse.Namespace) -> int:
    """Run `avatar` and return its exit code."""
    actions = {"new": _new, "info": _info, "convert": _convert, "render": _render}
    actions[args.action](args)
    return 0


def _new(args: argparse.Namespace) -> None:
    from twinsdk.avatar import AvatarSpec, generate_avatar
    from twinsdk.formats import save_avatar

    _check_folder(args.out)
    if args.spec:
        spec = AvatarSpec.load(args.spec)
    else:
        given = {
            "height_m": None if args.height is None else args.height / 100,
            "style": args.style,
            "seed": args.seed,
            "name": args.name,
            "author": args.author,
        }
        spec = AvatarSpec(**{key: value for key, value in given.items() if value is not None})
    save_avatar(generate_avatar(spec), args.out)
    print(f"{args.out}  {Path(args.out).stat().st_size / 1e6:.1f} MB")


def _info(args: argparse.Namespace) -> None:
    from twinsdk.avatar import load_avatar

    avatar = load_avatar(args.avatar)
    mesh = avatar.mesh
    height = float(mesh.vertices[:, 1].max() - mesh.vertices[:, 1].min())
    print(f"name        {avatar.meta.get('name', '-')}")
    print(f"licence     {avatar.meta.get('licenseUrl', avatar.meta.get('licence', '-'))}")
    print(f"height      {height:.2f} m")
    print(f"vertices    {len(mesh.vertices)}, triangles {len(mesh.triangles)}")
    print(f"materials   {', '.join(material.name for material in mesh.materials)}")
    print(f"joints      {len(avatar.skeleton)}, {len(avatar.humanoid)} of them humanoid")
    print(f"influences  up to {avatar.skin.weights.shape[1]} a vertex")
    print(f"expressions {len(avatar.morphs.names)}")


def _convert(args: argparse.Namespace) -> None:
    from twinsdk.avatar import load_avatar
    from twinsdk.formats import save_avatar

    _check_folder(args.out)
    save_avatar(load_avatar(args.avatar), args.out)
    print(f"{args.out}  {Path(args.out).stat().st_size / 1e6:.1f} MB")


def _render(args: argparse.Namespace) -> None:
    from twinsdk.avatar import load_avatar
    from twinsdk.render import Camera, Renderer, contact_sheet, save_png

    _check_folder(args.out)
    if Path(args.out).suffix.lower() != ".png":
        raise UsageError(f"--out: expected .png, got: {args.out}")
    avatar = load_avatar(args.avatar)
    size = (480, 720)
    renderer = Renderer(avatar.mesh, *size, antialias=2)
    views = {"front": 0.0, "left": 90.0, "back": 180.0, "three quarters": 35.0}
    pictures = [
        renderer.draw(
            camera=Camera.framing(avatar.mesh.vertices, yaw_deg=yaw, aspect=size[0] / size[1])
        )
        for yaw in views.values()
    ]
    save_png(args.out, contact_sheet(pictures, columns=4, labels=list(views)))
    print(args.out)


def _check_folder(path: str) -> None:
    if not Path(path).parent.is_dir():
        raise OutputError(f"--out: no such folder; make it first: {Path(path).parent}")
