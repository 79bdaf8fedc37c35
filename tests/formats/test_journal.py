"""The journal: what was appended is there, whatever happened to the process that wrote it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinsdk.core import quat
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.core.pose import Pose, rest_pose
from twinsdk.errors import FormatError, OutputError, SkeletonMismatchError, ValueRangeError
from twinsdk.formats import journal, load_clip
from twinsdk.formats.journal import JournalWriter

FRAME_NS = 33_333_333


def write(path, clip, stamps, **options):
    with JournalWriter(path, clip.skeleton, **options) as writer:
        for pose, face, stamp in zip(clip, clip.expressions, stamps, strict=True):
            writer.append(pose, face, stamp)
    return path


def test_frames_come_back_as_they_were_appended(tmp_path, clip):
    stamps = [7 * 10**18 + t * FRAME_NS for t in range(len(clip))]
    read = journal.read(write(tmp_path / "a.twinclip", clip, stamps))
    assert read.timestamps_ns.tolist() == stamps
    assert read.skeleton.matches(clip.skeleton)
    # A Pose renormalises its quaternions: one unit in the last place.
    np.testing.assert_allclose(read.rotations, clip.rotations, atol=1.2e-7)
    np.testing.assert_array_equal(read.root_translations, clip.root_translations)
    np.testing.assert_array_equal(read.expressions, clip.expressions)
    assert (read.damaged_frames, read.cut_bytes) == (0, 0)


def test_an_even_recording_is_the_clip_itself(tmp_path, clip):
    stamps = [t * FRAME_NS for t in range(len(clip))]
    back = load_clip(write(tmp_path / "a.twinclip", clip, stamps))
    assert back.fps == 30  # from the median gap
    assert len(back) == len(clip)
    # 33 333 333 ns is not quite a thirtieth: 4 ns off in the last frame.
    assert quat.angle(back.rotations, clip.rotations).max() < 1e-3
    np.testing.assert_allclose(back.root_translations, clip.root_translations, atol=1e-5)


def test_uneven_timestamps_are_resampled_on_the_true_motion(tmp_path):
    skeleton = humanoid_skeleton()
    rng = np.random.default_rng(1)
    seconds = np.sort(rng.uniform(0, 2, 90))
    seconds[0], speed = 0.0, 1.5

    def pose_at(t):
        rotations = np.tile(quat.IDENTITY, (len(skeleton), 1))
        rotations[3] = quat.from_axis_angle(np.array([0, 1.0, 0]), speed * t)
        return Pose(skeleton=skeleton, rotations=rotations, root_translation=[t, 0.9, -2 * t])

    with JournalWriter(tmp_path / "a.twinclip", skeleton) as writer:
        for t in seconds:
            writer.append(pose_at(t), None, round(t * 1e9))
    clip = journal.read(tmp_path / "a.twinclip").clip(fps=50)
    assert clip.expressions is None
    t = np.arange(len(clip)) / 50
    assert abs(t[-1] - seconds[-1]) < 0.02
    # Constant speed: interpolation between any two frames is exact up to float32.
    np.testing.assert_allclose(clip.root_translations[:, 0], t, atol=1e-6)
    np.testing.assert_allclose(2 * np.arcsin(clip.rotations[:, 3, 1]), speed * t, atol=2e-6)


@pytest.mark.parametrize(("far_ns", "fps"), [(10**15, None), (FRAME_NS, 2.0e9)])
def test_a_damaged_time_or_rate_is_refused_and_not_filled_in(tmp_path, clip, far_ns, fps):
    stamps = [t * FRAME_NS for t in range(len(clip) - 1)]
    path = write(tmp_path / "a.twinclip", clip, [*stamps, stamps[-1] + far_ns])
    with pytest.raises(FormatError, match="too many frames"):
        journal.read(path).clip(fps)


def test_a_stated_frame_rate_is_kept(tmp_path, clip):
    stamps = [t * FRAME_NS for t in range(len(clip))]
    assert load_clip(write(tmp_path / "a.twinclip", clip, stamps, fps=25.0)).fps == 25


def test_a_killed_process_leaves_every_frame_it_appended(tmp_path):
    path = tmp_path / "killed.twinclip"
    script = """
import sys
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.core.pose import rest_pose
from twinsdk.formats.journal import JournalWriter
pose = rest_pose(humanoid_skeleton())
writer = JournalWriter(sys.argv[1], pose.skeleton)
for t in range(1, 1_000_000):
    writer.append(pose, None, t * 33_333_333)
    print(t, flush=True)
"""
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True
    )
    appended = 0
    deadline = time.monotonic() + 60
    while appended < 40 and time.monotonic() < deadline:
        appended = int(child.stdout.readline())
    child.send_signal(signal.SIGKILL)
    appended = max([appended, *(int(line) for line in child.stdout.read().split() if line)])
    child.stdout.close()
    assert child.wait(timeout=30) == -signal.SIGKILL
    read = journal.read(path)
    assert len(read.timestamps_ns) >= appended >= 40
    assert load_clip(path).fps == 30


@given(share=st.floats(0, 1))
@settings(deadline=None, max_examples=60)
def test_a_file_cut_anywhere_keeps_the_frames_before_the_cut(tmp_path_factory, share):
    folder = tmp_path_factory.mktemp("cut")
    pose = rest_pose(humanoid_skeleton())
    sizes = []
    with JournalWriter(folder / "a.twinclip", pose.skeleton) as writer:
        for t in range(5):
            sizes.append((folder / "a.twinclip").stat().st_size)
            writer.append(pose, None, t + 1)
    data = (folder / "a.twinclip").read_bytes()
    kept = max(1, int(share * len(data)))
    (folder / "b.twinclip").write_bytes(data[:kept])
    whole = sum(size <= kept for size in [*sizes[1:], len(data)])
    if whole:
        assert len(journal.read(folder / "b.twinclip").timestamps_ns) == whole
    else:
        with pytest.raises(FormatError):
            journal.read(folder / "b.twinclip")


@given(at=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255))
@settings(deadline=None, max_examples=60)
def test_one_spoilt_byte_costs_one_frame_or_is_refused(tmp_path_factory, at, change):
    folder = tmp_path_factory.mktemp("spoilt")
    pose = rest_pose(humanoid_skeleton())
    with JournalWriter(folder / "a.twinclip", pose.skeleton) as writer:
        start = (folder / "a.twinclip").stat().st_size
        for t in range(4):
            writer.append(pose, None, t + 1)
    data = bytearray((folder / "a.twinclip").read_bytes())
    place = int(at * len(data))
    data[place] ^= change
    (folder / "b.twinclip").write_bytes(data)
    if place < start:
        with pytest.raises(FormatError):
            journal.read(folder / "b.twinclip")
    else:
        read = journal.read(folder / "b.twinclip")
        assert (len(read.timestamps_ns), read.damaged_frames) == (3, 1)


def test_time_must_go_forward(tmp_path):
    pose = rest_pose(humanoid_skeleton())
    with JournalWriter(tmp_path / "a.twinclip", pose.skeleton) as writer:
        writer.append(pose, None, 5)
        with pytest.raises(ValueRangeError, match="expected later than 5, got 5"):
            writer.append(pose, None, 5)


def test_a_pose_on_another_skeleton_is_refused(tmp_path):
    writer = JournalWriter(tmp_path / "a.twinclip", humanoid_skeleton())
    with writer, pytest.raises(SkeletonMismatchError):
        writer.append(rest_pose(humanoid_skeleton(1.2)), None, 1)


def test_a_closed_journal_and_a_missing_folder_are_said_in_words(tmp_path):
    pose = rest_pose(humanoid_skeleton())
    writer = JournalWriter(tmp_path / "a.twinclip", pose.skeleton)
    writer.close()
    with pytest.raises(OutputError, match="cannot write"):
        writer.append(pose, None, 1)
    with pytest.raises(OutputError, match="No such file"):
        JournalWriter(tmp_path / "nowhere" / "a.twinclip", pose.skeleton)
