"""The C# client (the Unity package) under mono: golden bytes, damage, a live publisher, a scene."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import threading
from contextlib import contextmanager
from ctypes.util import find_library
from pathlib import Path

import numpy as np
import pytest

from twinsdk.bridge import AvatarDescriptor, Publisher
from twinsdk.bridge.avatar_file import CHUNK_BYTES
from twinsdk.bridge.keys import make_server_keys, pair
from twinsdk.core import axes, quat
from twinsdk.core.clock import now_ns
from twinsdk.core.frame import TwinFrame
from twinsdk.core.pose import Pose
from twinsdk.core.skeleton import Skeleton

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "clients" / "unity"
GOLDEN = ROOT / "tests" / "golden" / "wire"

pytestmark = [
    pytest.mark.referee,
    pytest.mark.skipif(
        shutil.which("mcs") is None or shutil.which("mono") is None or not find_library("zmq"),
        reason="needs mono-mcs, mono-runtime, libmono-system-core4.0-cil and libzmq5",
    ),
]


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    made = tmp_path_factory.mktemp("cs") / "CoreTest.exe"
    sources = sorted((CLIENT / "Runtime").rglob("*.cs")) + sorted((CLIENT / "test").glob("*.cs"))
    done = subprocess.run(
        [
            "mcs", "-langversion:7", "-warnaserror", "-define:TWINSDK_LIBZMQ_SO5;TWINSDK_NETMQ",
            f"-out:{made}", *map(str, sources),
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return made


def run(program, *words):
    return subprocess.run(
        ["mono", program, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("part", [("golden", GOLDEN), ("damage", GOLDEN), ("jitter",)])
def test_the_core_holds(program, part):
    done = run(program, *part)
    assert done.returncode == 0, done.stderr


@contextmanager
def streaming(publisher, make):
    stop = threading.Event()

    def send():
        sequence = 0
        while not stop.wait(0.01):
            sequence += 1
            publisher.send(make(sequence))

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("transport", ["libzmq", "netmq"])
@pytest.mark.parametrize("secure", [False, True])
def test_a_live_stream_decodes_to_what_was_sent(
    program, secure, transport, descriptor_of_size, frame_on, tmp_path
):
    descriptor = descriptor_of_size(20)
    keys = make_server_keys(tmp_path) if secure else None
    with (
        Publisher("tcp://127.0.0.1:*", avatar=descriptor, keys=keys) as publisher,
        streaming(publisher, lambda i: frame_on(descriptor, i, timestamp_ns=now_ns())),
    ):
        place = publisher.endpoint
        if secure:
            place = pair("unity", endpoint=place, folder=tmp_path)
        done = run(program, "live", place, 25, transport)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert {line[2] for line in lines} == {f"{descriptor.hash:016x}"}
    for line in lines:
        sent = frame_on(descriptor, int(line[0])).pose.rotations[1]
        assert abs(abs(np.array(line[4:], np.float64) @ sent) - 1) < 1e-5
    assert "malformed 0" in done.stderr


@pytest.mark.parametrize("begun", [0, CHUNK_BYTES, 2 * CHUNK_BYTES + 5])
def test_the_avatars_file_arrives_whole_and_statistics_go_up(
    program, begun, descriptor_of_size, frame_on, tmp_path
):
    content = b"glTF" + np.random.default_rng(3).bytes(2 * CHUNK_BYTES + 777)
    file, folder = tmp_path / "me.vrm", tmp_path / "received"
    file.write_bytes(content)
    folder.mkdir()
    name = hashlib.sha256(content).hexdigest()
    (folder / f"{name}.part").write_bytes(content[:begun])  # what an earlier try left
    descriptor = descriptor_of_size(4)
    with (
        Publisher("tcp://127.0.0.1:*", avatar=descriptor, avatar_file=file) as publisher,
        streaming(publisher, lambda i: frame_on(descriptor, i, timestamp_ns=now_ns())),
    ):
        done = run(program, "file", publisher.endpoint, folder)
        told = publisher.stats.receivers
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(folder / f"{name}.vrm")
    assert [made.name for made in folder.iterdir()] == [f"{name}.vrm"]
    assert (folder / f"{name}.vrm").read_bytes() == content
    (seen,) = told.values()
    assert seen.received > 20
    assert 0 <= seen.age_p50_ms <= seen.age_p99_ms


@pytest.mark.parametrize("kind", ["exact", "humanoid"])
def test_the_behaviour_moves_the_avatar_of_the_file_and_any_humanoid(program, kind):
    rng = np.random.default_rng(3)

    def some(count):
        turns = rng.normal(size=(count, 4))
        return turns / np.linalg.norm(turns, axis=1, keepdims=True)

    skeleton = Skeleton(
        names=("J hips", "J arm", "J forearm"),
        parents=[-1, 0, 1],
        rest_translations=[[0, 1, 0], [0.2, 0.4, 0], [0.3, 0, 0]],
        rest_rotations=some(3),
    )
    avatar = AvatarDescriptor(
        skeleton=skeleton,
        humanoid={"J hips": "hips", "J arm": "leftUpperArm", "J forearm": "leftLowerArm"},
    )
    pose = Pose(skeleton=skeleton, rotations=some(3), root_translation=[0.3, 1.1, -0.4])
    weights = np.zeros(52)
    weights[17] = 0.6  # jawOpen

    def make(sequence):
        return TwinFrame(
            avatar_id=2, sequence=sequence, timestamp_ns=now_ns(), pose=pose, expressions=weights
        )

    with (
        Publisher("tcp://127.0.0.1:*", avatar=avatar, codec="float32") as publisher,
        streaming(publisher, make),
    ):
        done = run(program, "scene", publisher.endpoint, kind)
    assert done.returncode == 0, done.stderr
    *turn, x, y, z, jaw = (float(word) for word in done.stdout.split())
    world, rest = pose.world()[0], skeleton.rest_world()[0]
    expected = world[1]
    if kind == "humanoid":  # how far it turned from rest; the avatar's own rest is taken out
        expected = quat.multiply(world[1], quat.conjugate(rest[1]))
    in_unity = axes.unity_from_gltf_quat(expected)
    assert abs(abs(np.array(turn) @ in_unity) - 1) < 1e-4
    np.testing.assert_allclose([x, y, z], axes.unity_from_gltf(pose.root_translation), atol=1e-4)
    assert abs(jaw - 60) < 1e-3


@pytest.mark.skipif(shutil.which("flatc") is None, reason="needs flatc 2.0.8")
def test_the_committed_reader_is_what_flatc_makes_of_the_schema(tmp_path):
    version = subprocess.run(["flatc", "--version"], capture_output=True, text=True, check=True)
    if "2.0.8" not in version.stdout:
        pytest.skip(f"needs flatc 2.0.8, got {version.stdout.strip()}")
    schema = str(ROOT / "schema" / "twin.fbs")
    subprocess.run(["flatc", "--csharp", "--gen-onefile", "-o", str(tmp_path), schema], check=True)
    made = (tmp_path / "twin_generated.cs").read_bytes()
    assert (CLIENT / "Runtime" / "Generated" / "twin_generated.cs").read_bytes() == made
