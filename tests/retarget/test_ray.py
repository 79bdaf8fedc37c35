"""The batch on a Ray cluster: a worker killed at work loses nothing and repeats nothing."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.errors import DependencyError, EndpointError
from twinsdk.formats import load_clip, save_clip
from twinsdk.retarget import cluster, retarget_files

# Ray's own code leaves sockets and files open when it ends.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


def workers_at(title):
    """Return the process ids of Ray's workers that show this title, which they do while at work."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if words.startswith(f"ray::{title}"):
            found.append(int(folder.name))
    return found


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc to find the workers")
def test_a_worker_killed_at_work_loses_nothing_and_repeats_nothing(tmp_path, canon, bodies):
    pytest.importorskip("ray")
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for k in range(8):
        clip = bodies.random_clip(canon, frames=3000, seed=k, spread=0.2)
        save_clip(clip, source / f"{k}.npz")
    (source / "broken.bvh").write_text("HIERARCHY\nnonsense")
    killed, stamps, reports = [], {}, []

    def kill_one(report):
        reports.append(report)
        if report.status == "done":
            stamps[report.target] = Path(report.target).stat().st_mtime_ns
        deadline = time.monotonic() + 5
        while not killed and len(reports) >= 2 and time.monotonic() < deadline:
            for process in workers_at("twinsdk retarget")[:1]:
                os.kill(process, signal.SIGKILL)
                killed.append(process)

    found = retarget_files(
        [source], humanoid_skeleton(1.5), out, suffix="npz", workers=2, ray="local",
        on_done=kill_one,
    )  # fmt: skip
    assert killed, "no worker was caught at work"
    assert Counter(r.status for r in found) == {"done": 8, "failed": 1}
    assert Counter(r.source for r in reports) == {r.source: 1 for r in found}
    assert "broken.bvh" in next(r.error for r in found if r.status == "failed")
    for target, stamp in stamps.items():
        assert Path(target).stat().st_mtime_ns == stamp  # written once
    assert sorted(p.name for p in out.iterdir()) == [f"{k}.npz" for k in range(8)]
    alone = retarget_files([source / "0.npz"], humanoid_skeleton(1.5), tmp_path / "one.npz")
    np.testing.assert_array_equal(
        load_clip(alone[0].target).rotations, load_clip(out / "0.npz").rotations
    )
    again = retarget_files(
        [source], humanoid_skeleton(1.5), out, suffix="npz", workers=2, ray="local", resume=True
    )
    assert Counter(r.status for r in again) == {"skipped": 8, "failed": 1}


def test_a_cluster_that_is_not_there_is_one_line(tmp_path, canon, bodies):
    pytest.importorskip("ray")
    save_clip(bodies.random_clip(canon, frames=3), tmp_path / "a.npz")
    with pytest.raises(EndpointError, match=r"--ray: cannot reach .*: auto") as caught:
        retarget_files([tmp_path / "a.npz"], canon, tmp_path / "out", ray="auto")
    assert "\n" not in str(caught.value)


def test_without_ray_the_extra_is_named(tmp_path, canon, bodies, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    save_clip(bodies.random_clip(canon, frames=3), tmp_path / "a.npz")
    with pytest.raises(DependencyError, match=r"twinsdk\[batch\]"):
        retarget_files([tmp_path / "a.npz"], canon, tmp_path / "out", ray="local")


def test_what_is_noted_as_done_is_not_done_again(tmp_path):
    def work(source, target):
        raise AssertionError((source, target))

    note = tmp_path / "0.json"
    note.write_text('{"source": "a", "target": "b", "status": "done", "notes": ["x"]}')
    report = cluster._noted(work, tmp_path / "a", tmp_path / "b", note)
    assert report.status == "done"
    assert report.notes == ("x",)
