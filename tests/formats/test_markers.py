"""Markers: what TRC and C3D hold, and the person in them."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinsdk.core import quat
from twinsdk.core.clip import MotionClip
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.errors import FormatError, NotHumanoidError
from twinsdk.formats import load_clip, save_clip
from twinsdk.formats.c3d import read_c3d
from twinsdk.formats.markers import Markers, read_trc
from twinsdk.formats.points import clip_of_markers

LIMBS = [
    (f"{side}{a}", f"{side}{b}")
    for side in ("left", "right")
    for a, b in (("UpperLeg", "LowerLeg"), ("LowerLeg", "Foot"), ("Foot", "Toes"),
                 ("UpperArm", "LowerArm"), ("LowerArm", "Hand"))
]  # fmt: skip


def walking(frames=40):
    """A made-up march with bent elbows and knees, turning around, on the canonical skeleton."""
    skeleton = humanoid_skeleton()
    t = np.linspace(0, 2 * np.pi, frames)
    rotations = np.tile(quat.IDENTITY, (frames, len(skeleton), 1)).astype(float)

    def turn(name, axis, angle):
        j = skeleton.joint(name)
        step = quat.from_axis_angle(np.broadcast_to(np.array(axis, float), (frames, 3)), angle)
        rotations[:, j] = quat.multiply(rotations[:, j], step)

    turn("hips", [0, 1, 0], 2 * t)
    turn("hips", [1, 0, 0], 0.1 * np.sin(t))
    for side, sign in (("left", 1), ("right", -1)):
        turn(f"{side}UpperLeg", [1, 0, 0], 0.5 * sign * np.sin(t))
        turn(f"{side}UpperLeg", [0, 1, 0], 0.2 * np.sin(t + 1))
        turn(f"{side}LowerLeg", [1, 0, 0], 0.6 + 0.3 * np.cos(t))
        turn(f"{side}UpperArm", [0, 0, 1], -sign * (1.0 + 0.1 * np.sin(t)))
        turn(f"{side}UpperArm", [1, 0, 0], 0.4 * sign * np.sin(t))
        turn(f"{side}LowerArm", [0, 1, 0], -sign * (0.8 + 0.2 * np.sin(t)))
    root = np.stack([np.sin(t), 0.9 + 0.02 * np.cos(2 * t), np.cos(t)], 1)
    return MotionClip(skeleton=skeleton, fps=60.0, rotations=rotations, root_translations=root)


def labelled(clip, turn=None):
    labels = {
        "L_Hip": "leftUpperLeg", "R_Hip": "rightUpperLeg", "L_Knee": "leftLowerLeg",
        "R_Knee": "rightLowerLeg", "L_Ankle": "leftFoot", "R_Ankle": "rightFoot",
        "L_Toe": "leftToes", "R_Toe": "rightToes", "L_Shoulder": "leftUpperArm",
        "R_Shoulder": "rightUpperArm", "L_Elbow": "leftLowerArm", "R_Elbow": "rightLowerArm",
        "L_Wrist": "leftHand", "R_Wrist": "rightHand", "Neck": "neck", "Head": "head",
    }  # fmt: skip
    _, places = clip.world()
    points = np.stack([places[:, clip.skeleton.joint(j)] for j in labels.values()], 1)
    if turn is not None:
        points = points @ np.asarray(turn, float).T
    return Markers(names=tuple(labels), positions=points.astype(np.float32), fps=clip.fps)


def test_bones_point_where_the_joint_centres_say_and_bends_give_the_twist():
    clip = walking()
    found = clip_of_markers(labelled(clip))
    true_places, places = clip.world()[1], found.world()[1]
    for a, b in LIMBS:
        bone = places[:, found.skeleton.joint(b)] - places[:, found.skeleton.joint(a)]
        true = true_places[:, clip.skeleton.joint(b)] - true_places[:, clip.skeleton.joint(a)]
        cosine = (bone * true).sum(-1)
        cosine /= np.linalg.norm(bone, axis=-1) * np.linalg.norm(true, axis=-1)
        assert cosine.min() > 0.99999, (a, b)
    for name in ("leftLowerLeg", "rightLowerLeg", "leftUpperArm", "rightLowerArm", "leftUpperLeg"):
        turns = found.world()[0][:, found.skeleton.joint(name)]
        true = clip.world()[0][:, clip.skeleton.joint(name)]
        assert np.degrees(quat.angle(turns, true)).max() < 0.2, name


def test_positions_agree_to_millimetres_and_lengths_are_those_of_the_person():
    clip = walking()
    found = clip_of_markers(labelled(clip))
    for name in ("leftHand", "rightHand", "leftFoot", "head", "leftToes"):
        error = found.world()[1][:, found.skeleton.joint(name)]
        error = error - clip.world()[1][:, clip.skeleton.joint(name)]
        # Shoulders are hung on the middle of the back here, on clavicles there.
        assert np.linalg.norm(error, axis=-1).max() < 0.03, name
    shin = found.skeleton.rest_translations[found.skeleton.joint("leftFoot"), 1]
    assert shin == pytest.approx(-0.41, abs=1e-4)


@pytest.mark.parametrize(
    ("shoulder", "upper", "lower"),
    [("Shoulder", "UpperArm", "LowerArm"), ("Shoulder", "Arm", "ForeArm")],
)
def test_the_shoulder_of_a_skeleton_is_its_clavicle_and_no_shoulder_joint(shoulder, upper, lower):
    clip = walking()
    labels = {f"{s}{a}": f"{s}{b}" for s in ("left", "right") for a, b in (
        (shoulder, "Shoulder"), (upper, "UpperArm"), (lower, "LowerArm"))}  # fmt: skip
    plain = labelled(clip)
    kept = [i for i, name in enumerate(plain.names) if "hou" not in name and "lbow" not in name]
    _, places = clip.world()
    joints = np.stack([places[:, clip.skeleton.joint(j)] for j in labels.values()], 1)
    markers = Markers(
        names=(*(plain.names[i] for i in kept), *labels),
        positions=np.concatenate([plain.positions[:, kept], joints], 1),
        fps=clip.fps,
    )
    found = clip_of_markers(markers).world()[1]
    skeleton = clip_of_markers(markers).skeleton
    for side in ("left", "right"):
        ends = [f"{side}UpperArm", f"{side}LowerArm"]
        here, there = (at[:, sk.joint(ends[1])] - at[:, sk.joint(ends[0])]
                       for at, sk in ((found, skeleton), (places, clip.skeleton)))  # fmt: skip
        np.testing.assert_allclose(here, there, atol=1e-4)


@pytest.mark.parametrize(
    "turn",
    [
        [[1, 0, 0], [0, 0, -1], [0, 1, 0]],  # ours to Z-up
        [[0, 1, 0], [-1, 0, 0], [0, 0, 1]],  # ours to X-up
    ],
)
def test_whichever_axis_is_up_the_person_stands(turn):
    clip = walking()
    found = clip_of_markers(labelled(clip, turn))
    straight = clip_of_markers(labelled(clip))
    height = found.world()[1][..., 1]
    np.testing.assert_allclose(height, straight.world()[1][..., 1], atol=1e-4)


def test_gaps_are_bridged_and_a_marker_never_seen_is_named():
    markers = labelled(walking())
    positions = markers.positions.copy()
    wrist = markers.names.index("L_Wrist")
    positions[10:13, wrist] = np.nan
    bridged = clip_of_markers(Markers(names=markers.names, positions=positions, fps=60))
    assert np.isfinite(bridged.rotations).all()
    positions[:, wrist] = np.nan
    with pytest.raises(NotHumanoidError, match="leftHand"):
        clip_of_markers(Markers(names=markers.names, positions=positions, fps=60))


def test_plug_in_gait_markers_make_a_person():
    clip = walking()
    _, places = clip.world()
    at = {n: places[:, clip.skeleton.joint(n)] for n in clip.skeleton.names}
    turns = clip.world()[0][:, 0]

    def beside(name, offset):
        moved = quat.rotate(turns, np.broadcast_to(np.array(offset, float), (len(clip), 3)))
        return at[name] + moved

    w = 0.24  # between the ASIS; hips lie .36 w aside, .30 below, .19 behind their middle
    middle = [0.0, 0.30 * w - 0.035, 0.19 * w]
    found = {
        "LASI": beside("hips", [w / 2, middle[1], middle[2]]),
        "RASI": beside("hips", [-w / 2, middle[1], middle[2]]),
        "LPSI": beside("hips", [0.05, middle[1], middle[2] - 0.15]),
        "RPSI": beside("hips", [-0.05, middle[1], middle[2] - 0.15]),
    }
    for side, letter in (("left", "L"), ("right", "R")):
        found |= {
            f"{letter}KNE": at[f"{side}LowerLeg"], f"{letter}ANK": at[f"{side}Foot"],
            f"{letter}TOE": at[f"{side}Toes"], f"{letter}SHO": at[f"{side}UpperArm"],
            f"{letter}ELB": at[f"{side}LowerArm"], f"{letter}WRA": at[f"{side}Hand"] + [0, 0.02, 0],
            f"{letter}WRB": at[f"{side}Hand"] - [0, 0.02, 0],
        }  # fmt: skip
    labels = tuple(f"Subject:{name}" for name in found)
    markers = Markers(names=labels, positions=np.stack([*found.values()], 1), fps=100)
    back = clip_of_markers(markers)
    knee = back.world()[1][:, back.skeleton.joint("leftLowerLeg")]
    assert np.linalg.norm(knee - at["leftLowerLeg"], axis=-1).max() < 0.01


def test_a_trc_written_comes_back_as_points_and_as_a_person(tmp_path):
    clip = walking()
    save_clip(clip, tmp_path / "a.trc")
    markers = read_trc(tmp_path / "a.trc")
    assert markers.names == clip.skeleton.names
    assert markers.fps == 60
    np.testing.assert_allclose(markers.positions, clip.world()[1], atol=1e-5)
    back = load_clip(tmp_path / "a.trc")
    shin = back.world()[1][:, back.skeleton.joint("leftFoot")]
    np.testing.assert_allclose(shin, clip.world()[1][:, clip.skeleton.joint("leftFoot")], atol=0.01)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("PathFileType", "Path", "line 1"),
        ("\tmm\t", "\tparsec\t", "unit: expected one of"),
        ("60\t60\t", "zero\t60\t", "DataRate"),
        ("\n1\t0.000000\t", "\n1\t0.000000\tx", "line 7: expected numbers"),
    ],
)
def test_malformed_trc_is_refused(tmp_path, old, new, message):
    save_clip(walking(3), tmp_path / "a.trc")
    text = (tmp_path / "a.trc").read_text()
    assert old in text
    (tmp_path / "a.trc").write_text(text.replace(old, new, 1))
    with pytest.raises(FormatError, match=message) as caught:
        load_clip(tmp_path / "a.trc")
    assert str(caught.value).endswith("a.trc")


def test_an_empty_cell_of_a_trc_is_a_marker_not_seen(tmp_path):
    save_clip(walking(3), tmp_path / "a.trc")
    lines = (tmp_path / "a.trc").read_text().split("\n")
    cells = lines[6].split("\t")
    cells[2:5] = ["", "", ""]
    lines[6] = "\t".join(cells)
    (tmp_path / "a.trc").write_text("\n".join(lines))
    positions = read_trc(tmp_path / "a.trc").positions
    assert np.isnan(positions[0, 0]).all()
    assert np.isfinite(positions[1:]).all()


def c3d(markers, *, processor=84, floats=True, analog=3, lost=()):
    """A .c3d byte by byte, as the user guide lays it out."""
    order = ">" if processor == 86 else "<"

    def real(values):
        raw = np.asarray(values, f"{order}f4")
        if processor != 85:
            return raw.tobytes()
        halves = (raw.astype("<f4") * 4).astype("<f4").view("<u2").reshape(-1, 2)[:, ::-1]
        return np.ascontiguousarray(halves).tobytes()

    def word(*values):
        return struct.pack(f"{order}{len(values)}H", *values)

    def group(number, name):
        return struct.pack("<bb", len(name), -number) + name.encode() + word(3) + b"\0"

    def parameter(number, name, kind, shape, raw):
        body = struct.pack("<bB", kind, len(shape)) + bytes(shape) + raw + b"\0"
        return struct.pack("<bb", len(name), number) + name.encode() + word(2 + len(body)) + body

    count, frames = len(markers.names), len(markers.positions)
    wide = max(len(name) for name in markers.names)
    labels = b"".join(name.encode().ljust(wide) for name in markers.names)
    section = (
        b"\x01\x50\x02" + bytes([processor])
        + group(1, "POINT")
        + parameter(1, "LABELS", -1, [wide, count], labels)
        + parameter(1, "UNITS", -1, [2], b"mm")
        + parameter(1, "RATE", 4, [], real([markers.fps]))
    ).ljust(1024, b"\0")  # fmt: skip
    scale = -1.0 if floats else 0.1
    header = b"\x02\x50" + word(count, analog, 1, frames, 0) + real([scale]) + word(4, 1)
    header = (header + real([markers.fps])).ljust(512, b"\0")
    rows = np.zeros((frames, 4 * count + analog))
    points = np.nan_to_num(markers.positions) * 1000
    for m in range(count):
        rows[:, 4 * m : 4 * m + 3] = points[:, m] / (1.0 if floats else scale)
    for frame, m in lost:
        rows[frame, 4 * m + 3] = -1
    data = real(rows.reshape(-1)) if floats else rows.round().astype(f"{order}i2").tobytes()
    return header + section + data


@pytest.mark.parametrize("processor", [84, 85, 86])
@pytest.mark.parametrize("floats", [True, False])
def test_c3d_points_come_in_metres_whatever_wrote_them(tmp_path, processor, floats):
    markers = labelled(walking(), [[1, 0, 0], [0, 0, -1], [0, 1, 0]])
    data = c3d(markers, processor=processor, floats=floats, lost=[(2, 0)])
    (tmp_path / "a.c3d").write_bytes(data)
    back = read_c3d(tmp_path / "a.c3d")
    assert (back.names, back.fps) == (markers.names, 60)
    assert np.isnan(back.positions[2, 0]).all()
    wanted = markers.positions.copy()
    wanted[2, 0] = np.nan
    # Integers are tenths of a millimetre here.
    np.testing.assert_allclose(back.positions, wanted, atol=1e-5 if floats else 6e-5)
    person = load_clip(tmp_path / "a.c3d")
    assert person.world()[1][:, person.skeleton.joint("head"), 1].min() > 1.2


def test_c3d_written_by_another_library_is_read(tmp_path):
    ezc3d = pytest.importorskip("ezc3d", reason="the referee: pip install ezc3d")
    markers = labelled(walking())
    file = ezc3d.c3d()
    file["parameters"]["POINT"]["RATE"]["value"] = [60.0]
    file["parameters"]["POINT"]["LABELS"]["value"] = list(markers.names)
    file["parameters"]["POINT"]["UNITS"]["value"] = ["mm"]
    points = np.ones((4, len(markers.names), len(markers.positions)))
    points[:3] = np.moveaxis(markers.positions * 1000, -1, 0).swapaxes(1, 2)
    file["data"]["points"] = points
    file.write(str(tmp_path / "a.c3d"))
    back = read_c3d(tmp_path / "a.c3d")
    assert (back.names, back.fps) == (markers.names, 60)
    np.testing.assert_allclose(back.positions, markers.positions, atol=1e-5)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda d: b"nonsense" + d[8:], "expected a C3D header"),
        (lambda d: d[:300], "expected a C3D header"),
        (lambda d: b"\xff" + d[1:], "parameters lie past"),
        (lambda d: d[:515] + b"\x07" + d[516:], "processor type"),
        (lambda d: d[:-50], "cut off"),
        (lambda d: d[:2] + b"\0\0" + d[4:], "got 0 points"),
    ],
)
def test_malformed_c3d_is_refused(tmp_path, spoil, message):
    (tmp_path / "a.c3d").write_bytes(spoil(c3d(labelled(walking(5)))))
    with pytest.raises(FormatError, match=message) as caught:
        load_clip(tmp_path / "a.c3d")
    assert str(caught.value).endswith("a.c3d")


@given(data=st.data())
@settings(deadline=None, max_examples=150)
def test_spoilt_files_never_provoke_anything_but_our_errors(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("markers")
    binary = data.draw(st.booleans())
    if binary:
        raw = bytearray(c3d(labelled(walking(3))))
    else:
        save_clip(walking(3), folder / "s.trc")
        raw = bytearray((folder / "s.trc").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, min(len(raw), 1400) - 1))
        raw[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    path = folder / ("a.c3d" if binary else "a.trc")
    path.write_bytes(raw)
    try:
        clip = load_clip(path)
    except (FormatError, NotHumanoidError):
        return
    assert np.isfinite(clip.rotations).all()
