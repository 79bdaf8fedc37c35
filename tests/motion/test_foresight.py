"""Where a body will be: laws of the forecast, its weights file, and how it is trained."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest

from twinsdk.core import quat
from twinsdk.core.clip import MotionClip
from twinsdk.core.pose import rest_pose
from twinsdk.errors import FormatError, ModelMissingError
from twinsdk.motion.evaluation.simulated import trackers_of
from twinsdk.motion.generation.performances import BODY, library
from twinsdk.motion.model import MotionModel
from twinsdk.motion.model.body import CANONICAL_OFFSETS, COUNT, forward, turn_y
from twinsdk.motion.model.foresight import (
    FOREKNOWN,
    POWERS,
    Past,
    foresight,
    read_foresight,
    remembered,
    write_foresight,
)
from twinsdk.motion.training.corpus import clips_of, write_packed
from twinsdk.motion.training.foresight import (
    ForesightConfig,
    arrays_of_foresight,
    train_foresight,
)

SOON = np.array([0.1], np.float32)


def performed(style, count, *, skip=0):
    """Return `count` frames of the first of the package's captured clips that is long enough."""
    found = library(style)
    starts = [0, *dict.fromkeys(found.ends.tolist())]
    first = next(a for a, b in pairwise(starts) if b - a >= skip + count) + skip
    return MotionClip(
        skeleton=BODY,
        fps=found.fps,
        rotations=found.rotations[first : first + count],
        root_translations=found.roots[first : first + count],
    )


def resampled(clip, fps):
    """Return the clip's rotations (T, 22, 4) and roots (T, 3) `fps` times a second."""
    at = np.arange(0, len(clip) - 1, clip.fps / fps)
    low = np.floor(at).astype(int)
    share = (at - low)[:, None].astype(np.float32)
    roots = clip.root_translations
    return (
        quat.slerp(clip.rotations[low], clip.rotations[low + 1], share),
        roots[low] + share * (roots[low + 1] - roots[low]),
    )


def past_of(rotations, roots, fps):
    """Return what is known after the last of frames (T, 22, 4) and (T, 3)."""
    return Past(
        at_s=np.arange(len(roots)) / fps,
        rotations=rotations.astype(np.float32),
        places=placed(rotations, roots),
    )


def placed(rotations, roots):
    local = quat.to_matrix(rotations).astype(np.float32)
    return forward(local, roots.astype(np.float32), CANONICAL_OFFSETS)[1]


def then(past, seconds=SOON):
    """Return where joints are said to be (22, 3)."""
    turns, ways = foresight().ahead(past, seconds)
    turned = quat.multiply(past.rotations[-1], quat.from_rotation_vector(turns[0]))
    return placed(turned, past.places[-1, 0] + ways[0])


@pytest.mark.parametrize("fps", [15, 30, 60, 72, 120])
def test_captured_walking_is_foreseen_better_than_by_its_speeds_at_any_rate(fps):
    rotations, roots = resampled(performed("walk", 90), fps)
    places = placed(rotations, roots)
    steps, back, known = round(0.1 * fps), max(1, round(fps / 15)), round(0.4 * fps)
    soon = np.array([steps / fps], np.float32)
    ours, straight = [], []
    for k in range(known, len(roots) - steps):
        past = past_of(rotations[k - known : k + 1], roots[k - known : k + 1], fps)
        on = places[k] + steps / back * (places[k] - places[k - back])
        for found, way in ((ours, then(past, soon)), (straight, on)):
            found.append(np.linalg.norm(way - places[k + steps], axis=-1).mean())
    assert np.mean(ours) < 0.85 * np.mean(straight)


def test_who_stands_still_is_foreseen_standing_still():
    clip = performed("idle", 2)
    past = past_of(*(np.repeat(x[:1], 20, 0) for x in (clip.rotations, clip.root_translations)), 30)
    np.testing.assert_allclose(then(past), past.places[-1], atol=1e-5)


def test_who_glides_is_foreseen_gliding_on():
    clip = performed("walk", 2, skip=60)
    way = np.linspace(0, 0.5, 16)[:, None] * np.array([0.0, 0.0, 1.0])
    rotations = np.repeat(clip.rotations[:1], 16, 0)
    past = past_of(rotations, clip.root_translations[:1] + way, 30)
    moved = (then(past) - past.places[-1]).mean(0)
    assert moved == pytest.approx([0, 0, 0.1], abs=0.04)


def test_where_somebody_stands_and_faces_makes_no_difference():
    rotations, roots = resampled(performed("walk", 30), 30)
    turn = turn_y(2.2)
    turned = rotations.copy()
    turned[:, 0] = quat.multiply(quat.from_matrix(turn), turned[:, 0])
    there = np.array([3.0, 0.0, -5.0], np.float32)
    one, other = past_of(rotations, roots, 30), past_of(turned, roots @ turn.T + there, 30)
    np.testing.assert_allclose(then(other), then(one) @ turn.T + there, atol=1e-4)


def test_a_short_past_is_gone_on_with_and_one_moment_held():
    rotations, roots = resampled(performed("walk", 8), 30)
    turns, ways = foresight().ahead(past_of(rotations[:1], roots[:1], 30), SOON)
    assert not turns.any()
    assert not ways.any()
    _, ways = foresight().ahead(past_of(rotations, roots, 30), SOON)
    assert ways[0] == pytest.approx(2.5 * (roots[-1] - roots[-2]), abs=0.02)


@pytest.mark.parametrize("dt_s", [1 / 15, 1 / 120, 0.5])
def test_the_past_that_is_kept_is_bounded_and_long_enough_at_any_rate(dt_s):
    past, pose = (), rest_pose(BODY)
    for _ in range(200):
        past = remembered(past, pose, dt_s)
    assert 11 / 30 <= past[-1].at_s - past[0].at_s < 11 / 30 + dt_s


def test_the_model_foresees_alike_after_it_was_restored():
    clip = performed("walk", 60)
    worn = trackers_of(clip)
    model = MotionModel.load(skeleton=BODY)
    for trackers in worn[:30]:
        model.step(trackers, 1 / 30)
    state = model.state()
    first = model.step(worn[30], 1 / 30).ahead(0.1)
    model.step(None, 1 / 30)
    model.restore(state)
    again = model.step(worn[30], 1 / 30).ahead(0.1)
    np.testing.assert_array_equal(first.rotations, again.rotations)
    np.testing.assert_array_equal(first.root_translation, again.root_translation)


def arrays(hidden=4):
    outputs = POWERS * 3 * (COUNT + 1)
    shapes = {"mean": (FOREKNOWN,), "scale": (FOREKNOWN,), "w0": (FOREKNOWN, hidden)}
    shapes |= {"b0": (hidden,), "w1": (hidden, hidden), "b1": (hidden,)}
    shapes |= {"w2": (hidden, outputs), "b2": (outputs,)}
    return {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}


def test_files_that_are_missing_or_of_another_network_are_refused(tmp_path):
    with pytest.raises(ModelMissingError, match="foresight"):
        read_foresight(tmp_path / "none.npz")
    path = tmp_path / "small.npz"
    assert write_foresight(path, arrays(), trained={}) == read_foresight(path).sha256
    write_foresight(path, {**arrays(), "b1": np.zeros(5)}, trained={})
    with pytest.raises(FormatError, match=r"other inputs or outputs.*b1"):
        read_foresight(path)


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    clips = clips_of(performed("walk", 50), name="walk", subject="walker")
    clips += clips_of(performed("walk", 40, skip=50), name="walk", subject="other", split="dev")
    path = tmp_path_factory.mktemp("set") / "set.npz"
    write_packed(path, clips, [clip.name for clip in clips])
    return path


def settings(packed, folder, steps, **more):
    return ForesightConfig(
        data=(str(packed),), folder=str(folder), steps=steps, batch=16, hidden=32, warmup=10, **more
    )


def test_training_learns_goes_on_and_ends_in_weights(packed, tmp_path):
    whole = train_foresight(settings(packed, tmp_path / "whole", 100, true_share=0.5))
    train_foresight(settings(packed, tmp_path / "parts", 20, true_share=0.5))
    parts = train_foresight(settings(packed, tmp_path / "parts", 40, true_share=0.5))
    one, progress = arrays_of_foresight(whole)
    two, resumed = arrays_of_foresight(parts)
    assert progress["step"] == 100
    lines = list(map(json.loads, (tmp_path / "whole/curves.jsonl").read_text().splitlines()))
    losses = [line["loss"] for line in lines if line["kind"] == "train"]
    assert losses[-1] < losses[0]
    assert [line for line in lines if line["kind"] == "dev"][-1]["cm_100ms"] > 0
    path = tmp_path / "weights.npz"
    write_foresight(path, one, trained=progress)
    read_foresight(path)
    assert resumed["step"] == 40
    assert not np.array_equal(one["w2"], two["w2"])


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    np.savez(tmp_path / "x.npz", allow_pickle=False, other=np.zeros(3))
    with pytest.raises(FormatError, match="foresight"):
        arrays_of_foresight(tmp_path / "x.npz")
