"""What a VRM carries beyond geometry comes through; a second round trip changes nothing."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest

from twinsdk.core import quat
from twinsdk.formats import load_avatar, save_avatar

CONSTRAINT = {"specVersion": "1.0", "constraint": {"roll": {"source": 2, "rollAxis": "X"}}}


def document(path):
    data = path.read_bytes()
    (length,) = struct.unpack_from("<I", data, 12)
    return json.loads(data[20 : 20 + length])


def there_and_back(path, tmp_path):
    save_avatar(load_avatar(path), tmp_path / "b.vrm")
    return document(tmp_path / "b.vrm")


def node_of(raw, name):
    return next(i for i, node in enumerate(raw["nodes"]) if node.get("name") == name)


@pytest.fixture
def rich(kit, tmp_path):
    """A VRM 1.0 with springs, a constraint, unknown extensions and extras everywhere."""
    sketch = kit.Sketch.person(version=1)
    raw = sketch.json
    hair, tip = len(raw["nodes"]), len(raw["nodes"]) + 1
    head = node_of(raw, "head")
    raw["nodes"] += [
        {"name": "hair", "translation": [0, 0.1, -0.1], "children": [tip]},
        {"name": "tip", "translation": [0, -0.1, 0]},
    ]
    raw["nodes"][head].setdefault("children", []).append(hair)
    raw["nodes"][head]["extras"] = {"made by": "hand"}
    raw["nodes"][3]["extensions"] = {
        "VRMC_node_constraint": CONSTRAINT,
        "EXT_mark": {"words": ["a", "b"], "weight": 0.5},
        "EXT_pointer": {"mesh": 0},
    }
    raw["extensions"]["VRMC_springBone"] = {
        "specVersion": "1.0",
        "colliders": [{"node": head, "shape": {"sphere": {"offset": [0, 0, 0], "radius": 0.1}}}],
        "colliderGroups": [{"colliders": [0]}],
        "springs": [
            {
                "joints": [{"node": hair, "stiffness": 0.7}, {"node": tip}],
                "colliderGroups": [0],
                "center": 0,
            }
        ],
    }
    raw["extensions"]["EXT_credits"] = {"people": ["A"], "years": [2024, 2025]}
    raw["extensions"]["EXT_paths"] = {"start": {"node": 4}}
    raw["materials"] = [{"name": "cloth"}]
    raw["meshes"][0]["primitives"][0]["material"] = 0
    vrm = raw["extensions"]["VRMC_vrm"]
    figure = vrm["expressions"]["preset"]["aa"]["morphTargetBinds"][0]["node"]
    vrm["firstPerson"] = {"meshAnnotations": [{"node": figure, "type": "thirdPersonOnly"}]}
    vrm["lookAt"] = {"type": "bone", "offsetFromHeadBone": [0, 0.07, 0.01]}
    vrm["expressions"]["preset"]["aa"] |= {
        "isBinary": True,
        "overrideBlink": "blend",
        "materialColorBinds": [{"material": 0, "type": "color", "targetValue": [1, 0, 0, 1]}],
    }
    return sketch.save(tmp_path / "a.vrm")


def test_springs_and_constraints_name_the_same_joints_after_a_round_trip(rich, tmp_path):
    before, after = document(rich), there_and_back(rich, tmp_path)
    for raw in (before, after):
        (spring,) = raw["extensions"]["VRMC_springBone"]["springs"]
        names = [raw["nodes"][joint["node"]]["name"] for joint in spring["joints"]]
        assert names == ["hair", "tip"]
        assert spring["joints"][0]["stiffness"] == 0.7
        assert raw["nodes"][spring["center"]]["name"] == "hips"
        (collider,) = raw["extensions"]["VRMC_springBone"]["colliders"]
        assert raw["nodes"][collider["node"]]["name"] == "head"
        (holder,) = [n for n in raw["nodes"] if "VRMC_node_constraint" in n.get("extensions", {})]
        assert holder["name"] == before["nodes"][3]["name"]
        roll = holder["extensions"]["VRMC_node_constraint"]["constraint"]["roll"]
        assert raw["nodes"][roll["source"]]["name"] == before["nodes"][2]["name"]
    assert {"VRMC_springBone", "VRMC_node_constraint"} <= set(after["extensionsUsed"])


def test_unknown_extensions_survive_where_their_numbers_mean_what_they_meant(rich, tmp_path):
    after = there_and_back(rich, tmp_path)
    assert after["extensions"]["EXT_credits"] == {"people": ["A"], "years": [2024, 2025]}
    node = next(n for n in after["nodes"] if "EXT_mark" in n.get("extensions", {}))
    assert node["extensions"]["EXT_mark"] == {"words": ["a", "b"], "weight": 0.5}
    assert after["nodes"][node_of(after, "head")]["extras"] == {"made by": "hand"}
    assert {"EXT_credits", "EXT_mark"} <= set(after["extensionsUsed"])
    # Node 4 is another one now: to say so at the root would be a lie.
    assert "EXT_paths" not in after["extensions"]
    assert after["asset"]["extras"]["twinsdk"]["gltf"]["extensions"] == {
        "EXT_paths": {"start": {"node": 4}}
    }


def test_an_expression_keeps_its_rules_and_its_material(rich, tmp_path):
    after = there_and_back(rich, tmp_path)
    entry = after["extensions"]["VRMC_vrm"]["expressions"]["preset"]["aa"]
    assert (entry["isBinary"], entry["overrideBlink"]) == (True, "blend")
    (bind,) = entry["materialColorBinds"]
    assert after["materials"][bind["material"]]["name"] == "cloth"
    assert entry["morphTargetBinds"][0]["weight"] == 1
    (shown,) = after["extensions"]["VRMC_vrm"]["firstPerson"]["meshAnnotations"]
    assert shown["type"] == "thirdPersonOnly"
    assert after["extensions"]["VRMC_vrm"]["lookAt"]["offsetFromHeadBone"] == [0, 0.07, 0.01]


def test_a_second_round_trip_changes_no_byte(rich, tmp_path):
    save_avatar(load_avatar(rich), tmp_path / "b.vrm")
    save_avatar(load_avatar(tmp_path / "b.vrm"), tmp_path / "c.vrm")
    assert (tmp_path / "b.vrm").read_bytes() == (tmp_path / "c.vrm").read_bytes()


def test_texture_coordinates_that_are_all_alike_come_back(tmp_path, avatar, kit):
    from dataclasses import replace

    mesh = replace(avatar.mesh, uvs=np.full_like(avatar.mesh.uvs, 5.9))
    save_avatar(replace(avatar, mesh=mesh), tmp_path / "a.glb")
    np.testing.assert_array_equal(load_avatar(tmp_path / "a.glb").mesh.uvs, mesh.uvs)


@pytest.fixture
def old(kit, tmp_path):
    """A VRM 0.x with hair that forks, a sphere on the head, and a gaze."""
    sketch = kit.Sketch.person(version=0)
    raw, vrm = sketch.json, sketch.json["extensions"]["VRM"]
    first, head = len(raw["nodes"]), node_of(raw, "head")
    raw["nodes"] += [
        {"name": "hair", "translation": [0, 0.1, 0.1], "children": [first + 1, first + 2]},
        {"name": "long", "translation": [0, -0.1, 0], "children": [first + 3]},
        {"name": "side", "translation": [0.1, 0, 0], "children": [first + 4]},
        {"name": "long end", "translation": [0, -0.1, 0]},
        {"name": "side end", "translation": [0.1, 0, 0]},
    ]
    raw["nodes"][head].setdefault("children", []).append(first)
    vrm["secondaryAnimation"] = {
        "boneGroups": [
            {
                "comment": "hair",
                "stiffiness": 0.8,
                "gravityPower": 0.2,
                "gravityDir": {"x": 0.1, "y": -1, "z": 0.3},
                "dragForce": 0.4,
                "center": -1,
                "hitRadius": 0.02,
                "bones": [first],
                "colliderGroups": [1],
            }
        ],
        "colliderGroups": [
            {"node": 0, "colliders": []},
            {"node": head, "colliders": [
                {"offset": {"x": 0.1, "y": 0.2, "z": 0.3}, "radius": 0.09}]},
        ],
    }  # fmt: skip
    vrm["firstPerson"] = {
        "firstPersonBoneOffset": {"x": 0, "y": 0.06, "z": 0.02},
        "lookAtTypeName": "Bone",
        "lookAtVerticalUp": {"xRange": 80, "yRange": 12},
    }
    return sketch.save(tmp_path / "old.vrm")


def test_springs_of_an_old_file_become_chains_and_a_fork_another_one(old):
    springs = load_avatar(old).meta["spring_bones"]
    chains = [[joint["node"] for joint in spring["joints"]] for spring in springs["springs"]]
    assert chains == [["hair", "long", "long end"], ["side", "side end"]]
    joint = springs["springs"][0]["joints"][0]
    assert (joint["stiffness"], joint["dragForce"], joint["hitRadius"]) == (0.8, 0.4, 0.02)
    # The group without a sphere is gone, and the other has its number.
    assert springs["colliderGroups"] == [{"colliders": [0]}]
    assert springs["springs"][1]["colliderGroups"] == [0]


def test_spheres_and_gravity_of_an_old_file_turn_with_the_model(old):
    avatar = load_avatar(old)
    springs = avatar.meta["spring_bones"]
    raw = document(old)
    # As three-vrm places it in the file's own world: z is mirrored, rest turns are the identity.
    heads = np.zeros(3)
    node = node_of(raw, "head")
    while node is not None:
        heads += raw["nodes"][node]["translation"]
        node = next((i for i, n in enumerate(raw["nodes"]) if node in n.get("children", [])), None)
    heads += np.array([0.1, 0.2, -0.3])
    wanted = heads * [-1, 1, -1]  # then half a turn about Y
    (collider,) = springs["colliders"]
    turns, places = avatar.skeleton.rest_world()
    j = avatar.skeleton.joint(collider["node"])
    found = places[j] + quat.rotate(turns[j], np.array(collider["shape"]["sphere"]["offset"]))
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    gravity = springs["springs"][0]["joints"][0]["gravityDir"]
    np.testing.assert_allclose(gravity, [-0.1, -1, -0.3])


def test_an_old_file_is_written_as_a_new_one_that_swings_and_looks(old, tmp_path):
    after = there_and_back(old, tmp_path)
    springs = after["extensions"]["VRMC_springBone"]["springs"]
    names = [after["nodes"][joint["node"]]["name"] for joint in springs[1]["joints"]]
    assert names == ["side", "side end"]
    gaze = after["extensions"]["VRMC_vrm"]["lookAt"]
    assert gaze["offsetFromHeadBone"] == [0, 0.06, 0.02]
    assert gaze["rangeMapVerticalUp"] == {"inputMaxValue": 80, "outputScale": 12}
    assert gaze["type"] == "bone"


@pytest.mark.parametrize("bone", [-7, 10_000, "hair", None])
def test_a_spring_on_no_node_is_refused(kit, tmp_path, bone):
    from twinsdk.errors import FormatError

    sketch = kit.Sketch.person(version=0)
    sketch.json["extensions"]["VRM"]["secondaryAnimation"] = {"boneGroups": [{"bones": [bone]}]}
    with pytest.raises(FormatError, match="spring bone: bones: expected an index"):
        load_avatar(sketch.save(tmp_path / "bad.vrm"))


@pytest.mark.referee
def test_the_khronos_validator_accepts_what_came_through(rich, tmp_path, validate):
    save_avatar(load_avatar(rich), tmp_path / "b.vrm")
    issues = validate(tmp_path / "b.vrm")["issues"]
    assert issues["numErrors"] == 0, issues["messages"]
