"""TwinFrame to the wire and back: publisher, subscriber and the planes between them."""

from twinsdk.bridge.descriptor import AvatarDescriptor, describe
from twinsdk.bridge.jitter import JitterBuffer, JitterConfig
from twinsdk.bridge.publisher import Publisher, PublisherStats
from twinsdk.bridge.relay import Relay, RelayStats
from twinsdk.bridge.subscriber import AsyncSubscriber, Subscriber, SubscriberStats
from twinsdk.bridge.wire import Codec, FrameHeader

__all__ = [
    "AsyncSubscriber",
    "AvatarDescriptor",
    "Codec",
    "FrameHeader",
    "JitterBuffer",
    "JitterConfig",
    "Publisher",
    "PublisherStats",
    "Relay",
    "RelayStats",
    "Subscriber",
    "SubscriberStats",
    "describe",
]
