"""Write the golden messages; see README.md. Needs flatbuffers and the generated code alone."""

from __future__ import annotations

import hashlib
import importlib.util
import math
import struct
import sys
from pathlib import Path

import flatbuffers

HERE = Path(__file__).parent
GENERATED = HERE.parents[2] / "twinsdk" / "bridge" / "_generated" / "twin_generated.py"

SESSION, AVATAR, SEQUENCE = 0x0123456789ABCDEF, 7, 4_000_000_001
T_CAPTURE, T_SEND = 1_000_000_000_123, 1_000_000_456_789
CONFIDENCE, STATE = 0.75, 1
ROOT = (0.125, 0.9375, -0.25)
# Squares that sum to one, each with another largest component or sign.
ROTATIONS = [
    (0.0, 0.0, 0.0, 1.0),
    (0.1, 0.1, -0.7, 0.7),
    (-0.9, 0.3, 0.3, 0.1),
    (0.1, -0.9, -0.3, 0.3),
    (0.5, -0.5, 0.5, -0.5),
    (0.1, 0.7, 0.1, -0.7),
]
EXPRESSIONS = [i / 51 for i in range(52)]
JOINT_CONFIDENCE = [0, 51, 102, 153, 204, 255]
NAMES = ["hips", "spine", "head", "leftUpperLeg", "rightUpperLeg", "Schwanz ö"]
ROLES = ["hips", "spine", "head", "leftUpperLeg", "rightUpperLeg", ""]
PARENTS = [-1, 0, 1, 0, 0, 0]
PLACES = [(0, 1, 0), (0, 0.25, 0), (0, 0.5, 0), (0.125, 0, 0), (-0.125, 0, 0), (0, 0, -0.25)]
TURNS = [(0, 0, 0, 1)] * 5 + [(0.5, 0.5, 0.5, 0.5)]
MORPHS = ["jawOpen", "tail wag"]
FILE_HASH, FILE_BYTES = hashlib.sha256(b"glTF").digest(), 4


def generated():
    spec = importlib.util.spec_from_file_location("twin_generated", GENERATED)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


fb = generated()


def expression_names() -> list[str]:
    """Return e0 ... e51: the wire carries whatever names the descriptor lists."""
    return [f"e{i}" for i in range(52)]


def descriptor_hash() -> int:
    data = b"twin descriptor 1"
    for words in (NAMES, ROLES, expression_names(), MORPHS):
        data += struct.pack("<I", len(words))
        for word in words:
            data += struct.pack("<H", len(word.encode())) + word.encode()
    data += struct.pack("<6h", *PARENTS)
    data += struct.pack("<18f", *[x for place in PLACES for x in place])
    data += struct.pack("<24f", *[x for turn in TURNS for x in turn])
    return struct.unpack("<Q", hashlib.sha256(data).digest()[:8])[0]


def smallest_three(q: tuple[float, ...], steps: int) -> tuple[int, list[int]]:
    dropped = max(range(4), key=lambda i: (abs(q[i]), -i))
    sign = -1 if q[dropped] < 0 else 1
    kept = [sign * q[i] for i in range(4) if i != dropped]
    return dropped, [math.floor((v / math.sqrt(2) + 0.5) * steps + 0.5) for v in kept]


def restored(dropped: int, stored: list[int], steps: int) -> list[float]:
    kept = [(s / steps - 0.5) * math.sqrt(2) for s in stored]
    rest = math.sqrt(max(0.0, 1 - sum(v * v for v in kept)))
    return [*kept[:dropped], rest, *kept[dropped:]]


def numbers(builder, start, prepend, values):
    start(builder, len(values))
    for value in reversed(values):
        prepend(value)
    return builder.EndVector()


def pose(codec: int) -> tuple[bytes, list[list[float]], list[float]]:
    b = flatbuffers.Builder(256)
    if codec == 0:
        rotations, decoded = [x for q in ROTATIONS for x in q], [list(q) for q in ROTATIONS]
        r = numbers(b, fb.PoseFrameStartRotationsF32Vector, b.PrependFloat32, rotations)
        e = numbers(b, fb.PoseFrameStartExpressionsF32Vector, b.PrependFloat32, EXPRESSIONS)
        weights = EXPRESSIONS
    else:
        steps = 32767 if codec == 1 else 1023
        packed = [smallest_three(q, steps) for q in ROTATIONS]
        decoded = [restored(*entry, steps) for entry in packed]
        if codec == 1:
            words = [
                word
                for k, (a, c, d) in packed
                for word in (a | (k >> 1) << 15, c | (k & 1) << 15, d)
            ]
            r = numbers(b, fb.PoseFrameStartRotations48Vector, b.PrependUint16, words)
        else:
            words = [k << 30 | a << 20 | c << 10 | d for k, (a, c, d) in packed]
            r = numbers(b, fb.PoseFrameStartRotations32Vector, b.PrependUint32, words)
        stored = [math.floor(x * 255 + 0.5) for x in EXPRESSIONS]
        e = numbers(b, fb.PoseFrameStartExpressionsU8Vector, b.PrependUint8, stored)
        weights = [s / 255 for s in stored]
    c = numbers(b, fb.PoseFrameStartJointConfidenceVector, b.PrependUint8, JOINT_CONFIDENCE)
    fb.PoseFrameStart(b)
    fb.PoseFrameAddSession(b, SESSION)
    fb.PoseFrameAddAvatar(b, AVATAR)
    fb.PoseFrameAddSequence(b, SEQUENCE)
    fb.PoseFrameAddTCaptureNs(b, T_CAPTURE)
    fb.PoseFrameAddTSendNs(b, T_SEND)
    fb.PoseFrameAddDescriptor(b, descriptor_hash())
    fb.PoseFrameAddState(b, STATE)
    fb.PoseFrameAddConfidence(b, CONFIDENCE)
    fb.PoseFrameAddRoot(b, fb.CreateVec3(b, *ROOT))
    add = (fb.PoseFrameAddRotationsF32, fb.PoseFrameAddRotations48, fb.PoseFrameAddRotations32)
    add[codec](b, r)
    (fb.PoseFrameAddExpressionsU8 if codec else fb.PoseFrameAddExpressionsF32)(b, e)
    fb.PoseFrameAddJointConfidence(b, c)
    b.Finish(fb.PoseFrameEnd(b), file_identifier=b"TWNP")
    prefix = b"TWN\x01" + struct.pack("<IIHH", AVATAR, SEQUENCE, 0, codec)
    return prefix + bytes(b.Output()), decoded, weights


def pose_facts(codec: int, decoded: list[list[float]], weights: list[float]) -> list[str]:
    return [
        f"codec {codec}",
        f"session {SESSION}",
        f"avatar {AVATAR}",
        f"sequence {SEQUENCE}",
        f"t_capture_ns {T_CAPTURE}",
        f"t_send_ns {T_SEND}",
        f"descriptor {descriptor_hash()}",
        f"state {STATE}",
        f"confidence {CONFIDENCE}",
        "root " + " ".join(f"{x:.9g}" for x in ROOT),
        *("rotation " + " ".join(f"{x:.9g}" for x in q) for q in decoded),
        "expressions " + " ".join(f"{x:.9g}" for x in weights),
        "joint_confidence " + " ".join(f"{x / 255:.9g}" for x in JOINT_CONFIDENCE),
    ]


def envelope(builder, kind: int, body: int) -> bytes:
    fb.EnvelopeStart(builder)
    fb.EnvelopeAddBodyType(builder, kind)
    fb.EnvelopeAddBody(builder, body)
    builder.Finish(fb.EnvelopeEnd(builder), file_identifier=b"TWNS")
    return bytes(builder.Output())


def descriptor() -> tuple[bytes, list[str]]:
    b = flatbuffers.Builder(256)
    joints = []
    for name, role, parent, place, turn in zip(NAMES, ROLES, PARENTS, PLACES, TURNS, strict=True):
        n = b.CreateString(name)
        r = b.CreateString(role) if role else None
        fb.JointStart(b)
        fb.JointAddName(b, n)
        fb.JointAddParent(b, parent)
        fb.JointAddTranslation(b, fb.CreateVec3(b, *place))
        fb.JointAddRotation(b, fb.CreateQuat(b, *turn))
        if r is not None:
            fb.JointAddRole(b, r)
        joints.append(fb.JointEnd(b))
    e = [b.CreateString(name) for name in expression_names()]
    m = [b.CreateString(name) for name in MORPHS]
    add = b.PrependUOffsetTRelative
    j = numbers(b, fb.AvatarDescriptorStartJointsVector, add, joints)
    e = numbers(b, fb.AvatarDescriptorStartExpressionsVector, add, e)
    m = numbers(b, fb.AvatarDescriptorStartMorphsVector, add, m)
    n = b.CreateString("golden")
    fb.AvatarDescriptorStart(b)
    fb.AvatarDescriptorAddHash(b, descriptor_hash())
    fb.AvatarDescriptorAddName(b, n)
    fb.AvatarDescriptorAddJoints(b, j)
    fb.AvatarDescriptorAddExpressions(b, e)
    fb.AvatarDescriptorAddMorphs(b, m)
    fb.AvatarDescriptorAddAxes(b, 1)
    facts = [f"hash {descriptor_hash()}", "name golden", "axes 1"]
    for name, role, parent, place, turn in zip(NAMES, ROLES, PARENTS, PLACES, TURNS, strict=True):
        facts += [
            f"joint {name}",
            f"parent {parent}",
            f"role {role}".rstrip(),
            "translation " + " ".join(f"{x:.9g}" for x in place),
            "rest_rotation " + " ".join(f"{x:.9g}" for x in turn),
        ]
    facts += [f"expression {name}" for name in expression_names()]
    facts += [f"morph {name}" for name in MORPHS]
    return envelope(b, fb.Body.AvatarDescriptor, fb.AvatarDescriptorEnd(b)), facts


def hello() -> tuple[bytes, list[str]]:
    b = flatbuffers.Builder(64)
    client = b.CreateString("golden client 1.2 ö")
    codecs = numbers(b, fb.HelloStartCodecsVector, b.PrependUint16, [0, 1, 2])
    fb.HelloStart(b)
    fb.HelloAddClient(b, client)
    fb.HelloAddVersionMin(b, 1)
    fb.HelloAddVersionMax(b, 3)
    fb.HelloAddCodecs(b, codecs)
    facts = ["client golden client 1.2 ö", "version_min 1", "version_max 3", "codecs 0 1 2"]
    return envelope(b, fb.Body.Hello, fb.HelloEnd(b)), facts


def welcome(newest: bytes) -> tuple[bytes, list[str]]:
    b = flatbuffers.Builder(256)
    entries = []
    for avatar, message in ((AVATAR, newest), (8, None)):
        n = b.CreateByteVector(message) if message else None
        f = b.CreateByteVector(FILE_HASH)
        fb.AvatarEntryStart(b)
        fb.AvatarEntryAddAvatar(b, avatar)
        fb.AvatarEntryAddDescriptor(b, descriptor_hash())
        if n is not None:
            fb.AvatarEntryAddNewest(b, n)
            fb.AvatarEntryAddFile(b, f)
            fb.AvatarEntryAddFileBytes(b, FILE_BYTES)
        entries.append(fb.AvatarEntryEnd(b))
    avatars = numbers(b, fb.WelcomeStartAvatarsVector, b.PrependUOffsetTRelative, entries)
    endpoint = b.CreateString("tcp://192.168.0.7:5555")
    fb.WelcomeStart(b)
    fb.WelcomeAddVersion(b, 1)
    fb.WelcomeAddSession(b, SESSION)
    fb.WelcomeAddPoseEndpoint(b, endpoint)
    fb.WelcomeAddCodec(b, 1)
    fb.WelcomeAddAvatars(b, avatars)
    fb.WelcomeAddNowNs(b, T_SEND)
    facts = [
        "version 1",
        f"session {SESSION}",
        "pose_endpoint tcp://192.168.0.7:5555",
        "codec 1",
        f"now_ns {T_SEND}",
        f"entry {AVATAR} {descriptor_hash()} {len(newest)}",
        f"entry 8 {descriptor_hash()} 0",
        f"file {AVATAR} {FILE_HASH.hex()} {FILE_BYTES}",
    ]
    return envelope(b, fb.Body.Welcome, fb.WelcomeEnd(b)), facts


def small() -> dict[str, tuple[bytes, list[str]]]:
    made = {}
    b = flatbuffers.Builder(64)
    reason = b.CreateString("no")
    fb.RefusalStart(b)
    fb.RefusalAddReason(b, reason)
    made["refusal"] = (envelope(b, fb.Body.Refusal, fb.RefusalEnd(b)), ["reason no"])
    b = flatbuffers.Builder(64)
    fb.DescriptorRequestStart(b)
    fb.DescriptorRequestAddHash(b, descriptor_hash())
    body = fb.DescriptorRequestEnd(b)
    made["request"] = (
        envelope(b, fb.Body.DescriptorRequest, body), [f"hash {descriptor_hash()}"],
    )  # fmt: skip
    b = flatbuffers.Builder(64)
    fb.PingStart(b)
    fb.PingAddT0Ns(b, T_CAPTURE)
    made["ping"] = (envelope(b, fb.Body.Ping, fb.PingEnd(b)), [f"t0_ns {T_CAPTURE}"])
    b = flatbuffers.Builder(64)
    fb.PongStart(b)
    fb.PongAddT0Ns(b, T_CAPTURE)
    fb.PongAddT1Ns(b, -5)
    fb.PongAddT2Ns(b, T_SEND)
    made["pong"] = (
        envelope(b, fb.Body.Pong, fb.PongEnd(b)),
        [f"t0_ns {T_CAPTURE}", "t1_ns -5", f"t2_ns {T_SEND}"],
    )
    return made


def chunk() -> tuple[bytes, list[str]]:
    b = flatbuffers.Builder(64)
    data = b.CreateByteVector(b"glTF")
    sha256 = b.CreateByteVector(FILE_HASH)
    fb.FileChunkStart(b)
    fb.FileChunkAddSha256(b, sha256)
    fb.FileChunkAddOffset(b, 0)
    fb.FileChunkAddData(b, data)
    facts = [f"sha256 {FILE_HASH.hex()}", "offset 0", f"data {b'glTF'.hex()}"]
    return envelope(b, fb.Body.FileChunk, fb.FileChunkEnd(b)), facts


def of_later_versions(pose_message: bytes) -> dict[str, tuple[bytes, list[str]]]:
    """Return what this version's readers get from a later minor, and from another major."""
    b = flatbuffers.Builder(64)
    b.StartObject(3)
    b.PrependUint32Slot(2, 7, 0)
    unknown = envelope(b, 99, b.EndObject())
    b = flatbuffers.Builder(64)
    b.StartObject(40)  # a Pong with a field nobody knows yet
    b.PrependUint32Slot(39, 7, 0)
    for slot, value in enumerate((T_CAPTURE, -5, T_SEND)):
        b.PrependInt64Slot(slot, value, 0)
    longer = envelope(b, fb.Body.Pong, b.EndObject())
    clock = [f"t0_ns {T_CAPTURE}", "t1_ns -5", f"t2_ns {T_SEND}"]
    major = pose_message[:3] + b"\x02" + pose_message[4:]
    return {
        "later_kind": (unknown, ["kind 99"]),
        "later_pong": (longer, clock),
        "other_major": (major, ["version 2"]),
    }


def golden() -> dict[str, tuple[bytes, list[str]]]:
    """Return every message and its facts, by name."""
    made = {}
    for codec, name in enumerate(("float32", "packed48", "packed32")):
        message, decoded, weights = pose(codec)
        made[name] = (message, pose_facts(codec, decoded, weights))
    made["descriptor"] = descriptor()
    made["hello"] = hello()
    made["welcome"] = welcome(made["packed48"][0])
    made["chunk"] = chunk()
    return {**made, **small(), **of_later_versions(made["packed48"][0])}


def main(folder: Path) -> None:
    for name, (message, facts) in golden().items():
        (folder / f"{name}.bin").write_bytes(message)
        (folder / f"{name}.txt").write_text("\n".join(facts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
