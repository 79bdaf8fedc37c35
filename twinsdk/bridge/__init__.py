"""TwinFrame to the wire and back: publisher, subscriber and the planes between them."""

from twinsdk.bridge.descriptor import AvatarDescriptor, describe
from twinsdk.bridge.publisher import Publisher, PublisherStats
from twinsdk.bridge.subscriber import AsyncSubscriber, Subscriber, SubscriberStats
from twinsdk.bridge.wire import Codec, FrameHeader

__all__ = [
    "AsyncSubscriber",
    "AvatarDescriptor",
    "Codec",
    "FrameHeader",
    "Publisher",
    "PublisherStats",
    "Subscriber",
    "SubscriberStats",
    "describe",
]
