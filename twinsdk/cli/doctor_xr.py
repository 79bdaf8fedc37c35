"""`twinsdk doctor --xr`: what a headset and its controllers send, and what is wrong with it."""

from __future__ import annotations

import time
from collections.abc import Iterator

__all__ = ["check"]

_WAIT_S, _WATCH_S, _EVERY_S = 30.0, 4.0, 1 / 60


def check(endpoint: str, convention: str) -> Iterator[tuple[str, str, str]]:
    """Yield findings (state, what was found, what to do) on the devices that come up a stream.

    Waits half a minute for a headset, then watches it for four seconds.
    """
    from twinsdk.bridge import AvatarDescriptor, Publisher
    from twinsdk.bridge.keys import keys_for
    from twinsdk.core.frame import TwinFrame
    from twinsdk.core.humanoid import HUMANOID_NAMES, humanoid_skeleton
    from twinsdk.core.pose import rest_pose
    from twinsdk.motion.trackers.xr_check import XrCheck
    from twinsdk.session.xr import devices_of

    skeleton = humanoid_skeleton()
    bare = AvatarDescriptor(
        skeleton=skeleton, humanoid={name: name for name in HUMANOID_NAMES}, name="doctor"
    )
    still = TwinFrame(avatar_id=0, sequence=0, timestamp_ns=0, pose=rest_pose(skeleton))
    watch, names, poses = XrCheck(convention), set[str](), 0
    with Publisher(endpoint, avatar=bare, keys=keys_for(endpoint)) as publisher:
        yield "ok", f"waiting {_WAIT_S:.0f} s for a headset on {publisher.endpoint}", ""
        until, heard, last = time.monotonic() + _WAIT_S, False, -1
        while time.monotonic() < until:
            publisher.send(still)
            for found in publisher.devices().values():
                if found.t_ns != last:
                    if not heard:
                        heard, until = True, time.monotonic() + _WATCH_S
                    last = found.t_ns
                    devices = devices_of(found)
                    names |= devices.keys()
                    poses += 1
                    watch.add(devices)
            time.sleep(_EVERY_S)
    if not heard:
        yield "note", "no headset came", "open `twinsdk view` in it, or start your client"
        return
    yield "ok", f"{poses / _WATCH_S:.0f} poses a second of {', '.join(sorted(names))}", ""
    wrong = watch.fault()
    if wrong is None:
        yield "ok", "height, axes and sides are right", ""
    else:
        yield "fault", wrong, ""
