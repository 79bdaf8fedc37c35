"""One step of a gated linear recurrence network in NumPy: the definition and the fallback."""

from __future__ import annotations

import numpy as np

from twinsdk.core.arrays import F32, U16, Array

__all__ = ["BLOCK", "layer_sizes", "recurrent_step", "unpacked"]

BLOCK = 64
_LARGEST = 6.0


def layer_sizes(*, width: int, hidden: int, layers: int, heads: int) -> list[tuple[int, int]]:
    """Return inputs and outputs of every matrix in its order."""
    each = [(hidden, 3 * hidden), (hidden, hidden), (hidden, hidden), (hidden, hidden)]
    return [
        (width, hidden),
        *(each * layers),
        (hidden, hidden),
        (hidden, heads),
    ]


def unpacked(sizes: list[tuple[int, int]], matrices: U16, biases: F32) -> list[tuple[F32, F32]]:
    """Return matrices (outputs, inputs) and biases (outputs,) of what `recurrent.packed` packed."""
    found, at, bias_at = [], 0, 0
    for inputs, outputs in sizes:
        blocks = -(-outputs // BLOCK)
        part = matrices[at : at + blocks * inputs * BLOCK].reshape(blocks, inputs, BLOCK)
        whole = (part.astype(np.uint32) << 16).view(np.float32)
        matrix = whole.transpose(0, 2, 1).reshape(blocks * BLOCK, inputs)[:outputs]
        found.append((matrix, biases[bias_at : bias_at + outputs]))
        at += blocks * inputs * BLOCK
        bias_at += blocks * BLOCK
    return found


def recurrent_step(
    *,
    width: int,
    hidden: int,
    layers: int,
    heads: int,
    matrices: U16,
    biases: F32,
    mean: F32,
    scale: F32,
    rows: F32,
    ticks: F32,
    state: F32,
    out: F32,
    scratch: F32,
    isa: str,
) -> None:
    """Write `out` (N, heads) and `state` (N, layers, hidden); see recurrent.hpp."""
    del scratch, isa
    sizes = layer_sizes(width=width, hidden=hidden, layers=layers, heads=heads)
    rest = iter(unpacked(sizes, matrices, biases))

    def following(x: Array) -> Array:
        matrix, bias = next(rest)
        product: Array = x @ matrix.T + bias
        return product

    x = _silu(following(np.clip((rows - mean) * scale, -_LARGEST, _LARGEST)))
    for layer in range(layers):
        gates = following(_normalised(x))
        rate, candidate, gate = np.split(gates, 3, axis=-1)
        keep = np.exp(-np.logaddexp(0, rate) * ticks[:, None])
        state[:, layer] = keep * state[:, layer] + (1 - keep) * candidate
        x = x + following(state[:, layer] * _silu(gate))
        x = x + following(_silu(following(_normalised(x))))
    left = _silu(following(_normalised(x)))
    out[:] = following(left)


def _silu(x: Array) -> Array:
    with np.errstate(over="ignore"):
        activated: Array = x / (1 + np.exp(-x))
    return activated


def _normalised(x: Array) -> Array:
    scaled: Array = x / np.sqrt((x * x).mean(-1, keepdims=True) + np.float32(1e-6))
    return scaled
