"""A headset and its controllers drive a twin, without a camera.

Clients of the stream send their devices up the back channel; the same stream brings them the twin.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from twinsdk.avatar import load_avatar
from twinsdk.bridge import Publisher
from twinsdk.bridge.devices import DeviceKind, DevicePoses
from twinsdk.core.arrays import F32
from twinsdk.core.avatar import Avatar
from twinsdk.core.clock import now_ns
from twinsdk.core.closing import Closing
from twinsdk.core.frame import TrackingState, TwinFrame
from twinsdk.core.humanoid import HUMANOID_NAMES
from twinsdk.core.trackers import TRACKER_NAMES, Trackers
from twinsdk.errors import ValueRangeError
from twinsdk.motion.three_points import TrackerSolver
from twinsdk.motion.xr import DevicePose, XrRig
from twinsdk.retarget import Retargeter
from twinsdk.session.rows import source_rows
from twinsdk.session.timing import StageStats, StageTimes

__all__ = ["XrConfig", "XrSession", "devices_of"]

_NAMES = {
    DeviceKind.HEAD: "head",
    DeviceKind.LEFT_HAND: "leftHand",
    DeviceKind.RIGHT_HAND: "rightHand",
}
_POLL_S = 0.004
_KEEPALIVE_S = 1 / 30  # without news the twin goes on at this rate
_LOST_S = 0.5
_GENERATED = 0.35  # confidence of joints that no tracker stands for


@dataclass(frozen=True, kw_only=True)
class XrConfig:
    """How devices become a twin.

    Attributes:
        convention: The devices' axes: "openxr", "webxr" (our page's and clients' own) or "unity".
        height_m: The wearer's height; None reads it from the eyes, and a T-pose.
        max_frames: Stop after so many frames; None: when stopped.
    """

    convention: str = "webxr"
    height_m: float | None = None
    max_frames: int | None = None

    def __post_init__(self) -> None:
        XrRig(self.convention, height_m=self.height_m)
        if self.max_frames is not None and self.max_frames < 1:
            raise ValueRangeError(f"max_frames: expected at least 1, got {self.max_frames}")


class XrSession(Closing):
    """Iterate it for `TwinFrame`s: of the wearer whose devices come, from the first pose on.

    ```python
    with tw.Publisher("tcp://127.0.0.1:5560", avatar=avatar) as publisher:
        with XrSession(publisher, avatar) as session:
            for frame in session:
                ...
    ```

    Args:
        publisher: Its receivers send the devices; the twin is sent to them.
        avatar: An `Avatar`, a file, or "default".
        config: See `XrConfig`.

    Raises:
        TwinError: The avatar cannot be loaded.
    """

    def __init__(
        self, publisher: Publisher, avatar: Avatar | str = "default", config: XrConfig | None = None
    ) -> None:
        self.config = config or XrConfig()
        self.avatar = load_avatar(avatar) if isinstance(avatar, str) else avatar
        self.times = StageTimes()
        self.wearer: str | None = None
        """Name of the receiver whose devices are followed."""
        self.rig = XrRig(self.config.convention, height_m=self.config.height_m)
        self._publisher = publisher
        self._rows = source_rows(self.avatar, HUMANOID_NAMES)
        self._trackers_of = _carriers(HUMANOID_NAMES)
        self._stop = threading.Event()
        self._newest_ns = -1

    def close(self) -> None:
        """Stop; may be called twice."""
        self._stop.set()

    def stop(self) -> None:
        """End after the frame it is at; safe from a signal handler."""
        self._stop.set()

    def stats(self) -> dict[str, StageStats]:
        """Return the time every stage took; see `StageStats`."""
        return self.times.stats()

    def __iter__(self) -> Iterator[TwinFrame]:
        """Yield a frame for every set of devices; none before the first."""
        solver: TrackerSolver | None = None
        retargeter: Retargeter | None = None
        last_s, heard_s, sequence = 0.0, 0.0, 0
        while not self._stop.is_set() and sequence != self.config.max_frames:
            found = self._newest()
            now_s = time.monotonic()
            if found is not None:
                heard_s = now_s
            elif sequence == 0 or now_s - last_s < _KEEPALIVE_S:
                self._stop.wait(_POLL_S)
                continue
            step_s = min(now_s - last_s, 0.25) if sequence else 0.0
            last_s = now_s
            taken_ns = now_ns()
            lost = now_s - heard_s > _LOST_S
            with self.times.measure("fit"):
                if found is not None or lost or sequence == 0:
                    held = {} if found is None else devices_of(found)
                    trackers = self.rig.step(held, step_s, timestamp_ns=taken_ns)
                if solver is None or solver.skeleton is not self.rig.skeleton:
                    solver = TrackerSolver(self.rig.skeleton)
                    retargeter = Retargeter(self.rig.skeleton, self.avatar)
                pose = solver.step(trackers, step_s)
            with self.times.measure("retarget"):
                assert retargeter is not None  # noqa: S101  # made beside the solver
                moved = retargeter.step(pose, step_s)
            sure = self._confidence(trackers)
            frame = TwinFrame(
                avatar_id=0,
                sequence=sequence,
                timestamp_ns=taken_ns,
                pose=moved,
                confidence=float(trackers.seen[:3].mean()),
                joint_confidence=sure[self._rows],
                state=TrackingState.HOLDING if lost else _state(trackers),
            )
            with self.times.measure("stream"):
                self._publisher.send(frame)
            sequence += 1
            yield frame

    def _newest(self) -> DevicePoses | None:
        """Return devices that were not taken before: of the wearer, or of whoever sends first."""
        everyone = self._publisher.devices()
        if self.wearer not in everyone:
            with_head = [name for name, poses in everyone.items() if "head" in devices_of(poses)]
            self.wearer = with_head[0] if with_head else None
        poses = None if self.wearer is None else everyone[self.wearer]
        if poses is None or poses.t_ns == self._newest_ns:
            return None
        self._newest_ns = poses.t_ns
        return poses

    def _confidence(self, trackers: Trackers) -> F32:
        """Return (55,): sure where a tracker is, little where the body was filled in."""
        seen = np.append(trackers.seen, False)[self._trackers_of]
        return np.where(seen, 1.0, _GENERATED).astype(np.float32)


def devices_of(poses: DevicePoses) -> dict[str, DevicePose]:
    """Return the devices by the names `XrRig` knows them by."""
    return {
        _NAMES[device.kind]: DevicePose(position=device.position, rotation=device.rotation)
        for device in poses.devices
        if device.kind in _NAMES
    }


def _state(trackers: Trackers) -> TrackingState:
    return TrackingState.TRACKING if trackers.seen.all() else TrackingState.PARTIAL


def _carriers(names: tuple[str, ...]) -> F32:
    """Return for each joint the row of the tracker that carries it, one past the last for none."""
    rows = []
    for name in names:
        hand = next((n for n in ("left", "right") if name.startswith(n)), "")
        of_hand = hand and not name.startswith(
            tuple(hand + part for part in ("Upper", "Lower", "Shoulder", "Foot", "Toes", "Eye"))
        )
        part = f"{hand}Hand" if of_hand else name
        rows.append(TRACKER_NAMES.index(part) if part in TRACKER_NAMES else len(TRACKER_NAMES))
    return np.array(rows)
