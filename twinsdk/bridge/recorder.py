"""Streams to and from MCAP files, with the schema inside, readable by Foxglove's tools.

A file holds one channel of pose messages for each avatar and one of descriptors; the data of both
are the FlatBuffers of the wire, without the prefix, which repeats what they say. Records go to the
file one by one and are not held back for chunks, so a recording that was killed is readable up to
its last whole frame. Times are the publisher's monotonic nanoseconds.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twinsdk.bridge.descriptor import AvatarDescriptor, describe
from twinsdk.bridge.layout import IDENTIFIER, PREFIX_BYTES, read_layout
from twinsdk.bridge.messages import pack, unpack
from twinsdk.bridge.wire import VERSION, Codec, FrameDecoder, FrameEncoder, FrameHeader, read_prefix
from twinsdk.core.avatar import Avatar
from twinsdk.core.clock import now_ns
from twinsdk.core.closing import Closing
from twinsdk.core.files import existing_file
from twinsdk.core.frame import TwinFrame
from twinsdk.errors import DependencyError, FormatError, OutputError, WireError

if TYPE_CHECKING:
    from twinsdk.bridge.publisher import Publisher

__all__ = ["RecordedFrame", "Recorder", "Recording", "replay"]

_SCHEMA_FILE = Path(__file__).parent / "_generated" / "twin.bfbs"
_POSE, _DESCRIPTOR = "twin.wire.PoseFrame", "twin.wire.Envelope"
_MAX_RECORD_BYTES = 1 << 24


class Recorder(Closing):
    """Writes one stream to a file; a context manager.

    Args:
        path: The .mcap file, replaced when it is there.

    Raises:
        OutputError: It cannot be written.
        DependencyError: The package mcap is missing.
    """

    def __init__(self, path: str | Path) -> None:
        try:
            from mcap.writer import CompressionType, IndexType, Writer
        except ImportError as error:
            raise DependencyError("MCAP files need mcap: pip install mcap") from error
        self.path = Path(path)
        self.frames = 0
        """Frames written so far."""
        try:
            # Unbuffered: what was recorded is in the file even if the next instruction is a kill.
            self._file = self.path.open("wb", buffering=0)
        except OSError as error:
            raise OutputError(
                f"recording: cannot write there ({error.strerror}): {path}"
            ) from error
        self._writer = Writer(
            _WholeRecords(self._file),  # type: ignore[arg-type]  # write, tell and flush are all it calls
            compression=CompressionType.NONE,
            index_types=IndexType.NONE,
            use_chunking=False,
        )
        self._writer.start(profile="", library="twinsdk")
        schema = _SCHEMA_FILE.read_bytes()
        self._pose_schema = self._writer.register_schema(_POSE, "flatbuffer", schema)
        state_schema = self._writer.register_schema(_DESCRIPTOR, "flatbuffer", schema)
        self._descriptors = self._writer.register_channel(
            "/twin/descriptors", "flatbuffer", state_schema
        )
        self._channels: dict[int, int] = {}
        self._known: set[int] = set()
        self._encoders: dict[int, FrameEncoder] = {}
        self._session = now_ns()
        self._closed = False

    def add(self, frame: TwinFrame, *, avatar: Avatar | AvatarDescriptor) -> None:
        """Write a frame exactly (codec float32) with its avatar's descriptor before it.

        Raises:
            SkeletonMismatchError: The pose is on another skeleton than the avatar's.
            OutputError: The disk is full, or the file cannot be written any more.
        """
        descriptor = describe(avatar)
        frame.pose.on(descriptor.skeleton)
        encoder = self._encoders.get(descriptor.hash)
        if encoder is None:
            encoder = self._encoders[descriptor.hash] = FrameEncoder(
                joints=len(descriptor.skeleton),
                codec=Codec.FLOAT32,
                session=self._session,
                descriptor=descriptor.hash,
            )
        self.add_message(encoder.encode(frame), descriptor=descriptor)

    def add_message(self, message: bytes, *, descriptor: AvatarDescriptor) -> None:
        """Write a pose message as it came, with the descriptor it names before it.

        Raises:
            WireError: It is malformed.
            OutputError: The disk is full, or the file cannot be written any more.
        """
        prefix = read_prefix(message)
        layout = read_layout(message)
        values = layout.read_scalars(message)
        t_capture_ns, t_send_ns = max(0, values[3]), max(0, values[4])
        try:
            if descriptor.hash not in self._known:
                self._known.add(descriptor.hash)
                self._writer.add_message(
                    channel_id=self._descriptors,
                    log_time=t_capture_ns,
                    publish_time=t_send_ns,
                    data=pack(descriptor),
                )
            channel = self._channels.get(prefix.avatar)
            if channel is None:
                channel = self._writer.register_channel(
                    f"/twin/avatars/{prefix.avatar}", "flatbuffer", self._pose_schema
                )
                self._channels[prefix.avatar] = channel
            self._writer.add_message(
                channel_id=channel,
                log_time=t_capture_ns,
                publish_time=t_send_ns,
                sequence=prefix.sequence,
                data=message[PREFIX_BYTES:],
            )
        except OSError as error:
            raise OutputError(f"recording: {error.strerror}: {self.path}") from error
        self.frames += 1

    def close(self) -> None:
        """Finish the file; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        try:
            self._writer.finish()  # type: ignore[no-untyped-call]
        except OSError as error:
            raise OutputError(f"recording: {error.strerror}: {self.path}") from error
        finally:
            self._file.close()


class _WholeRecords:
    """What the writer needs of a file: it writes record by record, and each goes out at once."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        while view:  # a raw file may take less than all
            view = view[self._file.write(view) :]
        return len(data)

    def tell(self) -> int:
        return int(self._file.tell())

    def flush(self) -> None:
        """Nothing is held back."""


@dataclass(frozen=True, kw_only=True)
class RecordedFrame:
    """A frame out of a file, its header, and its avatar."""

    frame: TwinFrame
    header: FrameHeader
    descriptor: AvatarDescriptor


class Recording:
    """A recorded stream; iterate it for `RecordedFrame`s in the order they were recorded.

    Args:
        path: The .mcap file; one that was cut short is read up to its last whole frame.

    Raises:
        FileMissingError: It is not there.
        DependencyError: The package mcap is missing.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = existing_file(path, what="recording")
        self.complete: bool | None = None
        """Whether the file was finished properly; None before it was read to its end."""
        self.malformed = 0
        """Records dropped because they made no sense."""

    def __iter__(self) -> Iterator[RecordedFrame]:
        """Yield the frames.

        Raises:
            FormatError: It is no MCAP file, or holds no stream of ours.
        """
        descriptors: dict[int, AvatarDescriptor] = {}
        decoders: dict[int, FrameDecoder] = {}
        ours = False
        self.malformed = 0
        for schema, data in self._records():
            if schema == _DESCRIPTOR:
                found = unpack(data)
                if isinstance(found, AvatarDescriptor):
                    descriptors[found.hash] = found
                continue
            ours = True
            try:
                message = _with_prefix(data)
                known = int(read_layout(message).read_scalars(message)[5])
                if known not in descriptors:
                    raise WireError(f"recording: no descriptor {known:016x}")  # noqa: TRY301
                decoder = decoders.get(known)
                if decoder is None:
                    decoder = decoders[known] = FrameDecoder(
                        skeleton=descriptors[known].skeleton, descriptor=known
                    )
                frame, header = decoder.decode(message)
            except WireError:
                self.malformed += 1
                continue
            yield RecordedFrame(frame=frame, header=header, descriptor=descriptors[known])
        if not ours:
            raise FormatError(f"recording: expected channels of {_POSE}, found none: {self.path}")

    def descriptors(self) -> dict[int, AvatarDescriptor]:
        """Return the avatars in the file by avatar id."""
        return {entry.frame.avatar_id: entry.descriptor for entry in self}

    def _records(self) -> Iterator[tuple[str, bytes]]:
        """Yield the schema's name and the data of each message of ours."""
        try:
            from mcap.exceptions import EndOfFile, McapError
            from mcap.records import Channel, Message, Schema
            from mcap.stream_reader import StreamReader
        except ImportError as error:
            raise DependencyError("MCAP files need mcap: pip install mcap") from error
        schemas: dict[int, str] = {}
        channels: dict[int, str] = {}
        with self.path.open("rb") as file:
            reader = StreamReader(file, record_size_limit=_MAX_RECORD_BYTES)
            try:
                for record in reader.records:
                    if isinstance(record, Schema):
                        schemas[record.id] = record.name
                    elif isinstance(record, Channel):
                        channels[record.id] = schemas.get(record.schema_id, "")
                    elif isinstance(record, Message):
                        name = channels.get(record.channel_id, "")
                        if name in (_POSE, _DESCRIPTOR):
                            yield name, record.data
            except (EndOfFile, struct.error):  # the last record was cut
                self.complete = False
            except (McapError, UnicodeDecodeError) as error:
                raise FormatError(
                    f"recording: expected an MCAP file ({type(error).__name__}): {self.path}"
                ) from error
            else:
                self.complete = True


def replay(
    recording: Recording, publisher: Publisher, *, speed: float = 1.0, loops: int = 1
) -> Iterator[TwinFrame]:
    """Send a recording through a publisher at its own pace; yields each frame once it was sent.

    Times of capture are moved to now, so that receivers see a live stream.

    Args:
        recording: What is sent.
        publisher: Made with the recording's `descriptors()`.
        speed: 2 is twice as fast.
        loops: How often; 0 without end.
    """
    sequence, loop = 0, 0
    while loops == 0 or loop < loops:
        loop += 1
        start_ns, first_ns = now_ns(), None
        for entry in recording:
            if first_ns is None:
                first_ns = entry.frame.timestamp_ns
            due_ns = start_ns + round((entry.frame.timestamp_ns - first_ns) / speed)
            time.sleep(max(0, due_ns - now_ns()) / 1e9)
            sequence = (sequence + 1) % 2**32
            frame = TwinFrame(
                avatar_id=entry.frame.avatar_id,
                sequence=sequence,
                timestamp_ns=due_ns,
                pose=entry.frame.pose,
                expressions=entry.frame.expressions,
                confidence=entry.frame.confidence,
                joint_confidence=entry.frame.joint_confidence,
                state=entry.frame.state,
            )
            publisher.send(frame)
            yield frame


def _with_prefix(body: bytes) -> bytes:
    """Return the pose message of a FlatBuffer without its prefix, which only repeats it."""
    blank = bytes(PREFIX_BYTES) + body
    layout = read_layout(blank)
    values = layout.read_scalars(blank)
    if body[4:8] != IDENTIFIER:
        raise WireError("recording: a pose without its identifier")
    return struct.pack("<3sBIIHH", b"TWN", VERSION, values[1], values[2], 0, layout.codec) + body
