"""BVH: what is written comes back, and what the world writes is taken or refused in words."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinsdk.core import quat
from twinsdk.core.clip import MotionClip
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.core.skeleton import Skeleton
from twinsdk.errors import FileMissingError, FormatError, OutputError
from twinsdk.formats import bvh, load_clip, save_clip

PLAIN = """HIERARCHY
ROOT Hips
{
  OFFSET 0.0 0.0 0.0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Spine
  {
    OFFSET 0.0 50.0 0.0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 0.0 40.0 0.0
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.0333333
1 90 2 90 0 0 0 0 0
1 91 2 0 90 0 0 0 45
"""


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def skeleton_of(names, parents, offsets, rotations=None):
    count = len(names)
    return Skeleton(
        names=names,
        parents=parents,
        rest_translations=offsets,
        rest_rotations=np.tile(quat.IDENTITY, (count, 1)) if rotations is None else rotations,
    )


def random_motion(skeleton, frames, seed):
    rng = np.random.default_rng(seed)
    return MotionClip(
        skeleton=skeleton,
        fps=30.0,
        rotations=quat.normalize(rng.normal(size=(frames, len(skeleton), 4))),
        root_translations=rng.normal(size=(frames, 3)),
    )


def test_a_case_worked_by_hand(tmp_path):
    file = bvh.read(write(tmp_path / "a.bvh", PLAIN), unit_m=0.01)
    _, positions = file.clip.world()
    np.testing.assert_allclose(positions[0, 0], [0.01, 0.90, 0.02], atol=1e-6)
    # 90 degrees about Z carries the spine from +Y to -X; 90 about X carries it to +Z.
    np.testing.assert_allclose(positions[0, 1], [0.01 - 0.5, 0.90, 0.02], atol=1e-6)
    np.testing.assert_allclose(positions[1, 1], [0.01, 0.91, 0.02 + 0.5], atol=1e-6)
    half = np.radians(22.5)  # 45 degrees about Y
    np.testing.assert_allclose(
        file.clip.rotations[1, 1], [0, np.sin(half), 0, np.cos(half)], atol=1e-6
    )
    assert file.clip.fps == 30
    assert file.report.end_sites == {"Spine": (0.0, 0.4, 0.0)}


@pytest.mark.parametrize("order", ["XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX"])
@pytest.mark.parametrize("name", ["a.bvh", "a.bvh.gz"])
def test_writing_then_reading_gives_the_same_motion_in_every_order(tmp_path, clip, order, name):
    path = tmp_path / name
    bvh.write(clip, path, order=order)
    back = bvh.read(path, unit_m=0.01).clip
    assert back.skeleton.matches(clip.skeleton)
    assert back.fps == clip.fps
    # Seven digits of degrees are 1e-7 rad; near gimbal lock float32 angles lose half of them.
    assert quat.angle(back.rotations, clip.rotations).max() < 2e-5
    np.testing.assert_allclose(back.root_translations, clip.root_translations, atol=1e-6)


@given(seed=st.integers(0, 2**31), joints=st.integers(1, 12), frames=st.integers(1, 4))
@settings(deadline=None, max_examples=30)
def test_any_tree_keeps_its_joint_positions_whatever_its_rest_rotations(
    tmp_path_factory, seed, joints, frames
):
    rng = np.random.default_rng(seed)
    skeleton = skeleton_of(
        [f"j{j}" for j in range(joints)],
        [-1, *(int(rng.integers(0, j)) for j in range(1, joints))],
        rng.normal(size=(joints, 3)),
        quat.normalize(rng.normal(size=(joints, 4))),
    )
    clip = random_motion(skeleton, frames, seed)
    path = tmp_path_factory.mktemp("bvh") / "tree.bvh"
    bvh.write(clip, path)
    back = bvh.read(path, unit_m=0.01).clip
    wanted = dict(zip(skeleton.names, np.moveaxis(clip.world()[1], 1, 0), strict=True))
    for name, track in zip(back.skeleton.names, np.moveaxis(back.world()[1], 1, 0), strict=True):
        np.testing.assert_allclose(track, wanted[name], atol=2e-5)  # 12 joints of about 2 m


def test_the_guessed_unit_gives_a_person_and_says_so(tmp_path):
    person = random_motion(humanoid_skeleton(1.8), 3, 1)
    for unit, name in ((1.0, "metres"), (0.01, "centimetres"), (0.001, "millimetres"),
                       (0.0254, "inches"), (0.0254 / 0.45, "CMU")):  # fmt: skip
        path = tmp_path / f"{name}.bvh"
        bvh.write(person, path, unit_m=unit)
        report = bvh.read(path).report
        assert report.unit_m == pytest.approx(unit), name
        assert name in report.unit_reason
        assert 1.4 < report.height_m < 2.2


def test_a_z_up_file_is_reported_and_not_turned(tmp_path):
    lying = quat.from_axis_angle(np.array([1.0, 0, 0]), np.pi / 2)
    skeleton = humanoid_skeleton()
    rotations = np.tile(quat.IDENTITY, (2, len(skeleton), 1))
    rotations[:, 0] = lying  # +Y to +Z
    clip = MotionClip(
        skeleton=skeleton, fps=30, rotations=rotations, root_translations=[[0, 0, 0.93]] * 2
    )
    bvh.write(clip, tmp_path / "z.bvh")
    file = bvh.read(tmp_path / "z.bvh")
    assert file.report.up_axis == "Z"
    np.testing.assert_allclose(file.clip.world()[1], clip.world()[1], atol=1e-5)


def test_position_channels_of_a_joint_replace_its_offset(tmp_path):
    text = (
        PLAIN.replace(
            "CHANNELS 3 Zrotation Xrotation Yrotation",
            "CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation",
        )
        .replace("90 0 0 0 0 0\n", "90 0 0 3 60 0 0 0 0\n")
        .replace("0 90 0 0 0 45", "0 90 0 3 60 0 0 0 45")
    )
    clip = bvh.read(write(tmp_path / "six.bvh", text), unit_m=0.01).clip
    np.testing.assert_allclose(clip.skeleton.rest_translations[1], [0.03, 0.6, 0], atol=1e-7)


def test_a_pelvis_that_moves_below_the_root_moves_the_root_instead(tmp_path):
    text = """HIERARCHY
ROOT reference
{
 OFFSET 0 0 0
 CHANNELS 3 Zrotation Xrotation Yrotation
 JOINT Hips
 {
  OFFSET 0 90 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Spine
  {
   OFFSET 0 50 0
   CHANNELS 3 Zrotation Xrotation Yrotation
  }
 }
}
MOTION
Frames: 2
Frame Time: 0.01
90 0 0 1 90 5 0 0 0 0 0 0
90 0 0 9 92 7 0 0 0 0 0 0
"""
    file = bvh.read(write(tmp_path / "deep.bvh", text), unit_m=0.01)
    _, positions = file.clip.world()
    # The reference is turned by 90 degrees about Z, so (x, y, z) becomes (-y, x, z).
    np.testing.assert_allclose(
        positions[:, 1], [[-0.9, 0.01, 0.05], [-0.92, 0.09, 0.07]], atol=1e-6
    )
    assert file.report.dropped_translation_m == 0


@pytest.mark.parametrize(
    "spoil",
    [
        lambda t: t.replace("\n", "\r\n"),
        lambda t: t.replace("\n", "\r"),
        lambda t: "\ufeff" + t,
        lambda t: t.replace(" ", "\t  "),
        lambda t: t.replace("\n", "\n\n"),
        lambda t: t.rstrip("\n"),
        lambda t: t + "\n \n\t\n",
        lambda t: t.replace("Frames:", "FRAMES :").replace("Frame Time:", "frame time :"),
        lambda t: t.replace("HIERARCHY", "hierarchy").replace("MOTION", "Motion"),
        lambda t: t.replace("Frames: 2\n", ""),
        lambda t: t.replace("Frames: 2", "Frames: 9"),
        lambda t: t.replace("Frames: 2", "Frames: 1"),
        lambda t: t.replace("1 91 2", "# a remark\n1 91 2"),
        lambda t: t + "1 2 3\n",
        lambda t: t.replace("ROOT Hips\n{", "ROOT Hips {"),
        lambda t: t.replace("1 90 2", "1.0e0 9e+1 +2"),
        lambda t: t.replace("1 90 2 90 0 0", "1 90 2\n90 0 0"),
    ],
)
def test_files_of_odd_form_give_the_same_motion(tmp_path, spoil):
    plain = bvh.read(write(tmp_path / "plain.bvh", PLAIN)).clip
    odd = bvh.read(write(tmp_path / "odd.bvh", spoil(PLAIN))).clip
    np.testing.assert_array_equal(odd.rotations, plain.rotations)
    np.testing.assert_array_equal(odd.root_translations, plain.root_translations)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("HIERARCHY", "HEADER", "line 1: expected HIERARCHY"),
        ("JOINT Spine", "ROOT Spine", r"line 6: expected JOINT"),
        ("MOTION", "}\nROOT Two\n{\n}\nMOTION", "line 16: expected JOINT"),
        ("}\nMOTION", "}\nROOT Two\n{\n}\nMOTION", r"line \d+: expected one ROOT, got a second"),
        ("OFFSET 0.0 50.0 0.0", "OFFSET 0.0 5x 0.0", "line 8: expected a number, got '5x'"),
        ("OFFSET 0.0 50.0 0.0", "OFFSET 0,0 50,0 0,0", "decimals with a point"),
        ("OFFSET 0.0 50.0 0.0", "OFFSET nan 0 0", "expected a finite number"),
        ("Xposition", "Wposition", "expected a channel"),
        ("CHANNELS 6", "CHANNELS 99", "0 to 12 channels"),
        ("1 91 2 0", "1 nan 2 0", "line 20: expected a finite number, got 'nan'"),
        ("1 91 2 0", "1 91 zwei 0", "line 20: expected a number, got 'zwei'"),
        ("1 91 2 0", "1,5 91,2 2,0 0", "decimals with a point"),
        ("1 90 2 90", "1 90 2", "line 19: expected 9 numbers, got 8"),
        ("0.0333333", "0,0333333", "decimals with a point"),
        ("0.0333333", "0", "positive number of seconds"),
        ("Frame Time: 0.0333333\n", "", "Frame Time"),
        ("MOTION", "MOSHUN", "got 'MOSHUN'"),
    ],
)
def test_malformed_files_are_refused_naming_the_place(tmp_path, old, new, message):
    path = write(tmp_path / "bad.bvh", PLAIN.replace(old, new))
    with pytest.raises(FormatError, match=message) as caught:
        load_clip(path)
    assert str(caught.value).endswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_file_without_frames_is_refused(tmp_path):
    text = PLAIN[: PLAIN.index("1 90 2")]
    with pytest.raises(FormatError, match="expected a frame of 9 numbers, got none"):
        load_clip(write(tmp_path / "empty.bvh", text))


def test_nesting_ten_thousand_joints_deep_is_refused_without_recursion(tmp_path):
    text = "HIERARCHY\nROOT a\n{\n" + "JOINT a\n{\nOFFSET 0 1 0\n" * 10_000
    with pytest.raises(FormatError, match="at most 4096 joints"):
        load_clip(write(tmp_path / "deep.bvh", text))


def test_a_gzip_that_is_cut_off_is_refused(tmp_path):
    path = tmp_path / "cut.bvh.gz"
    path.write_bytes(gzip.compress(PLAIN.encode())[:-9])
    with pytest.raises(FormatError, match="cut off"):
        load_clip(path)


def test_repeated_joint_names_are_numbered_and_reported(tmp_path):
    file = bvh.read(write(tmp_path / "twice.bvh", PLAIN.replace("JOINT Spine", "JOINT Hips")))
    assert file.clip.skeleton.names == ("Hips", "Hips_2")
    assert "appears again" in file.report.notes[0]


def test_a_folder_and_a_missing_file_are_told_apart(tmp_path):
    (tmp_path / "folder.bvh").mkdir()
    with pytest.raises(FileMissingError, match="got a folder"):
        load_clip(tmp_path / "folder.bvh")
    with pytest.raises(FileMissingError, match="no such file"):
        load_clip(tmp_path / "absent.bvh")


def test_an_unknown_extension_names_the_known_ones(tmp_path, clip):
    write(tmp_path / "a.xyz", "x")
    with pytest.raises(FormatError, match=r"expected one of .*\.bvh .*got \.xyz"):
        load_clip(tmp_path / "a.xyz")
    with pytest.raises(OutputError, match=r"expected one of .*\.bvh .*got no extension"):
        save_clip(clip, tmp_path / "a")


@given(data=st.binary(max_size=300))
@settings(deadline=None, max_examples=100)
def test_bytes_after_a_valid_head_never_provoke_anything_but_format_errors(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("fuzz") / "fuzz.bvh"
    path.write_bytes(PLAIN[:330].encode() + data)
    try:
        clip = load_clip(path)
    except FormatError:
        return
    assert np.isfinite(clip.rotations).all()
