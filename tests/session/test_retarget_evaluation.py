"""MakeHuman's skeletons lie in one mesh, and the tables say every measure."""

from __future__ import annotations

import numpy as np
import pytest

from twinsdk.retarget import humanoid_map
from twinsdk.retarget.evaluation import LIMBS, random_clip
from twinsdk.session.retarget_bodies import makehuman_bodies, makehuman_pairs
from twinsdk.session.retarget_table import markdown

ENDS = tuple(joint for pair in LIMBS for joint in pair)
ERROR = {"limb_mean_deg": 1.234, "limb_worst_deg": 5.0, "joint_share": 0.0123}
RESULT = {
    "same_body": {"A-pose": ERROR},
    "cycle_worst_deg": {"A-pose": 0.5},
    "foot_speed_cm_s": {"tall": {"source": 1.0, "twinsdk": None, "not planted": 9.87}},
    "formats": [{"suffix": ".bvh", "limb_worst_deg": 0.1}],
    "maps": {"re-ordered": {"right": 3, "total": 4, "refused": 0}},
    "speed": {
        "retarget_frames_s": {"transfer": (123456.7, 100000.0)},
        "step_us": {"step": (22.0, 99.0)},
        "bvh_frames_s": (300000.0, 290000.0),
        "glb_76_clips_s": (0.12, 0.13),
    },
}


@pytest.mark.slow  # the body data is fetched where it is not here
def test_the_skeletons_of_one_mesh_show_a_motion_with_limbs_in_the_same_places():
    bodies = makehuman_bodies()
    motion = random_clip(10)
    shown = [body.places(body.clip(motion), ENDS) for body in bodies]
    for other in shown[1:]:
        np.testing.assert_allclose(other, shown[0], atol=5e-6)
    assert len({len(body.skeleton) for body in bodies}) == len(bodies)


@pytest.mark.slow
def test_the_limbs_of_every_skeleton_of_the_mesh_are_found():
    for body in makehuman_bodies():
        found = humanoid_map(body.skeleton).roles
        assert {end: found[end] for end in ENDS} == {end: body.roles[end] for end in ENDS}


@pytest.mark.slow
def test_a_pair_shows_the_same_motion_in_another_rest_pose_world_and_unit():
    motion = random_clip(5)
    source, target = makehuman_pairs(makehuman_bodies())[12]
    assert target.metres == 0.01
    rest = target.skeleton.rest_world()[1]
    assert np.ptp(rest[:, 2]) > 100  # stands along Z, in centimetres
    np.testing.assert_allclose(
        target.places(target.clip(motion), ENDS),
        source.places(source.clip(motion), ENDS),
        atol=5e-6,
    )


def test_the_tables_show_losses_and_gaps():
    text = markdown(RESULT)
    assert "| A-pose | 1.23 | 5.00 | 1.23 |" in text
    assert "| tall | 1.00 | - | 9.87 |" in text
    assert "| re-ordered | 3 of 4 | 75.0 % |" in text
    assert "| transfer, frames/s | 123,457 | 100,000 |" in text
    assert "Files" not in text


def test_a_file_that_cannot_be_read_keeps_its_row():
    files = [{"file": "bad.bvh", "error": "BVH: line 3: expected a number: /somewhere/bad.bvh"}]
    text = markdown({**RESULT, "files": files, "same_take": []})
    assert "| bad.bvh | - | - | - | - | - | BVH: line 3: expected a number |" in text
