"""USD: motion there and back, and avatars that USD's own tools pose as we do."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from twinsdk.core import quat
from twinsdk.core.avatar import Avatar
from twinsdk.core.skeleton import matrices
from twinsdk.errors import FormatError
from twinsdk.formats import load_clip, save_avatar, save_clip

pytest.importorskip("pxr", reason="usd-core is an extra: pip install 'twinsdk[formats]'")


@pytest.mark.parametrize("name", ["a.usda", "a.usdc", "a.usd", "a.usdz"])
def test_a_clip_comes_back(tmp_path, clip, name):
    save_clip(clip, tmp_path / name)
    back = load_clip(tmp_path / name)
    assert back.fps == clip.fps
    assert back.skeleton.matches(clip.skeleton)
    # Text keeps nine digits; rotations go through matrices on the way back.
    assert quat.angle(back.rotations, clip.rotations).max() < 2e-6
    np.testing.assert_allclose(back.root_translations, clip.root_translations, atol=1e-6)
    np.testing.assert_allclose(back.expressions, clip.expressions, atol=1e-6)


def test_up_axis_and_unit_are_applied(tmp_path, clip):
    from pxr import Usd, UsdGeom

    save_clip(clip, tmp_path / "a.usda")
    stage = Usd.Stage.Open(str(tmp_path / "a.usda"))
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
    UsdGeom.SetStageMetersPerUnit(stage, 0.01)
    stage.GetRootLayer().Save()
    back = load_clip(tmp_path / "a.usda")
    x, y, z = np.moveaxis(clip.world()[1], -1, 0)
    wanted = np.stack([x, z, -y], -1) / 100
    np.testing.assert_allclose(back.world()[1], wanted, atol=1e-6)


def test_usd_itself_skins_an_avatar_as_we_do(tmp_path, kit):
    from pxr import Usd, UsdGeom, UsdSkel

    avatar = kit.synthetic_avatar(influences=6)
    save_avatar(avatar, tmp_path / "a.usdz")
    stage = Usd.Stage.Open(str(tmp_path / "a.usdz"))
    root = UsdSkel.Root(stage.GetPrimAtPath("/figure"))
    cache = UsdSkel.Cache()
    cache.Populate(root, Usd.PrimDefaultPredicate)
    mesh = UsdGeom.Mesh(stage.GetPrimAtPath("/figure/mesh"))
    query = cache.GetSkinningQuery(mesh.GetPrim())
    rng = np.random.default_rng(1)
    turns = quat.normalize(rng.normal(size=(len(avatar.skeleton), 4)))
    world = matrices(*avatar.skeleton.forward(turns, [0, 1, 0]))
    moved = world @ avatar.skin.inverse_bind
    from pxr import Vt

    points = mesh.GetPointsAttr().Get()
    rows = np.ascontiguousarray(np.swapaxes(moved, -1, -2).astype(np.float64))
    assert query.ComputeSkinnedPoints(Vt.Matrix4dArray.FromNumpy(rows), points, 0)
    flat = np.concatenate([avatar.mesh.vertices, np.ones((len(points), 1))], 1)
    wanted = np.einsum("vk,vkij,vj->vi", avatar.skin.weights, moved[avatar.skin.joints], flat)
    np.testing.assert_allclose(np.asarray(points), wanted[:, :3], atol=1e-4)
    shapes = UsdSkel.BindingAPI(mesh.GetPrim()).GetBlendShapesAttr().Get()
    assert tuple(shapes) == avatar.morphs.names


@pytest.mark.parametrize("data", [b"#usda 1.0\n(", b"PXR-USDC\0\0\0", b"nonsense", b"PK\x03\x04"])
@pytest.mark.parametrize("name", ["a.usda", "a.usdc", "a.usdz"])
def test_malformed_files_are_refused(tmp_path, data, name, capfd):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(FormatError) as caught:
        load_clip(tmp_path / name)
    assert str(caught.value).endswith(name)
    assert "\n" not in str(caught.value)


def test_a_file_that_refers_to_another_is_refused(tmp_path, clip):
    save_clip(clip, tmp_path / "other.usda")
    (tmp_path / "a.usda").write_text(
        '#usda 1.0\ndef "a" (references = @./other.usda@</figure>)\n{\n}\n'
    )
    with pytest.raises(FormatError, match=r"references to .*other\.usda"):
        load_clip(tmp_path / "a.usda")


def test_a_stage_without_a_skeleton_is_refused(tmp_path):
    (tmp_path / "a.usda").write_text('#usda 1.0\ndef Xform "a"\n{\n}\n')
    with pytest.raises(FormatError, match="expected a UsdSkel Skeleton"):
        load_clip(tmp_path / "a.usda")


def test_an_avatar_stays_what_it_is_while_written(tmp_path, avatar):
    before = avatar.mesh.vertices.copy()
    save_avatar(avatar, tmp_path / "a.usdz")
    assert isinstance(avatar, Avatar)
    np.testing.assert_array_equal(avatar.mesh.vertices, before)


def test_textures_travel_inside_the_package(tmp_path, avatar, capfd):
    import zipfile

    save_avatar(avatar, tmp_path / "a.usdz")
    with zipfile.ZipFile(tmp_path / "a.usdz") as package:
        pictures = [package.read(name) for name in package.namelist() if name.endswith(".png")]
    assert pictures == [avatar.mesh.materials[1].texture]
    assert "Warning" not in "".join(capfd.readouterr())


def test_a_file_on_which_usd_ends_the_process_is_refused(tmp_path, clip, monkeypatch):
    from twinsdk.formats import usd_read

    save_clip(clip, tmp_path / "a.usdc")
    # What usd-core does on some spoilt files, done on purpose.
    monkeypatch.setattr(usd_read, "__name__", "ctypes_crash")
    (tmp_path / "ctypes_crash.py").write_text("import os\nos.abort()\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(FormatError, match=r"usd-core crashed on the file"):
        load_clip(tmp_path / "a.usdc")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limits")
@pytest.mark.parametrize(
    ("greedy", "ends"),
    [
        ("try:\n    bytearray(4 << 30)\nexcept MemoryError:\n    print('refused')\n", "refused"),
        ("usd_read._PROCESSOR_S = 0\nusd_read._limit(100_000)\nwhile True:\n    pass\n", ""),
    ],
)
def test_the_child_that_reads_usd_may_not_take_all_there_is(greedy, ends):
    code = "from twinsdk.formats import usd_read\nusd_read._limit(2896)\n" + greedy
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == ends, done.stderr
    assert (done.returncode == 0) == bool(ends)
