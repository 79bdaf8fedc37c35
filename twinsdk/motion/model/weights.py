"""The weights file: what the live step reads, checked by hash and size before it is used.

An .npz: `about` (JSON: version, sizes, sources on which the network beats its start, the SHA-256
of the arrays) and the arrays of `core.recurrent`, matrices as bfloat16.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from twinsdk.core.arrays import Array
from twinsdk.core.recurrent import RecurrentNetwork, packed
from twinsdk.errors import FormatError, ShapeError, ValueRangeError
from twinsdk.motion.model.body import COUNT
from twinsdk.motion.model.slots import WIDTH
from twinsdk.motion.weights_file import averaged_weights, read_sealed, write_sealed

__all__ = [
    "WEIGHTS_VERSION",
    "Weights",
    "from_checkpoint",
    "layers_of",
    "read_weights",
    "weights_path",
    "write_weights",
]

WEIGHTS_VERSION = 2
HEADS = 6 * COUNT + 4 + 4 + COUNT + (COUNT - 1)
"""Turns, root, contacts, spread and bones, in this order."""
_ARRAYS = ("matrices", "biases", "mean", "scale")
_SIZES = ("width", "hidden", "layers", "heads")


@dataclass(frozen=True, kw_only=True, eq=False)
class Weights:
    """A trained network.

    Attributes:
        network: Ready to step.
        better: Sources on which it beats the analytic start; elsewhere the start is shown.
        about: What the file says of itself.
        sha256: Of its arrays.
    """

    network: RecurrentNetwork
    better: frozenset[str]
    about: Mapping[str, Any]
    sha256: str


def weights_path(name: str | Path) -> Path:
    """Return where weights lie: the package's by their name "default", others by their path."""
    return Path(__file__).parent / "default.npz" if str(name) == "default" else Path(name)


def write_weights(
    path: str | Path,
    sizes: Mapping[str, int],
    arrays: Mapping[str, Array],
    *,
    better: frozenset[str],
    trained: Mapping[str, Any],
) -> str:
    """Write a weights file by atomic rename; return the SHA-256 of its arrays.

    Args:
        path: Ends in .npz.
        sizes: Of the network.
        arrays: `matrices`, `biases`, `mean`, `scale`.
        better: Sources on which it beats its start.
        trained: Of the run: data hash, windows, minutes...
    """
    return write_sealed(
        path,
        {name: np.asarray(arrays[name]) for name in _ARRAYS},
        version=WEIGHTS_VERSION,
        sizes=sizes,
        trained=trained,
        better=sorted(better),
    )


def read_weights(path: str | Path, *, isa: str | None = None) -> Weights:
    """Return the weights of a file.

    Raises:
        ModelMissingError: It is not there.
        FormatError: It is no weights file, of another version, damaged, or of a network whose
            inputs or outputs are not this version's.
    """
    file = Path(path)
    about, sizes, arrays = read_sealed(
        file, what="motion model", version=WEIGHTS_VERSION, sizes=_SIZES, names=_ARRAYS
    )
    better = about.get("better")
    if not isinstance(better, list):
        raise FormatError(f"motion model: expected a list of sources as `better`: {file}")
    wanted = {"width": WIDTH, "heads": HEADS}
    if wrong := {name: sizes[name] for name in wanted if sizes[name] != wanted[name]}:
        raise FormatError(
            f"motion model: expected a network of {wanted}, got {wrong}; it was trained for other "
            f"inputs or outputs: {file}"
        )
    try:
        network = RecurrentNetwork(sizes, **arrays, isa=isa)
    except (ShapeError, ValueRangeError) as error:
        raise FormatError(f"motion model: {error}: {file}") from error
    return Weights(
        network=network,
        better=frozenset(map(str, better)),
        about=about,
        sha256=str(about["sha256"]),
    )


def from_checkpoint(path: str | Path) -> tuple[dict[str, int], dict[str, Array], dict[str, Any]]:
    """Return sizes, arrays and progress of a training checkpoint, its averaged weights.

    Raises:
        FormatError: It is no checkpoint.
    """
    try:
        own, progress = averaged_weights(path)
        stats = {name: own[name] for name in ("mean", "scale")}
        layers = 1 + max(int(key.split(".")[1]) for key in own if key.startswith("blocks."))
        order = _order(layers)
        for kind in ("weight", "bias"):
            own[f"heads.{kind}"] = np.concatenate([own[f"turns.{kind}"], own[f"others.{kind}"]])
        matrices, biases = packed([(own[f"{n}.weight"], own[f"{n}.bias"]) for n in order])
    except (OSError, KeyError, ValueError) as error:
        raise FormatError(f"checkpoint: not one of a motion model ({error}): {path}") from error
    hidden, width = own["enter.weight"].shape
    sizes = {
        "width": width,
        "hidden": hidden,
        "layers": layers,
        "heads": len(own["heads.bias"]),
    }
    return sizes, {"matrices": matrices, "biases": biases, **stats}, progress


def layers_of(path: str | Path) -> dict[str, Array]:
    """Return a weights file's layers by the trained network's names, float32.

    Raises:
        ModelMissingError, FormatError: See `read_weights`.
    """
    network = read_weights(path).network
    out = {}
    for name, (matrix, bias) in zip(_order(network.sizes["layers"]), network.layers(), strict=True):
        parts = {name: slice(None)}
        if name == "heads":
            parts = {"turns": slice(6 * COUNT), "others": slice(6 * COUNT, None)}
        for part, rows in parts.items():
            out[f"{part}.weight"], out[f"{part}.bias"] = matrix[rows], bias[rows]
    return {**out, "mean": network.mean, "scale": network.scale}


def _order(layers: int) -> list[str]:
    """Return the layers' names in the order they are packed in."""
    parts = ("gates", "out", "up", "down")
    blocks = [f"blocks.{k}.{part}" for k in range(layers) for part in parts]
    return ["enter", *blocks, "leave", "heads"]
