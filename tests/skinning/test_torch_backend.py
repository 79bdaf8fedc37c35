"""The torch backend: values, gradients, and what torch itself checks of an operator."""

import numpy as np
import pytest
import torch

from twinsdk.core import quat
from twinsdk.core.expressions import EXPRESSION_COUNT
from twinsdk.errors import ShapeError, UsageError
from twinsdk.skinning import Skinner
from twinsdk.skinning.torch_backend import TorchSkinner
from twinsdk.skinning.torch_op import linear_blend_skin


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def skinner(avatar_of):
    return TorchSkinner(avatar_of(vertices=60))


def batch(skinner, frames=3, seed=1, dtype=torch.float32):
    rng = np.random.default_rng(seed)
    rotations = quat.normalize(rng.normal(size=(frames, len(skinner.rest_translations), 4)))
    return (
        torch.tensor(rotations, dtype=dtype),
        torch.tensor(rng.normal(size=(frames, 3)), dtype=dtype),
        torch.tensor(rng.random((frames, EXPRESSION_COUNT)), dtype=dtype),
    )


def operands(skinner, dtype, *, bound):
    rotations, roots, expressions = batch(skinner, frames=2, dtype=dtype)
    module = skinner.double() if dtype == torch.float64 else skinner
    matrices = module.matrices(rotations, roots).detach()
    points = module.vertices if bound else module._points(expressions, 2).detach()
    return points, matrices, module.joints, module.weights, module._number, bound


def test_a_clip_is_skinned_as_in_numpy(avatar_of):
    from twinsdk.core.clip import MotionClip

    avatar = avatar_of()
    rng = np.random.default_rng(2)
    clip = MotionClip(
        skeleton=avatar.skeleton,
        fps=30,
        rotations=quat.normalize(rng.normal(size=(4, len(avatar.skeleton), 4))),
        root_translations=rng.normal(size=(4, 3)),
        expressions=rng.random((4, EXPRESSION_COUNT)),
    )
    ours, reference = (Skinner(avatar, backend=name) for name in ("torch", "numpy"))
    expected = reference.clip_vertices(clip)
    np.testing.assert_allclose(ours.clip_vertices(clip), expected, atol=1e-5)
    out = np.zeros_like(expected[0])
    assert ours.vertices(clip[1], clip.expressions[1], out) is out
    np.testing.assert_allclose(out, expected[1], atol=1e-5)
    tensors = [torch.tensor(a) for a in (clip.rotations, clip.root_translations, clip.expressions)]
    np.testing.assert_allclose(ours.module(*tensors), expected, atol=1e-5)
    with pytest.raises(UsageError, match=r"module: expected Skinner\(backend=.torch.\)"):
        _ = reference.module


def test_the_cpp_path_and_the_torch_path_agree(avatar_of):
    single, double = TorchSkinner(avatar_of(vertices=60)), TorchSkinner(avatar_of(vertices=60))
    given = batch(single)
    values = single(*given)
    expected = double.double()(*(tensor.double() for tensor in given))
    np.testing.assert_allclose(values.detach(), expected.detach(), atol=1e-5)
    points, normals = single.vertices_and_normals(*given)
    torch.testing.assert_close(points, values, atol=1e-5, rtol=0)
    torch.testing.assert_close(normals.norm(dim=-1), torch.ones(3, 60))


def test_gradients_reach_rotations_roots_and_expressions_alike_on_both_paths(avatar_of):
    grads = []
    for dtype in (torch.float32, torch.float64):
        skinner = TorchSkinner(avatar_of(vertices=60)).to(dtype)
        given = [tensor.requires_grad_() for tensor in batch(skinner, dtype=dtype)]
        weight = torch.linspace(-1, 1, 3 * 60 * 3, dtype=dtype).view(3, 60, 3)
        (skinner(*given) * weight).sum().backward()
        grads.append([tensor.grad for tensor in given])
    for ours, expected in zip(*grads, strict=True):
        assert expected.abs().max() > 1e-3
        torch.testing.assert_close(ours.double(), expected, atol=2e-4, rtol=2e-4)


@pytest.mark.parametrize("bound", [True, False])
def test_the_torch_path_passes_gradcheck_in_double(skinner, bound):
    points, matrices, *rest = operands(skinner, torch.float64, bound=bound)
    points = points[..., :7, :].clone().requires_grad_(not bound)
    rest[0], rest[1] = rest[0][:7], rest[1][:7]
    matrices = matrices.requires_grad_()
    assert torch.autograd.gradcheck(lambda p, m: linear_blend_skin(p, m, *rest), (points, matrices))


@pytest.mark.filterwarnings("ignore:Input .* requires gradient:UserWarning")
@pytest.mark.parametrize("bound", [True, False])
def test_the_cpp_path_passes_gradcheck(skinner, bound):
    points, matrices, *rest = operands(skinner, torch.float32, bound=bound)
    points = points.clone().requires_grad_(not bound)
    matrices = matrices.requires_grad_()
    # Skinning is linear in either operand, so a step of a quarter is exact but for rounding.
    assert torch.autograd.gradcheck(
        lambda p, m: linear_blend_skin(p, m, *rest)[:, :5],
        (points, matrices),
        eps=0.25,
        atol=1e-4,
        rtol=1e-3,
        nondet_tol=0.0,
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("bound", [True, False])
def test_torch_finds_the_operator_well_registered(skinner, dtype, bound):
    points, matrices, *rest = operands(skinner, dtype, bound=bound)
    given = (points.clone().requires_grad_(not bound), matrices.requires_grad_(), *rest)
    torch.library.opcheck(linear_blend_skin, given)


def test_torch_compile_takes_the_operator_in_one_graph(skinner):
    points, matrices, *rest = operands(skinner, torch.float32, bound=True)

    def energy(given):
        return linear_blend_skin(points, 2 * given, *rest).square().sum()

    ours, theirs = (matrices.clone().requires_grad_() for _ in range(2))
    torch.compile(energy, fullgraph=True, backend="aot_eager")(ours).backward()
    energy(theirs).backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.slow
def test_torch_compile_takes_the_whole_skinner_in_one_graph(skinner):
    rotations, roots, expressions = batch(skinner)
    # aot_eager traces forward and backward as inductor does, without building C++.
    compiled = torch.compile(skinner, fullgraph=True, backend="aot_eager")
    ours, theirs = rotations.clone().requires_grad_(), rotations.clone().requires_grad_()
    value = compiled(ours, roots, expressions)
    expected = skinner(theirs, roots, expressions)
    torch.testing.assert_close(value, expected)
    value.square().sum().backward()
    expected.square().sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_a_pose_is_found_again_by_following_the_gradient(skinner):
    rotations, roots, _ = batch(skinner, frames=1)
    near = torch.nn.functional.normalize(rotations + 0.05 * torch.randn_like(rotations), dim=-1)
    target = skinner(rotations, roots).detach()
    found = near.clone().requires_grad_()
    descent = torch.optim.Adam([found], lr=0.01)
    first = (skinner(near, roots) - target).square().mean().item()
    for _ in range(60):
        descent.zero_grad()
        loss = (skinner(found, roots) - target).square().mean()
        loss.backward()
        descent.step()
    assert loss.item() < 0.05 * first


def test_shapes_are_refused_by_name(skinner):
    rotations, roots, expressions = batch(skinner)
    with pytest.raises(ShapeError, match=r"rotations: expected shape \(T, 55, 4\)"):
        skinner(rotations[0], roots)
    with pytest.raises(ShapeError, match=r"root_translations: expected shape \(3, 3\)"):
        skinner(rotations, roots[:1])
    with pytest.raises(ShapeError, match=r"expressions: expected shape \(3, 52\)"):
        skinner(rotations, roots, expressions[:, :51])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("expressive", [True, False])
def test_a_gpu_gives_the_same_vertices_and_gradients(avatar_of, expressive):
    results = []
    for device in ("cpu", "cuda"):
        skinner = TorchSkinner(avatar_of(vertices=60)).to(device)
        given = [t.to(device).requires_grad_() for t in batch(skinner)[: 2 + expressive]]
        value = skinner(*given)
        value.square().sum().backward()
        results.append([value.detach().cpu(), *(tensor.grad.cpu() for tensor in given)])
    for ours, expected in zip(*results, strict=True):
        torch.testing.assert_close(ours, expected, atol=1e-3, rtol=1e-3)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("bound", [True, False])
def test_gradients_on_a_gpu_are_those_in_double(skinner, bound):
    grads = []
    for dtype in (torch.float32, torch.float64):
        points, matrices, joints, weights, *rest = operands(skinner, dtype, bound=bound)
        leaves = [t.cuda().requires_grad_() for t in (points, matrices)]
        value = linear_blend_skin(*leaves, joints.cuda(), weights.cuda(), *rest)
        grads.append(torch.autograd.grad(value.sin().sum(), leaves))
    for ours, expected in zip(*grads, strict=True):
        torch.testing.assert_close(ours.double(), expected, atol=1e-5, rtol=1e-4)
