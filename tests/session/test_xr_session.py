"""Devices that go up a real socket move a twin that comes down it."""

import threading
import time
from itertools import pairwise

import numpy as np
import pytest

import twinsdk as tw
from twinsdk.bridge.devices import Device, DeviceKind, DevicePoses
from twinsdk.core import quat
from twinsdk.core.frame import TrackingState
from twinsdk.errors import UsageError, ValueRangeError
from twinsdk.session import xr
from twinsdk.session.xr import XrConfig, XrSession, devices_of


def worn(frame, *, t_ns=None, raised=0.0):
    """Return what a WebXR client sends of somebody who raises both hands."""
    place = {
        DeviceKind.HEAD: (0.0, 1.6, 0.0),
        DeviceKind.LEFT_HAND: (-0.3, 1.0 + raised, -0.3),
        DeviceKind.RIGHT_HAND: (0.3, 1.0 + raised, -0.3),
    }
    return DevicePoses(
        t_ns=frame if t_ns is None else t_ns,
        devices=tuple(
            Device(kind=kind, position=p, rotation=(0.0, 0.0, 0.0, 1.0))
            for kind, p in place.items()
        ),
    )


class Wearer:
    """A headset's client: sends devices 60 times a second over the stream's own socket."""

    def __init__(self, endpoint, state_endpoint):
        self.frames = []
        self._stop = threading.Event()
        self._endpoint, self._state = endpoint, state_endpoint
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        with tw.Subscriber(self._endpoint, state_endpoint=self._state, name="headset") as stream:
            frame = 0
            while not self._stop.is_set():
                frame += 1
                stream.send_devices(worn(frame, raised=0.4 * min(frame / 120, 1.0)))
                found = stream.recv(1 / 60)
                if found is not None:
                    self.frames.append(found)

    def close(self):
        self._stop.set()
        self._thread.join(timeout=5)


def test_a_headset_drives_a_twin_through_a_socket(bead_avatar):
    with tw.Publisher("tcp://127.0.0.1:*", avatar=bead_avatar) as publisher:
        wearer = Wearer(publisher.endpoint, publisher.state_endpoint)
        try:
            session = XrSession(publisher, bead_avatar, XrConfig(max_frames=60))
            timer = threading.Timer(20, session.stop)
            timer.start()
            frames = list(session)
            timer.cancel()
        finally:
            wearer.close()
    assert len(frames) == 60
    assert session.wearer.startswith("headset")
    assert [frame.sequence for frame in frames] == list(range(60))
    assert frames[0].state is TrackingState.PARTIAL  # later ones may be late on a busy machine
    hand = bead_avatar.skeleton.names.index("leftHand")
    heights = [frame.pose.world()[1][hand, 1] for frame in frames]
    assert heights[-1] > heights[0]
    assert all(np.isfinite(frame.pose.rotations).all() for frame in frames)
    foot = bead_avatar.skeleton.names.index("leftFoot")
    assert frames[0].joint_confidence[hand] > frames[0].joint_confidence[foot]
    assert not frames[0].generated[hand]
    assert frames[0].generated[foot]
    assert wearer.frames  # the twin came back to the wearer


class Silent:
    """A publisher whose receivers send what the test says."""

    def __init__(self):
        self.now = {}
        self.sent = []

    def devices(self):
        return self.now

    def send(self, frame):
        self.sent.append(frame)


def test_a_headset_that_falls_silent_is_held_and_told(bead_avatar):
    publisher = Silent()
    publisher.now = {"a": worn(1)}
    session = XrSession(publisher, bead_avatar, XrConfig(max_frames=30))
    frames = list(session)
    assert frames[0].state is TrackingState.PARTIAL
    assert frames[-1].state in (TrackingState.HOLDING, TrackingState.GENERATED)
    assert frames[-1].confidence == 0
    assert all(np.isfinite(frame.pose.rotations).all() for frame in frames)


class Clock:
    """A clock that moves when it is waited for, so that a busy machine makes no long frames."""

    def __init__(self):
        self.now_s = 1.0

    def monotonic(self):
        return self.now_s

    def is_set(self):
        return False

    def wait(self, seconds):
        self.now_s += seconds


def test_on_the_way_to_idling_and_while_idling_nothing_jumps(bead_avatar, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(xr, "time", clock)
    publisher = Silent()
    publisher.now = {"a": worn(1)}
    session = XrSession(publisher, bead_avatar, XrConfig(max_frames=150))
    monkeypatch.setattr(session, "_stop", clock)
    frames = list(session)
    assert frames[-1].state is TrackingState.GENERATED
    for one, following in pairwise(frames):
        turned = quat.angle(one.pose.rotations, following.pose.rotations)
        assert turned.max() < 0.35  # radians in a frame


def test_one_wearer_is_followed_though_others_send_too(bead_avatar):
    publisher = Silent()
    publisher.now = {"a": worn(1), "b": worn(1, raised=0.5)}
    session = XrSession(publisher, bead_avatar, XrConfig(max_frames=3))
    for i, _ in enumerate(session):
        publisher.now = {"b": worn(10 + i, raised=0.5), "a": worn(20 + i)}
    assert session.wearer == "a"


def test_hands_without_a_head_move_nobody(bead_avatar):
    publisher = Silent()
    hands = DevicePoses(t_ns=1, devices=worn(1).devices[1:])
    publisher.now = {"a": hands}
    session = XrSession(publisher, bead_avatar)
    threading.Timer(0.3, session.stop).start()
    began = time.monotonic()
    assert list(session) == []
    assert time.monotonic() - began < 5


def test_a_configuration_that_makes_no_sense_is_refused():
    with pytest.raises(UsageError):
        XrConfig(convention="maya")
    with pytest.raises(ValueRangeError):
        XrConfig(max_frames=0)


def test_devices_are_named_by_their_kind():
    assert list(devices_of(worn(1))) == ["head", "leftHand", "rightHand"]
