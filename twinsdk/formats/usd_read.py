"""Motion out of OpenUSD files: the first skeleton that is animated."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from twinsdk.core import quat
from twinsdk.core.arrays import F32, F64
from twinsdk.core.clip import MotionClip
from twinsdk.core.expressions import EXPRESSION_COUNT, EXPRESSION_NAMES
from twinsdk.core.files import existing_file
from twinsdk.core.skeleton import MAX_JOINTS
from twinsdk.errors import FormatError, TwinError
from twinsdk.formats import npz
from twinsdk.formats.face import arkit_name
from twinsdk.formats.guard import reading
from twinsdk.formats.nodes import NodeTree, joint_space
from twinsdk.formats.rest import carry_translations
from twinsdk.formats.usd import modules, row_matrices

__all__ = ["read_clip"]

_MAX_VALUES = 1 << 28
_DEFAULT_FPS = 24.0  # USD's own
_OUT_OF_TIME = getattr(signal, "SIGXCPU", None)  # Windows has none
# Each thread reserves memory, used or not, which would count on machines of many cores.
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "PXR_WORK_THREAD_LIMIT": "1"}
_PATIENCE_S = 600
# usd-core asks for whatever a spoilt file says, and may be long at it; beyond what a sound
# file of the size needs it ends, and that is one line.
_MEMORY_BYTES, _MEMORY_PER_BYTE, _MAX_MEMORY_BYTES = 3 << 30, 100, 8 << 30
_PROCESSOR_S, _PROCESSOR_S_PER_BYTE = 10, 10e-6


def read_clip(path: str | Path) -> MotionClip:
    """Read the motion of the first animated skeleton; up axis and metres per unit are applied.

    usd-core ends the process on some spoilt binary files, so it works in a child process. Files
    that refer to other files are refused: nothing but the file itself is opened.

    Raises:
        DependencyError: usd-core is not installed.
        FileMissingError: There is no such file.
        FormatError: It is no USD, refers to other files, or has no skeleton.
    """
    file = existing_file(path, what="USD")
    modules()
    with reading(path, "USD"), tempfile.TemporaryDirectory() as folder:
        out, said = Path(folder) / "clip.npz", Path(folder) / "error.txt"
        command = [sys.executable, "-m", __name__, str(file.resolve()), str(out), str(said)]
        # The child finds this package where the parent found it.
        path_here = os.pathsep.join(p for p in sys.path if p)
        environment = {**os.environ, **_ONE_THREAD, "PYTHONPATH": path_here}
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, timeout=_PATIENCE_S, check=False
            )
        except subprocess.TimeoutExpired:
            raise FormatError(f"usd-core did not finish within {_PATIENCE_S} s") from None
        if said.exists():
            raise FormatError(said.read_text(encoding="utf-8"))
        if _OUT_OF_TIME is not None and done.returncode == -_OUT_OF_TIME:
            raise FormatError("usd-core was at it for longer than a sound file of this size takes")
        if done.returncode != 0 or not out.exists():
            raise FormatError(f"usd-core crashed on the file (exit {done.returncode})")
        return npz.read_clip(out)


def read_here(file: Path) -> MotionClip:
    """Read in this process; see `read_clip`.

    Raises:
        FormatError: The file is malformed, as far as usd-core survives it.
    """
    pxr = modules()
    with _usd_errors(pxr):
        stage = _opened(pxr, file)
        skeleton, query = _animated(pxr, stage)
        joints = [str(joint) for joint in query.GetJointOrder()]
        if not 1 <= len(joints) <= MAX_JOINTS:
            raise FormatError(f"expected 1 to {MAX_JOINTS} joints, got {len(joints)}")
        animation = query.GetAnimQuery()
        times = list(animation.GetJointTransformTimeSamples()) if animation else []
        fps, grid = _grid(stage, times, len(joints))
        local = np.stack([_local(pxr, query, time) for time in grid])
        rest = _local(pxr, query, pxr.Usd.TimeCode.Default(), at_rest=True)
        return _clip(pxr, stage, skeleton, joints, rest, local, fps, _faces(animation, grid))


@contextmanager
def _usd_errors(pxr: SimpleNamespace) -> Iterator[None]:
    try:
        yield
    except pxr.Tf.ErrorException as error:
        words = " ".join(str(error).split())
        raise FormatError(f"the file is malformed ({words[:120]})") from None


def _opened(pxr: SimpleNamespace, file: Path) -> Any:
    # Anonymous, so that a file written anew is read anew.
    layer = pxr.Sdf.Layer.OpenAsAnonymous(str(file))
    if layer is None:
        raise FormatError("expected USD, got something else")
    others = [name for name in layer.GetCompositionAssetDependencies() if name]
    if others:
        raise FormatError(f"expected one file, got references to {others[:3]}; flatten it first")
    return pxr.Usd.Stage.Open(layer)


def _animated(pxr: SimpleNamespace, stage: Any) -> tuple[Any, Any]:
    cache = pxr.UsdSkel.Cache()
    found = []
    for prim in stage.Traverse():
        if prim.IsA(pxr.UsdSkel.Root):
            cache.Populate(pxr.UsdSkel.Root(prim), pxr.Usd.TraverseInstanceProxies())
    for prim in stage.Traverse():
        if prim.IsA(pxr.UsdSkel.Skeleton):
            query = cache.GetSkelQuery(pxr.UsdSkel.Skeleton(prim))
            if query:
                found.append((prim, query))
    if not found:
        raise FormatError("expected a UsdSkel Skeleton, got none")
    return next((pair for pair in found if pair[1].GetAnimQuery()), found[0])


def _grid(stage: Any, times: list[float], joints: int) -> tuple[float, list[float]]:
    rate = float(stage.GetTimeCodesPerSecond() or _DEFAULT_FPS)
    if len(times) < 2:
        return rate, times or [0.0]
    step = float(np.median(np.diff(times)))
    count = round((times[-1] - times[0]) / step) + 1
    if count * joints * 16 > _MAX_VALUES:
        raise FormatError(f"{count} frames of {joints} joints are too many")
    return rate / step, [times[0] + i * step for i in range(count)]


def _local(pxr: SimpleNamespace, query: Any, time: Any, *, at_rest: bool = False) -> F64:
    found = query.ComputeJointLocalTransforms(pxr.Usd.TimeCode(time), at_rest)
    return row_matrices(found)


def _faces(animation: Any, grid: list[float]) -> F32 | None:
    names = [arkit_name(str(name)) for name in animation.GetBlendShapeOrder()] if animation else []
    if not any(names):
        return None
    weights = np.zeros((len(grid), EXPRESSION_COUNT), np.float32)
    for t, time in enumerate(grid):
        row = np.asarray(animation.ComputeBlendShapeWeights(time), np.float32)
        for name, value in zip(names, row.tolist(), strict=False):
            if name is not None:
                weights[t, EXPRESSION_NAMES.index(name)] = value
    return np.clip(weights, 0, 1)


def _clip(
    pxr: SimpleNamespace,
    stage: Any,
    skeleton: Any,
    joints: list[str],
    rest: F64,
    local: F64,
    fps: float,
    faces: F32 | None,
) -> MotionClip:
    tree = NodeTree([*_names(pxr, skeleton, joints), "usd world"], _children(joints))
    placed = [_parts(matrix) for matrix in rest]
    for i, (place, turn, scale) in enumerate([*placed, _world(pxr, stage, skeleton)]):
        tree.translations[i], tree.rotations[i], tree.scales[i] = place, turn, scale
    tree.place()
    space = joint_space(tree, range(len(joints)))
    rotations = np.repeat(space.skeleton.rest_rotations[None], len(local), 0)
    places = np.repeat(space.skeleton.rest_translations[None], len(local), 0)
    for j, node in enumerate(space.nodes):
        if 0 <= node < len(joints):
            scale = np.linalg.norm(local[:, node, :3, :3], axis=1, keepdims=True)
            turns = quat.from_matrix(local[:, node, :3, :3] / scale)
            rotations[:, j] = space.local_rotations([j], turns[:, None])[:, 0]
            places[:, j] = space.local_translations(j, local[:, node, :3, 3])
    carried = carry_translations(space.skeleton, rotations, places)
    return MotionClip(
        skeleton=carried.on(space.skeleton),
        fps=fps,
        rotations=rotations,
        root_translations=carried.root_translations,
        expressions=faces,
    )


def _names(pxr: SimpleNamespace, skeleton: Any, joints: list[str]) -> list[str]:
    given = [str(name) for name in pxr.UsdSkel.Skeleton(skeleton).GetJointNamesAttr().Get() or ()]
    whole = len(given) == len(joints) and len(set(given)) == len(given)
    return given if whole else [joint.rsplit("/", 1)[-1] for joint in joints]


def _children(joints: list[str]) -> list[list[int]]:
    index = {joint: i for i, joint in enumerate(joints)}
    children: list[list[int]] = [[] for _ in range(len(joints) + 1)]
    for i, joint in enumerate(joints):
        above = joint.rsplit("/", 1)[0] if "/" in joint else ""
        children[index.get(above, len(joints))].append(i)
    return children


def _world(pxr: SimpleNamespace, stage: Any, skeleton: Any) -> tuple[F64, F64, F64]:
    """Return place, turn and scale of the skeleton's prim in our metres and axes."""
    default = pxr.Usd.TimeCode.Default()
    matrix = pxr.UsdGeom.Xformable(skeleton).ComputeLocalToWorldTransform(default)
    matrix = row_matrices(matrix)
    unit = float(pxr.UsdGeom.GetStageMetersPerUnit(stage))
    ours = np.diag([unit, unit, unit, 1.0])
    if pxr.UsdGeom.GetStageUpAxis(stage) == pxr.UsdGeom.Tokens.z:
        ours = ours @ np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1.0]])
    return _parts(ours @ matrix)


def _parts(matrix: F64) -> tuple[F64, F64, F64]:
    scale = np.linalg.norm(matrix[:3, :3], axis=0)
    if scale.min() < 1e-9:
        raise FormatError("expected invertible transforms, got a flat one")
    return matrix[:3, 3], quat.from_matrix(matrix[:3, :3] / scale), scale


def _child(file: str, out: str, said: str) -> None:
    _limit(Path(file).stat().st_size)
    try:
        with reading("", "USD"):
            clip = read_here(Path(file))
    except TwinError as error:
        text = str(error).removeprefix("USD: ").removesuffix(": ")
        Path(said).write_text(text, encoding="utf-8")
        return
    npz.write_clip(clip, out)


def _limit(size: int) -> None:
    """Bound this process to what a file of `size` bytes may take."""
    if sys.platform == "win32":
        return
    import resource

    memory = min(_MEMORY_BYTES + _MEMORY_PER_BYTE * size, _MAX_MEMORY_BYTES)
    seconds = int(_PROCESSOR_S + _PROCESSOR_S_PER_BYTE * size)
    for kind, most in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CPU, seconds)):
        _, hard = resource.getrlimit(kind)
        if hard == resource.RLIM_INFINITY or hard > most:
            resource.setrlimit(kind, (most, hard))


if __name__ == "__main__":
    _child(*sys.argv[1:4])
