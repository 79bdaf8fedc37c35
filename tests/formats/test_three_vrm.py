"""three-vrm, the browser's VRM runtime, plays our files as we do."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from twinsdk.core import quat
from twinsdk.core.clip import MotionClip
from twinsdk.core.expressions import EXPRESSION_NAMES
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.formats import save_avatar, save_clip

MODULES = Path(__file__).parents[1] / "referees" / "node_modules"


@pytest.fixture
def play(tmp_path):
    """Return a function that plays a motion on an avatar at a time, seconds."""
    if shutil.which("node") is None or not (MODULES / "@pixiv" / "three-vrm").is_dir():
        pytest.skip("needs node and `npm ci` in tests/referees")
    (tmp_path / "node_modules").symlink_to(MODULES)
    script = tmp_path / "three_vrm.mjs"
    shutil.copy(Path(__file__).with_name("three_vrm.mjs"), script)

    def run(avatar, motion, seconds):
        done = subprocess.run(
            ["node", str(script), str(avatar), str(motion), str(seconds)],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return json.loads(done.stdout.strip().split("\n")[-1])

    return run


@pytest.mark.referee
def test_three_vrm_puts_every_joint_and_expression_where_we_do(tmp_path, avatar, play):
    skeleton = humanoid_skeleton()
    rng = np.random.default_rng(4)
    t = np.arange(31) / 30
    axes = np.broadcast_to(rng.normal(size=(55, 3)), (31, 55, 3))
    turns = quat.from_axis_angle(axes, rng.uniform(-0.6, 0.6, 55) * np.sin(3 * t)[:, None])
    turns[:, [skeleton.joint("leftEye"), skeleton.joint("rightEye")]] = quat.IDENTITY  # its lookAt
    clip = MotionClip(
        skeleton=skeleton,
        fps=30,
        rotations=turns,
        root_translations=np.stack([0.3 * t, 0.9 + 0.1 * t, -t], 1),
        expressions=rng.uniform(size=(31, 52)),
    )
    save_avatar(avatar, tmp_path / "a.vrm")
    save_clip(clip, tmp_path / "a.vrma")
    seen = play(tmp_path / "a.vrm", tmp_path / "a.vrma", 0.5)
    assert seen["name"] == "Test figure"
    _, wanted = clip[15].world()
    for name, place in seen["bones"].items():
        np.testing.assert_allclose(place, wanted[skeleton.joint(name)], atol=1e-5, err_msg=name)
    for e, name in enumerate(EXPRESSION_NAMES):
        assert seen["expressions"][name] == pytest.approx(clip.expressions[15, e], abs=1e-6)
