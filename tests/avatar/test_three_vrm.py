"""Khronos' validator, the VRM schemas and three-vrm in Chromium judge the avatars we write."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter
from scipy.spatial import KDTree

import twinsdk as tw
from twinsdk.avatar import AvatarSpec, Colors, generate_avatar
from twinsdk.avatar.spec import HAIR_STYLES, STYLES
from twinsdk.core import quat
from twinsdk.core.expressions import EXPRESSION_NAMES
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.formats import load_avatar, save_avatar
from twinsdk.formats.vrm import EXPRESSION_PRESETS, VISEMES

REFEREES = Path(__file__).parents[1] / "referees"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
SIZE = (240, 320)
COUNT = int(os.environ.get("TWINSDK_SPECS", "3"))  # random specs judged
VIEWED = ("aa", "blink", "happy", "surprised", "viseme_oh", "jawLeft")

pytestmark = [
    pytest.mark.referee,
    pytest.mark.skipif(shutil.which("node") is None, reason="needs node"),
    pytest.mark.skipif(
        not (REFEREES / "node_modules" / "playwright-core").is_dir(),
        reason="needs `npm ci` in tests/referees",
    ),
]


def random_spec(number):
    """Any spec of the ranges' middle four fifths."""
    rng = np.random.default_rng(100 + number)
    share = dict.fromkeys(("gender", "muscle", "weight", "proportions"), 0.0)
    return AvatarSpec(
        height_m=float(rng.uniform(1.35, 2.05)),
        age_years=float(rng.uniform(14, 85)),
        **{name: float(rng.uniform(0.1, 0.9)) for name in share},
        african=float(rng.uniform()),
        asian=float(rng.uniform()),
        caucasian=float(rng.uniform(0.1, 1)),
        face_variety=float(rng.uniform()),
        seed=number,
        style=STYLES[number % len(STYLES)],
        hair=HAIR_STYLES[(number // 2 + 2) % len(HAIR_STYLES)],
        colors=Colors(
            **{
                part: f"#{rng.integers(0, 1 << 24):06x}"
                for part in ("skin", "hair", "eyes", "top", "bottom", "shoes")
            }
        ),
        name=f"person {number}",
    )


@pytest.fixture(scope="module")
def written(base, tmp_path_factory):
    pytest.importorskip("open3d")
    from twinsdk.session.portrait import with_thumbnail

    folder = tmp_path_factory.mktemp("referee")
    files = []
    for number in range(COUNT):
        files.append(folder / f"{number}.vrm")
        avatar = generate_avatar(random_spec(number), progress=False)
        save_avatar(with_thumbnail(avatar), files[-1])
    return files


@pytest.fixture(scope="module")
def shots(written):
    """For each file the T-pose, a hard pose and six expressions, and where they are seen from.

    Expressions are seen from aside, and once more beside the face at rest nearly from the front.
    """
    return [shots_of(load_avatar(file)) for file in written]


def shots_of(avatar):
    points = avatar.mesh.vertices
    head = avatar.skeleton.rest_world()[1][avatar.skeleton.joint("head")]
    whole = seen_from(points, yaw_deg=25)
    face = points[np.linalg.norm(points - head - [0, 0.05, 0], axis=1) < 0.14]
    aside, front = seen_from(face, 60), seen_from(face, 15)
    poses = [(None, {}, whole), (None, HARD, whole), *((e, {}, aside) for e in VIEWED)]
    poses += [(e, {}, front) for e in (None, *VIEWED)]
    return [{"expression": e, "pose": pose, "camera": camera} for e, pose, camera in poses]


def seen_from(points, yaw_deg):
    from twinsdk.render import Camera

    return Camera.framing(points, yaw_deg=yaw_deg, aspect=SIZE[0] / SIZE[1])


def turned(axis, degrees):
    return quat.from_axis_angle(np.array(axis, float), np.radians(degrees)).tolist()


HARD = {
    "leftUpperArm": turned([0.2, 0.3, 1], 55),
    "leftLowerArm": turned([0, 1, 0], -90),
    "rightUpperArm": turned([0, 0, 1], 60),
    "rightLowerArm": turned([0, 1, 0.3], 80),
    "leftUpperLeg": turned([1, 0, 0.2], -80),
    "leftLowerLeg": turned([1, 0, 0], 90),
    "rightUpperLeg": turned([0, 0, 1], -20),
    "spine": turned([1, 0, 0], 15),
    "chest": turned([0, 1, 0], 20),
    "neck": turned([0, 1, 0], 20),
    "head": turned([1, 0.5, 0], -15),
    "leftIndexProximal": turned([0, 0, 1], -70),
    "jaw": turned([1, 0, 0], 5),
}


# All in one step: a thigh goes 15 degrees in 1/60 s at most. A jump by 47 throws a skirt through
# its colliders; both then differ by up to 0.13 radians for a quarter of a second, no more after.
SWING = {"head": turned([1, 0, 0], 35), "leftUpperLeg": turned([1, 0, 0], -15)}


@pytest.fixture(scope="module")
def reports(written, shots):
    wanted = [[{**shot, "camera": placed(shot["camera"])} for shot in one] for one in shots]
    request = {
        "files": [str(f) for f in written],
        "size": SIZE,
        "shots": wanted,
        "every": 37,
        "swing": SWING,
    }
    done = subprocess.run(
        ["node", str(REFEREES / "browser.mjs"), CHROMIUM],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        timeout=120 + 60 * COUNT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])


def placed(camera):
    return {"position": camera.position, "target": camera.target, "fov": camera.fov_deg}


def test_the_validator_finds_no_error_and_no_warning(written):
    script = """
      const validator = require('gltf-validator'), fs = require('fs');
      for (const file of process.argv.slice(1))
        validator.validateBytes(new Uint8Array(fs.readFileSync(file)), {maxIssues: 50})
          .then(report => console.log(JSON.stringify(report.issues)));
    """
    done = subprocess.run(
        ["node", "-e", script, *map(str, written)],
        env={**os.environ, "NODE_PATH": str(REFEREES / "node_modules")},
        capture_output=True,
        text=True,
        timeout=120 + 60 * COUNT,
        check=True,
    )
    issues = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(issues) == len(written)
    for found in issues:
        assert (found["numErrors"], found["numWarnings"]) == (0, 0), found["messages"][:5]


def against_the_schemas(files):
    done = subprocess.run(
        ["node", str(REFEREES / "schema.mjs"), *map(str, files)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_vrm_schemas_know_every_member_that_is_written(written, tmp_path):
    idle = tw.MotionClip(
        skeleton=humanoid_skeleton(),
        fps=30.0,
        rotations=np.tile(np.float32([0, 0, 0, 1]), (3, len(tw.HUMANOID_NAMES), 1)),
        root_translations=np.ones((3, 3), np.float32),
        expressions=np.full((3, len(EXPRESSION_NAMES)), 0.5, np.float32),
    )
    tw.save_clip(idle, tmp_path / "idle.vrma")
    files = [*written, tmp_path / "idle.vrma"]
    assert against_the_schemas(files) == [[]] * len(files)


def test_the_vrm_schemas_find_what_is_wrong(written, tmp_path):
    spoilt = written[0].read_bytes().replace(b'"licenseUrl"', b'"licenceUrl"')
    (tmp_path / "spoilt.vrm").write_bytes(spoilt)
    (found,) = against_the_schemas([tmp_path / "spoilt.vrm"])
    assert {one.get("missingProperty", one.get("additionalProperty")) for one in found} == {
        "licenseUrl",
        "licenceUrl",
    }


def test_three_vrm_loads_them_without_a_word(reports):
    for number, report in enumerate(reports):
        assert report["said"] == [], number


def test_every_bone_and_expression_is_there(reports):
    expressions = {*EXPRESSION_NAMES, *VISEMES, *(n for n in EXPRESSION_PRESETS if n != "neutral")}
    for number, report in enumerate(reports):
        assert set(report["bones"]) == set(tw.HUMANOID_NAMES), number
        assert expressions <= set(report["expressions"]), number
        assert report["meta"] == f"person {number}"
        assert report["lookAt"] == "bone"
        assert report["thumbnail"] is not None


def test_springs_swing_as_three_vrm_swings_them(written, reports):
    from twinsdk.render import Springs

    for number, (file, report) in enumerate(zip(written, reports, strict=True)):
        spec = random_spec(number)
        assert (report["springs"] > 0) == (spec.hair == "long" or spec.style == "skirt")
        avatar = load_avatar(file)
        springs = Springs(avatar)
        assert len(springs) == report["springs"]
        if not report["springs"]:
            continue
        springs.reset(pose_of(avatar, {}))
        most = 0.0
        for step in range(60):
            swung = springs.step(pose_of(avatar, SWING), 1 / 60)
            for name, turns in report["turns"].items() if step % 15 == 14 else ():
                theirs = np.array(turns[step // 15])
                assert quat.angle(swung.rotation(name), theirs) < 2e-3, (number, name, step)
                most = max(most, float(quat.angle(theirs, quat.IDENTITY)))
        assert 0.05 < most < 2.2, number


def test_vertices_lie_where_three_vrm_puts_them(written, shots, reports):
    for file, asked, report in zip(written, shots, reports, strict=True):
        avatar = load_avatar(file)
        for shot, theirs in zip(asked, report["shots"], strict=True):
            ours = KDTree(posed(avatar, shot)[0])
            distance, _ = ours.query(np.array(theirs["vertices"]))
            assert distance.max() < 1e-4, (file.name, shot["expression"])


def test_pictures_have_the_silhouettes_of_ours(written, shots, reports):
    from twinsdk.render import Renderer

    for file, asked, report in list(zip(written, shots, reports, strict=True))[:4]:
        avatar = load_avatar(file)
        renderers = [Renderer(avatar.mesh, *SIZE, background=b, shadows=False) for b in PAPERS]
        for shot, theirs in zip(asked, report["shots"], strict=True):
            seen = picture_of(theirs)[..., 3] > 127
            pictures = [r.draw(*posed(avatar, shot), shot["camera"]) for r in renderers]
            ours = (pictures[0] == pictures[1]).all(-1)
            union = (seen | ours).sum()
            assert union > 0.05 * seen.size
            assert (seen & ours).sum() / union > 0.97, (file.name, shot["expression"])


def test_expressions_change_pictures_as_they_change_ours(written, shots, reports):
    # Lights differ, so what an expression changes of the face at rest is compared: brightness,
    # blurred a little, over the silhouette. 0.83 to 0.99 was seen, 0.71 between two expressions.
    from twinsdk.render import Renderer

    front = slice(-1 - len(VIEWED), None)
    for file, asked, report in list(zip(written, shots, reports, strict=True))[:4]:
        avatar = load_avatar(file)
        renderer = Renderer(avatar.mesh, *SIZE, background=PAPERS[1], shadows=False)
        ours = [renderer.draw(*posed(avatar, shot), shot["camera"]) for shot in asked[front]]
        theirs = [picture_of(shot) for shot in report["shots"][front]]
        person = theirs[0][..., 3] > 127
        rest, rest_of_theirs = (brightness(p[0], person) for p in (ours, theirs))
        assert np.corrcoef(rest, rest_of_theirs)[0, 1] > 0.8, file.name  # 0.89 seen
        changes = [brightness(p, person) - rest for p in ours[1:]]
        changes += [brightness(p, person) - rest_of_theirs for p in theirs[1:]]
        alike = np.corrcoef(changes)[: len(VIEWED), len(VIEWED) :]
        for e, name in enumerate(VIEWED):
            assert alike[e, e] > 0.75, (file.name, name, alike[e, e])
            assert alike[e, e] > np.delete(alike[e], e).max() + 0.1, (file.name, name)


def picture_of(shot):
    encoded = base64.b64decode(shot["picture"].split(",")[1])
    return np.asarray(Image.open(io.BytesIO(encoded)).convert("RGBA"))


def brightness(picture, where):
    solid = picture[..., 3:] > 127 if picture.shape[-1] == 4 else True
    grey = Image.fromarray(np.where(solid, picture[..., :3], np.uint8(255))).convert("L")
    return np.asarray(grey.filter(ImageFilter.GaussianBlur(1.5)), float)[where]


PAPERS = ((0, 0, 0), (255, 255, 255))


def pose_of(avatar, turns):
    skeleton = avatar.skeleton
    rotations = np.array(skeleton.rest_rotations)
    for role, turn in turns.items():
        rotations[skeleton.joint(avatar.roles()[role])] = turn
    return tw.Pose(
        skeleton=skeleton, rotations=rotations, root_translation=skeleton.rest_translations[0]
    )


def posed(avatar, shot):
    pose = pose_of(avatar, shot["pose"])
    weights = np.zeros(len(EXPRESSION_NAMES), np.float32)
    for morph, weight in avatar.meta["expressions"].get(shot["expression"], {}).items():
        weights[EXPRESSION_NAMES.index(morph)] = weight
    return tw.Skinner(avatar).vertices_and_normals(pose, weights)
