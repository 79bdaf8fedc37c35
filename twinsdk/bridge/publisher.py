"""Publisher: sends TwinFrames so that every receiver gets the newest, and none holds it up."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from twinsdk.bridge.avatar_file import AvatarFile, FileRequest
from twinsdk.bridge.descriptor import AvatarDescriptor, describe
from twinsdk.bridge.devices import DevicePoses, Haptic
from twinsdk.bridge.discovery import Announcement
from twinsdk.bridge.keys import ServerKeys
from twinsdk.bridge.messages import AvatarEntry, Welcome, pack
from twinsdk.bridge.outlet import Outlet, OutletStats
from twinsdk.bridge.wire import Codec, FrameEncoder, codec_named
from twinsdk.core.avatar import Avatar
from twinsdk.core.clock import Clock, now_ns
from twinsdk.core.closing import Closing
from twinsdk.core.frame import TwinFrame
from twinsdk.core.skeleton import Skeleton
from twinsdk.errors import UsageError

__all__ = ["Publisher", "PublisherStats"]

AnyAvatar: TypeAlias = "Avatar | AvatarDescriptor"
PublisherStats = OutletStats


class Publisher(Closing):
    """A stream of one or more avatars; a context manager.

    Frames are dropped for a receiver that is slow, never queued beyond `queue`, so `send` returns
    at once. Use it from one thread.

    Args:
        endpoint: `tcp://HOST:PORT`, port `*` for any free one, or `ipc://PATH`.
        avatar: Whose poses are sent: an avatar, its descriptor, or several by avatar id.
        avatar_file: The avatar's .vrm, for receivers that ask for it; None gives none away. Where
            several avatars are sent it is that of all of them, or give a mapping.
        avatar_id: Stamped on every frame; None keeps the frames' own ids.
        codec: "float32", "packed48" (within 0.0085 degrees) or "packed32" (within 0.27).
        state_endpoint: Where receivers ask for the avatar; by default the next port, or for ipc
            the path with `.state`.
        keys: The stream's, from `twinsdk.bridge.keys`: it is then encrypted and only paired devices
            may listen. Needed where other machines can reach the endpoint.
        announce: Name under which receivers in the local network find the stream
            (`twinsdk.bridge.discovery`); None announces nothing.
        queue: Frames kept for a receiver whose link is busy.
        clock: Monotonic nanoseconds; the frames' timestamps are in it.

    Raises:
        EndpointError: An address is malformed, taken, or reachable from other machines.
        FileMissingError, FormatError: `avatar_file` is missing, too large, or no binary glTF.
        DependencyError: `announce` needs zeroconf, and it is not installed.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        avatar: AnyAvatar | Mapping[int, AnyAvatar],
        avatar_file: str | Path | Mapping[int, str | Path] | None = None,
        avatar_id: int | None = None,
        codec: Codec | str = Codec.PACKED48,
        state_endpoint: str | None = None,
        keys: ServerKeys | None = None,
        announce: str | None = None,
        queue: int = 3,
        clock: Clock = now_ns,
    ) -> None:
        self._codec = codec_named(codec)
        self._clock = clock
        self._avatar_id = avatar_id
        self._everyone: AvatarDescriptor | None = None
        self._avatars: dict[int, AvatarDescriptor] = {}
        if isinstance(avatar, Mapping):
            self._avatars = {int(key): describe(value) for key, value in avatar.items()}
        else:
            self._everyone = describe(avatar)
            if avatar_id is not None:
                self._avatars[avatar_id] = self._everyone
        self._file: AvatarFile | None = None
        self._files: dict[int, AvatarFile] = {}
        if isinstance(avatar_file, Mapping):
            self._files = {int(key): AvatarFile(value) for key, value in avatar_file.items()}
        elif avatar_file is not None:
            self._file = AvatarFile(avatar_file)
        self.session = secrets.randbits(63) | 1
        self._encoders: dict[int, FrameEncoder] = {}
        self._checked: dict[int, Skeleton] = {}
        self._newest: dict[int, bytes] = {}
        self._packed: dict[int, bytes] = {}
        for descriptor in [self._everyone, *self._avatars.values()]:
            if descriptor is not None and descriptor.hash not in self._packed:
                self._packed[descriptor.hash] = pack(descriptor)
        self._outlet = Outlet(
            endpoint,
            state_endpoint=state_endpoint,
            keys=keys,
            queue=queue,
            welcome=self._welcome,
            descriptor=self._packed.get,
            file=self._chunk,
            clock=clock,
        )
        self._announcement: Announcement | None = None
        if announce is not None:
            try:
                self._announcement = Announcement(
                    announce,
                    pose=self._outlet.endpoint,
                    state=self._outlet.state_endpoint,
                    secure=keys is not None,
                )
            except BaseException:
                self._outlet.close()
                raise

    @property
    def endpoint(self) -> str:
        """Where poses are sent from, with the port it got."""
        return str(self._outlet.endpoint)

    @property
    def state_endpoint(self) -> str:
        """Where receivers say HELLO, with the port it got."""
        return str(self._outlet.state_endpoint)

    @property
    def stats(self) -> PublisherStats:
        """What was done so far."""
        return self._outlet.stats

    def send(self, frame: TwinFrame) -> None:
        """Send a frame to whoever listens; never waits.

        Raises:
            SkeletonMismatchError: The pose is on another skeleton than the avatar's.
            UsageError: The frame's avatar id has no avatar, or the publisher is closed.
        """
        avatar = frame.avatar_id if self._avatar_id is None else self._avatar_id
        encoder = self._encoders.get(avatar) or self._join(avatar)
        skeleton = frame.pose.skeleton
        if skeleton is not self._checked.get(avatar):
            frame.pose.on(self._avatars[avatar].skeleton)
            self._checked[avatar] = skeleton
        message = encoder.encode(frame, avatar_id=avatar, t_send_ns=self._clock())
        self._outlet.send(message)
        first = avatar not in self._newest
        self._newest[avatar] = message
        if first:
            self._outlet.announce()

    def devices(self) -> dict[str, DevicePoses]:
        """Return where each receiver's headset and hands are now, by the receiver's name.

        Only receivers that send them are listed; see `Subscriber.send_devices`.
        """
        return self._outlet.devices()

    def shake(self, haptic: Haptic) -> None:
        """Shake a device of every receiver."""
        self._outlet.shake(haptic)

    def close(self) -> None:
        """Stop serving and free both ports; a second call does nothing."""
        if self._announcement is not None:
            self._announcement.close()
        self._outlet.close()

    def _join(self, avatar: int) -> FrameEncoder:
        descriptor = self._avatars.get(avatar, self._everyone)
        if descriptor is None:
            raise UsageError(
                f"frame: expected an avatar id among {sorted(self._avatars)}, got {avatar}"
            )
        self._avatars[avatar] = descriptor
        encoder = FrameEncoder(
            joints=len(descriptor.skeleton),
            codec=self._codec,
            session=self.session,
            descriptor=descriptor.hash,
        )
        self._encoders[avatar] = encoder
        return encoder

    def _welcome(self, endpoint: str) -> Welcome:
        return Welcome(
            session=self.session,
            pose_endpoint=endpoint,
            codec=int(self._codec),
            avatars=tuple(
                self._entry(avatar, found) for avatar, found in list(self._avatars.items())
            ),
            now_ns=self._clock(),
        )

    def _entry(self, avatar: int, descriptor: AvatarDescriptor) -> AvatarEntry:
        file = self._files.get(avatar, self._file)
        return AvatarEntry(
            avatar=avatar,
            descriptor=descriptor.hash,
            newest=self._newest.get(avatar),
            file=None if file is None else file.sha256,
            file_bytes=0 if file is None else len(file),
        )

    def _chunk(self, request: FileRequest) -> bytes | None:
        for file in (self._file, *self._files.values()):
            chunk = None if file is None else file.chunk(request)
            if chunk is not None:
                return pack(chunk)
        return None
