"""`twinsdk evaluate retarget`: refuses early, measures files one by one, keeps the figures."""

from __future__ import annotations

import json

import pytest

from twinsdk.formats import save_clip
from twinsdk.retarget.evaluation import walk
from twinsdk.session import retarget_evaluation


@pytest.fixture
def only_files(monkeypatch, bead_avatar):
    """Leave out what needs no files and a minute; the default avatar is the small one."""
    rows = {
        "same_body": {},
        "cycle_worst_deg": {},
        "foot_speed_cm_s": {},
        "formats": [],
        "maps": {"re-ordered": {"right": 1, "total": 1, "refused": 0}},
        "speed": {
            "retarget_frames_s": {},
            "step_us": {},
            "bvh_frames_s": (1.0, 1.0),
            "glb_76_clips_s": (1.0, 1.0),
        },
    }
    monkeypatch.setattr(retarget_evaluation, "_on_generated_bodies", lambda: dict(rows))
    monkeypatch.setattr(retarget_evaluation, "load_avatar", lambda _: bead_avatar)


def test_a_place_that_is_not_there_is_refused_before_any_work(twinsdk, tmp_path):
    outcome = twinsdk("evaluate", "retarget", "--data", tmp_path / "nowhere")
    assert outcome.code == 2
    assert "no such file, folder or pattern" in outcome.line
    outcome = twinsdk("evaluate", "retarget", "--json", tmp_path / "no" / "a.json")
    assert outcome.code == 2
    assert "cannot write there" in outcome.line


def test_one_bad_file_keeps_its_row_and_the_others_are_measured(twinsdk, tmp_path, only_files):
    takes = tmp_path / "takes"
    takes.mkdir()
    save_clip(walk(1), takes / "walk.bvh")
    save_clip(walk(1), takes / "walk.glb")
    (takes / "bad.bvh").write_text("HIERARCHY\nROOT\n")
    outcome = twinsdk("evaluate", "retarget", "--data", takes, "--json", tmp_path / "a.json")
    assert outcome.code == 2
    found = json.loads((tmp_path / "a.json").read_text())
    rows = {row["file"]: row for row in found["files"]}
    assert rows["bad.bvh"]["error"].startswith("BVH: line")
    assert rows["walk.glb"]["frames"] == 60
    assert rows["walk.glb"]["limb_error_mean_deg"] < 1
    (take,) = found["same_take"]
    assert (take["take"], take["formats"]) == ("walk", [".bvh", ".glb"])
    assert take["worst_deg"] < 0.01
    assert "| walk.bvh | 60 |" in outcome.out
