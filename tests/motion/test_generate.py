"""Motion without a camera: repeatable, alive, at home, on its feet, and exact where it must be."""

import numpy as np
import pytest

from twinsdk.core import quat
from twinsdk.core.clip import MotionClip
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.core.skeleton import Skeleton
from twinsdk.errors import SkeletonMismatchError, UsageError, ValueRangeError
from twinsdk.motion.filters.footing import FootHolder
from twinsdk.motion.filters.inertia import Fading, RotationFading
from twinsdk.motion.generation.generate import generate
from twinsdk.motion.generation.performances import BODY, library, pack, styles
from twinsdk.motion.generation.performer import Performer
from twinsdk.motion.score import accelerations, contacts_of, foot_speed_cm_s

SKELETON = humanoid_skeleton()


def world(clip):
    return clip.world()[1].astype(np.float64)


def test_the_same_seed_gives_the_same_motion_and_another_another():
    first, second, other = (generate(8, seed=seed) for seed in (4, 4, 5))
    np.testing.assert_array_equal(first.rotations, second.rotations)
    assert np.abs(first.rotations - other.rotations).max() > 0.01


def test_somebody_idle_stays_at_home_never_freezes_and_stands_on_their_feet():
    clip = generate(90, seed=2)
    places = world(clip)
    speed = np.linalg.norm(np.diff(places, axis=0), axis=-1) * clip.fps
    assert np.abs(places[:, 0, [0, 2]] - places[0, 0, [0, 2]]).max() < 0.6
    still = speed.max(1) < 1e-4
    longest = max(len(run) for run in "".join("x" if s else " " for s in still).split(" "))
    assert longest < clip.fps  # never a second without any movement
    contacts = contacts_of(SKELETON, places, clip.fps)
    assert contacts.mean() > 0.9
    assert foot_speed_cm_s(SKELETON, places, contacts, clip.fps) < 3
    assert accelerations(places, clip.fps).max() < 150


def test_every_style_performs_and_a_style_that_is_not_there_is_named():
    for style in styles():
        clip = generate(2, style=style)
        assert np.isfinite(clip.rotations).all()
        assert world(clip)[:, SKELETON.joint("head"), 1].min() > 0.4
    with pytest.raises(UsageError, match="idle"):
        generate(1, style="moonwalk")


def test_it_goes_on_from_a_clip_without_a_jump():
    before = generate(2, style="gesture", seed=8)
    after = generate(2, start=before, seed=1)
    both = np.concatenate([world(before), world(after)])
    step = np.linalg.norm(np.diff(both, axis=0), axis=-1)
    at = len(before) - 1
    assert step[at].max() < 0.05  # 1.5 m/s
    peaks = accelerations(both, 30.0).max(1)
    assert peaks[at - 2 : at + 2].max() < 100


def test_between_two_poses_it_begins_at_one_and_ends_at_the_other():
    start, end = generate(1, style="walk", seed=1), generate(1, style="gesture", seed=3)
    clip = generate(2.5, start=start, end=end)
    assert quat.angle(clip.rotations[-1], end.rotations[0]).max() < 1e-3
    np.testing.assert_allclose(clip.root_translations[-1], end.root_translations[0], atol=1e-5)
    first = quat.angle(clip.rotations[0], start.rotations[-1]).max()
    assert first < np.radians(25)
    assert accelerations(world(clip), clip.fps).max() < 400


def test_any_step_length_gives_a_finite_pose_and_no_time_no_change():
    performer = Performer("idle", seed=1)
    for step_s in (0.0, 1e-4, 1 / 120, 1 / 15, 1.0, 30.0):
        assert np.isfinite(performer.step(step_s).rotations).all()
    one, two = performer.step(0.0), performer.step(0.0)
    np.testing.assert_allclose(one.rotations, two.rotations, atol=1e-6)


def test_what_makes_no_sense_is_refused():
    for seconds, fps in ((0, 30), (-1, 30), (1, 0), (np.nan, 30)):
        with pytest.raises(ValueRangeError):
            generate(seconds, fps=fps)
    other = Skeleton(
        names=("a",),
        parents=np.array([-1]),
        rest_translations=np.zeros((1, 3)),
        rest_rotations=quat.IDENTITY[None],
    )
    clip = MotionClip(
        skeleton=other,
        fps=30,
        rotations=np.tile(quat.IDENTITY, (3, 1, 1)),
        root_translations=np.zeros((3, 3)),
    )
    with pytest.raises(SkeletonMismatchError, match="retarget"):
        generate(1, start=clip)


def test_packed_performances_come_back_to_a_twentieth_of_a_degree(tmp_path, monkeypatch):
    from twinsdk.motion.generation import performances

    found = library("walk")
    clips = [
        (
            style,
            MotionClip(
                skeleton=BODY,
                fps=30,
                rotations=found.rotations[a : a + 60],
                root_translations=found.roots[a : a + 60],
            ),
        )
        for style, a in (("x", 0), ("y", 100), ("x", 200))
    ]
    pack(clips, tmp_path / "own.npz")
    monkeypatch.setattr(performances, "_FILE", tmp_path / "own.npz")
    for cached in (performances._packed, performances.library):
        cached.cache_clear()
    try:
        again = library("x")
        assert styles() == ("x", "y")
        wanted = np.concatenate([clips[0][1].rotations, clips[2][1].rotations])
        assert np.degrees(quat.angle(again.rotations, wanted).max()) < 0.05
        assert again.ends.tolist() == [60] * 60 + [120] * 60
    finally:
        for cached in (performances._packed, performances.library):
            cached.cache_clear()


def test_a_difference_dies_away_at_any_rate_alike_and_begins_with_its_speed():
    coarse, fine = Fading((1,), 0.1), Fading((1,), 0.1)
    for fading in (coarse, fine):
        fading.begin(np.array([1.0]), np.array([-3.0]))
    for _ in range(10):
        fine.step(0.02)
    assert coarse.step(0.2) == pytest.approx(fine.value, rel=1e-9)
    assert abs(coarse.step(2.0)[0]) < 1e-6
    fine.begin(np.array([1.0]), np.array([-3.0]))
    assert (fine.step(1e-5)[0] - 1) / 1e-5 == pytest.approx(-3, rel=1e-2)


def test_a_rotation_fades_from_what_was_shown_to_what_comes():
    rng = np.random.default_rng(2)
    shown, coming = (quat.normalize(rng.normal(size=(5, 4))) for _ in range(2))
    fading = RotationFading(5, 0.1)
    fading.begin(shown, coming)
    assert quat.angle(fading.step(coming, 0.0), shown).max() < 1e-6
    assert quat.angle(fading.step(coming, 3.0), coming).max() < 1e-6


def test_a_foot_that_stands_stays_while_the_hips_move_and_steps_when_too_far():
    holder, rest = FootHolder(BODY), BODY.rest_rotations.astype(np.float64)
    root = BODY.rest_translations[0].astype(np.float64) - (0, 0.02, 0)
    foot, standing = BODY.joint("leftFoot"), np.ones(4, bool)
    path = []
    for i in range(90):
        moved = root + np.array([0.001 * i, 0, 0])
        rotations, at = holder.step(rest, moved, standing, 1 / 30)
        path.append(BODY.forward(rotations.astype(np.float32), at)[1][foot])
    path = np.array(path)
    assert np.abs(path[:45] - path[0]).max() < 2e-3
    assert path[-1, 0] > path[0, 0] + 0.02
    assert path[:, 1].max() > path[0, 1] + 0.02  # lifted on its way
