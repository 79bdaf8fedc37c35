"""The C++ client (the core of the Unreal plugin): golden bytes, damage, and a live publisher."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from twinsdk.bridge import Publisher
from twinsdk.bridge.avatar_file import CHUNK_BYTES
from twinsdk.bridge.keys import make_server_keys, pair
from twinsdk.core import axes
from twinsdk.core.clock import now_ns

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "clients" / "unreal"
HEADERS = CLIENT / "TwinSdk" / "Source" / "TwinSdk" / "Public"
GOLDEN = ROOT / "tests" / "golden" / "wire"


def has_headers():
    if shutil.which("g++") is None:
        return False
    probe = "#include <zmq.hpp>\n#include <flatbuffers/flatbuffers.h>\nint main() {}\n"
    found = subprocess.run(
        ["g++", "-std=c++17", "-fsyntax-only", "-x", "c++", "-"],
        input=probe, text=True, capture_output=True, check=False,
    )  # fmt: skip
    return found.returncode == 0


pytestmark = [
    pytest.mark.referee,
    pytest.mark.slow,
    pytest.mark.skipif(
        not has_headers(), reason="needs g++, cppzmq-dev, libzmq3-dev and libflatbuffers-dev"
    ),
]


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    made = tmp_path_factory.mktemp("cpp") / "twin_client_test"
    subprocess.run(
        [
            "g++", "-std=c++17", "-O1", "-g", "-Wall", "-Wextra", "-Werror",
            "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
            f"-I{HEADERS}", str(CLIENT / "test" / "twin_client_test.cpp"), "-o", str(made), "-lzmq",
        ],
        check=True,
    )  # fmt: skip
    return made


def run(program, *words):
    return subprocess.run(
        [program, *map(str, words)], capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("part", [("golden", GOLDEN), ("damage", GOLDEN), ("jitter",)])
def test_the_core_holds_under_sanitizers(program, part):
    done = run(program, *part)
    assert done.returncode == 0, done.stderr


@contextmanager
def streaming(publisher, descriptor, frame_on):
    stop = threading.Event()

    def send():
        sequence = 0
        while not stop.wait(0.01):
            sequence += 1
            publisher.send(frame_on(descriptor, sequence, timestamp_ns=now_ns()))

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("codec", ["float32", "packed48", "packed32"])
def test_a_live_stream_decodes_to_what_was_sent(program, codec, descriptor_of_size, frame_on):
    descriptor = descriptor_of_size(20)
    with (
        Publisher("tcp://127.0.0.1:*", avatar=descriptor, codec=codec) as publisher,
        streaming(publisher, descriptor, frame_on),
    ):
        done = run(program, "live", publisher.endpoint, 25)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert len(lines) == 25
    assert {line[1] for line in lines} == {"20"}
    assert {line[2] for line in lines} == {f"{descriptor.hash:016x}"}
    for line in lines:
        sent = frame_on(descriptor, int(line[0])).pose.rotations[1]
        got = np.array(line[4:], np.float64)
        assert abs(abs(got @ sent) - 1) < 1e-5
    assert "malformed 0" in done.stderr


def test_a_stream_with_keys_is_read_with_them_only(program, descriptor_of_size, frame_on, tmp_path):
    descriptor = descriptor_of_size(4)
    with (
        Publisher(
            "tcp://127.0.0.1:*", avatar=descriptor, keys=make_server_keys(tmp_path)
        ) as publisher,
        streaming(publisher, descriptor, frame_on),
    ):
        keys = pair("unreal", endpoint=publisher.endpoint, folder=tmp_path).keys
        done = run(
            program, "live", publisher.endpoint, 5, keys.server_public, keys.public, keys.secret
        )
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.splitlines()) == 5


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
        streaming(publisher, descriptor, frame_on),
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


def test_the_live_link_source_pushes_bones_and_curves_in_unreals_axes(
    tmp_path, descriptor_of_size, frame_on
):
    made = tmp_path / "live_link_test"
    sources = sorted((HEADERS.parent / "Private").glob("*.cpp"))
    subprocess.run(
        [
            "g++", "-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror",
            f"-I{CLIENT / 'test' / 'engine_stub'}", f"-I{HEADERS}",
            str(CLIENT / "test" / "live_link_test.cpp"), *map(str, sources),
            "-o", str(made), "-lzmq", "-pthread",
        ],
        check=True,
    )  # fmt: skip
    descriptor = descriptor_of_size(6)
    constant = frame_on(descriptor, 1)

    def same(*_, **changes):
        return frame_on(descriptor, 1, **changes)

    with (
        Publisher("tcp://127.0.0.1:*", avatar=descriptor, codec="float32") as publisher,
        streaming(publisher, descriptor, lambda _, i, **c: same(sequence=i, **c)),
    ):
        done = run(made, publisher.endpoint, 20)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("Live valid")
    lines = [line.split("|") for line in done.stdout.splitlines()]
    static = [line for line in lines if line[0] == "static"]
    assert static == [["static", "random 3", "6", "52", *descriptor.skeleton.names]]
    last = np.array(lines[-1][1:], np.float64)
    pose = constant.pose
    np.testing.assert_allclose(last[:3], axes.unreal_from_gltf(pose.root_translation), atol=1e-3)
    offset = axes.unreal_from_gltf(descriptor.skeleton.rest_translations[1])
    np.testing.assert_allclose(last[3:6], offset, atol=1e-3)
    turn = axes.unreal_from_gltf_quat(pose.rotations[1])
    assert abs(abs(last[6:10] @ turn) - 1) < 1e-5
    assert abs(last[10] - constant.expressions[17]) < 1e-5


@pytest.mark.skipif(shutil.which("flatc") is None, reason="needs flatc 2.0.8")
def test_the_committed_reader_is_what_flatc_makes_of_the_schema(tmp_path):
    version = subprocess.run(["flatc", "--version"], capture_output=True, text=True, check=True)
    if "2.0.8" not in version.stdout:
        pytest.skip(f"needs flatc 2.0.8, got {version.stdout.strip()}")
    subprocess.run(
        ["flatc", "--cpp", "-o", str(tmp_path), str(ROOT / "schema" / "twin.fbs")], check=True
    )
    made = (tmp_path / "twin_generated.h").read_bytes()
    assert (HEADERS / "twin_generated.h").read_bytes() == made
