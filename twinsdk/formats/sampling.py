"""glTF animation channels at a constant frame rate.

Source: glTF 2.0 specification, appendix C (interpolation).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F32, F64, Array
from twinsdk.errors import FormatError
from twinsdk.formats.accessors import AccessorReader
from twinsdk.formats.glb import whole

__all__ = ["Track", "frame_rate", "moved_nodes", "read_tracks", "sampled"]

DEFAULT_FPS = 30.0
_MAX_FPS = 1000.0
_SLOWEST_FPS = 10.0  # fewer keys a second than this are poses to ease between, not frames
_SNAP = 5e-4
_SAME_INSTANT_S = 5e-4
MAX_SECONDS = 24 * 3600.0


class Track:
    """One node's rotation or translation over time.

    Attributes:
        node: Index of the node.
        path: "rotation" or "translation".
        times: (K,) seconds, increasing.
        values: (K, W), or (K, 3, W) with in- and out-tangents for CUBICSPLINE.
        interpolation: "LINEAR", "STEP" or "CUBICSPLINE".
    """

    def __init__(self, node: int, path: str, times: F64, values: Array, interpolation: str) -> None:
        self.node, self.path, self.times = node, path, times
        self.values, self.interpolation = values, interpolation


def moved_nodes(animation: Mapping[str, Any], node_count: int) -> list[int]:
    """Return the nodes that an animation turns or moves, without reading its values.

    Raises:
        FormatError: A channel names no node.
    """
    targets = [channel.get("target", {}) for channel in animation.get("channels", [])]
    return [
        whole(target["node"], node_count, "channel: nodes")
        for target in targets
        if "node" in target and target.get("path") in ("rotation", "translation")
    ]


def read_tracks(
    animation: Mapping[str, Any], accessors: AccessorReader, node_count: int, where: str
) -> list[Track]:
    """Return the rotation and translation channels of an animation; others are not motion here.

    Raises:
        FormatError: A channel is malformed; the message names it.
    """
    samplers = animation.get("samplers", [])
    clocks: dict[int, F64] = {}  # most channels share one list of times
    tracks = []
    for i, channel in enumerate(animation.get("channels", [])):
        place = f"{where}, channel {i}"
        target = channel.get("target", {})
        path = target.get("path")
        if "node" not in target or path not in ("rotation", "translation"):
            continue
        sampler = samplers[whole(channel.get("sampler"), len(samplers), f"{place}: samplers")]
        node = whole(target["node"], node_count, f"{place}: nodes")
        raw_times = accessors.floats(sampler.get("input"), 1, f"{place}: input")[:, 0]
        times = clocks.get(sampler["input"])
        if times is None:
            times = clocks[sampler["input"]] = _increasing(raw_times, place)
        width = 4 if path == "rotation" else 3
        values = accessors.floats(sampler.get("output"), width, f"{place}: output")
        how = str(sampler.get("interpolation", "LINEAR"))
        each = 3 if how == "CUBICSPLINE" else 1
        if len(values) != each * len(times):
            raise FormatError(f"{place}: expected {each * len(times)} values, got {len(values)}")
        shaped = values.reshape(len(times), 3, width) if each == 3 else values
        tracks.append(Track(node, path, times, shaped, how))
    return tracks


def _increasing(times: F32, place: str) -> F64:
    ordered = len(times) and times[0] >= 0 and times[-1] <= MAX_SECONDS
    if not ordered or (np.diff(times) <= 0).any():
        raise FormatError(f"{place}: expected increasing times from 0 to {MAX_SECONDS:g} s")
    return times.astype(np.float64)


def frame_rate(tracks: list[Track]) -> float:
    """Return the frame rate in which keys were recorded; 30 where there is none to see."""
    clocks = {id(track.times): track.times for track in tracks}
    times = np.unique(np.concatenate([np.zeros(0), *clocks.values()]))
    gaps = np.diff(times)
    gaps = gaps[gaps > _SAME_INSTANT_S]
    if not len(gaps):
        return DEFAULT_FPS
    shortest = float(np.median(gaps)) if np.ptp(gaps) < 0.02 * gaps.min() else float(gaps.min())
    # float32 seconds: an hour in, keys are only known to 0.2 ms.
    multiples = gaps / shortest
    regular = np.abs(multiples - np.round(multiples)).max() < 0.1
    fps = np.round(multiples).sum() / gaps.sum() if regular else DEFAULT_FPS
    if not _SLOWEST_FPS <= fps <= _MAX_FPS:
        return DEFAULT_FPS
    return float(round(fps)) if abs(fps - round(fps)) < _SNAP * fps else float(fps)


def sampled(track: Track, grid: F64) -> F32:
    """Return a track at the times `grid` (T,), held before its first and after its last key."""
    times, values = track.times, track.values
    cubic = track.interpolation == "CUBICSPLINE"
    points = values[:, 1] if cubic else values
    if len(times) == 1:
        held: F32 = np.repeat(points, len(grid), 0)
        return held
    gap = (grid[1] - grid[0]) if len(grid) > 1 else 1.0
    if len(times) == len(grid) and np.abs(times - grid).max() < 1e-3 * gap:
        return points.astype(np.float32)
    left = np.clip(np.searchsorted(times, grid + 1e-6 * gap, "right") - 1, 0, len(times) - 2)
    span = times[left + 1] - times[left]
    share = np.clip((grid - times[left]) / span, 0, 1)
    if track.interpolation == "STEP":
        chosen = left + (share >= 1 - 1e-6)
        stepped: F32 = points[chosen]
        return stepped
    if cubic:
        return _spline(values, left, span, share, is_rotation=track.path == "rotation")
    if track.path == "rotation":
        turned: F32 = quat.slerp(points[left], points[left + 1], share.astype(np.float32))
        return turned
    weight = share[:, None]
    mixed = points[left] * (1 - weight) + points[left + 1] * weight
    result: F32 = mixed.astype(np.float32)
    return result


def _spline(values: Array, left: Array, span: F64, share: F64, *, is_rotation: bool) -> F32:
    t, d = share[:, None], span[:, None]
    start, end = values[left, 1], values[left + 1, 1]
    out, into = values[left, 2] * d, values[left + 1, 0] * d
    mixed = (
        (2 * t**3 - 3 * t**2 + 1) * start
        + (t**3 - 2 * t**2 + t) * out
        + (3 * t**2 - 2 * t**3) * end
        + (t**3 - t**2) * into
    )
    result: F32 = (quat.normalize(mixed) if is_rotation else mixed).astype(np.float32)
    return result
