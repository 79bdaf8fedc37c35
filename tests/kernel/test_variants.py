"""Which variant runs: TWINSDK_ISA, and the NumPy fallback."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import twinsdk
from twinsdk.core import kernel
from twinsdk.core.arrays import as_f32
from twinsdk.errors import ShapeError, UsageError, ValueRangeError

# The same package as here: the installed one, or a checkout.
ROOT = Path(twinsdk.__file__).parents[1]
PROBE = "from twinsdk.core import kernel; print(kernel.isa(), kernel.is_native())"


def run(code, **environment):
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **environment}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False
    )


@pytest.mark.parametrize("name", kernel.isas())
def test_the_environment_forces_a_variant(name):
    done = run(PROBE, TWINSDK_ISA=name)
    assert done.stdout.split() == [name, str(name != "numpy")], done.stderr


def test_a_variant_that_is_none_is_refused_in_words():
    done = run(PROBE, TWINSDK_ISA="mmx")
    assert "TWINSDK_ISA: expected one of numpy" in done.stderr
    assert "got 'mmx'" in done.stderr


def test_everything_works_without_the_compiled_module():
    code = (
        "import sys; sys.modules['twinsdk.core._kernel'] = None\n"
        "from twinsdk.core.humanoid import humanoid_skeleton\n"
        "from twinsdk.core import kernel\n"
        "from twinsdk.core.rig import Rig\n"
        "import numpy as np\n"
        "s = humanoid_skeleton(); print(kernel.isas(), s.rest_world()[1].shape)\n"
        "r = Rig(vertices=[[1, 2, 3]], joints=[[0]], weights=[[1]], joint_count=1)\n"
        "print(r.skin(np.eye(3, 4)[None]).tolist())\n"
        "print(kernel.parse_numbers(b'1 2').tolist(), kernel.format_numbers([[1.5]]))\n"
    )
    done = run(code, TWINSDK_ISA="")
    assert done.stdout.splitlines() == [
        "('numpy',) (55, 3)",
        "[[1.0, 2.0, 3.0]]",
        "[1.0, 2.0] b'1.5\\n'",
    ], done.stderr


@pytest.mark.parametrize(
    "value",
    [np.zeros((2, 3), np.float32), np.zeros((2, 3)), [[1, 2, 3], [4, 5, 6]], np.zeros((3, 2)).T],
)
def test_the_quick_check_returns_what_the_full_check_does(value):
    quick, full = kernel.checked_f32("x", value, (2, 3)), as_f32("x", value, (2, 3))
    assert quick.dtype == full.dtype
    assert quick.flags.c_contiguous
    np.testing.assert_array_equal(quick, full)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 7, 8, 16, 22])
def test_the_quick_check_finds_every_number_that_is_not_finite(bad, place):
    array = np.ones(23, np.float32)
    assert kernel.checked_f32("x", array, (23,)) is array
    array[place] = bad
    with pytest.raises(ValueRangeError, match=f"x: expected finite numbers, .*{place}"):
        kernel.checked_f32("x", array, (23,))


def test_a_wrong_isa_or_shape_is_refused():
    with pytest.raises(UsageError, match="isa: expected one of"):
        kernel.checked_isa("x87")
    with pytest.raises(ShapeError, match=r"x: expected shape \(2,\), got \(3,\)"):
        kernel.checked_f32("x", np.zeros(3, np.float32), (2,))
