"""`twinsdk avatar`: make, inspect, convert and picture avatars."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from twinsdk.errors import LandmarkError, OutputError, UsageError, ValueRangeError

if TYPE_CHECKING:
    from twinsdk.avatar import AvatarSpec

__all__ = ["EXAMPLES", "SUMMARY", "add_arguments", "run"]

_FILES = (".vrm", ".glb", ".npz", ".usdz")
_FORMATS = ".vrm .glb .gltf .npz .usdz, or the surface alone: .obj .ply"
SUMMARY = "Make, inspect, convert and picture avatars."
EXAMPLES = """examples:
  twinsdk avatar new -o me.vrm
  twinsdk avatar new --height 172 --style casual --seed 7 --name Ada -o ada.vrm
  twinsdk avatar fit --video me.mp4 --height 172 -o me.vrm
  twinsdk avatar fit --cam 0 --height 172 -o me.vrm   it tells you what to do
  twinsdk avatar info ada.vrm
  twinsdk avatar convert ada.vrm -o ada.glb
  twinsdk avatar render ada.vrm -o ada.png
  twinsdk avatar render ada.vrm -o ada.mp4            turns once
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `avatar`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    new = actions.add_parser("new", help="generate an avatar")
    _add_person(new)
    fit = actions.add_parser("fit", help="make the avatar of a person in a clip or at a camera")
    source = fit.add_mutually_exclusive_group(required=True)
    source.add_argument("--cam", type=int, metavar="N", help="camera number; it guides you")
    source.add_argument("--video", metavar="FILE", help="a clip: all of you, then your face")
    source.add_argument("--images", metavar="DIR", help="a folder of pictures, in name order")
    _add_person(fit)
    fit.add_argument("--consent", metavar="TEXT", help="reference of the person's consent")
    fit.add_argument("--quiet", action="store_true", help="no progress bar")
    info = actions.add_parser("info", help="what an avatar consists of")
    info.add_argument("avatar", help=".vrm or .glb, or 'default'")
    convert = actions.add_parser("convert", help="write an avatar in another format")
    convert.add_argument("avatar", help=".vrm or .glb, or 'default'")
    convert.add_argument("-o", "--out", required=True, metavar="FILE", help=_FORMATS)
    render = actions.add_parser("render", help="a sheet of views (.png) or a turn (.mp4, .webm)")
    render.add_argument("avatar", help=".vrm or .glb, or 'default'")
    render.add_argument("-o", "--out", required=True, metavar="FILE")


def _add_person(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--out", required=True, metavar="FILE", help=".vrm, .glb or .npz")
    parser.add_argument("--height", type=float, metavar="CM", help="body height, 120 to 220")
    parser.add_argument("--style", help="clothes, see the documentation")
    parser.add_argument("--hair", help="the cut, see the documentation")
    parser.add_argument("--seed", type=int, help="which of many looks")
    parser.add_argument("--name", help="name written into the file")
    parser.add_argument("--author", help="author written into the file")
    parser.add_argument("--spec", metavar="FILE.json", help="a whole specification")


def run(args: argparse.Namespace) -> int:
    """Run `avatar` and return its exit code."""
    actions = {"new": _new, "fit": _fit, "info": _info, "convert": _convert, "render": _render}
    actions[args.action](args)
    return 0


def _new(args: argparse.Namespace) -> None:
    _check_output(args.out, _FILES)
    spec = _spec(args)
    from twinsdk.avatar import generate_avatar
    from twinsdk.formats import save_avatar

    avatar = generate_avatar(spec)
    if Path(args.out).suffix.lower() == ".vrm":
        from twinsdk.session.portrait import with_thumbnail

        avatar = with_thumbnail(avatar)
    save_avatar(avatar, args.out)
    print(f"{args.out}  {Path(args.out).stat().st_size / 1e6:.1f} MB")


def _fit(args: argparse.Namespace) -> None:
    _check_output(args.out, _FILES)
    spec = _spec(args)
    from twinsdk.session.fit_avatar import fit_avatar
    from twinsdk.session.source import open_source

    given = next(g for g in (args.cam, args.video, args.images) if g is not None)
    with open_source(given) as source:
        try:
            fitted = fit_avatar(
                source,
                height_m=spec.height_m if args.height or args.spec else None,
                spec=spec,
                say=lambda words: print(f"-> {words}", file=sys.stderr),
                progress=not args.quiet,
            )
        except LandmarkError as error:
            raise LandmarkError(f"{error}: {source.name}") from None
    beside = fitted.save(args.out)
    for warning in fitted.warnings:
        print(f"note: {warning}", file=sys.stderr)
    for name, length in fitted.measures.items():
        print(f"{name:<15} {length * 100:5.1f} cm")
    print(f"{'face seen':<15} {fitted.coverage:5.0%}")
    print(f"{args.out}  {Path(args.out).stat().st_size / 1e6:.1f} MB, specification in {beside}")


def _spec(args: argparse.Namespace) -> AvatarSpec:
    from twinsdk.avatar import AvatarSpec

    if args.height is not None and not 120 <= args.height <= 220:
        raise ValueRangeError(f"--height: expected 120 to 220 cm, got {args.height:g}")
    given = {
        "height_m": None if args.height is None else args.height / 100,
        **{name: getattr(args, name) for name in ("style", "hair", "seed", "name", "author")},
        "consent": getattr(args, "consent", None),
    }
    known = {key: value for key, value in given.items() if value is not None}
    if args.spec:
        return replace(AvatarSpec.load(args.spec), **known)
    if args.action == "fit":
        known.setdefault("gender", 0.5)
    return AvatarSpec(**known)


def _info(args: argparse.Namespace) -> None:
    from twinsdk.avatar import load_avatar
    from twinsdk.avatar.checks import check_avatar

    avatar = load_avatar(args.avatar)
    mesh = avatar.mesh
    height = float(mesh.vertices[:, 1].max() - mesh.vertices[:, 1].min())
    print(f"name        {avatar.meta.get('name', '-')}")
    print(f"licence     {avatar.meta.get('licenseUrl', avatar.meta.get('licence', '-'))}")
    print(f"height      {height:.2f} m to the topmost vertex")
    print(f"vertices    {len(mesh.vertices)}, triangles {len(mesh.triangles)}")
    print(f"materials   {', '.join(material.name for material in mesh.materials)}")
    print(f"joints      {len(avatar.skeleton)}, {len(avatar.humanoid)} of them humanoid")
    print(f"influences  up to {avatar.skin.weights.shape[1]} a vertex")
    print(f"expressions {len(avatar.morphs.names)}")
    springs = avatar.meta.get("spring_bones") or {}
    print(f"springs     {len(springs.get('springs', []))}")
    for note in check_avatar(avatar):
        print(f"note        {note}")


def _convert(args: argparse.Namespace) -> None:
    from twinsdk.avatar import load_avatar
    from twinsdk.avatar.checks import check_avatar
    from twinsdk.formats import save_avatar

    _check_output(args.out)
    avatar = load_avatar(args.avatar)
    for note in check_avatar(avatar):
        print(f"note: {note}", file=sys.stderr)
    save_avatar(avatar, args.out)
    print(f"{args.out}  {Path(args.out).stat().st_size / 1e6:.1f} MB")


def _render(args: argparse.Namespace) -> None:
    from twinsdk.avatar import load_avatar
    from twinsdk.render import Camera, Renderer, contact_sheet, save_png

    _check_output(args.out, (".png", ".mp4", ".webm"))
    avatar = load_avatar(args.avatar)
    if Path(args.out).suffix.lower() != ".png":
        from twinsdk.session.portrait import film_turn

        film_turn(avatar, args.out)
        print(args.out)
        return
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


def _check_output(path: str, suffixes: tuple[str, ...] = ()) -> None:
    if suffixes and Path(path).suffix.lower() not in suffixes:
        raise UsageError(f"--out: expected a name ending in {' or '.join(suffixes)}, got: {path}")
    if not Path(path).parent.is_dir():
        raise OutputError(f"--out: no such folder; make it first: {Path(path).parent}")
