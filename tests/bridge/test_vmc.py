"""VMC: bytes as OSC and the protocol say, poses the same after out and in."""

from __future__ import annotations

import socket
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinsdk.bridge import AvatarDescriptor, osc
from twinsdk.bridge.vmc import VmcReceiver, VmcSender, unity_bone
from twinsdk.core import quat
from twinsdk.core.frame import TrackingState, TwinFrame
from twinsdk.core.humanoid import HUMANOID_NAMES, humanoid_skeleton
from twinsdk.core.pose import Pose, rest_pose
from twinsdk.core.skeleton import Skeleton
from twinsdk.errors import EndpointError, SkeletonMismatchError, UsageError, WireError

HUMANOID = humanoid_skeleton()
CANONICAL = AvatarDescriptor(skeleton=HUMANOID, humanoid={name: name for name in HUMANOID_NAMES})


def random_pose(skeleton, seed=5):
    rng = np.random.default_rng(seed)
    turns = rng.normal(size=(len(skeleton), 4))
    return Pose(
        skeleton=skeleton,
        rotations=turns / np.linalg.norm(turns, axis=1, keepdims=True),
        root_translation=[0.3, 1.1, -0.4],
    )


def frame_of(pose, **fields):
    return TwinFrame(avatar_id=0, sequence=1, timestamp_ns=5_000_000_000, pose=pose, **fields)


def rerigged():
    """Return the humanoid under a root joint, with odd rest rotations and no optional joints."""
    left_out = {"chest", "upperChest", "jaw", "leftEye", "rightEye"}
    names = [name for name in HUMANOID_NAMES if name not in left_out]
    above = {"neck": "spine", "leftShoulder": "spine", "rightShoulder": "spine"}
    rng = np.random.default_rng(2)
    rest = rng.normal(size=(len(names) + 1, 4))
    rest /= np.linalg.norm(rest, axis=1, keepdims=True)
    world = {name: HUMANOID.rest_world()[1][HUMANOID.joint(name)] for name in names}
    parents, translations, rotations = [-1], [[0, 0, 0]], [rest[0]]
    for i, name in enumerate(names):
        up = above.get(name, HUMANOID.parent(name))
        p = 0 if up is None else 1 + names.index(up)
        here = np.zeros(3) if up is None else world[up]
        parents.append(p)
        translations.append(quat.rotate(quat.conjugate(rest[p]), world[name] - here))
        rotations.append(quat.multiply(quat.conjugate(rest[p]), rest[i + 1]))
    skeleton = Skeleton(
        names=("Armature", *(f"J_{name}" for name in names)),
        parents=parents,
        rest_translations=np.array(translations),
        rest_rotations=np.array(rotations),
    )
    return AvatarDescriptor(skeleton=skeleton, humanoid={f"J_{name}": name for name in names})


def parse(datagrams):
    """Return (address, arguments) of all messages, by a reader of its own."""
    found = []

    def string(data, at):
        end = data.index(b"\0", at)
        return data[at:end].decode(), (end // 4 + 1) * 4

    for datagram in datagrams:
        assert datagram[:16] == b"#bundle\0" + bytes(7) + b"\1"
        at = 16
        while at < len(datagram):
            (size,) = struct.unpack_from(">i", datagram, at)
            data = datagram[at + 4 : at + 4 + size]
            at += 4 + size
            assert size % 4 == 0
            address, place = string(data, 0)
            tags, place = string(data, place)
            arguments = []
            for tag in tags[1:]:
                if tag == "s":
                    value, place = string(data, place)
                else:
                    (value,) = struct.unpack_from(">" + tag, data, place)
                    place += 4
                arguments.append(value)
            assert place == size
            found.append((address, arguments))
    return found


def test_the_bytes_of_a_message_are_those_of_the_osc_specification():
    # The example of the specification's page: "/oscillator/4/frequency" with 440.0.
    expected = bytes.fromhex("2f6f7363696c6c61746f722f342f6672657175656e6379002c66000043dc0000")
    assert osc.message("/oscillator/4/frequency", 440.0) == expected
    # The second one: "/foo" with 1000, -1, "hello", 1.234, 5.678.
    expected = bytes.fromhex(
        "2f666f6f000000002c6969736666 0000 000003e8ffffffff68656c6c6f0000003f9df3b640b5b22d"
    )
    assert osc.message("/foo", 1000, -1, "hello", 1.234, 5.678) == expected


def test_a_frame_is_complete_and_no_datagram_is_too_long():
    with VmcSender("127.0.0.1:9", avatar=CANONICAL) as sender:
        datagrams = sender.datagrams(frame_of(random_pose(HUMANOID), expressions=np.ones(52)))
    assert max(len(datagram) for datagram in datagrams) <= 1200
    found = parse(datagrams)
    assert found[0] == ("/VMC/Ext/OK", [1, 3, 0, 1])
    assert found[1] == ("/VMC/Ext/T", [0.0])
    assert found[2] == ("/VMC/Ext/Root/Pos", ["root", 0, 0, 0, 0, 0, 0, 1])
    bones = {arguments[0] for address, arguments in found if address == "/VMC/Ext/Bone/Pos"}
    assert len(bones) == 55
    assert {"Hips", "LeftThumbProximal", "LeftThumbIntermediate", "RightLittleDistal"} <= bones
    blends = [arguments for address, arguments in found if address == "/VMC/Ext/Blend/Val"]
    assert len(blends) == 52
    assert blends[0] == ["eyeBlinkLeft", 1.0]
    assert found[-1] == ("/VMC/Ext/Blend/Apply", [])


def test_the_t_pose_is_the_identity_for_any_rig():
    avatar = rerigged()
    with VmcSender("127.0.0.1:9", avatar=avatar) as sender:
        found = parse(sender.datagrams(frame_of(rest_pose(avatar.skeleton))))
    bones = [arguments for address, arguments in found if address == "/VMC/Ext/Bone/Pos"]
    for name, *numbers in bones:
        np.testing.assert_allclose(np.abs(numbers[3:]), [0, 0, 0, 1], atol=1e-5, err_msg=name)
    hips = next(numbers for name, *numbers in bones if name == "Hips")
    np.testing.assert_allclose(hips[:3], [0, 0.935, 0], atol=1e-5)


def test_a_left_elbow_bent_by_hand_bends_in_unitys_axes():
    # Their left forearm turned 90 degrees about +Y in ours; Unity's handedness flips the sign of y.
    bent = np.array(HUMANOID.rest_rotations)
    half = np.sqrt(0.5)
    bent[HUMANOID.joint("leftLowerArm")] = [0, half, 0, half]
    pose = Pose(skeleton=HUMANOID, rotations=bent, root_translation=HUMANOID.rest_translations[0])
    with VmcSender("127.0.0.1:9", avatar=CANONICAL) as sender:
        found = parse(sender.datagrams(frame_of(pose)))
    arm = next(a for address, a in found if address.endswith("Bone/Pos") and a[0] == "LeftLowerArm")
    np.testing.assert_allclose(arm[4:], [0, -half, 0, half], atol=1e-6)
    # Their left is -x in Unity, where the avatar faces +z too.
    np.testing.assert_allclose(arm[1:4], [-(0.452 - 0.175), 0, 0], atol=1e-6)


def ours_through_vmc(avatar, pose, **fields):
    with VmcReceiver("127.0.0.1:0") as receiver:
        with VmcSender(f"127.0.0.1:{receiver.port}", avatar=avatar) as sender:
            sender.send(frame_of(pose, **fields))
        return receiver.recv(5)


def test_a_pose_comes_back_the_same_on_the_canonical_skeleton():
    weights = np.linspace(0, 1, 52)
    pose = random_pose(HUMANOID)
    back = ours_through_vmc(CANONICAL, pose, expressions=weights)
    assert quat.angle(back.pose.rotations, pose.rotations).max() < 2e-3  # radians, float32
    np.testing.assert_allclose(back.pose.root_translation, pose.root_translation, atol=1e-6)
    np.testing.assert_allclose(back.expressions, weights, atol=1e-6)
    assert back.state is TrackingState.TRACKING
    assert back.joint_confidence.min() == 1


def test_an_avatar_of_another_rig_shows_the_same_turns_from_rest():
    avatar = rerigged()
    pose = random_pose(avatar.skeleton)
    back = ours_through_vmc(avatar, pose)
    world, rest = pose.world()[0], avatar.skeleton.rest_world()[0]
    ours = back.pose.world()[0]
    for joint, role in avatar.humanoid.items():
        j = avatar.skeleton.joint(joint)
        turned = quat.multiply(world[j], quat.conjugate(rest[j]))
        assert quat.angle(ours[HUMANOID.joint(role)], turned) < 4e-3, role
    assert back.state is TrackingState.PARTIAL
    assert back.joint_confidence[HUMANOID.joint("chest")] == 0


def test_frames_end_where_the_time_changes_and_each_comes_once():
    with VmcReceiver("127.0.0.1:0") as receiver:
        with VmcSender(f"127.0.0.1:{receiver.port}", avatar=CANONICAL) as sender:
            poses = [random_pose(HUMANOID, seed) for seed in range(3)]
            frames = []
            for pose in poses:
                sender.send(frame_of(pose))
                frames.append(receiver.recv(5))
        assert receiver.recv(0.05) is None
    assert [frame.sequence for frame in frames] == [1, 2, 3]
    for frame, pose in zip(frames, poses, strict=True):
        assert quat.angle(frame.pose.rotations, pose.rotations).max() < 2e-3


def test_presets_are_sent_and_read():
    weights = np.zeros(52)
    weights[17] = 0.5  # jawOpen
    with VmcReceiver("127.0.0.1:0") as receiver:
        place = f"127.0.0.1:{receiver.port}"
        with VmcSender(place, avatar=CANONICAL, expressions="vrm0") as sender:
            sender.send(frame_of(rest_pose(HUMANOID), expressions=weights))
        frame = receiver.recv(5)
    assert frame.expressions[17] == 0.5
    assert frame.expressions.sum() == 0.5


@settings(deadline=None, max_examples=300)
@given(
    noise=st.binary(max_size=80),
    start=st.sampled_from([b"", b"/VMC\0\0\0\0,f\0\0", b"#bundle\0" + bytes(8)]),
)
def test_noise_is_refused_in_words_or_read(noise, start):
    try:
        list(osc.messages(start + noise))
    except WireError:
        return


def test_malformed_datagrams_are_counted_and_the_next_frame_still_comes():
    with VmcReceiver("127.0.0.1:0") as receiver:
        place = ("127.0.0.1", receiver.port)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as raw:
            for bad in (
                b"hello",
                b"#bundle\0" + bytes(8) + b"\xff\xff\xff\xff",
                osc.message("/VMC/Ext/Bone/Pos", "Hips", 1.0),
                osc.message("/VMC/Ext/Bone/Pos", "Hips", *[float("nan")] * 7),
                osc.message("/VMC/Ext/Bone/Pos", "Hips", *[0.0] * 7),
            ):
                raw.sendto(bad, place)
            with VmcSender(f"127.0.0.1:{receiver.port}", avatar=CANONICAL) as sender:
                sender.send(frame_of(rest_pose(HUMANOID)))
        assert receiver.recv(5) is not None
        assert receiver.malformed == 5


def test_bad_addresses_and_poses_are_refused_in_words(descriptor_of_size):
    with pytest.raises(EndpointError, match="expected HOST:PORT"):
        VmcSender("39539", avatar=CANONICAL)
    with pytest.raises(UsageError, match="arkit or vrm0"):
        VmcSender("127.0.0.1:9", avatar=CANONICAL, expressions="vrm1")
    with (
        VmcReceiver("127.0.0.1:0") as receiver,
        pytest.raises(EndpointError, match="cannot listen"),
    ):
        VmcReceiver(f"127.0.0.1:{receiver.port}")
    with VmcSender("127.0.0.1:9", avatar=CANONICAL) as sender, pytest.raises(SkeletonMismatchError):
        sender.send(frame_of(random_pose(descriptor_of_size(4).skeleton)))


def test_unity_names_are_one_to_one():
    assert len({unity_bone(name) for name in HUMANOID_NAMES}) == 55
    assert unity_bone("leftThumbMetacarpal") == "LeftThumbProximal"
    assert unity_bone("leftThumbDistal") == "LeftThumbDistal"
    assert unity_bone("leftIndexProximal") == "LeftIndexProximal"
