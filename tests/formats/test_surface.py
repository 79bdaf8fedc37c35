"""trimesh reads the surfaces we write for programs that know no rigs."""

from dataclasses import replace

import numpy as np
import pytest

from twinsdk.core.avatar import Material
from twinsdk.errors import AvatarError, OutputError
from twinsdk.formats import save_avatar

trimesh = pytest.importorskip("trimesh")


@pytest.mark.parametrize("kind", [".obj", ".ply"])
def test_trimesh_reads_the_same_surface(tmp_path, bead_avatar, kind):
    save_avatar(bead_avatar, tmp_path / f"beads{kind}")
    read = trimesh.load(tmp_path / f"beads{kind}", force="mesh", process=False)
    mesh = bead_avatar.mesh
    ours = np.sort(mesh.vertices[mesh.triangles].reshape(len(mesh.triangles), -1), axis=0)
    theirs = np.sort(np.asarray(read.triangles).reshape(len(read.faces), -1), axis=0)
    np.testing.assert_allclose(theirs, ours, atol=2e-6)
    assert read.volume == pytest.approx(trimesh.Trimesh(mesh.vertices, mesh.triangles).volume, 1e-4)


def test_materials_and_textures_lie_beside_the_obj(tmp_path, bead_avatar):
    from PIL import Image

    Image.new("RGB", (4, 4), (200, 10, 10)).save(tmp_path / "t.png")
    picture = (tmp_path / "t.png").read_bytes()
    materials = (Material(name="a b/c", texture=picture), Material(name="plain"))
    owners = np.arange(len(bead_avatar.mesh.triangles)) % 2
    mesh = replace(bead_avatar.mesh, materials=materials, triangle_materials=owners)
    save_avatar(replace(bead_avatar, mesh=mesh), tmp_path / "me.obj")
    assert (tmp_path / "me_a_b_c.png").read_bytes() == picture
    assert "map_Kd me_a_b_c.png" in (tmp_path / "me.mtl").read_text()
    scene = trimesh.load(tmp_path / "me.obj", split_object=True, group_material=True)
    assert len(scene.geometry) == 2


@pytest.mark.parametrize("kind", [".obj", ".ply"])
def test_no_surface_and_no_folder_are_refused(tmp_path, bead_avatar, kind):
    empty = replace(
        bead_avatar.mesh,
        triangles=np.zeros((0, 3), int),
        triangle_materials=np.zeros(0, int),
    )
    with pytest.raises(AvatarError, match="at least one triangle"):
        save_avatar(replace(bead_avatar, mesh=empty), tmp_path / f"a{kind}")
    with pytest.raises(OutputError):
        save_avatar(bead_avatar, tmp_path / "none" / f"a{kind}")
    assert list(tmp_path.iterdir()) == []
