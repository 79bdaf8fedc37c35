"""Recordings: every format asked for, nothing half-written, nothing lost to a kill."""

import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import twinsdk as tw
from twinsdk.core import quat
from twinsdk.core.pose import rest_pose
from twinsdk.session.recorder import Recorder


def frames_of(avatar, count=30):
    skeleton = avatar.skeleton
    j = skeleton.joint("leftUpperArm")
    for t in range(count):
        rotations = rest_pose(skeleton).rotations.copy()
        rotations[j] = quat.from_axis_angle(np.array([0, 0, 1.0]), -0.04 * t)
        pose = tw.Pose(skeleton=skeleton, rotations=rotations, root_translation=[0.01 * t, 0.9, 0])
        yield tw.TwinFrame(
            avatar_id=0, sequence=t, timestamp_ns=t, pose=pose, expressions=np.full(52, t / count)
        )


@pytest.mark.parametrize("suffix", [".bvh", ".npz", ".vrma", ".glb"])
def test_what_was_recorded_is_read_back(tmp_path, bead_avatar, suffix):
    path = tmp_path / f"ünïcode name{suffix}"
    frames = list(frames_of(bead_avatar))
    with Recorder([path], avatar=bead_avatar) as recorder:
        for t, frame in enumerate(frames):
            recorder.add(frame, round(t * 1e9 / 30))
    clip = tw.load_clip(path)
    assert list(tmp_path.iterdir()) == [path]  # no journal, no temporary file
    assert len(clip) == 30
    assert clip.fps == pytest.approx(30, rel=1e-3)
    j = clip.skeleton.joint("leftUpperArm")
    expected = np.stack([frame.pose.rotation("leftUpperArm") for frame in frames])
    assert np.degrees(quat.angle(clip.rotations[:, j], expected)).max() < 0.05


def test_several_files_are_written_from_one_run(tmp_path, bead_avatar):
    paths = [tmp_path / "a.bvh", tmp_path / "b.vrma"]
    with Recorder(paths, avatar=bead_avatar) as recorder:
        for frame in frames_of(bead_avatar, 5):
            recorder.add(frame, frame.sequence * 33_000_000)
    assert sorted(tmp_path.iterdir()) == paths


def test_every_twin_gets_files_of_their_own(tmp_path, bead_avatar):
    from dataclasses import replace

    with Recorder([tmp_path / "us.bvh", tmp_path / "us.npz"], avatar=bead_avatar) as recorder:
        for frame in frames_of(bead_avatar, 6):
            recorder.add(frame, frame.sequence * 1_000_000_000 // 30)
            if frame.sequence >= 2:  # the second one comes later
                recorder.add(replace(frame, avatar_id=1), frame.sequence * 1_000_000_000 // 30)
        assert recorder.count == 10
    written = {path.name: len(tw.load_clip(path)) for path in tmp_path.iterdir()}
    assert written == {"us.bvh": 6, "us.npz": 6, "us-2.bvh": 4, "us-2.npz": 4}


def test_a_run_without_frames_writes_nothing(tmp_path, bead_avatar):
    with Recorder([tmp_path / "a.bvh"], avatar=bead_avatar):
        pass
    assert list(tmp_path.iterdir()) == []


def test_wrong_names_are_refused_before_the_first_frame(tmp_path, bead_avatar):
    with pytest.raises(tw.errors.FormatError, match=r"record: expected one of .*got '.txt'"):
        Recorder([tmp_path / "a.txt"], avatar=bead_avatar)
    with pytest.raises(tw.errors.OutputError, match="no such folder"):
        Recorder([tmp_path / "no" / "a.bvh"], avatar=bead_avatar)


def test_a_killed_recording_is_readable_up_to_its_last_frame(tmp_path, bead_avatar):
    code = textwrap.dedent(
        """
        import os, sys
        import numpy as np
        import twinsdk as tw
        from twinsdk.core.pose import rest_pose
        from twinsdk.formats.journal import JournalWriter

        skeleton = tw.humanoid_skeleton()
        writer = JournalWriter(sys.argv[1], skeleton)
        for t in range(10):
            writer.append(rest_pose(skeleton), np.full(52, t / 10), t * 33_333_333)
        print("ready", flush=True)
        sys.stdin.read()
        """
    )
    journal = tmp_path / "take.bvh.twinclip"
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(journal)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ},
    )
    assert child.stdout.readline().strip() == b"ready"
    child.send_signal(signal.SIGKILL)
    child.communicate()
    clip = tw.load_clip(journal)
    assert len(clip) == 10
    np.testing.assert_allclose(clip.expressions[9], 0.9, atol=1e-6)
