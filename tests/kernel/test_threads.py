"""Batches on several threads, calls from several threads, and forks."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from twinsdk.core.rig import Rig


@pytest.fixture
def rig_and_matrices(skin_of, rigid_of):
    rng = np.random.default_rng(1)
    points, index, weights = skin_of(rng, 9000, 20, 4)
    rig = Rig(vertices=points, joints=index, weights=weights, joint_count=20)
    return rig, rigid_of(rng, 21 * 20).reshape(
        21, 20, 3, 4
    )  # 189 000 vertices: above the threshold


@pytest.mark.parametrize("threads", [2, 3, 5])
@pytest.mark.parametrize("method", ["linear", "dual"])
def test_any_number_of_threads_gives_the_same_bits(rig_and_matrices, threads, method):
    rig, matrices = rig_and_matrices
    once = rig.skin(matrices, method=method)
    for _ in range(5):
        np.testing.assert_array_equal(rig.skin(matrices, method=method, threads=threads), once)


def test_one_rig_serves_many_callers_at_once(rig_and_matrices):
    rig, matrices = rig_and_matrices
    expected = rig.skin(matrices)
    with ThreadPoolExecutor(4) as callers:
        jobs = [callers.submit(rig.skin, matrices, threads=1 + i % 3) for i in range(24)]
        for job in jobs:
            np.testing.assert_array_equal(job.result(), expected)


@pytest.mark.skipif(not hasattr(os, "fork") or sys.platform == "darwin", reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_a_forked_process_can_go_on_using_the_rig(rig_and_matrices):
    rig, matrices = rig_and_matrices
    expected = rig.skin(matrices, threads=2)
    child = os.fork()
    if child == 0:
        same = np.array_equal(rig.skin(matrices, threads=2), expected)
        os._exit(0 if same else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
