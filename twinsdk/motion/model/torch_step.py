"""The network's step in torch, for a GPU and many people at once.

One person's step is too small for a GPU: the compiled step of `core.recurrent` is there for it. A
crowd's rows go to the GPU together, and launching some forty kernels is recorded once for each
number of people (a CUDA graph), since they take longer to launch than to run.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import linear, silu, softplus

from twinsdk.core.arrays import F32
from twinsdk.core.recurrent import RecurrentNetwork
from twinsdk.errors import DependencyError, UsageError
from twinsdk.motion.model.network import rms_norm

__all__ = ["TorchRecurrentNetwork"]

_LARGEST = 6.0
_WARM = 3  # runs before a recording, as CUDA asks for


class TorchRecurrentNetwork:
    """Steps the same network as `RecurrentNetwork`, with float32 products, on a torch device.

    Args:
        network: Whose weights are taken.
        device: "cuda", "cuda:1", "cpu"...

    Raises:
        UsageError: Torch knows no such device.
        DependencyError: Torch was built without it, or the machine has none.
    """

    def __init__(self, network: RecurrentNetwork, device: str) -> None:
        self.sizes = network.sizes
        self._fresh = network.fresh_state
        try:
            self._device = torch.device(device)
        except RuntimeError as error:
            raise UsageError(f"device: torch knows no {device!r}; there is cuda, cpu") from error
        if self._device.type == "cuda" and (self._device.index or 0) >= torch.cuda.device_count():
            raise DependencyError(
                f"device: {device!r} asked for, and torch finds no CUDA GPU there"
            )
        self._mean, self._scale = self._there(network.mean), self._there(network.scale)
        self._layers = [(self._there(w), self._there(b)) for w, b in network.layers()]
        self._recorded: dict[int, _Recording] = {}

    def fresh_state(self, people: int) -> F32:
        """Return the state (people, layers, hidden) before the first frame."""
        return self._fresh(people)

    @torch.no_grad()
    def step(self, rows: F32, ticks: F32, state: F32) -> F32:
        """Return the outputs (N, heads) of one frame and move `state` on, in place.

        Args:
            rows: (N, width) float32.
            ticks: (N,) float32, thirtieths of a second since the frame before.
            state: (N, layers, hidden) float32.
        """
        if self._device.type == "cuda":
            with torch.cuda.device(self._device):
                out, after = self._recording(len(ticks)).run((rows, ticks, state))
        else:
            out, after = (
                a.cpu().numpy() for a in self.run(*(self._there(a) for a in (rows, ticks, state)))
            )
        state[:] = after
        return np.array(out, np.float32)

    def _there(self, array: F32) -> Tensor:
        return torch.tensor(np.asarray(array, np.float32), device=self._device)

    def _recording(self, people: int) -> _Recording:
        """Return the recording for the next power of two: who is due differs from step to step."""
        rows = 1 << (people - 1).bit_length()
        if rows not in self._recorded:
            self._recorded[rows] = _Recording(self, self._device, rows)
        return self._recorded[rows]

    def run(self, rows: Tensor, ticks: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Return outputs and state after a frame, all on the device.

        The definition is `core/_recurrent_reference.py`.
        """
        layers = iter(self._layers)
        x = silu(
            linear(((rows - self._mean) * self._scale).clamp(-_LARGEST, _LARGEST), *next(layers))
        )
        after = []
        for before in state.unbind(1):
            rate, candidate, gate = linear(rms_norm(x), *next(layers)).chunk(3, -1)
            keep = torch.exp(-softplus(rate) * ticks[:, None])
            after.append(torch.lerp(candidate, before, keep))
            x = x + linear(after[-1] * silu(gate), *next(layers))
            mixed = silu(linear(rms_norm(x), *next(layers)))
            x = x + linear(mixed, *next(layers))
        left = silu(linear(rms_norm(x), *next(layers)))
        return linear(left, *next(layers)), torch.stack(after, 1)


class _Recording:
    """A step of up to so many people, recorded once and played with new numbers.

    They come and go through page-locked memory, and those copies are recorded too.
    """

    def __init__(self, network: TorchRecurrentNetwork, device: torch.device, people: int) -> None:
        sizes = network.sizes
        state = (people, sizes["layers"], sizes["hidden"])
        self._given = [
            torch.zeros(shape, pin_memory=True)
            for shape in ((people, sizes["width"]), (people,), state)
        ]
        self._found = [
            torch.zeros(shape, pin_memory=True) for shape in ((people, sizes["heads"]), state)
        ]
        there = [a.to(device) for a in self._given]

        def step() -> None:
            for to, here in zip(there, self._given, strict=True):
                to.copy_(here, non_blocking=True)
            for here, found in zip(self._found, network.run(*there), strict=True):
                here.copy_(found, non_blocking=True)

        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(_WARM):
                step()
        torch.cuda.current_stream().wait_stream(aside)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            step()

    def run(self, given: tuple[F32, F32, F32]) -> tuple[F32, F32]:
        """Return outputs and state, in memory that the next call writes over."""
        people = len(given[0])
        for here, array in zip(self._given, given, strict=True):
            here.numpy()[:people] = array
        self._graph.replay()
        torch.cuda.current_stream().synchronize()
        out, after = (found.numpy()[:people] for found in self._found)
        return out, after
