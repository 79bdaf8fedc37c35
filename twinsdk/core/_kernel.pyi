"""Types of the compiled kernels; the words about them are in twinsdk/core/kernel.py."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

_F32 = npt.NDArray[np.float32]
_I32 = npt.NDArray[np.int32]
_F64 = npt.NDArray[np.float64]
_U8 = npt.NDArray[np.uint8]
_U16 = npt.NDArray[np.uint16]
_U32 = npt.NDArray[np.uint32]

def supported_isas() -> tuple[str, ...]: ...
def is_f32(value: object, shape: tuple[int | str, ...]) -> bool: ...
def forward_kinematics(
    parents: _I32, rest_translations: _F32, rotations: object, root_translations: object
) -> tuple[_F32, _F32] | None: ...
def encode48(rotations: _F32, out: _U16) -> None: ...
def decode48(words: _U16, out: _F32) -> None: ...
def encode32(rotations: _F32, out: _U32) -> None: ...
def decode32(words: _U32, out: _F32) -> None: ...
def encode_unit8(weights: _F32, out: _U8) -> None: ...
def decode_unit8(codes: _U8, out: _F32) -> None: ...
def multiply_quaternions(a: _F32, b: _F32, out: _F32) -> None: ...
def rotate_vectors(q: _F32, v: _F32, out: _F32) -> None: ...
def unit_quaternions(
    value: object, shape: tuple[int | str, ...], tolerance: float
) -> _F32 | None: ...
def normalize_quaternions(q: _F32, out: _F32) -> None: ...
def rotations_from_euler(
    degrees: _F64, columns: npt.NDArray[np.int64], axes: tuple[int, int, int], rotations: _F32
) -> None: ...
def parse_numbers(text: bytes, out: _F64) -> tuple[int, int]: ...
def format_numbers(rows: _F64, decimals: int) -> bytes: ...
def half_supported() -> bool: ...

class HalfMatrix:
    def __init__(self, values: _U16) -> None: ...
    def times(self, row: _F32) -> _F32: ...

def recurrent_scratch_size(*, width: int, hidden: int, layers: int, heads: int) -> int: ...
def recurrent_step(
    *,
    width: int,
    hidden: int,
    layers: int,
    heads: int,
    matrices: _U16,
    biases: _F32,
    mean: _F32,
    scale: _F32,
    rows: _F32,
    ticks: _F32,
    state: _F32,
    out: _F32,
    scratch: _F32,
    isa: str,
) -> None: ...
def two_bone(
    *,
    roots: _F32,
    middles: _F32,
    tips: _F32,
    targets: _F32,
    poles: _F32,
    softness: float,
    upper: _F32,
    lower: _F32,
) -> None: ...

class Completer:
    def __init__(
        self,
        *,
        parents: _I32,
        body_points: _I32,
        palm_points: _I32,
        chains: _I32,
        finger_joints: _I32,
        pairs: _I32,
        singles: _I32,
        palms: _F64,
        straight: _F64,
        low: _F64,
        high: _F64,
        numbers: _F64,
    ) -> None: ...
    def complete(
        self,
        world: _F64,
        points: _F64,
        left: _F64 | None,
        right: _F64 | None,
        head: _F64 | None,
        gaze: _F64 | None,
        shown: npt.NDArray[np.bool_],
        size_px: _F64,
        follow: _F64,
        held: _F64 | None,
        rotations: _F64,
        trust: _F64,
    ) -> None: ...

class LimbPair:
    def __init__(
        self, *, joints: int, rows: _I32, above: _I32, trunk: int, numbers: _F64
    ) -> None: ...
    def reach(
        self,
        world: _F32,
        places: _F32,
        goals: _F64,
        ends: _F64 | None,
        aim: _F64 | None,
        bend: _F64 | None,
        speed: _F64 | None,
        fresh: bool,
        most_rad_s: float,
        step_s: float,
        rotations: _F64,
    ) -> None: ...

def turn_unseen_legs(
    rows: _I32,
    above: _I32,
    seen: _F32,
    made: _F32,
    share: _F64,
    stands: _F64,
    follows: float,
    fresh: bool,
    turns: _F64,
    rotations: _F64,
) -> None: ...

class BodySolver:
    def __init__(
        self,
        *,
        unknowns: int,
        segments: int,
        parents: _I32,
        unknown: _I32,
        share: _F64,
        low: _F64,
        high: _F64,
        segment: _I32,
        point_joints: _I32,
    ) -> None: ...
    def solve(
        self,
        *,
        offsets: _F64,
        points: _F64,
        seen: _F64,
        anchors: _F64,
        forecast: _F64,
        forecast_weights: _F64,
        neutral: _F64,
        neutral_weights: _F64,
        root_forecast: _F64,
        root_weights: _F64,
        numbers: _F64,
        iterations: int,
        rotations: _F64,
        root: _F64,
        residuals: _F64,
        information: _F64,
        downhill: _F64,
        world: _F64,
        places: _F64,
    ) -> float: ...

def turned(q: _F64, v: _F64, out: _F64) -> None: ...
def turns_between(a: _F64, b: _F64, out: _F64) -> None: ...
def glide(
    *,
    given: _F64,
    step_s: float,
    min_hz: float,
    gain: float,
    speed_hz: float,
    haste: _F64,
    max_speed: _F64,
    at: _F64,
    velocity: _F64,
    speed: _F64,
) -> None: ...

class RetargetStep:
    def __init__(self, plan: Mapping[str, object]) -> None: ...
    def step(
        self, source: _F32, source_root: _F32, dt_s: float, rotations: _F32, root: _F32
    ) -> None: ...

class PoseWire:
    def __init__(
        self,
        *,
        pattern: bytes,
        mask: bytes,
        scalars: Sequence[int],
        codec: int,
        joints: int,
        expressions: int,
        rotations_at: int,
        expressions_at: int,
        confidence_at: int,
    ) -> None: ...
    def read(self, message: bytes) -> tuple[object, ...] | int: ...
    def read_frame(
        self, message: bytes, kinds: tuple[object, ...]
    ) -> tuple[object, object] | int: ...
    def write_frame(
        self, frame: object, avatar: int, t_send_ns: int, states: tuple[object, ...]
    ) -> bytes: ...
    def write(
        self,
        rotations: _F32,
        expressions: _F32,
        joint_confidence: _F32,
        root: _F32,
        avatar: int,
        sequence: int,
        t_capture_ns: int,
        t_send_ns: int,
        state: int,
        confidence: float,
    ) -> bytes: ...

class Rig:
    def __init__(
        self,
        *,
        vertices: _F32,
        normals: _F32 | None,
        joints: _U16,
        weights: _F32,
        joint_count: int,
        morph_offsets: _F32 | None,
        parents: _I32 | None,
        rest_translations: _F32 | None,
        inverse_bind: _F32 | None,
        isa: str,
    ) -> None: ...
    def skin(
        self,
        matrices: object,
        morph_weights: object,
        points: object,
        out: object,
        normals_out: object,
        method: object,
        block_order: object,
        threads: object,
    ) -> _F32 | None: ...
    def pose(
        self,
        rotations: object,
        root_translations: object,
        morph_weights: object,
        out: object,
        normals_out: object,
        method: object,
        block_order: object,
        threads: object,
    ) -> _F32 | None: ...
    def gradients(
        self,
        *,
        matrices: _F32,
        points: _F32 | None,
        grad_positions: _F32,
        grad_points: _F32 | None,
        grad_matrices: _F32 | None,
        threads: int,
    ) -> None: ...
    @property
    def order(self) -> _I32: ...
    @property
    def vertex_count(self) -> int: ...
    @property
    def block_count(self) -> int: ...
    @property
    def listed_joints(self) -> int: ...
    @property
    def morph_count(self) -> int: ...

class MeshNormals:
    def __init__(
        self, *, triangles: _U32, vertex_count: int, owners: _I32 | None, isa: str
    ) -> None: ...
    def recompute(self, vertices: object, out: object, threads: object) -> _F32 | None: ...
