"""Motion in GLB and VRMA: lossless both ways, and sampled as glTF defines interpolation."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinsdk.core import quat
from twinsdk.core.clip import MotionClip
from twinsdk.core.expressions import EXPRESSION_NAMES
from twinsdk.core.humanoid import HUMANOID_NAMES, humanoid_skeleton
from twinsdk.core.skeleton import Skeleton
from twinsdk.errors import FormatError, NotHumanoidError
from twinsdk.formats import load_clip, save_clip
from twinsdk.formats.animation import AnimationFile, read_clips


def rotated_rest(skeleton, seed=5):
    """The same joints at the same places, in frames of their own and under other names."""
    rng = np.random.default_rng(seed)
    world = quat.normalize(rng.normal(size=(len(skeleton), 4)))
    _, places = skeleton.rest_world()
    parents = skeleton.parents
    local, offsets = world.copy(), places.astype(float).copy()
    for j in range(1, len(skeleton)):
        inverse = quat.conjugate(world[parents[j]])
        local[j] = quat.multiply(inverse, world[j])
        offsets[j] = quat.rotate(inverse, places[j] - places[parents[j]])
    return Skeleton(
        names=[f"bone_{name}" for name in skeleton.names],
        parents=parents,
        rest_translations=offsets,
        rest_rotations=local,
    )


@pytest.mark.parametrize("suffix", ["glb", "gltf", "vrma", "npz"])
@pytest.mark.parametrize("fps", [23.976, 30.0, 5.0, 120.0])
def test_a_canonical_clip_comes_back_to_float_precision(tmp_path, clip, suffix, fps):
    path = tmp_path / f"clip.{suffix}"
    written = MotionClip(
        skeleton=clip.skeleton,
        fps=fps,
        rotations=clip.rotations,
        root_translations=clip.root_translations,
        expressions=clip.expressions,
    )
    save_clip(written, path)
    back = load_clip(path)
    assert back.fps == fps
    assert back.skeleton.matches(clip.skeleton)
    assert quat.angle(back.rotations, clip.rotations).max() < 1e-6
    np.testing.assert_array_equal(back.root_translations, clip.root_translations)
    np.testing.assert_array_equal(back.expressions, clip.expressions)


@given(seed=st.integers(0, 2**31), joints=st.integers(1, 10), frames=st.integers(1, 5))
@settings(deadline=None, max_examples=25)
def test_any_skeleton_and_motion_comes_back_from_glb(tmp_path_factory, seed, joints, frames):
    rng = np.random.default_rng(seed)
    skeleton = Skeleton(
        names=[f"j {j}" for j in range(joints)],
        parents=[-1, *(int(rng.integers(0, j)) for j in range(1, joints))],
        rest_translations=rng.normal(size=(joints, 3)),
        rest_rotations=quat.positive(quat.normalize(rng.normal(size=(joints, 4)))),
    )
    clip = MotionClip(
        skeleton=skeleton,
        fps=60.0,
        rotations=quat.normalize(rng.normal(size=(frames, joints, 4))),
        root_translations=rng.normal(size=(frames, 3)),
    )
    path = tmp_path_factory.mktemp("glb") / "any.glb"
    save_clip(clip, path)
    back = load_clip(path)
    assert back.skeleton.matches(skeleton)
    assert len(back) == frames
    assert quat.angle(back.rotations, clip.rotations).max() < 1e-6
    np.testing.assert_array_equal(back.root_translations, clip.root_translations)


def test_joints_with_a_few_of_vrms_names_all_come_back_from_glb(tmp_path, kit):
    skeleton = Skeleton(
        names=["pelvis", "torso", "neck", "head", "leftEye"],
        parents=[-1, 0, 1, 2, 3],
        rest_translations=np.random.default_rng(1).normal(size=(5, 3)),
        rest_rotations=np.tile(quat.IDENTITY, (5, 1)),
    )
    clip = kit.random_clip(skeleton, 4)
    save_clip(clip, tmp_path / "a.glb")
    back = load_clip(tmp_path / "a.glb")
    assert back.skeleton.matches(skeleton)
    save_clip(clip, tmp_path / "b.glb", humanoid={"head": "head", "neck": "neck"})
    assert load_clip(tmp_path / "b.glb").skeleton.matches(skeleton)


def test_a_vrma_of_a_rig_with_frames_of_its_own_keeps_every_joint_place(tmp_path, kit):
    canonical = humanoid_skeleton()
    rig = rotated_rest(canonical)
    clip = kit.random_clip(rig, 6)
    roles = dict(zip(rig.names, canonical.names, strict=True))
    save_clip(clip, tmp_path / "a.vrma", humanoid=roles)
    back = load_clip(tmp_path / "a.vrma")
    assert back.skeleton.names == HUMANOID_NAMES
    np.testing.assert_allclose(back.skeleton.rest_rotations[:, 3], 1)
    np.testing.assert_allclose(back.world()[1], clip.world()[1], atol=2e-5)


def test_joints_between_two_humanoid_ones_are_folded_into_the_lower(tmp_path, kit):
    canonical = humanoid_skeleton()
    names, parents = list(canonical.names), canonical.parents.tolist()
    offsets = canonical.rest_translations.copy()
    # A twist joint in the middle of the left forearm, and a reference above the hips.
    hand = names.index("leftHand")
    offsets[hand] /= 2
    names.insert(hand, "twist")
    parents = [p + (p >= hand) for p in parents]
    parents.insert(hand, names.index("leftLowerArm"))
    parents[hand + 1] = hand
    offsets = np.insert(offsets, hand, offsets[hand], 0)
    skeleton = Skeleton(
        names=["reference", *names],
        parents=[-1, *(p + 1 for p in parents)],
        rest_translations=np.insert(offsets, 0, 0, 0),
        rest_rotations=np.tile(quat.IDENTITY, (len(names) + 1, 1)),
    )
    rng = np.random.default_rng(3)
    rotations = np.tile(quat.IDENTITY, (4, len(skeleton), 1))
    moving = [0, skeleton.joint("twist"), skeleton.joint("leftUpperArm"), skeleton.joint("hips")]
    rotations[:, moving] = quat.normalize(rng.normal(size=(4, 4, 4)))
    # The twist turns about its own bone, so nothing below moves by it.
    rotations[:, skeleton.joint("twist")] = quat.from_axis_angle(
        np.array([1.0, 0, 0]), np.linspace(0, 2, 4)
    )
    clip = MotionClip(
        skeleton=skeleton, fps=30, rotations=rotations, root_translations=rng.normal(size=(4, 3))
    )
    save_clip(clip, tmp_path / "a.vrma", humanoid={n: n for n in names if n in HUMANOID_NAMES})
    back = load_clip(tmp_path / "a.vrma")
    world, wanted = back.world(), clip.world()
    for name in back.skeleton.names:
        j, k = back.skeleton.joint(name), skeleton.joint(name)
        np.testing.assert_allclose(world[1][:, j], wanted[1][:, k], atol=1e-5)
        assert quat.angle(world[0][:, j], wanted[0][:, k]).max() < 1e-5


def test_a_vrma_lists_no_eyes_among_its_bones_and_yet_brings_them_back(tmp_path, clip):
    save_clip(clip, tmp_path / "a.vrma")
    raw = document(tmp_path / "a.vrma")
    spec = raw["extensions"]["VRMC_vrm_animation"]
    assert spec["specVersion"] == "1.0"
    assert set(HUMANOID_NAMES) - set(spec["humanoid"]["humanBones"]) == {"leftEye", "rightEye"}
    assert set(spec["expressions"]["custom"]) == set(EXPRESSION_NAMES)
    assert "leftEye" in load_clip(tmp_path / "a.vrma").skeleton.names


def test_a_vrma_without_the_joints_vrm_requires_is_refused(tmp_path, kit):
    rig = rotated_rest(humanoid_skeleton())
    with pytest.raises(NotHumanoidError, match=r"missing .*hips.*retarget") as caught:
        save_clip(kit.random_clip(rig, 2), tmp_path / "a.vrma")
    assert str(caught.value).endswith("a.vrma")
    assert not (tmp_path / "a.vrma").exists()


def test_presets_of_a_vrma_become_the_expressions_they_are_made_of(tmp_path, clip):
    save_clip(clip, tmp_path / "a.vrma")
    raw = document(tmp_path / "a.vrma")
    expressions = raw["extensions"]["VRMC_vrm_animation"]["expressions"]
    node = expressions["custom"]["tongueOut"]["node"]
    raw["extensions"]["VRMC_vrm_animation"]["expressions"] = {"preset": {"blink": {"node": node}}}
    rewrite(tmp_path / "a.vrma", raw)
    back = load_clip(tmp_path / "a.vrma").expressions
    for name in ("eyeBlinkLeft", "eyeBlinkRight"):
        e = EXPRESSION_NAMES.index(name)
        np.testing.assert_array_equal(back[:, e], clip.expressions[:, -1])
    assert np.count_nonzero(back.max(0)) == 2


def keyed(kit, times, rotations=None, translations=None, how="LINEAR"):
    sketch = kit.Sketch()
    sketch.json["nodes"] = [{"name": "root"}]
    sketch.json["scenes"][0]["nodes"] = [0]
    channels, samplers = [], []
    for path, values in (("rotation", rotations), ("translation", translations)):
        if values is not None:
            channels.append({"sampler": len(samplers), "target": {"node": 0, "path": path}})
            samplers.append(
                {
                    "input": sketch.accessor(np.asarray(times, "<f4")),
                    "output": sketch.accessor(np.asarray(values, "<f4")),
                    "interpolation": how,
                }
            )
    sketch.json["animations"] = [{"name": "a", "channels": channels, "samplers": samplers}]
    return sketch


def test_sparse_linear_keys_are_slerped_on_a_grid_of_thirty(tmp_path, kit):
    half = np.sqrt(0.5)
    sketch = keyed(kit, [0, 1], [[0, 0, 0, 1], [0, half, 0, half]], [[0, 0, 0], [3, 0, 0]])
    clip = load_clip(sketch.save(tmp_path / "a.glb"))
    assert (len(clip), clip.fps) == (31, 30)
    t = np.arange(31) / 30
    np.testing.assert_allclose(2 * np.arcsin(clip.rotations[:, 0, 1]), t * np.pi / 2, atol=1e-6)
    np.testing.assert_allclose(clip.root_translations[:, 0], 3 * t, atol=1e-6)


def test_step_keys_hold_until_the_next(tmp_path, kit):
    sketch = keyed(kit, [0, 0.5, 1], None, [[0, 0, 0], [1, 0, 0], [2, 0, 0]], "STEP")
    clip = load_clip(sketch.save(tmp_path / "a.glb"))
    np.testing.assert_array_equal(
        clip.root_translations[:, 0], np.repeat([0.0, 1.0, 2.0], [15, 15, 1])
    )


def test_cubic_splines_follow_the_polynomial_their_tangents_belong_to(tmp_path, kit):
    def place(t):
        return np.array([t**3 - 2 * t, t**2, 1 - t])

    def slope(t):
        return np.array([3 * t**2 - 2, 2 * t, -1])

    times = [0.0, 0.7, 1.5]
    values = [v for t in times for v in (slope(t), place(t), slope(t))]
    clip = load_clip(keyed(kit, times, None, values, "CUBICSPLINE").save(tmp_path / "a.glb"))
    wanted = np.stack([place(t) for t in np.arange(len(clip)) / clip.fps])
    np.testing.assert_allclose(clip.root_translations, wanted, atol=2e-6)


@pytest.mark.parametrize("fps", [24.0, 25.0, 29.97, 60.0])
def test_the_frame_rate_of_keys_is_found_even_where_some_are_left_out(tmp_path, kit, fps):
    frames = np.array([0, 1, 2, 5, 6, 9, 30, 31])
    sketch = keyed(kit, frames / fps, None, np.zeros((8, 3)))
    clip = load_clip(sketch.save(tmp_path / "a.glb"))
    assert clip.fps == pytest.approx(fps, rel=1e-4)
    assert len(clip) == 32


def test_every_animation_of_a_file_is_found_by_name(tmp_path, kit):
    sketch = keyed(kit, [0, 0.1], None, np.zeros((2, 3)))
    sketch.json["animations"] *= 2
    path = sketch.save(tmp_path / "a.glb")
    assert AnimationFile(path).names == ["a", "a_2"]
    assert list(read_clips(path)) == ["a", "a_2"]


@pytest.mark.parametrize(
    ("times", "values", "message"),
    [
        ([0, 0], np.zeros((2, 3)), "increasing times"),
        ([1, 0], np.zeros((2, 3)), "increasing times"),
        ([-1, 0], np.zeros((2, 3)), "increasing times"),
        ([0, 1], np.zeros((3, 3)), "expected 2 values, got 3"),
        ([0, np.nan], np.zeros((2, 3)), "finite"),
        ([0, 1e9], np.zeros((2, 3)), "increasing times"),
    ],
)
def test_malformed_channels_are_refused(tmp_path, kit, times, values, message):
    path = keyed(kit, times, None, values).save(tmp_path / "a.glb")
    with pytest.raises(FormatError, match=message) as caught:
        load_clip(path)
    assert "animation 0 (a), channel 0" in str(caught.value)


def test_a_file_without_animation_is_refused(tmp_path, kit):
    with pytest.raises(FormatError, match="expected an animation"):
        load_clip(kit.Sketch.random(0).save(tmp_path / "a.glb"))


@pytest.mark.referee
@pytest.mark.parametrize("name", ["a.glb", "a.vrma"])
def test_the_khronos_validator_finds_no_error_and_no_warning(tmp_path, clip, validate, name):
    save_clip(clip, tmp_path / name)
    issues = validate(tmp_path / name)["issues"]
    assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues["messages"]


@given(data=st.data())
@settings(deadline=None, max_examples=150)
def test_spoilt_files_never_provoke_anything_but_format_errors(tmp_path_factory, kit, data):
    folder = tmp_path_factory.mktemp("fuzz")
    sketch = kit.Sketch.random(1)
    sketch.json["animations"] = keyed(kit, [0, 1], None, np.zeros((2, 3))).json["animations"]
    text = bytearray(json.dumps(sketch.json).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(text) - 1))
        text[place : place + data.draw(st.integers(0, 3))] = data.draw(
            st.sampled_from([b"", b"-1", b"9", b"null", b"{}", b"[]", b'"x"', b"0.5", b"1e99"])
        )
    head = struct.pack("<III", 0x46546C67, 2, 28 + len(text) + len(sketch.binary))
    path = folder / "a.glb"
    path.write_bytes(
        head
        + struct.pack("<II", len(text), 0x4E4F534A)
        + text
        + struct.pack("<II", len(sketch.binary), 0x004E4942)
        + sketch.binary
    )
    from twinsdk.formats.gltf_read import read_rig

    for read in (read_rig, load_clip):
        try:
            read(path)
        except FormatError as error:
            said = str(error)
        else:
            continue
        assert said.endswith(str(path))


def document(path):
    data = path.read_bytes()
    (length,) = struct.unpack_from("<I", data, 12)
    return json.loads(data[20 : 20 + length])


def rewrite(path, raw):
    data = path.read_bytes()
    (length,) = struct.unpack_from("<I", data, 12)
    text = json.dumps(raw).encode()
    text += b" " * (-len(text) % 4)
    rest = data[20 + length :]
    path.write_bytes(
        struct.pack("<III", 0x46546C67, 2, 20 + len(text) + len(rest))
        + struct.pack("<II", len(text), 0x4E4F534A)
        + text
        + rest
    )
