"""GLB and VRM figures: what is written comes back, what others write is read as glTF says."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest

from twinsdk.core import quat
from twinsdk.core.avatar import Avatar, Mesh, Morphs, Skin
from twinsdk.core.humanoid import HUMANOID_NAMES
from twinsdk.core.skeleton import matrices
from twinsdk.errors import FormatError, NotHumanoidError, OutputError
from twinsdk.formats import load_avatar, save_avatar
from twinsdk.formats.gltf_read import read_rig
from twinsdk.formats.gltf_write import write_avatar


def skinned(rig, rotations, root):
    world = matrices(*rig.skeleton.forward(np.asarray(rotations, np.float32), root))
    moved = (world @ rig.skin.inverse_bind)[rig.skin.joints]
    points = np.concatenate([rig.mesh.vertices, np.ones((len(rig.mesh.vertices), 1))], 1)
    return np.einsum("vk,vkij,vj->vi", rig.skin.weights, moved, points)[:, :3]


@pytest.mark.parametrize("name", ["figure.vrm", "figure.glb", "figure.gltf", "Ünï cödé figure.vrm"])
def test_an_avatar_written_comes_back_to_float_precision(tmp_path, avatar, name):
    path = tmp_path / name
    save_avatar(avatar, path)
    back = load_avatar(path)
    assert back.skeleton.matches(avatar.skeleton)
    assert back.humanoid == avatar.humanoid
    np.testing.assert_array_equal(back.mesh.vertices, avatar.mesh.vertices)
    np.testing.assert_array_equal(back.mesh.uvs, avatar.mesh.uvs)
    np.testing.assert_allclose(back.mesh.normals, avatar.mesh.normals, atol=1e-7)
    np.testing.assert_allclose(back.skin.inverse_bind, avatar.skin.inverse_bind, atol=1e-6)
    assert back.morphs.names == avatar.morphs.names
    np.testing.assert_array_equal(back.morphs.offsets, avatar.morphs.offsets)
    assert back.mesh.materials == avatar.mesh.materials
    for i in range(2):
        np.testing.assert_array_equal(
            back.mesh.triangles[back.mesh.triangle_materials == i],
            avatar.mesh.triangles[avatar.mesh.triangle_materials == i],
        )
    dense = np.zeros((2, len(avatar.mesh.vertices), len(avatar.skeleton)))
    for which, figure in enumerate((avatar, back)):
        rows = np.arange(len(avatar.mesh.vertices))[:, None]
        np.add.at(dense[which], (rows, figure.skin.joints), figure.skin.weights)
    np.testing.assert_allclose(dense[1], dense[0], atol=1e-6)
    for key in ("name", "authors", "consent"):
        assert back.meta[key] == avatar.meta[key]


def test_influences_beyond_four_are_cut_renormalised_and_reported(tmp_path, kit):
    figure = kit.synthetic_avatar(influences=6)
    report = write_avatar(figure, tmp_path / "six.glb")
    weights = np.sort(figure.skin.weights, 1)
    assert report.cut_vertices == len(weights)
    assert report.dropped_weight_max == pytest.approx(weights[:, :2].sum(1).max(), abs=1e-6)
    back = load_avatar(tmp_path / "six.glb")
    assert back.skin.weights.shape[1] == 4
    np.testing.assert_allclose(back.skin.weights.sum(1), 1, atol=1e-6)


def test_a_vertex_that_names_a_joint_twice_keeps_all_its_weight(tmp_path, avatar):
    skin = Skin(
        joints=np.tile([3, 3, 3, 3, 3, 7], (len(avatar.mesh.vertices), 1)),
        weights=np.tile([0.18, 0.18, 0.18, 0.18, 0.18, 0.1], (len(avatar.mesh.vertices), 1)),
        inverse_bind=avatar.skin.inverse_bind,
    )
    report = write_avatar(_with(avatar, skin=skin), tmp_path / "twice.glb")
    assert report.cut_vertices == 0
    back = load_avatar(tmp_path / "twice.glb").skin
    np.testing.assert_array_equal(back.joints[0, :2], [3, 7])
    np.testing.assert_allclose(back.weights[0, :2], [0.9, 0.1], atol=1e-6)


VISEMES = (
    *("sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS"),
    *("nn", "RR", "aa", "E", "ih", "oh", "ou"),
)


def test_every_expression_is_bound_and_presets_are_made_of_them(tmp_path, avatar):
    save_avatar(avatar, tmp_path / "face.vrm")
    groups = _json(tmp_path / "face.vrm")["extensions"]["VRMC_vrm"]["expressions"]
    visemes = [
        f"viseme_{n}"
        for n in [
            "sil",
            "PP",
            "FF",
            "TH",
            "DD",
            "kk",
            "CH",
            "SS",
            "nn",
            "RR",
            "aa",
            "E",
            "ih",
            "oh",
            "ou",
        ]
    ]
    assert set(groups["custom"]) == {*avatar.morphs.names, *visemes}
    mixes = [
        {avatar.morphs.names[b["index"]]: b["weight"] for b in binds}
        for binds in (groups["custom"][name].get("morphTargetBinds", []) for name in visemes)
    ]
    assert mixes[0] == {}
    assert all(mixes[1:])
    assert not any(mix in mixes[:i] for i, mix in enumerate(mixes))
    assert all(0.3 < weight <= 1 for mix in mixes[10:] for weight in [max(mix.values())])
    assert {"aa", "ih", "ou", "ee", "oh", "blink", "happy", "surprised"} <= set(groups["preset"])
    assert not set(groups["custom"]) & set(groups["preset"])
    binds = groups["preset"]["blink"]["morphTargetBinds"]
    assert [avatar.morphs.names[b["index"]] for b in binds] == ["eyeBlinkLeft", "eyeBlinkRight"]


def test_a_file_names_no_permission_that_nobody_gave(tmp_path, avatar):
    save_avatar(avatar, tmp_path / "a.vrm")
    meta = _json(tmp_path / "a.vrm")["extensions"]["VRMC_vrm"]["meta"]
    assert meta["licenseUrl"] == "https://vrm.dev/licenses/1.0/"
    assert meta["avatarPermission"] == "onlyAuthor"
    assert meta["allowRedistribution"] is False
    given = {**avatar.meta, "commercialUsage": "corporation", "modification": "nonsense"}
    save_avatar(_with(avatar, meta=given), tmp_path / "b.vrm")
    meta = _json(tmp_path / "b.vrm")["extensions"]["VRMC_vrm"]["meta"]
    assert meta["commercialUsage"] == "corporation"
    assert meta["modification"] == "prohibited"


def test_the_thumbnail_survives(tmp_path, avatar, kit):
    picture = kit.png(8, 8, (200, 10, 10))
    save_avatar(_with(avatar, meta={**avatar.meta, "thumbnail": picture}), tmp_path / "a.vrm")
    assert load_avatar(tmp_path / "a.vrm").meta["thumbnail"] == picture


def test_springs_and_constraints_come_back_on_the_same_joints(tmp_path, avatar):
    springs = {
        "specVersion": "1.0",
        "colliders": [{"node": "head", "shape": {"sphere": {"offset": [0, 0, 0], "radius": 0.1}}}],
        "springs": [{"name": "ear", "joints": [{"node": "leftEye"}], "center": "hips"}],
    }
    roll = {"roll": {"source": "leftHand", "rollAxis": "X"}}
    roll = {"leftLowerArm": {"specVersion": "1.0", "constraint": roll}}
    meta = {**avatar.meta, "spring_bones": springs, "constraints": roll}
    save_avatar(_with(avatar, meta=meta), tmp_path / "a.vrm")
    raw = _json(tmp_path / "a.vrm")
    node = raw["extensions"]["VRMC_springBone"]["colliders"][0]["node"]
    assert raw["nodes"][node]["name"] == "head"
    back = load_avatar(tmp_path / "a.vrm").meta
    assert back["spring_bones"] == springs
    assert back["constraints"] == roll


def test_material_properties_that_are_not_modelled_survive_with_their_textures(tmp_path, kit):
    sketch = kit.Sketch.person(version=1)
    pictures = [kit.png(4, 4, (i * 40, 10, 10)) for i in range(3)]
    sketch.json["images"] = [
        {"bufferView": sketch.view(p), "mimeType": "image/png"} for p in pictures
    ]
    sketch.json["textures"] = [{"source": 2}, {"source": 0}, {"source": 1}]
    toon = {"shadeMultiplyTexture": {"index": 2}, "shadeColorFactor": [1, 0, 0]}
    sketch.json["materials"] = [
        {
            "name": "face",
            "pbrMetallicRoughness": {"baseColorTexture": {"index": 0}, "metallicFactor": 0.25},
            "normalTexture": {"index": 1, "scale": 0.5},
            "emissiveFactor": [0, 0.5, 0],
            "extensions": {"VRMC_materials_mtoon": toon, "KHR_materials_unlit": {}},
        }
    ]
    sketch.json["meshes"][0]["primitives"][0]["material"] = 0
    first = load_avatar(sketch.save(tmp_path / "a.vrm"))
    for name in ("b.vrm", "c.vrm"):  # twice, to see that nothing wears off
        save_avatar(first, tmp_path / name)
        first = load_avatar(tmp_path / name)
        raw = _json(tmp_path / name)
        material = raw["materials"][0]

        def picture(reference, name=name, raw=raw):
            source = raw["textures"][reference["index"]]["source"]
            view = raw["bufferViews"][raw["images"][source]["bufferView"]]
            data = (tmp_path / name).read_bytes()
            start = 28 + struct.unpack_from("<I", data, 12)[0] + view["byteOffset"]
            return data[start : start + view["byteLength"]]

        assert picture(material["pbrMetallicRoughness"]["baseColorTexture"]) == pictures[2]
        assert picture(material["normalTexture"]) == pictures[0]
        kept = material["extensions"]["VRMC_materials_mtoon"]
        assert picture(kept["shadeMultiplyTexture"]) == pictures[1]
        assert kept["shadeColorFactor"] == [1, 0, 0]
        assert material["pbrMetallicRoughness"]["metallicFactor"] == 0.25
        assert material["emissiveFactor"] == [0, 0.5, 0]
        assert {"VRMC_materials_mtoon", "KHR_materials_unlit"} <= set(raw["extensionsUsed"])


def test_root_extensions_that_nobody_knows_are_kept_through_two_files(tmp_path, kit):
    sketch = kit.Sketch.person(version=1)
    sketch.json["extensions"]["ACME_secret"] = {"answer": [4, 2]}
    first = load_avatar(sketch.save(tmp_path / "a.vrm"))
    for name in ("b.vrm", "c.vrm"):
        save_avatar(first, tmp_path / name)
        first = load_avatar(tmp_path / name)
    assert first.meta["gltf"]["extensions"]["ACME_secret"] == {"answer": [4, 2]}


def test_the_skinned_node_stands_at_the_scene_root(tmp_path, avatar):
    save_avatar(avatar, tmp_path / "a.vrm")
    raw = _json(tmp_path / "a.vrm")
    figure = next(i for i, node in enumerate(raw["nodes"]) if "mesh" in node)
    assert figure in raw["scenes"][0]["nodes"]
    assert all("rotation" not in node for node in raw["nodes"])  # identity rest
    targets = raw["meshes"][0]["primitives"][0]["targets"]
    assert targets == raw["meshes"][0]["primitives"][1]["targets"]
    assert all("sparse" in raw["accessors"][t["POSITION"]] for t in targets)


def test_an_avatar_without_triangles_is_not_written(tmp_path, avatar):
    empty = _with(
        avatar,
        mesh=Mesh(
            vertices=np.zeros((0, 3)),
            normals=np.zeros((0, 3)),
            uvs=np.zeros((0, 2)),
            triangles=np.zeros((0, 3), np.uint32),
        ),
        skin=Skin(
            joints=np.zeros((0, 1), np.uint16),
            weights=np.zeros((0, 1)),
            inverse_bind=avatar.skin.inverse_bind,
        ),
        morphs=Morphs(names=(), offsets=np.zeros((0, 0, 3))),
    )
    with pytest.raises(OutputError, match="expected a mesh with triangles"):
        save_avatar(empty, tmp_path / "a.vrm")
    assert not (tmp_path / "a.vrm").exists()


@pytest.mark.parametrize("seed", range(6))
def test_vertices_move_as_the_gltf_specification_says(tmp_path, seed, kit):
    sketch = kit.Sketch.random(seed)
    path = sketch.save(tmp_path / "random.glb")
    rig = read_rig(path)
    rng = np.random.default_rng(seed)
    for trial in range(3):
        turns = quat.normalize(rng.normal(size=(len(rig.skeleton), 4)))
        if trial == 0:
            turns = rig.skeleton.rest_rotations
        # The same pose told to the file: what is above the root is not part of a joint's rotation.
        told = {name: turns[j] for j, name in enumerate(rig.skeleton.names) if j}
        moved = rig.skeleton.rest_rotations.copy()
        moved[1:] = turns[1:]
        wanted = kit.reference_vertices(path, told)
        got = skinned(rig, moved, rig.skeleton.rest_translations[0])
        scale = max(1.0, np.abs(wanted).max())
        np.testing.assert_allclose(got, wanted, atol=2e-5 * scale)


def test_vrm_0_is_turned_to_face_plus_z_with_identity_rest(tmp_path, kit):
    sketch = kit.Sketch.person(version=0)
    path = sketch.save(tmp_path / "old.vrm")
    avatar = load_avatar(path)
    # VRM 0 faces -Z with the left hand on -X; ours has left on +X.
    assert avatar.skeleton.rest_world()[1][avatar.skeleton.joint("leftHand")][0] > 0.5
    np.testing.assert_allclose(np.abs(avatar.skeleton.rest_rotations[:, 3]), 1, atol=1e-6)
    wanted = kit.reference_vertices(path, {}) @ kit.half_turn()
    np.testing.assert_allclose(avatar.mesh.vertices, wanted, atol=1e-5)
    assert avatar.humanoid["leftThumb0"] == "leftThumbMetacarpal"
    assert avatar.meta["name"] == "Old one"
    assert avatar.meta["authors"] == ["Somebody"]
    assert avatar.meta["commercialUsage"] == "personalNonProfit"
    blink = avatar.morphs.offsets[avatar.morphs.names.index("eyeBlinkLeft")]
    x = avatar.mesh.vertices[:, 0]
    assert np.abs(blink[x > 0]).max() > 0
    assert np.abs(blink[x <= 0]).max() == 0
    save_avatar(avatar, tmp_path / "new.vrm")
    again = load_avatar(tmp_path / "new.vrm")
    np.testing.assert_allclose(again.mesh.vertices, avatar.mesh.vertices, atol=1e-6)
    assert again.humanoid == avatar.humanoid


def test_vrm_1_made_by_hand_is_read(tmp_path, kit):
    avatar = load_avatar(kit.Sketch.person(version=1).save(tmp_path / "new.vrm"))
    assert avatar.skeleton.rest_world()[1][avatar.skeleton.joint("leftHand")][0] > 0.5
    assert set(avatar.humanoid.values()) <= set(HUMANOID_NAMES)
    assert "jawOpen" in avatar.morphs.names  # from the preset aa
    assert avatar.meta["expressions"]["aa"] == {"mouth": 1.0}


def test_a_figure_without_human_bones_is_read_as_a_rig_and_refused_as_an_avatar(tmp_path, kit):
    path = kit.Sketch.random(1).save(tmp_path / "thing.glb")
    assert len(read_rig(path).mesh.vertices)
    with pytest.raises(NotHumanoidError, match="expected VRM humanBones") as caught:
        load_avatar(path)
    assert str(caught.value).endswith(str(path))


def test_missing_humanoid_bones_are_named(tmp_path, kit):
    sketch = kit.Sketch.person(version=1)
    del sketch.json["extensions"]["VRMC_vrm"]["humanoid"]["humanBones"]["leftHand"]
    with pytest.raises(NotHumanoidError, match="leftHand"):
        load_avatar(sketch.save(tmp_path / "a.vrm"))


def test_a_gltf_with_its_buffer_beside_it_or_inside_is_the_same(tmp_path, kit):
    sketch = kit.Sketch.random(2)
    rig = read_rig(sketch.save(tmp_path / "a.glb"))
    for name in ("beside.gltf", "inside.gltf"):
        other = read_rig(sketch.save(tmp_path / name))
        np.testing.assert_array_equal(other.mesh.vertices, rig.mesh.vertices)


def spoil(sketch, key, value):
    *path, last = key.split("/")
    place = sketch.json
    for step in path:
        place = place[int(step) if step.isdigit() else step]
    place[int(last) if last.isdigit() else last] = value


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("accessors/0/count", 10**9, r"accessor 0.*(expect|reasonable|elements)"),
        ("accessors/0/bufferView", 99, "bufferViews: expected an index below"),
        ("accessors/0/componentType", 7, "component type"),
        ("accessors/0/type", "VEC9", "expected 3 components"),
        ("bufferViews/0/byteLength", 10**9, "the buffer has"),
        ("bufferViews/0/byteOffset", -4, "byteOffset: expected a count"),
        ("buffers/0/byteLength", 10**9, "buffer 0: expected 1000000000 bytes"),
        ("nodes/2/children", [0], "node 0"),
        ("nodes/0/children", [1, 1], "one parent"),
        ("nodes/1/scale", [1, 2, 1], "uniform positive scale"),
        ("nodes/1/scale", [-1, -1, -1], "uniform positive scale"),
        ("nodes/1/scale", [0, 0, 0], "uniform positive scale"),
        ("nodes/1/rotation", [0, 0, 0, 3], "unit quaternion"),
        ("nodes/1/translation", ["a", 0, 0], "finite numbers"),
        ("skins/0/joints", [0, 1, 99], "expected an index below"),
        ("skins/0/joints", [0], "expected joints below 1"),
        ("nodes", {"0": {}}, "nodes: expected an array"),
        ("asset/version", "1.0", "expected glTF 2"),
        ("extensionsRequired", ["KHR_draco_mesh_compression"], "export without compression"),
    ],
)
def test_malformed_files_are_refused_naming_the_place(tmp_path, key, value, message, kit):
    sketch = kit.Sketch.random(0)
    spoil(sketch, key, value)
    path = sketch.save(tmp_path / "bad.glb")
    with pytest.raises(FormatError, match=message) as caught:
        read_rig(path)
    assert str(caught.value).endswith(str(path))
    assert "\n" not in str(caught.value)


def test_ten_thousand_joints_are_refused(tmp_path, kit):
    sketch = kit.Sketch.random(0)
    first = len(sketch.json["nodes"])
    sketch.json["nodes"] += [{} for _ in range(10_000)]
    sketch.json["nodes"][0].setdefault("children", []).extend(range(first, first + 10_000))
    sketch.json["skins"][0]["joints"] += list(range(first, first + 10_000))
    with pytest.raises(FormatError, match="at most 4096"):
        read_rig(sketch.save(tmp_path / "many.glb"))


def test_a_chain_of_a_hundred_thousand_nodes_is_refused_in_time(tmp_path, kit):
    sketch = kit.Sketch.random(0)
    first = len(sketch.json["nodes"])
    sketch.json["nodes"] += [{"children": [first + i + 1]} for i in range(99_999)] + [{}]
    with pytest.raises(FormatError, match="depth"):
        read_rig(sketch.save(tmp_path / "deep.glb"))


def test_json_nested_a_hundred_thousand_deep_is_refused(tmp_path):
    (tmp_path / "deep.gltf").write_text("[" * 100_000)
    with pytest.raises(FormatError):
        read_rig(tmp_path / "deep.gltf")


def test_an_accessor_that_costs_nothing_and_inflates_is_refused(tmp_path, kit):
    sketch = kit.Sketch.random(0)
    sketch.json["accessors"][0] = {"componentType": 5126, "count": 1 << 33, "type": "VEC3"}
    with pytest.raises(FormatError, match="larger than is reasonable"):
        read_rig(sketch.save(tmp_path / "bomb.glb"))


@pytest.mark.parametrize("uri", ["../secret.bin", "/etc/passwd", "http://127.0.0.1/x", "%2e%2e/a"])
def test_nothing_outside_the_folder_is_opened(tmp_path, uri, kit):
    sketch = kit.Sketch.random(0)
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.bin").write_bytes(b"x" * 100_000)
    path = sketch.save(tmp_path / "in" / "a.gltf")
    raw = json.loads(path.read_text())
    raw["buffers"][0]["uri"] = uri
    path.write_text(json.dumps(raw))
    with pytest.raises(FormatError, match="expected a file beside this one"):
        read_rig(path)


@pytest.mark.parametrize("name", ["x" * 5000, "a\x00b"])
def test_a_buffer_under_an_impossible_name_is_one_line(tmp_path, name, kit):
    path = kit.Sketch.random(1).save(tmp_path / "a.gltf")
    raw = json.loads(path.read_text())
    raw["buffers"][0]["uri"] = name
    path.write_text(json.dumps(raw))
    with pytest.raises(FormatError) as caught:
        read_rig(path)
    text = str(caught.value)
    assert text.endswith("a.gltf")
    assert "\n" not in text
    assert len(text) < 400 + len(str(path))


@pytest.mark.parametrize("kept", [3, 12, 19, 60, 0.5, 0.99])
def test_a_file_cut_anywhere_is_refused(tmp_path, avatar, kept):
    save_avatar(avatar, tmp_path / "whole.vrm")
    data = (tmp_path / "whole.vrm").read_bytes()
    (tmp_path / "cut.vrm").write_bytes(data[: kept if kept > 1 else int(kept * len(data))])
    with pytest.raises(FormatError):
        load_avatar(tmp_path / "cut.vrm")


def test_trimesh_reads_the_same_surface(tmp_path, avatar):
    trimesh = pytest.importorskip("trimesh")
    save_avatar(avatar, tmp_path / "a.glb")
    scene = trimesh.load(tmp_path / "a.glb", process=False)
    corners = np.concatenate([g.vertices[g.faces].reshape(-1, 9) for g in scene.geometry.values()])
    wanted = avatar.mesh.vertices[avatar.mesh.triangles].reshape(-1, 9)
    np.testing.assert_allclose(
        corners[np.lexsort(corners.T)], wanted[np.lexsort(wanted.T)], atol=1e-6
    )


@pytest.mark.referee
@pytest.mark.parametrize("name", ["a.vrm", "a.glb", "a.gltf"])
def test_the_khronos_validator_finds_no_error_and_no_warning(tmp_path, avatar, validate, name):
    save_avatar(avatar, tmp_path / name)
    issues = validate(tmp_path / name)["issues"]
    assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues["messages"]


def _json(path):
    data = path.read_bytes()
    (length,) = struct.unpack_from("<I", data, 12)
    return json.loads(data[20 : 20 + length])


def _with(avatar, **changes):
    fields = {
        name: getattr(avatar, name)
        for name in ("skeleton", "mesh", "skin", "morphs", "humanoid", "meta")
    }
    return Avatar(**{**fields, **changes})
