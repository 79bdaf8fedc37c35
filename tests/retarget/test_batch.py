"""Batches: every file gets its report, one bad file stops none, what is there can be kept."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.errors import FileMissingError, OutputError, UsageError
from twinsdk.formats import load_clip, save_clip
from twinsdk.retarget import retarget_files, save_report


@pytest.fixture
def folder(tmp_path, canon, bodies):
    source = tmp_path / "in"
    (source / "sub").mkdir(parents=True)
    for k, name in enumerate(("a.bvh", "b.bvh", "sub/a.bvh", "ä c.bvh")):
        save_clip(bodies.random_clip(canon, frames=12, seed=k, spread=0.2), source / name)
    return source


def test_a_folder_goes_to_a_folder_keeping_its_shape(tmp_path, folder):
    seen = []
    reports = retarget_files(
        [folder], humanoid_skeleton(1.5), tmp_path / "out", suffix=".bvh", on_done=seen.append
    )
    assert [r.status for r in reports] == ["done"] * 4
    assert len(seen) == 4
    for name in ("a.bvh", "b.bvh", "sub/a.bvh", "ä c.bvh"):
        assert len(load_clip(tmp_path / "out" / name)) == 12
    assert reports[0].frames == 12
    assert reports[0].scale == pytest.approx(1.5 / 1.7, abs=1e-3)
    assert reports[0].roles["hips"] == "hips"
    assert reports[0].measures["limb_error_mean_deg"] < 0.2


def test_one_bad_file_does_not_stop_the_others(tmp_path, folder):
    (folder / "b.bvh").write_text("HIERARCHY\nnonsense")
    (folder / "broken.bvh").write_bytes(b"\x00" * 100)
    reports = retarget_files([folder], humanoid_skeleton(), tmp_path / "out")
    by_name = {Path(r.source).name: r for r in reports if "sub" not in r.source}
    assert by_name["b.bvh"].status == by_name["broken.bvh"].status == "failed"
    assert "b.bvh" in by_name["b.bvh"].error
    assert sum(r.status == "done" for r in reports) == 3
    assert not (tmp_path / "out" / "b.vrma").exists()


def test_workers_give_the_same_files_as_one_process(tmp_path, folder):
    alone = retarget_files([folder], humanoid_skeleton(), tmp_path / "one", suffix="npz")
    many = retarget_files([folder], humanoid_skeleton(), tmp_path / "two", suffix="npz", workers=2)
    assert [r.source for r in alone] == [r.source for r in many]
    for a, b in zip(alone, many, strict=True):
        assert b.status == "done"
        np.testing.assert_array_equal(load_clip(a.target).rotations, load_clip(b.target).rotations)


def test_a_killed_worker_costs_no_file(tmp_path, folder, canon, bodies):
    for k in range(4):
        save_clip(bodies.random_clip(canon, frames=400, seed=k, spread=0.2), folder / f"l{k}.npz")
    killed, reports = [], []

    def kill_one(report):
        reports.append(report)
        if not killed:
            killed.append(multiprocessing.active_children()[0])
            killed[0].kill()

    found = retarget_files(
        [folder], humanoid_skeleton(), tmp_path / "out", workers=2, on_done=kill_one
    )
    assert [r.status for r in found] == ["done"] * 8
    assert Counter(r.source for r in reports) == {r.source: 1 for r in found}
    assert killed[0].exitcode == -signal.SIGKILL
    for report in found:
        assert Path(report.target).stat().st_size > 0


def test_a_file_that_kills_its_workers_is_named_and_the_others_are_done(
    tmp_path, folder, monkeypatch
):
    # A worker that meets this name ends at once, as one does that runs out of memory.
    (folder / "deadly.bvh").write_text("x")
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(
        "import os, sys\n"
        "def watch(event, args):\n"
        "    if event == 'open' and str(args[0]).endswith('deadly.bvh'):\n"
        "        os._exit(9)\n"
        "sys.addaudithook(watch)\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{hook}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    found = retarget_files([folder], humanoid_skeleton(), tmp_path / "out", workers=2)
    failed = [r for r in found if r.status == "failed"]
    assert [Path(r.source).name for r in failed] == ["deadly.bvh"]
    assert "died" in failed[0].error
    assert sum(r.status == "done" for r in found) == 4


def test_resume_leaves_newer_results_alone(tmp_path, folder):
    out = tmp_path / "out"
    first = retarget_files([folder], humanoid_skeleton(), out, suffix=".bvh")
    kept = out / "a.bvh"
    stamp = kept.stat().st_mtime_ns
    (out / "b.bvh").unlink()
    again = retarget_files([folder], humanoid_skeleton(), out, suffix=".bvh", resume=True)
    assert sorted(r.status for r in again) == ["done", "skipped", "skipped", "skipped"]
    assert kept.stat().st_mtime_ns == stamp
    assert len(first) == len(again)


def test_a_single_file_goes_where_it_is_told(tmp_path, folder):
    target = tmp_path / "named.vrma"
    (report,) = retarget_files([folder / "a.bvh"], humanoid_skeleton(), target)
    assert report.status == "done"
    assert target.stat().st_size > 0


def test_globs_find_files_and_what_is_missing_is_named(tmp_path, folder):
    reports = retarget_files([f"{folder}/*.bvh"], humanoid_skeleton(), tmp_path / "out")
    assert len(reports) == 3
    with pytest.raises(FileMissingError, match=r"no such file, folder or pattern: .*nothing\*"):
        retarget_files([f"{folder}/nothing*"], humanoid_skeleton(), tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileMissingError, match="found no motion files"):
        retarget_files([tmp_path / "empty"], humanoid_skeleton(), tmp_path / "out")


def test_outputs_that_make_no_sense_are_refused_before_any_work(tmp_path, folder):
    with pytest.raises(UsageError, match=r"format: expected one of"):
        retarget_files([folder], humanoid_skeleton(), tmp_path / "out", suffix=".doc")
    with pytest.raises(OutputError, match="expected a folder for 4 files"):
        retarget_files([folder], humanoid_skeleton(), tmp_path / "out.bvh")
    with pytest.raises(UsageError, match="would both become"):
        retarget_files(
            [folder / "a.bvh", folder / "sub" / "a.bvh"], humanoid_skeleton(), tmp_path / "out"
        )
    with pytest.raises(UsageError, match="workers"):
        retarget_files([folder], humanoid_skeleton(), tmp_path / "out", workers=0)
    assert not (tmp_path / "out").exists()


def test_the_report_counts_and_is_json(tmp_path, folder):
    (folder / "b.bvh").write_text("x")
    reports = retarget_files([folder], humanoid_skeleton(), tmp_path / "out")
    save_report(tmp_path / "report.json", reports)
    data = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert (data["done"], data["failed"], data["skipped"]) == (3, 1, 0)
    done = next(f for f in data["files"] if f["status"] == "done")
    assert {"roles", "confidence", "measures", "notes"} <= set(done)
