"""Odd avatars are told of in words; ours are not odd."""

from dataclasses import replace

import numpy as np
import pytest

from twinsdk.avatar.checks import check_avatar
from twinsdk.core.avatar import Material


def test_our_own_avatar_is_not_odd(avatar):
    assert check_avatar(avatar) == ()


@pytest.mark.parametrize(("scale", "words"), [(100, "it stands 17"), (0.01, "it stands 0.017")])
def test_an_avatar_in_other_units_is_told(avatar, scale, words):
    odd = replace(avatar, mesh=replace(avatar.mesh, vertices=avatar.mesh.vertices * scale))
    assert any(words in note for note in check_avatar(odd)), check_avatar(odd)


def test_a_floating_avatar_is_told(avatar):
    lifted = avatar.mesh.vertices + np.array([0, 0.5, 0], np.float32)
    (note,) = check_avatar(replace(avatar, mesh=replace(avatar.mesh, vertices=lifted)))
    assert "lowest point is at 0.50 m" in note


def test_swapped_sides_are_told(avatar):
    other = {"left": "right", "right": "left"}
    humanoid = {}
    for joint, role in avatar.humanoid.items():
        side = next((s for s in other if role.startswith(s)), None)
        humanoid[joint] = other[side] + role[len(side) :] if side else role
    (note,) = check_avatar(replace(avatar, humanoid=humanoid))
    assert "left shoulder is on the right" in note


def test_an_expression_that_does_nothing_is_told(avatar):
    offsets = avatar.morphs.offsets.copy()
    offsets[avatar.morphs.names.index("jawOpen")] = 0
    (note,) = check_avatar(replace(avatar, morphs=replace(avatar.morphs, offsets=offsets)))
    assert "1 expressions move nothing: jawOpen" in note


def test_a_surface_of_sheets_on_sheets_is_told(bead_avatar):
    mesh = bead_avatar.mesh
    twice = np.concatenate([mesh.triangles, mesh.triangles[:, [0, 2, 1]]])
    owners = np.concatenate([mesh.triangle_materials] * 2)
    odd = replace(bead_avatar, mesh=replace(mesh, triangles=twice, triangle_materials=owners))
    assert any("more than two triangles" in note for note in check_avatar(odd))
    assert not any("more than two" in note for note in check_avatar(bead_avatar))


def test_a_texture_that_is_none_is_told(bead_avatar):
    mesh = replace(bead_avatar.mesh, materials=(Material(name="coat", texture=b"\x89PNG no"),))
    assert any("'coat' cannot be read" in n for n in check_avatar(replace(bead_avatar, mesh=mesh)))
