"""How fresh and how whole a stream arrives: a receiver's own count, and what it tells."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from twinsdk.bridge._generated import twin_generated as fb
from twinsdk.bridge.clock_sync import ClockOffset
from twinsdk.errors import WireError

__all__ = ["ClientStatistics", "SubscriberStats", "read_statistics", "write_statistics"]


@dataclass(frozen=True, kw_only=True)
class SubscriberStats:
    """What a subscriber saw so far.

    Attributes:
        received: Frames decoded and handed out.
        lost: Sequence numbers never seen, most of them replaced by a newer frame on the way.
        reordered: Frames dropped because a newer one had arrived before.
        stale: Frames dropped because they were older than `max_age_s`.
        malformed: Messages dropped because they made no sense.
        restarts: Times the publisher came back with a new session.
        age_p50_ms, age_p99_ms: From capture to decoded, over the last 600 frames; NaN before.
        clock: Offset to the publisher's clock; None before it was measured.
    """

    received: int
    lost: int
    reordered: int
    stale: int
    malformed: int
    restarts: int
    age_p50_ms: float
    age_p99_ms: float
    clock: ClockOffset | None


@dataclass(frozen=True, kw_only=True)
class ClientStatistics:
    """One receiver's view of the stream.

    Attributes:
        received: Frames decoded since it was opened.
        lost: Sequence numbers never seen.
        age_p50_ms, age_p99_ms: From capture to decoded, over its last 600 frames.
        held_ms: How long ago its newest frame came.
        client: Whose, where a gateway tells of others; empty for the sender's own.
    """

    received: int
    lost: int
    age_p50_ms: float
    age_p99_ms: float
    held_ms: float
    client: str = ""


def write_statistics(builder: Any, message: ClientStatistics) -> int:
    """Write the table into a FlatBuffers builder and return its offset."""
    client = builder.CreateString(message.client) if message.client else None
    fb.ClientStatisticsStart(builder)
    if client is not None:
        fb.ClientStatisticsAddClient(builder, client)
    fb.ClientStatisticsAddReceived(builder, message.received)
    fb.ClientStatisticsAddLost(builder, message.lost)
    fb.ClientStatisticsAddAgeP50Ms(builder, message.age_p50_ms)
    fb.ClientStatisticsAddAgeP99Ms(builder, message.age_p99_ms)
    fb.ClientStatisticsAddHeldMs(builder, message.held_ms)
    return int(fb.ClientStatisticsEnd(builder))


def read_statistics(table: Any) -> ClientStatistics:
    """Return the message in a table.

    Raises:
        WireError: A number is NaN or infinite.
    """
    numbers = (table.AgeP50Ms(), table.AgeP99Ms(), table.HeldMs())
    if not all(math.isfinite(number) for number in numbers):
        raise WireError("client statistics: expected finite ages")
    return ClientStatistics(
        received=table.Received(),
        lost=table.Lost(),
        age_p50_ms=numbers[0],
        age_p99_ms=numbers[1],
        held_ms=numbers[2],
        client=(table.Client() or b"").decode("utf-8", "replace")[:80],
    )
