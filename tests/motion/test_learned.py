"""The learned generator: what it learns, what it draws, and what it refuses."""

import itertools
import json

import numpy as np
import pytest
import torch

from twinsdk.core import quat
from twinsdk.core.clip import MotionClip, clip_of
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.core.pose import Pose
from twinsdk.errors import FormatError, ModelMissingError, UsageError
from twinsdk.motion.generation import flow, windows
from twinsdk.motion.generation.flow_data import FlowData, bases_of, tracked
from twinsdk.motion.generation.flow_network import FlowConfig, FlowNetwork, surprise
from twinsdk.motion.generation.flow_training import (
    GeneratorConfig,
    arrays_of_checkpoint,
    train_generator,
)
from twinsdk.motion.generation.generate import generate
from twinsdk.motion.generation.learned import LearnedPerformer, learned_styles
from twinsdk.motion.generation.performances import BODY, library
from twinsdk.motion.model.body import turn_y
from twinsdk.motion.score import accelerations, contacts_of, foot_speed_cm_s
from twinsdk.motion.training.corpus import clips_of, read_packed, write_packed
from twinsdk.motion.training.settings import TrainConfig, read_config

SKELETON = humanoid_skeleton()
KINDS = {"generator": GeneratorConfig}


def performed(style, first, count):
    """Captured frames of the package as clips to learn from."""
    found = library(style)
    return MotionClip(
        skeleton=BODY,
        fps=found.fps,
        rotations=found.rotations[first : first + count],
        root_translations=found.roots[first : first + count],
    )


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """Twelve who idle and some who walk to learn from, and two whom nothing is learnt from."""
    starts = [0, *dict.fromkeys(library("idle").ends.tolist())][:14]
    clips = clips_of(performed("walk", 0, 600), name="walk", subject="walker")
    for k, start in enumerate(starts):
        split = "dev" if k in (3, 9) else "train"
        idle = performed("idle", start, 240)
        clips += clips_of(idle, name="idle", subject=str(k), split=split)
    path = tmp_path_factory.mktemp("set") / "set.npz"
    write_packed(path, clips, [clip.name for clip in clips])
    return path


def tiny(packed, folder, **changes):
    given = {
        "data": (str(packed),),
        "folder": str(folder),
        "steps": 60,
        "batch": 64,
        "warmup": 10,
        "learning_rate": 3e-3,
        "averaging": 0.9,
        "network": FlowConfig(hidden=32, blocks=1, narrow=32),
    }
    return GeneratorConfig(**{**given, **changes})


@pytest.fixture(scope="module")
def run(packed, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    checkpoint = train_generator(tiny(packed, folder, steps=300))
    lines = [json.loads(line) for line in (folder / "curves.jsonl").read_text().splitlines()]
    return checkpoint, lines


@pytest.fixture(scope="module")
def small(run, tmp_path_factory):
    """A generator that has hardly learnt: laws have to hold for it too."""
    sizes, arrays, progress = arrays_of_checkpoint(run[0])
    path = tmp_path_factory.mktemp("weights") / "small.npz"
    flow.write_flow(path, sizes, arrays, trained=progress)
    return path


def places(clip):
    return clip.world()[1].astype(np.float64)


def test_a_window_comes_back_as_the_poses_it_was_made_of(packed):
    clip = read_packed([packed]).clips[-1]
    track = tracked([clip], mirrored=False)
    now = np.array([40])
    window = windows.futures(track, now)[0]
    local, root, contacts, _ = windows.poses_of(
        window, track.postures[40], track.places[40], float(track.headings[40])
    )
    np.testing.assert_allclose(local, clip.rotations[41:57], atol=1e-4)
    np.testing.assert_allclose(root, clip.root[41:57], atol=1e-5)
    np.testing.assert_array_equal(contacts > 0.5, clip.contacts[41:57])


def test_where_somebody_stands_and_faces_makes_no_difference(packed):
    clip = read_packed([packed]).clips[-1]
    turn = turn_y(2.1)
    rotations = clip.rotations.copy()
    rotations[:, 0] = turn @ rotations[:, 0]
    root = clip.root @ turn.T + np.array([3, 0, -1], np.float32)
    one, other = (
        windows.track_of([(r, p, clip.contacts, 0)])
        for r, p in ((clip.rotations, clip.root), (rotations, root))
    )
    now = np.array([35, 70])
    np.testing.assert_allclose(windows.futures(one, now), windows.futures(other, now), atol=1e-4)
    for a, b in zip(windows.pasts(one, now), windows.pasts(other, now), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_a_goal_is_the_frame_it_names_and_an_unknown_past_stands_still(packed):
    track = tracked(read_packed([packed]).clips[:1], mirrored=False)
    now = np.array([50])
    goal = windows.goals(track, now, np.array([9]))[0]
    np.testing.assert_array_equal(goal, windows.futures(track, now)[0, 8, : len(goal)])
    past, _ = windows.pasts(track, now, kept=np.array([2]))
    np.testing.assert_array_equal(past[0, 2:], past[0, 1:2].repeat(8, 0))
    whole, _ = windows.pasts(track, now)
    np.testing.assert_array_equal(past[0, :2], whole[0, :2])


def test_numpy_draws_what_torch_learns(packed):
    track = tracked(read_packed([packed]).part("train"))
    bases = bases_of(track, seed=0)
    torch.manual_seed(2)
    network = FlowNetwork(FlowConfig(hidden=24, blocks=2, narrow=16), bases).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    batch = FlowData(track, bases, seed=3).draw(0, 8)
    arrays = {name: value.numpy() for name, value in network.state_dict().items()}
    ours = flow.Flow({"blocks": 2}, arrays, {})
    told, x = torch.from_numpy(batch.told), torch.from_numpy(batch.z)
    with torch.no_grad():
        middle, spread = network.gaussian(told)
        way = network.velocity(x, torch.full((8, 1), 0.3), told)
    np.testing.assert_allclose(ours.gaussian(batch.told)[0], middle, atol=1e-4)
    np.testing.assert_allclose(ours.gaussian(batch.told)[1], spread.exp(), rtol=1e-4)
    np.testing.assert_allclose(ours.velocity(batch.z, 0.3, batch.told), way, atol=1e-3)


def test_training_makes_what_people_did_likelier_and_says_so_of_people_it_has_not_seen(run):
    _, lines = run
    curve = [line for line in lines if line["kind"] == "train"]
    for name in ("loss", "likelihood", "velocity"):
        assert curve[-1][name] < curve[0][name], name
    dev = lines[-1]
    assert dev["kind"] == "dev"
    assert np.isfinite([dev[n] for n in ("likelihood", "velocity", "blind", "marginal")]).all()


def test_people_whom_nothing_was_learnt_from_are_likelier_than_to_one_who_knows_nothing():
    # The idling of ReActIdle's 003 and 010 is in the package, and the weights never saw it.
    ends = [0, *dict.fromkeys(library("idle").ends.tolist())]
    unseen = [(a, b - a) for a, b in itertools.pairwise(ends) if b - a in (1147, 3282)]
    assert len(unseen) == 2
    ours, off, blind = flow.generator(), [], []
    for a, count in unseen:
        clips = clips_of(performed("idle", a, count), name="idle", subject="unseen")
        data = FlowData(tracked(clips, mirrored=False), ours.bases, seed=0, plain=True)
        batch = data.draw(0, 600)
        middle, spread = ours.gaussian(batch.told)
        rest = (batch.z - middle) / spread
        surprised = (surprise(torch.from_numpy(rest)).numpy() + np.log(spread)).mean()
        assert surprised < surprise(torch.from_numpy(batch.z)).numpy().mean() - 1  # nats
        noise = np.random.default_rng(1).standard_normal(rest.shape).astype(np.float32)
        aim = np.clip(rest, -6, 6)
        for share in (0.3, 0.6, 0.9):
            x = share * aim + (1 - share) * noise
            slope = (2 * share - 1) / (share**2 + (1 - share) ** 2)
            off.append(((ours.velocity(x, share, batch.told) - aim + noise) ** 2).mean())
            blind.append(((slope * x - aim + noise) ** 2).mean())
    assert np.mean(off) < 0.9 * np.mean(blind)


def test_a_stopped_run_goes_on_and_the_same_seed_gives_the_same_weights(packed, run, tmp_path):
    def weights(path):
        return arrays_of_checkpoint(path)[1]

    again = weights(train_generator(tiny(packed, tmp_path / "again", steps=6)))
    first = train_generator(tiny(packed, tmp_path / "parts", steps=6))
    for name, array in weights(first).items():
        np.testing.assert_array_equal(array, again[name], err_msg=name)
    later = weights(train_generator(tiny(packed, tmp_path / "parts", steps=9)))
    assert not np.array_equal(later["leave.weight"], again["leave.weight"])
    assert arrays_of_checkpoint(first)[2]["step"] == 9
    with pytest.raises(FormatError, match="other settings"):
        train_generator(tiny(packed, tmp_path / "parts", steps=9, seed=1))


def test_a_batch_repeats_by_its_number(packed):
    track = tracked(read_packed([packed]).part("train"))
    bases = bases_of(track, seed=0)
    one, same, other = (FlowData(track, bases, seed=3).draw(i, 16) for i in (4, 4, 5))
    np.testing.assert_array_equal(one.told, same.told)
    np.testing.assert_array_equal(one.z, same.z)
    assert not np.array_equal(one.z, other.z)
    assert np.isfinite(one.told).all()
    assert one.told.shape == (16, flow.COND)


def test_the_same_seed_draws_the_same_motion_and_another_another(small):
    read = flow.read_flow(small)
    made = [
        clip_of([LearnedPerformer(seed=seed, flow=read).step(k / 30) for k in (0, 1, 30)], fps=30)
        for seed in (4, 4, 5)
    ]
    np.testing.assert_array_equal(made[0].rotations, made[1].rotations)
    assert np.abs(made[0].rotations - made[2].rotations).max() > 0.01


def test_however_wild_the_past_what_is_drawn_is_a_pose(small):
    rng = np.random.default_rng(5)
    read = flow.read_flow(small)
    for scale in (0.0, 1.0, 1e3):
        wild = MotionClip(
            skeleton=SKELETON,
            fps=30,
            rotations=quat.normalize(rng.normal(size=(20, len(SKELETON), 4))).astype(np.float32),
            root_translations=(scale * rng.normal(size=(20, 3))).astype(np.float32),
        )
        performer = LearnedPerformer("walk", start=tuple(wild), flow=read)
        poses = [performer.step(1 / 30) for _ in range(90)]
        for pose in poses:
            assert np.isfinite(pose.rotations).all()
            assert np.isfinite(pose.root_translation).all()
            assert 0 <= pose.root_translation[1] <= 3 + 3 * scale
    one, two = performer.step(0.0), performer.step(0.0)
    np.testing.assert_allclose(one.rotations, two.rotations, atol=1e-6)


def test_weights_are_refused_in_words(small, tmp_path):
    with pytest.raises(ModelMissingError, match="no weights there"):
        flow.read_flow(tmp_path / "none.npz")
    bad = tmp_path / "bad.npz"
    bad.write_bytes(small.read_bytes()[:2000])
    with pytest.raises(FormatError, match="not a weights file"):
        flow.read_flow(bad)
    with np.load(small, allow_pickle=False) as data:
        arrays = {name: data[name] for name in data.files}
    about = json.loads(str(arrays.pop("about")))
    changed = {**arrays, "enter.bias": arrays["enter.bias"] + np.float16(1)}
    np.savez(bad, about=np.array(json.dumps(about)), **changed)
    with pytest.raises(FormatError, match="damaged"):
        flow.read_flow(bad)
    np.savez(bad, about=np.array(json.dumps({**about, "version": 9})), **arrays)
    with pytest.raises(FormatError, match="version 1, got 9"):
        flow.read_flow(bad)
    other = {**about["sizes"], "hidden": 64}
    np.savez(bad, about=np.array(json.dumps({**about, "sizes": other})), **arrays)
    with pytest.raises(FormatError, match="expected shape"):
        flow.read_flow(bad)
    with pytest.raises(FormatError, match="wrong"):
        flow.write_flow(bad, other, arrays, trained={})


def test_settings_of_another_kind_are_refused(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text('kind = "generator"\ndata = ["a.npz"]\nbatch = 32\n')
    assert read_config(file, KINDS, steps=3) == GeneratorConfig(data=("a.npz",), batch=32, steps=3)
    file.write_text('data = ["a.npz"]\n')
    assert type(read_config(file, KINDS)) is TrainConfig
    file.write_text('kind = "poet"\n')
    with pytest.raises(UsageError, match="poet"):
        read_config(file, KINDS)


def test_somebody_drawn_idling_stays_at_home_alive_and_on_their_feet():
    clip = generate(60, seed=2, by="learned")
    where = places(clip)
    speed = np.linalg.norm(np.diff(where, axis=0), axis=-1) * clip.fps
    assert np.abs(where[:, 0, [0, 2]] - where[0, 0, [0, 2]]).max() < 0.8
    still = "".join("x" if s else " " for s in speed.max(1) < 1e-4)
    assert max(map(len, still.split(" "))) < clip.fps  # never a second without any movement
    contacts = contacts_of(SKELETON, where, clip.fps)
    assert contacts.mean() > 0.8
    assert foot_speed_cm_s(SKELETON, where, contacts, clip.fps) < 3
    assert where[:, SKELETON.joint("head"), 1].min() > 1.2


def test_every_style_is_drawn_and_another_way_is_refused():
    for style in learned_styles():
        clip = generate(2, style=style, by="learned")
        assert places(clip)[:, SKELETON.joint("head"), 1].min() > 0.4
    with pytest.raises(UsageError, match="captured, learned"):
        generate(1, by="magic")


def test_what_is_drawn_goes_on_from_a_clip_without_a_jump():
    before = generate(2, style="gesture", seed=8)
    after = generate(2, style="gesture", start=before, seed=1, by="learned")
    both = np.concatenate([places(before), places(after)])
    step = np.linalg.norm(np.diff(both, axis=0), axis=-1)
    at = len(before) - 1
    assert step[at].max() < 0.05  # 1.5 m/s
    assert accelerations(both, 30.0).max(1)[at - 2 : at + 2].max() < 100


def test_what_is_drawn_ends_at_the_pose_asked_for():
    start, end = generate(1, style="walk", seed=1), generate(1, style="gesture", seed=3)
    clip = generate(2.5, start=start, end=end, by="learned")
    assert quat.angle(clip.rotations[-1], end.rotations[0]).max() < 1e-3
    np.testing.assert_allclose(clip.root_translations[-1], end.root_translations[0], atol=1e-5)


def test_a_goal_draws_the_motion_towards_it():
    start = tuple(generate(2, seed=1))
    end = start[-1]
    aside = Pose(
        skeleton=SKELETON,
        rotations=end.rotations,
        root_translation=end.root_translation + np.array([0, 0, 0.8], np.float32),
    )
    for seed in range(3):
        left = []
        for goal in (None, aside):
            performer = LearnedPerformer("walk", start=start, end=goal, end_s=1.6, seed=seed)
            for _ in range(48):
                _, root, _ = performer.advance(1 / 30)
            left.append(np.linalg.norm(root - aside.root_translation))
        assert left[1] < left[0] - 0.05
