"""`twinsdk retarget`: exit codes, one line an error, files that can be read back."""

from __future__ import annotations

import json

import numpy as np
import pytest

from twinsdk.cli import main
from twinsdk.core.avatar import Avatar, Mesh, Morphs, Skin
from twinsdk.core.skeleton import matrices
from twinsdk.formats import load_clip, save_avatar, save_clip
from twinsdk.retarget import load_figure


@pytest.fixture
def clip_file(tmp_path, canon, bodies):
    path = tmp_path / "walk.bvh"
    save_clip(bodies.random_clip(canon, frames=8, spread=0.2), path)
    return path


@pytest.fixture
def other(tmp_path, bodies):
    """A motion file on a rig of another convention: a target as good as an avatar."""
    names = {"hips": "pelvis", "leftUpperArm": "upperarm_l", "rightUpperArm": "upperarm_r"}
    body = bodies.other_rig(bodies.rest_bend({"UpperArm": 40.0}), names=names)
    path = tmp_path / "other.npz"
    save_clip(bodies.random_clip(body.skeleton, frames=2), path)
    return path


def test_one_file_to_one_file(tmp_path, clip_file, other, capsys):
    out = tmp_path / "out.bvh"
    assert main(["retarget", str(clip_file), "--to", str(other), "-o", str(out)]) == 0
    assert load_clip(out).skeleton.has("pelvis")
    assert "1 done (8 frames)" in capsys.readouterr().out


def test_failed_files_give_exit_code_two_one_line_each_and_a_report(
    tmp_path, clip_file, other, capsys
):
    bad = tmp_path / "bad.bvh"
    bad.write_text("nothing of the sort")
    report = tmp_path / "report.json"
    sources = [str(clip_file), str(bad)]
    arguments = ["--to", str(other), "-o", str(tmp_path / "out"), "--report", str(report)]
    assert main(["retarget", *sources, *arguments]) == 2
    captured = capsys.readouterr()
    assert sum("bad.bvh" in line for line in captured.err.splitlines()) == 1
    assert "Traceback" not in captured.err
    data = json.loads(report.read_text("utf-8"))
    assert (data["done"], data["failed"]) == (1, 1)


def test_a_map_can_be_written_edited_and_used(tmp_path, clip_file, other):
    path = tmp_path / "map.json"
    assert main(["retarget", str(clip_file), "--to", str(other), "--write-map", str(path)]) == 0
    data = json.loads(path.read_text("utf-8"))
    del data["roles"]["jaw"]
    path.write_text(json.dumps(data))
    out = tmp_path / "out.npz"
    arguments = ["--to", str(other), "-o", str(out), "--map", str(path)]
    assert main(["retarget", str(clip_file), *arguments]) == 0
    target = load_clip(out)
    jaw = target.skeleton.joint("jaw")
    assert np.ptp(target.rotations[:, jaw], axis=0).max() < 1e-6


def test_wrong_arguments_are_one_line(tmp_path, clip_file, other, capsys):
    assert main(["retarget", str(clip_file), "--to", str(other)]) == 2
    assert main(["retarget", str(tmp_path / "no.bvh"), "--to", str(other), "-o", "x"]) == 2
    assert main(["retarget", str(clip_file), "--to", str(tmp_path / "no.vrm"), "-o", "x"]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 3
    assert "no.bvh" in lines[1]
    assert "no.vrm" in lines[2]


def figure(bodies, names):
    body = bodies.other_rig(names=names)
    skeleton = body.skeleton
    turns, places = skeleton.rest_world()
    count = len(skeleton)
    triangle = np.array([[0, 0, 0], [0.1, 0, 0], [0, 0.1, 0]])
    return Avatar(
        skeleton=skeleton,
        mesh=Mesh(
            vertices=triangle,
            normals=np.tile([0, 0, 1.0], (3, 1)),
            uvs=np.zeros((3, 2)),
            triangles=[[0, 1, 2]],
        ),
        skin=Skin(
            joints=np.zeros((3, 1), np.uint16),
            weights=np.ones((3, 1)),
            inverse_bind=np.linalg.inv(matrices(turns, places)),
        ),
        morphs=Morphs(names=(), offsets=np.zeros((0, 3, 3))),
        humanoid={skeleton.names[j]: role for role, j in body.joints.items()},
        meta={"name": f"{count} joints"},
    )


def test_a_glb_that_names_no_humanoid_is_mapped(tmp_path, bodies):
    avatar = figure(bodies, {"hips": "pelvis", "leftFoot": "foot_l", "rightFoot": "foot_r"})
    path = tmp_path / "plain.glb"
    save_avatar(avatar, path)
    found = load_figure(path)
    assert isinstance(found, Avatar)
    assert found.roles()["leftFoot"] == "foot_l"
