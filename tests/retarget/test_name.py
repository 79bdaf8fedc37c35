"""`tw.retarget` is the function whatever was imported before."""

import importlib

import numpy as np

import twinsdk as tw


def test_the_name_can_be_called_once_the_package_is_imported(bead_avatar):
    importlib.import_module("twinsdk.retarget")
    skeleton = tw.humanoid_skeleton()
    pose = tw.Pose(
        skeleton=skeleton,
        rotations=skeleton.rest_rotations,
        root_translation=skeleton.rest_translations[0],
    )
    out = tw.retarget(pose, bead_avatar)
    wanted = importlib.import_module("twinsdk.retarget.retargeter").retarget(pose, bead_avatar)
    np.testing.assert_array_equal(out.rotations, wanted.rotations)
