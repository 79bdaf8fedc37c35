"""The page in Chromium: the twin moves, VR and AR are entered, the headset's poses come back."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import twinsdk as tw
from twinsdk.bridge import Publisher
from twinsdk.bridge.devices import DeviceKind
from twinsdk.bridge.gateway import PAGE, Gateway
from twinsdk.core import quat
from twinsdk.core.clock import now_ns

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "clients" / "webxr"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
TOOLS = [
    pytest.mark.referee,
    pytest.mark.skipif(shutil.which("node") is None, reason="needs node"),
    pytest.mark.skipif(
        not (CLIENT / "node_modules").is_dir(), reason="needs `npm ci` in clients/webxr"
    ),
]
pytestmark = TOOLS


def npm(*words):
    done = subprocess.run(["npm", *words], cwd=CLIENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_reader_and_the_jitter_buffer_pass_their_own_tests():
    npm("test")


def test_the_sources_are_typed_soundly():
    npm("run", "check")


def test_the_served_page_is_what_the_sources_build(tmp_path):
    made = tmp_path / "app.js"
    npm(
        "exec", "--", "esbuild", "src/main.ts", "--bundle", "--minify", "--format=esm",
        "--target=es2020", "--legal-comments=linked", f"--outfile={made}",
    )  # fmt: skip
    assert made.read_bytes() == (PAGE / "app.js").read_bytes()
    assert (CLIENT / "index.html").read_bytes() == (PAGE / "index.html").read_bytes()


def waving(avatar, sequence, seconds):
    skeleton = avatar.skeleton
    rotations = np.array(skeleton.rest_rotations)
    arm = skeleton.joint(avatar.roles()["leftUpperArm"])
    rotations[arm] = quat.from_axis_angle(np.array([0.0, 0, 1]), np.array(np.sin(3 * seconds)))
    return tw.TwinFrame(
        avatar_id=0,
        sequence=sequence,
        timestamp_ns=now_ns(),
        pose=tw.Pose(
            skeleton=skeleton, rotations=rotations, root_translation=skeleton.rest_translations[0]
        ),
        expressions=np.full(52, 0.6 + 0.4 * np.sin(seconds)),
    )


async def show(avatar, avatar_file, folder, mode):
    """Return what the page saw, every device kind that came back, and what the page told."""
    devices = set()
    with Publisher("tcp://127.0.0.1:*", avatar=avatar, avatar_file=avatar_file) as publisher:
        async with Gateway(publisher.endpoint, port=0, prepare=lambda file: file) as gateway:
            page = await asyncio.create_subprocess_exec(
                "node", str(CLIENT / "test" / "page.mjs"), gateway.url, str(folder), mode,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
            seen = asyncio.create_task(page.communicate())
            start, sequence = now_ns(), 0
            while not seen.done():
                sequence += 1
                publisher.send(waving(avatar, sequence, (now_ns() - start) / 1e9))
                for poses in publisher.devices().values():
                    devices |= {device.kind for device in poses.devices}
                await asyncio.sleep(1 / 60)
            out, errors = await seen
        told = publisher.stats.receivers
    assert page.returncode == 0, errors.decode()
    page_told = [seen for name, seen in told.items() if name.startswith("twinsdk page")]
    return json.loads(out), devices, page_told


@pytest.mark.slow
@pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="needs Chromium (CHROMIUM names it)")
@pytest.mark.parametrize("mode", ["vr", "ar"])
def test_a_headset_shows_the_streamed_avatar_and_sends_its_poses_back(mode, bead_avatar, tmp_path):
    file = tmp_path / "beads.vrm"
    tw.save_avatar(bead_avatar, file)
    avatar = tw.load_avatar(str(file))
    shown = asyncio.wait_for(show(avatar, file, tmp_path, mode), timeout=120)
    seen, devices, told = asyncio.run(shown)
    assert seen["problems"] == []
    assert seen["mesh"] is True
    assert seen["joints"] == len(avatar.skeleton)
    assert seen["moved"] >= 1
    assert seen["presenting"] is True
    assert seen["smile"] > 0.1  # the face's morphs are where the frames put them
    assert seen["malformed"] == 0
    assert devices == set(DeviceKind)
    assert len(told) == 1  # what the page itself counts, and not only its gateway
    assert 0 < told[0].received <= seen["received"]
    assert (tmp_path / f"{mode}.png").stat().st_size > 5000
