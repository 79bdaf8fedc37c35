"""Our own file: what is written comes back bit for bit, and damage is refused in words."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinsdk.errors import FormatError
from twinsdk.formats import load_avatar, load_clip, save_avatar, save_clip


def same_arrays(a, b, names):
    for name in names:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)


def test_a_clip_comes_back_bit_for_bit(tmp_path, clip):
    path = tmp_path / "clip.npz"
    save_clip(clip, path)
    back = load_clip(path)
    assert back.fps == clip.fps
    assert back.skeleton.names == clip.skeleton.names
    same_arrays(back.skeleton, clip.skeleton, ("parents", "rest_translations", "rest_rotations"))
    # Quaternions are renormalised on construction: one unit in the last place may differ.
    np.testing.assert_allclose(back.rotations, clip.rotations, atol=1.2e-7)
    same_arrays(back, clip, ("root_translations", "expressions"))


def test_an_avatar_comes_back_bit_for_bit(tmp_path, avatar):
    path = tmp_path / "avatar.npz"
    save_avatar(avatar, path)
    back = load_avatar(path)
    same_arrays(back.mesh, avatar.mesh, ("vertices", "normals", "uvs", "triangles"))
    same_arrays(back.mesh, avatar.mesh, ("triangle_materials",))
    same_arrays(back.skin, avatar.skin, ("joints", "weights", "inverse_bind"))
    same_arrays(back.morphs, avatar.morphs, ("offsets",))
    assert back.morphs.names == avatar.morphs.names
    assert back.mesh.materials == avatar.mesh.materials
    assert back.humanoid == avatar.humanoid
    assert back.meta == avatar.meta


def test_the_same_clip_gives_the_same_bytes(tmp_path, clip):
    save_clip(clip, tmp_path / "a.npz")
    save_clip(clip, tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def rewritten(path, target, name, data):
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w") as out:
        for info in source.infolist():
            out.writestr(info.filename, data if info.filename == name else source.read(info))
    return target


def npy(array, *, allow_pickle=False):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, allow_pickle=allow_pickle)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("rotations.npy", npy(np.array([{}], object), allow_pickle=True), "expected numbers"),
        ("rotations.npy", npy(np.zeros((2, 3, 4), np.float32)), "expected shape"),
        ("rotations.npy", npy(np.full((12, 55, 4), np.nan, np.float32)), "expected finite"),
        ("rotations.npy", b"\x93NUMPY\x01\x00", "malformed"),
        ("rotations.npy", npy(np.zeros(9)).replace(b"(9,)", b"(9,("), "its header is damaged"),
        ("rotations.npy", npy(np.zeros(9)).replace(b"(9,)", b"9 9)"), "its header is damaged"),
        ("parents.npy", npy(np.full(55, 7, np.int32)), "parents"),
        ("header.npy", npy(np.frombuffer(b'{"format": "other"}', np.uint8)), "expected a 'twin"),
        ("header.npy", npy(np.frombuffer(b"[1, 2", np.uint8)), "malformed"),
    ],
)
def test_damaged_members_are_refused_naming_them(tmp_path, clip, name, data, message):
    save_clip(clip, tmp_path / "good.npz")
    bad = rewritten(tmp_path / "good.npz", tmp_path / "bad.npz", name, data)
    with pytest.raises(FormatError, match=message) as caught:
        load_clip(bad)
    assert str(caught.value).endswith(str(bad))


def test_a_header_that_claims_terabytes_is_refused_before_allocation(tmp_path, clip):
    save_clip(clip, tmp_path / "good.npz")
    head = npy(np.zeros((12, 55, 4), np.float32)).replace(b"(12, 55, 4)", b"(9999999999,)")
    bad = rewritten(tmp_path / "good.npz", tmp_path / "bad.npz", "rotations.npy", head)
    with pytest.raises(FormatError, match="to fit"):
        load_clip(bad)


def test_an_avatar_is_no_clip(tmp_path, avatar):
    save_avatar(avatar, tmp_path / "avatar.npz")
    with pytest.raises(FormatError, match=r"expected a 'twinsdk\.clip', got 'twinsdk\.avatar'"):
        load_clip(tmp_path / "avatar.npz")


@given(at=st.integers(0, 1_000_000), value=st.integers(0, 255), cut=st.booleans())
@settings(deadline=None, max_examples=100)
def test_a_spoilt_byte_or_a_cut_never_provokes_anything_but_format_errors(
    tmp_path_factory, at, value, cut
):
    from twinsdk.core.clip import clip_of
    from twinsdk.core.humanoid import humanoid_skeleton
    from twinsdk.core.pose import rest_pose

    folder = tmp_path_factory.mktemp("npz")
    save_clip(clip_of([rest_pose(humanoid_skeleton())] * 2, fps=30), folder / "a.npz")
    data = bytearray((folder / "a.npz").read_bytes())
    place = at % len(data)
    if cut:
        data = data[: max(place, 1)]
    else:
        data[place] = value
    (folder / "b.npz").write_bytes(data)
    try:
        clip = load_clip(folder / "b.npz")
    except FormatError:
        return
    assert np.isfinite(clip.rotations).all()
