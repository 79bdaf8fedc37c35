"""Training of the motion model: its data, its loss, and that a stopped run goes on."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from twinsdk.core import quat
from twinsdk.core.clip import MotionClip
from twinsdk.core.humanoid import HUMANOID_NAMES, humanoid_skeleton
from twinsdk.errors import FormatError, NotHumanoidError, UsageError, ValueRangeError
from twinsdk.motion.model import body
from twinsdk.motion.model.network import MotionNetwork, NetworkConfig, Scan
from twinsdk.motion.model.slots import STYLES, WIDTH, Source
from twinsdk.motion.model.weights import from_checkpoint, layers_of, write_weights
from twinsdk.motion.training import losses
from twinsdk.motion.training.corpus import clips_of, mirror, read_packed, style_of
from twinsdk.motion.training.episodes import EpisodeConfig, Episodes
from twinsdk.motion.training.settings import TrainConfig, read_config
from twinsdk.motion.training.takes import film
from twinsdk.motion.training.train import read_curves, train

WALK_HZ = 1.1


def walker(frames=150, fps=30.0, phase=0.0):
    """Return somebody who walks on the spot a little: a clip on the canonical skeleton."""
    t = np.arange(frames) / fps
    swing = np.sin(2 * np.pi * WALK_HZ * t + phase)
    vectors = np.zeros((frames, 55, 3), np.float32)
    at = HUMANOID_NAMES.index
    vectors[:, at("leftUpperLeg"), 0] = 0.4 * swing
    vectors[:, at("rightUpperLeg"), 0] = -0.4 * swing
    vectors[:, at("leftLowerLeg"), 0] = 0.3 * (1 - swing)
    vectors[:, at("rightLowerLeg"), 0] = 0.3 * (1 + swing)
    vectors[:, at("leftUpperArm"), 2] = -1.2
    vectors[:, at("rightUpperArm"), 2] = 1.2
    vectors[:, at("spine"), 1] = 0.1 * swing
    root = np.zeros((frames, 3), np.float32)
    root[:, 1] = 0.92
    root[:, 2] = 0.3 * t
    return MotionClip(
        skeleton=humanoid_skeleton(),
        fps=fps,
        rotations=quat.from_rotation_vector(vectors),
        root_translations=root,
    )


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """Return a packed motion set of three subjects, one of them dev."""
    clips = [walker(phase=p) for p in (0.0, 0.7, 1.9)]
    at = [HUMANOID_NAMES.index(name) for name in body.JOINTS]
    path = tmp_path_factory.mktemp("set") / "walks.npz"
    np.savez(
        path,
        joint_names=np.array(body.JOINTS),
        fps=np.float32(30),
        quats=np.concatenate([c.rotations[:, at] for c in clips])[..., [3, 0, 1, 2]].astype("f2"),
        root=np.concatenate([c.root_translations for c in clips]),
        clip_start=np.array([0, 150, 300, 450]),
        clip_id=np.array(["a", "b", "c"]),
        subject=np.array(["1", "2", "3"]),
        split=np.array(["train", "train", "dev"]),
        description=np.array(["walk", "idle", "run"]),
        skeleton=np.zeros(3, int),
        offsets=body.CANONICAL_OFFSETS[None],
    )
    return path


def tiny(packed, folder, **changes):
    given = {
        "data": (str(packed),),
        "folder": str(folder),
        "steps": 8,
        "window": 16,
        "film_seeds": (1,),
        "film_idle_share": 1.0,
        "checkpoint_minutes": 60.0,
        "network": NetworkConfig(hidden=16, layers=2),
        "episodes": EpisodeConfig(rows=4, frames=32),
    }
    return TrainConfig(**{**given, **changes})


def test_a_mirror_twice_is_no_mirror_and_once_moves_every_joint_across():
    clip = clips_of(walker(), name="walk", subject="1")[0]
    local, root = mirror(*mirror(clip.rotations, clip.root))
    np.testing.assert_allclose(local, clip.rotations, atol=1e-6)
    np.testing.assert_allclose(root, clip.root, atol=1e-6)
    _, places = body.forward(clip.rotations, clip.root, body.CANONICAL_OFFSETS)
    _, across = body.forward(*mirror(clip.rotations, clip.root), body.CANONICAL_OFFSETS)
    np.testing.assert_allclose(across[:, body.MIRROR] * (-1, 1, 1), places, atol=1e-5)


def test_clips_are_cut_where_a_joint_flips_and_stand_on_the_floor():
    whole = walker()
    broken = whole.rotations.copy()
    elbow = HUMANOID_NAMES.index("leftLowerArm")
    broken[60:, elbow] = quat.from_rotation_vector(np.array([0, 2.5, 0], np.float32))
    clip = MotionClip(
        skeleton=whole.skeleton,
        fps=30,
        rotations=broken,
        root_translations=whole.root_translations + np.array([0, 0.4, 0], np.float32),
    )
    pieces = clips_of(clip, name="flip", subject="1")
    assert [len(piece) for piece in pieces] == [60, 90]
    for piece in pieces:
        _, places = body.forward(piece.rotations, piece.root, piece.offsets)
        assert abs(places[:, body.FEET_TOES, 1].min() - 0.03) < 0.02


def test_a_run_begins_with_the_weights_it_is_given_and_refuses_those_of_other_sizes(
    packed, tmp_path
):
    first = train(tiny(packed, tmp_path / "first", film_seeds=()))
    sizes, arrays, progress = from_checkpoint(first)
    weights = tmp_path / "first.npz"
    write_weights(weights, sizes, arrays, better=frozenset({"trackers"}), trained=progress)
    still = {"film_seeds": (), "begin": str(weights), "learning_rate": 1e-12, "steps": 1}
    second = train(tiny(packed, tmp_path / "second", **still))
    given = layers_of(weights)
    with np.load(second) as kept:
        for name, value in given.items():
            np.testing.assert_allclose(kept[f"tracker/weights/{name}"], value, atol=1e-7)
    wider = {**still, "network": NetworkConfig(hidden=32, layers=2)}
    told: list[str] = []
    with pytest.raises(FormatError, match="begin: weights of other sizes"):
        train(tiny(packed, tmp_path / "third", **{**wider, "film_seeds": (1,)}), report=told.append)
    assert told == []  # before any clip was filmed


def test_a_clip_without_vrm_names_is_refused_in_words():
    from twinsdk.core.skeleton import Skeleton

    skeleton = Skeleton(
        names=("hips", "tail"),
        parents=np.array([-1, 0]),
        rest_translations=np.zeros((2, 3)),
        rest_rotations=np.tile(quat.IDENTITY, (2, 1)),
    )
    clip = MotionClip(
        skeleton=skeleton,
        fps=30,
        rotations=np.tile(quat.IDENTITY, (20, 2, 1)),
        root_translations=np.zeros((20, 3)),
    )
    with pytest.raises(NotHumanoidError, match="missing"):
        clips_of(clip, name="dog", subject="1")


def test_a_subject_on_both_sides_of_the_split_is_refused(packed, tmp_path):
    with np.load(packed) as data:
        arrays = {key: data[key] for key in data.files}
    arrays["subject"] = np.array(["1", "3", "3"])
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(FormatError, match="both train and dev"):
        read_packed([tmp_path / "bad.npz"])
    arrays.pop("root")
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(FormatError, match=r"missing \['root'\]"):
        read_packed([tmp_path / "bad.npz"])


def test_styles_are_read_from_descriptions():
    assert STYLES[style_of("Salsa dance, subject 60")] == "salsa"
    assert STYLES[style_of("navigate - walk forward")] == "walk"
    assert style_of("xyz") == -1


def test_the_scan_has_the_gradients_autograd_would_find():
    generator = torch.Generator().manual_seed(3)
    shape = (2, 6, 3)
    keep, candidate = (torch.rand(shape, generator=generator, dtype=torch.float64) for _ in "ab")
    state = torch.rand(2, 3, generator=generator, dtype=torch.float64)
    for value in (keep, candidate, state):
        value.requires_grad_()
    assert torch.autograd.gradcheck(Scan.apply, (keep, candidate, state))


def test_frames_one_by_one_give_what_the_sequence_gives():
    torch.manual_seed(0)
    network = MotionNetwork(NetworkConfig(hidden=16, layers=2)).eval()
    slots, dt = torch.randn(2, 9, WIDTH), torch.full((2, 9), 1 / 40)
    whole, last = network(slots, dt)
    state = None
    for t in range(9):
        out, state = network(slots[:, t : t + 1], dt[:, t : t + 1], state)
        torch.testing.assert_close(out.turns[:, 0], whole.turns[:, t], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(state, last, atol=1e-5, rtol=1e-4)


def test_two_half_steps_remember_as_one_whole_step():
    torch.manual_seed(0)
    block = MotionNetwork(NetworkConfig(hidden=16, layers=1)).blocks[0]
    x = torch.randn(1, 1, 16)
    state = torch.randn(1, 16)
    _, once = block(x, torch.full((1, 1, 1), 1.0), state)
    _, twice = block(x.expand(1, 2, 16), torch.full((1, 2, 1), 0.5), state)
    torch.testing.assert_close(once, twice, atol=1e-5, rtol=1e-4)


def test_episodes_repeat_by_their_number_and_hold_all_sources(packed):
    corpus = read_packed([packed])
    clips = corpus.part("train")
    takes = list(film(clips, seed=1))
    config = EpisodeConfig(rows=16, frames=48, nothing=0.6)
    first, again, other = (Episodes(clips, takes, config, seed=1).draw(i) for i in (0, 0, 1))
    np.testing.assert_array_equal(first.slots, again.slots)
    assert not np.array_equal(first.slots, other.slots)
    assert set(np.unique(first.source)) == set(Source)
    assert np.isfinite(first.slots).all()
    assert all(np.isfinite(value).all() for value in first.targets.values())


def test_the_true_turns_make_the_loss_terms_of_the_pose_vanish(packed):
    clips = read_packed([packed]).part("train")
    episode = Episodes(clips, [], EpisodeConfig(rows=4, frames=16), seed=2).draw(0)
    targets = losses.Targets(**{n: torch.from_numpy(v) for n, v in episode.targets.items()})
    network = MotionNetwork(NetworkConfig(hidden=16, layers=1)).eval()
    dt = targets.dt[:, None].expand(-1, 16)
    outputs, _ = network(torch.from_numpy(episode.slots), dt)
    turns = targets.start.transpose(-1, -2) @ targets.rotations
    outputs.turns.data.copy_(torch.cat([turns[..., 0], turns[..., 1]], -1))
    outputs.root.data.copy_(targets.root)
    _, terms = losses.tracking_loss(outputs, targets, losses.Weights(), torch.ones(22))
    for name in ("rotation", "position", "velocity", "root"):
        assert terms[name] < 2e-3, name  # the square root's epsilon keeps 1e-4 m


def test_training_lowers_the_loss_and_a_stopped_run_goes_on_as_if_it_had_not_been(packed, tmp_path):
    def weights(folder):
        with np.load(folder / "checkpoint.npz") as data:
            return {key: data[key] for key in data.files if "/weights/" in key}

    train(tiny(packed, tmp_path / "whole"))
    train(tiny(packed, tmp_path / "parts", steps=4))
    # The rate falls with progress towards `steps`: the same share is left for the same steps.
    whole = weights(tmp_path / "whole")
    assert all(np.isfinite(value).all() for value in whole.values())
    train(tiny(packed, tmp_path / "again", steps=4))
    for key, value in weights(tmp_path / "parts").items():
        np.testing.assert_array_equal(value, weights(tmp_path / "again")[key], err_msg=key)
    train(tiny(packed, tmp_path / "parts", steps=8))
    assert not np.array_equal(
        weights(tmp_path / "parts")["tracker/weights/turns.weight"],
        weights(tmp_path / "again")["tracker/weights/turns.weight"],
    )


_RANK = """
import os, sys
from twinsdk.motion.training import train as training
from twinsdk.motion.training.settings import read_config

kept = []
loop = training._Run.loop
training._Run.loop = lambda self, *rest: (kept.append(self), loop(self, *rest))
training.train(read_config(sys.argv[1]))
run = kept[0]
total = sum(float(p.detach().double().abs().sum()) for p in run.parts.network.parameters())
with open(sys.argv[2] + os.environ["RANK"], "w") as file:
    file.write(f"{run.progress.step} {run.progress.seconds!r} {total!r}")
"""


def settings(packed, folder, file, **more):
    lines = [f'data = ["{packed}"]', f'folder = "{folder}"', "window = 16", "film_seeds = [1]"]
    lines += [f"{key} = {value}" for key, value in {"steps": 4, **more}.items()]
    lines += ["[network]", "hidden = 16", "layers = 2"]
    lines += ["[episodes]", "rows = 4", "frames = 32"]
    file.write_text("\n".join(lines))
    return file


@pytest.mark.skipif(sys.version_info < (3, 11), reason="TOML settings need Python 3.11")
def test_two_processes_end_with_the_same_weights_and_write_one_run(packed, tmp_path):
    file = settings(packed, tmp_path / "run", tmp_path / "run.toml")
    script = tmp_path / "rank.py"
    script.write_text(_RANK)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"),
            *("2", str(script), str(file), str(tmp_path / "rank")),
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    first, second = ((tmp_path / f"rank{k}").read_text() for k in (0, 1))
    assert first == second
    assert first.startswith("4 ")
    lines = read_curves(tmp_path / "run")
    assert [line["step"] for line in lines if line["kind"] == "train"] == [2, 4]
    alone = train(read_config(file, folder=str(tmp_path / "alone"), steps=4))
    weight = "tracker/weights/turns.weight"
    with np.load(alone) as one, np.load(tmp_path / "run" / "checkpoint.npz") as two:
        assert not np.array_equal(one[weight], two[weight])  # the second's episodes count


def test_curves_go_to_tensorboard_where_it_is_installed(packed, tmp_path):
    loader = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")
    train(tiny(packed, tmp_path, steps=4, tensorboard=True))
    (file,) = (tmp_path / "tensorboard").iterdir()
    found = {
        (value.tag, event.step)
        for event in loader.LegacyEventFileLoader(str(file)).Load()
        for value in event.summary.value
    }
    assert {("train/loss", 2), ("train/loss", 4), ("dev/trackers_rotation_deg", 4)} <= found


@pytest.mark.skipif(sys.version_info < (3, 11), reason="TOML settings need Python 3.11")
def test_a_list_of_settings_is_a_sweep(packed, tmp_path):
    from twinsdk.cli import main

    files = [
        settings(packed, tmp_path / f"run{k}", tmp_path / f"{k}.toml", learning_rate=rate)
        for k, rate in enumerate((1e-3, 1e-4))
    ]
    assert main(["train", *map(str, files), "--steps", "2"]) == 0
    rates = [read_curves(tmp_path / f"run{k}")[0]["learning_rate"] for k in (0, 1)]
    assert rates[0] > 5 * rates[1]


def test_a_folder_with_another_run_is_refused(packed, tmp_path):
    train(tiny(packed, tmp_path, steps=2))
    with pytest.raises(FormatError, match="other settings"):
        train(tiny(packed, tmp_path, steps=4, seed=5))


def test_settings_with_an_unknown_key_or_a_bad_value_are_refused(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text('data = ["a.npz"]\nspeed = 3\n')
    with pytest.raises(UsageError, match=r"unknown \['speed'\]"):
        read_config(file)
    file.write_text('data = ["a.npz"]\n[episodes]\nrows = 2\nframes = 33\n')
    with pytest.raises(ValueRangeError, match="window"):
        read_config(file)
    file.write_text("data = [")
    with pytest.raises(FormatError, match="not TOML"):
        read_config(file)
