"""The evaluation measures what it says: known answers, wrong methods, random skeletons."""

from __future__ import annotations

import numpy as np
import pytest

from twinsdk.core.clip import MotionClip
from twinsdk.retarget.evaluation import (
    CORE_ROLES,
    KINDS,
    LIMBS,
    canonical_bodies,
    canonical_body,
    clip_agreement,
    format_agreement,
    random_clip,
    rested,
    score_maps,
    transfer_error,
    variant,
    walk,
)

ENDS = tuple(joint for pair in LIMBS for joint in pair)


@pytest.mark.parametrize("body", canonical_bodies(), ids=lambda body: body.name)
def test_every_skeleton_of_a_body_shows_a_motion_with_its_joints_in_the_same_places(body):
    motion = random_clip(20)
    plain = canonical_body()
    here, there = body.places(body.clip(motion), ENDS), plain.places(motion, ENDS)
    np.testing.assert_allclose(here, there, atol=2e-6)  # float32 of a metre, some joints deep


def test_a_method_that_leaves_the_limbs_at_rest_is_found_out():
    def still(clip, source, target):
        rest = np.tile(target.skeleton.rest_rotations, (len(clip), 1, 1))
        return MotionClip(
            skeleton=target.skeleton,
            fps=clip.fps,
            rotations=rest,
            root_translations=np.tile(target.skeleton.rest_translations[0], (len(clip), 1)),
        )

    motion, plain = random_clip(30), canonical_body()
    target = rested(plain, "arms down")
    assert transfer_error(motion, plain, target, still).limb_mean_deg > 20
    exact = transfer_error(motion, plain, target)
    assert exact.limb_worst_deg < 1e-3
    assert exact.joint_share < 1e-5


def test_a_walk_stands_still_on_one_foot_at_every_moment():
    clip = walk(3)
    places = clip.world()[1]
    feet = np.stack([places[:, clip.skeleton.joint(f"{side}Foot")] for side in ("left", "right")])
    speed = np.linalg.norm(np.diff(feet, axis=1), axis=-1) * clip.fps
    # At touch-down and lift-off a foot takes part of its first or last step within a frame.
    assert np.percentile(speed.min(0), 90) < 0.02


@pytest.mark.parametrize("kind", KINDS)
def test_a_random_skeleton_has_one_root_and_its_truth_names_its_joints(kind):
    for seed in range(5):
        skeleton, truth = variant(kind, seed)
        assert (skeleton.parents == -1).sum() == 1
        assert set(truth.values()) <= set(skeleton.names)
        assert len(set(truth.values())) == len(truth)
        assert {"hips", "leftHand", "rightFoot", "head"} <= set(truth)


def test_random_skeletons_of_equal_seed_are_equal_and_of_others_are_not():
    (one, _), (two, _), (other, _) = (variant("all of it", seed) for seed in (3, 3, 4))
    assert one.matches(two)
    assert not one.matches(other)


def test_a_mapper_that_swaps_the_legs_loses_exactly_those_roles():
    swapped = {"left": "right", "right": "left"}

    def mapper(skeleton):
        _, truth = variant("re-ordered", 0)
        legs = {r for r in truth if r[-3:] in ("Leg", "oot", "oes")}
        side = {r: r.split("U")[0].split("L")[0].split("F")[0].split("T")[0] for r in legs}
        return {r: truth[r.replace(side[r], swapped[side[r]])] if r in legs else n
                for r, n in truth.items()}  # fmt: skip

    score = score_maps("re-ordered", 1, mapper=mapper)
    assert (score.total - score.right, score.total) == (8, len(CORE_ROLES))


def test_a_motion_agrees_with_itself_through_files_and_not_with_another():
    motion = walk(1.5)
    rows = format_agreement(motion, (".bvh", ".glb"))
    assert [row.suffix for row in rows] == [".bvh", ".glb"]
    assert max(row.limb_worst_deg for row in rows) < 0.01
    assert clip_agreement(motion, motion)[1] == 0
    assert clip_agreement(motion, random_clip(40))[0] > 5


def test_a_t_pose_put_before_a_take_does_not_part_it_from_the_same_take_without():
    motion = walk(1)
    rest = np.tile([0.0, 0, 0, 1], (1, len(motion.skeleton), 1))
    longer = MotionClip(
        skeleton=motion.skeleton,
        fps=motion.fps,
        rotations=np.concatenate([rest, motion.rotations]),
        root_translations=np.concatenate([motion.root_translations[:1], motion.root_translations]),
    )
    assert clip_agreement(motion, longer)[1] < 1e-3
    assert clip_agreement(longer, motion)[1] < 1e-3
