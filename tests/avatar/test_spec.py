"""AvatarSpec: what a person may ask for, and how it travels as JSON."""

import json

import pytest

from twinsdk.avatar import AvatarSpec, Colors
from twinsdk.errors import AvatarError, FileMissingError


def test_a_spec_survives_json():
    spec = AvatarSpec(
        height_m=1.81,
        gender=0.9,
        local={"nose/nose-hump-incr": 0.4},
        colors=Colors(skin="#8a5a3c", lips="#7a3b3b"),
        name="Zoë",
        consent="letter of 3 May",
    )
    assert AvatarSpec.from_json(spec.to_json()) == spec


def test_a_spec_survives_a_file_with_an_odd_name(tmp_path):
    path = tmp_path / "zoë’s spec.json"
    AvatarSpec(seed=99).save(path)
    assert AvatarSpec.load(path) == AvatarSpec(seed=99)


def test_what_json_leaves_out_takes_the_default():
    assert AvatarSpec.from_json('{"seed": 3}') == AvatarSpec(seed=3)


def test_equal_specs_have_equal_digests_and_others_differ():
    assert AvatarSpec(seed=3).digest() == AvatarSpec(seed=3).digest()
    assert AvatarSpec(seed=3).digest() != AvatarSpec(seed=4).digest()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("height_m", 3.0),
        ("height_m", "tall"),
        ("height_m", float("nan")),
        ("gender", 1.01),
        ("age_years", 3),
        ("weight", True),
        ("seed", -1),
        ("seed", 1.5),
        ("style", "naked"),
        ("hair", "mohawk"),
        ("name", " "),
        ("commercial_usage", "yes"),
        ("local", {"nose/nose-hump-incr": 2.0}),
        ("local", [1]),
        ("colors", {"skin": "beige"}),
        ("colors", {"scales": "#00ff00"}),
        ("version", 2),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(field, value):
    with pytest.raises(AvatarError, match=field):
        AvatarSpec(**{field: value})


def test_an_unknown_key_is_refused_with_those_there_are():
    with pytest.raises(AvatarError, match=r"unknown \['heigth_m'\].*height_m"):
        AvatarSpec.from_json(json.dumps({"heigth_m": 1.7}))


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '"casual"'])
def test_text_that_is_no_json_object_is_refused(text):
    with pytest.raises(AvatarError, match="expected"):
        AvatarSpec.from_json(text)


def test_a_missing_or_binary_file_is_named(tmp_path):
    with pytest.raises(FileMissingError, match="nowhere"):
        AvatarSpec.load(tmp_path / "nowhere.json")
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\xff\xfe\x00{")
    with pytest.raises(AvatarError, match=r"binary\.json"):
        AvatarSpec.load(binary)


def test_all_regional_shares_zero_is_refused():
    with pytest.raises(AvatarError, match="african"):
        AvatarSpec(african=0, asian=0, caucasian=0)
