"""A CUDA GPU against this machine's processor: the motion model's crowds and the torch skinner.

    python benchmarks/gpu.py [--seconds S] [--save]

Times are of whole calls, what a caller waits for: arrays in and out for the motion model, tensors
on their device for the skinner, the device awaited in each. Without a GPU the processor's alone
are shown.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
import torch
from record import save, timed
from skinning import JOINTS, body, face  # which asks for one thread in NumPy
from torch import Tensor

from twinsdk.core.avatar import Avatar, Mesh, Morphs, Skin
from twinsdk.core.clip import clip_of
from twinsdk.core.expressions import EXPRESSION_COUNT, EXPRESSION_NAMES
from twinsdk.core.humanoid import humanoid_skeleton
from twinsdk.core.pose import rest_pose
from twinsdk.core.rig import Rig
from twinsdk.motion.evaluation.simulated import trackers_of
from twinsdk.motion.model import MotionModel
from twinsdk.motion.model.torch_step import TorchRecurrentNetwork
from twinsdk.motion.model.weights import read_weights, weights_path
from twinsdk.skinning.torch_backend import TorchSkinner
from twinsdk.skinning.torch_op import blended, linear_blend_skin, register

CROWDS = (1, 8, 32, 128, 512, 2048)
FRAMES = (1, 16, 256)
VERTICES = 20_000
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
Calls = dict[str, Callable[[], object]]


def network_calls(people: int) -> Calls:
    """The network of so many people, compiled on one core and in torch."""
    network = read_weights(weights_path("default")).network
    rng = np.random.default_rng(people)
    rows = rng.normal(size=(people, network.sizes["width"])).astype(np.float32)
    ticks = np.ones(people, np.float32)
    steps = {"compiled, one core": network}
    steps |= {f"torch, {device}": TorchRecurrentNetwork(network, device) for device in DEVICES}
    states = {name: step.fresh_state(people) for name, step in steps.items()}
    return {name: lambda n=name: steps[n].step(rows, ticks, states[n]) for name in steps}


def crowd_calls(people: int = 128) -> Calls:
    """All of a step of so many people with headset and controllers."""
    worn = trackers_of(clip_of([rest_pose(humanoid_skeleton())] * 60, fps=30))
    models = {"compiled, one core": MotionModel.load(people=people)}
    models |= {
        f"torch, {device}": MotionModel.load(people=people, device=device) for device in DEVICES
    }
    sources = [worn[k % 60] for k in range(people)]
    return {
        name: lambda model=model: model.step_many(sources, 1 / 30) for name, model in models.items()
    }


def skinner_calls(frames: int) -> Calls:
    """The skinner forward and back, and the skin alone beside the same in plain torch."""
    calls: Calls = {}
    for device in DEVICES:
        skinner, rig = TorchSkinner(_avatar()).to(device), Rig(**_bound())
        rotations = torch.randn(frames, JOINTS, 4, device=device, requires_grad=True)
        roots = torch.zeros(frames, 3, device=device)
        matrices = skinner.matrices(rotations, roots).detach().requires_grad_()
        expressions = torch.rand(frames, EXPRESSION_COUNT, device=device, requires_grad=True)
        grad = torch.rand(frames, VERTICES, 3, device=device)
        ways: dict[str, tuple[Tensor, Callable[[Tensor], Tensor]]] = {
            "skinner": (rotations, lambda given, s=skinner, r=roots: s(given, r)),
            "skinner, 52 expressions": (
                expressions,
                lambda given, s=skinner, q=rotations, r=roots: s(q.detach(), r, given),
            ),
            "skin": (matrices, _operator(skinner, rig)),
            "skin, gathered in plain torch": (matrices, _gathered(skinner)),
            "skin, dense product as in smplx": (matrices, _dense(skinner)),
        }
        for name, (leaf, way) in ways.items():
            calls[f"{device}: {name}"] = _forward(way, leaf)
            calls[f"{device}: {name}, and back"] = _back(way, leaf, grad)
    return calls


def _operator(skinner: TorchSkinner, rig: Rig) -> Callable[[Tensor], Tensor]:
    number = register(rig)

    def skin(matrices: Tensor, _kept: Rig = rig) -> Tensor:
        return linear_blend_skin(
            skinner.vertices, matrices, skinner.joints, skinner.weights, number, True
        )

    return skin


def _gathered(skinner: TorchSkinner) -> Callable[[Tensor], Tensor]:
    def skin(matrices: Tensor) -> Tensor:
        transforms = blended(matrices, skinner.joints, skinner.weights)
        return (transforms[..., :3] @ skinner.vertices[..., None])[..., 0] + transforms[..., 3]

    return skin


def _dense(skinner: TorchSkinner) -> Callable[[Tensor], Tensor]:
    """As `smplx.lbs` writes it: a product with the weights of all joints (V, J)."""
    empty = skinner.weights.new_zeros(VERTICES, JOINTS)
    dense = empty.scatter_add_(1, skinner.joints, skinner.weights)

    def skin(matrices: Tensor) -> Tensor:
        transforms = (dense @ matrices.flatten(2)).unflatten(-1, (3, 4))
        return (transforms[..., :3] @ skinner.vertices[..., None])[..., 0] + transforms[..., 3]

    return skin


def _forward(way: Callable[[Tensor], Tensor], leaf: Tensor) -> Callable[[], object]:
    given = leaf.detach()

    def call() -> None:
        way(given)
        _await(given)

    return call


def _back(way: Callable[[Tensor], Tensor], leaf: Tensor, grad: Tensor) -> Callable[[], object]:
    def call() -> None:
        torch.autograd.grad(way(leaf), leaf, grad)
        _await(leaf)

    return call


def _await(tensor: Tensor) -> None:
    if tensor.is_cuda:
        torch.cuda.synchronize()


def _bound() -> dict[str, Any]:
    return {name: value for name, value in body(VERTICES).items() if name != "normals"}


def _avatar() -> Avatar:
    given, skeleton = body(VERTICES), humanoid_skeleton()
    inverse_bind = np.tile(np.eye(4), (JOINTS, 1, 1))
    inverse_bind[:, :3, 3] = -skeleton.rest_world()[1]
    return Avatar(
        skeleton=skeleton,
        mesh=Mesh(
            vertices=given["vertices"],
            normals=given["normals"],
            uvs=np.zeros((VERTICES, 2)),
            triangles=np.arange(VERTICES // 3 * 3).reshape(-1, 3),
        ),
        morphs=Morphs(names=EXPRESSION_NAMES, offsets=face(VERTICES)),
        skin=Skin(joints=given["joints"], weights=given["weights"], inverse_bind=inverse_bind),
        humanoid={name: name for name in skeleton.names},
    )


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--seconds", type=float, default=0.5, help="a call")
    options.add_argument("--save", action="store_true", help="write benchmarks/results")
    chosen = options.parse_args()
    torch.set_num_threads(os.cpu_count() or 1)
    sections = {f"network, {n} people": lambda n=n: network_calls(n) for n in CROWDS}
    sections["step_many, 128 people"] = crowd_calls
    sections |= {f"{VERTICES} vertices, {n} frames": lambda n=n: skinner_calls(n) for n in FRAMES}
    results = {}
    for title, calls in sections.items():
        print(f"\n{title}: minimum, median and 99th percentile, us")
        results[title] = {}
        seconds = chosen.seconds * (8 if title.startswith("step_many") else 1)
        for name, call in calls().items():  # not in turns, the slow ones would leave few
            results[title] |= timed({name: call}, seconds)
            times = results[title][name]
            figures = (times["min_us"], times["median_us"], times["p99_us"])
            print(f"  {name:46s}", *(f"{figure:10.1f}" for figure in figures), times["count"])
    if chosen.save:
        print(f"\nwritten: {save('gpu', results)}")


if __name__ == "__main__":
    main()
