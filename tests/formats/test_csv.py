"""The table: every column says what its name promises."""

from __future__ import annotations

import numpy as np

from twinsdk.core import quat
from twinsdk.formats import save_clip


def test_columns_hold_positions_angles_and_expressions(tmp_path, clip):
    save_clip(clip, tmp_path / "a.csv")
    header = (tmp_path / "a.csv").read_text().split("\n")[0].split(",")
    table = np.loadtxt(tmp_path / "a.csv", delimiter=",", skiprows=1)
    assert table.shape == (len(clip), len(header))
    assert len(set(header)) == len(header)
    column = {name: table[:, i] for i, name in enumerate(header)}
    np.testing.assert_allclose(column["time_s"], np.arange(len(clip)) / clip.fps, atol=1e-6)
    hand = clip.world()[1][:, clip.skeleton.joint("leftHand")]
    for i, axis in enumerate("xyz"):
        np.testing.assert_allclose(column[f"leftHand.{axis}_m"], hand[:, i], atol=1e-6)
    told = np.stack([column[f"head.{axis}_deg"] for axis in "zxy"], -1)
    turns = quat.from_euler(np.radians(told), "ZXY")
    wanted = clip.rotations[:, clip.skeleton.joint("head")]
    assert quat.angle(turns, wanted).max() < 1e-5
    np.testing.assert_allclose(column["tongueOut"], clip.expressions[:, -1], atol=1e-6)
