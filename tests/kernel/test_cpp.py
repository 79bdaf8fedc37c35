"""The kernels' own tests in C++, built and run with a compiler alone."""

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "csrc" / "run_tests.sh"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_the_cpp_tests_hold(tmp_path):
    done = subprocess.run(
        ["bash", SCRIPT],
        capture_output=True,
        text=True,
        check=False,
        env={"BUILD": str(tmp_path), "PATH": "/usr/local/bin:/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr
    assert done.stdout.splitlines() == [
        f"{test.stem}: all hold" for test in sorted((SCRIPT.parent / "tests").glob("test_*.cpp"))
    ]
