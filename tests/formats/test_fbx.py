"""FBX: binary and ASCII are one thing, transforms compose as FBX says, damage is refused."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinsdk.core import quat
from twinsdk.errors import FormatError
from twinsdk.formats import fbx, load_clip
from twinsdk.formats.fbx_tree import Record, parse

TICKS = 46_186_158_000


def prop(name, *values):
    return Record("P", [name, "", "", "", *values])


def model(key, name, *properties, kind="LimbNode"):
    table = Record("Properties70", [], list(properties))
    return Record("Model", [key, f"{name}\x00\x01Model", kind], [table])


def curve(key, times, values, *, flags=4, slopes=(0.0, 0.0)):
    count = len(times)
    return Record(
        "AnimationCurve",
        [key, "\x00\x01AnimCurve", ""],
        [
            Record("KeyTime", [np.array([round(t * TICKS) for t in times], "<i8")]),
            Record("KeyValueFloat", [np.array(values, "<f4")]),
            Record("KeyAttrFlags", [np.array([flags], "<i4")]),
            Record("KeyAttrDataFloat", [np.array([*slopes, 0, 0], "<f4")]),
            Record("KeyAttrRefCount", [np.array([count], "<i4")]),
        ],
    )


def link(*values):
    return Record("C", list(values))


def scene(models, links, curves=(), nodes=(), setup=()):
    animated = []
    if curves:
        animated = [
            Record("AnimationStack", [900, "Take\x00\x01AnimStack", ""]),
            Record("AnimationLayer", [901, "Layer\x00\x01AnimLayer", ""]),
            *(Record("AnimationCurveNode", [key, "T\x00\x01AnimCurveNode", ""]) for key in nodes),
            *curves,
        ]
        links = [*links, link("OO", 901, 900), *(link("OO", key, 901) for key in nodes)]
    return [
        Record("GlobalSettings", [], [Record("Properties70", [], list(setup))]),
        Record("Objects", [], [*models, *animated]),
        Record("Connections", [], links),
    ]


def arm(*, properties=(), setup=(), **how):
    """A shoulder at (0, 140, 0) and a hand 60 along +X, the shoulder turning about Z."""
    models = [
        model(1, "shoulder", prop("Lcl Translation", 0.0, 140.0, 0.0), *properties),
        model(2, "hand", prop("Lcl Translation", 60.0, 0.0, 0.0)),
    ]
    links = [link("OO", 1, 0), link("OO", 2, 1), link("OP", 10, 1, "Lcl Rotation"),
             link("OP", 20, 10, "d|Z")]  # fmt: skip
    times, values = how.pop("times", [0, 1]), how.pop("values", [0, 90])
    return scene(models, links, [curve(20, times, values, **how)], [10], setup)


def binary(records, version=7400, *, compress=True):
    wide = version >= 7500
    head = struct.Struct("<QQQB" if wide else "<IIIB")
    out = bytearray(b"Kaydara FBX Binary  \x00\x1a\x00" + struct.pack("<I", version))

    def value(v):
        if isinstance(v, np.ndarray):
            kind = {"<i8": b"l", "<i4": b"i", "<f4": b"f", "<f8": b"d"}[v.dtype.str]
            raw = zlib.compress(v.tobytes()) if compress else v.tobytes()
            return kind + struct.pack("<III", len(v), int(compress), len(raw)) + raw
        if isinstance(v, int):
            return b"L" + struct.pack("<q", v)
        if isinstance(v, float):
            return b"D" + struct.pack("<d", v)
        raw = v.encode()
        return b"S" + struct.pack("<I", len(raw)) + raw

    def write(record):
        start = len(out)
        name = record.name.encode()
        values = b"".join(value(v) for v in record.values)
        out.extend(bytes(head.size) + name + values)
        for child in record.below:
            write(child)
        if record.below:
            out.extend(bytes(head.size))
        packed = head.pack(len(out), len(record.values), len(values), len(name))
        out[start : start + head.size] = packed

    for record in records:
        write(record)
    out.extend(bytes(head.size))
    return bytes(out)


def ascii_(records, version=7400):
    def words(v):
        return f'"{v}"' if isinstance(v, str) else repr(v)

    def lines(record, pad):
        values = record.values
        if values and isinstance(values[0], np.ndarray):
            inner = ",".join(str(x) for x in values[0].tolist())
            yield f"{pad}{record.name}: *{len(values[0])} {{\n{pad}\ta: {inner}\n{pad}}}"
            return
        told = [v.replace("\x00\x01Model", "").replace("\x00\x01", "::") if isinstance(v, str)
                else v for v in values]  # fmt: skip
        yield f"{pad}{record.name}: {', '.join(words(v) for v in told)} {{"
        for child in record.below:
            yield from lines(child, pad + "\t")
        yield f"{pad}}}"

    head = f"; FBX 7.4.0 project file\nFBXHeaderExtension:  {{\n\tFBXVersion: {version}\n}}\n"
    return (head + "\n".join(line for r in records for line in lines(r, ""))).encode()


def save(folder, data):
    (folder / "a.fbx").write_bytes(data)
    return folder / "a.fbx"


@pytest.mark.parametrize(
    "encode",
    [binary, lambda r: binary(r, 7700), lambda r: binary(r, compress=False), ascii_],
)
def test_a_case_worked_by_hand_in_every_encoding(tmp_path, encode):
    clip = load_clip(save(tmp_path, encode(arm())))
    assert clip.skeleton.names == ("shoulder", "hand")
    assert (len(clip), clip.fps) == (31, 30)
    angle = np.radians(3.0 * np.arange(31))
    wanted = np.stack([0.6 * np.cos(angle), 1.4 + 0.6 * np.sin(angle), 0 * angle], 1)
    np.testing.assert_allclose(clip.world()[1][:, 1], wanted, atol=1e-6)


def test_keys_at_every_frame_give_their_frame_rate_and_values(tmp_path):
    values = np.random.default_rng(2).uniform(-90, 90, 25)
    clip = load_clip(save(tmp_path, binary(arm(times=np.arange(25) / 24, values=values))))
    assert (len(clip), clip.fps) == (25, 24)
    turned = 2 * np.degrees(np.arctan2(clip.rotations[:, 0, 2], clip.rotations[:, 0, 3]))
    np.testing.assert_allclose(turned, values, atol=1e-4)


@pytest.mark.parametrize(
    ("how", "wanted"),
    [
        ({"flags": 2}, lambda t: np.where(t < 1, 0, 90)),
        ({"flags": 8, "slopes": (90.0, 90.0)}, lambda t: 90 * t),
        ({"flags": 8, "slopes": (0.0, 0.0)}, lambda t: 90 * (3 * t**2 - 2 * t**3)),
    ],
)
def test_keys_hold_go_straight_or_ease(tmp_path, how, wanted):
    clip = load_clip(save(tmp_path, binary(arm(**how))))
    turned = 2 * np.degrees(np.arctan2(clip.rotations[:, 0, 2], clip.rotations[:, 0, 3]))
    np.testing.assert_allclose(turned, wanted(np.arange(31) / 30), atol=2e-4)


def test_pre_and_post_rotation_pivot_and_order_compose_as_fbx_says(tmp_path):
    rng = np.random.default_rng(4)
    pre, post, turn = rng.uniform(-80, 80, (3, 3))
    pivot, offset, place = rng.uniform(-20, 20, (3, 3))
    models = [
        model(1, "root", prop("Lcl Translation", 0.0, 100.0, 0.0)),
        model(
            2,
            "knee",
            prop("Lcl Translation", *place),
            prop("Lcl Rotation", *turn),
            prop("PreRotation", *pre),
            prop("PostRotation", *post),
            prop("RotationPivot", *pivot),
            prop("RotationOffset", *offset),
            prop("RotationOrder", 3),  # YXZ
        ),
        model(3, "tip", prop("Lcl Translation", 7.0, 30.0, -2.0)),
    ]
    links = [link("OO", 1, 0), link("OO", 2, 1), link("OO", 3, 2)]
    clip = load_clip(save(tmp_path, binary(scene(models, links))))

    def matrix(axis, degrees):
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        i, j = [(1, 2), (2, 0), (0, 1)][axis]
        m = np.eye(3)
        m[i, i], m[j, j], m[i, j], m[j, i] = c, c, -s, s
        return m

    def xyz(a):
        return matrix(2, a[2]) @ matrix(1, a[1]) @ matrix(0, a[0])

    # YXZ turns about Y first, then X, then Z.
    inner = matrix(2, turn[2]) @ matrix(0, turn[0]) @ matrix(1, turn[1])
    full = xyz(pre) @ inner @ np.linalg.inv(xyz(post))
    at = np.array([0, 100, 0]) + place + offset + pivot - full @ pivot
    wanted = np.stack([[0, 100, 0], at, at + full @ [7, 30, -2]]) / 100
    np.testing.assert_allclose(clip.world()[1][0], wanted, atol=1e-6)


def test_the_axes_and_the_unit_a_file_states_are_applied(tmp_path):
    setup = [
        prop("UpAxis", 2), prop("UpAxisSign", 1), prop("FrontAxis", 1), prop("FrontAxisSign", -1),
        prop("CoordAxis", 0), prop("CoordAxisSign", 1), prop("UnitScaleFactor", 2.54),
    ]  # fmt: skip
    file = fbx.read(save(tmp_path, binary(arm(setup=setup))))
    # Z-up, front -Y: (x, y, z) becomes (x, z, -y).
    np.testing.assert_allclose(file.clip.world()[1][0, 0], [0, 0, -1.4 * 2.54], atol=1e-5)
    assert file.unit_reason == "stated by the file"


def test_a_person_of_170_metres_is_taken_for_one_of_170_centimetres_and_said(tmp_path):
    models = [
        model(1, "Armature", prop("Lcl Scaling", 100.0, 100.0, 100.0), kind="Null"),
        model(2, "hips", prop("Lcl Translation", 0.0, 90.0, 0.0)),
        model(3, "hand", prop("Lcl Translation", 90.0, 30.0, 0.0)),
    ]
    links = [link("OO", 2, 1), link("OO", 3, 2)]
    file = fbx.read(save(tmp_path, binary(scene(models, links))))
    np.testing.assert_allclose(file.clip.world()[1][0], [[0, 0.9, 0], [0.9, 1.2, 0]], atol=1e-6)
    assert "as the file states it: 126 m" in file.unit_reason


def test_armatures_above_the_bones_are_baked_in(tmp_path):
    models = [
        model(1, "Armature", prop("Lcl Rotation", -90.0, 0.0, 0.0),
              prop("Lcl Scaling", 100.0, 100.0, 100.0), kind="Null"),
        model(2, "hips", prop("Lcl Translation", 0.0, 0.0, 1.0)),
        model(3, "head", prop("Lcl Translation", 0.0, 0.0, 0.7)),
    ]  # fmt: skip
    clip = load_clip(save(tmp_path, binary(scene(models, [link("OO", 2, 1), link("OO", 3, 2)]))))
    assert clip.skeleton.names == ("hips", "head")
    np.testing.assert_allclose(clip.world()[1][0], [[0, 1, 0], [0, 1.7, 0]], atol=1e-6)


def test_version_6_takes_are_read(tmp_path):
    text = f"""; FBX 6.1.0 project file
FBXHeaderExtension:  {{
    FBXVersion: 6100
}}
Objects:  {{
    Model: "Model::shoulder", "Limb" {{
        Properties60:  {{
            Property: "Lcl Translation", "Lcl Translation", "A+",0,140,0
        }}
    }}
    Model: "Model::hand", "Limb" {{
        Properties60:  {{
            Property: "Lcl Translation", "Lcl Translation", "A+",60,0,0
        }}
    }}
}}
Connections:  {{
    Connect: "OO", "Model::shoulder", "Model::Scene"
    Connect: "OO", "Model::hand", "Model::shoulder"
}}
Takes:  {{
    Take: "one" {{
        Model: "Model::shoulder" {{
            Channel: "Transform" {{
                Channel: "R" {{
                    Channel: "Z" {{
                        Default: 0
                        KeyVer: 4005
                        KeyCount: 3
                        Key: 0,0,U,s,0,0,n,{TICKS // 2},45,L,{TICKS},90,C,n
                    }}
                }}
            }}
        }}
    }}
}}
"""
    clip = load_clip(save(tmp_path, text.encode()))
    turned = 2 * np.degrees(np.arcsin(clip.rotations[:, 0, 2]))
    np.testing.assert_allclose(turned, 90 * np.arange(31) / 30, atol=1e-4)


def test_a_cycle_of_models_is_refused(tmp_path):
    models = [model(1, "a"), model(2, "b")]
    data = binary(scene(models, [link("OO", 1, 2), link("OO", 2, 1)]))
    with pytest.raises(FormatError, match="cycle"):
        load_clip(save(tmp_path, data))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"solid nonsense", "neither its binary magic"),
        (b"Kaydara FBX Binary  \x00\x1a", "cut off"),
        (binary(arm(), version=5000), "version 6 or 7"),
        (binary(arm())[:300], "reaches past"),
        (ascii_(arm())[:-3], "the file ends inside"),
        (binary(scene([model(1, "m", kind="Mesh")], [])), "expected bones"),
        (b"FBXVersion: 7400\n}", "open brace"),
        (b"FBXVersion: 7400\n" + b"a: {" * 100, "brace|inside"),
    ],
)
def test_malformed_files_are_refused(tmp_path, data, message):
    path = save(tmp_path, data)
    with pytest.raises(FormatError, match=message) as caught:
        load_clip(path)
    assert str(caught.value).endswith(str(path))


def test_an_array_that_claims_more_than_it_inflates_to_is_refused(tmp_path):
    data = bytearray(binary(arm()))
    at = data.index(b"KeyTimel") + 8
    data[at : at + 4] = struct.pack("<I", 400_000_000)
    with pytest.raises(FormatError, match="bytes of array"):
        load_clip(save(tmp_path, bytes(data)))


def test_both_encodings_parse_to_the_same_tree():
    def flat(record):
        for child in record.below:
            yield child.name
            yield from flat(child)

    names = [n for n in flat(parse(ascii_(arm()))[0]) if n not in ("a", "FBXVersion")]
    assert names[1:] == list(flat(parse(binary(arm()))[0]))


@given(data=st.data(), which=st.booleans())
@settings(deadline=None, max_examples=150)
def test_spoilt_files_never_provoke_anything_but_format_errors(tmp_path_factory, data, which):
    folder = tmp_path_factory.mktemp("fbx")
    text = bytearray(binary(arm()) if which else ascii_(arm()))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(20, len(text) - 1))
        text[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    try:
        clip = load_clip(save(folder, bytes(text)))
    except FormatError:
        return
    assert np.isfinite(clip.rotations).all()
    assert quat.angle(clip.rotations, clip.rotations).max() < 1e-3
