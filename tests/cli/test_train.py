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
future_rank = 4
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
