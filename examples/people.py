"""Eight generated people in poses that show a bad rig: one picture to look at.

    python examples/people.py -o people.png

Rows are people; columns front, side, back, elbows and knees at 90 degrees, sitting, arms up, a
hand, the face at rest, smiling and with the mouth open. Needs the `avatar` extra.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np

import twinsdk as tw
from twinsdk.avatar import AvatarSpec, Colors, generate_avatar
from twinsdk.core import quat
from twinsdk.core.expressions import EXPRESSION_NAMES
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.render import Camera, Renderer, contact_sheet, save_png

SIDE_PX = 220
PEOPLE = (
    AvatarSpec(name="default"),
    AvatarSpec(
        name="tall, thin",
        height_m=1.93,
        weight=0.1,
        gender=0.95,
        african=1,
        asian=0,
        caucasian=0.1,
        hair="shaved",
        style="sporty",
        seed=11,
        colors=Colors(skin="#6b4330", top="#c8503c", eyes="#3a2a1c"),
    ),
    AvatarSpec(
        name="short, heavy",
        height_m=1.55,
        weight=0.95,
        gender=0.1,
        age_years=48,
        hair="bob",
        style="smart",
        seed=12,
        colors=Colors(skin="#e3b99c", hair="#6d3b22", top="#f0ead8", bottom="#2f3a55"),
    ),
    AvatarSpec(
        name="skirt, long hair",
        height_m=1.66,
        weight=0.35,
        gender=0.02,
        asian=1,
        african=0,
        caucasian=0.1,
        hair="long",
        style="skirt",
        seed=13,
        colors=Colors(skin="#e8c2a0", hair="#15110f", top="#7d5a9b", eyes="#3b2618"),
    ),
    AvatarSpec(
        name="strong",
        height_m=1.84,
        muscle=0.95,
        weight=0.6,
        gender=0.98,
        caucasian=1,
        african=0.2,
        asian=0,
        style="sporty",
        seed=14,
        colors=Colors(skin="#c98e6c", hair="#a9803f", top="#2f6b4f", eyes="#4f7d55"),
    ),
    AvatarSpec(
        name="old",
        height_m=1.69,
        age_years=82,
        gender=0.8,
        weight=0.5,
        style="smart",
        seed=15,
        colors=Colors(skin="#e2b7a0", hair="#cfcfcf", top="#46525c", bottom="#7a6a55"),
    ),
    AvatarSpec(
        name="twelve years old",
        height_m=1.42,
        age_years=12,
        gender=0.4,
        weight=0.4,
        hair="bob",
        seed=16,
        colors=Colors(hair="#8b5a2b", top="#e0a030", bottom="#3f5f9f"),
    ),
    AvatarSpec(
        name="heavy, tall",
        height_m=1.9,
        weight=1.0,
        gender=0.9,
        muscle=0.3,
        hair="short",
        seed=17,
        colors=Colors(skin="#8d5a3c", hair="#1d1612", top="#3d4f7a", eyes="#2c1d12"),
    ),
)


def turn(x: float, y: float, z: float) -> np.ndarray:
    """Return the rotation (4,) of that many degrees about X, then Y, then Z."""
    angles = np.radians([x, y, z])
    axes = np.eye(3)
    about = [quat.from_axis_angle(axes[i], angles[i]) for i in range(3)]
    return quat.multiply(about[2], quat.multiply(about[1], about[0]))


POSES: dict[str, dict[str, np.ndarray]] = {
    "rest": {},
    "90 degrees": {
        "leftUpperArm": turn(0, 0, -20),
        "leftLowerArm": turn(0, -90, 0),
        "rightUpperArm": turn(0, 0, 70),
        "rightLowerArm": turn(0, 90, 0),
        "leftUpperLeg": turn(-70, 0, 0),
        "leftLowerLeg": turn(90, 0, 0),
    },
    "sitting": {
        "leftUpperLeg": turn(-88, -6, 0),
        "rightUpperLeg": turn(-88, 6, 0),
        "leftLowerLeg": turn(88, 0, 0),
        "rightLowerLeg": turn(88, 0, 0),
        "leftUpperArm": turn(0, -25, -65),
        "rightUpperArm": turn(0, 25, 65),
        "leftLowerArm": turn(0, -45, 0),
        "rightLowerArm": turn(0, 45, 0),
    },
    "arms up": {"leftUpperArm": turn(0, 0, 75), "rightUpperArm": turn(0, 0, -75)},
}
FACES = {
    "face": {},
    "smile": {"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0},
    "open": {"jawOpen": 0.8},
}


def main() -> None:
    """Draw the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--out", default="people.png")
    parser.add_argument("--only", type=int, metavar="N", help="this person alone, from 0")
    args = parser.parse_args()
    chosen = PEOPLE if args.only is None else PEOPLE[args.only : args.only + 1]
    views = [view for spec in chosen for view in drawn(spec)]
    pictures, labels = zip(*views, strict=True)
    save_png(args.out, contact_sheet(pictures, len(views) // len(chosen), labels))
    print(args.out)


def drawn(spec: AvatarSpec) -> Iterator[tuple[np.ndarray, str]]:
    """Yield the pictures of one person, each with its label."""
    avatar = generate_avatar(spec)
    skinner, renderer = tw.Skinner(avatar), Renderer(avatar.mesh, SIDE_PX, SIDE_PX, antialias=2)
    rest = avatar.skeleton.rest_world()[1]

    def picture(points: np.ndarray, about: np.ndarray, yaw: float) -> np.ndarray:
        return renderer.draw(points, camera=Camera.framing(about, 1.08, yaw_deg=yaw, aspect=1.0))

    for label, pose, yaw in (
        (spec.name, "rest", 0),
        ("side", "rest", 90),
        ("back", "rest", 180),
        ("90 degrees", "90 degrees", 25),
        ("sitting", "sitting", 50),
        ("arms up", "arms up", 0),
    ):
        points = skinner.vertices(posed(avatar, POSES[pose]))
        yield picture(points, points, yaw), label
    points = skinner.vertices(posed(avatar, {}))
    palm = rest[avatar.skeleton.joint(avatar.roles()["leftMiddleProximal"])]
    yield picture(points, points[np.linalg.norm(points - palm, axis=1) < 0.13], 20), "hand"
    head = rest[avatar.skeleton.joint(avatar.roles()["head"])] + [0, 0.05, 0.03]
    for label, weights in FACES.items():
        face = np.array([weights.get(name, 0.0) for name in EXPRESSION_NAMES], np.float32)
        points = skinner.vertices(posed(avatar, {}), face)
        near = np.linalg.norm(avatar.mesh.vertices - head, axis=1) < 0.15
        yield picture(points, avatar.mesh.vertices[near], 20), label


def posed(avatar: tw.Avatar, turns: dict[str, np.ndarray]) -> tw.Pose:
    """Return the pose that turns the named joints and rests the others."""
    skeleton = humanoid_skeleton()
    rotations = skeleton.rest_rotations.copy()
    for name, rotation in turns.items():
        rotations[skeleton.joint(name)] = rotation
    pose = tw.Pose(
        skeleton=skeleton,
        rotations=rotations,
        root_translation=np.array(skeleton.rest_translations[0]),
    )
    return tw.retarget(pose, avatar)


if __name__ == "__main__":
    main()
