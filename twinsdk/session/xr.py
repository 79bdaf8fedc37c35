"""A headset and its controllers drive a twin, without a camera.

Clients of the stream send their devices up the back channel; the same stream brings them the twin.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from twinsdk.avatar import load_avatar
from twinsdk.bridge import Publisher
from twinsdk.bridge.devices import DeviceKind, DevicePoses
from twinsdk.core.avatar import Avatar
from twinsdk.core.clock import now_ns
from twinsdk.core.closing import Closing
from twinsdk.core.frame import TrackingState, TwinFrame
from twinsdk.core.humanoid import HUMANOID_NAMES
from twinsdk.errors import ValueRangeError
from twinsdk.motion.trackers.xr import DevicePose, XrRig
from twinsdk.retarget import Retargeter
from twinsdk.session.motion_stage import MotionStage, motion_model
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
_FURTHEST_S = 0.25


@dataclass(frozen=True, kw_only=True)
class XrConfig:
    """How devices become a twin.

    Attributes:
        convention: The devices' axes: "openxr", "webxr" (our page's and clients' own) or "unity".
        height_m: The wearer's height; None reads it from the eyes, and a T-pose.
        max_frames: Stop after so many frames; None: when stopped.
        motion_model: Whether the motion model fills in the body, where its weights are here.
        predict_s: Show the wearer so many seconds ahead, up to 0.25, to hide that much delay.
    """

    convention: str = "webxr"
    height_m: float | None = None
    max_frames: int | None = None
    motion_model: bool = True
    predict_s: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.predict_s <= _FURTHEST_S:
            raise ValueRangeError(f"predict_s: expected 0 to {_FURTHEST_S}, got {self.predict_s}")
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
        stage: MotionStage | None = None
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
            if stage is None or retargeter is None or stage.skeleton is not self.rig.skeleton:
                stage = self._stage()
                retargeter = Retargeter(stage.skeleton, self.avatar)
            with self.times.measure("motion"):
                shown = stage.worn(trackers, step_s)
            with self.times.measure("retarget"):
                pose = retargeter.step(shown.pose, step_s)
            state = shown.state
            if lost and state is not TrackingState.GENERATED:
                state = TrackingState.HOLDING
            frame = TwinFrame(
                avatar_id=0,
                sequence=sequence,
                timestamp_ns=taken_ns,
                pose=pose,
                confidence=float(trackers.seen[:3].mean()),
                joint_confidence=shown.joint_confidence[self._rows],
                state=state,
                generated=shown.generated[self._rows],
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

    def _stage(self) -> MotionStage:
        """Return what follows a wearer of the height that is known by now."""
        skeleton = self.rig.skeleton
        model = motion_model(skeleton) if self.config.motion_model else None
        return MotionStage(skeleton, model, predict_s=self.config.predict_s)


def devices_of(poses: DevicePoses) -> dict[str, DevicePose]:
    """Return the devices by the names `XrRig` knows them by."""
    return {
        _NAMES[device.kind]: DevicePose(position=device.position, rotation=device.rotation)
        for device in poses.devices
        if device.kind in _NAMES
    }
