"""Avatars and frames of any size for the bridge's tests."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from twinsdk.bridge import AvatarDescriptor
from twinsdk.core.clock import now_ns
from twinsdk.core.frame import TrackingState, TwinFrame
from twinsdk.core.pose import Pose
from twinsdk.core.skeleton import Skeleton


def unit_rotations(rng: np.random.Generator, count: int) -> np.ndarray:
    q = rng.normal(size=(count, 4))
    return (q / np.linalg.norm(q, axis=1, keepdims=True)).astype(np.float32)


def random_descriptor(joints: int, seed: int = 7) -> AvatarDescriptor:
    rng = np.random.default_rng(seed)
    parents = np.array([-1, *(rng.integers(0, j) for j in range(1, joints))], np.int32)
    skeleton = Skeleton(
        names=tuple(f"joint {j} ö" for j in range(joints)),
        parents=parents,
        rest_translations=rng.normal(size=(joints, 3)).astype(np.float32),
        rest_rotations=unit_rotations(rng, joints),
    )
    return AvatarDescriptor(
        name="random",
        skeleton=skeleton,
        humanoid={skeleton.names[0]: "hips"},
        morphs=("jawOpen", "x"),
    )


def random_frame(descriptor: AvatarDescriptor, seed: int, **changes: object) -> TwinFrame:
    rng = np.random.default_rng(seed)
    joints = len(descriptor.skeleton)
    fields: dict[str, object] = {
        "avatar_id": 3,
        "sequence": seed,
        "timestamp_ns": now_ns(),
        "expressions": rng.random(52),
        "confidence": float(rng.random()),
        "joint_confidence": rng.random(joints),
        "state": list(TrackingState)[seed % 5],
        "pose": Pose(
            skeleton=descriptor.skeleton,
            rotations=unit_rotations(rng, joints),
            root_translation=rng.normal(size=3),
        ),
    }
    return TwinFrame(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.fixture
def descriptor_of_size() -> Callable[..., AvatarDescriptor]:
    return random_descriptor


@pytest.fixture
def frame_on() -> Callable[..., TwinFrame]:
    return random_frame
