"""Headsets and controllers of any runtime become the same joints; what is wrong is said."""

import numpy as np
import pytest

from twinsdk.core import quat
from twinsdk.core.axes import (
    gltf_from_openxr,
    gltf_from_openxr_quat,
    openxr_from_unity,
    openxr_from_unity_quat,
)
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.core.trackers import TRACKER_NAMES
from twinsdk.errors import UsageError, ValueRangeError
from twinsdk.motion.trackers.xr import DevicePose, XrRig
from twinsdk.motion.trackers.xr_check import XrCheck

RIGHT, UP, BACK = np.eye(3)
_, REST = humanoid_skeleton(1.7).rest_world()
JOINTS = {name: REST[humanoid_skeleton(1.7).joint(name)] for name in TRACKER_NAMES}


def axes(x, y, z):
    return quat.from_matrix(np.stack([x, y, z], axis=-1).astype(float))


def grip(*, left, fingers, thumb):
    """Return a grip as the OpenXR specification says: -Z to the thumb, X through the palm.

    X points away from the left palm and into the right one. All in the room's axes.
    """
    fingers, thumb = np.asarray(fingers, float), np.asarray(thumb, float)
    out_of_palm = np.cross(fingers, thumb) * (1 if left else -1)
    x = out_of_palm if left else -out_of_palm
    return axes(x, np.cross(-thumb, x), -thumb)


def t_pose(height=1.7, *, reach=1.0, yaw=0.0, at=(0.0, 0.0, 0.0), tilt=None):
    """Return the devices, OpenXR axes, of somebody facing -Z with arms out and palms down."""
    s = height / 1.7
    turn = quat.from_axis_angle(UP, yaw)
    tilt = quat.IDENTITY if tilt is None else tilt
    span = 0.772 * s * reach
    places = {
        "head": ([0, 1.585 * s, -0.085 * s], quat.IDENTITY.astype(float)),
        "leftHand": (
            [-span, 1.395 * s, 0],
            quat.multiply(grip(left=True, fingers=-RIGHT, thumb=-BACK), tilt),
        ),
        "rightHand": (
            [span, 1.395 * s, 0],
            quat.multiply(grip(left=False, fingers=RIGHT, thumb=-BACK), tilt),
        ),
    }
    return {
        name: DevicePose(
            position=tuple(quat.rotate(turn, np.array(p, float)) + at),
            rotation=tuple(quat.multiply(turn, q)),
        )
        for name, (p, q) in places.items()
    }


def hold(rig, devices, seconds=1.0):
    for _ in range(round(seconds * 60)):
        found = rig.step(devices, 1 / 60)
    return found


def unity(devices):
    """The same devices in Unity's axes, by mirroring depth."""
    return {
        name: DevicePose(
            position=tuple(np.array(d.position) * (1, 1, -1)),
            rotation=tuple(np.array(d.rotation) * (-1, -1, 1, 1)),
        )
        for name, d in devices.items()
    }


def check_t_pose(trackers, height=1.7):
    scale = height / 1.7
    for row, name in enumerate(TRACKER_NAMES[:3]):
        wanted = JOINTS[name] * scale
        np.testing.assert_allclose(trackers.positions[row], wanted, atol=2e-3)
        assert quat.angle(trackers.rotations[row], quat.IDENTITY) < 1e-3, name
    assert trackers.seen.tolist() == [True] * 3 + [False] * 3


def test_a_t_pose_gives_the_joints_of_the_t_pose():
    check_t_pose(hold(XrRig("openxr"), t_pose()))


def test_wherever_the_wearer_stands_and_faces_the_twin_begins_at_home_facing_ahead():
    check_t_pose(hold(XrRig("webxr"), t_pose(yaw=1.9, at=(3, 0, -2))))


def test_unity_and_openxr_give_the_same_joints():
    check_t_pose(hold(XrRig("unity"), unity(t_pose(yaw=0.4))))


@pytest.mark.parametrize("height", [1.4, 1.95])
def test_height_is_read_from_the_eyes(height):
    rig = XrRig()
    trackers = hold(rig, t_pose(height))
    assert rig.calibration.height_m == pytest.approx(height, abs=1e-6)
    assert rig.calibration.measured
    check_t_pose(trackers, height)


def test_arms_shorter_than_the_skeletons_reach_its_hands_all_the_same():
    trackers = hold(XrRig(), t_pose(reach=0.92))
    np.testing.assert_allclose(trackers.positions[1, 0], JOINTS["leftHand"][0], atol=0.02)


def test_controllers_held_askew_are_straightened_by_the_t_pose():
    tilt = quat.from_axis_angle(RIGHT, 0.5)
    check = hold(XrRig(), t_pose(tilt=tilt))
    for row in (1, 2):
        assert quat.angle(check.rotations[row], quat.IDENTITY) < 1e-3


def test_hands_that_hang_are_no_t_pose_and_are_told_so():
    devices = t_pose()
    down = {
        **devices,
        "leftHand": DevicePose(position=(-0.2, 0.8, 0), rotation=devices["leftHand"].rotation),
    }
    rig = XrRig()
    hold(rig, down)
    assert not rig.calibration.measured
    with pytest.raises(ValueRangeError, match="level"):
        rig.calibrate(down)
    with pytest.raises(ValueRangeError, match="rightHand is missing"):
        rig.calibrate({name: devices[name] for name in ("head", "leftHand")})
    assert rig.calibrate(devices).measured


def test_turning_the_head_turns_the_head_joint_about_its_neck():
    devices = t_pose()
    rig = XrRig()
    hold(rig, devices)
    turn = quat.from_axis_angle(UP, 0.7)  # to the wearer's left
    eyes = np.array([0, 1.585, 0]) + quat.rotate(turn, np.array([0, 0, -0.085]))
    moved = {**devices, "head": DevicePose(position=tuple(eyes), rotation=tuple(turn))}
    trackers = rig.step(moved, 1 / 60)
    np.testing.assert_allclose(trackers.positions[0], JOINTS["head"], atol=2e-3)
    ahead = quat.rotate(trackers.rotations[0].astype(float), np.array([0.0, 0, 1]))
    assert ahead[0] > 0.6  # our +X is the left


def test_axes_keep_lengths_and_handedness_or_change_it_where_they_should():
    rng = np.random.default_rng(0)
    points, q = rng.normal(size=(2, 3)), quat.normalize(rng.normal(size=4))
    for move, turn in (
        (gltf_from_openxr, gltf_from_openxr_quat),
        (openxr_from_unity, openxr_from_unity_quat),
    ):
        np.testing.assert_allclose(
            move(quat.rotate(q, points[0])), quat.rotate(turn(q), move(points[0])), atol=1e-12
        )
        np.testing.assert_allclose(move(move(points)), points)


def test_devices_that_are_nan_or_unknown_are_not_seen():
    nan = float("nan")
    devices = {**t_pose(), "leftHand": DevicePose(position=(nan, 0, 0), rotation=(0, 0, 0, 1))}
    devices["tail"] = devices["head"]
    assert XrRig().step(devices, 0.01).seen.tolist() == [True, False, True, False, False, False]
    assert not XrRig().step({}, 0.01).seen.any()


def test_another_convention_or_height_is_refused():
    with pytest.raises(UsageError, match="openxr"):
        XrRig("maya")
    with pytest.raises(ValueRangeError, match="height_m"):
        XrRig(height_m=17.0)


# --- what is wrong ---------------------------------------------------------------------------


def gesturing(frame):
    """Return devices of somebody with hands before the chest."""
    s = np.sin(frame / 9)
    grip_of = {True: axes(RIGHT, UP, BACK), False: axes(RIGHT, UP, BACK)}
    return {
        "head": DevicePose(position=(0.02 * s, 1.6 + 0.04 * s, 0.0), rotation=(0, 0, 0, 1)),
        "leftHand": DevicePose(
            position=(-0.25, 1.1 + 0.2 * s, -0.35), rotation=tuple(grip_of[True])
        ),
        "rightHand": DevicePose(
            position=(0.25, 1.1 - 0.2 * s, -0.35), rotation=tuple(grip_of[False])
        ),
    }


def fault(change=lambda d: d, convention="openxr"):
    check = XrCheck(convention)
    for frame in range(90):
        check.add(change(gesturing(frame)))
    return check.fault()


def moved(devices, factor, names=("head", "leftHand", "rightHand")):
    return {
        name: DevicePose(
            position=tuple(np.array(d.position) * (factor if name in names else 1)),
            rotation=d.rotation,
        )
        for name, d in devices.items()
    }


def test_good_devices_have_no_fault_in_either_convention():
    assert fault() is None
    assert fault(unity, "unity") is None


def test_swapped_controllers_are_found():
    found = fault(lambda d: {**d, "leftHand": d["rightHand"], "rightHand": d["leftHand"]})
    assert "swapped" in found


def test_unitys_axes_taken_for_openxrs_are_found():
    assert "mirrored" in fault(unity)


def test_centimetres_and_a_missing_floor_are_found():
    assert "centimetres" in fault(lambda d: moved(d, 100.0))
    low = fault(
        lambda d: {
            n: DevicePose(position=tuple(np.array(p.position) - (0, 1.6, 0)), rotation=p.rotation)
            for n, p in d.items()
        }
    )
    assert "local-floor" in low


def test_missing_devices_are_named():
    assert "no headset" in fault(lambda d: {"leftHand": d["leftHand"]})
    assert "controllers" in fault(lambda d: {"head": d["head"]})
    assert "only 0 poses" in XrCheck().fault()
    still = gesturing(0)["leftHand"]
    assert "leftHand does not move" in fault(lambda d: {**d, "leftHand": still})
