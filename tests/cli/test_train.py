"""`twinsdk train`: settings in, weights out, wrong input in one line."""

from __future__ import annotations

import numpy as np

from twinsdk.cli import main
from twinsdk.core import quat
from twinsdk.motion.model import MotionModel
from twinsdk.motion.model.body import CANONICAL_OFFSETS, JOINTS

SETTINGS = """
data = ["set.npz"]
steps = 2
window = 8
film_seeds = []
[network]
hidden = 16
layers = 1
[episodes]
rows = 2
frames = 16
"""


def set_of(path):
    vectors = np.zeros((60, 22, 3), np.float32)
    vectors[:, 7, 2] = -np.linspace(0.5, 1.2, 60)
    root = np.zeros((60, 3), np.float32)
    root[:, 1] = 0.93
    np.savez(
        path,
        joint_names=np.array(JOINTS),
        fps=np.float32(30),
        quats=quat.from_rotation_vector(vectors)[..., [3, 0, 1, 2]],
        root=root,
        clip_start=np.array([0, 60]),
        subject=np.array(["1"]),
        skeleton=np.zeros(1, int),
        offsets=CANONICAL_OFFSETS[None],
    )


def test_a_run_writes_weights_that_the_model_loads(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    set_of(tmp_path / "set.npz")
    (tmp_path / "run.toml").write_text(SETTINGS)
    assert main(["train", "run.toml", "--folder", "run", "--weights", "mine.npz"]) == 0
    assert "mine.npz" in capsys.readouterr().out
    model = MotionModel.load(tmp_path / "mine.npz")
    assert model.weights.network.sizes["hidden"] == 16
    assert np.isfinite(model.step(None, 1 / 30).pose.rotations).all()


def test_clips_of_other_kinds_become_a_motion_set_that_can_be_read(tmp_path, capsys):
    from twinsdk.core.clip import MotionClip
    from twinsdk.core.humanoid import humanoid_skeleton
    from twinsdk.formats import save_clip
    from twinsdk.motion.training.corpus import read_packed

    vectors = np.zeros((90, 55, 3), np.float32)
    vectors[:, 20, 1] = np.linspace(0, 1, 90)
    root = np.tile(np.array([0, 0.935, 0], np.float32), (90, 1))
    clip = MotionClip(
        skeleton=humanoid_skeleton(),
        fps=30,
        rotations=quat.from_rotation_vector(vectors),
        root_translations=root,
    )
    (tmp_path / "clips").mkdir()
    for name in ("1_walk.bvh", "2_walk.bvh"):
        save_clip(clip, tmp_path / "clips" / name)
    (tmp_path / "clips" / "3_broken.bvh").write_text("HIERARCHY nonsense")
    target = str(tmp_path / "set.npz")
    assert main(["train", "--pack", target, str(tmp_path / "clips"), "--dev", "2"]) == 0
    printed = capsys.readouterr()
    assert "2 clips" in printed.out
    assert "3_broken.bvh" in printed.err
    corpus = read_packed([target])
    assert [c.split for c in corpus.clips] == ["train", "dev"]
    assert {c.fps for c in corpus.clips} == {60.0}
    assert abs(len(corpus.clips[0]) - 179) <= 1  # 89 intervals of 1/30 s


def test_wrong_settings_are_one_line_and_exit_code_2(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "none.toml"]) == 2
    (tmp_path / "run.toml").write_text(SETTINGS)
    assert main(["train", "run.toml", "run.toml", "--weights", "w.npz"]) == 2
    assert main(["train", "run.toml"]) == 2  # no such motion set
    assert main(["train", "run.toml", "--better", "radar"]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 4
    assert "set.npz" in lines[2]
    assert "radar" in lines[3]
