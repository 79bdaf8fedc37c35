"""The Triton kernel, on a GPU, or by Triton's interpreter on CPU tensors: its arithmetic."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import twinsdk

pytest.importorskip("triton", reason="needs triton (a CUDA build of torch brings it)")

CODE = """
import sys

import torch
from twinsdk.skinning import triton_kernel
from twinsdk.skinning.torch_op import linear_blend_skin

torch.manual_seed(1)
torch.set_default_device(sys.argv[1])
cases = ((1, 1, 1, 1), (5, 300, 7, 4), (9, 128, 20, 9), (3, 0, 2, 2))
for frames, vertices, joints, influences in cases:
    matrices = torch.randn(frames, joints, 3, 4)
    index = torch.randint(joints, (vertices, influences))
    weights = torch.rand(vertices, influences)
    weights /= weights.sum(1, keepdim=True)
    for shape in ((vertices, 3), (frames, vertices, 3)):
        points = torch.randn(shape)
        got = triton_kernel.skin(points, matrices, index, weights)
        wide = [t.double() for t in (points, matrices)]
        expected = linear_blend_skin(*wide, index, weights.double(), 0, False)
        assert got.shape == (frames, vertices, 3)
        torch.testing.assert_close(got.double(), expected, atol=5e-6, rtol=1e-5)
print("agree")
"""


def test_the_interpreted_kernel_agrees_with_torch_operations_in_double():
    run("cpu", TRITON_INTERPRET="1")


@pytest.mark.gpu
def test_the_compiled_kernel_agrees_with_torch_operations_in_double():
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA GPU")
    run("cuda")


def run(device, **more):
    paths = [str(Path(twinsdk.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(paths),
        **more,
    }
    done = subprocess.run(
        [sys.executable, "-c", CODE, device],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.stdout.strip() == "agree", done.stderr
