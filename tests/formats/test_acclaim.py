"""ASF and AMC: bones turn about their own axes, and malformed files are refused in words."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinsdk.core import quat
from twinsdk.errors import FileMissingError, FormatError
from twinsdk.formats import acclaim, load_clip

ASF = """# made by hand
:version 1.10
:units
  mass 1.0
  length 0.45
  angle deg
:root
   order TX TY TZ RX RY RZ
   axis XYZ
   position 0 0 0
   orientation 0 0 0
:bonedata
  begin
     id 1
     name thigh
     direction 0 -2 0
     length 8
     axis 0 0 30 XYZ
     dof rx ry rz
     limits (-160.0 20.0)
            (-70.0 70.0)
            (-60.0 70.0)
  end
  begin
     id 2
     name shin
     direction 0 -1 0
     length 7
     axis 0 90 0 XYZ
     dof rx
  end
  begin
     id 3
     name foot
     direction 0 0 1
     length 2
     axis 0 0 0 XYZ
  end
:hierarchy
  begin
    root thigh
    thigh shin
    shin foot
  end
"""
AMC = """#!OML:ASF made by hand
:FULLY-SPECIFIED
:DEGREES
1
root 1 18 2 0 0 0
thigh 0 0 0
shin 0
2
root 1 18 2 0 90 0
thigh 0 0 45
shin 90
"""
UNIT = 0.0254 / 0.45


def write(folder, asf=ASF, amc=AMC, stem="01_02"):
    (folder / "01.asf").write_text(asf)
    (folder / f"{stem}.amc").write_text(amc)
    return folder / f"{stem}.amc"


def test_a_case_worked_by_hand(tmp_path):
    clip = load_clip(write(tmp_path))
    assert clip.skeleton.names == ("root", "thigh", "shin", "foot")
    assert clip.fps == 120
    _, positions = clip.world()
    np.testing.assert_allclose(
        positions[0] / UNIT, [[1, 18, 2], [1, 18, 2], [1, 10, 2], [1, 3, 2]], atol=1e-4
    )
    # Frame 2. The thigh turns by 45 degrees about Z (its axes are turned about Z alone): -Y goes to
    # (s, -s, 0); the root turns that by 90 about Y to (0, -s, -s).
    s = np.sqrt(0.5)
    knee = np.array([1, 18, 2]) + 8 * np.array([0, -s, -s])
    np.testing.assert_allclose(positions[1, 2] / UNIT, knee, atol=1e-4)
    # The shin's axes are turned by 90 about Y, so its X is the world's -Z at rest: -Y goes to -X,
    # then with the thigh to (-s, -s, 0), then with the root to (0, -s, s).
    ankle = knee + 7 * np.array([0, -s, s])
    np.testing.assert_allclose(positions[1, 3] / UNIT, ankle, atol=1e-4)


def test_fixed_axes_are_turned_about_in_the_order_of_the_channels(tmp_path):
    asf = ASF.replace("axis 0 0 30 XYZ", "axis 0 0 0 XYZ")
    clip = load_clip(write(tmp_path, asf, AMC.replace("thigh 0 0 45", "thigh 90 90 0")))
    # About X first (-Y to -Z), then about the fixed Y (-Z to -X).
    local = clip.rotations[1, 1]
    np.testing.assert_allclose(quat.rotate(local, np.array([0, -1.0, 0])), [-1, 0, 0], atol=1e-6)


def test_the_skeleton_is_found_by_name_by_subject_or_because_it_is_the_only_one(tmp_path):
    path = write(tmp_path)
    assert acclaim.find_asf(path) == tmp_path / "01.asf"
    (tmp_path / "02.asf").write_text(ASF)
    assert acclaim.find_asf(path) == tmp_path / "01.asf"
    (tmp_path / "01_02.ASF").write_text(ASF)
    assert acclaim.find_asf(path) == tmp_path / "01_02.ASF"
    other = write(tmp_path, stem="walk")
    with pytest.raises(FileMissingError, match=r"walk\.asf beside it"):
        load_clip(other)


def test_gzip_windows_line_ends_and_radians_give_the_same(tmp_path):
    plain = load_clip(write(tmp_path))
    (tmp_path / "01_03.amc.gz").write_bytes(gzip.compress(AMC.replace("\n", "\r\n").encode()))
    odd = load_clip(tmp_path / "01_03.amc.gz")
    np.testing.assert_array_equal(odd.rotations, plain.rotations)
    folder = tmp_path / "radians"
    folder.mkdir()
    asf = ASF.replace("angle deg", "angle rad").replace("0 0 30", f"0 0 {np.radians(30)}")
    asf = asf.replace("axis 0 90 0", f"axis 0 {np.radians(90)} 0")
    amc = AMC.replace("0 90 0\n", f"0 {np.radians(90)} 0\n").replace("45", str(np.radians(45)))
    amc = amc.replace("shin 90", f"shin {np.radians(90)}")
    np.testing.assert_allclose(
        load_clip(write(folder, asf, amc)).rotations, plain.rotations, atol=1e-6
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("thigh 0 0 45", "thigh 0 45", "numbers in all"),
        ("thigh 0 0 45", "thigh 0 0 nan", "number"),
        ("shin 90", "hand 90", r"frame 2: expected bone 'shin', got 'hand'"),
        ("shin 0\n", "tail 0\n", "expected bones of the .asf"),
        (AMC, "1\n2\n", "expected lines such as"),
    ],
)
def test_malformed_motion_is_refused(tmp_path, old, new, message):
    path = write(tmp_path, amc=AMC.replace(old, new))
    with pytest.raises(FormatError, match=message) as caught:
        load_clip(path)
    assert str(caught.value).endswith(str(path))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("length 8", "length eight", "line 17: expected numbers"),
        ("axis 0 0 30 XYZ", "axis 0 0 30 XXZ", "line 18: expected an (axis )?order"),
        ("dof rx ry rz", "dof rx rx", "expected channels"),
        ("name shin", "name thigh", "expected a new bone"),
        ("thigh shin", "thigh tail", "expected a bone of :bonedata, got 'tail'"),
        ("    root thigh\n    thigh shin\n    shin foot\n", "", "below root, got none"),
    ],
)
def test_malformed_skeletons_are_refused(tmp_path, old, new, message):
    path = write(tmp_path, asf=ASF.replace(old, new))
    with pytest.raises(FormatError, match=message) as caught:
        load_clip(path)
    assert str(caught.value).endswith("01.asf")


@given(data=st.data())
@settings(deadline=None, max_examples=100)
def test_spoilt_text_never_provokes_anything_but_format_errors(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("acclaim")
    texts = [bytearray(ASF.encode()), bytearray(AMC.encode())]
    for text in texts:
        for _ in range(data.draw(st.integers(0, 3))):
            place = data.draw(st.integers(0, len(text) - 1))
            text[place : place + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    (folder / "a.asf").write_bytes(texts[0])
    (folder / "a.amc").write_bytes(texts[1])
    try:
        clip = load_clip(folder / "a.amc")
    except FormatError:
        return
    assert np.isfinite(clip.rotations).all()
