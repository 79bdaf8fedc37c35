"""Streams that announce themselves are found, on this machine's own network."""

from __future__ import annotations

import socket
import sys
from types import SimpleNamespace

import pytest

from twinsdk.bridge import Publisher, Subscriber, discovery
from twinsdk.bridge.keys import make_server_keys
from twinsdk.cli import main
from twinsdk.errors import DependencyError, EndpointError

HERE = "tcp://127.0.0.1:*"


@pytest.fixture
def multicast():
    """Skip where this machine's loopback passes no multicast."""
    pytest.importorskip("zeroconf", reason="needs zeroconf (the discovery extra)")
    group, here = "224.0.0.251", socket.inet_aton("127.0.0.1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        try:
            line.bind(("", 0))
            join = socket.inet_aton(group) + here
            line.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, join)
            line.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, here)
            line.settimeout(5)
            line.sendto(b"probe", (group, line.getsockname()[1]))
            line.recv(16)
        except OSError as error:
            pytest.skip(f"this machine's loopback passes no multicast ({error})")


def found(seconds=1.5):
    return discovery.discover(seconds, interfaces=["127.0.0.1"])


def test_an_announced_stream_is_found_and_its_endpoint_works(
    multicast, descriptor_of_size, frame_on
):
    avatar = descriptor_of_size(4)
    with Publisher(HERE, avatar=avatar, announce="the twin. of tests") as publisher:
        streams = [s for s in found() if s.name.startswith("the twin")]
        assert [s.endpoint for s in streams] == [publisher.endpoint]
        assert streams[0].state_endpoint == publisher.state_endpoint
        assert not streams[0].secure
        publisher.send(frame_on(avatar, 1))
        with Subscriber(streams[0].endpoint) as subscriber:
            assert subscriber.recv(5) is not None
    assert not [s for s in found() if s.name.startswith("the twin")]


def test_streams_of_one_name_are_told_apart_and_keys_are_said_not_told(
    multicast, descriptor_of_size, tmp_path
):
    avatar, keys = descriptor_of_size(4), make_server_keys(tmp_path)
    with (
        Publisher(HERE, avatar=avatar, announce="pair of tests") as one,
        Publisher(HERE, avatar=avatar, announce="pair of tests", keys=keys) as two,
    ):
        streams = {s.endpoint: s for s in found() if s.name.startswith("pair of tests")}
    assert set(streams) == {one.endpoint, two.endpoint}
    assert len({s.name for s in streams.values()}) == 2
    assert [streams[p.endpoint].secure for p in (one, two)] == [False, True]


def test_view_lists_the_streams(multicast, descriptor_of_size, monkeypatch, capsys):
    discover = discovery.discover
    monkeypatch.setattr(discovery, "discover", lambda: discover(1.5, interfaces=["127.0.0.1"]))
    with Publisher(HERE, avatar=descriptor_of_size(2), announce="listed") as publisher:
        assert main(["view", "--discover"]) == 0
    out = capsys.readouterr().out
    assert any("listed" in line and publisher.endpoint in line for line in out.splitlines())


@pytest.mark.parametrize(
    "said",
    [
        {},
        {b"state": b"x"},
        {b"state": b"99999"},
        {b"state": None},
        {b"\xff": b"1", b"state": b"5"},
    ],
)
def test_an_announcement_that_makes_no_sense_is_passed_over(said):
    information = SimpleNamespace(
        parsed_addresses=lambda: ["127.0.0.1"], port=5560, properties=said, name="x"
    )
    assert discovery._read(information) is None


def test_without_zeroconf_the_words_say_what_to_install(monkeypatch, descriptor_of_size):
    monkeypatch.setitem(sys.modules, "zeroconf", None)
    with pytest.raises(DependencyError, match=r"pip install 'twinsdk\[discovery\]'"):
        Publisher(HERE, avatar=descriptor_of_size(2), announce="x")


def test_a_path_of_this_machine_cannot_be_announced(tmp_path, descriptor_of_size):
    pytest.importorskip("zeroconf", reason="needs zeroconf (the discovery extra)")
    with pytest.raises(EndpointError, match="expected a tcp endpoint"):
        Publisher(f"ipc://{tmp_path}/x", avatar=descriptor_of_size(2), announce="x")
