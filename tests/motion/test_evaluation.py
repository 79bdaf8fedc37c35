"""The evaluation tells good from bad, and the same data gives the same figures."""

import numpy as np
import pytest

from twinsdk.core import quat
from twinsdk.core.clip import MotionClip
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.errors import FileMissingError, FormatError
from twinsdk.motion.evaluation.clips import BODY_JOINTS, body_of, is_packed, read_packed
from twinsdk.motion.evaluation.followers import (
    AnalyticTrackers,
    AnalyticWebcam,
    Estimate,
    MeanPose,
    NearestNeighbour,
)
from twinsdk.motion.evaluation.protocol import dropouts, headset, webcam
from twinsdk.motion.evaluation.simulated import body_points, trackers_of, webcam_take
from twinsdk.motion.evaluation.tables import as_json, as_markdown
from twinsdk.session.evaluate_motion import LiveWebcam

FPS = 30.0
SKELETON = humanoid_skeleton()


def gesturing(seconds=4.0, seed=0):
    """Return somebody who stands and moves arms, head and hips smoothly."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * FPS)) / FPS
    rotations = np.tile(quat.IDENTITY, (len(t), len(SKELETON), 1)).astype(np.float64)
    for joint, size in (("UpperArm", 0.3), ("LowerArm", 0.4), ("head", 0.3), ("hips", 0.1)):
        for name in [n for n in SKELETON.names if n.endswith(joint)]:
            axis = rng.normal(size=3) * size
            base = np.zeros(3)
            if joint == "UpperArm":
                base[2] = -1.1 if name.startswith("left") else 1.1
            wave = np.sin(rng.uniform(1, 2) * t + rng.uniform(0, 6))[:, None]
            rotations[:, SKELETON.joint(name)] = quat.from_rotation_vector(base + axis * wave)
    root = np.tile(SKELETON.rest_translations[0], (len(t), 1))
    clip = MotionClip(skeleton=SKELETON, fps=FPS, rotations=rotations, root_translations=root)
    return body_of(clip, name=f"gesturing {seed}")


class Perfect:
    """Gives the truth back."""

    name = "perfect"

    def __init__(self, clip):
        self.clip = clip

    def follow(self, sources, skeleton, fps):
        places = self.clip.world()[1].astype(np.float64)
        return Estimate(clip=self.clip, ahead=np.concatenate([places[3:], places[-3:]]))


def test_the_truth_scores_nothing_in_every_task():
    true = gesturing()
    row = headset(Perfect(true.clip), [true])
    for name in ("rotation_deg", "position_cm", "hands_cm", "ahead_cm", "ahead_move_cm"):
        assert row.over_frames[name] < 1e-3, name
    assert row.over_frames["held_cm"] > 0.1
    assert row.over_frames["straight_cm"] < row.over_frames["held_cm"]
    lost = dropouts(Perfect(true.clip), [true], lost_s=0.5)
    assert lost.over_frames["lost_cm"] < 1e-3


def test_rules_beat_the_mean_pose_and_find_the_hands():
    true, other = gesturing(seed=1), gesturing(seed=2)
    rows = [headset(way, [true]).over_frames for way in (AnalyticTrackers(), MeanPose([other]))]
    assert rows[0]["hands_cm"] < 0.5
    assert rows[0]["position_cm"] < rows[1]["position_cm"]


def test_retrieval_finds_a_clip_that_is_among_its_examples():
    true, other = gesturing(seed=1), gesturing(seed=2)
    known = headset(NearestNeighbour([true, other]), [true]).over_frames
    unknown = headset(NearestNeighbour([other]), [true]).over_frames
    assert known["position_cm"] < 0.5 * unknown["position_cm"]


def test_a_clip_too_short_to_lose_hands_in_gives_no_row():
    assert dropouts(AnalyticTrackers(), [gesturing(seconds=2)], lost_s=5.0) is None


def test_simulated_trackers_are_the_joints_themselves():
    true = gesturing()
    given = trackers_of(true.clip)[7]
    j = true.clip.skeleton.joint("rightHand")
    np.testing.assert_allclose(given.positions[2], true.clip.world()[1][7, j], atol=1e-6)
    assert given.seen.tolist() == [True] * 3 + [False] * 3


def test_the_same_seed_gives_the_same_webcam_and_another_seed_another():
    clip = gesturing().clip
    takes = [webcam_take(clip, seed=seed, legs=True) for seed in (3, 3, 4)]
    points = [take.observations[5].body.positions for take in takes]
    np.testing.assert_array_equal(points[0], points[1])
    assert np.abs(points[0] - points[2]).max() > 0.005


def test_hidden_legs_are_guessed_with_low_visibility_mostly_below_the_picture():
    take = webcam_take(gesturing().clip, seed=1, legs=False)
    seen = [o for o in take.observations if o.body is not None]
    knee = seen[0].body.index("leftKnee")
    assert max(o.body.visibility[knee] for o in seen) < 0.3
    assert np.mean([o.image_body.inside()[knee] for o in seen]) < 0.2  # guesses wander
    assert min(o.body.visibility[seen[0].body.index("leftShoulder")] for o in seen) > 0.4


def test_the_live_loop_is_near_a_simulated_truth_and_knows_what_is_hidden():
    clips = [gesturing(seed=1)]
    plain, fit = (
        [webcam(way, clips, legs=legs).over_frames for legs in (True, False)]
        for way in (AnalyticWebcam(), LiveWebcam())
    )
    for seen, _ in (plain, fit):
        assert seen["position_cm"] < 15  # the noise alone is 7 cm on a point
    assert fit[1]["position_cm"] < plain[1]["position_cm"]  # it knows that legs are not seen


def test_body_points_lie_at_the_joints_they_are_named_after():
    clip = gesturing().clip
    points, places = body_points(clip), clip.world()[1]
    from twinsdk.motion.fitting.points import BODY

    for point, joint in (("leftWrist", "leftHand"), ("rightKnee", "rightLowerLeg")):
        found = points[:, BODY[point]] - places[:, clip.skeleton.joint(joint)]
        assert np.abs(found).max() < 1e-6


def packed(path, *, splits=("train", "dev"), **changed):
    true = [gesturing(seed=i) for i in range(2)]
    count = len(true[0].clip)
    members = {
        "joint_names": np.array(BODY_JOINTS),
        "fps": np.float32(FPS),
        "quats": np.concatenate([t.clip.rotations[..., [3, 0, 1, 2]] for t in true]),
        "root": np.concatenate([t.clip.root_translations for t in true]),
        "clip_start": np.array([0, count, 2 * count]),
        "clip_id": np.array(["a", "b"]),
        "subject": np.array(["01", "02"]),
        "split": np.array(splits),
        "skeleton": np.array([0, 0]),
        "offsets": true[0].clip.skeleton.rest_translations[None],
    }
    np.savez_compressed(path, **{**members, **changed})
    return true


def test_a_packed_set_comes_back_as_it_was_split_by_split(tmp_path):
    file = tmp_path / "set.npz"
    true = packed(file)
    assert is_packed(file)
    (found,) = read_packed(file, split="dev")
    assert (found.name, found.subject) == ("b", "02")
    assert quat.angle(found.clip.rotations, true[1].clip.rotations).max() < 1e-3
    assert len(list(read_packed(file))) == 2


def test_a_damaged_set_is_refused_in_words(tmp_path):
    file = tmp_path / "set.npz"
    packed(file, clip_start=np.array([0, 9999, 3]))
    with pytest.raises(FormatError, match="clip_start"):
        list(read_packed(file))
    packed(file, joint_names=np.array(["x"] * 22))
    with pytest.raises(FormatError, match="joint_names"):
        list(read_packed(file))
    file.write_bytes(b"no zip")
    with pytest.raises(FormatError, match="expected an"):
        list(read_packed(file))
    with pytest.raises(FileMissingError):
        list(read_packed(tmp_path / "none.npz"))


def test_tables_hold_every_method_and_json_never_a_nan():
    true = gesturing()
    rows = [headset(AnalyticTrackers(), [true])]
    text = as_markdown(rows)
    assert "| analytic IK |" in text
    assert "MPJPE" in text
    import json

    found = json.loads(json.dumps(as_json(rows, {"data": "x"}), allow_nan=False))
    assert found["rows"][0]["joint_rotation_deg"]["leftHand"] > 0
